/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SPOOLED_H
#define ESCAPEMENT_SPOOLED_H

/*
 * A window as the spool keeps it, part by part: for each, a line "NAME ROWS BYTES COLUMN,COLUMN,…" and so many bytes. The
 * columns are named because an agent may deliver what an older one has written. Every store reads windows by this module.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The names of parts: tables (fleet_rows.h), and profiles (fleet_profiles.h). */
#define SPOOLED_WINDOWS "windows"
#define SPOOLED_SITES	"sites"
#define SPOOLED_HEAP	"heap"
#define SPOOLED_PROFILE "profile"

enum { SPOOLED_COLUMNS_MAX = 4096 }; /* bytes of a list of columns */

struct spooled_part {
	const char *name, *columns; /* not terminated: their lengths are beside them */
	int name_length, columns_length;
	uint64_t rows;
	const char *bytes;
	size_t size;
};

/* Writes a part; `columns` is such a list. */
void spooled_write(FILE *stream, const char *name, uint64_t rows, const char *columns, const void *bytes, size_t size);

/* Reads the part at *at, which then is behind it. Returns 1; 0 at the end; -1 if it is not a part, or one of no such name. */
int spooled_next(const char **at, const char *limit, struct spooled_part *part);

/* Whether that is the part's name. */
bool spooled_is(const struct spooled_part *part, const char *name);

#endif
