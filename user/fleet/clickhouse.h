/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CLICKHOUSE_H
#define ESCAPEMENT_CLICKHOUSE_H

/*
 * ClickHouse as a store, over HTTP: the tables of fleet_rows.h, in the SQL of release 18.16, which newer ones understand.
 * The tables are ReplacingMergeTree ordered by (host, window, row), so a row that is inserted again replaces itself: with
 * FINAL a query counts it once.
 */

#include <stdio.h>

#include "base/error.h"
#include "fleet/agent_config.h"
#include "fleet/delivery_answer.h"

/* Which machines have the tables. Names are for --schema. */
enum clickhouse_layout {
	CLICKHOUSE_ALONE,
	CLICKHOUSE_DISTRIBUTED, /* shards: local tables, and Distributed ones over them */
	CLICKHOUSE_REPLICATED,	/* the same, with replicated local tables */
};
extern const char *const clickhouse_layout_names[]; /* NULL-terminated */

/* Prints the statements that make the database and its tables; to be executed on each machine. `cluster`: of the server's
 * configuration; not for CLICKHOUSE_ALONE. Both names are agent_config_is_name(). */
void clickhouse_schema(FILE *stream, enum clickhouse_layout layout, const char *database, const char *cluster);

/* Executes statements that each end with a semicolon, which no text in them contains. -1 with an error. */
int clickhouse_execute(const struct agent_store *store, const char *password, const char *statements,
		       struct error *error);

/* Returns the answer to a query, which the caller frees; NULL with an error. The store's url ends with a slash. */
char *clickhouse_select(const struct agent_store *store, const char *password, const char *query, struct error *error);

/* Writes a text as a literal of SQL. Every byte that is not a letter, a digit or one of "._-/ " becomes \xNN, so that no text
 * ends the literal. No other function writes text from outside into a query. */
void clickhouse_put_text(FILE *stream, const char *text);

/* Inserts the tables of a window; a row of the table of deliveries (delivery.h). */
enum delivery clickhouse_insert(const struct agent_store *store, const struct credentials *credentials,
				const char *window, size_t size, struct delivery_answer *answer);

#endif
