/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * BPF programs on the USDT probes of libgoalloc. By the contract (goalloc_contract.h), every argument is in the
 * register of the platform's C ABI, so PT_REGS_PARMn reads it at no cost, whereas the general USDT argument decoder
 * would cost about 50 ns each. User space has checked the notes' argument strings before it attaches.
 */
#include "machine.h"
#include "record.h"

#define GOALLOC_CONTRACT_NO_TYPES
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#define UINT64_MAX (~0ULL)
#include "goalloc_contract.h"

#define FIRST_FRAMES 16 /* read in one copy with the fields before them */
#define REST_BYTES   ((EVENT_STACK_MAX - FIRST_FRAMES) * sizeof(__u64))

/* Copies the stack that the library unwound, and its site. If the library gave no stack, walks frame pointers. */
static __always_inline struct scratch *take_stack(void *ctx, struct event_process *process, __u64 address,
						  struct event_key *key)
{
	__u32 depth, number;
	__u64 rest;
	struct scratch *scratch = scratch_claim(process, &number);
	struct event_stack *stack;

	if (!scratch)
		return 0;
	stack = &scratch->stack;
	/* The library's fields before `pcs` have the same layout as ours, so one copy fills both. */
	if (address && !bpf_probe_read_user(scratch->head, sizeof(scratch->head) + sizeof(__u64) * (1 + FIRST_FRAMES),
					    (void *)(address - GOALLOC_STACK_HEAD))) {
		key->site = scratch->head[0];
		depth = stack->depth;
		if (depth > EVENT_STACK_MAX)
			depth = EVENT_STACK_MAX;
		rest = depth > FIRST_FRAMES ? (depth - FIRST_FRAMES) * sizeof(__u64) : 0;
		barrier_var(rest); /* the verifier must see the check below on the register that is used as size */
		if (rest > REST_BYTES)
			rest = REST_BYTES;
		if (rest && bpf_probe_read_user(stack->pcs + FIRST_FRAMES, rest,
						(void *)(address + sizeof(__u64) * (1 + FIRST_FRAMES))))
			depth = 0;
		stack->depth = depth;
		stack->truncated = depth && scratch->head[1] != 0;
	} else {
		long bytes = bpf_get_stack(ctx, stack->pcs, sizeof(stack->pcs), BPF_F_USER_STACK);

		stack->depth = bytes > 0 ? bytes / sizeof(__u64) : 0;
		stack->truncated = stack->depth == EVENT_STACK_MAX;
	}
	return scratch;
}

/* Never runs: it is attached only so that events carry stacks. */
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
	struct event_sums amount = {.count = GOALLOC_REFILL_REFILLS(PT_REGS_PARM2(ctx))};
	struct event_key key = {.slot = slot, .kind = EVENT_REFILL, .span_class = span_class};
	struct event_class_totals *totals;

	if (!process || !(totals = class_of(process, flags, span_class)))
		return 0;
	add(totals->refills, amount.count);
	if (flags & EVENT_FLAG_TOTAL_OBJECTS) {
		add(totals->objects, GOALLOC_REFILL_OBJECTS(PT_REGS_PARM2(ctx)));
		add(totals->bytes, PT_REGS_PARM3(ctx));
	}
	if (flags & EVENT_FLAG_RECORDING)
		record(process, &key, take_stack(ctx, process, MACHINE_ARGUMENT_6(ctx), &key), &amount);
	return 0;
}

SEC("uprobe.multi")
int goalloc_mcentral_grow(struct pt_regs *ctx)
{
	__u32 slot, flags, span_class = PT_REGS_PARM1(ctx);
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.count = PT_REGS_PARM2(ctx)};
	struct event_key key = {.slot = slot, .kind = EVENT_CENTRAL_GROW, .span_class = span_class};
	struct event_class_totals *totals;

	if (!process || !(totals = class_of(process, flags, span_class)))
		return 0;
	add(totals->central_grows, amount.count);
	if (flags & EVENT_FLAG_RECORDING)
		record(process, &key, take_stack(ctx, process, PT_REGS_PARM5(ctx), &key), &amount);
	return 0;
}

SEC("uprobe.multi")
int goalloc_mheap_grow(struct pt_regs *ctx)
{
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.count = 1, .bytes = PT_REGS_PARM2(ctx)};
	struct event_key key = {.slot = slot, .kind = EVENT_HEAP_GROW, .span_class = EVENT_NO_SPAN_CLASS};
	struct event_window *window;

	if (!process)
		return 0;
	window = window_of(process, flags);
	add(window->heap_grows, 1);
	add(window->heap_grow_bytes, amount.bytes);
	if (flags & EVENT_FLAG_RECORDING)
		record(process, &key, take_stack(ctx, process, PT_REGS_PARM4(ctx), &key), &amount);
	return 0;
}

/* Adds to the totals only: rows of large objects come from alloc_sample. */
SEC("uprobe.multi")
int goalloc_large_alloc(struct pt_regs *ctx)
{
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_window *window;

	if (!process)
		return 0;
	window = window_of(process, flags);
	add(window->classes[0].objects, PT_REGS_PARM1(ctx));
	add(window->classes[0].bytes, MACHINE_ARGUMENT_6(ctx));
	return 0;
}

/* 2^32 times the probability 1 - exp(-bytes / 2^shift): by the series for x / 2^n, then n times 1 - (1 - p)^2. */
static __always_inline __u64 chance_q32(__u64 bytes, __u32 shift)
{
	const __u64 one = 1ULL << 32;
	__u64 x, p;
	int halved = 0;

	if (bytes >> shift >= 16)
		return one;
	x = bytes << 32 >> shift;
	for (int i = 0; i < 10 && x > one / 64; i++, halved++)
		x >>= 1;
	p = x - (x * x >> 33) + (x * x >> 32) * x / 6 / one;
	for (int i = 0; i < 10 && i < halved; i++)
		p = 2 * p - (p * p >> 32);
	return p < one ? p : one;
}

/*
 * While somebody else listens at a finer rate (or an earlier phase of our own recording still does), libgoalloc tells us
 * its samples, too. Of these we take as many, by chance, as our own rate would have given. So a sample always stands for
 * the same, and a site that has samples of such a time alone is no better known than others. Returns the weight; 0: not
 * taken.
 */
static __always_inline __u64 weight_at_own_rate(__u64 bytes, __u64 weight, __u32 shift)
{
	__u64 chance = shift && bytes ? chance_q32(bytes, shift) : 0;

	/* more than 999 times in 1,000: the rate is ours */
	if (!chance || chance >> 32 || chance * (weight >> 4) / 1023 * 1024 >= bytes << 28)
		return weight;
	if ((__u64)bpf_get_prandom_u32() * bytes >= chance * weight)
		return 0;
	return (bytes << 32) / chance;
}

/* A sample, or at rate 1 (if the flag says so) one of all allocations. */
SEC("uprobe.multi")
int goalloc_alloc_sample(struct pt_regs *ctx)
{
	__u64 bytes = PT_REGS_PARM2(ctx), weight = PT_REGS_PARM3(ctx), site = PT_REGS_PARM5(ctx);
	__u32 slot, flags, span_class = PT_REGS_PARM4(ctx);
	struct event_process *process = process_uncounted(ctx, &slot, &flags);
	int every = flags & EVENT_FLAG_TOTAL_OBJECTS, fresh;
	struct event_class_totals *totals;
	struct event_counter *counter = 0;

	if (!process || !(totals = class_of(process, flags, span_class)))
		return 0;
	if (every)
		counter = counter_of(process, site, 0, bytes << 8 | span_class, &fresh);
	if (counter) {
		if (fresh) {
			counter->span_class = span_class;
			counter->bytes = bytes;
			counter_publish(counter);
		}
		counter_add(counter, flags);
		if (!stacks_wanted)
			return 0;
	} else {
		add(process->hits, 1);
		if (!every && !(weight = weight_at_own_rate(bytes, weight, EVENT_SHIFT_OF(flags))))
			return 0;
		if (every) {
			add(totals->objects, 1);
			add(totals->bytes, bytes);
		}
	}
	if (flags & EVENT_FLAG_RECORDING) {
		struct event_key key = {.slot = slot,
					.kind = every ? EVENT_ALLOC : EVENT_SAMPLE,
					.span_class = span_class,
					.site = site};
		struct event_sums amount = {0};

		if (every) {
			amount.count = 1;
			amount.bytes = bytes;
		} else {
			amount.events = 1;
			amount.weight = weight;
			amount.objects_q20 = bytes ? (weight << 20) / bytes : 0;
		}
		record(process, &key, take_stack(ctx, process, MACHINE_ARGUMENT_6(ctx), &key), &amount);
	}
	return 0;
}
