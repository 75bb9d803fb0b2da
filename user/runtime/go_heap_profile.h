/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_HEAP_PROFILE_H
#define ESCAPEMENT_GO_HEAP_PROFILE_H

/*
 * The memory profile that Go's runtime keeps of its own sampler, read from the memory of a process while it runs: what
 * runtime.MemProfile would say, without asking it. For each stack and size there is a bucket that counts how many sampled
 * objects were allocated and freed (src/runtime/mprof.go).
 *
 * The runtime publishes these counts by collections. An object counts in the record of two cycles ahead when it is
 * allocated, and in that of the next when it is swept, so that what a collection has freed and what was allocated until
 * then come together. A cycle's record, once due, is flushed into the active one; a reader of the profile adds it where
 * that has not been done yet. Hence
 *
 *     published = active + future[cycle % 3]        (0 there once it is flushed)
 *
 * and where all of that is 0, because there was no collection yet, a reader gets everything.
 *
 * The process is not stopped. That the numbers are of one instant follows from the cycle, which must not have changed
 * while they were read, and from a second reading that finds the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "symbols/go_binary.h"
#include "target/target.h"

/* Where it is in one process. Addresses that were not found are 0. */
struct go_heap_profile {
	uint64_t buckets, cycle;
	uint16_t cycle_size;
};

/* Objects of one size that were allocated at one stack, and sampled. */
struct go_bucket {
	uint64_t address, size;
	int64_t allocs, frees;	       /* published; frees <= allocs */
	int64_t all_allocs, all_frees; /* with what is not published yet */
	uint32_t depth;		       /* of the stack */
};

struct go_buckets {
	struct go_bucket *items; /* the newest first */
	size_t count;
	uint32_t cycle;	   /* collections that the profile has seen, modulo a large number */
	bool everything;   /* there was no collection yet: what is published is all */
	uint64_t pending;  /* a bucket with counts of the next cycle; 0: there is none. See go_buckets_collection() */
	unsigned repeated; /* readings that were thrown away because the process had changed the profile meanwhile */
	struct memory_blocks *memory;
};

/* The stacks that Go keeps are of 32 return addresses until 1.22, then of 128, or as GODEBUG=profstackdepth says. */
enum { GO_BUCKET_DEPTH_MAX = 1024 };

/* `bias` is what the process added to link-time addresses. */
void go_heap_profile_init(struct go_heap_profile *profile, const struct go_binary *binary, uint64_t bias);

/*
 * Reads all buckets. Returns -1 if the process has ended or its memory cannot be read; or, with refusal->text not
 * empty, if it contains what no Go runtime writes, or changes too fast. go_buckets_free() may follow in either case.
 */
int go_heap_profile_read(const struct go_heap_profile *profile, const struct target *target, struct go_buckets *buckets,
			 struct error *refusal);
/*
 * The collection whose survivors the published counts are; 0: there was none. The frees of a collection are complete when its
 * spans are swept, and the next one publishes them. A program that calls runtime.GC() waits for that, and has them published at
 * once: then nothing is left in the record of the next cycle.
 */
int64_t go_buckets_collection(const struct go_buckets *buckets);
/* Removes the last bucket from the list, which must have one, and frees it. */
struct go_bucket go_buckets_take(struct go_buckets *buckets);
void go_buckets_free(struct go_buckets *buckets);

/*
 * The stack of a bucket, leaf first, at most `max` return addresses; it never changes. They are logical: a call that was
 * inlined has an address of its own, so of the frames at `address - 1` only the innermost is meant. Returns how many
 * there are, or -1 where they cannot be read.
 */
int go_buckets_stack(const struct go_buckets *buckets, const struct go_bucket *bucket, uint64_t *addresses,
		     uint32_t max);

/* Returns the number of the collection that the profile has reached; -1 if it cannot be read. What is allocated now
 * is published two collections later. */
int64_t go_heap_profile_cycle(const struct go_heap_profile *profile, const struct target *target);

/* Whether a bucket, go_buckets.pending of a reading in this cycle, has counts of the next cycle still. False if it cannot be
 * read. */
bool go_heap_profile_is_pending(const struct go_heap_profile *profile, const struct target *target, uint64_t bucket,
				uint32_t cycle);

#endif
