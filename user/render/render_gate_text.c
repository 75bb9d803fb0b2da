/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "render/render_gate.h"
#include "text/table.h"
#include "text/terminal.h"

enum { LINES_MAX = 8 };

enum { COLUMNS = 5 };

static const struct table_column compared[COLUMNS] = {
	{"SITE", COLUMN_WRAP},	  {"", COLUMN_TEXT},	     {"BEFORE", COLUMN_NUMBER},
	{"AFTER", COLUMN_NUMBER}, {"CHANGE", COLUMN_NUMBER},
};
/* Of contracts, which are compared with nothing that was measured before. */
static const struct table_column allowed[COLUMNS] = {
	{"SITE", COLUMN_WRAP},	    {"", COLUMN_TEXT},	     {"ALLOWED", COLUMN_NUMBER},
	{"COUNTED", COLUMN_NUMBER}, {"OVER", COLUMN_NUMBER},
};

/* Describes a row in several lines. The line or heading above says in which benchmark it is. */
static int describe(const struct gate_row *row, char lines[LINES_MAX][GATE_TEXT_SIZE])
{
	const struct gate_site *site = gate_row_site(row);
	int count = 0;

	snprintf(lines[count++], GATE_TEXT_SIZE, "%s%s: %s", row->note ? "note, " : "", gate_row_word(row),
		 site->function ? site->function : "(unknown function)");
	if (site->via)
		snprintf(lines[count++], GATE_TEXT_SIZE, "  via %s", site->via);
	if (gate_moved_from(row))
		snprintf(lines[count++], GATE_TEXT_SIZE, "  was %.1900s", gate_moved_from(row));
	if (site->file) {
		char place[GATE_TEXT_SIZE];

		gate_place(place, site);
		if (site->places > 1)
			snprintf(lines[count++], GATE_TEXT_SIZE, "  %.1900s and %u more", place, site->places - 1);
		else
			snprintf(lines[count++], GATE_TEXT_SIZE, "  %.1900s", place);
	}
	if (site->runtime_call || (site->type && !site->reason)) {
		char type[GATE_TEXT_SIZE];

		snprintf(lines[count++], GATE_TEXT_SIZE, "  %s%s%.1900s", site->runtime_call ? site->runtime_call : "",
			 site->runtime_call && site->type ? " of " : "", site->type ? gate_type(type, site) : "");
	}
	if (site->annotation || site->reason) {
		char words[GATE_TEXT_SIZE];

		snprintf(lines[count++], GATE_TEXT_SIZE, "  %.1900s", gate_words(words, site));
	}
	if (site->accepted)
		snprintf(lines[count++], GATE_TEXT_SIZE, "  accepted: %.1900s", site->accepted);
	return count;
}

static void add_row(struct table *table, const struct gate *gate, const struct gate_row *row,
		    const struct gate_style *style, const char *indent)
{
	char lines[LINES_MAX][GATE_TEXT_SIZE], before[72], after[72], growth[40], site[GATE_TEXT_SIZE + 8];
	int line_count = describe(row, lines), value = gate_value_next(-1);

	for (int line = 0; line < line_count || value < VALUE_COUNT; line++) {
		const char *cells[COLUMNS] = {line < line_count ? site : NULL};

		if (line < line_count)
			snprintf(site, sizeof(site), "%s%.*s", indent, GATE_TEXT_SIZE - 1, lines[line]);

		while (value < VALUE_COUNT && value != VALUE_OBJECTS && !gate_row_shows(gate, row, value))
			value = gate_value_next(value);
		if (value < VALUE_COUNT) {
			cells[1] = gate_value_name(value, style);
			cells[2] = gate_before_text(before, gate, row, value);
			cells[3] = gate_count_text(after, gate->after, row->after, value);
			cells[4] = gate_growth_text(growth, gate, row, value);
			value = gate_value_next(value);
		} else if (line >= line_count) {
			break;
		}
		table_add(table, cells);
	}
}

/* Whether a site is shown: if it fails, or changed by more than chance. */
static bool is_shown(const struct gate_row *row, const struct gate_style *style)
{
	if (style->all || row->fails)
		return true;
	return row->change != GATE_SAME && row->change != GATE_NOISY && row->change != GATE_TOLERATED;
}

static int table_lines(const struct gate *gate, const struct gate_row *row)
{
	char lines[LINES_MAX][GATE_TEXT_SIZE];
	int count = describe(row, lines), numbers = 0;

	for (int value = gate_value_next(-1); value < VALUE_COUNT; value = gate_value_next(value))
		numbers += value == VALUE_OBJECTS || gate_row_shows(gate, row, value);
	return count > numbers ? count : numbers;
}

/* By how many bytes a site changed, in either direction. */
static double change_of(const struct gate *gate, const struct gate_row *row)
{
	return fabs(gate_value(gate->after, row->after, VALUE_BYTES) -
		    gate_value(gate->before, row->before, VALUE_BYTES));
}

static int by_change(const void *x, const void *y, void *context)
{
	const struct gate *gate = context;
	const struct gate_row *a = &gate->rows[*(const size_t *)x], *b = &gate->rows[*(const size_t *)y];
	double left = change_of(gate, a), right = change_of(gate, b);

	if (left != right)
		return left > right ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* Chooses the rows to show: those that fail, and of others as many as there is room for, so that none that is left out changed by
 * more than one that is shown. */
static void choose(const struct gate *gate, const struct gate_style *style, int room, bool *shown)
{
	size_t *others = memory_zeroed(gate->row_count + 1, sizeof(*others)), count = 0;

	for (size_t i = 0; i < gate->row_count; i++) {
		shown[i] = gate->rows[i].fails || style->all;
		if (!shown[i] && is_shown(&gate->rows[i], style))
			others[count++] = i;
	}
	if (count)
		qsort_r(others, count, sizeof(*others), by_change, (void *)gate);
	for (size_t i = 0; i < count; i++) {
		room -= table_lines(gate, &gate->rows[others[i]]);
		if (room < 0)
			break;
		shown[others[i]] = true;
	}
	free(others);
}

/* Adds the rows of a group that are to be shown, those that fail first, below a heading if there is one. */
static void add_group(struct table *table, const struct gate *gate, const struct gate_group *group,
		      const struct gate_style *style, bool *shown, const char *heading)
{
	for (int failing = 1; failing >= 0; failing--) {
		for (size_t i = 0; i < gate->row_count; i++) {
			const struct gate_row *row = &gate->rows[i];

			if (!shown[i] || row->fails != failing || !gate_group_has(group, gate_row_site(row)))
				continue;
			if (heading)
				table_line(table, heading);
			heading = NULL;
			add_row(table, gate, row, style, gate_has_benchmarks(gate) || group->benchmark ? "  " : "");
			shown[i] = false;
		}
	}
}

static bool is_of_contract(const struct gate_row *row)
{
	return gate_row_is_contract(row) || gate_row_site(row)->below_contract;
}

static bool group_is_of_contract(const struct gate *gate, const struct gate_group *group)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		if (gate_group_has(group, gate_row_site(&gate->rows[i])))
			return is_of_contract(&gate->rows[i]);
	}
	return false;
}

/* Prints the rows of contracts, or the others, in a table of their own: what is allowed must not be read as what was. */
static void print_table(FILE *stream, const struct gate *gate, const struct gate_style *style,
			const struct gate_sums *sums, bool contracts, bool *shown)
{
	struct table *table = table_new(stream, contracts ? allowed : compared, COLUMNS);
	char heading[GATE_NAME_SIZE];
	bool any = false;

	for (size_t i = 0; i < gate->row_count; i++)
		any |= shown[i] && is_of_contract(&gate->rows[i]) == contracts;
	for (size_t i = 0; i < sums->count && gate_has_benchmarks(gate) && !contracts; i++) {
		const struct gate_group *group = gate_sums_group(sums, i, gate);

		table_line(table, sums->sums[i].text);
		if (group)
			add_group(table, gate, group, style, shown, NULL);
	}
	for (size_t i = 0; i < gate->group_count && any; i++) {
		const struct gate_group *group = &gate->groups[i];
		bool needs_heading = gate_has_benchmarks(gate) || group->benchmark;

		if (group_is_of_contract(gate, group) == contracts)
			add_group(table, gate, group, style, shown,
				  needs_heading ? gate_group_text(heading, gate, group) : NULL);
	}
	table_print(table);
}

/* "3 more sites changed (1 better, 2 gone); --all shows them" */
static void print_left_out(FILE *stream, const struct gate *gate, const struct gate_style *style, const bool *was_shown)
{
	size_t counts[GATE_CHANGE_COUNT] = {0}, all = 0;
	const char *separator = " (";

	for (size_t i = 0; i < gate->row_count; i++) {
		if (is_shown(&gate->rows[i], style) && !was_shown[i]) {
			counts[gate->rows[i].change]++;
			all++;
		}
	}
	if (!all)
		return;
	fprintf(stream, "%zu more site%s changed", all, all == 1 ? "" : "s");
	for (int change = 0; change < GATE_CHANGE_COUNT; change++) {
		if (counts[change])
			fprintf(stream, "%s%zu %s", separator, counts[change], gate_change_names[change]);
		separator = counts[change] ? ", " : separator;
	}
	fputs("); --all shows them\n", stream);
}

void render_gate_rows(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	enum { ROOM = 13 }; /* a gate that passes takes less than 20 lines: six others, and those of the sums */
	int room = style->room ? style->room : ROOM;
	struct gate_sums *sums = gate_sums_new(gate, style);
	bool *shown = memory_zeroed(gate->row_count + 1, sizeof(*shown)), *left;

	choose(gate, style, room - sums->lines, shown);
	left = memory_zeroed(gate->row_count + 1, sizeof(*left));
	memcpy(left, shown, gate->row_count * sizeof(*left));
	print_table(stream, gate, style, sums, false, left);
	print_table(stream, gate, style, sums, true, left);
	if (gate_has_benchmarks(gate))
		gate_sums_print_folded(stream, sums);
	print_left_out(stream, gate, style, shown);
	free(left);
	free(shown);
	gate_sums_free(sums);
}

static void print_unjudged(FILE *stream, const struct gate *gate, const char *what, const int64_t *before,
			   const int64_t *after)
{
	char numbers[4][40];

	if (before[VALUE_OBJECTS] + after[VALUE_OBJECTS] == 0)
		return;
	fprintf(stream, "%s, not judged: %s -> %s objects, %s -> %s bytes\n", what,
		gate_grouped(numbers[0], (double)gate_unjudged(gate->before, before, VALUE_OBJECTS)),
		gate_grouped(numbers[1], (double)gate_unjudged(gate->after, after, VALUE_OBJECTS)),
		gate_grouped(numbers[2], (double)gate_unjudged(gate->before, before, VALUE_BYTES)),
		gate_grouped(numbers[3], (double)gate_unjudged(gate->after, after, VALUE_BYTES)));
}

void render_gate_text(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	const struct terminal_style *colors = terminal_style(style->color);
	char summary[GATE_TEXT_SIZE];

	gate_contracts_text(stream, gate);
	if (!gate_has_benchmarks(gate))
		render_gate_sums(stream, gate, style);
	render_gate_rows(stream, gate, style);
	if (gate->after->normalize)
		fprintf(stream, "per iteration: counts are divided by '%s'\n", gate->after->normalize);
	print_unjudged(stream, gate, "outside", gate->before->outside, gate->after->outside);
	print_unjudged(stream, gate, "bookkeeping", gate->before->bookkeeping, gate->after->bookkeeping);
	fprintf(stream, "%s%s%s\n", gate->failed ? colors->red : colors->green, gate_summary(summary, gate, style),
		colors->reset);
}
