/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/hash_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	FIRST_BITS = 3,	    /* the parser of compiler output has two tables of few items for each source file */
	WORTH_CLEARING = 8, /* at least one of this many slots must be in use */
};

static void resize(struct hash_index *index, unsigned bits)
{
	struct hash_index old = *index;

	index->shift = 64 - bits;
	index->capacity = (size_t)1 << bits;
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

void hash_index_grow(struct hash_index *index)
{
	resize(index, index->capacity ? 64 - index->shift + 1 : FIRST_BITS);
}

void hash_index_reserve(struct hash_index *index, size_t count)
{
	unsigned bits = FIRST_BITS;

	while (3 * ((size_t)1 << bits) < 4 * count)
		bits++;
	if ((size_t)1 << bits > index->capacity)
		resize(index, bits);
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
