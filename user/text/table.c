/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/table.h"

#include <langinfo.h>
#include <libsmartcols/libsmartcols.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/printable.h"
#include "text/terminal.h"
#include "text/wrap.h"

/* CELL_MAX: bytes. libsmartcols takes time by the square of a cell's lines; nobody reads that much in a table. */
enum { LEAST_WRAP = 16, GAP = 1, CELL_MAX = 8 << 10 };

/* Text between rows. */
struct line {
	size_t row; /* the row that follows */
	char *text;
};

struct table {
	FILE *stream;
	const struct table_column *columns;
	size_t column_count, row_count, capacity;
	char **cells; /* row by row */
	struct line *lines;
	size_t line_count;
};

struct table *table_new(FILE *stream, const struct table_column *columns, size_t column_count)
{
	struct table *table = memory_zeroed(1, sizeof(*table));

	table->stream = stream;
	table->columns = columns;
	table->column_count = column_count;
	return table;
}

/* As printable_copy(), in characters that the locale has: libsmartcols 2.38 measures others without an end. */
static size_t cell_copy(char *to, const char *text, size_t length)
{
	const char *start = to, *end = text + length;

	if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
		return printable_copy(to, text, length);
	while (text < end) {
		const char *ascii = text;

		while (ascii < end && !(*ascii & 0x80))
			ascii++;
		to += printable_copy(to, text, (size_t)(ascii - text));
		for (text = ascii; text < end && (*text & 0x80); text++)
			to += sprintf(to, "\\x%02x", (unsigned char)*text);
	}
	return (size_t)(to - start);
}

static char *printable_lines(const char *text, size_t length)
{
	char *copy = memory_allocate(PRINTABLE_GROWTH * length + 1), *to = copy;
	const char *end = text + length;

	while (text < end) {
		size_t plain = strcspn(text, "\t\n");

		if (plain > (size_t)(end - text))
			plain = (size_t)(end - text);
		to += cell_copy(to, text, plain);
		text += plain;
		if (text == end)
			break;
		to = stpcpy(to, *text++ == '\n' ? "\n" : "\\x09");
	}
	*to = 0;
	return copy;
}

char *table_text(const char *text)
{
	return printable_lines(text, strlen(text));
}

static char *copy_cell(const char *text)
{
	size_t length = strlen(text), kept = CELL_MAX;
	char *start, *cell;

	if (length <= CELL_MAX)
		return printable_lines(text, length);
	while (kept && ((unsigned char)text[kept] & 0xc0) == 0x80)
		kept--;
	start = printable_lines(text, kept);
	cell = memory_format("%s ... (%zu bytes more)", start, length - kept);
	free(start);
	return cell;
}

void table_add(struct table *table, const char *const *cells)
{
	size_t used = table->row_count * table->column_count;

	if (table->row_count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 64;
		table->cells =
			memory_resize(table->cells, table->capacity, table->column_count * sizeof(*table->cells));
	}
	for (size_t i = 0; i < table->column_count; i++) {
		table->cells[used + i] = copy_cell(cells[i] ? cells[i] : "");
	}
	table->row_count++;
}

void table_line(struct table *table, const char *text)
{
	table->lines = memory_resize(table->lines, table->line_count + 1, sizeof(*table->lines));
	table->lines[table->line_count++] = (struct line){table->row_count, memory_text(text)};
}

/* Returns the text with newlines inserted so that no line exceeds `width`. All lines get the indentation of the
 * first. */
static char *wrap(const char *text, size_t width)
{
	size_t capacity = strlen(text) * 3 + 2, length = 0, indent = strspn(text, " ");
	char *wrapped = memory_allocate(capacity);

	if (indent * 2 > width)
		indent = 0;
	while (*text) {
		size_t taken = wrap_line(text, width - (length ? indent : 0), WRAP_NAMES);

		if (length + taken + indent + 2 > capacity) {
			capacity = (length + taken + indent + 2) * 2;
			wrapped = memory_resize(wrapped, capacity, 1);
		}
		if (length) {
			memset(wrapped + length, ' ', indent);
			length += indent;
		}
		memcpy(wrapped + length, text, taken);
		length += taken;
		text += taken;
		text += *text == ' ' || *text == '\n';
		if (*text)
			wrapped[length++] = '\n';
	}
	wrapped[length] = 0;
	return wrapped;
}

/* Computes the width of each column: that of its widest cell. If the table is too wide, narrows the columns that
 * wrap. */
static void fit(const struct table *table, size_t *widths)
{
	size_t total = 0, wrapping = 0, available = (size_t)terminal_width(table->stream);

	for (size_t c = 0; c < table->column_count; c++) {
		widths[c] = strlen(table->columns[c].name);
		for (size_t r = 0; r < table->row_count; r++) {
			const char *cell = table->cells[r * table->column_count + c];
			size_t width = wrap_width(cell, strlen(cell));

			if (width > widths[c])
				widths[c] = width;
		}
		total += widths[c] + (c ? GAP : 0);
		wrapping += table->columns[c].kind == COLUMN_WRAP ? widths[c] : 0;
	}
	if (total <= available)
		return;
	/* Narrows the widest column by one until the table fits, so that columns which need little keep what they
	 * need. */
	for (size_t excess = total - available; wrapping && excess;) {
		size_t widest = table->column_count, least = LEAST_WRAP;

		for (size_t c = 0; c < table->column_count; c++) {
			if (table->columns[c].kind == COLUMN_WRAP && widths[c] > least) {
				least = widths[c];
				widest = c;
			}
		}
		if (widest == table->column_count)
			break;
		widths[widest]--;
		excess--;
	}
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* Prints so many lines of a text; returns what follows them. */
static const char *put_lines(FILE *stream, const char *text, size_t lines)
{
	for (; lines && *text; lines--) {
		const char *end = strchrnul(text, '\n');

		fwrite(text, 1, (size_t)(end - text), stream);
		putc('\n', stream);
		text = *end ? end + 1 : end;
	}
	return text;
}

/* Prints the table, whose rows have these numbers of lines, and the lines of text between them. */
static void put_table(const struct table *table, struct libscols_table *printed, const size_t *heights)
{
	char *text = NULL;
	const char *rest;
	size_t row = 0;

	if (table->row_count && (scols_print_table_to_string(printed, &text) || !text))
		memory_out();
	rest = text ? text : "";
	for (size_t i = 0; i <= table->line_count; i++) {
		size_t until = i < table->line_count ? table->lines[i].row : table->row_count;

		if (row == 0 && until)
			rest = put_lines(table->stream, rest, 1); /* the names of the columns */
		for (; row < until; row++)
			rest = put_lines(table->stream, rest, heights[row]);
		if (i < table->line_count)
			fprintf(table->stream, "%s\n", table->lines[i].text);
	}
	fputs(rest, table->stream);
	free(text);
}

static void table_free(struct table *table)
{
	for (size_t i = 0; i < table->line_count; i++)
		free(table->lines[i].text);
	free(table->lines);
	free(table->cells);
	free(table);
}

void table_print(struct table *table)
{
	size_t *widths = memory_zeroed(table->column_count, sizeof(*widths));
	size_t *heights = memory_zeroed(table->row_count + 1, sizeof(*heights));
	struct libscols_table *printed = scols_new_table();

	if (!printed)
		memory_out();
	fit(table, widths);
	scols_table_set_stream(printed, table->stream);
	/* Cells are printable; libsmartcols would write the backslashes of their escapes as escapes again. */
	scols_table_enable_noencoding(printed, 1);
	scols_table_set_termforce(printed, SCOLS_TERMFORCE_ALWAYS);
	/* Keeps libsmartcols from cutting: cells are wrapped already, and those that cannot be wrapped are shown in
	 * full. */
	scols_table_set_termwidth(printed, 1 << 20);
	for (size_t c = 0; c < table->column_count; c++) {
		enum table_column_kind kind = table->columns[c].kind;
		struct libscols_column *column = scols_table_new_column(printed, table->columns[c].name, 0,
									kind == COLUMN_NUMBER ? SCOLS_FL_RIGHT
									: kind == COLUMN_WRAP ? SCOLS_FL_WRAP
											      : 0);

		if (kind == COLUMN_WRAP)
			scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
	}
	for (size_t r = 0; r < table->row_count; r++) {
		struct libscols_line *line = scols_table_new_line(printed, NULL);

		heights[r] = 1;
		for (size_t c = 0; c < table->column_count; c++) {
			char *cell = table->cells[r * table->column_count + c];

			if (table->columns[c].kind == COLUMN_WRAP) {
				char *wrapped = wrap(cell, widths[c]);

				free(cell);
				cell = wrapped;
				heights[r] = count_lines(cell) > heights[r] ? count_lines(cell) : heights[r];
			}
			scols_line_refer_data(line, c, cell);
		}
	}
	if (table->line_count)
		put_table(table, printed, heights);
	else if (table->row_count)
		scols_print_table(printed);
	scols_unref_table(printed);
	free(heights);
	free(widths);
	table_free(table);
}
