/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct arena_block {
	struct arena_block *next;
	max_align_t data[];
};

enum {
	LEAST_BLOCK = 1 << 11,
	LARGEST_BLOCK = 1 << 23,
	ALIGNMENT = 8,
};

static char *arena_take(struct arena *arena, size_t size)
{
	if (size > (size_t)(arena->end - arena->next)) {
		size_t usual = arena->block_size ? arena->block_size : LEAST_BLOCK;
		size_t capacity = size > usual / 4 ? size : usual;
		struct arena_block *block = memory_resize(NULL, 1, sizeof(*block) + capacity);

		if (usual < LARGEST_BLOCK)
			arena->block_size = usual * 2;

		block->next = arena->blocks;
		arena->blocks = block;
		if (capacity == size) /* the allocation fills this block; the previous one stays in use */
			return (char *)block->data;
		arena->next = (char *)block->data;
		arena->end = arena->next + capacity;
	}
	arena->next += size;
	return arena->next - size;
}

void *arena_allocate(struct arena *arena, size_t size)
{
	size_t padding = -(uintptr_t)arena->next % ALIGNMENT;

	if (padding > 0 && padding <= (size_t)(arena->end - arena->next))
		arena->next += padding;
	return arena_take(arena, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

char *arena_string(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_take(arena, length + 1);

	memcpy(copy, text, length);
	copy[length] = 0;
	return copy;
}

void arena_free(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
	*arena = (struct arena){0};
}
