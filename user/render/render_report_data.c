/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports for other programs: JSON, CSV, folded stacks. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "render/render_report.h"
#include "profile/size_class.h"

/* --- JSON --- */

static void add_bounds(cJSON *object, enum profile_value value, int64_t low, int64_t high)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_low", profile_values[value].key);
	json_add_value(object, key, low);
	snprintf(key, sizeof(key), "%s_high", profile_values[value].key);
	json_add_value(object, key, high);
}

static void add_values(cJSON *object, const struct profile *profile, const int64_t values[VALUE_COUNT], bool has_bounds,
		       const struct interval_bounds *bounds)
{
	for (int i = profile_next_shown(profile, -1); i < VALUE_COUNT; i = profile_next_shown(profile, i))
		json_add_value(object, profile_values[i].key, values[i]);
	if (has_bounds) {
		add_bounds(object, profile_objects(profile), bounds->objects_low, bounds->objects_high);
		add_bounds(object, profile_bytes(profile), bounds->bytes_low, bounds->bytes_high);
	}
}

static cJSON *json_frame(const struct profile_location *location, const struct profile_frame *frame)
{
	cJSON *object = json_object();
	char address[32];

	json_add_text(object, "function", frame ? frame->function : NULL);
	json_add_text(object, "file", frame ? frame->file : NULL);
	json_add_position(object, "line", frame ? frame->line : 0);
	json_add_position(object, "column", frame ? frame->column : 0);
	if (!frame) {
		snprintf(address, sizeof(address), "%#" PRIx64, location->address);
		json_add_text(object, "address", address);
	}
	return object;
}

static cJSON *json_stack(const struct profile_stack *stack)
{
	cJSON *frames = json_array();

	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++)
			cJSON_AddItemToArray(frames, json_frame(location, &location->frames[j]));
		if (location->frame_count == 0)
			cJSON_AddItemToArray(frames, json_frame(location, NULL));
	}
	return frames;
}

static cJSON *json_row(const struct report *report, const struct report_row *row)
{
	cJSON *object = json_object();

	switch (report->by) {
	case BY_SITE:
	case BY_FRAME:
	case BY_CALLER:
		json_add_text(object, "file", row->file);
		json_add_position(object, "line", row->line);
		json_add_text(object, "function", row->function);
		if (report->by == BY_SITE)
			json_add_text(object, "via", row->via);
		break;
	case BY_FUNCTION:
		json_add_text(object, "function", row->function);
		break;
	case BY_TYPE:
		json_add_text(object, "type", row->type);
		break;
	case BY_SIZE_CLASS:
		json_add_value(object, "size_class",
			       row->span_class == SPAN_CLASS_UNKNOWN
				       ? VALUE_UNMEASURED
				       : size_class_bytes(span_class_size_class(row->span_class)));
		json_add_value(object, "span_class",
			       row->span_class == SPAN_CLASS_UNKNOWN || row->scan_unknown ? VALUE_UNMEASURED
											  : row->span_class);
		break;
	case BY_STACK:
		json_add(object, "stack", json_stack(row->stack));
		json_add_bool(object, "truncated", row->stack->truncated);
		break;
	}
	add_values(object, report->profile, row->values, row->has_bounds, &row->bounds);
	if (row->has_bounds)
		json_add_value(object, "tiny_objects", row->tiny_unknown ? VALUE_UNMEASURED : 0);
	return object;
}

static cJSON *json_bursts(const struct profile_bursts *bursts)
{
	cJSON *object;

	if (!bursts->present)
		return cJSON_CreateNull();
	object = json_object();
	json_add_integer(object, "count", bursts->count);
	json_add_integer(object, "full_ns", bursts->full_ns);
	json_add_integer(object, "covered_ns", bursts->covered_ns);
	json_add_integer(object, "recorded_ns", bursts->recorded_ns);
	return object;
}

static cJSON *json_lost(int64_t events, int64_t stacks)
{
	cJSON *lost = json_object();

	json_add_integer(lost, "events", events);
	json_add_integer(lost, "stacks", stacks);
	return lost;
}

static cJSON *json_target(const struct profile *profile)
{
	cJSON *target = json_object(), *processes = json_array();
	time_t seconds = (time_t)(profile->start_ns / 1000000000);
	char start[64] = "", duration[32];
	struct tm utc;

	json_add_text(target, "command", profile->target);
	json_add_text(target, "kernel", profile->kernel);
	if (profile->start_ns > 0 && gmtime_r(&seconds, &utc))
		strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_add_text(target, "start", *start ? start : NULL);
	snprintf(duration, sizeof(duration), "%" PRId64 ".%09" PRId64, profile->duration_ns / 1000000000,
		 profile->duration_ns % 1000000000);
	json_add(target, "duration_seconds", profile->duration_ns > 0 ? cJSON_CreateRaw(duration) : cJSON_CreateNull());
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];
		cJSON *object = json_object();

		json_add_value(object, "pid", process->pid ? process->pid : VALUE_UNMEASURED);
		json_add_text(object, "comm", process->comm);
		json_add_text(object, "executable", process->executable);
		json_add_text(object, "build_id", process->build_id);
		json_add_text(object, "runtime", process->runtime);
		json_add(object, "bursts", json_bursts(&process->bursts));
		json_add(object, "lost", json_lost(process->lost_events, process->lost_stacks));
		cJSON_AddItemToArray(processes, object);
	}
	json_add(target, "processes", processes);
	return target;
}

static cJSON *json_warnings(const struct profile *profile)
{
	cJSON *array = json_array();

	for (size_t i = 0; i < profile->warning_count; i++)
		json_append(array, json_text(profile->warnings[i]));
	return array;
}

static cJSON *json_growth(const struct time_series *series)
{
	cJSON *object, *bytes;

	if (!series->interval_ns)
		return cJSON_CreateNull();
	object = json_object();
	bytes = json_array();
	json_add_integer(object, "interval_ns", series->interval_ns);
	for (uint32_t i = 0; i < series->count; i++)
		cJSON_AddItemToArray(bytes, json_integer(series->values[i]));
	json_add(object, "bytes", bytes);
	return object;
}

static cJSON *json_check(const struct profile *profile)
{
	struct profile_check check = profile_check(profile);
	cJSON *object;

	if (!check.present)
		return cJSON_CreateNull();
	object = json_object();
	json_add_text(object, "source", check.source);
	json_add_integer(object, "objects", check.objects);
	json_add_integer(object, "difference", check.difference);
	json_add_integer(object, "bound", check.bound);
	json_add_integer(object, "outside", check.outside);
	return object;
}

static cJSON *json_number(int64_t number)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	return cJSON_CreateRaw(digits);
}

void render_report_json(FILE *stream, const struct report *report, const struct report_style *style)
{
	const struct profile *profile = report->profile;
	struct json_document document;
	int64_t forked = profile_forked(profile);
	cJSON *exact = json_object(), *totals = json_object();

	(void)style;
	json_add_bool(exact, "totals", profile->totals_exact);
	json_add_bool(exact, "rows", report->rows_exact);
	add_values(totals, profile, report->totals, report->totals_have_bounds, &report->bounds);

	json_document_begin(&document, stream,
			    profile->unreachable ? "escapement.unreachable/1"
			    : profile->snapshot	 ? "escapement.heap/1"
						 : "escapement.report/2");
	json_document_member(&document, "target", json_target(profile));
	if (profile->snapshot)
		json_document_member(&document, "collections",
				     profile->collections == VALUE_UNMEASURED ? cJSON_CreateNull()
									      : json_number(profile->collections));
	if (profile->unreachable)
		json_document_member(&document, "stopped_ns", json_number(profile->duration_ns));
	json_document_member(&document, "exact", exact);
	json_document_member(&document, "rate",
			     profile->rate == RATE_UNKNOWN ? cJSON_CreateNull() : json_number(profile->rate));
	json_document_member(&document, "totals", totals);
	if (report->selection.focus || report->selection.callers) {
		cJSON *selection = json_object(), *selected = json_object();

		add_values(selected, profile, report->selected, false, NULL);
		json_add_text(selection, "focus", report->selection.focus);
		json_add_text(selection, "callers", report->selection.callers);
		json_add(selection, "totals", selected);
		json_document_member(&document, "selection", selection);
	}
	json_document_rows_begin(&document, "rows");
	for (size_t i = 0; i < report->row_count; i++)
		json_document_row(&document, json_row(report, &report->rows[i]));
	json_document_rows_end(&document);
	json_document_member(&document, "check", json_check(profile));
	json_document_member(&document, "lost", json_lost(profile_lost_events(profile), profile_lost_stacks(profile)));
	if (!profile->snapshot) {
		json_document_member(&document, "heap_growth", json_growth(&profile->heap_growth));
		json_document_member(&document, "forked_processes",
				     forked == VALUE_UNMEASURED ? cJSON_CreateNull() : json_number(forked));
	}
	json_document_member(&document, "warnings", json_warnings(profile));
	json_document_end(&document);
}

/* --- CSV --- */

static void csv_text(FILE *stream, const char *text)
{
	if (text)
		text_put(stream, TEXT_CSV, text);
}

static void csv_value(FILE *stream, int64_t value)
{
	fputc(',', stream);
	if (value != VALUE_UNMEASURED)
		fprintf(stream, "%" PRId64, value);
}

/* Prints a frame's name for the formats in which ';' separates frames, as flame graph tools expect. Names may contain
 * anything. */
static void print_frame(FILE *stream, const struct profile_location *location, const struct profile_frame *frame,
			bool *first)
{
	if (!*first)
		fputc(';', stream);
	*first = false;
	if (!frame || !frame->function) {
		fprintf(stream, "%#" PRIx64, location->address);
		return;
	}
	text_put(stream, TEXT_FOLDED, frame->function);
}

static void print_leaf_first(FILE *stream, const struct profile_stack *stack)
{
	bool first = true;

	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++)
			print_frame(stream, location, &location->frames[j], &first);
		if (location->frame_count == 0)
			print_frame(stream, location, NULL, &first);
	}
}

static void csv_stack(FILE *stream, const struct profile_stack *stack)
{
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		memory_out();
	print_leaf_first(memory, stack);
	fclose(memory);
	csv_text(stream, text);
	free(text);
}

static void csv_key(FILE *stream, const struct report *report, const struct report_row *row)
{
	switch (report->by) {
	case BY_SITE:
	case BY_FRAME:
	case BY_CALLER:
		csv_text(stream, row->file);
		csv_value(stream, row->line ? (int64_t)row->line : VALUE_UNMEASURED);
		fputc(',', stream);
		csv_text(stream, row->function);
		if (report->by == BY_SITE) {
			fputc(',', stream);
			csv_text(stream, row->via);
		}
		break;
	case BY_FUNCTION:
		csv_text(stream, row->function);
		break;
	case BY_TYPE:
		csv_text(stream, row->type);
		break;
	case BY_SIZE_CLASS:
		if (row->span_class != SPAN_CLASS_UNKNOWN)
			fprintf(stream, "%" PRId64, size_class_bytes(span_class_size_class(row->span_class)));
		csv_value(stream, row->span_class == SPAN_CLASS_UNKNOWN || row->scan_unknown ? VALUE_UNMEASURED
											     : row->span_class);
		break;
	case BY_STACK:
		csv_stack(stream, row->stack);
		break;
	}
}

void render_report_csv(FILE *stream, const struct report *report, const struct report_style *style)
{
	static const char *const keys[] = {
		[BY_SITE] = "file,line,function,via",
		[BY_FRAME] = "file,line,function",
		[BY_FUNCTION] = "function",
		[BY_TYPE] = "type",
		[BY_SIZE_CLASS] = "size_class,span_class",
		[BY_STACK] = "stack",
		[BY_CALLER] = "file,line,function",
	};
	const enum profile_value objects = profile_objects(report->profile), bytes = profile_bytes(report->profile);

	(void)style;
	fputs(keys[report->by], stream);
	for (int i = profile_next_shown(report->profile, -1); i < VALUE_COUNT;
	     i = profile_next_shown(report->profile, i))
		fprintf(stream, ",%s", profile_values[i].key);
	fprintf(stream, ",%s_low,%s_high,%s_low,%s_high,tiny_objects\n", profile_values[objects].key,
		profile_values[objects].key, profile_values[bytes].key, profile_values[bytes].key);
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];

		csv_key(stream, report, row);
		for (int j = profile_next_shown(report->profile, -1); j < VALUE_COUNT;
		     j = profile_next_shown(report->profile, j))
			csv_value(stream, row->values[j]);
		csv_value(stream, row->has_bounds ? row->bounds.objects_low : row->values[objects]);
		csv_value(stream, row->has_bounds ? row->bounds.objects_high : row->values[objects]);
		csv_value(stream, row->has_bounds ? row->bounds.bytes_low : row->values[bytes]);
		csv_value(stream, row->has_bounds ? row->bounds.bytes_high : row->values[bytes]);
		csv_value(stream, row->tiny_unknown ? VALUE_UNMEASURED : 0);
		fputc('\n', stream);
	}
}

/* --- folded stacks --- */

void render_report_folded(FILE *stream, const struct report *report, const struct report_style *style)
{
	(void)style;
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];
		bool first = true;

		if (row->values[report->sort] <= 0)
			continue;
		if (profile_stack_is_rootless(row->stack)) {
			fputs(profile_gap, stream);
			first = false;
		}
		for (uint32_t d = row->stack->depth; d-- > 0;) {
			const struct profile_location *location = profile_stack_at(row->stack, d);

			for (uint32_t j = location->frame_count; j-- > 0;)
				print_frame(stream, location, &location->frames[j], &first);
			if (location->frame_count == 0)
				print_frame(stream, location, NULL, &first);
		}
		fprintf(stream, "%s %" PRId64 "\n", first ? "(unknown)" : "", row->values[report->sort]);
	}
}
