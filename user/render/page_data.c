/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/page_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text_compare.h"
#include "render/render_escapes.h"
#include "render/source_excerpt.h"

enum {
	SOURCE_CONTEXT = 8,
	/* limit for the source lines of all files, so that pages are small enough to send */
	SOURCE_BYTES_MAX = 4 << 20,
};

void page_data_measure(struct json_writer *writer, const char *key, const char *name, bool bytes)
{
	json_write_object(writer, NULL);
	json_write_text(writer, "key", key);
	json_write_text(writer, "name", name);
	json_write_bool(writer, "bytes", bytes);
	json_write_object_end(writer);
}

void page_data_measure_list(struct json_writer *writer, const struct page_measures *measures)
{
	for (int i = 0; i < measures->count; i++) {
		const struct profile_value_row *value = &profile_values[measures->list[i]];

		page_data_measure(writer, value->key, value->plural, value->kinds & VALUE_IN_BYTES);
	}
}

void page_data_measures(struct json_writer *writer, const struct page_measures *measures)
{
	json_write_array(writer, "measures");
	page_data_measure_list(writer, measures);
	json_write_array_end(writer);
}

void page_data_list(struct json_writer *writer, const struct page_list *list)
{
	json_write_object(writer, NULL);
	json_write_text(writer, "id", list->id);
	json_write_text(writer, "caption", list->caption);
	json_write_integer(writer, "first", (int64_t)list->first);
	json_write_integer(writer, "count", (int64_t)list->count);
	json_write_bool(writer, "ordered", list->ordered);
	json_write_object_end(writer);
}

void page_data_bound(struct json_writer *writer, const char *key, double low, double high)
{
	json_write_array(writer, key);
	json_write_number(writer, NULL, low);
	json_write_number(writer, NULL, high);
	json_write_array_end(writer);
}

void page_data_annotation(struct json_writer *writer, const struct escape_annotation *annotation,
			  const struct escape_graph *graph, bool callee)
{
	json_write_object(writer, NULL);
	render_annotation(writer, annotation, graph);
	json_write_text(writer, "message", annotation->text);
	json_write_bool(writer, "callee", callee);
	json_write_object_end(writer);
}

void page_data_frames(struct json_writer *writer, const struct call_tree *tree, bool redact)
{
	json_write_array(writer, "frames");
	for (size_t i = 0; i < tree->frame_count; i++) {
		const struct call_tree_frame *frame = &tree->frames[i];

		json_write_array(writer, NULL);
		json_write_text(writer, NULL, frame->function);
		json_write_text(writer, NULL, redact ? text_base_name(frame->file) : frame->file);
		json_write_integer(writer, NULL, frame->line);
		json_write_array_end(writer);
	}
	json_write_array_end(writer);
}

/* Files in the order of the least rank of their places, then of their names; the places of a file by their lines. */
static int by_place(const void *a, const void *b)
{
	const struct page_source *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int by_rank(const void *a, const void *b)
{
	const struct page_source *x = a, *y = b;

	return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank) : by_place(a, b);
}

static size_t end_of_file(const struct page_source *places, size_t first, size_t count)
{
	size_t next = first + 1;

	while (next < count && strcmp(places[next].file, places[first].file) == 0)
		next++;
	return next;
}

static void sort_places(struct page_source *places, size_t count)
{
	qsort(places, count, sizeof(*places), by_place);
	for (size_t first = 0, next; first < count; first = next) {
		int least = places[first].rank;

		next = end_of_file(places, first, count);
		for (size_t i = first; i < next; i++)
			least = places[i].rank < least ? places[i].rank : least;
		for (size_t i = first; i < next; i++)
			places[i].rank = least;
	}
	qsort(places, count, sizeof(*places), by_rank);
}

/* Writes the lines around `count` places in one file. Returns the number of bytes of text. */
static size_t write_source(struct json_writer *writer, const struct page_source *places, size_t count)
{
	uint32_t *lines = memory_zeroed(count, sizeof(*lines));
	struct source_excerpt excerpt;
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		lines[i] = places[i].line;
	excerpt = source_excerpt_read(places[0].instead ? places[0].instead : places[0].file, places[0].directory,
				      lines, count, SOURCE_CONTEXT);
	if (excerpt.count) {
		json_write_array(writer, places[0].file);
		for (size_t i = 0; i < excerpt.count; i++) {
			json_write_array(writer, NULL);
			json_write_integer(writer, NULL, excerpt.lines[i].number);
			json_write_text(writer, NULL, excerpt.lines[i].text);
			json_write_array_end(writer);
			bytes += strlen(excerpt.lines[i].text);
		}
		json_write_array_end(writer);
	}
	source_excerpt_free(&excerpt);
	free(lines);
	return bytes;
}

void page_data_sources(struct json_writer *writer, const char *name, struct page_source *places, size_t count)
{
	size_t bytes = 0;

	sort_places(places, count);
	json_write_object(writer, name);
	for (size_t first = 0, next; first < count && bytes < SOURCE_BYTES_MAX; first = next) {
		next = end_of_file(places, first, count);
		bytes += write_source(writer, places + first, next - first);
	}
	json_write_object_end(writer);
}
