/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store_repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fleet/clickhouse.h"

enum {
	REPEATS_MAX = 1000,	   /* windows; */
	REPEATS_BYTES = 100 << 10, /* and so long a list: a query has it twice, and at most 256 KiB by default */
};

/* Asks for columns of the first rows of all windows that were asked for and are not known; a query may have that condition twice,
 * `inner` then. */
static char *ask(const struct store_repeats *known, const struct store *from, const char *table, const char *columns,
		 const char *inner, const char *end, struct error *error)
{
	const char *database = from->question.database;
	char *query, *answer;
	size_t length;
	FILE *stream = open_memstream(&query, &length);

	if (!stream)
		memory_out();
	fprintf(stream, "SELECT %s FROM %s.%s", columns, database, table);
	question_put_windows(stream, &from->question);
	fputs(" AND row = 0", stream);
	store_repeats_put(stream, known, false);
	if (inner) {
		fprintf(stream, " AND window GLOBAL IN (SELECT window FROM %s.%s", database, table);
		question_put_windows(stream, &from->question);
		fputs(" AND row = 0", stream);
		store_repeats_put(stream, known, false);
		fprintf(stream, "%s)", inner);
	}
	fprintf(stream, "%s FORMAT TabSeparated", end);
	if (fclose(stream))
		memory_out();
	answer = store_answer(from, query, error);
	free(query);
	return answer;
}

/* Whether two rows have the same window; which need not be of the same host. -1 with an error. */
static int may_repeat(const struct store_repeats *known, const struct store *from, const char *table,
		      struct error *error)
{
	char *answer = ask(known, from, table, "count() - uniqExact(window)", NULL, "", error), *rest = answer, *row;
	int repeats = 0;

	if (!answer)
		return -1;
	row = strsep(&rest, "\n");
	if (store_cells(row) != 1 || store_count(row) == VALUE_UNMEASURED)
		repeats = store_misanswered(from, 1, store_cells(row), 1, error);
	else
		repeats = store_count(row) != 0;
	free(answer);
	return repeats;
}

/* Adds a row of the answer to the list. */
static int add(FILE *list, const struct store *from, int number, char *row, struct error *error)
{
	int cells = store_cells(row);
	const char *host, *window;

	if (cells != 2)
		return store_misanswered(from, number, cells, 2, error);
	host = cell_next(&row);
	window = cell_next(&row);
	fputs(number > 1 ? ",(" : "(", list);
	clickhouse_put_text(list, host ? host : "");
	fprintf(list, ",%llu)", window ? strtoull(window, NULL, 10) : 0);
	return 0;
}

/* Adds the rows of an answer to what is known; returns their number, or -1 with an error. */
static int take_list(struct store_repeats *repeats, const struct store *from, char *answer, struct error *error)
{
	char *text, *row;
	size_t length;
	FILE *list = open_memstream(&text, &length);
	int number = 0, failed = 0;

	if (!list)
		memory_out();
	while (!failed && (row = strsep(&answer, "\n"))) {
		if (*row)
			failed = add(list, from, ++number, row, error);
	}
	if (repeats->windows)
		fprintf(list, "%s%s", number ? "," : "", repeats->windows);
	if (fclose(list))
		memory_out();
	store_repeats_clear(repeats);
	if (length)
		repeats->windows = text;
	else
		free(text);
	if (number > REPEATS_MAX || length > REPEATS_BYTES)
		store_repeats_all(repeats);
	return failed ? -1 : number;
}

int store_repeats_find(struct store_repeats *repeats, const struct store *from, const char *table, struct error *error)
{
	char *answer, end[128];
	int result = may_repeat(repeats, from, table, error);

	if (result <= 0)
		return result;
	repeats->alike = true;
	snprintf(end, sizeof(end), " GROUP BY host, window HAVING count() > 1 LIMIT %d", REPEATS_MAX + 1);
	answer = ask(repeats, from, table, "host, window", " GROUP BY window HAVING count() > 1", end, error);
	if (!answer)
		return -1;
	result = take_list(repeats, from, answer, error);
	free(answer);
	return result;
}

void store_repeats_clear(struct store_repeats *repeats)
{
	free(repeats->windows);
	repeats->windows = NULL;
}

void store_repeats_all(struct store_repeats *repeats)
{
	store_repeats_clear(repeats);
	repeats->many = true;
}

void store_repeats_put(FILE *stream, const struct store_repeats *repeats, bool repeated)
{
	if (repeats->windows)
		fprintf(stream, " AND (host, window) %s (%s)", repeated ? "IN" : "NOT IN", repeats->windows);
}
