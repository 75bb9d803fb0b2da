/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_TABLE_H
#define ESCAPEMENT_RENDER_TABLE_H

/*
 * Text tables as wide as terminal_width() says: libsmartcols, with long cells wrapped at words.
 */

#include <stddef.h>
#include <stdio.h>

enum table_column_kind {
	COLUMN_TEXT,   /* as wide as its text */
	COLUMN_NUMBER, /* the same, right-aligned */
	COLUMN_WRAP,   /* wrapped between words, or inside a word that is too long */
};

struct table_column {
	const char *name;
	enum table_column_kind kind;
};

struct table;

/* Columns of a table that will be printed on `stream`. `columns` must live as long as the table. */
struct table *table_new(FILE *stream, const struct table_column *columns, size_t column_count);
/* Adds a row: one text per column, NULL for an empty cell. The texts are copied. */
void table_add(struct table *table, const char *const *cells);
/* Adds a line of text below the rows so far, as wide as it is. Before the first row it stands above the names of columns. */
void table_line(struct table *table, const char *text);
/* Returns a text as a table shows it: printable, line by line; a tab, whose width nobody knows, is an escape, too, and in a
 * locale without UTF-8 each byte of a character that is not ASCII. For libsmartcols with noencoding, because it writes the
 * backslashes of escapes as escapes again. The caller frees it. */
char *table_text(const char *text);
/* Prints the table and frees it. */
void table_print(struct table *table);

#endif
