/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_heap.h"

#include "profile/size_class.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/events.h"
#include "runtime/go_code.h"
#include "runtime/runtime.h"
#include "base/memory.h"
#include "base/unaligned.h"

enum {
	STATISTICS_SETS = 3,   /* heapStats.stats: the current, the one being written, the one being summed */
	STATISTICS_MAX = 4096, /* limit for the bytes of all sets */
	PROCESSORS_MAX = 4096,
	CONSISTENT_TRIES = 40,
	CACHE_READ = 8 * SPAN_CLASSES + 8, /* tinyAllocs directly precedes alloc */
	SPAN_READ = 16,
	ARENAS_MAX = 1 << 16,
	ALLOCM_LOCKS = 3,
	REFILL_TRIES = 20,
	REFILL_NS = 100 * 1000,
};

enum use {
	UNUSED,
	SCHEDULES,
	STARTS_THREAD,
	RUNS_GOROUTINE,
};

struct processor {
	uint64_t address, m, cache;
	uint64_t cache_then; /* its cache when the counters were read */
	uint32_t status;
	enum use use;
	uint64_t expected[SPAN_CLASSES];	/* the spans whose counters are read */
	uint8_t block[CACHE_READ];		/* the bytes from mcache.tinyAllocs on */
	uint8_t spans[SPAN_CLASSES][SPAN_READ]; /* the bytes from mspan.allocCount on */
};

void go_heap_init(struct go_heap *heap, const struct go_binary *binary, uint64_t bias)
{
	uint64_t statistics = go_code_heap_statistics(binary), processors = go_code_processors(binary);
	uint64_t profile_rate = go_code_profile_rate(binary);
	struct go_code_bits bits;

	heap->layout = binary->version->heap;
	heap->scheduler_layout = binary->version->scheduler;
	heap->statistics_layout = binary->version->statistics;
	heap->statistics = statistics ? statistics + bias : 0;
	heap->processors = processors ? processors + bias : 0;
	heap->profile_rate = profile_rate ? profile_rate + bias : 0;
	if (go_code_bits(binary, &bits)) {
		heap->bits_arenas = bits.arenas + bias;
		heap->span_alloc_bits = bits.span_alloc_bits;
	}
}

int64_t go_heap_profile_rate(const struct go_heap *heap, const struct target *target)
{
	int64_t rate;

	if (!heap->profile_rate || target_read(target, heap->profile_rate, &rate, sizeof(rate)))
		return -1;
	if (rate < 0)
		return 0;
	return rate < GO_PROFILE_RATE_MAX ? rate : GO_PROFILE_RATE_MAX;
}

size_t go_heap_next_samples(const struct go_heap *heap, const struct target *target, uint64_t **addresses)
{
	uint64_t slice[2], cache;
	size_t count = 0;

	*addresses = NULL;
	if (heap->layout.rate_followed || target_read(target, heap->processors, slice, sizeof(slice)) || !slice[0] ||
	    slice[1] > PROCESSORS_MAX)
		return 0;
	*addresses = memory_zeroed(slice[1] + 1, sizeof(**addresses));
	if (target_read(target, slice[0], *addresses, slice[1] * sizeof(**addresses)))
		return 0;
	for (size_t i = 0; i < slice[1]; i++) {
		uint64_t processor = (*addresses)[i];

		if (processor && target_read(target, processor + heap->layout.p_mcache, &cache, sizeof(cache)) == 0 &&
		    cache)
			(*addresses)[count++] = cache; /* nextSample is its first field */
	}
	return count;
}

static int statistics_read(const struct go_heap *heap, const struct target *target, uint8_t raw[STATISTICS_MAX])
{
	return target_read(target, heap->statistics, raw, STATISTICS_SETS * (size_t)heap->statistics_layout.stride);
}

/* heapStatsDelta begins with committed, released, inHeap, inStacks, inWorkBufs in all releases. A set may be negative, as
 * what was taken in one is given back in another. */
int go_heap_memory(const struct go_heap *heap, const struct target *target, struct go_heap_memory *memory)
{
	uint8_t raw[STATISTICS_MAX];
	int64_t sums[5] = {0};

	if (!heap->statistics || statistics_read(heap, target, raw))
		return -1;
	for (int set = 0; set < STATISTICS_SETS; set++) {
		for (int i = 0; i < 5; i++)
			sums[i] = (int64_t)((uint64_t)sums[i] +
					    load_u64(raw + set * heap->statistics_layout.stride + 8 * i));
	}
	for (int i = 0; i < 5; i++) {
		if (sums[i] < 0 || sums[i] > HEAP_COUNT_MAX)
			return -1;
	}
	*memory = (struct go_heap_memory){sums[0], sums[1], sums[2], sums[3], sums[4]};
	return 0;
}

/* Returns a counter of the process; 0 and a refusal if it is greater than any process can reach. */
static int64_t counted(const uint8_t *at, const char *field, struct error *refusal)
{
	uint64_t value = load_u64(at);

	if (value <= HEAP_COUNT_MAX / STATISTICS_SETS)
		return (int64_t)value;
	error_set(refusal, STATUS_CANNOT_MEASURE, "its Go runtime has %s = %llu", field, (unsigned long long)value);
	return 0;
}

static int statistics_add(const struct go_heap *heap, const uint8_t *raw, struct go_heap_state *state,
			  struct error *refusal)
{
	const struct go_statistics_layout *layout = &heap->statistics_layout;

	for (int set = 0; set < STATISTICS_SETS; set++, raw += layout->stride) {
		state->tiny_count += counted(raw + layout->tiny_count, "heapStats.tinyAllocCount", refusal);
		state->large_count += counted(raw + layout->large_count, "heapStats.largeAllocCount", refusal);
		state->large_bytes += counted(raw + layout->large_bytes, "heapStats.largeAlloc", refusal);
		for (int class = 0; class < SIZE_CLASSES; class ++)
			state->small_count[class] +=
				counted(raw + layout->small_count + 8 * class, "heapStats.smallAllocCount", refusal);
	}
	return refusal->text[0] ? -1 : 0;
}

/*
 * What a P is used for. It also has the state "running" while its thread looks for work and while its goroutine is in a
 * system call. Before the scheduler runs a goroutine after a collection, it flushes the P's mcache. It allocates what a new
 * thread needs in allocm(): that, newm() and what calls newm() have each asked not to be preempted then.
 */
static enum use use_of(const struct go_heap *heap, const struct target *target, const struct processor *processor)
{
	const struct go_scheduler_layout *layout = &heap->scheduler_layout;
	uint64_t current = 0;
	uint32_t status;
	int32_t locks;

	if (processor->status != GO_P_RUNNING || !processor->m)
		return UNUSED;
	if (target_read(target, processor->m + layout->m_current, &current, sizeof(current)))
		return RUNS_GOROUTINE;
	if (!current)
		return target_read(target, processor->m + layout->m_locks, &locks, sizeof(locks)) ||
				       locks >= ALLOCM_LOCKS
			       ? STARTS_THREAD
			       : SCHEDULES;
	return target_read(target, current + layout->g_status, &status, sizeof(status)) ||
			       (status & GO_G_STATUS_BITS) == GO_G_RUNNING
		       ? RUNS_GOROUTINE
		       : UNUSED;
}

/* Reads the Ps and their mcaches. A program that has just started has none. */
static int processors_read(const struct go_heap *heap, const struct target *target, struct processor **processors,
			   size_t *count, struct error *refusal)
{
	uint64_t slice[2], *addresses;
	int status;

	if (target_read(target, heap->processors, slice, sizeof(slice)))
		return -1;
	if (slice[1] > PROCESSORS_MAX)
		return error_set(refusal, STATUS_CANNOT_MEASURE,
				 "its Go runtime has %llu Ps (runtime.allp), more than %d",
				 (unsigned long long)slice[1], PROCESSORS_MAX);
	*count = slice[0] ? slice[1] : 0;
	*processors = memory_zeroed(*count + 1, sizeof(**processors));
	addresses = memory_zeroed(*count + 1, sizeof(*addresses));
	status = target_read(target, slice[0], addresses, *count * sizeof(*addresses));
	for (size_t i = 0; i < *count && !status; i++) {
		struct processor *processor = &(*processors)[i];
		struct target_piece pieces[2] = {
			{addresses[i] + heap->scheduler_layout.p_status, &processor->status, sizeof(processor->status)},
			{addresses[i] + heap->layout.p_mcache - 8, &processor->m, 2 * sizeof(processor->m)}};

		processor->address = addresses[i];
		if (!addresses[i])
			continue;
		status = target_read_pieces(target, pieces, 2);
		processor->use = status ? UNUSED : use_of(heap, target, processor);
		if (!status && processor->cache)
			status = target_read(target, processor->cache + heap->layout.mcache_tiny_allocs,
					     processor->block, CACHE_READ);
	}
	free(addresses);
	return status;
}

/* A reading of the counters: of all sets before and after the caches and the spans in them. */
struct counters {
	uint64_t processors[2]; /* runtime.allp: address and number */
	uint8_t before[STATISTICS_MAX], after[STATISTICS_MAX];
};

/* Appends the counters of a P's cache and of the spans that it has held. Spans of several classes may be the same: an empty
 * one stands for none, and one copy of it is enough. */
static size_t add_pieces(const struct go_heap *heap, struct processor *processor, struct target_piece *pieces)
{
	uint64_t last = 0;
	size_t count = 0;

	pieces[count++] = (struct target_piece){processor->address + heap->layout.p_mcache, &processor->cache_then,
						sizeof(processor->cache_then)};
	pieces[count++] =
		(struct target_piece){processor->cache + heap->layout.mcache_tiny_allocs, processor->block, CACHE_READ};
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		uint64_t span = load_u64(processor->block + 8 + 8 * class);

		processor->expected[class] = span;
		if (span && span != last)
			pieces[count++] = (struct target_piece){span + heap->layout.span_alloc_count,
								processor->spans[class], SPAN_READ};
		last = span;
	}
	return count;
}

/* Completes the copies. Returns whether the P still had this cache, and the cache these spans. */
static bool held_still(struct processor *processor)
{
	bool same = processor->cache_then == processor->cache;

	for (int class = 0; class < SPAN_CLASSES; class ++) {
		uint64_t span = processor->expected[class];

		if (class && span && span == processor->expected[class - 1])
			memcpy(processor->spans[class], processor->spans[class - 1], SPAN_READ);
		same &= load_u64(processor->block + 8 + 8 * class) == span;
	}
	return same;
}

/*
 * Reads all counters in one call, so that the process changes them as little as possible meanwhile: a call for each piece
 * takes so long that of a process that refills 25,000 spans a second two readings in three were torn. *settled: nothing
 * changed, and the caches still held the spans that were read.
 */
static int counters_read(const struct go_heap *heap, const struct target *target, struct processor *processors,
			 size_t processor_count, struct counters *counters, bool *settled)
{
	size_t size = STATISTICS_SETS * (size_t)heap->statistics_layout.stride, count = 0;
	struct target_piece *pieces = memory_zeroed(processor_count * (SPAN_CLASSES + 2) + 3, sizeof(*pieces));
	int status;

	pieces[count++] = (struct target_piece){heap->statistics, counters->before, size};
	pieces[count++] = (struct target_piece){heap->processors, counters->processors, sizeof(counters->processors)};
	for (size_t i = 0; i < processor_count; i++) {
		if (processors[i].cache)
			count += add_pieces(heap, &processors[i], pieces + count);
	}
	pieces[count++] = (struct target_piece){heap->statistics, counters->after, size};
	status = target_read_pieces(target, pieces, count);
	free(pieces);
	*settled = !status && memcmp(counters->before, counters->after, size) == 0 &&
		   (counters->processors[0] ? counters->processors[1] : 0) == processor_count;
	for (size_t i = 0; i < processor_count; i++)
		*settled &= !processors[i].cache || held_still(&processors[i]);
	return status;
}

/* Returns the last span that an mcache returned according to events. NULL if there is none yet, or there are more
 * mcaches than slots. */
static const volatile struct event_pending *pending_of(const volatile struct event_process *events, uint64_t cache,
						       bool *full)
{
	*full = false;
	for (uint32_t i = 0; i < EVENT_PENDING; i++) {
		const volatile struct event_pending *pending =
			&events->pending[(EVENT_PENDING_INDEX(cache) + i) % EVENT_PENDING];

		if (pending->cache == 0)
			return NULL;
		if (pending->cache == cache)
			return pending;
	}
	*full = true;
	return NULL;
}

/* Whether a refill has begun but has not replaced the span yet. */
static bool is_being_refilled(const volatile struct event_pending *pending, int class, uint64_t span)
{
	return pending && pending->span_class == (uint64_t) class && pending->span == span;
}

/* Whether an event has reported the tail of a span that the mcache still holds. */
static bool is_pending(const volatile struct event_process *events, const struct processor *processor, int class)
{
	bool full;
	const volatile struct event_pending *pending = pending_of(events, processor->cache, &full);

	return full || (pending && pending->span == 0) ||
	       is_being_refilled(pending, class, load_u64(processor->block + 8 + 8 * class));
}

static void tails_add(const struct go_heap *heap, const struct processor *processor,
		      const volatile struct event_process *events, struct go_heap_state *state, struct error *refusal)
{
	uint16_t before = heap->layout.span_alloc_count_before_cache - heap->layout.span_alloc_count;
	int64_t tiny = counted(processor->block, "mcache.tinyAllocs", refusal);
	int64_t sum = 0, most = 0;
	bool full;

	for (int class = 0; class < SPAN_CLASSES; class ++) {
		int64_t tail = load_u16(processor->spans[class]) - load_u16(processor->spans[class] + before);

		state->tail[class] += tail;
		sum += tail;
		most = tail > most ? tail : most;
		if (events && tail && is_pending(events, processor, class)) {
			state->unsettled += tail;
			if (class == TINY_SPAN_CLASS)
				state->unsettled += tiny;
		}
	}
	if (events && processor->use != UNUSED && !pending_of(events, processor->cache, &full))
		state->untold += most;
	state->tiny_tail += tiny;
	if (processor->status == GO_P_GC_STOP)
		state->unsettled += sum;
	state->processors++;
	state->running += processor->use == RUNS_GOROUTINE;
	state->starting += processor->use == STARTS_THREAD;
}

static int collections_read(const struct go_heap *heap, const struct target *target, struct go_heap_state *state)
{
	uint32_t count;

	if (target_read(target, heap->statistics + heap->statistics_layout.collections, &count, sizeof(count)))
		return -1;
	state->collections = count;
	return 0;
}

/* runtime.mstats, the same in all releases: last_gc_unix, pause_total_ns, two arrays of 256 pauses, numgc, numforcedgc,
 * gc_cpu_fraction. */
enum {
	LAST_GC_BEFORE_NUMGC = 8 + 8 + 2 * 256 * 8,
	CPU_FRACTION_AFTER_NUMGC = 8,
};

int go_heap_collector(const struct go_heap *heap, const struct target *target, struct go_collector *collector)
{
	uint64_t numgc = heap->statistics + heap->statistics_layout.collections;
	struct target_piece pieces[] = {
		{numgc - LAST_GC_BEFORE_NUMGC, &collector->last_ns, sizeof(collector->last_ns)},
		{numgc + CPU_FRACTION_AFTER_NUMGC, &collector->share, sizeof(collector->share)},
	};

	if (!heap->statistics || target_read_pieces(target, pieces, 2))
		return -1;
	return collector->share >= 0 && collector->share <= 1 && collector->last_ns >= 0 ? 0 : -1;
}

/* Makes one attempt. *settled is false if something changed meanwhile: then the statistics do not match the tails. */
static int read_once(const struct go_heap *heap, const struct target *target,
		     const volatile struct event_process *events, struct go_heap_state *state, bool *settled,
		     struct error *refusal)
{
	struct processor *processors = NULL;
	struct counters counters;
	size_t count = 0;
	int status;

	memset(state, 0, sizeof(*state));
	status = processors_read(heap, target, &processors, &count, refusal);
	if (!status)
		status = counters_read(heap, target, processors, count, &counters, settled);
	for (size_t i = 0; i < count && !status; i++)
		tails_add(heap, &processors[i], events, state, refusal);
	free(processors);
	if (status || statistics_add(heap, counters.after, state, refusal))
		return -1;
	return collections_read(heap, target, state);
}

int go_heap_read(const struct go_heap *heap, const struct target *target, const volatile struct event_process *events,
		 struct go_heap_state *state, struct error *refusal)
{
	bool settled = false;
	int64_t tails = 0;

	refusal->text[0] = 0;
	if (!heap->statistics || !heap->processors)
		return -1;
	target_allow(target);
	for (int i = 0; i < CONSISTENT_TRIES && !settled; i++) {
		if (read_once(heap, target, events, state, &settled, refusal) == 0)
			continue;
		if (target->reader->spent && !refusal->text[0])
			error_set(refusal, STATUS_CANNOT_MEASURE,
				  "reading the counters of its Go runtime takes too long");
		return -1;
	}
	for (int class = 0; class < SPAN_CLASSES && !settled; class ++)
		tails += state->tail[class];
	state->unsettled += tails;
	return 0;
}

/* Whether the allocation bits of a span are from an arena that is not older than that of its mark bits. 0, 1, or -1 if
 * unknown. */
static int came_last(const struct go_heap *heap, const struct target *target, uint64_t alloc_bits, uint64_t mark_bits)
{
	uint64_t lists[2], arena;

	if (target_read(target, heap->bits_arenas, lists, sizeof(lists)))
		return -1;
	for (int list = 0; list < 2; list++) {
		arena = lists[list];
		/* the list may change meanwhile, if the process is running */
		for (int i = 0; arena && i < ARENAS_MAX; i++) {
			if (alloc_bits - arena < EVENT_ARENA_BYTES)
				return 1;
			if (mark_bits - arena < EVENT_ARENA_BYTES)
				return 0;
			if (target_read(target, arena + EVENT_ARENA_NEXT, &arena, sizeof(arena)))
				return -1;
		}
	}
	return 0;
}

int go_heap_came_fresh(const struct go_heap *heap, const struct target *target,
		       const volatile struct event_process *events, uint64_t cache, int span_class)
{
	uint64_t slot = cache + heap->layout.mcache_alloc + 8 * (uint64_t)span_class, span, bits[2];
	uint16_t before, elements;
	struct target_piece pieces[3];
	bool full;

	for (int i = 0; i < REFILL_TRIES; i++) {
		if (target_read(target, slot, &span, sizeof(span)))
			return -1;
		if (!is_being_refilled(pending_of(events, cache, &full), span_class, span))
			break;
		nanosleep(&(struct timespec){.tv_nsec = REFILL_NS}, NULL);
	}
	pieces[0] = (struct target_piece){span + heap->layout.span_alloc_count_before_cache, &before, sizeof(before)};
	pieces[1] = (struct target_piece){span + heap->layout.span_elements, &elements, sizeof(elements)};
	pieces[2] = (struct target_piece){span + heap->span_alloc_bits, bits, sizeof(bits)};
	if (target_read_pieces(target, pieces, 3))
		return -1;
	if (before)
		return 0;
	return bits[0] - bits[1] == EVENT_BITS_BYTES((uint64_t)elements) ? 1
									 : came_last(heap, target, bits[0], bits[1]);
}
