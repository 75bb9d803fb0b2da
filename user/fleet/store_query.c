/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store_query.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fleet/store_repeats.h"

enum { ATTEMPTS = 4 };

static void put_values(FILE *stream, const char *form)
{
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;) {
		const char *key = profile_values[value].key;

		fprintf(stream, form, key, key);
	}
}

/* What of a question follows from the store and from what is in it. */
struct plan {
	struct store_repeats repeats;
	bool by_place; /* rows are added up by their place, whose keys are looked up; otherwise by their keys */
	bool whole;    /* the server that is asked has the table itself, not only a view of it in shards */
};

/* Writes the names that put_part() gives the keys. */
static void put_key_names(FILE *stream, const struct store_query *query)
{
	for (int i = 0; query->keys[i]; i++)
		fprintf(stream, "%sk%d", i ? ", " : "", i);
}

/*
 * What the rows of some windows add up to, and how many of these windows are there again: that is said by their first rows, which
 * are read with the others, also where they are of another service or build. So it holds for the rows that were added up, whatever
 * the store merges meanwhile and whichever replica answers. Windows of which only the number is looked at, or a hash, may seem
 * to be there again, but not the other way round.
 */
static void put_part(FILE *stream, const struct store *from, const struct store_query *query, const struct plan *plan,
		     bool repeated)
{
	bool some = !question_is_of_whole_windows(&from->question);

	fputs("SELECT ", stream);
	if (plan->by_place)
		fputs(FLEET_PLACE ", ", stream);
	for (int i = 0; !plan->by_place && query->keys[i]; i++)
		fprintf(stream, "%s AS k%d, ", query->keys[i], i);
	if (some) {
		question_put_wanted(stream, &from->question);
		fputs(" AS wanted, ", stream);
	}
	fprintf(stream, "countIf(row = 0) - uniqExactIf(%s, row = 0) AS again",
		plan->repeats.alike ? "cityHash64(host, window)" : "window");
	for (int i = 0; query->columns[i].expression; i++) {
		if (!(plan->by_place && query->columns[i].of_place))
			fprintf(stream, ", %s(%s) AS x%d", query->columns[i].function, query->columns[i].expression, i);
	}
	put_values(stream, ", sum(%s) AS of_%s");
	fprintf(stream, " FROM %s.%s%s", from->question.database, fleet_tables[query->table].name,
		repeated ? " FINAL" : "");
	question_put_windows(stream, &from->question);
	if (some)
		fputs(" AND (wanted OR row = 0)", stream);
	store_repeats_put(stream, &plan->repeats, repeated);
	fputs(" GROUP BY ", stream);
	if (plan->by_place)
		fputs(query->by_host ? FLEET_PLACE ", cityHash64(host)" : FLEET_PLACE, stream);
	else
		put_key_names(stream, query);
	fputs(some ? ", wanted" : "", stream);
}

/* A condition for a window of each place. */
static void put_examples(FILE *stream, const struct store *from, const char *condition, const char *table)
{
	fprintf(stream, "%s FROM %s.%s", condition, from->question.database, table);
	question_put_windows(stream, &from->question);
	fputs(" AND ", stream);
	question_put_wanted(stream, &from->question);
	fputs(" GROUP BY " FLEET_PLACE ")", stream);
}

/*
 * Joins the texts of each place. All of its rows have the same, so they are read in one window of each: texts are the dearest of
 * what a row has. A table finds the window by its number before it reads anything else. (Shards, which a store refuses to ask without
 * GLOBAL, are asked by what the table is sorted by.)
 */
static void put_texts(FILE *stream, const struct store *from, const struct store_query *query, const struct plan *plan)
{
	const char *database = from->question.database, *table = fleet_tables[query->table].name;

	fputs(" ANY LEFT JOIN (SELECT " FLEET_PLACE ", 1 AS known", stream);
	for (int i = 0; query->keys[i]; i++)
		fprintf(stream, ", any(%s) AS k%d", query->keys[i], i);
	for (int i = 0; query->columns[i].expression; i++) {
		if (query->columns[i].of_place)
			fprintf(stream, ", any(%s) AS x%d", query->columns[i].expression, i);
	}
	fprintf(stream, " FROM %s.%s", database, table);
	if (plan->whole) {
		put_examples(stream, from, " PREWHERE window IN (SELECT any(window)", table);
		question_put_windows(stream, &from->question);
	} else {
		question_put_windows(stream, &from->question);
		put_examples(stream, from, " AND (host, window) GLOBAL IN (SELECT any(host), any(window)", table);
	}
	fputs(" GROUP BY " FLEET_PLACE ") USING " FLEET_PLACE, stream);
}

/*
 * FINAL makes a store merge all rows that are asked for, which takes it several times as long as to add them up. So only what is
 * there repeatedly is asked for with FINAL, and the sums of both are added up. A sum in which a window is there again comes first; so
 * does one of a place that has come while the others were looked up.
 */
static char *query_text(const struct store *from, const struct store_query *query, const struct plan *plan)
{
	const struct store_repeats *repeats = &plan->repeats;
	bool some = !question_is_of_whole_windows(&from->question);
	const char *again = !plan->by_place ? "sum(again)"
			    : some	    ? "sum(again + (wanted AND known = 0))"
					    : "sum(again + (known = 0))";
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	fputs("SELECT ", stream);
	for (int i = 0; query->keys[i]; i++)
		fprintf(stream, "%sk%d AS %s", i ? ", " : "", i, query->keys[i]);
	for (int i = 0; query->columns[i].expression; i++)
		fprintf(stream, ", %s(x%d)", query->columns[i].function, i);
	put_values(stream, ", sum(of_%s)");
	fprintf(stream, ", %s FROM (", again);
	if (!repeats->many)
		put_part(stream, from, query, plan, false);
	if (!repeats->many && repeats->windows)
		fputs(" UNION ALL ", stream);
	if (repeats->many || repeats->windows)
		put_part(stream, from, query, plan, true);
	fputc(')', stream);
	if (plan->by_place)
		put_texts(stream, from, query, plan);
	fputs(" GROUP BY ", stream);
	put_key_names(stream, query);
	if (some)
		fprintf(stream, ", wanted HAVING wanted OR %s > 0", again);
	fprintf(stream, " ORDER BY %s > 0 DESC, %s LIMIT %d FORMAT TabSeparated", again, query->order, query->limit);
	if (fclose(stream))
		memory_out();
	return text;
}

static int cells_of(const struct store_query *query)
{
	int cells = 1; /* sum(again) */

	for (int i = 0; query->keys[i]; i++)
		cells++;
	for (int i = 0; query->columns[i].expression; i++)
		cells++;
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		cells++;
	return cells;
}

/* Whether its first row says that windows were added up more than once. */
static bool adds_again(const char *answer)
{
	const char *last = answer + strcspn(answer, "\n");

	while (last > answer && last[-1] != '\t')
		last--;
	return store_count(last) > 0;
}

/* Whether a row of the store's answer begins with a text. -1 with an error. The query is freed. */
static int answers(const struct store *from, char *query, const char *text, struct error *error)
{
	char *answer = store_answer(from, query, error), *rest = answer, *row;
	int found = answer ? 0 : -1;

	while ((row = strsep(&rest, "\n"))) {
		const char *cell = cell_next(&row);

		found |= cell && strcmp(cell, text) == 0;
	}
	free(answer);
	free(query);
	return found;
}

/* Tables of an earlier release have no place, which then would take longer to make than it helps. -1 with an error. */
static int look_at_table(struct plan *plan, const struct store *from, const struct fleet_table *table,
			 struct error *error)
{
	const char *database = from->question.database;
	int placed = 0, whole = 0;

	if (table->place)
		placed = answers(from, memory_format("DESCRIBE TABLE %s.%s FORMAT TabSeparated", database, table->name),
				 FLEET_PLACE, error);
	if (placed > 0)
		whole = answers(from,
				memory_format("SELECT engine LIKE '%%MergeTree' FROM system.tables "
					      "WHERE database = '%s' AND name = '%s' FORMAT TabSeparated",
					      database, table->name),
				"1", error);
	plan->by_place = placed > 0;
	plan->whole = whole > 0;
	return placed < 0 || whole < 0 ? -1 : 0;
}

/* What holds whatever is in the store, and takes it longest. */
static void plan_for_all(struct plan *plan)
{
	store_repeats_all(&plan->repeats);
	plan->by_place = false;
}

/* Looks for what is there repeatedly; if nothing becomes known by that, all may be. -1 with an error. */
static int learn(struct plan *plan, const struct store *from, const char *table, struct error *error)
{
	struct store_repeats *repeats = &plan->repeats;
	bool alike = repeats->alike;
	int found = store_repeats_find(repeats, from, table, error);

	if (!found && repeats->alike == alike)
		plan_for_all(plan);
	return found < 0 ? -1 : 0;
}

/*
 * Nearly always nothing is there repeatedly. If the answer says that something was, it is looked up, and the question is put
 * again; and once more for what came meanwhile or is on another replica, at last with FINAL for everything, by texts.
 */
static char *answer_once(const struct store *from, const struct store_query *query, struct error *error)
{
	const struct fleet_table *table = &fleet_tables[query->table];
	struct plan plan = {0};
	struct store_repeats *repeats = &plan.repeats;
	char *answer = NULL;
	int failed = look_at_table(&plan, from, table, error);
	bool again = true;

	for (int attempt = 1; again && !failed; attempt++) {
		char *text = query_text(from, query, &plan);

		free(answer);
		answer = store_answer(from, text, error);
		free(text);
		again = answer && !repeats->many && adds_again(answer);
		if (again && attempt + 1 == ATTEMPTS)
			plan_for_all(&plan);
		else if (again)
			failed = learn(&plan, from, table->name, error);
	}
	store_repeats_clear(repeats);
	if (!failed)
		return answer;
	free(answer);
	return NULL;
}

int store_ask(const struct store *from, const struct store_query *query, void *context, struct error *error)
{
	char *answer = answer_once(from, query, error), *rest = answer, *row;
	int rows = 0, cells = cells_of(query);

	if (!answer)
		return -1;
	while (rows < query->limit && (row = strsep(&rest, "\n"))) {
		if (!*row)
			continue;
		if (store_cells(row) != cells) { /* such as an error in the middle of the answer */
			rows = store_misanswered(from, rows + 1, store_cells(row), cells, error);
			break;
		}
		query->take(context, row);
		rows++;
	}
	free(answer);
	return rows;
}
