/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_GO_STACK_H
#define ESCAPEMENT_GO_STACK_H

/* Walks stacks of Go programs by frame pointers, including the switch from the system stack to the goroutine's
 * stack. */

#include "go_memory.h"
#include "machine.h"
#include "record.h"

#define PAGE	    4096 /* bytes of a page of memory */
#define FRAME_BYTES 16	 /* saved frame pointer and return address */

/*
 * The functions below without `static` are global: the verifier checks each of them once per program, and not at each
 * call, and the walk calls them for every frame. They get a buffer by its number, because the verifier knows nothing
 * about a global function's pointers.
 */

/* Moves the window of buffer `number` to `address`. The window ends with the page, because the next one may be
 * unmapped, and a fault costs more than the rest of the walk. Nonzero: unreadable. */
int window_move(__u32 number, __u64 address);

__noinline int window_move(__u32 number, __u64 address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &number);
	__u32 bytes = PAGE - address % PAGE;

	if (!scratch)
		return -1;
	if (bytes > sizeof(scratch->window.words))
		bytes = sizeof(scratch->window.words);
	if (bytes < FRAME_BYTES)
		bytes = FRAME_BYTES;
	scratch->window.start = address;
	scratch->window.bytes = bytes;
	return bpf_probe_read_user(scratch->window.words, bytes, (void *)address) ? -1 : 0;
}

/*
 * Returns the index in the window of the two words at `address`; moves the window there if they are outside. -1:
 * unreadable.
 */
static __always_inline __u64 window_find(struct scratch *scratch, __u32 number, __u64 address)
{
	const struct window *window = &scratch->window;
	__u64 offset = address - window->start;
	/* the sign bit of each difference is set if `offset` is past what was read, or past any window */
	__u64 outside = (window->bytes - FRAME_BYTES - offset) | offset;

	outside = outside >> 63 | offset % sizeof(__u64);
	barrier_var(outside);
	if (!outside)
		return offset / sizeof(__u64);
	return window_move(number, address) ? -1 : 0;
}

/*
 * Called when the walk reaches the place where the goroutine switched from its own stack to the system stack. From
 * there frame pointers lead back to the goroutine's stack, but skip some callers, or do not lead back at all. Adds
 * these callers and stores the frame to continue from in scratch->frame. `depth` is the number of the function at the
 * switch, and scratch->frame is its caller's frame on entry. Returns the number of callers added: 0 (no switch, or all are
 * found from the frame), 1 or 2.
 */
int cross_to_goroutine(__u32 slot, __u32 number, __u32 depth, __u64 g);

__noinline int cross_to_goroutine(__u32 slot, __u32 number, __u32 depth, __u64 g)
{
	struct event_process *process = bpf_map_lookup_elem(&processes, &slot);
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &number);
	__u64 pc, goroutine, sched, *pcs;
	int added = 1;

	if (!process || !scratch || depth >= EVENT_STACK_MAX - 2)
		return 0;
	pcs = scratch->stack.pcs + depth;
	/* Linux 6.1's verifier forgets the bounds of a 32-bit index that the compiler keeps on the stack, not of a pointer. */
	barrier_var(pcs);
	pc = *pcs;
	if (!pc || (pc != process->layout.systemstack && pc != process->layout.morestack))
		return 0;
	goroutine = read_word(read_word(g + process->layout.g_m) + process->layout.m_current);
	if (!goroutine) /* the M has given up its goroutine and is in the scheduler */
		return 0;
	sched = goroutine + process->layout.g_sched;
	if (pc == process->layout.morestack) {
		/* the stack check called morestack before the top function had a frame */
		pcs[1] = read_word(sched + process->layout.gobuf_pc);
		scratch->frame = read_word(sched + process->layout.gobuf_frame);
		added = 2;
	} else if (GO_SYSTEMSTACK_FRAME) {
		scratch->frame = read_word(sched + process->layout.gobuf_frame);
		return 0;
	}
	pcs[added] = GO_SAVED_CALLER(process->layout, sched);
	return added;
}

#define ROOT_WALK_MAX 8192 /* frames beyond those that are kept */

struct root_walk {
	__u64 frame;
	__u32 number, count;
};

/* One frame further. Not 0: there is none, or it cannot be read, and `frame` is not 0 then. */
static long root_step(__u64 step, struct root_walk *walk)
{
	__u32 number = walk->number;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &number);
	__u64 index;

	(void)step;
	if (!scratch || !walk->frame)
		return 1;
	index = window_find(scratch, number, walk->frame);
	barrier_var(index);
	if (index > WINDOW_WORDS - 2)
		return 1;
	scratch->root[walk->count % EVENT_STACK_ROOT] = scratch->window.words[index + 1];
	walk->frame = scratch->window.words[index];
	walk->count++;
	return 0;
}

/*
 * Follows a stack that is deeper than there is room for, up to where the goroutine begins, and gives its outermost frames the
 * place of as many others. Leaves it as it is where its end is not found. Returns 0.
 */
int keep_root(__u32 number, __u64 frame);

__noinline int keep_root(__u32 number, __u64 frame)
{
	struct root_walk walk = {.frame = frame, .number = number};
	struct scratch *scratch;
	__u32 kept;

	bpf_loop(ROOT_WALK_MAX, root_step, &walk, 0);
	scratch = bpf_map_lookup_elem(&scratches, &number);
	if (!scratch || walk.frame || !walk.count)
		return 0;
	kept = walk.count < EVENT_STACK_ROOT ? walk.count : EVENT_STACK_ROOT;
	for (__u32 i = 0; i < EVENT_STACK_ROOT; i++) {
		__u32 to = EVENT_STACK_MAX - kept + i;

		/* What is compared is what is used: 6.1's verifier does not see that they are equal. */
		barrier_var(to);
		if (i >= kept || to >= EVENT_STACK_MAX)
			break;
		scratch->stack.pcs[to] = scratch->root[(walk.count - kept + i) % EVENT_STACK_ROOT];
	}
	if (kept < EVENT_STACK_MAX)
		scratch->stack.pcs[EVENT_STACK_MAX - 1 - kept] = EVENT_STACK_GAP;
	scratch->stack.truncated = 0;
	return 0;
}

struct stack_walk {
	struct scratch *scratch;
	__u64 frame, g, systemstack, morestack;
	__u32 slot, number, depth;
};

/* Adds the next `count` callers, a constant; fewer if the switch to the goroutine's stack is among them, with the callers
 * there. Not 0: there is no room for them, no other, or it cannot be read; `frame` is 0 in the second case only. */
static __always_inline long walk_frames(struct stack_walk *walk, __u32 count)
{
	struct scratch *scratch = walk->scratch;
	__u64 frame = walk->frame, index, caller, away;
	__u32 depth = walk->depth, i;

	if (depth > EVENT_STACK_MAX - count)
		return 1;
	for (i = 0; i < count; i++) {
		if (!frame)
			break;
		index = window_find(scratch, walk->number, frame);
		barrier_var(index);
		if (index > WINDOW_WORDS - 2)
			break;
		frame = scratch->window.words[index];
		caller = scratch->window.words[index + 1];
		scratch->stack.pcs[depth + i] = caller;
		/* 0 if the caller is one of the two, and in rare other cases, which cross_to_goroutine() sorts out */
		away = (caller ^ walk->systemstack) * (caller ^ walk->morestack);
		if (!away) {
			scratch->frame = frame;
			walk->depth =
				depth + i + 1 + (__u32)cross_to_goroutine(walk->slot, walk->number, depth + i, walk->g);
			walk->frame = scratch->frame;
			return 0;
		}
	}
	walk->frame = frame;
	walk->depth = depth + i;
	return i < count;
}

/* Several at once, because what is kept in registers is faster than what one step passes to the next; few, because the verifier
 * follows each. */
#define FRAMES_AT_ONCE 8

static long walk_step(__u64 step, struct stack_walk *walk)
{
	(void)step;
	return walk->depth <= EVENT_STACK_MAX - FRAMES_AT_ONCE ? walk_frames(walk, FRAMES_AT_ONCE)
							       : walk_frames(walk, 1);
}

/*
 * Collects the probed function, its caller (which has no frame yet), and the callers found by frame pointers. The chain
 * of frame pointers ends in 0. The kernel's own walk (bpf_get_stack) is slower per word than this is per frame, and it
 * reads past the end of the chain, into a fault that costs more than the rest. `ret` is GO_RETURN(). Returns the number of the scratch
 * buffer, -1 if none was free. bpf_loop(): the verifier would follow each turn of a loop.
 */
int walk_stack(__u32 slot, __u64 pc, __u64 ret, __u64 frame, __u64 g);

__noinline int walk_stack(__u32 slot, __u64 pc, __u64 ret, __u64 frame, __u64 g)
{
	struct event_process *process = bpf_map_lookup_elem(&processes, &slot);
	struct stack_walk walk = {.frame = frame, .g = g, .slot = slot, .depth = 2};
	__u32 number = 0;
	struct scratch *scratch = process ? scratch_claim(process, &number) : 0;

	if (!scratch)
		return -1;
	walk.scratch = scratch;
	walk.number = number;
	walk.systemstack = process->layout.systemstack;
	walk.morestack = process->layout.morestack;
	scratch->stack.pcs[0] = pc;
	if (window_move(number, GO_RETURN_ON_STACK ? ret : frame))
		scratch->window.words[0] = scratch->window.bytes = 0;
	scratch->stack.pcs[1] = GO_RETURN_ON_STACK ? scratch->window.words[0] : ret;
	bpf_loop(EVENT_STACK_MAX, walk_step, &walk, 0);
	scratch->stack.depth = walk.depth;
	scratch->stack.truncated = walk.depth == EVENT_STACK_MAX && walk.frame;
	if (walk.depth == EVENT_STACK_MAX && walk.frame)
		keep_root(number, walk.frame);
	return number;
}

/* Returns the buffer with the stack at a probe; 0 if there is none. */
static __always_inline struct scratch *take_stack(struct pt_regs *ctx, __u32 slot)
{
	int number = walk_stack(slot, MACHINE_PC(ctx), GO_RETURN(ctx), MACHINE_FP(ctx), GO_G(ctx));

	return number < 0 ? 0 : bpf_map_lookup_elem(&scratches, &number);
}

#endif
