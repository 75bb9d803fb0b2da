/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/go_heap_profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/unaligned.h"
#include "runtime/go_code.h"
#include "target/memory_blocks.h"

enum {
	/* runtime.bucket, the same in all releases; the stack follows it, then a memRecord */
	BUCKET_NEXT = 8, /* allnext: of the list of all */
	BUCKET_TYPE = 16,
	BUCKET_SIZE = 32,
	BUCKET_DEPTH = 40,
	BUCKET_HEADER = 48,
	TYPE_MEMORY = 1,
	CYCLES = 3,
	RECORD_MAX = (1 + CYCLES) * 32,
	BUCKETS_MAX = 4 << 20,
	TRIES = 100,
	TAKEN_TOGETHER = 4096,
};

#define COUNT_MAX    (INT64_C(1) << 56)
#define SIZE_MAXIMUM (UINT64_C(1) << 48) /* of an object: what an address space holds */

/* The counts of a record, summed over some of its cycles. */
struct sums {
	uint64_t allocs, frees, alloc_bytes, free_bytes;
};

enum reading {
	FINE,
	CHANGED, /* while it was read */
	FAILED,
};

void go_heap_profile_init(struct go_heap_profile *profile, const struct go_binary *binary, uint64_t bias)
{
	struct go_code_profile found;

	memset(profile, 0, sizeof(*profile));
	if (!go_code_memory_profile(binary, &found) || found.cycle_size != binary->version->profile.cycle_size)
		return;
	profile->buckets = found.buckets + bias;
	profile->cycle = found.cycle + bias;
	profile->cycle_size = found.cycle_size;
}

int64_t go_heap_profile_cycle(const struct go_heap_profile *profile, const struct target *target)
{
	uint32_t value;

	if (target_read(target, profile->cycle, &value, sizeof(value)))
		return -1;
	return value >> 1; /* the lowest bit: it has been flushed */
}

static void add(struct sums *sums, const uint8_t *cycle, uint16_t size)
{
	sums->allocs += load_u64(cycle);
	sums->frees += load_u64(cycle + 8);
	if (size > 16) {
		sums->alloc_bytes += load_u64(cycle + 16);
		sums->free_bytes += load_u64(cycle + 24);
	}
}

/* Whether these can be a runtime's counts of objects of that size, given that it writes one word after the other. */
static bool is_whole(const struct sums *sums, uint64_t size, uint16_t cycle_size)
{
	return sums->allocs <= COUNT_MAX && sums->frees <= sums->allocs &&
	       (cycle_size <= 16 ||
		(sums->alloc_bytes == sums->allocs * size && sums->free_bytes == sums->frees * size));
}

static enum reading refuse(struct error *refusal, const char *field, uint64_t value)
{
	error_set(refusal, STATUS_CANNOT_MEASURE, "the memory profile of its Go runtime has a bucket with %s = %llu",
		  field, (unsigned long long)value);
	return FAILED;
}

/* One bucket; *next is the one behind it in the list. */
static enum reading read_bucket(const struct go_heap_profile *profile, struct go_buckets *buckets,
				struct go_bucket *bucket, uint64_t *next, struct error *refusal)
{
	struct memory_blocks *memory = buckets->memory;
	uint32_t cycle = buckets->cycle;
	uint8_t header[BUCKET_HEADER], record[RECORD_MAX];
	uint16_t size = profile->cycle_size;
	struct sums published = {0}, all;
	uint64_t depth;

	if (memory_blocks_read(memory, bucket->address, header, sizeof(header)))
		return FAILED;
	*next = load_u64(header + BUCKET_NEXT);
	bucket->size = load_u64(header + BUCKET_SIZE);
	depth = load_u64(header + BUCKET_DEPTH);
	if (load_u64(header + BUCKET_TYPE) != TYPE_MEMORY)
		return refuse(refusal, "typ", load_u64(header + BUCKET_TYPE));
	if (depth > GO_BUCKET_DEPTH_MAX)
		return refuse(refusal, "nstk", depth);
	if (bucket->size > SIZE_MAXIMUM)
		return refuse(refusal, "size", bucket->size);
	bucket->depth = (uint32_t)depth;
	if (memory_blocks_read(memory, bucket->address + BUCKET_HEADER + 8 * depth, record,
			       (1 + CYCLES) * (size_t)size))
		return FAILED;
	add(&published, record, size);
	add(&published, record + (1 + cycle % CYCLES) * size, size);
	all = published;
	add(&all, record + (1 + (cycle + 1) % CYCLES) * size, size);
	if (all.allocs != published.allocs || all.frees != published.frees)
		buckets->pending = bucket->address;
	add(&all, record + (1 + (cycle + 2) % CYCLES) * size, size);
	bucket->allocs = (int64_t)published.allocs;
	bucket->frees = (int64_t)published.frees;
	bucket->all_allocs = (int64_t)all.allocs;
	bucket->all_frees = (int64_t)all.frees;
	return is_whole(&published, bucket->size, size) && is_whole(&all, bucket->size, size) ? FINE : CHANGED;
}

static struct go_bucket *next_item(struct go_buckets *buckets, size_t *capacity)
{
	if (buckets->count == *capacity) {
		*capacity = 2 * *capacity + 1024;
		buckets->items = memory_resize(buckets->items, *capacity, sizeof(*buckets->items));
	}
	return &buckets->items[buckets->count++];
}

/* The first reading: makes the list. */
static enum reading read_all(const struct go_heap_profile *profile, const struct target *target,
			     struct go_buckets *buckets, struct error *refusal)
{
	uint64_t address;
	size_t capacity = 0;
	enum reading reading = FINE;

	memory_blocks_forget(buckets->memory);
	free(buckets->items);
	buckets->items = NULL;
	buckets->count = 0;
	buckets->everything = true;
	buckets->pending = 0;
	if (target_read(target, profile->buckets, &address, sizeof(address)))
		return FAILED;
	while (address && reading == FINE) {
		struct go_bucket *bucket = next_item(buckets, &capacity);

		if (buckets->count > BUCKETS_MAX) {
			error_set(refusal, STATUS_CANNOT_MEASURE,
				  "the memory profile of its Go runtime has more than %d buckets", BUCKETS_MAX);
			return FAILED;
		}
		bucket->address = address;
		reading = read_bucket(profile, buckets, bucket, &address, refusal);
		buckets->everything &= !bucket->allocs && !bucket->frees;
	}
	return reading;
}

/* The second reading: the published counts must be the same. The others change with each allocation. */
static enum reading read_again(const struct go_heap_profile *profile, struct go_buckets *buckets, struct error *refusal)
{
	memory_blocks_forget(buckets->memory);
	for (size_t i = 0; i < buckets->count; i++) {
		const struct go_bucket *before = &buckets->items[i];
		struct go_bucket now = {.address = before->address};
		uint64_t next;
		enum reading reading = read_bucket(profile, buckets, &now, &next, refusal);

		if (reading != FINE)
			return reading;
		if (now.allocs != before->allocs || now.frees != before->frees)
			return CHANGED;
	}
	return FINE;
}

static enum reading try_once(const struct go_heap_profile *profile, const struct target *target,
			     struct go_buckets *buckets, struct error *refusal)
{
	int64_t cycle = go_heap_profile_cycle(profile, target);
	enum reading reading;

	if (cycle < 0)
		return FAILED;
	buckets->cycle = (uint32_t)cycle;
	target_allow(target);
	reading = read_all(profile, target, buckets, refusal);
	if (reading != FINE)
		return reading;
	target_allow(target);
	reading = read_again(profile, buckets, refusal);
	if (reading != FINE)
		return reading;
	cycle = go_heap_profile_cycle(profile, target);
	return cycle < 0 ? FAILED : cycle == buckets->cycle ? FINE : CHANGED;
}

int go_heap_profile_read(const struct go_heap_profile *profile, const struct target *target, struct go_buckets *buckets,
			 struct error *refusal)
{
	enum reading reading = CHANGED;

	memset(buckets, 0, sizeof(*buckets));
	refusal->text[0] = 0;
	buckets->memory = memory_blocks_new(target->reader);
	for (int i = 0; i < TRIES && reading == CHANGED; i++) {
		reading = try_once(profile, target, buckets, refusal);
		buckets->repeated += reading == CHANGED;
	}
	if (reading == CHANGED)
		error_set(refusal, STATUS_CANNOT_MEASURE,
			  "the memory profile of its Go runtime changes faster than it can be read: %d readings of %zu "
			  "buckets differ",
			  TRIES, buckets->count);
	if (reading == FAILED && target->reader->spent && !refusal->text[0])
		error_set(refusal, STATUS_CANNOT_MEASURE,
			  "reading the memory profile of its Go runtime takes too long: %zu buckets so far",
			  buckets->count);
	return reading == FINE ? 0 : -1;
}

int64_t go_buckets_collection(const struct go_buckets *buckets)
{
	if (buckets->everything || !buckets->cycle)
		return 0;
	return (int64_t)buckets->cycle - (buckets->pending != 0);
}

bool go_heap_profile_is_pending(const struct go_heap_profile *profile, const struct target *target, uint64_t bucket,
				uint32_t cycle)
{
	struct go_buckets one = {.cycle = cycle, .memory = memory_blocks_new(target->reader)};
	struct go_bucket read = {.address = bucket};
	struct error refusal;
	uint64_t next;
	bool pending = read_bucket(profile, &one, &read, &next, &refusal) == FINE && one.pending;

	go_buckets_free(&one);
	return pending;
}

struct go_bucket go_buckets_take(struct go_buckets *buckets)
{
	struct go_bucket bucket = buckets->items[--buckets->count];

	if (buckets->count % TAKEN_TOGETHER == 0 && buckets->count)
		buckets->items = memory_resize(buckets->items, buckets->count, sizeof(*buckets->items));
	return bucket;
}

void go_buckets_free(struct go_buckets *buckets)
{
	free(buckets->items);
	memory_blocks_free(buckets->memory);
	memset(buckets, 0, sizeof(*buckets));
}

int go_buckets_stack(const struct go_buckets *buckets, const struct go_bucket *bucket, uint64_t *addresses,
		     uint32_t max)
{
	uint32_t depth = bucket->depth < max ? bucket->depth : max;

	if (memory_blocks_read(buckets->memory, bucket->address + BUCKET_HEADER, addresses, depth * sizeof(*addresses)))
		return -1;
	return (int)depth;
}
