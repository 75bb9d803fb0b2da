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
	uint32_t tiny;	   /* index of its first block of tiny objects, + 1; 0: it has none */
	uint32_t elements; /* objects that it has room for: elements * size <= limit - start */
	uint8_t span_class;
};

/* A block of tiny objects. live, bytes: both 0: it is an ordinary object. */
struct goalloc_block {
	uint8_t live;	/* objects, without the one that a cache counts which allocates from it */
	uint8_t bytes;	/* requested for all objects that were ever in it */
	uint16_t taken; /* for the caller: a bit per address */
};

struct goalloc_range {
	uint64_t start, limit;
};

struct goalloc_objects {
	struct goalloc_span *spans; /* with objects, by address */
	size_t span_count;
	uint64_t
		number; /* of objects with the gaps between the last of a span and the first of the next: a multiple of 64 */
	uint64_t *free;		      /* a bit per object, also set beyond the last object of a span */
	struct goalloc_block *blocks; /* of spans with tiny objects */
	size_t block_count;
	/* what refers to objects from outside of them */
	struct goalloc_range *stacks; /* of coroutines that are in use */
	size_t stack_count;
	uint64_t *arguments; /* of records on objects */
	size_t argument_count;
	/* of caches that allocate from a block of tiny objects: the block, by address */
	uint64_t *held;
	size_t held_count;
	struct goalloc_search search; /* how all this was read */
};

/* Reads them within the budget in force of the target's reader. `memory`: bytes that the process really has (resident_private()): what
 * it says of itself is refused if it takes more than a fixed amount beside a share of that. Returns 0; or -1: with refusal->text not empty, the process
 * publishes what no libgoalloc does, or a thread was in the middle of a change; else it cannot be read. goalloc_objects_free() may
 * follow in either case. */
int goalloc_objects_read(struct goalloc_objects *objects, const struct goalloc_layout *layout,
			 const struct target *target, uint64_t memory, struct error *refusal);
void goalloc_objects_free(struct goalloc_objects *objects);

static inline bool goalloc_span_scans(const struct goalloc_span *span)
{
	return !(span->span_class & 1);
}

/* Returns the block of tiny objects that an object of the span is; NULL if it is an ordinary object. */
static inline struct goalloc_block *goalloc_block_at(const struct goalloc_objects *objects,
						     const struct goalloc_span *span, uint32_t index)
{
	struct goalloc_block *block = span->tiny ? &objects->blocks[span->tiny - 1 + index] : NULL;

	return block && (block->live || block->bytes) ? block : NULL;
}

/* Returns the span that contains the address; NULL if there is none. */
const struct goalloc_span *goalloc_span_at(const struct goalloc_objects *objects, uint64_t address);

#endif
