/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_PREFIX_H
#define ESCAPEMENT_ESCAPE_PREFIX_H

/* What stands before the compiler's text in lines of a log. Private to escape_input.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PREFIX_MAX = 200 };

/*
 * What lines begin with. A '0' stands for any digits, with the points between them, and any blanks before these, which align
 * numbers; '\x01' for the digits of an identifier such as a container's.
 */
struct prefix {
	char pattern[PREFIX_MAX];
	size_t length;
	unsigned found; /* lines that have it; a header counts twice */
};

/* Writes the pattern of a prefix. False if it is too long: then it is the pattern of its beginning. */
bool prefix_make(struct prefix *prefix, const char *text, size_t length);
/* The length of that prefix in a line; 0 if it has another beginning. */
size_t prefix_match(const struct prefix *prefix, const char *line, size_t length);
/* Returns where the compiler's text begins in a line that has a prefix; 0 if it has none, or that is unknown. */
size_t prefix_find(const char *line, size_t length);
/* Whether a prefix ends in the quote before a text: msg=" */
bool prefix_ends_in_quote(const char *text, size_t length);
/* A hash of a prefix without times, which differ from line to line: of the number, name or container of who wrote the line. */
uint64_t prefix_mark(const char *text, size_t length);

/* Whether "# " begins a header that ends the line: "# import/path" or "# import/path [import/path.test]". */
bool line_is_header(const char *text, size_t length);
/* Whether the text begins like an event of the go command, or a line that Docker logged. */
bool line_begins_event(const char *line, size_t length);
/* The length of a quoted text, up to its closing quote or the end of the line. */
size_t line_quoted_length(const char *text, size_t length);

#endif
