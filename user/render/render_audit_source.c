/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --annotate: a source file with the allocations of each line and the compiler's messages about it. Numbers are at the
 * line that allocates; if that line is in another file and was inlined into this one, they are at the line of the call.
 * A line into which an allocating function was inlined names that function. So nothing is counted twice in a file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/printable.h"
#include "base/text_compare.h"
#include "render/render_audit.h"

enum { MARGIN = 29, TAB = 4 };

/* A message below a line, or the numbers beside it. */
struct remark {
	uint32_t line, column;
	int64_t objects, bytes; /* VALUE_UNMEASURED: none */
	const char *words;	/* NULL: numbers only */
	const char *inlined;	/* the function whose allocation was inlined here; NULL: none */
};

struct remarks {
	struct remark *list;
	size_t count, capacity;
};

static void add(struct remarks *remarks, struct remark remark)
{
	if (remarks->count == remarks->capacity) {
		remarks->capacity = remarks->capacity ? 2 * remarks->capacity : 64;
		remarks->list = memory_resize(remarks->list, remarks->capacity, sizeof(*remarks->list));
	}
	remarks->list[remarks->count++] = remark;
}

static int by_line(const void *a, const void *b)
{
	const struct remark *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return text_compare(x->words, y->words);
}

/* Returns the audit's name of the user's file; NULL if it has none. */
static char *find_file(const struct audit *audit, const char *name, const struct audit_options *options)
{
	struct pathmatch *match = pathmatch_new(options->maps, options->map_count, options->directory);
	char *real = realpath(name, NULL), *found = NULL;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (row->file)
			pathmatch_add_annotated(match, row->file, NULL);
		for (uint32_t j = 0; j < row->inlined_count; j++) {
			if (row->inlined_files[j])
				pathmatch_add_annotated(match, row->inlined_files[j], NULL);
		}
		for (uint32_t j = 0; j < row->annotation_count; j++)
			pathmatch_add_annotated(match, row->annotations[j]->file, NULL);
	}
	/* Tries the name as given first, because people copy it from the compiler's output. */
	for (int i = 0; i < 2 && !found; i++) {
		const char *file = i ? real : name, *known;

		if (!file)
			continue;
		pathmatch_add_measured(match, file, NULL);
		pathmatch_resolve(match);
		known = pathmatch_find(match, file);
		found = known ? memory_text(known) : NULL;
	}
	pathmatch_free(match);
	free(real);
	return found;
}

static bool is_file(const char *known, const char *file)
{
	return known && strcmp(known, file) == 0;
}

/* Returns the line in this file that a row belongs to: its site, or the innermost call in this file that the site was
 * inlined into; 0 if there is none. */
static uint32_t line_in(const struct audit_row *row, const char *file)
{
	if (is_file(row->file, file))
		return row->site.line;
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		if (is_file(row->inlined_files[i], file))
			return row->inlined_at[i].line;
	}
	return 0;
}

static void collect_row(const struct audit_row *row, const char *file, struct remarks *remarks)
{
	bool measured = row->verdict != AUDIT_ESCAPES_UNSEEN && row->verdict != AUDIT_STACK;
	const char *site = is_file(row->file, file) ? row->callee : row->site.function;
	uint32_t line = line_in(row, file);

	if (line && measured)
		add(remarks,
		    (struct remark){line, 0, row->values[VALUE_OBJECTS], row->values[VALUE_BYTES], NULL, NULL});
	if (line && row->reason)
		add(remarks, (struct remark){line, UINT32_MAX, VALUE_UNMEASURED, VALUE_UNMEASURED, row->reason, site});
	for (uint32_t i = 0; i < row->annotation_count; i++) {
		const struct escape_annotation *annotation = row->annotations[i];
		bool inlined = row->inlined_count && i < row->annotation_count - row->linked_count;

		if (is_file(annotation->file, file))
			add(remarks,
			    (struct remark){annotation->line, annotation->column, VALUE_UNMEASURED, VALUE_UNMEASURED,
					    annotation->text, inlined ? row->site.function : NULL});
	}
}

static void collect(const struct audit *audit, const char *file, struct remarks *remarks)
{
	for (size_t i = 0; i < audit->row_count; i++)
		collect_row(&audit->rows[i], file, remarks);
	if (remarks->count)
		qsort(remarks->list, remarks->count, sizeof(*remarks->list), by_line);
}

/* Prints the numbers of a line: sums of what was measured there, or "." for nothing. */
static void print_margin(FILE *stream, const struct remark *first, const struct remark *end, uint64_t number)
{
	int64_t objects = VALUE_UNMEASURED, bytes = VALUE_UNMEASURED;

	for (; first < end; first++) {
		if (first->objects != VALUE_UNMEASURED)
			objects = (objects == VALUE_UNMEASURED ? 0 : objects) + first->objects;
		if (first->bytes != VALUE_UNMEASURED)
			bytes = (bytes == VALUE_UNMEASURED ? 0 : bytes) + first->bytes;
	}
	if (objects == VALUE_UNMEASURED)
		fprintf(stream, "%9s ", ".");
	else
		fprintf(stream, "%9" PRId64 " ", objects);
	if (bytes == VALUE_UNMEASURED)
		fprintf(stream, "%11s ", ".");
	else
		fprintf(stream, "%11" PRId64 " ", bytes);
	fprintf(stream, "%5" PRIu64 "  ", number);
}

static void put_printable(FILE *stream, const char *text, size_t length)
{
	char *safe = memory_allocate(length * PRINTABLE_GROWTH + 1);
	size_t column = 0;

	length = printable_copy(safe, text, length);
	for (size_t i = 0; i < length; i++) {
		size_t spaces = TAB - column % TAB;

		if (safe[i] != '\t') {
			putc(safe[i], stream);
			column++;
			continue;
		}
		fprintf(stream, "%*s", (int)spaces, "");
		column += spaces;
	}
	free(safe);
}

static void print_words(FILE *stream, const struct remark *first, const struct remark *end)
{
	const struct remark *last = NULL;

	for (; first < end; first++) {
		if (!first->words ||
		    (last && strcmp(last->words, first->words) == 0 && last->inlined == first->inlined))
			continue;
		last = first;
		fprintf(stream, "%*s^ ", MARGIN, "");
		put_printable(stream, first->words, strlen(first->words));
		if (first->inlined) {
			fputs(" (in ", stream);
			put_printable(stream, first->inlined, strlen(first->inlined));
			putc(')', stream);
		}
		putc('\n', stream);
	}
}

int render_audit_source(const struct audit *audit, const char *name, const struct audit_options *options, FILE *stream,
			struct error *error)
{
	FILE *source = fopen(name, "re");
	struct remarks remarks = {0};
	char *file, *line = NULL;
	size_t size = 0, next = 0;
	ssize_t length;
	uint64_t number = 0;

	if (!source)
		return error_set(error, STATUS_USAGE, "cannot open '%s': %s", name, strerror(errno));
	file = find_file(audit, name, options);
	if (!file) {
		fclose(source);
		return error_set(error, STATUS_USAGE,
				 "nothing in the profile or the compiler output is about '%s'; if it is "
				 "known there by another path, give --path-map FROM=TO",
				 name);
	}
	collect(audit, file, &remarks);
	fprintf(stream, "%9s %11s %5s  %s\n", "OBJECTS", "BYTES", "LINE", file);
	while ((length = getline(&line, &size, source)) >= 0) {
		size_t first = next;

		number++;
		while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
			length--;
		while (first < remarks.count && remarks.list[first].line < number)
			first++;
		for (next = first; next < remarks.count && remarks.list[next].line == number; next++)
			continue;
		print_margin(stream, remarks.list + first, remarks.list + next, number);
		put_printable(stream, line, (size_t)length);
		putc('\n', stream);
		print_words(stream, remarks.list + first, remarks.list + next);
	}
	free(line);
	free(file);
	free(remarks.list);
	fclose(source);
	return 0;
}
