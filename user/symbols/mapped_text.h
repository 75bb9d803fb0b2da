/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MAPPED_TEXT_H
#define ESCAPEMENT_MAPPED_TEXT_H

/*
 * Strings in files that libelf has mapped. Whoever may write to such a file can take away the end of a string after a library
 * has looked for it: the next look would go on behind the mapping, in memory of ours. So a string is measured once, no further
 * than its file reaches, and whoever keeps it keeps a copy. Not thread-safe.
 */

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/string_table.h"

/* Longer names are none. */
#define MAPPED_TEXT_MAX (64 << 10)

/* Stores the length of a string that a library has found in that file or made of it. Returns false if it is NULL, too long, or does
 * not end in the file. `file`: NULL if there is none. */
bool mapped_text_length(Elf *file, const char *text, size_t *length);

/* Returns a copy of the measured string, which lives as long as the table. It may be shorter: the file may have changed. */
const char *mapped_text_copy(struct string_table *table, const char *text, size_t length);

#endif
