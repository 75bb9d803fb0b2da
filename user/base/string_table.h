/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STRING_TABLE_H
#define ESCAPEMENT_STRING_TABLE_H

/*
 * Interned strings and the memory behind them: equal strings are one pointer, so code compares pointers. Made for
 * input of a hundred megabytes, where almost every look-up misses the cache: an entry is 8 bytes (16 bits of the
 * hash, 48 of the address), so a look-up touches one line of the table and one of the string.
 *
 * Everything is freed together. The library ends the process when memory is out. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

struct arena_block;

/* Bump allocation: memory that lives as long as its owner. */
struct arena {
	struct arena_block *blocks;
	char *next, *end;
	size_t block_size; /* of the next block: they grow */
};

/* `size` bytes, aligned for any pointer, not zeroed. */
void *arena_allocate(struct arena *arena, size_t size);
/* A copy with a NUL behind it. */
char *arena_string(struct arena *arena, const char *text, size_t length);
void arena_free(struct arena *arena);

struct string_table {
	struct arena arena;
	uint64_t *entries; /* 0 where empty; `capacity` of them, a power of two; at most 3/4 used */
	size_t capacity, count;
};

/* The one copy of these bytes, with a NUL behind it. */
const char *string_table_intern(struct string_table *table, const char *text, size_t length);
void string_table_free(struct string_table *table);

/* A fast 64-bit hash of bytes; not for untrusted peers, only for tables like this one. */
uint64_t hash_bytes(const void *data, size_t length);
/* Folds `value` into `hash`: for keys made of several words. */
static inline uint64_t hash_fold(uint64_t hash, uint64_t value)
{
	__uint128_t product = (__uint128_t)(hash ^ value) * 0x9e3779b97f4a7c15u;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* malloc family that ends the process with a message when memory is out. */
void *memory_resize(void *memory, size_t count, size_t size);
void *memory_zeroed(size_t count, size_t size);

#endif
