/* SPDX-License-Identifier: BSD-2-Clause */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/output.h"
#include "base/utf8.h"
#include "gate/baseline.h"
#include "gate/baseline_format.h"
#include "text/json.h"

static cJSON *site_row(struct gate_site *site, bool estimated)
{
	cJSON *row = json_object();

	for (int i = 0; i < BASELINE_TEXTS; i++) {
		if (baseline_texts[i].required || *baseline_text(site, i))
			json_add_text(row, baseline_texts[i].name, *baseline_text(site, i));
	}
	for (int value = baseline_next(-1); value < VALUE_COUNT; value = baseline_next(value)) {
		const struct gate_count *count = &site->counts[value];
		char name[32];

		if (!baseline_is_of_sites(value))
			continue;
		json_add_value(row, profile_values[value].key, count->least);
		snprintf(name, sizeof(name), "%s_max", profile_values[value].key);
		if (!gate_count_steady(count))
			json_add_integer(row, name, count->most);
		snprintf(name, sizeof(name), "%s_min", profile_values[value].key);
		if (count->below)
			json_add_integer(row, name, count->least - count->below);
		snprintf(name, sizeof(name), "%s" BASELINE_ESTIMATE, profile_values[value].key);
		if (estimated && !gate_count_steady(count))
			json_add_integer(row, name, count->estimate);
	}
	return row;
}

static cJSON *number(int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return cJSON_CreateRaw(text);
}

static cJSON *text_or_null(const char *text)
{
	return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}

static cJSON *benchmark_row(const struct gate_benchmark *benchmark)
{
	cJSON *row = json_object();

	json_add_text(row, "name", benchmark->name);
	json_add_text(row, "package", benchmark->package);
	json_add_integer(row, "allocs_per_op", benchmark->allocs);
	json_add_integer(row, "bytes_per_op", benchmark->bytes);
	return row;
}

static cJSON *unjudged(const int64_t *values)
{
	cJSON *object = json_object();

	json_add_value(object, "objects", values[VALUE_OBJECTS]);
	json_add_value(object, "bytes", values[VALUE_BYTES]);
	return object;
}

static void write_counts(FILE *stream, const struct gate_counts *counts)
{
	struct json_document document;
	cJSON *command = json_array(), *totals = json_object();

	for (const char *const *word = counts->command; word && *word; word++) {
		char *repaired = utf8_repair(*word);

		cJSON_AddItemToArray(command, cJSON_CreateString(repaired ? repaired : *word));
		free(repaired);
	}
	for (int value = baseline_next(-1); value < VALUE_COUNT; value = baseline_next(value))
		json_add_value(totals, profile_values[value].key, counts->totals[value]);
	json_document_begin(&document, stream, BASELINE_SCHEMA);
	json_document_member(&document, "command", command);
	json_document_member(&document, "runtime", text_or_null(counts->runtime));
	json_document_member(&document, "module", text_or_null(counts->module));
	json_document_member(&document, "package", text_or_null(counts->package));
	json_document_member(&document, "rate", number(counts->rate));
	if (counts->normalize) {
		json_document_member(&document, "normalize", text_or_null(counts->normalize));
		json_document_member(&document, "iterations", cJSON_CreateNumber(counts->iterations));
	}
	json_document_rows_begin(&document, "sites");
	for (size_t i = 0; i < counts->site_count; i++)
		json_document_row(&document, site_row(&counts->sites[i], counts->estimated));
	json_document_rows_end(&document);
	if (counts->benchmark_count) {
		json_document_rows_begin(&document, "benchmarks");
		for (size_t i = 0; i < counts->benchmark_count; i++)
			json_document_row(&document, benchmark_row(&counts->benchmarks[i]));
		json_document_rows_end(&document);
	}
	json_document_member(&document, "outside", unjudged(counts->outside));
	json_document_member(&document, "bookkeeping", unjudged(counts->bookkeeping));
	json_document_member(&document, "totals", totals);
	json_document_end(&document);
}

int baseline_write(const struct gate_counts *counts, const char *path, struct error *error)
{
	struct output output;

	if (output_open(&output, path, error))
		return -1;
	write_counts(output.stream, counts);
	return output_commit(&output, error);
}
