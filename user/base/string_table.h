/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STRING_TABLE_H
#define ESCAPEMENT_STRING_TABLE_H

/*
 * Interned strings: equal strings have the same pointer, so callers compare pointers. Made for input of a hundred
 * megabytes, in which almost every lookup misses the cache: it reads one cache line of the index and one of the string.
 *
 * All strings are freed together. When memory is out, the process ends (memory.h). Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash_index.h"

struct string_table {
	struct arena arena;
	struct hash_index index; /* of addresses */
};

/* Returns the one NUL-terminated copy of these bytes. */
const char *string_table_intern(struct string_table *table, const char *text, size_t length);
/* The same for text from outside, which is made printable (printable.h). Returns NULL for NULL. */
const char *string_table_intern_printable(struct string_table *table, const char *text);
void string_table_free(struct string_table *table);

#endif
