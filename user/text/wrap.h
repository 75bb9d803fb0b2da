/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WRAP_H
#define ESCAPEMENT_WRAP_H

/* Text broken into lines. Widths are counted in code points. */

#include <stddef.h>
#include <stdio.h>

enum wrap_rule {
	WRAP_WORDS,	 /* between words; a word that is too long stands on a line of its own */
	WRAP_LONG_WORDS, /* the same; a word that is too long is broken */
	WRAP_NAMES,	 /* the same; also after '/' and ',' */
};

/* The width of the first `length` bytes of a text. */
size_t wrap_width(const char *text, size_t length);
/* The number of bytes in the first `width` characters of a text, or of its first line if that is shorter. */
size_t wrap_prefix(const char *text, size_t width);

/* The number of bytes of a text to put on a line of `width` characters, which must be at least 1. */
size_t wrap_line(const char *text, size_t width, enum wrap_rule rule);

/*
 * Prints text in lines that end at column `width` at most. The cursor is at column `indent`, where further lines begin
 * too; if there is hardly any room, they are longer. Prints no newline after the last line.
 */
void wrap_print(FILE *stream, const char *text, size_t indent, size_t width, enum wrap_rule rule);

#endif
