/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs on the USDT probes of libgoalloc. The contract (goalloc_contract.h) puts every argument in the register
 * that the platform's C ABI passes it in, so PT_REGS_PARMn reads it in no time, where the general USDT argument
 * decoder would cost about 50 ns each; user space has checked the notes' argument strings before it attached.
 */
#include "record.h"

#define GOALLOC_CONTRACT_NO_TYPES
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#define UINT64_MAX (~0ULL)
#include "goalloc_contract.h"

#define PARM6(ctx) ((ctx)->r9) /* the kernel's headers stop at five; amd64 */

/* Copies the stack that the library unwound, and the site with it; walks frame pointers where it could not. */
static __always_inline struct scratch *take_stack(void *ctx, __u64 address, struct event_key *key)
{
	struct scratch *scratch = scratch_claim();
	struct event_stack *stack;
	__u64 head[3] = {0, 0, 0}; /* site, truncated, depth */
	__u32 depth;

	if (!scratch)
		return 0;
	stack = &scratch->stack;
	stack->depth = 0;
	stack->truncated = 0;
	if (address && !bpf_probe_read_user(head, sizeof(head), (void *)(address - GOALLOC_STACK_HEAD))) {
		key->site = head[0];
		depth = head[2];
		if (depth > EVENT_STACK_MAX)
			depth = EVENT_STACK_MAX;
		if (depth && !bpf_probe_read_user(stack->pcs, depth * sizeof(__u64),
						  (void *)(address + sizeof(__u64)))) {
			stack->depth = depth;
			stack->truncated = head[1] != 0;
		}
	} else {
		long bytes = bpf_get_stack(ctx, stack->pcs, sizeof(stack->pcs), BPF_F_USER_STACK);

		if (bytes > 0)
			stack->depth = bytes / sizeof(__u64);
		stack->truncated = stack->depth == EVENT_STACK_MAX;
	}
	return scratch;
}

/* Never runs: it is attached so that events carry stacks. */
SEC("uprobe.multi")
int goalloc_stack(struct pt_regs *ctx)
{
	return 0;
}

SEC("uprobe.multi")
int goalloc_mcache_refill(struct pt_regs *ctx)
{
	__u32 slot, flags, span_class = GOALLOC_CACHE_SPAN_CLASS(PT_REGS_PARM1(ctx));
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.events = 1};
	struct event_key key = {.slot = slot, .kind = EVENT_REFILL, .span_class = span_class};
	struct event_class_totals *totals;

	if (!process || !(totals = class_of(window_of(process), span_class)))
		return 0;
	amount.count = GOALLOC_REFILL_REFILLS(PT_REGS_PARM2(ctx));
	amount.objects = GOALLOC_REFILL_OBJECTS(PT_REGS_PARM2(ctx));
	amount.bytes = PT_REGS_PARM3(ctx);
	add(totals->refills, amount.count);
	if (flags & EVENT_FLAG_TOTAL_OBJECTS) {
		add(totals->objects, amount.objects);
		add(totals->bytes, amount.bytes);
	}
	if (process->recording)
		record(process, &key, take_stack(ctx, PARM6(ctx), &key), &amount);
	return 0;
}

SEC("uprobe.multi")
int goalloc_mcentral_grow(struct pt_regs *ctx)
{
	__u32 slot, flags, span_class = PT_REGS_PARM1(ctx);
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.events = 1, .count = PT_REGS_PARM2(ctx)};
	struct event_key key = {.slot = slot, .kind = EVENT_CENTRAL_GROW, .span_class = span_class};
	struct event_class_totals *totals;

	if (!process || !(totals = class_of(window_of(process), span_class)))
		return 0;
	add(totals->central_grows, amount.count);
	if (process->recording)
		record(process, &key, take_stack(ctx, PT_REGS_PARM5(ctx), &key), &amount);
	return 0;
}

SEC("uprobe.multi")
int goalloc_mheap_grow(struct pt_regs *ctx)
{
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.events = 1, .count = 1, .bytes = PT_REGS_PARM2(ctx)};
	struct event_key key = {.slot = slot, .kind = EVENT_HEAP_GROW, .span_class = EVENT_NO_SPAN_CLASS};
	struct event_window *window;

	if (!process)
		return 0;
	window = window_of(process);
	add(window->heap_grows, 1);
	add(window->heap_grow_bytes, amount.bytes);
	if (process->recording)
		record(process, &key, take_stack(ctx, PT_REGS_PARM4(ctx), &key), &amount);
	return 0;
}

/* Feeds totals only: rows of large objects come from alloc_sample. */
SEC("uprobe.multi")
int goalloc_large_alloc(struct pt_regs *ctx)
{
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_window *window;

	if (!process)
		return 0;
	window = window_of(process);
	add(window->classes[0].objects, PT_REGS_PARM1(ctx));
	add(window->classes[0].bytes, PARM6(ctx));
	return 0;
}

SEC("uprobe.multi")
int goalloc_alloc_sample(struct pt_regs *ctx)
{
	__u32 slot, flags, span_class = PT_REGS_PARM4(ctx);
	struct event_process *process = process_of(ctx, &slot, &flags);
	__u64 bytes = PT_REGS_PARM2(ctx), weight = PT_REGS_PARM3(ctx);
	struct event_sums amount = {.events = 1, .count = 1, .bytes = bytes};
	struct event_key key = {.slot = slot, .kind = EVENT_ALLOC, .span_class = span_class,
				.site = PT_REGS_PARM5(ctx)};
	struct event_class_totals *totals;

	if (!process || !(totals = class_of(window_of(process), span_class)))
		return 0;
	if (flags & EVENT_FLAG_TOTAL_OBJECTS) {
		add(totals->objects, 1);
		add(totals->bytes, bytes);
	} else {
		key.kind = EVENT_SAMPLE;
		amount.weight = weight;
		amount.objects_q20 = bytes ? (weight << 20) / bytes : 0;
	}
	if (process->recording)
		record(process, &key, take_stack(ctx, PARM6(ctx), &key), &amount);
	return 0;
}
