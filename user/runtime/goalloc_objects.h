/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_OBJECTS_H
#define ESCAPEMENT_GOALLOC_OBJECTS_H

/*
 * The objects of a libgoalloc process whose threads are all stopped: where they are, which are free, and what the library itself
 * refers to (goalloc_contract.h, "LOST OBJECTS"). What the process says is checked here: spans are in ascending order and do not
 * overlap, numbers are bounded. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/goalloc_description.h"
#include "target/target.h"

enum { GOALLOC_TINY_BYTES = 16 };

struct goalloc_span {
	uint64_t start, limit;
	uint64_t size;	   /* of an object */
	uint64_t first;	   /* number of its first object, a multiple of 64: objects are numbered through all spans */
	uint64_t address;  /* of its struct in the process */
	uint64_t tiny;	   /* address of the counts of its blocks; 0: it has none */
	uint32_t elements; /* objects that it has room for: elements * size <= limit - start */
	uint8_t span_class;
};

struct goalloc_range {
	uint64_t start, limit;
};

struct goalloc_objects {
	struct goalloc_span *spans; /* with objects, by address */
	size_t span_count;
	uint64_t
		number; /* of objects with the gaps between the last of a span and the first of the next: a multiple of 64 */
	uint64_t *free; /* a bit per object, also set beyond the last object of a span */
	/* what refers to objects from outside of them */
	struct goalloc_range *stacks; /* of coroutines that are in use */
	size_t stack_count;
	uint64_t *arguments; /* of records on objects */
	size_t argument_count;
	/* of caches that allocate from a block of tiny objects: the block */
	uint64_t *held;
	size_t held_count;
	struct goalloc_search search; /* how all this was read */
};

/* Reads them within the budget in force of the target's reader. Returns 0; or -1: with refusal->text not empty, the process
 * publishes what no libgoalloc does, or a thread was in the middle of a change; else it cannot be read. goalloc_objects_free() may
 * follow in either case. */
int goalloc_objects_read(struct goalloc_objects *objects, const struct goalloc_layout *layout,
			 const struct target *target, struct error *refusal);
void goalloc_objects_free(struct goalloc_objects *objects);

static inline bool goalloc_span_scans(const struct goalloc_span *span)
{
	return !(span->span_class & 1);
}

/* Returns the count of a tiny block as the library keeps it: live objects | bytes << 8; 0 if it is an ordinary object. -1 if it
 * cannot be read. */
int goalloc_tiny_count(const struct goalloc_span *span, uint32_t index, const struct target *target);
/* Whether a cache allocates from the block; then one of its live objects is none. */
bool goalloc_block_is_held(const struct goalloc_objects *objects, uint64_t block);

#endif
