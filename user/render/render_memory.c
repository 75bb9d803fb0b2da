/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_memory.h"

#include <inttypes.h>
#include <stdlib.h>

#include "profile/size_class.h"
#include "text/json.h"
#include "text/table.h"
#include "text/terminal.h"

void render_memory_lines(FILE *stream, const struct memory_map *map, bool color)
{
	const struct terminal_style *style = terminal_style(color);
	static const struct table_column columns[] = {
		{"RSS", COLUMN_NUMBER}, {"%", COLUMN_NUMBER}, {"RUNTIME SAYS", COLUMN_NUMBER}, {"WHAT", COLUMN_WRAP}};
	struct table *table = table_new(stream, columns, sizeof(columns) / sizeof(columns[0]));
	char total[TERMINAL_NUMBER_SIZE];

	for (int line = 0; line < MEMORY_LINE_COUNT; line++) {
		char rss[TERMINAL_NUMBER_SIZE + 1], says[TERMINAL_NUMBER_SIZE], share[16];
		int64_t bytes = map->rss[line];
		const char *cells[] = {rss, share, says, memory_lines[line].text};

		if (!bytes && map->says[line] <= 0)
			continue;
		rss[0] = '-';
		terminal_bytes(bytes < 0 ? rss + 1 : rss, bytes < 0 ? -bytes : bytes);
		terminal_bytes(says, map->says[line] < 0 ? VALUE_UNMEASURED : map->says[line]);
		snprintf(share, sizeof(share), "%.1f", map->total ? 100 * (double)bytes / (double)map->total : 0);
		table_add(table, cells);
	}
	fprintf(stream, "%smemory    %s resident%s", style->bold, terminal_bytes(total, map->total), style->reset);
	if (map->swapped)
		fprintf(stream, ", and %s in swap", terminal_bytes(total, map->swapped));
	fputs("\n\n", stream);
	table_print(table);
}

static int compare(const void *a, const void *b, void *context)
{
	const struct memory_map *map = context;
	int64_t left = map->classes[*(const int *)a].span_bytes, right = map->classes[*(const int *)b].span_bytes;

	return (left < right) - (left > right);
}

static void print_class(struct table *table, const struct memory_map *map, int number)
{
	const struct memory_class *class = &map->classes[number];
	char size[TERMINAL_NUMBER_SIZE], spans[TERMINAL_NUMBER_SIZE], objects[TERMINAL_NUMBER_SIZE];
	char bytes[TERMINAL_NUMBER_SIZE], unused[TERMINAL_NUMBER_SIZE], tail[TERMINAL_NUMBER_SIZE];
	const char *cells[] = {size, spans, objects, bytes, unused, tail};

	snprintf(size, sizeof(size), number ? "%" PRId64 : "large", size_class_bytes(number));
	terminal_bytes(spans, class->span_bytes);
	terminal_number(objects, class->objects);
	terminal_bytes(bytes, class->bytes);
	terminal_bytes(unused, class->free_bytes);
	terminal_bytes(tail, class->tail_bytes);
	table_add(table, cells);
}

static void print_classes(FILE *stream, const struct memory_map *map, size_t top)
{
	static const struct table_column columns[] = {{"SIZE CLASS", COLUMN_NUMBER}, {"SPANS", COLUMN_NUMBER},
						      {"OBJECTS", COLUMN_NUMBER},    {"BYTES", COLUMN_NUMBER},
						      {"FREE ROOM", COLUMN_NUMBER},  {"SPAN TAILS", COLUMN_NUMBER}};
	struct table *table = table_new(stream, columns, sizeof(columns) / sizeof(columns[0]));
	int order[SIZE_CLASSES];
	size_t count = 0;

	for (int class = 0; class < SIZE_CLASSES; class ++) {
		if (map->classes[class].spans)
			order[count++] = class;
	}
	qsort_r(order, count, sizeof(*order), compare, (void *)map);
	for (size_t i = 0; i < count && (!top || i < top); i++)
		print_class(table, map, order[i]);
	fputc('\n', stream);
	table_print(table);
	if (top && top < count)
		fprintf(stream, "... %zu more size classes; --top 0 shows all\n", count - top);
}

void render_memory_text(FILE *stream, const struct memory_map *map, bool color, size_t top)
{
	render_memory_lines(stream, map, color);
	print_classes(stream, map, top);
}

void render_memory_json(FILE *stream, const struct memory_map *map, int pid)
{
	struct json_document document;
	cJSON *lines = json_object();

	for (int line = 0; line < MEMORY_LINE_COUNT; line++) {
		cJSON *object = json_object();

		json_add_integer(object, "rss", map->rss[line]);
		json_add_value(object, "runtime", map->says[line]);
		json_add(lines, memory_lines[line].key, object);
	}
	json_document_begin(&document, stream, "escapement.memory/1");
	json_document_member(&document, "pid", json_integer(pid));
	json_document_member(&document, "rss", json_integer(map->total));
	json_document_member(&document, "swapped", json_integer(map->swapped));
	json_document_member(&document, "lines", lines);
	json_document_rows_begin(&document, "rows");
	for (int number = 0; number < SIZE_CLASSES; number++) {
		const struct memory_class *class = &map->classes[number];
		cJSON *row = json_object();

		json_add_integer(row, "size_class", size_class_bytes(number));
		json_add_integer(row, "spans", class->spans);
		json_add_integer(row, "span_bytes", class->span_bytes);
		json_add_integer(row, "objects", class->objects);
		json_add_integer(row, "bytes", class->bytes);
		json_add_integer(row, "free_bytes", class->free_bytes);
		json_add_integer(row, "tail_bytes", class->tail_bytes);
		json_document_row(&document, row);
	}
	json_document_rows_end(&document);
	json_document_end(&document);
}
