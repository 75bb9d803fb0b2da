/* SPDX-License-Identifier: BSD-2-Clause */
#include "json.h"
#include "render_audit.h"
#include "render_escapes.h"

static const struct {
	const char *key;
	enum profile_value value;
} numbers[] = {
	{"objects", VALUE_OBJECTS},
	{"bytes", VALUE_BYTES},
	{"refills", VALUE_REFILLS},
	{"central_grows", VALUE_CENTRAL_GROWS},
	{"heap_grows", VALUE_HEAP_GROWS},
	{"heap_grow_bytes", VALUE_HEAP_GROW_BYTES},
};

static void add_numbers(cJSON *object, const int64_t values[VALUE_COUNT])
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_add_value(object, numbers[i].key, values[numbers[i].value]);
}

static cJSON *element(cJSON *array)
{
	cJSON *object = json_object();

	json_append(array, object);
	return object;
}

static cJSON *annotations_of(const struct audit_row *row, const struct escape_graph *graph)
{
	cJSON *annotations = json_array();

	for (uint32_t i = 0; i < row->annotation_count; i++) {
		cJSON *annotation = render_annotation(row->annotations[i], graph);

		json_add_bool(annotation, "callee", i >= row->annotation_count - row->linked_count);
		json_append(annotations, annotation);
	}
	return annotations;
}

static cJSON *inlined_at(const struct audit_row *row)
{
	cJSON *frames = json_array();

	for (uint32_t i = 0; i < row->inlined_count; i++) {
		cJSON *frame = element(frames);

		json_add_text(frame, "function", row->inlined_at[i].function);
		json_add_text(frame, "file", row->inlined_at[i].file);
		json_add_position(frame, "line", row->inlined_at[i].line);
	}
	return frames;
}

static cJSON *row_of(const struct audit *audit, const struct audit_row *from, const struct escape_graph *graph)
{
	cJSON *row = json_object();

	json_add_text(row, "file", from->file);
	json_add_position(row, "line", from->site.line);
	json_add_position(row, "column", from->site.column);
	json_add_text(row, "function", from->site.function);
	json_add_text(row, "runtime_call", from->runtime_call);
	json_add_text(row, "type", from->type);
	json_add_text(row, "callee", from->callee);
	json_add_text(row, "verdict", audit_verdict_name(from->verdict));
	json_add_text(row, "reason", from->reason);
	json_add_bool(row, "shared", from->shared);
	json_add(row, "annotations", annotations_of(from, graph));
	json_add(row, "inlined_at", inlined_at(from));
	add_numbers(row, from->values);
	if (!audit->profile->rows_exact) {
		json_add_value(row, "objects_low", from->objects_low);
		json_add_value(row, "objects_high", from->objects_high);
	}
	return row;
}

static cJSON *target_of(const struct profile *profile)
{
	cJSON *target = json_object(), *processes = json_array();

	json_add_text(target, "command", profile->target);
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *from = &profile->processes[i];
		cJSON *process = element(processes);

		json_add_integer(process, "pid", from->pid);
		json_add_text(process, "comm", from->comm);
		json_add_text(process, "executable", from->executable);
		json_add_text(process, "build_id", from->build_id);
		json_add_text(process, "runtime", from->runtime);
	}
	json_add(target, "processes", processes);
	return target;
}

void render_audit_json(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	const struct profile *profile = audit->profile;
	cJSON *exact = json_object(), *totals = json_object(), *verdicts = json_object(), *lost = json_object();
	cJSON *warnings = json_array();
	struct json_document document;

	json_document_begin(&document, stream, "escapement.audit/1");
	json_document_member(&document, "target", target_of(profile));
	json_add_bool(exact, "totals", profile->totals_exact);
	json_add_bool(exact, "rows", profile->rows_exact);
	json_document_member(&document, "exact", exact);
	json_document_member(&document, "rate", json_integer(profile->rate));
	add_numbers(totals, audit->totals);
	json_document_member(&document, "totals", totals);
	json_document_rows_begin(&document, "rows");
	for (size_t i = 0; i < audit->row_count; i++)
		json_document_row(&document, row_of(audit, &audit->rows[i], options->graph));
	json_document_rows_end(&document);
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++)
		json_add_integer(verdicts, audit_verdict_name((enum audit_verdict)i), (int64_t)audit->verdicts[i]);
	json_document_member(&document, "verdicts", verdicts);
	json_add_integer(lost, "events", profile_lost_events(profile));
	json_add_integer(lost, "stacks", profile_lost_stacks(profile));
	json_document_member(&document, "lost", lost);
	for (size_t i = 0; i < audit->warning_count; i++)
		json_append(warnings, json_text(audit->warnings[i]));
	json_document_member(&document, "warnings", warnings);
	json_document_end(&document);
}
