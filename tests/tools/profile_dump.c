/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_dump FILE: prints everything in a profile as JSON, before a report groups it:
 * {"start_ns","rate","warnings","exact","processes":[{"pid","comm","runtime","totals":[7],"classes":[136][7],"check","lost"}],
 *  "samples":[{"pid","type","span_class","values":[7],"truncated","stack":[["function","file",line],…]}]}
 * Stacks are leaf first, with inlined frames expanded. Values are in the order of enum profile_value, null if not
 * measured.
 */
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "profile/pprof.h"

static cJSON *number_or_null(int64_t value)
{
	return value == VALUE_UNMEASURED ? cJSON_CreateNull() : cJSON_CreateNumber((double)value);
}

static cJSON *values_array(const int64_t values[VALUE_COUNT], uint32_t measured)
{
	cJSON *array = cJSON_CreateArray();

	for (int i = 0; i < VALUE_COUNT; i++)
		cJSON_AddItemToArray(array, measured & 1u << i ? number_or_null(values[i]) : cJSON_CreateNull());
	return array;
}

static cJSON *process_object(const struct profile_process *process)
{
	cJSON *object = cJSON_CreateObject(), *classes = cJSON_AddArrayToObject(object, "classes"), *part;

	cJSON_AddNumberToObject(object, "pid", process->pid);
	cJSON_AddStringToObject(object, "comm", process->comm ? process->comm : "");
	cJSON_AddStringToObject(object, "runtime", process->runtime ? process->runtime : "");
	cJSON_AddItemToObject(object, "totals", values_array(process->totals, UINT32_MAX));
	for (int i = 0; i < SPAN_CLASSES; i++)
		cJSON_AddItemToArray(classes, values_array(process->class_totals[i], UINT32_MAX));
	if (process->check.present) {
		part = cJSON_AddObjectToObject(object, "check");
		cJSON_AddStringToObject(part, "source", process->check.source);
		cJSON_AddNumberToObject(part, "objects", (double)process->check.objects);
		cJSON_AddNumberToObject(part, "difference", (double)process->check.difference);
		cJSON_AddNumberToObject(part, "bound", (double)process->check.bound);
	} else {
		cJSON_AddNullToObject(object, "check");
	}
	part = cJSON_AddObjectToObject(object, "lost");
	cJSON_AddNumberToObject(part, "events", (double)process->lost_events);
	cJSON_AddNumberToObject(part, "stacks", (double)process->lost_stacks);
	return object;
}

static cJSON *stack_array(const struct profile_stack *stack)
{
	cJSON *array = cJSON_CreateArray();

	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			const struct profile_frame *frame = &location->frames[j];
			cJSON *item = cJSON_CreateArray();

			cJSON_AddItemToArray(item, cJSON_CreateString(frame->function ? frame->function : ""));
			cJSON_AddItemToArray(item, cJSON_CreateString(frame->file ? frame->file : ""));
			cJSON_AddItemToArray(item, cJSON_CreateNumber(frame->line));
			cJSON_AddItemToArray(array, item);
		}
	}
	return array;
}

static cJSON *sample_object(const struct profile *profile, const struct profile_sample *sample)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "pid", sample->key.pid);
	if (sample->key.type)
		cJSON_AddStringToObject(object, "type", sample->key.type);
	else
		cJSON_AddNullToObject(object, "type");
	cJSON_AddNumberToObject(object, "span_class", sample->key.span_class);
	cJSON_AddItemToObject(object, "values", values_array(sample->values, profile->row_measured));
	cJSON_AddBoolToObject(object, "truncated", sample->key.stack->truncated);
	cJSON_AddItemToObject(object, "stack", stack_array(sample->key.stack));
	return object;
}

int main(int argc, char **argv)
{
	struct error error;
	struct profile *profile;
	cJSON *document, *part;
	char *text;

	if (argc != 2) {
		fprintf(stderr, "usage: profile_dump FILE\n");
		return STATUS_USAGE;
	}
	profile = pprof_read(argv[1], &error);
	if (!profile) {
		fprintf(stderr, "profile_dump: %s\n", error.text);
		return error.status;
	}
	document = cJSON_CreateObject();
	cJSON_AddNumberToObject(document, "start_ns", (double)profile->start_ns);
	cJSON_AddNumberToObject(document, "rate", (double)profile->rate);
	part = cJSON_AddArrayToObject(document, "warnings");
	for (size_t i = 0; i < profile->warning_count; i++)
		cJSON_AddItemToArray(part, cJSON_CreateString(profile->warnings[i]));
	part = cJSON_AddObjectToObject(document, "exact");
	cJSON_AddBoolToObject(part, "totals", profile->totals_exact);
	cJSON_AddBoolToObject(part, "rows", profile->rows_exact);
	part = cJSON_AddArrayToObject(document, "processes");
	for (size_t i = 0; i < profile->process_count; i++)
		cJSON_AddItemToArray(part, process_object(&profile->processes[i]));
	part = cJSON_AddArrayToObject(document, "samples");
	for (size_t i = 0; i < profile->sample_count; i++)
		cJSON_AddItemToArray(part, sample_object(profile, profile->samples[i]));
	text = cJSON_PrintUnformatted(document);
	puts(text);
	free(text);
	cJSON_Delete(document);
	profile_free(profile);
	return 0;
}
