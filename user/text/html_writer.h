/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HTML_WRITER_H
#define ESCAPEMENT_HTML_WRITER_H

/*
 * Writes HTML. Whatever html_text() writes is text, never markup, between tags as well as in attributes in double
 * quotes, because names come from outside. Errors of the stream are left in it.
 */

#include <stdio.h>

/* Writes text from outside. Control characters, and bytes that are not UTF-8, are written as \xNN. NULL writes
 * nothing. */
void html_text(FILE *stream, const char *text);

/* Writes our own markup. Each %s in `format` is text from outside and is written as by html_text(); no other conversion
 * is supported. */
void html_format(FILE *stream, const char *format, ...);

#endif
