/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_GO_STACK_H
#define ESCAPEMENT_GO_STACK_H

/* Stacks of Go programs, along frame pointers, from the system stack on to the goroutine's. */

#include "go_memory.h"
#include "record.h"

#define PAGE	    4096 /* of memory */
#define FRAME_BYTES 16	 /* saved frame pointer and return address */
#define G_M	    48	 /* offsets in runtime.g */
#define G_SCHED	    56
#define GOBUF_PC    8 /* offset in runtime.gobuf; the stack pointer comes first */

/* Moves the window to `address`. It ends with the page: the next one may not be there, and a fault costs more than all the
 * rest. */
static __always_inline long window_move(struct window *window, __u64 address)
{
	__u32 bytes = PAGE - address % PAGE;

	if (bytes > sizeof(window->words))
		bytes = sizeof(window->words);
	if (bytes < FRAME_BYTES)
		bytes = FRAME_BYTES;
	window->start = address;
	window->bytes = bytes;
	return bpf_probe_read_user(window->words, bytes, (void *)address);
}

/* Index of the two words at `address` in the window, which is moved there where they are outside. -1: unreadable. */
static __always_inline __u64 window_find(struct window *window, __u64 address)
{
	__u64 offset = address - window->start;

	if (offset <= sizeof(window->words) - FRAME_BYTES && offset + FRAME_BYTES <= window->bytes &&
	    offset % sizeof(__u64) == 0)
		return offset / sizeof(__u64);
	return window_move(window, address) ? -1 : 0;
}

/*
 * Where the goroutine left its own stack for the system stack, on which we run: the frame pointers there lead back to
 * it past some callers, or not at all. Adds these callers; *depth is that of the function at the switch.
 */
static __always_inline void cross_to_goroutine(const volatile struct event_layout *layout, __u64 g,
					       struct event_stack *stack, __u32 *depth, __u64 *frame)
{
	__u64 pc = stack->pcs[*depth], goroutine, sched;

	if (!pc || *depth + 2 >= EVENT_STACK_MAX || (pc != layout->systemstack && pc != layout->morestack))
		return;
	goroutine = read_word(read_word(g + G_M) + layout->m_current);
	if (!goroutine) /* it has been given up, and the scheduler looks for another */
		return;
	sched = goroutine + G_SCHED;
	if (pc == layout->morestack) { /* called before the function at the top had a frame */
		stack->pcs[++*depth] = read_word(sched + GOBUF_PC);
		*frame = read_word(sched + layout->gobuf_frame);
	}
	stack->pcs[++*depth] = read_word(read_word(sched));
}

/*
 * The probed function, its caller (which has no frame to be found by yet), and the callers that have. The chain of
 * frame pointers ends in 0; the kernel's own walk (bpf_get_stack) costs more for a word than this for a frame, and reads
 * past that end, into a fault that costs more than all the rest.
 * Returns the number of the scratch buffer, -1 without one. A global function, which the verifier looks at once and not
 * in each program.
 */
int walk_stack(__u32 slot, __u64 pc, __u64 sp, __u64 frame, __u64 g);

__noinline int walk_stack(__u32 slot, __u64 pc, __u64 sp, __u64 frame, __u64 g)
{
	struct event_process *process = bpf_map_lookup_elem(&processes, &slot);
	__u32 depth, number = 0;
	struct scratch *scratch = process ? scratch_claim(&number) : 0;
	struct event_stack *stack;
	struct window *window;

	if (!scratch)
		return -1;
	stack = &scratch->stack;
	window = &scratch->window;
	stack->pcs[0] = pc;
	if (window_move(window, sp))
		window->words[0] = window->bytes = 0;
	stack->pcs[1] = window->words[0];
	for (depth = 2; depth < EVENT_STACK_MAX && frame; depth++) {
		__u64 index = window_find(window, frame);

		barrier_var(index);
		if (index > WINDOW_WORDS - 2)
			break;
		frame = window->words[index];
		stack->pcs[depth] = window->words[index + 1];
		cross_to_goroutine(&process->layout, g, stack, &depth, &frame);
	}
	stack->depth = depth;
	stack->truncated = depth == EVENT_STACK_MAX;
	return number;
}

/* The buffer with the stack at a probe; 0 where there is none. */
static __always_inline struct scratch *take_stack(struct pt_regs *ctx, __u32 slot)
{
	int number = walk_stack(slot, ctx->rip, ctx->rsp, ctx->rbp, ctx->r14);

	return number < 0 ? 0 : bpf_map_lookup_elem(&scratches, &number);
}

#endif
