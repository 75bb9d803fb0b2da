/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CELLS_H
#define ESCAPEMENT_CELLS_H

/* Cells of rows of text: separated by tabs, escaped as ClickHouse's format TabSeparated is. */

#include <stdio.h>

/* Writes a text as a cell; NULL is an empty text. */
void cell_put(FILE *stream, const char *text);

/* The next cell of a row, without its escapes, which are undone in place. NULL at the end of the row, and for a null. */
char *cell_next(char **row);

#endif
