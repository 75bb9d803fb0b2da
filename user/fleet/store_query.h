/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STORE_QUERY_H
#define ESCAPEMENT_STORE_QUERY_H

/* Sums that a store is asked for: of which rows, by which keys. */

#include <stdbool.h>

#include "base/error.h"
#include "fleet/fleet_rows.h"
#include "fleet/store_rows.h"
#include "profile/profile.h"

/* A column of an answer: what is added up, and by which aggregate function, of which sums of sums are sums: sum, min, max, any. */
struct store_column {
	const char *function, *expression;
	bool of_place; /* a column that rows of one place have in common, or any of whose values will do */
};

/*
 * A query of a table: rows with the same keys are added up by the store, over all windows, hosts and builds that the keys do not
 * tell apart. An answer's row has the keys, the columns, and those of store_values().
 */
struct store_query {
	int table;		 /* of fleet_tables; if its rows have a place, the keys are columns of that */
	const char *const *keys; /* names; NULL-terminated */
	const struct store_column *columns; /* their end is one without an expression */
	const char *order;		    /* of the rows; a value's sum is of_NAME */
	int limit;			    /* of the rows */
	bool by_host; /* each host's are added up first: its windows lie together, and each host has few */
	void (*take)(void *context, char *row);
};

enum { STORE_ROWS_MAX = 100000 }; /* of an answer */

/* The columns of store_ends(): of objects and of bytes, the squares of the distances from their sum to the ends of its interval,
 * which add up over independent windows. A row without an upper end leaves the sum without one, unless it has no value either:
 * growth of the heap has no objects. What a row lacks is 0 to assumeNotNull(), which takes half the time of
 * what looks for nulls; a row has no end without a value, and no value without a lower end. */
#define STORE_SQUARE(greater, less)                                          \
	"toFloat64(assumeNotNull(" greater ") - assumeNotNull(" less ")) * " \
	"toFloat64(assumeNotNull(" greater ") - assumeNotNull(" less "))"
#define STORE_ENDS_OF(value)                                                                              \
	{"sum", STORE_SQUARE(value, value "_low"), false},                                                \
	{                                                                                                 \
		"sum",                                                                                    \
			STORE_SQUARE(value "_high", value) " + if(isNull(" value "_high) > isNull(" value \
							   "), inf, toFloat64(0))",                       \
			false                                                                             \
	}
#define STORE_ENDS STORE_ENDS_OF("objects"), STORE_ENDS_OF("bytes")

/* Asks, and has each row of the answer taken. Each window counts once, however often its rows are there. Returns the number of
 * rows, or -1 with an error. */
int store_ask(const struct store *from, const struct store_query *query, void *context, struct error *error);

/* Takes the builds that were asked for as processes of a new profile, with its rate and time. -1 with an error; if there is
 * none, too. (store.c) */
int store_builds(const struct store *store, struct profile *profile, struct error *error);

#endif
