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
	gate_before_text(before, gate, row, value);
	gate_count_text(after, gate->after, row->after, value);
	gate_growth_text(growth, gate, row, value);
	if (strcmp(before, after) == 0 || !*before)
		fprintf(stream, " %s |", after);
	else if (gate_row_is_contract(row))
		fprintf(stream, " %s (%s%s) |", after, before, row->before->counts[value].unlimited ? "" : " allowed");
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

	fprintf(stream, "| %s%s%s | ", row->fails ? "**" : "", gate_row_word(row), row->fails ? "**" : "");
	text_put(stream, TEXT_MARKDOWN, site->function ? site->function : "(unknown function)");
	if (site->via) {
		fputs(" via ", stream);
		text_put(stream, TEXT_MARKDOWN, site->via);
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

/* A page in progress: where it is, and what it has no room for. */
struct page {
	FILE *stream;
	const struct gate *gate;
	const struct gate_style *style;
	size_t written, left_out;
	bool in_lines; /* a block of sums is open */
};

static void end_lines(struct page *page)
{
	if (page->in_lines)
		page->written += (size_t)fprintf(page->stream, "```\n\n");
	page->in_lines = false;
}

/* Sums that follow each other are one block. */
static void put_line(struct page *page, const char *text)
{
	if (page->written + strlen(text) > LIMIT - NOTE_ROOM)
		return;
	if (!page->in_lines)
		page->written += (size_t)fprintf(page->stream, "```text\n");
	page->in_lines = true;
	page->written += (size_t)fprintf(page->stream, "%s\n", text);
}

static void put_row_if_room(struct page *page, const struct gate_row *row)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	put_row(stream, page->gate, row);
	fclose(stream);
	if (page->left_out || page->written + length > LIMIT - NOTE_ROOM) {
		page->left_out++;
	} else {
		fwrite(text, 1, length, page->stream);
		page->written += length;
	}
	free(text);
}

/* The table of a group's sites, below a heading if there is one; nothing if no site changed. */
static void put_group(struct page *page, const struct gate_group *group, const char *heading)
{
	bool head = false;

	for (size_t i = 0; i < page->gate->row_count; i++) {
		const struct gate_row *row = &page->gate->rows[i];

		if ((row->change == GATE_SAME && !page->style->all) || !gate_group_has(group, gate_row_site(row)))
			continue;
		if (!head && !page->left_out) {
			if (heading)
				put_line(page, heading);
			end_lines(page);
			page->written += put_head(page->stream, page->style);
			head = true;
		}
		put_row_if_room(page, row);
	}
	if (head)
		page->written += (size_t)fprintf(page->stream, "\n");
}

static void put_notes(const struct page *page)
{
	if (page->left_out)
		fprintf(page->stream,
			"\n%zu more rows are left out: this page ends at 900 KiB. `--format text` and `json` have "
			"them all.\n",
			page->left_out);
	if (page->gate->after->normalize) {
		fputs("\nCounts are per iteration: divided by ", page->stream);
		text_put(page->stream, TEXT_MARKDOWN, page->gate->after->normalize);
		fputs(".\n", page->stream);
	}
}

void render_gate_markdown_rows(FILE *stream, const struct gate *gate, const struct gate_style *style, size_t written)
{
	struct page page = {.stream = stream, .gate = gate, .style = style, .written = written};
	struct gate_sums *sums = gate_sums_new(gate, style);
	bool *done = memory_zeroed(gate->group_count + 1, sizeof(*done)), lines = gate_has_benchmarks(gate);
	char heading[GATE_NAME_SIZE];

	for (size_t i = 0; i < sums->count && lines; i++) {
		const struct gate_group *group = gate_sums_group(sums, i, gate);

		put_line(&page, sums->sums[i].text);
		if (!group)
			continue;
		put_group(&page, group, NULL);
		done[group - gate->groups] = true;
	}
	end_lines(&page);
	for (size_t i = 0; i < gate->group_count; i++) {
		const struct gate_group *group = &gate->groups[i];

		if (!done[i])
			put_group(&page, group,
				  lines || group->benchmark ? gate_group_text(heading, gate, group) : NULL);
	}
	if (lines)
		gate_sums_print_folded(stream, sums);
	put_notes(&page);
	free(done);
	gate_sums_free(sums);
}

size_t render_gate_markdown_sums(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	struct gate_sums *sums = gate_sums_new(gate, style);
	size_t written = 0;

	if (sums->count && !gate_has_benchmarks(gate)) {
		written += (size_t)fprintf(stream, "```text\n");
		for (size_t i = 0; i < sums->count; i++)
			written += (size_t)fprintf(stream, "%s\n", sums->sums[i].text);
		if (sums->note)
			written += (size_t)fprintf(stream, "%s\n", sums->note);
		written += (size_t)fprintf(stream, "```\n\n");
	}
	gate_sums_free(sums);
	return written;
}

void render_gate_markdown(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	char summary[GATE_TEXT_SIZE];
	size_t written = (size_t)fprintf(stream, "### Allocations: %s\n\n", gate_summary(summary, gate, style));

	written += gate_contracts_markdown(stream, gate);
	written += render_gate_markdown_sums(stream, gate, style);
	render_gate_markdown_rows(stream, gate, style, written);
}
