/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HASH_INDEX_H
#define ESCAPEMENT_HASH_INDEX_H

/*
 * A hash index from keys to items. The caller owns the items, in an array or an arena; the index has the hash of each
 * and a nonzero number: its position in the array plus 1, or its address. Open addressing, linear probing, at most 3/4
 * used, 16 bytes per slot. The whole hash is stored, so that growing reads no items, and few items are compared in
 * vain.
 *
 * For tables that may have millions of items; hash_table.h is for structs that contain a handle.
 *
 * A zeroed struct is an empty index. Single items cannot be removed. When memory is out, the process ends (memory.h).
 * Not thread-safe.
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
/* Makes room for so many items at once. What came from outside says how many: the caller bounds it. */
void hash_index_reserve(struct hash_index *index, size_t count);
/* Removes all items. Keeps only as much memory as was in use, so that one large use does not slow many small ones after
 * it. */
void hash_index_clear(struct hash_index *index);
void hash_index_free(struct hash_index *index);

/* The first slot to probe. The hash is multiplied, so that it may be a raw key: an address, a number. */
static inline size_t hash_index_start(const struct hash_index *index, uint64_t hash)
{
	return hash * UINT64_C(0x9e3779b97f4a7c15) >> index->shift;
}

/* Returns the slot of that key, or the free slot in which to insert it; the index must not be full. */
static inline struct hash_slot *hash_index_probe(const struct hash_index *index, uint64_t hash, hash_same *same,
						 const void *items, const void *key)
{
	size_t at = hash_index_start(index, hash);

	while (index->slots[at].item &&
	       (index->slots[at].hash != hash || (same && !same(items, index->slots[at].item, key))))
		at = (at + 1) & (index->capacity - 1);
	return &index->slots[at];
}

/* Returns the item of that key; 0 if there is none. If `same` is NULL, the hash is the key. */
static inline uint64_t hash_index_get(const struct hash_index *index, uint64_t hash, hash_same *same, const void *items,
				      const void *key)
{
	return index->count ? hash_index_probe(index, hash, same, items, key)->item : 0;
}

/*
 * Returns a pointer to the item of that key. If there is none, it points to 0, and the caller must store the item
 * there. Valid until the next call. `same` as above.
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
