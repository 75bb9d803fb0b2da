/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HASH_INDEX_H
#define ESCAPEMENT_HASH_INDEX_H

/*
 * Where the item with a key is. The items are the caller's, in an array or an arena; the index has the hash of each and
 * a number that is never 0: its place in the array plus 1, or its address. Open addressing, linear probing, at most 3/4
 * used, 16 bytes a slot. The whole hash is kept, so that growing reads no item, and few items are read in vain.
 *
 * For tables that may have millions of items; hash_table.h is for structs that have a handle inside.
 *
 * A zeroed struct is an empty index. Items stay until all are forgotten. Out of memory ends the process (memory.h). One
 * thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_slot {
	uint64_t hash;
	uint64_t item; /* 0: free */
};

struct hash_index {
	struct hash_slot *slots;
	size_t capacity, count; /* capacity is a power of two or 0 */
	unsigned shift;		/* capacity = 2^(64 - shift) */
};

/* Whether the item has that key. `items` is what the caller passed: where the items are. */
typedef bool hash_same(const void *items, uint64_t item, const void *key);

void hash_index_grow(struct hash_index *index);
/* Forgets all, and keeps as much memory as was in use: one large use does not make many small ones after it dear. */
void hash_index_clear(struct hash_index *index);
void hash_index_free(struct hash_index *index);

/* Where to look first. Multiplied, so that a hash may be a key as it is: an address, a number. */
static inline size_t hash_index_start(const struct hash_index *index, uint64_t hash)
{
	return hash * UINT64_C(0x9e3779b97f4a7c15) >> index->shift;
}

/* The slot of that key, or the free one where it belongs; the index must not be full. */
static inline struct hash_slot *hash_index_probe(const struct hash_index *index, uint64_t hash, hash_same *same,
						 const void *items, const void *key)
{
	size_t at = hash_index_start(index, hash);

	while (index->slots[at].item &&
	       (index->slots[at].hash != hash || (same && !same(items, index->slots[at].item, key))))
		at = (at + 1) & (index->capacity - 1);
	return &index->slots[at];
}

/* The item of that key; 0 where there is none. With `same` NULL the hash is the key. */
static inline uint64_t hash_index_get(const struct hash_index *index, uint64_t hash, hash_same *same, const void *items,
				      const void *key)
{
	return index->count ? hash_index_probe(index, hash, same, items, key)->item : 0;
}

/*
 * Where the item of that key stands. If there is none, 0 stands there, and the caller must put one there. Holds until
 * the next call. `same` as above.
 */
static inline uint64_t *hash_index_at(struct hash_index *index, uint64_t hash, hash_same *same, const void *items,
				      const void *key)
{
	struct hash_slot *slot;

	if (4 * (index->count + 1) > 3 * index->capacity)
		hash_index_grow(index);
	slot = hash_index_probe(index, hash, same, items, key);
	if (!slot->item) {
		slot->hash = hash;
		index->count++;
	}
	return &slot->item;
}

/* A set of hashes. */
static inline bool hash_index_has(const struct hash_index *index, uint64_t hash)
{
	return hash_index_get(index, hash, NULL, NULL, NULL);
}

static inline void hash_index_add(struct hash_index *index, uint64_t hash)
{
	*hash_index_at(index, hash, NULL, NULL, NULL) = 1;
}

#endif
