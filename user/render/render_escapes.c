/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_escapes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/table.h"
#include "text/wrap.h"
#include "text/terminal.h"

enum { UNRECOGNIZED_SHOWN = 10, CALLEES_SHOWN = 8 };

/* ---- text ---- */

char *render_position(const char *file, uint32_t line, uint32_t column)
{
	if (!line)
		return memory_format("%s", *file ? file : "-");
	if (!column)
		return memory_format("%s:%" PRIu32, file, line);
	return memory_format("%s:%" PRIu32 ":%" PRIu32, file, line, column);
}

/* Annotations as they are listed. */
struct listing {
	struct table *table;
	bool unnamed; /* the compiler's names of results that have none are among them */
};

static void add_row(struct listing *list, const char *position, const char *function, const char *text)
{
	const char *cells[] = {position, function, text};

	list->unnamed |= escape_names_result(text);
	table_add(list->table, cells);
}

/* Adds the explanation in the compiler's words, one line per edge and per step. */
static void add_flows(struct listing *list, const struct escape_annotation *annotation)
{
	for (uint32_t f = 0; f < annotation->flow_count; f++) {
		const struct escape_flow *flow = &annotation->flows[f];
		char *text;

		text = memory_format("  flow: %s = %s%.*s%s", flow->to, flow->derefs < 0 ? "&" : "",
				     flow->derefs > 0 ? flow->derefs : 0, "********************************",
				     flow->from);
		add_row(list, NULL, NULL, text);
		free(text);
		for (uint32_t s = 0; s < flow->step_count; s++) {
			const struct escape_step *step = &flow->steps[s];
			char *position = render_position(step->file, step->line, step->column);

			text = memory_format("    from %s (%s)", step->expression, step->reason);
			add_row(list, position, NULL, text);
			free(text);
			free(position);
		}
	}
	if (annotation->truncated)
		add_row(list, NULL, NULL, "  (the compiler cut the explanation short)");
}

/* Adds what happens in the functions that the last flow calls, one after the other. */
static void add_callees(struct listing *list, const struct escape_graph *graph,
			const struct escape_annotation *annotation)
{
	for (int depth = 0; depth < CALLEES_SHOWN; depth++) {
		size_t others;
		char *position, *text;

		annotation = escape_graph_callee(graph, annotation, &others);
		if (!annotation || others)
			return;
		position = render_position(annotation->file, annotation->line, annotation->column);
		text = memory_format("  there: %s", annotation->text);
		add_row(list, position, annotation->function, text);
		add_flows(list, annotation);
		free(text);
		free(position);
	}
}

static void add_annotation(struct listing *list, const struct escape_graph *graph,
			   const struct escape_annotation *annotation, bool flows)
{
	char *position = render_position(annotation->file, annotation->line, annotation->column);
	char *story = annotation->flow_count ? escape_graph_story(graph, annotation) : NULL, *text;

	add_row(list, position, annotation->function, annotation->text);
	if (story) {
		text = memory_format("  %s", story);
		add_row(list, NULL, NULL, text);
		free(text);
	}
	if (flows) {
		add_flows(list, annotation);
		add_callees(list, graph, annotation);
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
	size_t width = (size_t)terminal_width(stream);

	if (!output->unrecognized_count)
		return;
	fprintf(stream, "\n%zu unrecognised line%s:\n", output->unrecognized_count,
		output->unrecognized_count == 1 ? "" : "s");
	for (size_t i = 0; i < output->unrecognized_count && i < UNRECOGNIZED_SHOWN; i++) {
		const struct escape_unrecognized *line = &output->unrecognized[i];
		int length = fprintf(stream, "  %" PRIu64 ": ", line->line_number);

		fprintf(stream, "%.*s\n", (int)wrap_prefix(line->text, width - (size_t)length), line->text);
	}
	if (output->unrecognized_count > UNRECOGNIZED_SHOWN)
		fprintf(stream, "  ... %zu more, all in --format json\n",
			output->unrecognized_count - UNRECOGNIZED_SHOWN);
}

/* A column for each kind that there is. */
static void print_packages(FILE *stream, const struct escape_output *output, const struct escape_filter *filter,
			   size_t most)
{
	struct table_column columns[ESCAPE_KIND_COUNT + 2];
	const char *cells[ESCAPE_KIND_COUNT + 2];
	char numbers[ESCAPE_KIND_COUNT + 1][24];
	uint64_t sums[ESCAPE_KIND_COUNT] = {0};
	size_t count, used = 0, shown;
	struct escape_package *packages = escape_packages(output, filter, &count);
	struct table *table;

	for (size_t i = 0; i < count; i++) {
		for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++)
			sums[kind] += packages[i].counts[kind];
	}
	columns[used++] = (struct table_column){"ALL", COLUMN_NUMBER};
	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
		if (sums[kind])
			columns[used++] =
				(struct table_column){escape_kind_name((enum escape_kind)kind), COLUMN_NUMBER};
	}
	columns[used++] = (struct table_column){"PACKAGE", COLUMN_WRAP};
	table = table_new(stream, columns, used);
	shown = most && most < count ? most : count;
	for (size_t i = 0; i < shown; i++) {
		size_t cell = 0;

		snprintf(numbers[cell], sizeof(numbers[cell]), "%" PRIu64, packages[i].total);
		cells[cell] = numbers[cell];
		cell++;
		for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
			if (!sums[kind])
				continue;
			snprintf(numbers[cell], sizeof(numbers[cell]), "%" PRIu64, packages[i].counts[kind]);
			cells[cell] = numbers[cell];
			cell++;
		}
		cells[cell] = packages[i].name ? packages[i].name : "(not named)";
		table_add(table, cells);
	}
	if (!count)
		fputs("no annotation matches\n", stream);
	table_print(table);
	if (shown < count)
		fprintf(stream, "... %zu more packages; --top 0 shows all\n", count - shown);
	free(packages);
}

void render_escapes_text(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter, const struct escapes_style *style)
{
	static const struct table_column columns[] = {
		{"POSITION", COLUMN_WRAP}, {"FUNCTION", COLUMN_WRAP}, {"COMPILER SAYS", COLUMN_WRAP}};
	struct escape_filter every_kind = *filter;
	uint64_t counts[ESCAPE_KIND_COUNT] = {0};
	struct listing list = {.table = table_new(stream, columns, 3)};
	size_t rows = 0, left_out = 0;

	every_kind.kinds = ESCAPE_KINDS_ALL;
	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *annotation = &output->annotations[i];

		if (!escape_filter_accepts(&every_kind, annotation))
			continue;
		counts[annotation->kind]++;
		if (style->tally || !escape_filter_accepts(filter, annotation))
			continue;
		if (style->packages)
			continue;
		if (style->most && rows == style->most) {
			left_out++;
			continue;
		}
		add_annotation(&list, graph, annotation, style->flows);
		rows++;
	}
	if (!style->tally && !style->packages && !rows)
		fputs("no annotation matches\n", stream);
	table_print(list.table);
	if (style->packages)
		print_packages(stream, output, filter, style->most);
	if (list.unnamed)
		fprintf(stream, "%s\n", escape_result_words);
	if (left_out)
		fprintf(stream, "... %zu more; --top 0 shows all, --by package sums them\n", left_out);
	fputs(style->tally ? "" : "\n", stream);
	print_counts(stream, counts);
	print_unrecognized(stream, output);
}

/* ---- JSON ---- */

static void write_flows(struct json_writer *writer, const struct escape_annotation *annotation)
{
	json_write_array(writer, "flow");
	for (uint32_t f = 0; f < annotation->flow_count; f++) {
		const struct escape_flow *flow = &annotation->flows[f];

		json_write_object(writer, NULL);
		json_write_text(writer, "to", flow->to);
		json_write_text(writer, "from", flow->from);
		json_write_integer(writer, "derefs", flow->derefs);
		json_write_array(writer, "steps");
		for (uint32_t s = 0; s < flow->step_count; s++) {
			const struct escape_step *step = &flow->steps[s];

			json_write_object(writer, NULL);
			json_write_text(writer, "expression", step->expression);
			json_write_text(writer, "reason", step->reason);
			json_write_text(writer, "file", step->file);
			json_write_position(writer, "line", step->line);
			json_write_position(writer, "column", step->column);
			json_write_object_end(writer);
		}
		json_write_array_end(writer);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

void render_annotation(struct json_writer *writer, const struct escape_annotation *annotation,
		       const struct escape_graph *graph)
{
	char *story = annotation->flow_count ? escape_graph_story(graph, annotation) : NULL;

	json_write_text(writer, "package", annotation->package);
	json_write_text(writer, "file", annotation->file);
	json_write_position(writer, "line", annotation->line);
	json_write_position(writer, "column", annotation->column);
	json_write_text(writer, "function", annotation->function);
	json_write_text(writer, "kind", escape_kind_name(annotation->kind));
	json_write_text(writer, "subject", annotation->subject);
	json_write_text(writer, "detail", annotation->detail);
	json_write_text(writer, "text", annotation->text);
	json_write_text(writer, "cause", story ? escape_cause_name(escape_graph_cause(graph, annotation)) : NULL);
	json_write_text(writer, "story", story);
	json_write_bool(writer, "explained_only", annotation->explained_only);
	json_write_bool(writer, "truncated", annotation->truncated);
	write_flows(writer, annotation);
	free(story);
}

static void write_counts(struct json_writer *writer, const uint64_t *counts)
{
	json_write_newline(writer);
	json_write_object(writer, "counts");
	for (int kind = 0; kind < ESCAPE_KIND_COUNT; kind++) {
		if (counts[kind])
			json_write_integer(writer, escape_kind_name((enum escape_kind)kind), (int64_t)counts[kind]);
	}
	json_write_object_end(writer);
}

static void write_unrecognized(struct json_writer *writer, const struct escape_output *output)
{
	json_write_newline(writer);
	json_write_array(writer, "unrecognized");
	for (size_t i = 0; i < output->unrecognized_count; i++) {
		json_write_newline(writer);
		json_write_object(writer, NULL);
		json_write_integer(writer, "line_number", (int64_t)output->unrecognized[i].line_number);
		json_write_text(writer, "text", output->unrecognized[i].text);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_packages(struct json_writer *writer, const struct escape_output *output,
			   const struct escape_filter *filter, size_t most)
{
	size_t count;
	struct escape_package *packages = escape_packages(output, filter, &count);

	json_write_array(writer, "packages");
	for (size_t i = 0; i < count && (!most || i < most); i++) {
		json_write_newline(writer);
		json_write_object(writer, NULL);
		json_write_text(writer, "package", packages[i].name);
		json_write_integer(writer, "annotations", (int64_t)packages[i].total);
		write_counts(writer, packages[i].counts);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	free(packages);
}

void render_escapes_json(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter, const struct escapes_style *style)
{
	uint64_t counts[ESCAPE_KIND_COUNT] = {0};
	struct json_writer writer;
	size_t rows = 0;

	json_writer_begin(&writer, stream);
	json_write_object(&writer, NULL);
	json_write_text(&writer, "schema", "escapement.escapes/1");
	if (style->packages)
		write_packages(&writer, output, filter, style->most);
	else
		json_write_array(&writer, "annotations");
	for (size_t i = 0; i < output->annotation_count; i++) {
		if (!escape_filter_accepts(filter, &output->annotations[i]))
			continue;
		counts[output->annotations[i].kind]++;
		if (style->packages || (style->most && rows++ >= style->most))
			continue;
		json_write_newline(&writer);
		json_write_object(&writer, NULL);
		render_annotation(&writer, &output->annotations[i], graph);
		json_write_object_end(&writer);
	}
	if (!style->packages)
		json_write_array_end(&writer);
	write_counts(&writer, counts);
	write_unrecognized(&writer, output);
	json_write_object_end(&writer);
	json_writer_end(&writer);
}
