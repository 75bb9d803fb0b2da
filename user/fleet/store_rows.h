/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_STORE_ROWS_H
#define ESCAPEMENT_STORE_ROWS_H

/* A store that is asked, and its answers, row by row. What a store answers is from outside: every cell is checked here. */

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

/* Returns the store's answer to a query, which the caller frees; NULL with an error. */
char *store_answer(const struct store *from, const char *query, struct error *error);

/* Sets an error about a row of an answer, from 1, that has other cells than were asked for. Returns -1. */
int store_misanswered(const struct store *from, int row, int cells, int wanted, struct error *error);
int store_cells(const char *row); /* number of them */

/* Cells as what they are; nothing else that a server may answer becomes one. */
int64_t store_count(const char *cell);				   /* VALUE_UNMEASURED if it is none */
double store_real(const char *cell);				   /* not negative */
const char *store_text(struct profile *profile, const char *cell); /* NULL if it is empty */
struct profile_ends store_ends(char **row); /* four cells: the squares of STORE_ENDS (store_query.h) */
/* Takes a cell of each value that readers see; VALUE_UNMEASURED if none was measured. */
void store_values(char **row, int64_t *values);

#endif
