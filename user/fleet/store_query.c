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

/*
 * What the rows of some windows add up to, and how many of these windows are there again: that is said by their first rows, which
 * are read with the others, also where they are of another service or build. So it holds for the rows that were added up, whatever
 * the store merges meanwhile and whichever replica answers. Windows of which only the number is looked at, or a hash, may seem
 * to be there again, but not the other way round.
 */
static void put_part(FILE *stream, const struct store *from, const struct store_query *query,
		     const struct store_repeats *repeats, bool repeated)
{
	bool some = !question_is_of_whole_windows(&from->question);

	fprintf(stream, "SELECT %s, ", query->keys);
	if (some) {
		question_put_wanted(stream, &from->question);
		fputs(" AS wanted, ", stream);
	}
	fprintf(stream, "countIf(row = 0) - uniqExactIf(%s, row = 0) AS again",
		repeats->alike ? "cityHash64(host, window)" : "window");
	for (int i = 0; query->columns[i].expression; i++)
		fprintf(stream, ", %s(%s) AS x%d", query->columns[i].function, query->columns[i].expression, i);
	put_values(stream, ", sum(%s) AS of_%s");
	fprintf(stream, " FROM %s.%s%s", from->question.database, query->table, repeated ? " FINAL" : "");
	question_put_windows(stream, &from->question);
	if (some)
		fputs(" AND (wanted OR row = 0)", stream);
	store_repeats_put(stream, repeats, repeated);
	fprintf(stream, " GROUP BY %s%s", query->keys, some ? ", wanted" : "");
}

/*
 * FINAL makes a store merge all rows that are asked for, which takes it several times as long as to add them up. So only what is
 * there repeatedly is asked for with FINAL, and the sums of both are added up. A sum in which a window is there again comes first.
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
	fputs(", sum(again) FROM (", stream);
	if (!repeats->many)
		put_part(stream, from, query, repeats, false);
	if (!repeats->many && repeats->windows)
		fputs(" UNION ALL ", stream);
	if (repeats->many || repeats->windows)
		put_part(stream, from, query, repeats, true);
	fprintf(stream, ") GROUP BY %s", query->keys);
	if (!question_is_of_whole_windows(&from->question))
		fputs(", wanted HAVING wanted OR sum(again) > 0", stream);
	fprintf(stream, " ORDER BY sum(again) > 0 DESC, %s LIMIT %d FORMAT TabSeparated", query->order, query->limit);
	if (fclose(stream))
		memory_out();
	return text;
}

static int cells_of(const struct store_query *query)
{
	int cells = 2; /* a key, and sum(again) */

	for (const char *key = query->keys; *key; key++)
		cells += *key == ',';
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

/*
 * What is there repeatedly is looked up first. If the answer says that there was more, which came meanwhile or is on another
 * replica, the question is put again, at last with FINAL for everything.
 */
static char *answer_once(const struct store *from, const struct store_query *query, struct error *error)
{
	struct store_repeats repeats = {0};
	char *answer = NULL;
	bool again = true;

	for (int attempt = 1; again; attempt++) {
		int found = attempt < ATTEMPTS ? store_repeats_find(&repeats, from, query->table, error) : 0;
		char *text;

		free(answer);
		answer = NULL;
		if (found < 0)
			break;
		if (attempt > 1 && !found)
			store_repeats_all(&repeats);
		text = query_text(from, query, &repeats);
		answer = store_answer(from, text, error);
		free(text);
		again = answer && !repeats.many && adds_again(answer);
	}
	store_repeats_clear(&repeats);
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
