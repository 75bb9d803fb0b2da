/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/hash_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	FIRST_BITS = 3,	    /* the parser of compiler output has two tables of few items for each source file */
	WORTH_CLEARING = 8, /* at least one of this many slots must be in use */
};

void hash_index_grow(struct hash_index *index)
{
	struct hash_index old = *index;

	index->shift = old.capacity ? old.shift - 1 : 64 - FIRST_BITS;
	index->capacity = (size_t)1 << (64 - index->shift);
	index->slots = memory_zeroed(index->capacity, sizeof(*index->slots));
	for (size_t i = 0; i < old.capacity; i++) {
		size_t at;

		if (!old.slots[i].item)
			continue;
		at = hash_index_start(index, old.slots[i].hash);
		while (index->slots[at].item)
			at = (at + 1) & (index->capacity - 1);
		index->slots[at] = old.slots[i];
	}
	free(old.slots);
}

void hash_index_clear(struct hash_index *index)
{
	if (index->count * WORTH_CLEARING < index->capacity && index->count) {
		hash_index_free(index);
	} else if (index->count) {
		memset(index->slots, 0, index->capacity * sizeof(*index->slots));
		index->count = 0;
	}
}

void hash_index_free(struct hash_index *index)
{
	free(index->slots);
	*index = (struct hash_index){0};
}
