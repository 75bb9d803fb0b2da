/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_compare.h"

static const char *const change_names[] = {"new", "gone", "changed"};

static cJSON *count_object(const struct gate_count *count)
{
	return gate_number_object(gate_count_steady(count) ? (double)count->least : VALUE_UNMEASURED);
}

static cJSON *side_object(const struct compare_side *side)
{
	const struct gate_counts *counts = side->counts;
	const struct gc_trace *gc = &side->gc;
	cJSON *object = json_object(), *totals = json_object();

	json_add_text(object, "name", side->name);
	json_add_text(object, "runtime", counts->runtime);
	json_add_integer(object, "runs", counts->runs);
	json_add_integer(object, "rate", counts->rate);
	for (int value = VALUE_OBJECTS; value <= VALUE_BYTES; value++)
		json_add_value(totals, profile_values[value].key, counts->totals[value]);
	for (int value = profile_value_next(-1, VALUE_COST); value < VALUE_COUNT;
	     value = profile_value_next(value, VALUE_COST))
		json_add(totals, profile_values[value].key, count_object(&counts->costs[value]));
	json_add(object, "totals", totals);
	json_add(object, "collections", gate_number_object(gc->measured ? (double)gc->collections : VALUE_UNMEASURED));
	json_add(object, "collections_per_second",
		 gate_number_object(gc->measured ? gc_trace_rate(gc) : VALUE_UNMEASURED));
	json_add(object, "collections_cpu_percent",
		 gate_number_object(gc->measured ? gc_trace_share(gc) : VALUE_UNMEASURED));
	return object;
}

static cJSON *benchmark_values(const struct gate_benchmark *benchmark)
{
	cJSON *object;

	if (!benchmark)
		return cJSON_CreateNull();
	object = json_object();
	json_add_integer(object, "allocs", benchmark->allocs);
	json_add_integer(object, "bytes", benchmark->bytes);
	return object;
}

static void write_benchmark(struct json_document *document, const struct gate_benchmark *before,
			    const struct gate_benchmark *after)
{
	cJSON *object = json_object();

	json_add_text(object, "name", (after ? after : before)->name);
	json_add_text(object, "package", (after ? after : before)->package);
	json_add(object, "before", benchmark_values(before));
	json_add(object, "after", benchmark_values(after));
	json_document_row(document, object);
}

static void write_benchmarks(struct json_document *document, const struct gate *gate)
{
	const struct gate_counts *before = gate->before, *after = gate->after;

	json_document_rows_begin(document, "benchmarks");
	for (size_t i = 0; i < after->benchmark_count; i++)
		write_benchmark(document, gate_counts_benchmark_find(before, &after->benchmarks[i]),
				&after->benchmarks[i]);
	for (size_t i = 0; i < before->benchmark_count; i++) {
		if (!gate_counts_benchmark_find(after, &before->benchmarks[i]))
			write_benchmark(document, &before->benchmarks[i], NULL);
	}
	json_document_rows_end(document);
}

static cJSON *words_values(const double *values)
{
	cJSON *object;

	if (values[VALUE_OBJECTS] == VALUE_UNMEASURED && values[VALUE_BYTES] == VALUE_UNMEASURED)
		return cJSON_CreateNull();
	object = json_object();
	json_add(object, "objects", gate_number_object(values[VALUE_OBJECTS]));
	json_add(object, "bytes", gate_number_object(values[VALUE_BYTES]));
	return object;
}

static cJSON *words_object(const struct comparison_words *words)
{
	const struct escape_change *change = words->change;
	const struct escape_annotation *shown = comparison_words_shown(words);
	cJSON *object = json_object();

	json_add_text(object, "change", words->was ? "reworded" : change_names[change->kind]);
	json_add_text(object, "text", shown->text);
	json_add_text(object, "was", words->was ? words->was->text : NULL);
	json_add_text(object, "file", shown->file);
	json_add_position(object, "line", shown->line);
	json_add_position(object, "column", shown->column);
	json_add_text(object, "function", shown->function);
	json_add_integer(object, "times_before", (int64_t)change->old_count);
	json_add_integer(object, "times_after", (int64_t)change->new_count);
	json_add_integer(object, "copies", (int64_t)words->copies);
	json_add(object, "before", words_values(words->before));
	json_add(object, "after", words_values(words->after));
	json_add(object, "rows_without", gate_rows_without_object(words->without_before, words->without_after));
	return object;
}

static cJSON *compiler_object(const struct comparison *comparison)
{
	cJSON *object;

	if (!comparison->diff)
		return cJSON_CreateNull();
	object = json_object();
	for (int kind = ESCAPE_NEW; kind <= ESCAPE_CHANGED; kind++)
		json_add_integer(object, change_names[kind], (int64_t)comparison->diff->totals[kind]);
	return object;
}

void render_compare_json(FILE *stream, const struct comparison *comparison, const struct gate_style *style)
{
	const struct gate *gate = comparison->gate;
	struct json_document document;
	cJSON *command = json_array(), *sides = json_array();

	(void)style;
	for (const char *const *word = comparison->command; word && *word; word++)
		json_append(command, json_text(*word));
	json_append(sides, side_object(comparison->before));
	json_append(sides, side_object(comparison->after));
	json_document_begin(&document, stream, "escapement.compare/1");
	json_document_member(&document, "verdict", json_text(comparison_verdict_names[comparison->verdict]));
	json_document_member(&document, "command", command);
	json_document_member(&document, "sides", sides);
	write_benchmarks(&document, gate);
	json_document_member(&document, "compiler", compiler_object(comparison));
	json_document_rows_begin(&document, "words");
	for (size_t i = 0; i < comparison->word_count; i++)
		json_document_row(&document, words_object(&comparison->words[i]));
	json_document_rows_end(&document);
	gate_json_rows(&document, gate);
	gate_json_lost(&document, gate);
	json_document_end(&document);
}
