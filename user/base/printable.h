/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRINTABLE_H
#define ESCAPEMENT_PRINTABLE_H

/*
 * Text from outside, made safe to show. Names of processes, files, functions and types are whatever somebody chose; they
 * may hold terminal escapes, line ends, characters that turn the direction of writing, formulas, markup.
 *
 * Printable text is valid UTF-8 in one line, without control characters and without characters that are invisible or
 * reorder others. What is none of that reads \xNN. Text becomes printable where it enters (profile_string(), the parser
 * of compiler output, counts of a gate, error_set()), and once more where a language with rules of its own is written:
 * text_put() is the only way into these.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PRINTABLE_GROWTH 4 /* a byte becomes at most this many */

/* Whether the text is safe as it is. A tab is. */
bool printable_is(const char *text, size_t length);

/* Copies, making safe; `to` has room for PRINTABLE_GROWTH * length bytes. Returns the length, adds no NUL. */
size_t printable_copy(char *to, const char *text, size_t length);

/* The same of a string, as a new one; the caller frees it. */
char *printable_string(const char *text);

/* Formats a message into `line` of `size` bytes, printable whatever its arguments are; cut at a character where it is
 * longer. */
void printable_format(char *line, size_t size, const char *format, va_list arguments);

enum text_language {
	TEXT_TERMINAL,
	TEXT_CSV,	      /* a cell: with its quotes where it needs them */
	TEXT_FOLDED,	      /* a frame of a folded stack */
	TEXT_MARKDOWN,	      /* text of a cell or a paragraph: nothing in it is markup */
	TEXT_XML,	      /* text, or the value of an attribute */
	TEXT_GITHUB_MESSAGE,  /* of a workflow command: what follows the second :: */
	TEXT_GITHUB_PROPERTY, /* the same: file=, title= */
};

/* Writes text from outside so that it is text in that language, and nothing else. */
void text_put(FILE *stream, enum text_language language, const char *text);

#endif
