/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STRING_TABLE_H
#define ESCAPEMENT_STRING_TABLE_H

/*
 * Interned strings: equal strings are one pointer, so code compares pointers. Made for
 * input of a hundred megabytes, where almost every look-up misses the cache: an entry is 8 bytes (16 bits of the
 * hash, 48 of the address), so a look-up touches one line of the table and one of the string.
 *
 * Everything is freed together. Out of memory ends the process (memory.h). One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct string_table {
	struct arena arena;
	uint64_t *entries; /* 0 where empty; `capacity` of them, a power of two; at most 3/4 used */
	size_t capacity, count;
};

/* The one copy of these bytes, with a NUL behind it. */
const char *string_table_intern(struct string_table *table, const char *text, size_t length);
/* The same of text from outside, made printable (printable.h). NULL of NULL. */
const char *string_table_intern_printable(struct string_table *table, const char *text);
void string_table_free(struct string_table *table);

#endif
