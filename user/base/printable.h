/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRINTABLE_H
#define ESCAPEMENT_PRINTABLE_H

/*
 * Text from outside, made safe to show. Anyone may choose the names of processes, files, functions and types; they may
 * contain terminal escapes, line ends, characters that change the direction of writing, formulas or markup.
 *
 * Printable text is one line of valid UTF-8 without control characters, and without characters that are invisible or
 * reorder others. Every other byte is written as \xNN. Text is made printable where it enters (profile_string(), the
 * parser of compiler output, counts of a gate, error_set()). When it is written in a language with rules of its own,
 * text_put() quotes it once more; there is no other way to write such text.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PRINTABLE_GROWTH 4 /* a byte becomes at most this many bytes */

/* Whether the text is printable as it is. A tab is printable. */
bool printable_is(const char *text, size_t length);

/* Copies text and makes it printable. `to` has room for PRINTABLE_GROWTH * length bytes. Returns the length; adds no
 * NUL. */
size_t printable_copy(char *to, const char *text, size_t length);

/* The same for a string. Returns a new string, which the caller frees. */
char *printable_string(const char *text);

/* Formats a message into `line` of `size` bytes and makes it printable, whatever its arguments are. A longer message is
 * cut between characters. */
void printable_format(char *line, size_t size, const char *format, va_list arguments);

enum text_language {
	TEXT_TERMINAL,
	TEXT_CSV,	      /* a cell, quoted if necessary */
	TEXT_FOLDED,	      /* a frame of a folded stack */
	TEXT_MARKDOWN,	      /* text of a cell or a paragraph, without markup */
	TEXT_XML,	      /* text, or the value of an attribute */
	TEXT_GITHUB_MESSAGE,  /* the message of a workflow command, after the second :: */
	TEXT_GITHUB_PROPERTY, /* a property of a workflow command: file=, title= */
};

/* Writes text from outside, quoted so that in that language it is plain text. */
void text_put(FILE *stream, enum text_language language, const char *text);

#endif
