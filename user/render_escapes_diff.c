/* SPDX-License-Identifier: BSD-2-Clause */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "render_escapes.h"
#include "render_table.h"

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
	if (asprintf(&text, "  %s%s", prefix, story) < 0)
		abort();
	add_line(table, NULL, NULL, NULL, text);
	free(text);
	free(story);
}

static void add_change(struct table *table, const struct escape_change *change, const struct escape_graph *before,
		       const struct escape_graph *after)
{
	const struct escape_annotation *shown = change->kind == ESCAPE_GONE ? change->before : change->after;
	size_t difference = change->new_count > change->old_count ? change->new_count - change->old_count :
								     change->old_count - change->new_count;
	char *position = render_position(shown->file, shown->line, shown->column), *text;

	if (asprintf(&text, difference > 1 ? "%s (%zu times)" : "%s", shown->text, difference) < 0)
		abort();
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
	static const struct table_column columns[] = {
		{"CHANGE", COLUMN_TEXT}, {"POSITION", COLUMN_WRAP}, {"FUNCTION", COLUMN_WRAP}, {"COMPILER SAYS", COLUMN_WRAP}};
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

static cJSON *side_object(const struct escape_annotation *annotation, const struct escape_graph *graph, size_t count)
{
	cJSON *object;

	if (!annotation)
		return cJSON_CreateNull();
	object = render_annotation(annotation, graph);
	cJSON_AddNumberToObject(object, "count", (double)count);
	return object;
}

void render_escapes_diff_json(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after)
{
	cJSON *document = cJSON_CreateObject(), *changes, *totals;
	char *text;

	cJSON_AddStringToObject(document, "schema", "escapement.escapes-diff/1");
	cJSON_AddStringToObject(document, "compared_by", diff->by_function ? "function" : "file");
	totals = cJSON_AddObjectToObject(document, "totals");
	for (int kind = 0; kind < 3; kind++) {
		if (kind == ESCAPE_CHANGED && !diff->reasons)
			cJSON_AddNullToObject(totals, change_names[kind]);
		else
			cJSON_AddNumberToObject(totals, change_names[kind], (double)diff->totals[kind]);
	}
	changes = cJSON_AddArrayToObject(document, "changes");
	for (size_t i = 0; i < diff->change_count; i++) {
		const struct escape_change *change = &diff->changes[i];
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "change", change_names[change->kind]);
		cJSON_AddItemToObject(object, "before", side_object(change->before, before, change->old_count));
		cJSON_AddItemToObject(object, "after", side_object(change->after, after, change->new_count));
		cJSON_AddItemToArray(changes, object);
	}
	text = cJSON_Print(document);
	if (!text)
		abort();
	fprintf(stream, "%s\n", text);
	free(text);
	cJSON_Delete(document);
}
