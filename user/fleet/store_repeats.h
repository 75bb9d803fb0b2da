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

struct store_repeats {
	char *windows; /* of which hosts, as a list in SQL: "('host',1),('host',2)"; NULL: none */
	bool many;     /* more than fit into a query */
};

/* Looks for them among the windows that were asked for. -1 with an error. */
int store_repeats_find(struct store_repeats *repeats, const struct store *from, const char *table, struct error *error);
void store_repeats_clear(struct store_repeats *repeats);

/* Whether an answer in which `known` ones counted once is right if `found` ones were there afterwards. */
bool store_repeats_has(const struct store_repeats *known, const struct store_repeats *found);

/* Continues a condition for the rows that are there repeatedly, or for all others. */
void store_repeats_put(FILE *stream, const struct store_repeats *repeats, bool repeated);

#endif
