/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TOP_SCREEN_H
#define ESCAPEMENT_TOP_SCREEN_H

/* The terminal of `top`: takes it over and restores it, and handles keys. */

#include <stdbool.h>

#include "base/error.h"
#include "render/render_top.h"
#include "text/terminal.h"

struct top_screen;

/* Whether standard input and output are a terminal on which a cursor can be moved; if not, why is in `why` unless NULL. */
bool top_screen_is_possible(const char **why);

/*
 * Takes over the terminal. `away`: standard files that are the terminal are redirected to nowhere until the end, so
 * that a program that is started does not read keys or write over the screen. `output` is the file that the key for
 * saving writes. Never NULL.
 */
struct top_screen *top_screen_new(struct top_display *display, const char *output, enum terminal_color color,
				  bool away);
/* Takes over the terminal, unless that has been done. Returns -1 with an error if it cannot be used. */
int top_screen_take(struct top_screen *screen, struct error *error);
/* Gives all back; NULL is allowed. */
void top_screen_free(struct top_screen *screen);
/* The descriptor from which keys are read. */
int top_screen_input(const struct top_screen *screen);

/* Shows the model's last view. */
void top_screen_update(struct top_screen *screen);
/* Handles the keys that have been pressed. False: the reader wants to end. */
bool top_screen_keys(struct top_screen *screen);
/* Goes on showing the last view, until the reader or a signal ends that. */
void top_screen_linger(struct top_screen *screen, const char *why);

#endif
