/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "render/render_escapes.h"
#include "base/memory.h"
#include "text/table.h"

static const char *const change_names[] = {"new", "gone", "changed"};

static char *story_of(const struct escape_graph *graph, const struct escape_annotation *annotation)
{
	return annotation && annotation->flow_count ? escape_graph_story(graph, annotation) : NULL;
}

static void add_line(struct table *table, const char *change, const char *position, const char *function,
		     const char *text)
{
	const char *cells[] = {change, position, function, text};

	table_add(table, cells);
}

static void add_story(struct table *table, const char *prefix, char *story)
{
	char *text;

	if (!story)
		return;
	text = memory_format("  %s%s", prefix, story);
	add_line(table, NULL, NULL, NULL, text);
	free(text);
	free(story);
}

static void add_change(struct table *table, const struct escape_change *change, const struct escape_graph *before,
		       const struct escape_graph *after)
{
	const struct escape_annotation *shown = change->kind == ESCAPE_GONE ? change->before : change->after;
	size_t difference = change->new_count > change->old_count ? change->new_count - change->old_count
								  : change->old_count - change->new_count;
	char *position = render_position(shown->file, shown->line, shown->column), *text;

	text = memory_format(difference > 1 ? "%s (%zu times)" : "%s", shown->text, difference);
	add_line(table, change_names[change->kind], position, shown->function, text);
	free(text);
	free(position);
	if (change->kind == ESCAPE_CHANGED)
		add_story(table, "before: ", story_of(before, change->before));
	if (change->kind != ESCAPE_GONE)
		add_story(table, change->kind == ESCAPE_CHANGED ? "now: " : "", story_of(after, change->after));
}

void render_escapes_diff_text(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after)
{
	static const struct table_column columns[] = {{"CHANGE", COLUMN_TEXT},
						      {"POSITION", COLUMN_WRAP},
						      {"FUNCTION", COLUMN_WRAP},
						      {"COMPILER SAYS", COLUMN_WRAP}};
	struct table *table = table_new(stream, columns, 4);

	for (size_t i = 0; i < diff->change_count; i++)
		add_change(table, &diff->changes[i], before, after);
	table_print(table);
	fprintf(stream, "%s%zu new, %zu gone", diff->change_count ? "\n" : "", diff->totals[ESCAPE_NEW],
		diff->totals[ESCAPE_GONE]);
	if (diff->reasons)
		fprintf(stream, ", %zu changed", diff->totals[ESCAPE_CHANGED]);
	fprintf(stream, "; compared by %s and subject%s\n", diff->by_function ? "function" : "file",
		diff->reasons ? "" : ", without reasons (those need -m=2 on both sides)");
}

static void write_side(struct json_writer *writer, const char *name, const struct escape_annotation *annotation,
		       const struct escape_graph *graph, size_t count)
{
	if (!annotation) {
		json_write_null(writer, name);
		return;
	}
	json_write_object(writer, name);
	render_annotation(writer, annotation, graph);
	json_write_integer(writer, "count", (int64_t)count);
	json_write_object_end(writer);
}

void render_escapes_diff_json(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after)
{
	struct json_writer writer;

	json_writer_begin(&writer, stream);
	json_write_object(&writer, NULL);
	json_write_text(&writer, "schema", "escapement.escapes-diff/1");
	json_write_text(&writer, "compared_by", diff->by_function ? "function" : "file");
	json_write_object(&writer, "totals");
	for (int kind = 0; kind < 3; kind++) {
		if (kind == ESCAPE_CHANGED && !diff->reasons)
			json_write_null(&writer, change_names[kind]);
		else
			json_write_integer(&writer, change_names[kind], (int64_t)diff->totals[kind]);
	}
	json_write_object_end(&writer);
	json_write_newline(&writer);
	json_write_array(&writer, "changes");
	for (size_t i = 0; i < diff->change_count; i++) {
		const struct escape_change *change = &diff->changes[i];

		json_write_newline(&writer);
		json_write_object(&writer, NULL);
		json_write_text(&writer, "change", change_names[change->kind]);
		write_side(&writer, "before", change->before, before, change->old_count);
		write_side(&writer, "after", change->after, after, change->new_count);
		json_write_object_end(&writer);
	}
	json_write_array_end(&writer);
	json_write_object_end(&writer);
	json_writer_end(&writer);
}
