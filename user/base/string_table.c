/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/string_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/printable.h"

enum {
	FIRST_CAPACITY = 1 << 6,
	PREFETCH = 16, /* entries prefetched ahead while the table grows */
};

#define ADDRESS_BITS 48
#define ADDRESS_MASK ((UINT64_C(1) << ADDRESS_BITS) - 1)

/* Returns the slot of the string, or the empty slot in which to insert it. */
static uint64_t *find(const struct string_table *table, uint64_t hash, const char *text, size_t length)
{
	size_t mask = table->capacity - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		uint64_t entry = table->entries[i];
		const char *known = (const char *)(uintptr_t)(entry & ADDRESS_MASK);

		if (!entry)
			return &table->entries[i];
		/* strncmp stops at the end of the known string; memcmp might read past it. */
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

const char *string_table_intern_printable(struct string_table *table, const char *text)
{
	size_t length = text ? strlen(text) : 0;
	const char *interned;
	char *safe;

	if (!text)
		return NULL;
	if (printable_is(text, length))
		return string_table_intern(table, text, length);
	safe = printable_string(text);
	interned = string_table_intern(table, safe, strlen(safe));
	free(safe);
	return interned;
}

void string_table_free(struct string_table *table)
{
	free(table->entries);
	arena_free(&table->arena);
	*table = (struct string_table){0};
}
