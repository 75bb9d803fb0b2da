/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/string_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/printable.h"

struct span {
	const char *text;
	size_t length;
};

static bool same(const void *items, uint64_t item, const void *key)
{
	const char *known = (const char *)(uintptr_t)item;
	const struct span *span = key;

	(void)items;
	/* strncmp stops at the end of the known string; memcmp might read past it. */
	return strncmp(known, span->text, span->length) == 0 && !known[span->length];
}

const char *string_table_intern(struct string_table *table, const char *text, size_t length)
{
	const struct span key = {text, length};
	uint64_t *item = hash_index_at(&table->index, hash_bytes(text, length), same, NULL, &key);

	if (!*item)
		*item = (uintptr_t)arena_string(&table->arena, text, length);
	return (const char *)(uintptr_t)*item;
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
	hash_index_free(&table->index);
	arena_free(&table->arena);
	*table = (struct string_table){0};
}
