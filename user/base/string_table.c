/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/string_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct arena_block {
	struct arena_block *next;
	max_align_t data[];
};

enum {
	LEAST_BLOCK = 1 << 11,
	LARGEST_BLOCK = 1 << 23,
	HUGE_PAGE = 1 << 21,
	FIRST_CAPACITY = 1 << 6,
	ALIGNMENT = 8,
	PREFETCH = 16
};

#define ADDRESS_BITS 48
#define ADDRESS_MASK ((UINT64_C(1) << ADDRESS_BITS) - 1)

static void out_of_memory(void)
{
	fputs("escapement: out of memory\n", stderr);
	abort();
}

/* Tables that are read at random, far larger than what small pages keep at hand. Only advice: it may be refused. */
static void prefer_huge_pages(void *memory, size_t size)
{
	uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & -(uintptr_t)HUGE_PAGE;
	uintptr_t end = ((uintptr_t)memory + size) & -(uintptr_t)HUGE_PAGE;

	if (start < end)
		madvise((void *)start, end - start, MADV_HUGEPAGE);
}

void *memory_resize(void *memory, size_t count, size_t size)
{
	void *resized = reallocarray(memory, count, size);

	if (!resized)
		out_of_memory();
	prefer_huge_pages(resized, count * size);
	return resized;
}

void *memory_zeroed(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		out_of_memory();
	prefer_huge_pages(memory, count * size);
	return memory;
}

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
		if (capacity == size) /* a block of its own; the open one stays in use */
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

	if (padding <= (size_t)(arena->end - arena->next))
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

uint64_t hash_bytes(const void *data, size_t length)
{
	const char *bytes = data;
	uint64_t hash = length, word;

	for (; length > 8; bytes += 8, length -= 8) {
		memcpy(&word, bytes, 8);
		hash = hash_fold(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, length);
	return hash_fold(hash_fold(hash, word), 0xff51afd7ed558ccdu);
}

/* The slot of the string, or the empty one where it belongs. */
static uint64_t *find(const struct string_table *table, uint64_t hash, const char *text, size_t length)
{
	size_t mask = table->capacity - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		uint64_t entry = table->entries[i];
		const char *known = (const char *)(uintptr_t)(entry & ADDRESS_MASK);

		if (!entry)
			return &table->entries[i];
		/* strncmp stops at the known string's end, memcmp might run past it. */
		if (entry >> ADDRESS_BITS == hash >> ADDRESS_BITS && strncmp(known, text, length) == 0 &&
		    !known[length])
			return &table->entries[i];
	}
}

static void grow(struct string_table *table)
{
	struct string_table old = *table;

	table->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
	table->entries = memory_zeroed(table->capacity, sizeof(*table->entries));
	for (size_t i = 0; i < old.capacity; i++) {
		const char *text = (const char *)(uintptr_t)(old.entries[i] & ADDRESS_MASK);

		if (i + PREFETCH < old.capacity)
			__builtin_prefetch((const char *)(uintptr_t)(old.entries[i + PREFETCH] & ADDRESS_MASK));

		if (text) {
			size_t length = strlen(text);

			*find(table, hash_bytes(text, length), text, length) = old.entries[i];
		}
	}
	free(old.entries);
}

const char *string_table_intern(struct string_table *table, const char *text, size_t length)
{
	uint64_t hash = hash_bytes(text, length);
	uint64_t *entry;
	const char *copy;

	if (table->count * 4 >= table->capacity * 3)
		grow(table);
	entry = find(table, hash, text, length);
	if (*entry)
		return (const char *)(uintptr_t)(*entry & ADDRESS_MASK);
	copy = arena_string(&table->arena, text, length);
	*entry = (hash >> ADDRESS_BITS << ADDRESS_BITS) | (uint64_t)(uintptr_t)copy;
	table->count++;
	return copy;
}

void string_table_free(struct string_table *table)
{
	free(table->entries);
	arena_free(&table->arena);
	*table = (struct string_table){0};
}
