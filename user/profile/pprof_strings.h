/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PPROF_STRINGS_H
#define ESCAPEMENT_PPROF_STRINGS_H

/*
 * The table of strings of a file that is written: each text once, by its index. Zeroed, it is empty; "" is index 0
 * and not in `texts`. Private to pprof*.c.
 */

#include "base/pointer_map.h"
#include "base/string_table.h"

struct pprof_strings {
	struct string_table table;
	struct pointer_map indices; /* of the table's pointers, and of those that pprof_strings_interned() got */
	const char **texts;	    /* texts[i] has index i + 1 */
	size_t count, capacity;
};

/* The index of a text, added where it is new; NULL is "". */
int64_t pprof_strings_index(struct pprof_strings *strings, const char *text);
/* The same for a text that stays where it is: the profile's. */
int64_t pprof_strings_interned(struct pprof_strings *strings, const char *text);
void pprof_strings_free(struct pprof_strings *strings);

#endif
