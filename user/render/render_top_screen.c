/* SPDX-License-Identifier: BSD-2-Clause */
/* The live view on a screen, by curses. Names are printable already: they come from a profile. */
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "render/render_top.h"
#include "text/terminal.h"

enum {
	HEAD = 6, /* lines above the table's rows: the target, four of sums, the heading */
	FOOT = 1, /* the prompt or the keys */
	SUM_WIDTH = 36,
	COLOR_BAD = 1,
	COLOR_WARN,
	COLOR_GOOD,
};

int render_top_screen_rows(void)
{
	int rows = LINES - HEAD - FOOT;

	return rows > 1 ? rows : 1;
}

/* --- sparklines --- */

static const char *glyph(bool unicode, double share)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
	int level = (int)(share * 8);

	level = level > 7 ? 7 : level;
	return unicode ? blocks[level] : letters[level];
}

/* Draws the rates of a value between successive views as bars, the latest at the right, scaled to the highest. */
static void draw_spark(const struct top_display *display, int value, int line, int column, int width)
{
	double most = 0;

	if (width > TOP_HISTORY - 1)
		width = TOP_HISTORY - 1;
	for (int age = 0; age < width; age++) {
		double rate = top_model_rate(display->model, value, (size_t)age, (size_t)age + 1);

		most = rate > most ? rate : most;
	}
	for (int age = width - 1; age >= 0; age--) {
		double rate = top_model_rate(display->model, value, (size_t)age, (size_t)age + 1);

		if (rate >= 0)
			mvaddstr(line, column + width - 1 - age,
				 rate == 0 ? (display->unicode ? "▁" : "_")
					   : glyph(display->unicode, most > 0 ? rate / most : 0));
	}
}

/* --- parts --- */

static void put(int line, int column, const char *text)
{
	if (column < COLS)
		mvaddnstr(line, column, text, (int)strlen(text));
}

static void draw_head(const struct top_display *display)
{
	/* Left and right of each line. */
	static const int values[4][2] = {{VALUE_BYTES, VALUE_OBJECTS},
					 {VALUE_HEAP_GROW_BYTES, VALUE_COUNT},
					 {VALUE_REFILLS, VALUE_CENTRAL_GROWS}};
	const struct profile *profile = top_model_profile(display->model);
	char line[TOP_LINE];
	int half = COLS / 2;

	render_top_target(line, display);
	attron(A_BOLD);
	put(0, 0, line);
	attroff(A_BOLD);
	for (int row = 0; row < 3; row++) {
		for (int side = 0; side < 2; side++) {
			int column = side ? half : 0;

			render_top_sum(line, display, values[row][side]);
			line[half > 1 ? half - 1 : 0] = 0;
			put(1 + row, column, line);
			if (half > SUM_WIDTH + 4)
				draw_spark(display, values[row][side], 1 + row, column + SUM_WIDTH,
					   half - SUM_WIDTH - 2);
		}
	}
	snprintf(line, sizeof(line), "by %s, greatest %s of %s first%s%s%s; rows are %s%s",
		 report_by_names[display->question.by], display->question.by_total ? "total" : "rate",
		 profile_values[display->question.sort].plural, display->question.filter ? ", only '" : "",
		 display->question.filter ? display->question.filter : "", display->question.filter ? "'" : "",
		 profile->rows_least			       ? "lower bounds, ? says why"
		 : profile->rows_exact			       ? "exact"
		 : profile->row_measured & 1u << VALUE_OBJECTS ? "estimates"
							       : "costs: no sampler; --rate 1, --enable-sampler",
		 display->frozen ? "; FROZEN" : "");
	put(4, 0, line);
}

static int verdict_color(const char *verdict)
{
	return strcmp(verdict, "escapes") == 0 ? COLOR_BAD : strcmp(verdict, "stack") == 0 ? COLOR_GOOD : COLOR_WARN;
}

static void draw_table(struct top_display *display)
{
	size_t rows = (size_t)render_top_screen_rows();
	char line[TOP_LINE];

	if (display->cursor >= display->count)
		display->cursor = display->count ? display->count - 1 : 0;
	if (display->cursor < display->first)
		display->first = display->cursor;
	if (display->cursor >= display->first + rows)
		display->first = display->cursor - rows + 1;
	render_top_heading(line, display, COLS);
	put(HEAD - 1, 0, line);
	mvchgat(HEAD - 1, 0, -1, A_REVERSE, 0, NULL);
	for (size_t i = 0; i < rows && display->first + i < display->count; i++) {
		const struct top_row *row = &display->rows[display->first + i];
		bool chosen = display->first + i == display->cursor;
		int mark;

		render_top_row(line, display, row, COLS, &mark);
		put(HEAD + (int)i, 0, line);
		if (chosen)
			mvchgat(HEAD + (int)i, 0, -1, A_BOLD | A_UNDERLINE, 0, NULL);
		if (mark >= 0 && mark < COLS && display->color)
			mvchgat(HEAD + (int)i, mark, (int)strlen(row->verdict), chosen ? A_BOLD : A_NORMAL,
				(short)verdict_color(row->verdict), NULL);
	}
	if (!display->count)
		put(HEAD, 0, render_top_empty(display));
}

static void draw_page(struct top_display *display)
{
	size_t rows = (size_t)(LINES > FOOT ? LINES - FOOT : 1), count = display->page->count;

	if (display->scroll + rows > count)
		display->scroll = count > rows ? count - rows : 0;
	for (size_t i = 0; i < rows && display->scroll + i < count; i++)
		put((int)i, 0, display->page->lines[display->scroll + i]);
}

static void draw_foot(const struct top_display *display)
{
	int line = LINES - 1;

	if (display->ended && !display->prompt) {
		put(line, 0, display->ended);
		mvchgat(line, 0, -1, A_BOLD, display->color ? COLOR_BAD : 0, NULL);
	} else if (display->prompt) {
		put(line, 0, display->prompt);
		if (!display->typing)
			mvchgat(line, 0, -1, A_BOLD, 0, NULL);
	} else {
		put(line, 0,
		    display->page
			    ? "enter back   arrows scroll   q back"
			    : "b by  o sort  t totals  / filter  space freeze  enter stacks  s save  ? help  q end");
	}
}

void render_top_screen(struct top_display *display)
{
	static bool prepared;

	if (!prepared && display->color) {
		bool many = COLORS >= 256;

		init_pair(COLOR_BAD, many ? (short)atoi(TERMINAL_RED) : COLOR_RED, -1);
		init_pair(COLOR_WARN, many ? (short)atoi(TERMINAL_YELLOW) : COLOR_MAGENTA, -1);
		init_pair(COLOR_GOOD, many ? (short)atoi(TERMINAL_GREEN) : COLOR_GREEN, -1);
		prepared = true;
	}
	erase();
	if (display->page) {
		draw_page(display);
	} else {
		draw_head(display);
		draw_table(display);
	}
	draw_foot(display);
	if (display->typing)
		move(LINES - 1, (int)strlen(display->prompt) < COLS ? (int)strlen(display->prompt) : COLS - 1);
	curs_set(display->typing ? 1 : 0);
	refresh();
}
