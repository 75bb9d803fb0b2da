/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_CUT_H
#define ESCAPEMENT_ESCAPE_CUT_H

/*
 * Lines that are not whole: what is left of a message where a log was cut, or wrapped at the width of a terminal. Only what no other
 * tool prints counts. Private to the parser.
 */

#include <stdbool.h>

#include "escape/escape_position.h"

/* Whether this text, which stands behind a position, is the beginning of an explanation's line without its end. */
bool cut_explanation(struct span text);

/*
 * Whether a line that is no message is the beginning of one. That is asked of the last line of a text alone: elsewhere such a
 * line is from another tool. `likely` is the path of the message before it, `package` its package (NULL: none).
 */
bool cut_message(struct span line, struct span likely, const char *package);

#endif
