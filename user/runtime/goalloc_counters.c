/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/goalloc_counters.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/unaligned.h"
#include "goalloc_contract.h"

enum {
	READ_TRIES = 200, /* tries per cache: a thread that was preempted in a refill takes a while */
	READ_PATIENT_AFTER = 20,
	READ_PAUSE_US = 50,
	READ_PAUSES = 1000,		    /* pauses for all caches together */
	READ_PAUSES_NS = 100 * 1000 * 1000, /* the same: where many threads want the CPU, each takes long */
	SPAN_OBJECTS_MAX = 1024,	    /* 8 KiB of 8-byte objects: the most that a refill in progress can hide */
	CACHES_MAX = 1 << 17,	  /* that the list may have; a process has at most so many threads by default */
	CACHES_BYTES = 128 << 20, /* limit for all copies: about 6,500 caches that count at once */
	/* larger copies are freed after each read, because many processes may be observed */
	BLOCKS_KEPT_BYTES = 1 << 20
};

#define COUNT_MAX (UINT64_C(1) << 56) /* more objects or bytes than any process can allocate through one cache */

/* A reading in progress. */
struct reading {
	struct goalloc_counters *counters;
	const struct target *target;
	const struct goalloc_telling *telling;
	struct heap_counters *sums;
	struct error *refusal;
	int pauses;	   /* taken so far */
	int64_t paused_ns; /* that they took */
};

static char *block_of(const struct reading *reading, size_t block)
{
	return reading->counters->blocks + block * reading->counters->layout.cache_size;
}

static bool has_places(const struct reading *reading)
{
	return reading->counters->layout.ended != 0;
}

/* Adds a cache to the list. Returns false if there are more than any process has threads. */
static bool cache_append(struct goalloc_counters *counters, struct goalloc_counters_cache cache)
{
	if (counters->cache_count == CACHES_MAX)
		return false;
	counters->caches = memory_resize(counters->caches, counters->cache_count + 1, sizeof(*counters->caches));
	counters->caches[counters->cache_count++] = cache;
	return true;
}

/* Follows the list of caches up to those already known. The process puts new caches at the front. */
static int caches_find(struct reading *reading)
{
	struct goalloc_counters *counters = reading->counters;
	uint64_t address, known = counters->cache_count ? counters->caches[counters->cache_count - 1].link : 0;
	size_t first = counters->cache_count;

	if (target_read(reading->target, counters->layout.caches, &address, sizeof(address)))
		return -1;
	while (address && address != known) {
		struct goalloc_cache place = {.cache = address, .state = 1};
		uint64_t link = address;

		if (has_places(reading) ? target_read(reading->target, address, &place, sizeof(place))
					: target_read(reading->target, address + counters->layout.cache_next,
						      &place.next, sizeof(place.next)))
			return -1;
		address = place.next;
		if (!cache_append(counters, (struct goalloc_counters_cache){link, place.cache, place.state}))
			return error_set(reading->refusal, STATUS_CANNOT_MEASURE,
					 "its list of caches has more than %zu", counters->cache_count);
	}
	/* newest last, because the next walk may stop at the last one */
	for (size_t i = first, j = counters->cache_count; i + 1 < j; i++) {
		struct goalloc_counters_cache swapped = counters->caches[i];

		counters->caches[i] = counters->caches[--j];
		counters->caches[j] = swapped;
	}
	return 0;
}

/* Reads `state` of all caches. */
static int states_read(const struct reading *reading, uint64_t *states)
{
	const struct goalloc_counters *counters = reading->counters;
	struct target_piece *pieces;
	int status;

	for (size_t i = 0; i < counters->cache_count; i++)
		states[i] = 1;
	if (!has_places(reading) || !counters->cache_count)
		return 0;
	pieces = memory_zeroed(counters->cache_count, sizeof(*pieces));
	for (size_t i = 0; i < counters->cache_count; i++)
		pieces[i] = (struct target_piece){counters->caches[i].link + offsetof(struct goalloc_cache, state),
						  &states[i], sizeof(states[i])};
	status = target_read_pieces(reading->target, pieces, counters->cache_count);
	free(pieces);
	return status;
}

/* Copies the caches that count, in their order, and the heap's counters, as close to one instant as possible. */
static int blocks_read(struct reading *reading, struct goalloc_heap_counters *heap)
{
	struct goalloc_counters *counters = reading->counters;
	size_t count = 0;
	struct target_piece *pieces;
	int status;

	for (size_t i = 0; i < counters->cache_count; i++)
		count += counters->caches[i].state & 1;
	if (count > CACHES_BYTES / counters->layout.cache_size)
		return error_set(reading->refusal, STATUS_CANNOT_MEASURE,
				 "it has %zu caches of living threads; at most %zu are read", count,
				 (size_t)(CACHES_BYTES / counters->layout.cache_size));
	pieces = memory_zeroed(count + 1, sizeof(*pieces));
	/* one more, for the sums of ended threads */
	counters->blocks = memory_resize(counters->blocks, count + 1, counters->layout.cache_size);
	count = 0;
	for (size_t i = 0; i < counters->cache_count; i++)
		if (counters->caches[i].state & 1) {
			pieces[count] = (struct target_piece){counters->caches[i].cache, block_of(reading, count),
							      counters->layout.cache_size};
			count++;
		}
	pieces[count] = (struct target_piece){counters->layout.heap_counters, heap, sizeof(*heap)};
	status = target_read_pieces(reading->target, pieces, count + 1);
	free(pieces);
	return status;
}

/* Whether another attempt is due; pauses before it if there have been many. */
static bool try_again(struct reading *reading, int attempt)
{
	if (attempt == READ_TRIES || reading->pauses == READ_PAUSES || reading->paused_ns > READ_PAUSES_NS)
		return false;
	if (attempt >= READ_PATIENT_AFTER) {
		int64_t began_ns = monotonic_ns();

		usleep(READ_PAUSE_US);
		reading->pauses++;
		reading->paused_ns += monotonic_ns() - began_ns;
	}
	return true;
}

/* The objects that the cache allocated from each span it holds: read together with the cache, in one system call
 * each. */
struct tails {
	struct goalloc_sequence after;
	uint64_t counts[SPAN_CLASSES]
		       [2]; /* alloc_count, alloc_count_before_cache: the low layout.span_count_width bytes */
};

static int tails_read(const struct reading *reading, const char *block, uint64_t cache, struct tails *tails)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	struct target_piece pieces[2 * SPAN_CLASSES + 1];
	/* classes without a span share a dummy; class 0 (large objects) never has a span, so it shows the dummy's
	 * address */
	uint64_t dummy = load_u64(block + layout->cache_alloc);
	size_t count = 0;

	_Static_assert(sizeof(tails->counts[0][0]) >= 8, "the widest count");
	memset(tails, 0, sizeof(*tails));
	for (uint32_t class = 0; class < SPAN_CLASSES; class ++) {
		uint64_t span = load_u64(block + layout->cache_alloc + 8 * class);

		if (!span || span == dummy)
			continue;
		pieces[count++] = (struct target_piece){span + layout->span_alloc_count, &tails->counts[class][0],
							layout->span_count_width};
		pieces[count++] = (struct target_piece){span + layout->span_alloc_count_before_cache,
							&tails->counts[class][1], layout->span_count_width};
	}
	pieces[count++] = (struct target_piece){cache + layout->cache_sequence, &tails->after, sizeof(tails->after)};
	return target_read_pieces(reading->target, pieces, count);
}

/* Returns a counter of the process; if it is greater than any process can reach, returns 0 and refuses the reading. */
static int64_t counted(const struct reading *reading, uint64_t value, const char *field)
{
	if (value <= COUNT_MAX)
		return (int64_t)value;
	error_set(reading->refusal, STATUS_CANNOT_MEASURE, "its libgoalloc counters have %s = %llu", field,
		  (unsigned long long)value);
	return 0;
}

/* Puts the number of objects of each tail where the copy of the cache has the address of its span. */
static void tails_keep(const struct reading *reading, char *block, const struct tails *tails)
{
	for (uint32_t class = 0; class < SPAN_CLASSES; class ++) {
		int64_t tail = counted(reading, tails->counts[class][0], "alloc_count") -
			       counted(reading, tails->counts[class][1], "alloc_count_before_cache");

		memcpy(block + reading->counters->layout.cache_alloc + 8 * class, &tail, sizeof(tail));
	}
}

/* Reads the tails and copies the cache again until both are of one state. Gives up after a while, which widens the
 * bound. */
static int cache_settle(struct reading *reading, char *block, uint64_t cache)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	struct tails tails;

	for (int attempt = 0;; attempt++) {
		struct goalloc_sequence before;

		memcpy(&before, block + layout->cache_sequence, sizeof(before));
		if (tails_read(reading, block, cache, &tails))
			return -1;
		if (before.moving % 2 == 0 && before.moving == tails.after.moving) {
			/* each allocation in between has its event in between, except for one at each end */
			reading->sums->in_flight += before.allocating % 2 + tails.after.allocating % 2;
			break;
		}
		if (!try_again(reading, attempt)) {
			reading->sums->in_flight += SPAN_OBJECTS_MAX;
			break;
		}
		if (target_read(reading->target, cache, block, layout->cache_size))
			return -1;
	}
	tails_keep(reading, block, &tails);
	return 0;
}

/*
 * Reads the sums of ended threads into `block`, and `states` again, until these sums have what was folded before the
 * states were read (goalloc_contract.h, 2. and 3.).
 */
static int ended_settle(struct reading *reading, char *block, uint64_t *states)
{
	const struct goalloc_layout *layout = &reading->counters->layout;

	for (int attempt = 0;; attempt++) {
		struct goalloc_ended ended;
		uint64_t folds, last = 0;

		if (target_read(reading->target, layout->ended, &ended, sizeof(ended)) ||
		    target_read(reading->target, ended.sums[ended.folds % 2], block, layout->cache_size) ||
		    target_read(reading->target, layout->ended, &folds, sizeof(folds)) || states_read(reading, states))
			return -1;
		for (size_t i = 0; i < reading->counters->cache_count; i++)
			if (states[i] >> 1 > last)
				last = states[i] >> 1;
		if (folds == ended.folds && last <= folds)
			break;
		if (!try_again(reading, attempt)) {
			reading->sums->in_flight += SPAN_OBJECTS_MAX;
			break;
		}
	}
	/* Ended threads hold no spans. */
	memset(block + layout->cache_alloc, 0, 8 * SPAN_CLASSES);
	return 0;
}

/* *sum += count * each */
static void add(const struct reading *reading, int64_t *sum, int64_t count, int64_t each)
{
	int64_t product;

	if (__builtin_mul_overflow(count, each, &product) || __builtin_add_overflow(*sum, product, sum))
		error_set(reading->refusal, STATUS_CANNOT_MEASURE,
			  "its libgoalloc counters add up to more than 64 bits can hold");
}

/* Adds what no event has reported yet: the tail, and what is pending for our rate. */
static void add_unreported(const struct reading *reading, const struct goalloc_pending *pending, int64_t tail,
			   int64_t size, struct heap_class *sums)
{
	if (reading->telling->every_object)
		return;
	add(reading, &sums->unreported_objects, tail, 1);
	add(reading, &sums->unreported_bytes, tail, size);
	if (pending->distance > reading->telling->distance)
		return;
	add(reading, &sums->unreported_objects, counted(reading, pending->objects, "pending.objects"), 1);
	add(reading, &sums->unreported_bytes, counted(reading, pending->bytes, "pending.bytes"), 1);
}

/* The bytes of freed objects are counted where their size class does not say them. */
static void add_freed(const struct reading *reading, uint32_t class, const struct goalloc_class_counters *counters,
		      struct heap_class *sums)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	int64_t frees = counted(reading, counters->frees, "class_counters.frees");

	add(reading, &sums->freed_objects, frees, 1);
	if (class < 2 || class == layout->tiny_span_class)
		add(reading, &sums->freed_bytes, counted(reading, counters->freed_bytes, "class_counters.freed_bytes"),
		    1);
	else
		add(reading, &sums->freed_bytes, frees, layout->class_sizes[class / 2]);
}

/* Adds the copy of one cache, after tails_keep(). */
static void cache_add(const struct reading *reading, const char *block)
{
	const struct goalloc_layout *layout = &reading->counters->layout;

	for (uint32_t class = 0; class < SPAN_CLASSES; class ++) {
		struct heap_class *sums = &reading->sums->classes[class];
		struct goalloc_class_counters counters;
		struct goalloc_pending pending;
		int64_t size = layout->class_sizes[class / 2];
		int64_t tail = (int64_t)load_u64(block + layout->cache_alloc + 8 * class);
		int64_t objects;

		memcpy(&counters, block + layout->cache_class_counters + class * sizeof(counters), sizeof(counters));
		memcpy(&pending, block + layout->cache_pending + class * sizeof(pending), sizeof(pending));
		objects = counted(reading, counters.objects, "class_counters.objects") + tail;
		add(reading, &sums->objects, objects, 1);
		if (class < 2)
			add(reading, &sums->bytes, counted(reading, counters.bytes, "class_counters.bytes"), 1);
		else
			add(reading, &sums->bytes, objects, size);
		add_freed(reading, class, &counters, sums);
		add(reading, &sums->refills, counted(reading, counters.refills, "class_counters.refills"), 1);
		add(reading, &sums->central_grows,
		    counted(reading, counters.central_grows, "class_counters.central_grows"), 1);
		add_unreported(reading, &pending, tail, size, sums);
	}
}

/* Adds tiny objects: the objects count, the blocks with them do not. Refills report blocks. */
static void cache_add_tiny(const struct reading *reading, const char *block)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	struct heap_class *sums = &reading->sums->classes[layout->tiny_span_class];
	int64_t blocks = counted(reading, load_u64(block + layout->cache_tiny_blocks), "tiny_blocks");
	int64_t objects = counted(reading, load_u64(block + layout->cache_tiny_objects), "tiny_objects") - blocks;
	int64_t bytes = counted(reading, load_u64(block + layout->cache_tiny_bytes), "tiny_bytes");
	int64_t size = layout->class_sizes[layout->tiny_span_class / 2];

	add(reading, &sums->objects, objects, 1);
	add(reading, &sums->bytes, bytes, 1);
	add(reading, &sums->bytes, -blocks, size);
	if (reading->telling->every_object)
		return;
	add(reading, &sums->unreported_objects, objects, 1);
	add(reading, &sums->unreported_bytes, bytes, 1);
	add(reading, &sums->unreported_bytes, -blocks, size);
}

/* Reads and adds up the caches that count, and what the others left. `states` has room for all. */
static int caches_read(struct reading *reading, struct goalloc_heap_counters *heap, uint64_t *states)
{
	struct goalloc_counters *counters = reading->counters;
	struct goalloc_counters_cache *caches = counters->caches;
	size_t count = counters->cache_count, block = 0;

	if (states_read(reading, states))
		return -1;
	for (size_t i = 0; i < count; i++)
		caches[i].state = states[i];
	if (blocks_read(reading, heap))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (caches[i].state & 1 && cache_settle(reading, block_of(reading, block++), caches[i].cache))
			return -1;
	if (has_places(reading)) {
		if (ended_settle(reading, block_of(reading, block), states))
			return -1;
		cache_add(reading, block_of(reading, block));
		cache_add_tiny(reading, block_of(reading, block));
	}
	block = 0;
	for (size_t i = 0; i < count && !reading->refusal->text[0]; i++) {
		if (!(caches[i].state & 1))
			continue;
		if (states[i] == caches[i].state) {
			cache_add(reading, block_of(reading, block));
			cache_add_tiny(reading, block_of(reading, block));
		}
		block++;
	}
	return reading->refusal->text[0] ? -1 : 0;
}

static int read_all(struct reading *reading)
{
	struct goalloc_counters *counters = reading->counters;
	struct goalloc_heap_counters heap;
	size_t known = counters->cache_count;
	uint64_t *states;
	int status;

	if (caches_find(reading)) {
		counters->cache_count = known;
		return -1;
	}
	states = memory_zeroed(counters->cache_count + 1, sizeof(*states));
	status = caches_read(reading, &heap, states);
	free(states);
	if (status)
		return -1;
	reading->sums->heap_grows = counted(reading, heap.heap_grows, "heap_grows");
	reading->sums->heap_grow_bytes = counted(reading, heap.heap_grow_bytes, "heap_grow_bytes");
	return reading->refusal->text[0] ? -1 : heap_counters_check(reading->sums, reading->refusal);
}

int goalloc_counters_read(struct goalloc_counters *counters, const struct target *target,
			  const struct goalloc_telling *telling, struct heap_counters *sums, struct error *refusal)
{
	struct reading reading = {counters, target, telling, sums, refusal, 0, 0};
	int status;

	memset(sums, 0, sizeof(*sums));
	sums->collections = VALUE_UNMEASURED; /* a heap without a collector */
	refusal->text[0] = 0;
	target_allow(target);
	if (!counters->known &&
	    goalloc_layout_read(&counters->layout, target, counters->description, &counters->known, refusal))
		return -1;
	if (!counters->known)
		return 0;
	status = read_all(&reading);
	if (counters->cache_count * counters->layout.cache_size > BLOCKS_KEPT_BYTES) { /* an upper bound */
		free(counters->blocks);
		counters->blocks = NULL;
	}
	if (status && target->reader->spent && !refusal->text[0])
		error_set(refusal, STATUS_CANNOT_MEASURE, "reading the counters of its libgoalloc takes too long");
	return status;
}

void goalloc_counters_free(struct goalloc_counters *counters)
{
	free(counters->caches);
	free(counters->blocks);
}
