/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_read_samples.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/pprof_format.h"

struct reader {
	const struct pprof_tables *tables;
	struct pprof_columns *columns;
	int64_t *values; /* values of one sample, in the file's order */
};

/* The fields of a sample, which may come in any order. */
struct raw_sample {
	const struct profile_location *locations[STACK_DEPTH_MAX];
	size_t location_count, value_count;
	struct profile_key key;
	int group; /* of bursts, from 1; 0: of none */
	bool truncated;
};

static int read_label(struct reader *reader, struct wire_bytes bytes, struct raw_sample *sample)
{
	uint64_t numbers[PPROF_LABEL_NUM + 1] = {0};
	struct profile_key *key = &sample->key;
	const char *name, *text;
	int64_t number;

	if (!wire_take_numbers(bytes, numbers, PPROF_LABEL_NUM))
		return pprof_source_truncated(reader->tables->source);
	number = (int64_t)numbers[PPROF_LABEL_NUM];
	if (pprof_tables_string(reader->tables, (int64_t)numbers[PPROF_LABEL_KEY], &name) ||
	    pprof_tables_string(reader->tables, (int64_t)numbers[PPROF_LABEL_STR], &text))
		return -1;
	if (!name)
		return 0;
	if (strcmp(name, PPROF_LABEL_SPAN_CLASS) == 0) {
		char *end;
		long class = text ? strtol(text, &end, 10) : number;

		if ((text && (end == text || *end)) || class < 0 || class >= SPAN_CLASSES)
			return pprof_source_malformed(reader->tables->source, "span class '%s'",
						      text ? text : "out of range");
		key->span_class = (int)class;
	} else if (strcmp(name, PPROF_LABEL_PID) == 0) {
		if (number < 0 || number > INT32_MAX)
			return pprof_source_malformed(reader->tables->source, "process id %" PRId64, number);
		key->pid = (int)number;
	} else if (strcmp(name, PPROF_LABEL_RATE) == 0) {
		if (number < 0)
			return pprof_source_malformed(reader->tables->source, "rate %" PRId64, number);
		key->rate = number;
	} else if (strcmp(name, PPROF_LABEL_BURST) == 0) {
		if (number < 0 || number > BURST_GROUPS)
			return pprof_source_malformed(reader->tables->source, "group of bursts %" PRId64, number);
		sample->group = (int)number;
	} else if (strcmp(name, PPROF_LABEL_TYPE) == 0) {
		key->type = text;
	} else if (strcmp(name, PPROF_LABEL_COMM) == 0) {
		key->comm = text;
	} else if (strcmp(name, PPROF_LABEL_STACK) == 0) {
		sample->truncated = text && strcmp(text, "truncated") == 0;
	}
	return 0;
}

/*
 * Go's heap profiles contain only estimates, but it is known how these were made: runtime/pprof multiplies the number
 * of sampled objects of one size at a stack by 1 / (1 - exp(-size / rate)). Dividing by that gives the number of events
 * behind the estimate.
 */
static int64_t events_behind(int64_t objects, int64_t bytes, int64_t rate)
{
	double mean = (double)bytes / (double)objects;

	return objects ? (int64_t)fmax(1, round((double)objects * -expm1(-mean / (double)rate))) : 0;
}

static int take_location(struct reader *reader, struct raw_sample *sample, uint64_t id)
{
	const struct profile_location *location;

	if (sample->location_count++ >= STACK_DEPTH_MAX)
		return 0;
	location = pprof_tables_location(reader->tables, id);
	if (!location)
		return pprof_source_malformed(reader->tables->source, "no location has id %" PRIu64, id);
	sample->locations[sample->location_count - 1] = location;
	return 0;
}

static int take_number(struct reader *reader, struct raw_sample *sample, uint64_t field, uint64_t number)
{
	if (field == PPROF_SAMPLE_LOCATION)
		return take_location(reader, sample, number);
	if (sample->value_count < reader->tables->message->n_sample_type)
		reader->values[sample->value_count] = (int64_t)number;
	sample->value_count++;
	return 0;
}

static int take_sample_field(struct reader *reader, struct raw_sample *sample, const struct wire_field *field)
{
	struct wire_bytes packed = field->content;
	uint64_t number;

	if (field->number == PPROF_SAMPLE_LABEL && field->wire == WIRE_BYTES)
		return read_label(reader, field->content, sample);
	if (field->number > PPROF_SAMPLE_LABEL)
		return 0;
	if (field->number == PPROF_SAMPLE_LABEL || (field->wire != WIRE_VARINT && field->wire != WIRE_BYTES))
		return pprof_source_truncated(reader->tables->source);
	if (field->wire == WIRE_VARINT)
		return take_number(reader, sample, field->number, field->value);
	while (packed.next < packed.end) {
		if (!wire_take_varint(&packed, &number))
			return pprof_source_truncated(reader->tables->source);
		if (take_number(reader, sample, field->number, number))
			return -1;
	}
	return 0;
}

static int read_values(struct reader *reader, const struct raw_sample *sample, int64_t values[VALUE_COUNT])
{
	if (sample->value_count != reader->tables->message->n_sample_type)
		return pprof_tables_concatenated(reader->tables)
			       ? -1
			       : pprof_source_malformed(reader->tables->source,
							"a sample has %zu values for %zu sample types",
							sample->value_count, reader->tables->message->n_sample_type);
	for (int value = 0; value < VALUE_COUNT; value++) {
		int index = reader->columns->index[value];

		values[value] = index < 0 ? 0 : reader->values[index];
		if (values[value] < 0 && profile_values[value].kinds & VALUE_LIVE) {
			/* heap?seconds=10 of net/http/pprof: what was allocated in that time, and how much more is in use */
			reader->columns->live_falls = true;
			values[value] = 0;
		}
		if (values[value] < 0)
			return error_set(reader->tables->source->error, STATUS_USAGE,
					 "profile '%s' has a negative value: it is the difference of two profiles "
					 "(-base); give one that was measured",
					 reader->tables->source->name);
		if (index >= 0 && __builtin_mul_overflow(values[value], reader->columns->unit[value], &values[value]))
			values[value] = INT64_MAX;
	}
	if (reader->columns->go_heap)
		values[VALUE_SAMPLES] =
			events_behind(values[VALUE_OBJECTS], values[VALUE_BYTES], reader->columns->period);
	return 0;
}

static int read_sample(struct reader *reader, struct wire_bytes bytes)
{
	struct raw_sample sample;
	int64_t values[VALUE_COUNT];
	struct wire_field field;
	uint32_t depth;

	sample.location_count = sample.value_count = 0;
	sample.group = 0;
	sample.truncated = false;
	sample.key = (struct profile_key){.span_class = SPAN_CLASS_UNKNOWN};
	while (bytes.next < bytes.end) {
		if (!wire_take_field(&bytes, &field))
			return pprof_source_truncated(reader->tables->source);
		if (take_sample_field(reader, &sample, &field))
			return -1;
	}
	if (read_values(reader, &sample, values))
		return -1;
	depth = sample.location_count < STACK_DEPTH_MAX ? (uint32_t)sample.location_count : STACK_DEPTH_MAX;
	sample.key.stack = profile_stack(reader->tables->profile, sample.locations, depth,
					 sample.truncated || sample.location_count > depth);
	sample.key.bursts = sample.group > 0;
	if (sample.group)
		profile_add_group(reader->tables->profile, &sample.key, sample.group - 1, values);
	else
		profile_add(reader->tables->profile, &sample.key, values);
	return 0;
}

static int read_all(struct reader *reader, size_t memory_max)
{
	struct pprof_source *source = reader->tables->source;
	struct wire_field field;
	struct wire_bytes all;
	int status;

	if (pprof_source_rewind(source))
		return -1;
	while ((status = pprof_source_field(source, &field, &all)) > 0) {
		if (field.number != PPROF_SAMPLE || field.wire != WIRE_BYTES)
			continue;
		if (read_sample(reader, field.content))
			return -1;
		if (profile_memory(reader->tables->profile) > memory_max)
			return pprof_source_too_large(source,
						      "its samples take more than %zu MiB of memory; record "
						      "at a coarser --rate or with --no-stacks",
						      memory_max >> 20);
	}
	return status;
}

int pprof_read_samples(const struct pprof_tables *tables, struct pprof_columns *columns, size_t memory_max)
{
	struct reader reader = {.tables = tables, .columns = columns};
	int status;

	reader.values = memory_zeroed(tables->message->n_sample_type, sizeof(*reader.values));
	status = read_all(&reader, memory_max);
	free(reader.values);
	return status;
}
