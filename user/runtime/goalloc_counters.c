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
	CACHES_BYTES = 128 << 20,	    /* limit for all copies: about 7,000 caches */
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

static char *block_of(const struct goalloc_counters *counters, size_t cache)
{
	return counters->blocks + cache * counters->layout.cache_size;
}

/* Adds an address to the list of caches. Returns false if there are more than any process has threads. */
static bool cache_append(struct goalloc_counters *counters, uint64_t address)
{
	if (counters->cache_count == CACHES_BYTES / counters->layout.cache_size)
		return false;
	counters->caches = memory_resize(counters->caches, counters->cache_count + 1, sizeof(*counters->caches));
	counters->caches[counters->cache_count++] = address;
	return true;
}

/* Follows the list of caches up to those already known. The process puts new caches at the front. */
static int caches_find(struct reading *reading)
{
	struct goalloc_counters *counters = reading->counters;
	uint64_t address, known = counters->cache_count ? counters->caches[counters->cache_count - 1] : 0;
	size_t first = counters->cache_count;

	if (target_read(reading->target, counters->layout.caches, &address, sizeof(address)))
		return -1;
	while (address && address != known) {
		if (!cache_append(counters, address))
			return error_set(reading->refusal, STATUS_CANNOT_MEASURE,
					 "its libgoalloc description leads by cache_next to more than %zu caches",
					 counters->cache_count);
		if (target_read(reading->target, address + counters->layout.cache_next, &address, sizeof(address)))
			return -1;
	}
	/* newest last, because the next walk may stop at the last one */
	for (size_t i = first, j = counters->cache_count; i + 1 < j; i++) {
		uint64_t swapped = counters->caches[i];

		counters->caches[i] = counters->caches[--j];
		counters->caches[j] = swapped;
	}
	return 0;
}

/* Copies all caches and the heap's counters, as close to one instant as possible. */
static int blocks_read(struct reading *reading, struct goalloc_heap_counters *heap)
{
	struct goalloc_counters *counters = reading->counters;
	size_t count = counters->cache_count;
	struct target_piece *pieces = memory_zeroed(count + 1, sizeof(*pieces));
	int status;

	counters->blocks = memory_resize(counters->blocks, count + 1, counters->layout.cache_size);
	for (size_t i = 0; i < count; i++)
		pieces[i] =
			(struct target_piece){counters->caches[i], block_of(counters, i), counters->layout.cache_size};
	pieces[count] = (struct target_piece){counters->layout.heap_counters, heap, sizeof(*heap)};
	status = target_read_pieces(reading->target, pieces, count + 1);
	free(pieces);
	return status;
}

/* The objects that the cache allocated from each span it holds: read together with the cache, in one system call
 * each. */
struct tails {
	struct goalloc_sequence after;
	uint64_t counts[SPAN_CLASSES]
		       [2]; /* alloc_count, alloc_count_before_cache: the low layout.span_count_width bytes */
};

static int tails_read(const struct reading *reading, size_t cache, struct tails *tails)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	struct target_piece pieces[2 * SPAN_CLASSES + 1];
	const char *block = block_of(reading->counters, cache);
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
	pieces[count++] = (struct target_piece){reading->counters->caches[cache] + layout->cache_sequence,
						&tails->after, sizeof(tails->after)};
	return target_read_pieces(reading->target, pieces, count);
}

/* Reads the tails and copies the cache again until both are of one state. Gives up after a while, which widens the
 * bound. */
static int cache_settle(struct reading *reading, size_t cache, struct tails *tails)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	char *block = block_of(reading->counters, cache);

	for (int attempt = 0;; attempt++) {
		struct goalloc_sequence before;

		memcpy(&before, block + layout->cache_sequence, sizeof(before));
		if (tails_read(reading, cache, tails))
			return -1;
		if (before.moving % 2 == 0 && before.moving == tails->after.moving) {
			/* each allocation in between has its event in between, except for one at each end */
			reading->sums->in_flight += before.allocating % 2 + tails->after.allocating % 2;
			return 0;
		}
		if (attempt == READ_TRIES || reading->pauses == READ_PAUSES || reading->paused_ns > READ_PAUSES_NS) {
			reading->sums->in_flight += SPAN_OBJECTS_MAX;
			return 0;
		}
		if (attempt >= READ_PATIENT_AFTER) {
			int64_t began_ns = monotonic_ns();

			usleep(READ_PAUSE_US);
			reading->pauses++;
			reading->paused_ns += monotonic_ns() - began_ns;
		}
		if (target_read(reading->target, reading->counters->caches[cache], block, layout->cache_size))
			return -1;
	}
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

/* Adds one cache, of which block and tails are of one state. */
static void cache_add(const struct reading *reading, size_t cache, const struct tails *tails)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	const char *block = block_of(reading->counters, cache);

	for (uint32_t class = 0; class < SPAN_CLASSES; class ++) {
		struct heap_class *sums = &reading->sums->classes[class];
		struct goalloc_class_counters counters;
		struct goalloc_pending pending;
		int64_t size = layout->class_sizes[class / 2];
		int64_t tail = counted(reading, tails->counts[class][0], "alloc_count") -
			       counted(reading, tails->counts[class][1], "alloc_count_before_cache");
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
static void cache_add_tiny(const struct reading *reading, size_t cache)
{
	const struct goalloc_layout *layout = &reading->counters->layout;
	struct heap_class *sums = &reading->sums->classes[layout->tiny_span_class];
	const char *block = block_of(reading->counters, cache);
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

static int read_all(struct reading *reading)
{
	struct goalloc_counters *counters = reading->counters;
	struct goalloc_heap_counters heap;
	size_t known = counters->cache_count;
	struct tails tails;

	if (caches_find(reading)) {
		counters->cache_count = known;
		return -1;
	}
	if (blocks_read(reading, &heap))
		return -1;
	for (size_t i = 0; i < counters->cache_count; i++) {
		if (cache_settle(reading, i, &tails))
			return -1;
		cache_add(reading, i, &tails);
		cache_add_tiny(reading, i);
		if (reading->refusal->text[0])
			return -1;
	}
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
	if (counters->cache_count * counters->layout.cache_size > BLOCKS_KEPT_BYTES) {
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
