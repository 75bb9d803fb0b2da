/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TERMINAL_H
#define ESCAPEMENT_TERMINAL_H

/* What every renderer for people needs to know about its stream: its width, and whether it shows colours. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The values of --color, in the order of terminal_color_choices. */
enum terminal_color {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

/* "auto", "always", "never", NULL: for the option tables of commands. */
extern const char *const terminal_color_choices[];

/*
 * Whether to write colours to `stream`. --color=always and --color=never decide alone. With auto, NO_COLOR (set and not
 * empty) takes precedence over CLICOLOR_FORCE (set and not "0"), which takes precedence over CLICOLOR ("0" means no);
 * otherwise colours are written if the stream is a terminal.
 */
bool terminal_has_color(enum terminal_color color, FILE *stream);

/*
 * The width of `stream` in columns: COLUMNS if that is set, else the terminal's width, at least 40. Pipes and files
 * have no width: nothing is shortened or wrapped there, because another program may search the text.
 */
enum { TERMINAL_UNLIMITED = 10000 };
int terminal_width(FILE *stream);

/* The width at which to wrap sentences: `width`, or 80 if it is unlimited. */
int terminal_prose_width(int width);

/* Of 256 colours, those that can be read on white and on black: contrasts of 4 to 5 with both. Of eight, yellow is
 * unreadable on white, and magenta stands in its place. */
#define TERMINAL_RED	"160"
#define TERMINAL_YELLOW "130"
#define TERMINAL_GREEN	"28"

/* SGR sequences; empty strings without colours. */
struct terminal_style {
	const char *bold, *faint, *red, *yellow, *green, *reset;
};
const struct terminal_style *terminal_style(bool color);

/*
 * Formats numbers for people. A count has all its digits up to ten digits, then a suffix (12.3G, powers of 1000); bytes
 * have a unit (12.3MiB, powers of 1024). VALUE_UNMEASURED is "-". Writes into `text`, which it returns.
 */
enum { TERMINAL_NUMBER_SIZE = 32 };
const char *terminal_number(char text[TERMINAL_NUMBER_SIZE], int64_t number);
/* A count in few columns: a factor from 100,000 on. */
const char *terminal_count(char text[TERMINAL_NUMBER_SIZE], int64_t number);
const char *terminal_bytes(char text[TERMINAL_NUMBER_SIZE], int64_t bytes);

#endif
