/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HTML_WRITER_H
#define ESCAPEMENT_HTML_WRITER_H

/*
 * HTML text. Names come from anywhere: whatever is written by html_text() is text, never markup, wherever in a page
 * (between tags, or in an attribute in double quotes) it stands. Errors of the stream are left in it.
 */

#include <stdio.h>

/* Writes text from outside. Bytes that are not UTF-8, and control characters, are written \xNN. NULL writes nothing. */
void html_text(FILE *stream, const char *text);

/* Writes markup of our own. Each %s in `format` is text from outside and is written as html_text() does; no other
 * conversion is known. */
void html_format(FILE *stream, const char *format, ...);

#endif
