/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_PARSER_H
#define ESCAPEMENT_ESCAPE_PARSER_H

/*
 * Reads the compiler's text into the table of escape.h: whole, or fed in pieces of any size. Lines and input may have
 * any length; memory grows with the number of messages, not with the input.
 */

#include <stddef.h>

#include "base/error.h"
#include "escape/escape.h"

/*
 * Reads compiler output, also out of the events of go build -json and go test -json, and behind a prefix that each line
 * has (escape_input.h). A directory is one that the compiler filled (-gcflags=-json=0,DIR; escape_log.h). `name` is for
 * messages ("-" reads standard input). Fails on unreadable, empty or binary input and on input in which nothing is
 * compiler output.
 */
struct escape_output *escape_read(const char *name, struct error *error);
struct escape_output *escape_parse(const char *text, size_t length, const char *name, struct error *error);

/* What is missing from the output of `name`: a package that did not compile, the end of a log that was cut. Sets an
 * error and returns -1 if something is: then what the output does not say may be so all the same. */
int escape_check_complete(const struct escape_output *output, const char *name, struct error *error);

struct escape_parser;

struct escape_parser *escape_parser_new(void);
void escape_parser_feed(struct escape_parser *parser, const char *text, size_t length);
/* Ends the input and the parser. The output belongs to the caller. */
struct escape_output *escape_parser_finish(struct escape_parser *parser);

/* The go command says that this package did not compile. */
void escape_parser_fail(struct escape_parser *parser, const char *package);

/* The input was cut here. */
void escape_parser_cut(struct escape_parser *parser, const char *text, size_t length);

/* Where the output's strings live: for what is found out about it later. */
struct string_table *escape_output_strings(struct escape_output *output);

#endif
