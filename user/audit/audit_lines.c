/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_lines.h"

#include <stdlib.h>

#include "audit/audit_filter.h"
#include "audit/audit_place.h"
#include "base/count.h"
#include "base/memory.h"
#include "base/text_compare.h"

/* A row with its place, which is looked up once. */
struct placed {
	size_t row;
	const char *file;
	uint32_t line; /* 0: it is a line of its own */
};

struct grouping {
	const struct audit *audit;
	enum profile_value cost;
	const size_t *rows;
};

static int compare_places(const struct placed *a, const struct placed *b)
{
	int order;

	if (!a->line || !b->line)
		return a->line || b->line ? (a->line ? -1 : 1) : (a->row > b->row) - (a->row < b->row);
	order = text_compare_known_first(a->file, b->file);
	return order ? order : (a->line > b->line) - (a->line < b->line);
}

static int compare_rows(const struct grouping *grouping, size_t a, size_t b)
{
	int64_t left = grouping->audit->rows[a].values[grouping->cost];
	int64_t right = grouping->audit->rows[b].values[grouping->cost];

	if (left != right)
		return left > right ? -1 : 1;
	return (a > b) - (a < b);
}

/* Rows of one line stand together, the costliest first. */
static int compare_placed(const void *x, const void *y, void *argument)
{
	const struct grouping *grouping = argument;
	const struct placed *a = x, *b = y;
	int left = audit_row_counts_as(&grouping->audit->rows[a->row]);
	int right = audit_row_counts_as(&grouping->audit->rows[b->row]);
	int order;

	if (left != right)
		return left < right ? -1 : 1;
	order = compare_places(a, b);
	return order ? order : compare_rows(grouping, a->row, b->row);
}

static int compare_lines(const void *x, const void *y, void *argument)
{
	const struct grouping *grouping = argument;
	const struct audit_line *a = x, *b = y;
	int64_t left = a->values[grouping->cost], right = b->values[grouping->cost];
	size_t first = grouping->rows[a->first], second = grouping->rows[b->first];

	if (a->verdict != b->verdict)
		return a->verdict < b->verdict ? -1 : 1;
	if (grouping->audit->sort != AUDIT_BY_SITE && left != right)
		return left > right ? -1 : 1;
	return (first > second) - (first < second);
}

static struct placed place_of(const struct audit *audit, size_t index)
{
	const struct audit_row *row = &audit->rows[index];
	struct placed placed = {.row = index};

	if (!audit_verdict_allocates(row->verdict))
		return placed;
	placed.file = audit_shown_place(row, &placed.line, NULL);
	if (!placed.file)
		placed.line = 0;
	return placed;
}

static void add_values(struct audit_line *line, const struct audit_row *row)
{
	for (int value = 0; value < VALUE_COUNT; value++)
		line->values[value] = line->count > 1 ? profile_add_measured(line->values[value], row->values[value])
						      : row->values[value];
}

static void make_lines(struct audit_lines *lines, const struct audit *audit, const struct placed *placed, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct audit_row *row = &audit->rows[placed[i].row];
		int verdict = audit_row_counts_as(row);
		bool same = i && placed[i].line && lines->list[lines->count - 1].verdict == verdict &&
			    compare_places(&placed[i - 1], &placed[i]) == 0;

		lines->rows[i] = placed[i].row;
		if (!same)
			lines->list[lines->count++] = (struct audit_line){.verdict = verdict, .first = i};
		lines->list[lines->count - 1].count++;
		add_values(&lines->list[lines->count - 1], row);
	}
}

void audit_lines_collect(struct audit_lines *lines, const struct audit *audit, unsigned verdicts,
			 enum profile_value cost)
{
	struct placed *placed = memory_zeroed(audit->row_count + 1, sizeof(*placed));
	struct grouping grouping = {audit, cost, NULL};
	size_t count = 0;

	for (size_t i = 0; i < audit->row_count; i++) {
		if (verdicts & 1U << audit_row_counts_as(&audit->rows[i]))
			placed[count++] = place_of(audit, i);
	}
	*lines = (struct audit_lines){.list = memory_zeroed(count + 1, sizeof(*lines->list)),
				      .rows = memory_zeroed(count + 1, sizeof(*lines->rows))};
	if (count)
		qsort_r(placed, count, sizeof(*placed), compare_placed, &grouping);
	make_lines(lines, audit, placed, count);
	free(placed);
	grouping.rows = lines->rows;
	if (lines->count)
		qsort_r(lines->list, lines->count, sizeof(*lines->list), compare_lines, &grouping);
}

void audit_lines_free(struct audit_lines *lines)
{
	free(lines->list);
	free(lines->rows);
	*lines = (struct audit_lines){0};
}
