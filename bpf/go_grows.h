/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_GO_GROWS_H
#define ESCAPEMENT_GO_GROWS_H

/*
 * Counts what mcentral grew by without a probe in mcentral.grow, which would be hit at two of three refills in a
 * program that only creates garbage. Whether a span had come fresh from mheap is determined when its mcache returns it,
 * and is attributed to the refill that took it.
 *
 * If an element of the span was in use when it was taken, the span existed before. Of the others, a fresh span got its
 * mark bits and its allocation bits one after the other, just then, from the runtime's arenas of such bits; a span that
 * was swept uses as allocation bits its mark bits of an earlier collection. So the two bitmaps of a fresh span are
 * adjacent or, if another thread took bits in between or the arena was full, the allocation bits are in an arena that
 * is not older than that of the mark bits.
 */

#include "go_memory.h"
#include "record.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, EVENT_CACHES_MAX);
	__type(key, struct event_cache_key);
	__type(value, struct event_cache);
} caches SEC(".maps");

static const struct event_cache no_spans = {0};

/* Returns the notes of an mcache. 0 if there are none; that is counted as a loss. */
static __always_inline struct event_cache *cache_of(struct event_process *process, __u32 slot, __u64 cache)
{
	struct event_cache_key key = {.cache = cache, .slot = slot};
	struct event_cache *notes = bpf_map_lookup_elem(&caches, &key);

	enum room_of room;
	long error = -1;

	if (notes)
		return notes;
	room = room_take(process, 0, EVENT_CACHES);
	for (int tries = 0; tries < INSERT_TRIES && room != ROOM_NONE && !notes; tries++) {
		error = bpf_map_update_elem(&caches, &key, &no_spans, BPF_NOEXIST);
		notes = bpf_map_lookup_elem(&caches, &key);
	}
	if (error)
		room_return(process, 0, EVENT_CACHES, room);
	if (!notes)
		add(process->lost_events, 1);
	return notes;
}

struct arena_walk {
	__u64 arenas, alloc_bits, mark_bits, arena;
	__u32 lists, found;
};

static long arena_step(__u64 step, struct arena_walk *walk)
{
	(void)step;
	if (!walk->arena && walk->lists++ < 2)
		walk->arena = read_word(walk->arenas + sizeof(walk->arena));
	if (!walk->arena)
		return 1;
	walk->found = walk->alloc_bits - walk->arena < EVENT_ARENA_BYTES;
	if (walk->found || walk->mark_bits - walk->arena < EVENT_ARENA_BYTES)
		return 1;
	walk->arena = read_word(walk->arena + EVENT_ARENA_NEXT);
	return 0;
}

/* This and tell_grow() are global functions: what follows would else be verified for each way through them. */
int came_last(__u64 arenas, __u64 alloc_bits, __u64 mark_bits);

__noinline int came_last(__u64 arenas, __u64 alloc_bits, __u64 mark_bits)
{
	struct arena_walk walk = {arenas, alloc_bits, mark_bits, read_word(arenas), 1, 0};

	bpf_loop(EVENT_ARENAS_MAX, arena_step, &walk, 0);
	return walk.found;
}

/* Whether a span of this many elements, none of which was in use when it was taken, had come from mheap. */
static __always_inline int came_fresh(const volatile struct event_layout *layout, __u64 span, __u32 elements)
{
	struct {
		__u64 alloc, mark;
	} bits = {};

	bpf_probe_read_user(&bits, sizeof(bits), (void *)(span + layout->span_alloc_bits));
	return bits.alloc - bits.mark == EVENT_BITS_BYTES(elements) ||
	       came_last(layout->bits_arenas, bits.alloc, bits.mark);
}

int tell_grow(__u32 slot, __u32 span_class, const struct event_held_span *held);

__noinline int tell_grow(__u32 slot, __u32 span_class, const struct event_held_span *held)
{
	struct event_sums amount = {.count = 1};
	struct event_key key = {.slot = slot, .kind = EVENT_CENTRAL_GROW, .span_class = span_class};
	struct event_process *process = bpf_map_lookup_elem(&processes, &slot);
	struct event_class_totals *totals;
	__u32 filling = maps.filling;
	struct event_sums *sums;

	if (!process || !held || !(totals = class_of(process, EVENT_FLAG_RECORDING, span_class)))
		return 0;
	add(totals->central_grows, 1);
	if (!stacks_wanted)
		return 0;
	key.stack = held->stack; /* inserted by the refill's row */
	sums = row_find(filling, &key);
	if (sums)
		sums_add(sums, &amount);
	else if (row_insert(process, filling, &key, &amount))
		add(process->lost_events, 1);
	return 0;
}

/*
 * Called when an mcache returns a span of which `before` elements were in use when it took it. `cookie` has the slot,
 * and whether the process is being recorded. A global function, so that the verifier checks it once and not for each
 * span that releaseAll returns.
 */
int span_returned(__u64 cookie, __u32 span_class, __u64 span, __u32 before, struct event_held_span *held);

__noinline int span_returned(__u64 cookie, __u32 span_class, __u64 span, __u32 before, struct event_held_span *held)
{
	__u32 slot = EVENT_COOKIE_SLOT(cookie);
	struct event_process *process = bpf_map_lookup_elem(&processes, &slot);
	int grew;

	if (!process || !held || held->state != EVENT_SPAN_HELD)
		return 0;
	grew = !before && came_fresh(&process->layout, span, read_half(span + process->layout.span_elements));
	held->state = EVENT_SPAN_UNKNOWN;
	if (grew && EVENT_COOKIE_FLAGS(cookie) & EVENT_FLAG_RECORDING)
		tell_grow(slot, span_class, held);
	else if (grew)
		held->state = EVENT_SPAN_GREW;
	return 0;
}

/* Notes that the mcache takes a new span, at this stack. */
static __always_inline void span_taken(struct event_held_span *held, const struct event_hash *stack)
{
	held->stack = *stack;
	held->state = EVENT_SPAN_HELD;
}

#endif
