/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_PARSER_H
#define ESCAPEMENT_ESCAPE_PARSER_H

/*
 * The streaming half of escape.h: feed the text in pieces of any size, then take the output. Lines and input may be
 * as long as they like; what is kept grows with what is said, not with what is read.
 */

#include "escape/escape.h"

struct escape_parser;

struct escape_parser *escape_parser_new(void);
void escape_parser_feed(struct escape_parser *parser, const char *text, size_t length);
/* Ends the input and the parser. The output belongs to the caller. */
struct escape_output *escape_parser_finish(struct escape_parser *parser);

/* Where the output's strings live: for what is found out about it later. */
struct string_table *escape_output_strings(struct escape_output *output);

#endif
