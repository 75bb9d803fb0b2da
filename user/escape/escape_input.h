/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_INPUT_H
#define ESCAPEMENT_ESCAPE_INPUT_H

/*
 * Compiler output as users have it: removes what other tools put around the compiler's lines, and feeds the rest to the
 * parser.
 *
 *   events    a line of `go build -json` or `go test -json` contains lines of the compiler in "Output", one of Docker's log
 *             in "log", one of `journalctl -o json` in "MESSAGE"
 *   colours   control sequences of a terminal
 *   prefixes  in a CI log each line has the same prefix, apart from digits: a time stamp, a container, a step. It is
 *             determined from the first lines: it precedes a header "# import/path" or messages
 *   streams   commands that write into one log at the same time, each with a prefix of its own: the steps of a parallel build,
 *             the services of docker compose; or, in events, with packages of their own. Each has a parser of its own
 *
 * Text may come in pieces of any size.
 */

#include <stddef.h>

#include "escape/escape_parser.h"

struct escape_input;

/* Feeds `parser`, which still belongs to the caller. */
struct escape_input *escape_input_new(struct escape_parser *parser);
void escape_input_feed(struct escape_input *input, const char *text, size_t length);
/* Ends the input, but not the parser. */
void escape_input_finish(struct escape_input *input);

#endif
