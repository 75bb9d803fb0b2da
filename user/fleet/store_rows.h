/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STORE_ROWS_H
#define ESCAPEMENT_STORE_ROWS_H

/* Queries of a store and their answers, row by row. What a store answers is from outside: every cell is checked here. */

#include <stdint.h>
#include <stdio.h>

#include "fleet/agent_config.h"
#include "fleet/cells.h"
#include "fleet/credentials.h"
#include "fleet/store_question.h"
#include "profile/profile.h"

/* A store, and what is asked of it. */
struct store {
	struct question question;
	struct agent_store server;
	struct credentials credentials;
};

/* Takes a URL. -1 with an error. The caller closes the store in any case. */
int store_open(struct store *store, const char *url, struct error *error);
void store_close(struct store *store);

/* One of the queries: how it is put and its answer taken, and what that has at most. */
struct store_query {
	void (*put)(FILE *stream, const struct question *question);
	void (*take)(void *context, char *row);
	int columns, limit; /* beside the values; rows */
};

enum { STORE_ROWS_MAX = 100000 }; /* of an answer */

/* Asks, and has each row of the answer taken. Returns the number of rows, or -1 with an error. */
int store_ask(const struct store *from, const struct store_query *query, void *context, struct error *error);

/* Takes the builds that were asked for as processes of a new profile, with its rate and time. -1 with an error; if there is
 * none, too. (store.c) */
int store_builds(const struct store *store, struct profile *profile, struct error *error);

/* Writes ", sum(…)" of each value that readers see: null if none was measured. */
void store_put_sums(FILE *stream);

/* Writes the query of the sites that were asked for, added up by these keys: the keys, `more` columns, four columns of
 * store_ends() (of objects and of bytes, the squares of the distances from their sum to the ends of its interval, which add up
 * over independent windows; a row without an upper end leaves the sum without one), and those of store_values(). The most bytes
 * come first, those of as many in this order. */
void store_put_sites(FILE *stream, const struct question *question, const char *keys, const char *more,
		     const char *order);

/* Cells as what they are; nothing else that a server may answer becomes one. */
int64_t store_count(const char *cell);				   /* VALUE_UNMEASURED if it is none */
double store_real(const char *cell);				   /* not negative */
const char *store_text(struct profile *profile, const char *cell); /* NULL if it is empty */
struct profile_ends store_ends(char **row);			   /* four cells of store_put_sites() */
/* Takes the cells of store_put_sums(). */
void store_values(char **row, int64_t *values);

#endif
