/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_positions.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"

static int by_position(const void *a, const void *b)
{
	const struct audit_position *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return x->annotation < y->annotation ? -1 : x->annotation > y->annotation;
}

/* Whether one of the last positions in `kept` has the same place and text. */
static bool repeats(const struct escape_output *output, const struct audit_position *kept, size_t count,
		    const struct audit_position *position)
{
	const struct escape_annotation *annotation = &output->annotations[position->annotation];

	while (count-- && kept[count].line == position->line && kept[count].column == position->column) {
		const struct escape_annotation *other = &output->annotations[kept[count].annotation];

		if (other->kind == annotation->kind && other->subject == annotation->subject)
			return true;
	}
	return false;
}

/* The compiler prints the messages of a file in the order of their lines. */
static bool is_sorted(const struct audit_position *positions, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (by_position(&positions[i - 1], &positions[i]) > 0)
			return false;
	}
	return true;
}

static void sort(struct position_table *table, const struct escape_output *output, uint32_t file_count)
{
	size_t kept = 0;

	for (uint32_t file = 0; file < file_count; file++) {
		size_t start = table->starts[file], end = table->starts[file + 1], first = kept;

		if (!is_sorted(table->positions + start, end - start))
			qsort(table->positions + start, end - start, sizeof(*table->positions), by_position);
		table->starts[file] = kept;
		for (size_t i = start; i < end; i++) {
			if (!repeats(output, table->positions + first, kept - first, &table->positions[i]))
				table->positions[kept++] = table->positions[i];
		}
	}
	table->starts[file_count] = table->count = kept;
}

/* Returns the numbers of the annotations that the table shall have; the caller frees them. */
static uint32_t *choose(const struct escape_output *output, bool (*accepts)(const struct escape_annotation *annotation),
			size_t *count)
{
	uint32_t *chosen = memory_resize(NULL, output->annotation_count + 1, sizeof(*chosen));

	*count = 0;
	for (size_t i = 0; i < output->annotation_count; i++) {
		if (output->annotations[i].file && accepts(&output->annotations[i]))
			chosen[(*count)++] = (uint32_t)i;
	}
	return chosen;
}

/* A counting sort: starts[] first has the number of positions of the file before, then the index for the next position
 * of each file. */
void position_table_fill(struct position_table *table, const struct escape_output *output,
			 const struct pointer_map *numbers, uint32_t file_count,
			 bool (*accepts)(const struct escape_annotation *annotation))
{
	const char *last = NULL;
	uint32_t file = 0;
	size_t count;
	uint32_t *chosen = choose(output, accepts, &count);

	*table = (struct position_table){.starts = memory_zeroed((size_t)file_count + 2, sizeof(*table->starts)),
					 .positions = memory_resize(NULL, count + 1, sizeof(*table->positions))};
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			const struct escape_annotation *annotation = &output->annotations[chosen[i]];

			if (annotation->file != last)
				file = pointer_map_get(numbers, last = annotation->file);
			if (pass == 0)
				table->starts[file + 2]++;
			else
				table->positions[table->starts[file + 1]++] =
					(struct audit_position){annotation->line, annotation->column, chosen[i]};
		}
		for (uint32_t i = 0; pass == 0 && i < file_count; i++)
			table->starts[i + 2] += table->starts[i + 1];
	}
	free(chosen);
	sort(table, output, file_count);
}

void position_table_free(struct position_table *table)
{
	free(table->positions);
	free(table->starts);
}

static bool is_above(const void *positions, size_t index, const void *line)
{
	return ((const struct audit_position *)positions)[index].line < *(const uint32_t *)line;
}

/* Returns the index of a file's first position at or after that line; the next file's start if there is none. */
static size_t first_position(const struct position_table *table, uint32_t file, uint32_t line)
{
	return search_place(table->starts[file], table->starts[file + 1], is_above, table->positions, &line);
}

struct audit_positions position_table_line(const struct position_table *table, uint32_t file, uint32_t line)
{
	size_t low = first_position(table, file, line), high = low;

	while (high < table->starts[file + 1] && table->positions[high].line == line)
		high++;
	return (struct audit_positions){table->positions + low, high - low};
}

bool position_table_has(const struct position_table *table, uint32_t file, uint32_t first, uint32_t last)
{
	size_t at = first_position(table, file, first);

	return at < table->starts[file + 1] && table->positions[at].line <= last;
}
