/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store_query.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fleet/store_repeats.h"

enum { ATTEMPTS = 3 };

static void put_values(FILE *stream, const char *form)
{
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;) {
		const char *key = profile_values[value].key;

		fprintf(stream, form, key, key);
	}
}

/* What the rows of some windows add up to. */
static void put_part(FILE *stream, const struct store *from, const struct store_query *query,
		     const struct store_repeats *repeats, bool repeated)
{
	fprintf(stream, "SELECT %s", query->keys);
	for (int i = 0; query->columns[i].expression; i++)
		fprintf(stream, ", %s(%s) AS x%d", query->columns[i].function, query->columns[i].expression, i);
	put_values(stream, ", sum(%s) AS of_%s");
	fprintf(stream, " FROM %s.%s%s", from->question.database, query->table, repeated ? " FINAL" : "");
	question_put_condition(stream, &from->question);
	store_repeats_put(stream, repeats, repeated);
	fprintf(stream, " GROUP BY %s", query->keys);
}

/*
 * FINAL makes a store merge all rows that are asked for, which takes it several times as long as to add them up. So only what is
 * there repeatedly is asked for with FINAL, and the sums of both are added up.
 */
static char *query_text(const struct store *from, const struct store_query *query, const struct store_repeats *repeats)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	fprintf(stream, "SELECT %s", query->keys);
	for (int i = 0; query->columns[i].expression; i++)
		fprintf(stream, ", %s(x%d)", query->columns[i].function, i);
	put_values(stream, ", sum(of_%s)");
	fputs(" FROM (", stream);
	if (!repeats->many)
		put_part(stream, from, query, repeats, false);
	if (!repeats->many && repeats->windows)
		fputs(" UNION ALL ", stream);
	if (repeats->many || repeats->windows)
		put_part(stream, from, query, repeats, true);
	fprintf(stream, ") GROUP BY %s ORDER BY %s LIMIT %d FORMAT TabSeparated", query->keys, query->order,
		query->limit);
	if (fclose(stream))
		memory_out();
	return text;
}

static int cells_of(const struct store_query *query)
{
	int cells = 1;

	for (const char *key = query->keys; *key; key++)
		cells += *key == ',';
	for (int i = 0; query->columns[i].expression; i++)
		cells++;
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;)
		cells++;
	return cells;
}

static char *answer_with(const struct store *from, const struct store_query *query, const struct store_repeats *repeats,
			 struct error *error)
{
	char *text = query_text(from, query, repeats), *answer = store_answer(from, text, error);

	free(text);
	return answer;
}

/*
 * What is there repeatedly is looked up before and after: what was pushed again meanwhile may be in the answer twice. Then the
 * question is put again, at last with FINAL for everything.
 */
static char *answer_once(const struct store *from, const struct store_query *query, struct error *error)
{
	struct store_repeats before, after;
	bool settled = false;
	char *answer = NULL;

	if (store_repeats_find(&before, from, query->table, error))
		return NULL;
	for (int attempt = 1; !settled; attempt++) {
		if (attempt > ATTEMPTS) {
			store_repeats_clear(&before);
			before.many = true;
		}
		free(answer);
		answer = answer_with(from, query, &before, error);
		if (!answer || before.many)
			break;
		if (store_repeats_find(&after, from, query->table, error)) {
			free(answer);
			answer = NULL;
			break;
		}
		settled = store_repeats_has(&before, &after);
		store_repeats_clear(&before);
		before = after;
	}
	store_repeats_clear(&before);
	return answer;
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
