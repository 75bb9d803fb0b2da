/* SPDX-License-Identifier: BSD-2-Clause */
#include "render_escapes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render_table.h"

enum { UNRECOGNIZED_SHOWN = 10, CALLEES_SHOWN = 8 };

/* ---- text ---- */

char *render_position(const char *file, uint32_t line, uint32_t column)
{
	char *text;
	int length;

	if (!line)
		length = asprintf(&text, "%s", *file ? file : "-");
	else if (!column)
		length = asprintf(&text, "%s:%" PRIu32, file, line);
	else
		length = asprintf(&text, "%s:%" PRIu32 ":%" PRIu32, file, line, column);
	if (length < 0)
		abort();
	return text;
}

static void add_row(struct table *table, const char *position, const char *function, const char *text)
{
	const char *cells[] = {position, function, text};

	table_add(table, cells);
}

/* The explanation in the compiler's words, an edge and its steps a line each. */
static void add_flows(struct table *table, const struct escape_annotation *annotation)
{
	for (uint32_t f = 0; f < annotation->flow_count; f++) {
		const struct escape_flow *flow = &annotation->flows[f];
		char *text;

		if (asprintf(&text, "  flow: %s = %s%.*s%s", flow->to, flow->derefs < 0 ? "&" : "",
			     flow->derefs > 0 ? flow->derefs : 0, "********************************", flow->from) < 0)
			abort();
		add_row(table, NULL, NULL, text);
		free(text);
		for (uint32_t s = 0; s < flow->step_count; s++) {
			const struct escape_step *step = &flow->steps[s];
			char *position = render_position(step->file, step->line, step->column);

			if (asprintf(&text, "    from %s (%s)", step->expression, step->reason) < 0)
				abort();
			add_row(table, position, NULL, text);
			free(text);
			free(position);
		}
	}
	if (annotation->truncated)
		add_row(table, NULL, NULL, "  (the compiler cut the explanation short)");
}

/* What happens in the functions that the last flow calls, one after the other. */
static void add_callees(struct table *table, const struct escape_graph *graph,
			const struct escape_annotation *annotation)
{
	for (int depth = 0; depth < CALLEES_SHOWN; depth++) {
		size_t others;
		char *position, *text;

		annotation = escape_graph_callee(graph, annotation, &others);
		if (!annotation || others)
			return;
		position = render_position(annotation->file, annotation->line, annotation->column);
		if (asprintf(&text, "  there: %s", annotation->text) < 0)
			abort();
		add_row(table, position, annotation->function, text);
		add_flows(table, annotation);
		free(text);
		free(position);
	}
}

static void add_annotation(struct table *table, const struct escape_graph *graph,
			   const struct escape_annotation *annotation, bool flows)
{
	char *position = render_position(annotation->file, annotation->line, annotation->column);
	char *story = annotation->flow_count ? escape_graph_story(graph, annotation) : NULL, *text;

	add_row(table, position, annotation->function, annotation->text);
	if (story) {
		if (asprintf(&text, "  %s", story) < 0)
			abort();
		add_row(table, NULL, NULL, text);
		free(text);
	}
	if (flows) {
		add_flows(table, annotation);
		add_callees(table, graph, annotation);
	}
	free(story);
	free(position);
}

static void print_counts(FILE *stream, const uint64_t *counts)
{
	static const struct table_column columns[] = {{"KIND", COLUMN_TEXT}, {"COUNT", COLUMN_NUMBER}};
	struct table *table = table_new(stream, columns, 2);

	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
		char count[24];
		const char *cells[] = {escape_kind_name((enum escape_kind)kind), count};

		snprintf(count, sizeof(count), "%" PRIu64, counts[kind]);
		if (counts[kind])
			table_add(table, cells);
	}
	table_print(table);
}

static void print_unrecognized(FILE *stream, const struct escape_output *output)
{
	size_t width = table_width(stream);

	if (!output->unrecognized_count)
		return;
	fprintf(stream, "\n%zu unrecognised line%s:\n", output->unrecognized_count,
		output->unrecognized_count == 1 ? "" : "s");
	for (size_t i = 0; i < output->unrecognized_count && i < UNRECOGNIZED_SHOWN; i++) {
		const struct escape_unrecognized *line = &output->unrecognized[i];
		int length = fprintf(stream, "  %" PRIu64 ": ", line->line_number);

		fprintf(stream, "%.*s\n", (int)table_prefix(line->text, width - (size_t)length), line->text);
	}
	if (output->unrecognized_count > UNRECOGNIZED_SHOWN)
		fprintf(stream, "  ... %zu more, all in --format json\n",
			output->unrecognized_count - UNRECOGNIZED_SHOWN);
}

void render_escapes_text(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter, const struct escapes_style *style)
{
	static const struct table_column columns[] = {
		{"POSITION", COLUMN_WRAP}, {"FUNCTION", COLUMN_WRAP}, {"COMPILER SAYS", COLUMN_WRAP}};
	struct escape_filter every_kind = *filter;
	uint64_t counts[ESCAPE_KIND_COUNT] = {0};
	struct table *table = table_new(stream, columns, 3);
	size_t rows = 0;

	every_kind.kinds = ESCAPE_KINDS_ALL;
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];

		if (!escape_filter_accepts(&every_kind, annotation))
			continue;
		counts[annotation->kind]++;
		if (style->tally || !escape_filter_accepts(filter, annotation))
			continue;
		add_annotation(table, graph, annotation, style->flows);
		rows++;
	}
	if (!style->tally && !rows)
		fputs("no annotation matches\n", stream);
	table_print(table);
	fputs(style->tally ? "" : "\n", stream);
	print_counts(stream, counts);
	print_unrecognized(stream, output);
}

/* ---- JSON ---- */

static void add_string(cJSON *object, const char *name, const char *text)
{
	if (text)
		cJSON_AddStringToObject(object, name, text);
	else
		cJSON_AddNullToObject(object, name);
}

/* What was not said is null, never 0. */
static void add_number(cJSON *object, const char *name, uint32_t number)
{
	if (number)
		cJSON_AddNumberToObject(object, name, number);
	else
		cJSON_AddNullToObject(object, name);
}

static cJSON *flows_array(const struct escape_annotation *annotation)
{
	cJSON *flows = cJSON_CreateArray();

	for (uint32_t f = 0; f < annotation->flow_count; f++) {
		const struct escape_flow *flow = &annotation->flows[f];
		cJSON *object = cJSON_CreateObject(), *steps;

		cJSON_AddStringToObject(object, "to", flow->to);
		cJSON_AddStringToObject(object, "from", flow->from);
		cJSON_AddNumberToObject(object, "derefs", flow->derefs);
		steps = cJSON_AddArrayToObject(object, "steps");
		for (uint32_t s = 0; s < flow->step_count; s++) {
			const struct escape_step *step = &flow->steps[s];
			cJSON *item = cJSON_CreateObject();

			cJSON_AddStringToObject(item, "expression", step->expression);
			cJSON_AddStringToObject(item, "reason", step->reason);
			cJSON_AddStringToObject(item, "file", step->file);
			add_number(item, "line", step->line);
			add_number(item, "column", step->column);
			cJSON_AddItemToArray(steps, item);
		}
		cJSON_AddItemToArray(flows, object);
	}
	return flows;
}

cJSON *render_annotation(const struct escape_annotation *annotation, const struct escape_graph *graph)
{
	cJSON *object = cJSON_CreateObject();
	char *story = annotation->flow_count ? escape_graph_story(graph, annotation) : NULL;

	add_string(object, "package", annotation->package);
	add_string(object, "file", annotation->file);
	add_number(object, "line", annotation->line);
	add_number(object, "column", annotation->column);
	add_string(object, "function", annotation->function);
	add_string(object, "kind", escape_kind_name(annotation->kind));
	add_string(object, "subject", annotation->subject);
	add_string(object, "detail", annotation->detail);
	add_string(object, "text", annotation->text);
	add_string(object, "cause", story ? escape_cause_name(escape_graph_cause(graph, annotation)) : NULL);
	add_string(object, "story", story);
	free(story);
	cJSON_AddBoolToObject(object, "explained_only", annotation->explained_only);
	cJSON_AddBoolToObject(object, "truncated", annotation->truncated);
	cJSON_AddItemToObject(object, "flow", flows_array(annotation));
	return object;
}

/* Prints and frees one object: a million of them are never in memory together. */
static void print_item(FILE *stream, cJSON *object, bool first)
{
	char *text = cJSON_PrintUnformatted(object);

	if (!text)
		abort();
	fprintf(stream, "%s\n%s", first ? "" : ",", text);
	free(text);
	cJSON_Delete(object);
}

void render_escapes_json(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter)
{
	uint64_t counts[ESCAPE_KIND_COUNT] = {0};
	cJSON *object = cJSON_CreateObject();
	bool first = true;
	char *text;

	fputs("{\"schema\":\"escapement.escapes/1\",\"annotations\":[", stream);
	for (size_t i = 0; i < output->annotation_count; i++) {
		if (!escape_filter_accepts(filter, &output->annotations[i]))
			continue;
		counts[output->annotations[i].kind]++;
		print_item(stream, render_annotation(&output->annotations[i], graph), first);
		first = false;
	}
	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
		if (counts[kind])
			cJSON_AddNumberToObject(object, escape_kind_name((enum escape_kind)kind), (double)counts[kind]);
	}
	text = cJSON_PrintUnformatted(object);
	fprintf(stream, "],\n\"counts\":%s,\n\"unrecognized\":[", text);
	free(text);
	cJSON_Delete(object);
	for (size_t i = 0; i < output->unrecognized_count; i++) {
		object = cJSON_CreateObject();
		cJSON_AddNumberToObject(object, "line_number", (double)output->unrecognized[i].line_number);
		cJSON_AddStringToObject(object, "text", output->unrecognized[i].text);
		print_item(stream, object, i == 0);
	}
	fputs("]}\n", stream);
}
