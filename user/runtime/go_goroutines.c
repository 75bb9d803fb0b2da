/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_goroutines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/go_code.h"

enum {
	GOROUTINES_MAX = 1 << 20, /* with more goroutines, they are not examined one by one */
	BATCH = 256,		  /* goroutines read in one call */
	FRAMES_MAX = 12,	  /* frames from the wait up to mallocgc; frames above are the program's own */
};

/* The state of the walk up one goroutine's stack. */
struct walker {
	uint64_t frame[2]; /* the caller's frame pointer, the return address */
	uint64_t pointer;  /* their address */
	uint64_t top;	   /* of its stack */
};

void go_goroutines_init(struct go_goroutines *goroutines, const struct go_binary *binary, uint64_t bias)
{
	uint64_t all = go_code_goroutines(binary);

	*goroutines = (struct go_goroutines){binary, bias, all ? all + bias : 0};
}

static void *allocate(size_t count, size_t size)
{
	void *memory = memory_zeroed(count + 1, size);

	return memory;
}

/* Reads the addresses of all goroutines that ever existed; ended ones are reused. NULL if they cannot be read. */
static uint64_t *addresses_read(const struct target *target, const uint64_t slice[2], size_t *count)
{
	uint64_t *addresses;

	*count = slice[0] ? slice[1] : 0;
	addresses = allocate(*count, sizeof(*addresses));
	if (target_read(target, slice[0], addresses, *count * sizeof(*addresses))) {
		free(addresses);
		return NULL;
	}
	return addresses;
}

/* Where a goroutine is: its state, and the place in g.sched where it last stopped. */
struct position {
	uint32_t state;
	uint64_t stopped[2]; /* stack pointer, address of the instruction */
	uint64_t pointer;    /* frame pointer */
};

enum { PIECES = 3 }; /* pieces of memory per position */

static int positions_read(const struct go_goroutines *goroutines, const struct target *target,
			  const uint64_t *addresses, size_t count, struct position *positions)
{
	const struct go_scheduler_layout *layout = &goroutines->binary->version->scheduler;
	struct target_piece pieces[PIECES * BATCH];
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		struct position *position = &positions[i];
		struct target_piece *piece = &pieces[filled];
		uint64_t sched = addresses[i] + layout->g_sched;

		piece[0] = (struct target_piece){addresses[i] + layout->g_status, &position->state,
						 sizeof(position->state)};
		piece[1] = (struct target_piece){sched, position->stopped, sizeof(position->stopped)};
		piece[2] = (struct target_piece){sched + layout->gobuf_frame, &position->pointer,
						 sizeof(position->pointer)};
		filled += PIECES;
		if (filled < PIECES * BATCH && i + 1 < count)
			continue;
		if (target_read_pieces(target, pieces, filled))
			return -1;
		filled = 0;
	}
	for (size_t i = 0; i < count; i++)
		positions[i].state &= GO_G_STATUS_BITS; /* without the flag that is set while the collector scans it */
	return 0;
}

static bool waits(const struct position *position)
{
	return position->pointer && (position->state == GO_G_RUNNABLE || position->state == GO_G_WAITING ||
				     position->state == GO_G_PREEMPTED);
}

static bool is_allocation(const struct go_goroutines *goroutines, uint64_t return_address)
{
	static const char prefix[] = "runtime.mallocgc";
	struct go_function function;

	return gopclntab_function_at(goroutines->binary->symbols, return_address - 1 - goroutines->bias, &function) &&
	       strncmp(function.name, prefix, strlen(prefix)) == 0;
}

/* What is read for each walker. */
enum reading {
	READ_TOP,   /* the word at the top of its stack */
	READ_FRAME, /* the frame that it points to */
};

static int walkers_read(const struct target *target, struct walker *walkers, size_t count, enum reading reading)
{
	struct target_piece pieces[BATCH];
	size_t filled = 0;

	for (size_t i = 0; i < count; i++) {
		struct walker *walker = &walkers[i];

		pieces[filled++] =
			reading == READ_TOP
				? (struct target_piece){walker->top, &walker->frame[1], sizeof(walker->frame[1])}
				: (struct target_piece){walker->pointer, walker->frame, sizeof(walker->frame)};
		if (filled < BATCH && i + 1 < count)
			continue;
		if (target_read_pieces(target, pieces, filled))
			return -1;
		filled = 0;
	}
	return 0;
}

/* Moves all walkers up one frame, and removes those that have reached the end. Returns how many are left, or -1. */
static int64_t walk_up(const struct go_goroutines *goroutines, const struct target *target, struct walker *walkers,
		       int64_t count, int64_t *allocating)
{
	int64_t left = 0;

	if (walkers_read(target, walkers, (size_t)count, READ_FRAME))
		return -1;
	for (int64_t i = 0; i < count; i++) {
		if (is_allocation(goroutines, walkers[i].frame[1])) {
			(*allocating)++;
		} else if (walkers[i].frame[0] > walkers[i].pointer) { /* stacks grow downwards */
			walkers[left].pointer = walkers[i].frame[0];
			left++;
		}
	}
	return left;
}

/*
 * A goroutine that was stopped while entering a function still has its caller's frame pointer, which leads past that
 * caller: the caller's return address is at the top of the stack.
 */
static int64_t leave_tops(const struct go_goroutines *goroutines, const struct target *target, struct walker *walkers,
			  int64_t count, int64_t *allocating)
{
	int64_t left = 0;

	if (walkers_read(target, walkers, (size_t)count, READ_TOP))
		return -1;
	for (int64_t i = 0; i < count; i++) {
		if (is_allocation(goroutines, walkers[i].frame[1]))
			(*allocating)++;
		else
			walkers[left++] = walkers[i];
	}
	return left;
}

/* Walks up the stacks of all waiting goroutines. Returns -1 if a stack could not be read. */
static int64_t waiting_in_allocation(const struct go_goroutines *goroutines, const struct target *target,
				     const struct position *positions, size_t count)
{
	struct walker *walkers = allocate(count, sizeof(*walkers));
	int64_t left = 0, allocating = 0;

	for (size_t i = 0; i < count; i++) {
		if (waits(&positions[i]))
			walkers[left++] =
				(struct walker){.pointer = positions[i].pointer, .top = positions[i].stopped[0]};
	}
	left = leave_tops(goroutines, target, walkers, left, &allocating);
	for (int frame = 0; frame < FRAMES_MAX && left > 0; frame++)
		left = walk_up(goroutines, target, walkers, left, &allocating);
	free(walkers);
	return left < 0 ? -1 : allocating;
}

static bool moved(const struct position *before, const struct position *after)
{
	return after->state == GO_G_RUNNING || after->state == GO_G_COPYSTACK || before->state != after->state ||
	       (waits(before) && memcmp(before, after, sizeof(*before)) != 0);
}

int64_t go_goroutines_allocating(const struct go_goroutines *goroutines, const struct target *target,
				 struct error *refusal)
{
	struct position *before, *after;
	uint64_t slice[2], *addresses;
	int64_t allocating = -1;
	size_t count = 0;

	target_allow(target);
	if (!goroutines->all || target_read(target, goroutines->all, slice, sizeof(slice)))
		return -1;
	if (slice[1] > UINT32_MAX)
		return error_set(refusal, STATUS_CANNOT_MEASURE, "its Go runtime has %llu goroutines (runtime.allgs)",
				 (unsigned long long)slice[1]);
	if (slice[1] > GOROUTINES_MAX || !(addresses = addresses_read(target, slice, &count)))
		return (int64_t)slice[1]; /* each is in at most one allocation */
	before = allocate(count, sizeof(*before));
	after = allocate(count, sizeof(*after));
	if (positions_read(goroutines, target, addresses, count, before) == 0)
		allocating = waiting_in_allocation(goroutines, target, before, count);
	if (allocating >= 0 && positions_read(goroutines, target, addresses, count, after))
		allocating = -1;
	for (size_t i = 0; allocating >= 0 && i < count; i++)
		allocating += moved(&before[i], &after[i]);
	free(before);
	free(after);
	free(addresses);
	return allocating < 0 ? (int64_t)count : allocating; /* each is in at most one */
}
