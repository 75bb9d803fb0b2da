/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_INPUT_H
#define ESCAPEMENT_ESCAPE_INPUT_H

/*
 * Compiler output as people have it: takes off what other tools put around the compiler's lines, and feeds the rest to
 * the parser.
 *
 *   events    a line of `go build -json` or `go test -json` holds lines of the compiler in "Output"
 *   prefixes  a log of CI has the same text before each line, but for digits: a time stamp, a container, a step. It is
 *             found from the first lines: a header "# import/path" or messages must stand behind it
 *
 * Text may come in pieces of any size.
 */

#include <stddef.h>

#include "escape/escape_parser.h"

struct escape_input;

/* Feeds `parser`, which stays its owner's. */
struct escape_input *escape_input_new(struct escape_parser *parser);
void escape_input_feed(struct escape_input *input, const char *text, size_t length);
/* Ends the input; the parser is not ended. */
void escape_input_finish(struct escape_input *input);

#endif
