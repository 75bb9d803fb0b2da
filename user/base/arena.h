/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ARENA_H
#define ESCAPEMENT_ARENA_H

#include <stddef.h>

struct arena_block;

/* A bump allocator: all of its memory is freed together. */
struct arena {
	struct arena_block *blocks;
	char *next, *end;
	size_t block_size; /* size of the next block; each is larger than the one before */
};

/* Returns `size` bytes, aligned for any pointer, not zeroed. */
void *arena_allocate(struct arena *arena, size_t size);
/* Returns a NUL-terminated copy. */
char *arena_string(struct arena *arena, const char *text, size_t length);
void arena_free(struct arena *arena);

#endif
