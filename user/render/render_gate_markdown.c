/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Markdown for a pull-request comment or a step summary. GitHub drops a step summary of more than 1 MiB entirely, so
 * rows end at 900 KiB, with a note of how many are omitted.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/printable.h"
#include "render/render_gate.h"

enum { LIMIT = 900 << 10, NOTE_ROOM = 4096 };

static void put_values(FILE *stream, const struct gate *gate, const struct gate_row *row, enum profile_value value)
{
	char before[72], after[72], growth[40];

	if (gate_value(gate->before, row->before, value) < 0 && gate_value(gate->after, row->after, value) < 0) {
		fputs(" - |", stream);
		return;
	}
	gate_count_text(before, gate->before, row->before, value);
	gate_count_text(after, gate->after, row->after, value);
	gate_growth_text(growth, gate, row, value);
	if (strcmp(before, after) == 0)
		fprintf(stream, " %s |", after);
	else
		fprintf(stream, " %s → %s%s%s%s |", before, after, *growth ? " (" : "", growth, *growth ? ")" : "");
}

/* The columns are the values that baselines store per site. */
static int next_column(int value)
{
	return profile_value_next(value, VALUE_SHOWN | VALUE_OF_SITES);
}

static size_t put_head(FILE *stream, const struct gate_style *style)
{
	int length = fprintf(stream, "| | site |");

	for (int value = next_column(-1); value < VALUE_COUNT; value = next_column(value))
		length += fprintf(stream, " %s |", gate_value_name(value, style));
	length += fprintf(stream, "\n|---|---|");
	for (int value = next_column(-1); value < VALUE_COUNT; value = next_column(value))
		length += fprintf(stream, "---:|");
	return (size_t)(length + fprintf(stream, "\n"));
}

static void put_row(FILE *stream, const struct gate *gate, const struct gate_row *row)
{
	const struct gate_site *site = gate_row_site(row);
	char text[GATE_TEXT_SIZE];

	fprintf(stream, "| %s%s%s | ", row->fails ? "**" : "", row->how ? row->how : gate_change_names[row->change],
		row->fails ? "**" : "");
	text_put(stream, TEXT_MARKDOWN, site->function ? site->function : "(unknown function)");
	if (site->via) {
		fputs(" via ", stream);
		text_put(stream, TEXT_MARKDOWN, site->via);
	}
	if (site->benchmark) {
		fputs(" in ", stream);
		text_put(stream, TEXT_MARKDOWN, site->benchmark);
	}
	if (*gate_place(text, site)) {
		fputs("<br>", stream);
		text_put(stream, TEXT_MARKDOWN, text);
	}
	if (*gate_words(text, site)) {
		fputs("<br>", stream);
		text_put(stream, TEXT_MARKDOWN, text);
	}
	fputs(" |", stream);
	for (int value = next_column(-1); value < VALUE_COUNT; value = next_column(value))
		put_values(stream, gate, row, value);
	putc('\n', stream);
}

void render_gate_markdown_rows(FILE *stream, const struct gate *gate, const struct gate_style *style, size_t written)
{
	char *text;
	size_t left_out = 0, length;
	bool head = false;

	for (size_t i = 0; i < gate->row_count; i++) {
		FILE *row;

		if (gate->rows[i].change == GATE_SAME && !style->all)
			continue;
		if (!head) {
			written += put_head(stream, style);
			head = true;
		}
		row = open_memstream(&text, &length);
		if (!row)
			memory_out();
		put_row(row, gate, &gate->rows[i]);
		fclose(row);
		if (left_out || written + length > LIMIT - NOTE_ROOM) {
			left_out++;
		} else {
			fwrite(text, 1, length, stream);
			written += length;
		}
		free(text);
	}
	if (left_out)
		fprintf(stream,
			"\n%zu more rows are left out: this page ends at 900 KiB. `--format text` and `json` have "
			"them all.\n",
			left_out);
	if (gate->after->normalize) {
		fputs("\nCounts are per iteration: divided by ", stream);
		text_put(stream, TEXT_MARKDOWN, gate->after->normalize);
		fputs(".\n", stream);
	}
}

void render_gate_markdown(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	char summary[GATE_TEXT_SIZE], *sums = gate_sums(gate, style);
	int written = fprintf(stream, "### Allocations: %s\n\n", gate_summary(summary, gate, style));

	if (*sums)
		written += fprintf(stream, "```text\n%s```\n\n", sums);
	free(sums);
	render_gate_markdown_rows(stream, gate, style, written > 0 ? (size_t)written : 0);
}
