/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STORE_REPEATS_H
#define ESCAPEMENT_STORE_REPEATS_H

/*
 * Windows that are in a table more than once: an agent pushed them again, and the store has not merged them yet. All rows of a
 * window are inserted at once, so its first row says how often the others are there, and only these have to be looked at.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "fleet/store_rows.h"

/* {0}: none are known. */
struct store_repeats {
	char *windows; /* of which hosts, as a list in SQL: "('host',1),('host',2)"; NULL: none */
	bool many;     /* every window may be one: more are than fit into a query */
	bool alike;    /* windows of the same number were seen, which may be of several hosts */
};

/* Looks for more of them among the windows that were asked for, and adds them. Returns their number, or -1 with an error. */
int store_repeats_find(struct store_repeats *repeats, const struct store *from, const char *table, struct error *error);

/* Takes every window for one of them. */
void store_repeats_all(struct store_repeats *repeats);
void store_repeats_clear(struct store_repeats *repeats);

/* Continues a condition for the rows that are there repeatedly, or for all others. */
void store_repeats_put(FILE *stream, const struct store_repeats *repeats, bool repeated);

#endif
