/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "text/json.h"
#include "text/json_writer.h"
#include "render/render_gate.h"

cJSON *gate_number_object(double value)
{
	char text[JSON_NUMBER_SIZE];

	return value == VALUE_UNMEASURED ? cJSON_CreateNull() : cJSON_CreateRaw(json_number_text(text, value));
}

static cJSON *values(const struct gate_counts *side, const struct gate_site *site)
{
	cJSON *object;

	if (!site)
		return cJSON_CreateNull();
	object = json_object();
	for (int i = gate_value_next(-1); i < VALUE_COUNT; i = gate_value_next(i)) {
		const struct gate_count *count = &site->counts[i];
		const double value = gate_value_shown(side, site, i);
		char name[40];

		json_add(object, profile_values[i].key, gate_number_object(value));
		if (side->estimated && (count->estimate || (value == VALUE_UNMEASURED && !gate_count_steady(count)))) {
			snprintf(name, sizeof(name), "%s_low", profile_values[i].key);
			json_add(object, name, gate_number_object((double)count->least / side->iterations));
			snprintf(name, sizeof(name), "%s_high", profile_values[i].key);
			json_add(object, name,
				 gate_number_object(count->most == INT64_MAX ? VALUE_UNMEASURED /* no upper bound */
									     : (double)count->most / side->iterations));
			continue;
		}
		snprintf(name, sizeof(name), "%s_max", profile_values[i].key);
		if (!gate_count_steady(count))
			json_add(object, name, gate_number_object((double)count->most / side->iterations));
	}
	return object;
}

static cJSON *totals(const double *sums)
{
	cJSON *object = json_object();

	for (int i = gate_value_next(-1); i < VALUE_COUNT; i = gate_value_next(i))
		json_add(object, profile_values[i].key, gate_number_object(sums[i]));
	return object;
}

static cJSON *gate_row_object(const struct gate *gate, const struct gate_row *row)
{
	const struct gate_site *site = gate_row_site(row);
	cJSON *object = json_object(), *allowed = json_object();
	char text[GATE_TEXT_SIZE];

	json_add_text(object, "change", gate_change_names[row->change]);
	json_add_bool(object, "fails", row->fails);
	json_add_bool(object, "note", row->note);
	json_add_text(object, "how", row->how);
	json_add_text(object, "function", site->function);
	json_add_text(object, "via", site->via);
	json_add_text(object, "file", site->file);
	json_add_position(object, "line", site->line);
	json_add_position(object, "column", site->column);
	json_add_text(object, "runtime_call", site->runtime_call);
	json_add_text(object, "type", gate_type(text, site));
	json_add_text(object, "benchmark", site->benchmark);
	json_add_text(object, "benchmark_package", site->benchmark_package);
	json_add_text(object, "annotation", site->annotation);
	json_add_text(object, "reason", site->reason);
	json_add_text(object, "accepted", row->before ? row->before->accepted : NULL);
	json_add_text(object, "moved_from",
		      row->change == GATE_MOVED && row->before && row->after ? row->before->function : NULL);
	json_add(object, "before", values(gate->before, row->before));
	json_add(object, "after", values(gate->after, row->after));
	json_add(allowed, "objects", gate_number_object(row->allowed[VALUE_OBJECTS]));
	json_add(allowed, "bytes", gate_number_object(row->allowed[VALUE_BYTES]));
	json_add(object, "allowed", allowed);
	return object;
}

static cJSON *integer(int64_t value)
{
	return gate_number_object((double)value);
}

static cJSON *unjudged(const struct gate_counts *side, const int64_t *values)
{
	cJSON *object = json_object();

	json_add_value(object, "objects", gate_unjudged(side, values, VALUE_OBJECTS));
	json_add_value(object, "bytes", gate_unjudged(side, values, VALUE_BYTES));
	return object;
}

static cJSON *sum_values(const double *values)
{
	cJSON *object = json_object();

	json_add(object, "objects", gate_number_object(values[VALUE_OBJECTS]));
	json_add(object, "bytes", gate_number_object(values[VALUE_BYTES]));
	return object;
}

static cJSON *numbers_of(const size_t *counts)
{
	cJSON *object = json_object();

	json_add_integer(object, "objects", (int64_t)counts[VALUE_OBJECTS]);
	json_add_integer(object, "bytes", (int64_t)counts[VALUE_BYTES]);
	return object;
}

cJSON *gate_rows_without_object(const size_t *before, const size_t *after)
{
	cJSON *object = json_object();

	json_add(object, "before", numbers_of(before));
	json_add(object, "after", numbers_of(after));
	return object;
}

static cJSON *gate_sum_object(const struct gate_group *group)
{
	cJSON *object = json_object();

	json_add_text(object, "benchmark", group->benchmark);
	json_add_text(object, "benchmark_package", group->package);
	json_add_bool(object, "worse", group->worse);
	json_add(object, "before", sum_values(group->before));
	json_add(object, "after", sum_values(group->after));
	json_add(object, "rows_without", gate_rows_without_object(group->without_before, group->without_after));
	return object;
}

void gate_json_rows(struct json_document *document, const struct gate *gate)
{
	json_document_rows_begin(document, "sums");
	for (size_t i = 0; i < gate->group_count; i++)
		json_document_row(document, gate_sum_object(&gate->groups[i]));
	json_document_rows_end(document);
	json_document_rows_begin(document, "rows");
	for (size_t i = 0; i < gate->row_count; i++)
		json_document_row(document, gate_row_object(gate, &gate->rows[i]));
	json_document_rows_end(document);
}

void gate_json_lost(struct json_document *document, const struct gate *gate)
{
	cJSON *lost = json_object();

	json_add_integer(lost, "events", gate->loss.events);
	json_add_integer(lost, "stacks", gate->loss.stacks);
	json_add_integer(lost, "unexplained_objects", gate->loss.unexplained);
	json_document_member(document, "lost", lost);
}

void render_gate_json(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	const struct gate_counts *after = gate->after;
	struct json_document document;
	cJSON *command = json_array(), *changes = json_object(), *sums = json_object();

	for (const char *const *word = after->command; word && *word; word++)
		cJSON_AddItemToArray(command, cJSON_CreateString(*word));
	json_document_begin(&document, stream, "escapement.gate/2");
	json_document_member(&document, "passed", cJSON_CreateBool(!gate->failed));
	json_document_member(&document, "status", integer(style->advisory ? 0 : gate_status(gate)));
	json_document_member(&document, "advisory", cJSON_CreateBool(style->advisory));
	json_document_member(&document, "command", command);
	json_document_member(&document, "runtime",
			     after->runtime ? cJSON_CreateString(after->runtime) : cJSON_CreateNull());
	json_document_member(&document, "normalize",
			     after->normalize ? cJSON_CreateString(after->normalize) : cJSON_CreateNull());
	json_document_member(&document, "runs", integer(after->runs));
	gate_contracts_json(&document, gate);
	gate_json_rows(&document, gate);
	for (int i = 0; i < GATE_CHANGE_COUNT; i++)
		json_add_integer(changes, gate_change_names[i], (int64_t)gate->changes[i]);
	json_document_member(&document, "changes", changes);
	json_add(sums, "before", totals(gate->totals_before));
	json_add(sums, "after", totals(gate->totals_after));
	json_document_member(&document, "totals", sums);
	json_document_member(&document, "rows_without",
			     gate_rows_without_object(gate->without_before, gate->without_after));
	json_document_member(&document, "outside", unjudged(after, after->outside));
	json_document_member(&document, "bookkeeping", unjudged(after, after->bookkeeping));
	gate_json_lost(&document, gate);
	json_document_end(&document);
}
