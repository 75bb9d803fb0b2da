/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_PARSER_H
#define ESCAPEMENT_ESCAPE_PARSER_H

/*
 * Reads the compiler's text, at once or in pieces of any size, into the table of escape.h. Lines and input may have any
 * length (of a line, ESCAPE_LINE_MAX bytes are examined); memory grows with the number of messages, not with the input.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "escape/escape.h"

/*
 * Reads compiler output, also from the events of go build -json and go test -json, and with a prefix on each line
 * (escape_input.h). A directory must be one that the compiler filled (-gcflags=-json=0,DIR; escape_log.h). `name` is
 * used in messages ("-" reads standard input). Fails on unreadable, empty or binary input, and on input without any
 * compiler output.
 */
struct escape_output *escape_read(const char *name, struct error *error);
/* Opens a file for who must not wait for whoever made it: it is a regular one of at most so many bytes, or an error. Returns a
 * descriptor, which the caller closes, and the file's status; -1 with the error. */
int escape_open(const char *name, int64_t most, struct stat *status, struct error *error);
/* Reads what was opened, like escape_read(). */
struct escape_output *escape_read_open(int file, const char *name, struct error *error);
struct escape_output *escape_parse(const char *text, size_t length, const char *name, struct error *error);

/* Checks that the output of `name` is complete. Sets an error and returns -1 if a package did not compile or a log was
 * cut: then facts may be missing from it. */
int escape_check_complete(const struct escape_output *output, const char *name, struct error *error);

/* Of a longer line this many bytes are examined, and the rest is dropped: compilers write no such lines. */
enum { ESCAPE_LINE_MAX = 4 << 20 };

struct escape_parser;

struct escape_parser *escape_parser_new(void);
void escape_parser_feed(struct escape_parser *parser, const char *text, size_t length);
/* Returns the parser of another text of the same input, such as what one of several commands wrote into a log: its lines stand
 * between those of the others, and its packages are its own. It ends with the parser that it is of. */
struct escape_parser *escape_parser_branch(struct escape_parser *parser);
/* Ends the input and frees the parser. The output belongs to the caller. */
struct escape_output *escape_parser_finish(struct escape_parser *parser);

/* Records that the go command reported this package as not compiled. */
void escape_parser_fail(struct escape_parser *parser, const char *package);

/* Records that the input was cut here. */
void escape_parser_cut(struct escape_parser *parser, const char *text, size_t length);

/* Records why the input cannot be read: it has `problem`, in a line such as this one, and what to do about that. */
void escape_parser_refuse(struct escape_parser *parser, const char *problem, const char *remedy, const char *text,
			  size_t length);

/* Returns the output's string table, for strings that are found out later. */
struct string_table *escape_output_strings(struct escape_output *output);

#endif
