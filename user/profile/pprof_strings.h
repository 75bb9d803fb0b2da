/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_STRINGS_H
#define ESCAPEMENT_PPROF_STRINGS_H

/*
 * The table of strings of a file that is written: one index per text. A zeroed struct is empty; "" has index 0 and is
 * not in `texts`. Private to pprof*.c.
 */

#include "base/pointer_map.h"
#include "base/string_table.h"

struct pprof_strings {
	struct string_table table;
	/* indices of the table's own pointers, and of those passed to pprof_strings_interned() */
	struct pointer_map indices;
	const char **texts; /* texts[i] has index i + 1 */
	size_t count, capacity;
};

/* Returns the index of a text, which is added if it is new; NULL is "". */
int64_t pprof_strings_index(struct pprof_strings *strings, const char *text);
/* The same for a text of the profile, which is not copied. */
int64_t pprof_strings_interned(struct pprof_strings *strings, const char *text);
void pprof_strings_free(struct pprof_strings *strings);

#endif
