/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TERMINAL_H
#define ESCAPEMENT_TERMINAL_H

/* What every renderer for people asks about where its text goes: how wide it is, and whether it shows colours. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* --color; the order is that of terminal_color_choices. */
enum terminal_color {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

/* "auto", "always", "never", NULL: for the option tables of commands. */
extern const char *const terminal_color_choices[];

/*
 * Whether to write colours to `stream`. --color always and never decide alone; with auto NO_COLOR (set and not empty)
 * beats CLICOLOR_FORCE (set and not "0"), which beats CLICOLOR ("0" is no), which beats whether it is a terminal.
 */
bool terminal_has_color(enum terminal_color color, FILE *stream);

/*
 * Columns of `stream`: COLUMNS if it is set, else the terminal's, at least 40. Pipes and files have no width: there
 * nothing is shortened or wrapped that another program may look for.
 */
enum { TERMINAL_UNLIMITED = 10000 };
int terminal_width(FILE *stream);

/* Where sentences are wrapped in so many columns: there, or at 80 if they are unlimited. */
int terminal_prose_width(int width);

/* SGR sequences; empty strings without colours. */
struct terminal_style {
	const char *bold, *faint, *red, *yellow, *green, *reset;
};
const struct terminal_style *terminal_style(bool color);

/*
 * Numbers for people. A count has all its digits up to ten, then a factor (12.3G, powers of 1000); bytes have a unit
 * (12.3MiB, powers of 1024). VALUE_UNMEASURED is "-". Writes into `text`, which it returns.
 */
enum { TERMINAL_NUMBER_SIZE = 32 };
const char *terminal_number(char text[TERMINAL_NUMBER_SIZE], int64_t number);
const char *terminal_bytes(char text[TERMINAL_NUMBER_SIZE], int64_t bytes);

#endif
