/* SPDX-License-Identifier: BSD-2-Clause */
/* The live view as text: what screen and blocks share, the blocks, the pages. */
#include "render/render_top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/append.h"
#include "base/clock.h"
#include "base/memory.h"
#include "render/render_report.h"
#include "text/shorten.h"
#include "text/terminal.h"

enum {
	WIDE = 110,	   /* from this width on, all values have a column of totals */
	NUMBER_WIDTH = 10, /* including the space before it */
	VERDICT_WIDTH = 13,
	KEY_MIN = 16,
	DETAIL_STACKS = 5,
};

/* A column of numbers: a value, its rate or its total, or the row's share of what is sorted by. */
struct column {
	int value; /* VALUE_COUNT: the share */
	bool total;
};

static const char *number_text(char text[TERMINAL_NUMBER_SIZE], int value, int64_t number)
{
	if (value < VALUE_COUNT && profile_values[value].kinds & VALUE_IN_BYTES)
		return number == VALUE_UNMEASURED ? "-" : terminal_bytes(text, number);
	return terminal_count(text, number);
}

/* Objects and bytes, the value that rows are sorted by, and refills if there is space or nothing else is measured. */
static size_t choose_columns(const struct top_display *display, int width, struct column columns[2 * VALUE_COUNT + 1])
{
	const struct profile *profile = top_model_profile(display->model);
	uint32_t shown = 1u << VALUE_BYTES | 1u << VALUE_OBJECTS | 1u << display->question.sort;
	size_t count = 0;

	if (width >= WIDE || !(profile->row_measured & 1u << VALUE_BYTES))
		shown |= 1u << VALUE_REFILLS;
	shown &= profile->row_measured;
	for (int total = 0; total < 2; total++) {
		for (int value = 0; value < VALUE_COUNT; value++) {
			if (shown & 1u << value &&
			    (!total || width >= WIDE || value == VALUE_BYTES || value == (int)display->question.sort))
				columns[count++] = (struct column){value, total};
		}
	}
	columns[count++] = (struct column){VALUE_COUNT, display->question.by_total};
	return count;
}

void render_top_heading(char line[TOP_LINE], const struct top_display *display, int width)
{
	struct column columns[2 * VALUE_COUNT + 1];
	size_t count = choose_columns(display, width, columns);

	line[0] = 0;
	for (size_t i = 0; i < count; i++) {
		char name[32];

		if (columns[i].value == VALUE_COUNT)
			snprintf(name, sizeof(name), "%%");
		else
			snprintf(name, sizeof(name), "%s%s", profile_values[columns[i].value].heading,
				 columns[i].total ? "" : "/s");
		text_append(line, TOP_LINE, "%*s", columns[i].value == VALUE_COUNT ? 6 : NUMBER_WIDTH, name);
	}
	if (display->verdicts)
		text_append(line, TOP_LINE, " %-*s", VERDICT_WIDTH, "VERDICT");
	text_append(line, TOP_LINE, " %s", render_report_headings[display->question.by]);
}

/* The row's share of what the table is sorted by. */
static void append_share(char line[TOP_LINE], const struct top_display *display, const struct top_row *row)
{
	enum profile_value sort = display->question.sort;
	double part, whole;

	if (display->question.by_total) {
		part = (double)row->row.values[sort];
		whole = (double)top_model_sums(display->model, 0)->totals[sort];
	} else {
		part = (double)row->rates[sort];
		whole = top_model_rate(display->model, sort, 0, TOP_WINDOW);
		for (size_t age = TOP_WINDOW; whole < 0 && age > 0; age--)
			whole = top_model_rate(display->model, sort, 0, age);
	}
	if (part < 0 || whole <= 0)
		text_append(line, TOP_LINE, "%6s", "-");
	else
		text_append(line, TOP_LINE, "%6.1f", part / whole < 1 ? 100 * part / whole : 100.0);
}

void render_top_row(char line[TOP_LINE], const struct top_display *display, const struct top_row *row, int width,
		    int *mark)
{
	struct column columns[2 * VALUE_COUNT + 1];
	size_t count = choose_columns(display, width, columns);
	char number[TERMINAL_NUMBER_SIZE], key[TOP_LINE / 2];
	int room;

	line[0] = 0;
	for (size_t i = 0; i < count; i++) {
		int value = columns[i].value;

		if (value == VALUE_COUNT)
			append_share(line, display, row);
		else
			text_append(line, TOP_LINE, "%*s", NUMBER_WIDTH,
				    number_text(number, value,
						columns[i].total ? row->row.values[value] : row->rates[value]));
	}
	if (mark)
		*mark = display->verdicts && row->verdict ? (int)strlen(line) + 1 : -1;
	if (display->verdicts)
		text_append(line, TOP_LINE, " %-*s", VERDICT_WIDTH, row->verdict ? row->verdict : "");
	room = width - (int)strlen(line) - 1;
	text_append(line, TOP_LINE, " %s",
		    render_report_key(display->question.by, &row->row, key, sizeof(key),
				      (size_t)(room < KEY_MIN ? KEY_MIN : room)));
}

/* Returns the rate over the window of TOP_WINDOW views, or over as many as there are. */
static double recent_rate(const struct top_model *model, int value)
{
	for (size_t age = TOP_WINDOW; age > 0; age--) {
		if (top_model_sums(model, age))
			return top_model_rate(model, value, 0, age);
	}
	return -1;
}

void render_top_sum(char text[TOP_LINE], const struct top_display *display, int value)
{
	const struct top_sums *sums = top_model_sums(display->model, 0);
	int64_t total = value == VALUE_COUNT ? sums->collections : sums->totals[value];
	const char *name = value == VALUE_COUNT ? "collections" : profile_values[value].plural;
	double rate = recent_rate(display->model, value);
	char each[TERMINAL_NUMBER_SIZE], all[TERMINAL_NUMBER_SIZE];

	if (total == VALUE_UNMEASURED)
		snprintf(text, TOP_LINE, "%s -", name);
	else if (rate < 0)
		snprintf(text, TOP_LINE, "%s (%s)", name, number_text(all, value, total));
	else if (rate > 0 && rate < 9.95 && !(value < VALUE_COUNT && profile_values[value].kinds & VALUE_IN_BYTES))
		snprintf(text, TOP_LINE, "%s %.1f/s (%s)", name, rate, number_text(all, value, total));
	else
		snprintf(text, TOP_LINE, "%s %s/s (%s)", name, number_text(each, value, count_from(rate + 0.5)),
			 number_text(all, value, total));
}

void render_top_target(char line[TOP_LINE], const struct top_display *display)
{
	const struct profile *profile = top_model_profile(display->model);
	const struct profile_process *process = profile->process_count ? &profile->processes[0] : NULL;
	int seconds = (int)top_model_sums(display->model, 0)->seconds;

	if (profile->process_count == 1)
		snprintf(line, TOP_LINE, "%s (pid %d) %s", process->comm, process->pid, process->runtime);
	else
		snprintf(line, TOP_LINE, "%s: %d processes, %d of them run", profile->target,
			 (int)profile->process_count, top_model_processes(display->model));
	text_append(line, TOP_LINE, ", %d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

const char *render_top_empty(const struct top_display *display)
{
	return display->question.filter ? "  no row has that text" : "  nothing allocated yet";
}

void render_top_block(FILE *stream, const struct top_display *display, size_t most, int width)
{
	static const int values[] = {VALUE_OBJECTS,	  VALUE_BYTES,		 VALUE_REFILLS,
				     VALUE_CENTRAL_GROWS, VALUE_HEAP_GROW_BYTES, VALUE_COUNT};
	char line[TOP_LINE], clock[16];
	time_t now = (time_t)(wall_ns() / 1000000000);
	struct tm local;

	strftime(clock, sizeof(clock), "%T", localtime_r(&now, &local));
	render_top_target(line, display);
	fprintf(stream, "%s %s\n", clock, line);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		render_top_sum(line, display, values[i]);
		fprintf(stream, "%s%s", i == 0 ? "  " : i == 3 ? "\n  " : "  ", line);
	}
	if (!(top_model_profile(display->model)->row_measured & 1u << VALUE_OBJECTS))
		fputs("\n  rows are costs: nothing samples objects; use --rate 1 or --enable-sampler", stream);
	else if (top_model_profile(display->model)->rows_least)
		fputs("\n  rows are lower bounds: only a part of the time was counted, or something is not observed",
		      stream);
	render_top_heading(line, display, width);
	fprintf(stream, "\n%s\n", display->count ? line : render_top_empty(display));
	for (size_t i = 0; i < display->count && i < most; i++) {
		render_top_row(line, display, &display->rows[i], width, NULL);
		fprintf(stream, "%s\n", line);
	}
	fputc('\n', stream);
}

/* --- pages --- */

void top_text_free(struct top_text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->lines[i]);
	free(text->lines);
	*text = (struct top_text){0};
}

/* Splits the text that was written to the stream into lines. */
static struct top_text lines_of(char *written)
{
	struct top_text text = {0};
	char *rest;

	for (char *line = written; line; line = rest) {
		rest = strchr(line, '\n');
		if (!rest && !*line)
			break;
		text.lines = memory_resize(text.lines, text.count + 1, sizeof(*text.lines));
		text.lines[text.count++] = memory_text_of(line, rest ? (size_t)(rest - line) : strlen(line));
		rest = rest ? rest + 1 : NULL;
	}
	free(written);
	return text;
}

static void put_values(FILE *stream, const struct top_row *row)
{
	char each[TERMINAL_NUMBER_SIZE], all[TERMINAL_NUMBER_SIZE];

	for (int value = profile_value_next(-1, VALUE_SHOWN); value < VALUE_COUNT;
	     value = profile_value_next(value, VALUE_SHOWN)) {
		if (row->row.values[value] == VALUE_UNMEASURED ||
		    (profile_values[value].kinds & VALUE_RARE && row->row.values[value] == 0))
			continue;
		fprintf(stream, "  %-22s %s/s, %s since the start\n", profile_values[value].plural,
			number_text(each, value, row->rates[value]), number_text(all, value, row->row.values[value]));
	}
}

static void put_stack(FILE *stream, const struct profile_stack *stack, int width)
{
	char position[TOP_LINE];

	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			const struct profile_frame *frame = &location->frames[j];

			fprintf(stream, "    %s\n",
				shorten_position(position, sizeof(position), frame->function, frame->file, frame->line,
						 (size_t)(width > KEY_MIN + 4 ? width - 4 : KEY_MIN)));
		}
		if (location->frame_count == 0)
			fprintf(stream, "    0x%" PRIx64 "\n", location->address);
	}
	if (stack->truncated)
		fputs("    (its outer callers were not kept)\n", stream);
}

struct top_text render_top_detail(const struct top_display *display, const struct top_row *row, int width)
{
	const struct report *stacks = top_model_stacks(display->model, row, DETAIL_STACKS);
	char *written = NULL, number[TERMINAL_NUMBER_SIZE], key[TOP_LINE];
	enum profile_value sort = stacks->sort;
	size_t size;
	FILE *stream = open_memstream(&written, &size);

	if (!stream)
		memory_out();
	fprintf(stream, "%s\n\n",
		render_report_key(display->question.by, &row->row, key, sizeof(key), sizeof(key) - 1));
	put_values(stream, row);
	if (row->verdict)
		fprintf(stream, "\nthe compiler: %s: %s\n", row->verdict, row->words);
	else if (display->verdicts && display->question.by != BY_SIZE_CLASS)
		fputs("\nthe compiler: nothing is known of this row yet\n", stream);
	for (size_t i = 0; i < stacks->row_count; i++) {
		fprintf(stream, "\nstack %zu of %zu: %s %s\n", i + 1, stacks->row_total,
			number_text(number, (int)sort, stacks->rows[i].values[sort]), profile_values[sort].plural);
		put_stack(stream, stacks->rows[i].stack, width);
	}
	if (!stacks->row_count)
		fputs("\nno stacks: these were counted without\n", stream);
	fclose(stream);
	return lines_of(written);
}

struct top_text render_top_help(void)
{
	static const struct {
		const char *name, *does;
	} keys[] = {
#define KEY_ROW(key, name, does) {name, does},
		TOP_KEYS(KEY_ROW)
#undef KEY_ROW
	};
	char *written = NULL;
	size_t size;
	FILE *stream = open_memstream(&written, &size);

	if (!stream)
		memory_out();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		fprintf(stream, "  %-8s %s\n", keys[i].name, keys[i].does);
	fprintf(stream,
		"\n  arrows, page up and down, home and end move\n\n"
		"Rates are over the last %d views. Totals are since the recording began. Rows are\n"
		"estimates from samples unless --rate is 1; the sums above the table are exact.\n"
		"What has no sampler is counted in bursts; before there were eight of them, rows\n"
		"have what was counted, and are lower bounds.\n",
		TOP_WINDOW);
	fclose(stream);
	return lines_of(written);
}
