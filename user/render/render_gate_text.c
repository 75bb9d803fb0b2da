/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "render/render_gate.h"
#include "text/table.h"
#include "text/terminal.h"

enum { LINES_MAX = 8 };

static const struct table_column columns[] = {
	{"SITE", COLUMN_WRAP},	  {"", COLUMN_TEXT},	     {"BEFORE", COLUMN_NUMBER},
	{"AFTER", COLUMN_NUMBER}, {"CHANGE", COLUMN_NUMBER},
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

/* What is said of a row, one line each. */
static int describe(const struct gate_row *row, char lines[LINES_MAX][GATE_TEXT_SIZE])
{
	const struct gate_site *site = gate_row_site(row);
	int count = 0;

	snprintf(lines[count++], GATE_TEXT_SIZE, "%s: %s%s%s", row->how ? row->how : gate_change_names[row->change],
		 site->function ? site->function : "(unknown function)", site->benchmark ? " in " : "",
		 site->benchmark ? site->benchmark : "");
	if (row->change == GATE_MOVED && row->before && row->after && row->before->function != row->after->function)
		snprintf(lines[count++], GATE_TEXT_SIZE, "  was %s",
			 row->before->function ? row->before->function : "(unknown function)");
	if (site->file) {
		char place[GATE_TEXT_SIZE];

		gate_place(place, site);
		if (site->places > 1)
			snprintf(lines[count++], GATE_TEXT_SIZE, "  %.1900s and %u more", place, site->places - 1);
		else
			snprintf(lines[count++], GATE_TEXT_SIZE, "  %.1900s", place);
	}
	if (site->runtime_call || (site->type && !site->reason))
		snprintf(lines[count++], GATE_TEXT_SIZE, "  %s%s%s", site->runtime_call ? site->runtime_call : "",
			 site->runtime_call && site->type ? " of " : "", site->type ? site->type : "");
	if (site->annotation || site->reason) {
		char words[GATE_TEXT_SIZE];

		snprintf(lines[count++], GATE_TEXT_SIZE, "  %.1900s", gate_words(words, site));
	}
	if (site->accepted)
		snprintf(lines[count++], GATE_TEXT_SIZE, "  accepted: %s", site->accepted);
	return count;
}

static void add_row(struct table *table, const struct gate *gate, const struct gate_row *row,
		    const struct gate_style *style)
{
	char lines[LINES_MAX][GATE_TEXT_SIZE], before[72], after[72], growth[40];
	int line_count = describe(row, lines), value = gate_value_next(-1);

	for (int line = 0; line < line_count || value < VALUE_COUNT; line++) {
		const char *cells[COLUMNS] = {line < line_count ? lines[line] : NULL};

		while (value < VALUE_COUNT && value != VALUE_OBJECTS && !gate_row_shows(gate, row, value))
			value = gate_value_next(value);
		if (value < VALUE_COUNT) {
			cells[1] = gate_value_name(value, style);
			cells[2] = gate_count_text(before, gate->before, row->before, value);
			cells[3] = gate_count_text(after, gate->after, row->after, value);
			cells[4] = gate_growth_text(growth, gate, row, value);
			value = gate_value_next(value);
		} else if (line >= line_count) {
			break;
		}
		table_add(table, cells);
	}
}

static void add_totals(struct table *table, const struct gate *gate, const struct gate_style *style)
{
	bool first = true;

	for (int value = gate_value_next(-1); value < VALUE_COUNT; value = gate_value_next(value)) {
		double before = gate->totals_before[value], after = gate->totals_after[value];
		char numbers[3][40];
		const char *cells[COLUMNS] = {first ? "all sites" : NULL, gate_value_name(value, style)};

		if ((before < 0 || after < 0 || before + after == 0) && value != VALUE_OBJECTS)
			continue;
		cells[2] = gate_number(numbers[0], before);
		cells[3] = gate_number(numbers[1], after);
		if (before >= 0 && after >= 0 && before != after) {
			numbers[2][0] = after > before ? '+' : '-';
			gate_number(numbers[2] + 1, after > before ? after - before : before - after);
			cells[4] = numbers[2];
		}
		table_add(table, cells);
		first = false;
	}
}

void render_gate_text(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	const struct terminal_style *colors = terminal_style(style->color);
	struct table *table = table_new(stream, columns, COLUMNS);
	char summary[GATE_TEXT_SIZE];

	for (size_t i = 0; i < gate->row_count; i++) {
		if (gate->rows[i].change != GATE_SAME || style->all)
			add_row(table, gate, &gate->rows[i], style);
	}
	add_totals(table, gate, style);
	table_print(table);
	if (gate->after->normalize)
		fprintf(stream, "in an iteration: counts are divided by '%s'\n", gate->after->normalize);
	if (gate->after->background[VALUE_OBJECTS] > 0)
		fprintf(stream, "the runtime's own, not judged: %lld objects, %lld bytes\n",
			(long long)gate->after->background[VALUE_OBJECTS],
			(long long)gate->after->background[VALUE_BYTES]);
	fprintf(stream, "%s%s%s\n", gate->failed ? colors->red : colors->green, gate_summary(summary, gate, style),
		colors->reset);
}
