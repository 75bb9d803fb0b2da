/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ARENA_H
#define ESCAPEMENT_ARENA_H

#include <stddef.h>

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

#endif
