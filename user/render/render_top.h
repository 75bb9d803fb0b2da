/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_TOP_H
#define ESCAPEMENT_RENDER_TOP_H

/* The live view: on a screen, and as blocks of text. The numbers come from the model (record/top_model.h). */

#include <stdbool.h>
#include <stdio.h>

#include "record/top_model.h"

/* The keys; a row: key, what --help and the screen's help call it, what it does. */
#define TOP_KEYS(ROW)                                                                            \
	ROW('b', "b", "group by the next of site, function, type and size class")                \
	ROW('o', "o", "sort by the next of the values")                                          \
	ROW('t', "t", "sort by totals, or by rates again")                                       \
	ROW('/', "/", "filter: rows with the text that is typed; empty shows all again")         \
	ROW(' ', "space", "freeze the screen, or let it go on")                                  \
	ROW('\n', "enter", "the row's stacks, and what the compiler said; enter or q goes back") \
	ROW('s', "s", "save what was recorded until now as a profile (-o)")                      \
	ROW('?', "?", "these keys")                                                              \
	ROW('q', "q", "end; a program that was started here is asked to end")

/* The lines of a page of text: the stacks of a row, or the help. */
struct top_text {
	char **lines;
	size_t count;
};
void top_text_free(struct top_text *text);

/* What a screen or a block shows. */
struct top_display {
	struct top_model *model;
	struct top_question question;
	double interval; /* asked for, seconds */
	bool verdicts;	 /* there is compiler output */
	bool color, unicode;
	bool frozen;
	const char *ended;  /* why the recording has ended; NULL if it continues */
	const char *prompt; /* the prompt, or the result of the last key; NULL: show the list of keys */
	bool typing;
	const struct top_row *rows;  /* of the model */
	size_t count, cursor, first; /* the number of rows, the selected one, and the first one on the screen */
	const struct top_text *page; /* shown in place of the table; NULL: none */
	size_t scroll;
};

/* Draws on curses' screen. Adjusts `first` and `scroll` so that the selected row is visible. */
void render_top_screen(struct top_display *display);
/* Rows of the table that fit on the screen. */
int render_top_screen_rows(void);

/* A block: the sums, then the `most` greatest rows. */
void render_top_block(FILE *stream, const struct top_display *display, size_t most, int width);

/* The pages. The caller frees them. */
struct top_text render_top_detail(const struct top_display *display, const struct top_row *row, int width);
struct top_text render_top_help(void);

/* --- shared by screen and block --- */

enum { TOP_LINE = 1024 };
/* What stands in the place of rows if there are none. */
const char *render_top_empty(const struct top_display *display);
/* The table's heading, and a row of it, at most `width` columns; `mark` (may be NULL) is set to where the verdict stands. */
void render_top_heading(char line[TOP_LINE], const struct top_display *display, int width);
void render_top_row(char line[TOP_LINE], const struct top_display *display, const struct top_row *row, int width,
		    int *mark);
/* "objects 123/s (4567)": a value's rate over the last views, and its total; or of collections, with VALUE_COUNT. */
void render_top_sum(char text[TOP_LINE], const struct top_display *display, int value);
/* "server (pid 1234) go1.24.4, 12 s" */
void render_top_target(char line[TOP_LINE], const struct top_display *display);

#endif
