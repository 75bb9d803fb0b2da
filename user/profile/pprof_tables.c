/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_tables.h"
#include "base/memory.h"
#include "profile/pprof_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int pprof_tables_string(const struct pprof_tables *tables, int64_t index, const char **text)
{
	const struct pprof_parts *parts = tables->parts;

	if (index < 0 || (uint64_t)index >= parts->strings.count)
		return pprof_source_malformed(tables->source, "string %" PRId64 " of %zu", index, parts->strings.count);
	*text = (const char *)parts->strings.bytes + parts->string_at[index];
	if (!**text)
		*text = NULL;
	return 0;
}

/* Each profile's strings begin with an empty one, and its sample types come once. */
bool pprof_tables_concatenated(const struct pprof_tables *tables)
{
	const struct pprof_parts *parts = tables->parts;

	/* A table of strings begins with the empty one, and has each string once. */
	for (size_t i = 1; tables->message->n_sample_type > 1 && i < parts->strings.count; i++) {
		if (!parts->strings.bytes[parts->string_at[i]]) {
			pprof_source_malformed(tables->source,
					       "it is two profiles, one behind the other; give each in a "
					       "file of its own (a later heap profile of a process includes "
					       "its earlier ones)");
			return true;
		}
	}
	return false;
}

/* --- identifiers --- */

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = ((const struct pprof_id_row *)a)->id, right = ((const struct pprof_id_row *)b)->id;

	return left < right ? -1 : left > right;
}

static void id_table_new(struct pprof_id_table *table, size_t count)
{
	table->rows = memory_zeroed(count + 1, sizeof(*table->rows));
	table->count = 0;
}

static void id_table_add(struct pprof_id_table *table, uint64_t id, const void *thing)
{
	table->rows[table->count++] = (struct pprof_id_row){id, thing};
}

static bool is_sorted(const struct pprof_id_table *table)
{
	for (size_t i = 1; i < table->count; i++) {
		if (table->rows[i].id < table->rows[i - 1].id)
			return false;
	}
	return true;
}

static int id_table_finish(const struct pprof_tables *tables, struct pprof_id_table *table, const char *kind)
{
	if (!is_sorted(table))
		qsort(table->rows, table->count, sizeof(*table->rows), compare_ids);
	for (size_t i = 0; i < table->count; i++) {
		if (table->rows[i].id == 0)
			return pprof_source_malformed(tables->source, "a %s has id 0", kind);
		if (i && table->rows[i].id == table->rows[i - 1].id)
			return pprof_tables_concatenated(tables)
				       ? -1
				       : pprof_source_malformed(tables->source, "two %ss have id %" PRIu64, kind,
								table->rows[i].id);
	}
	/* Most writers number identifiers from 1 on, so an array by id is possible. */
	if (!table->count || table->rows[table->count - 1].id > 4 * table->count)
		return 0;
	table->dense_count = table->rows[table->count - 1].id + 1;
	table->dense = memory_zeroed(table->dense_count, sizeof(*table->dense));
	for (size_t i = 0; i < table->count; i++)
		table->dense[table->rows[i].id] = table->rows[i].thing;
	free(table->rows);
	table->rows = NULL;
	return 0;
}

static void id_table_free(struct pprof_id_table *table)
{
	free(table->rows);
	free(table->dense);
}

static const void *id_table_find(const struct pprof_id_table *table, uint64_t id)
{
	const struct pprof_id_row key = {.id = id}, *row;

	if (table->dense)
		return id < table->dense_count ? table->dense[id] : NULL;
	row = bsearch(&key, table->rows, table->count, sizeof(*table->rows), compare_ids);
	return row ? row->thing : NULL;
}

/* --- mappings, functions and locations --- */

static int read_mappings(struct pprof_tables *tables)
{
	const Perftools__Profiles__Profile *message = tables->message;

	id_table_new(&tables->mappings, message->n_mapping);
	for (size_t i = 0; i < message->n_mapping; i++) {
		const Perftools__Profiles__Mapping *from = message->mapping[i];
		struct profile_mapping mapping = {
			.start = from->memory_start, .limit = from->memory_limit, .offset = from->file_offset};

		if (pprof_tables_string(tables, from->filename, &mapping.file) ||
		    pprof_tables_string(tables, from->build_id, &mapping.build_id))
			return -1;
		id_table_add(&tables->mappings, from->id, profile_mapping(tables->profile, &mapping));
	}
	return id_table_finish(tables, &tables->mappings, "mapping");
}

/* Lines and columns are small numbers; any other number counts as unknown. */
static uint32_t position(uint64_t number)
{
	return number > INT32_MAX ? 0 : (uint32_t)number;
}

/* Takes the next field of a part; false at its end. The reader of the parts has checked that fields are whole. */
static bool next_message(struct wire_bytes *part, struct wire_bytes *message)
{
	struct wire_field field;

	if (part->next == part->end || !wire_take_field(part, &field))
		return false;
	*message = field.content;
	return true;
}

static struct wire_bytes bytes_of(const struct pprof_part *part)
{
	return part->size ? (struct wire_bytes){part->bytes, part->bytes + part->size}
			  : (struct wire_bytes){NULL, NULL};
}

static int read_functions(struct pprof_tables *tables)
{
	struct wire_bytes all = bytes_of(&tables->parts->functions), message;
	struct pprof_function *function;

	id_table_new(&tables->functions, tables->parts->functions.count);
	function = tables->function_list = memory_zeroed(tables->parts->functions.count + 1, sizeof(*function));
	for (; next_message(&all, &message); function++) {
		uint64_t numbers[PPROF_FUNCTION_START_LINE + 1] = {0};

		if (!wire_take_numbers(message, numbers, PPROF_FUNCTION_START_LINE))
			return pprof_source_truncated(tables->source);
		if (pprof_tables_string(tables, (int64_t)numbers[PPROF_FUNCTION_NAME], &function->name) ||
		    pprof_tables_string(tables, (int64_t)numbers[PPROF_FUNCTION_FILE], &function->file))
			return -1;
		function->name = profile_string(tables->profile, function->name);
		function->file = profile_path(tables->profile, function->file);
		function->start_line = position(numbers[PPROF_FUNCTION_START_LINE]);
		id_table_add(&tables->functions, numbers[PPROF_FUNCTION_ID], function);
	}
	return id_table_finish(tables, &tables->functions, "function");
}

static int read_frame(struct pprof_tables *tables, struct wire_bytes message, struct profile_frame *frame)
{
	uint64_t numbers[PPROF_LINE_COLUMN + 1] = {0};
	const struct pprof_function *function;

	if (!wire_take_numbers(message, numbers, PPROF_LINE_COLUMN))
		return pprof_source_truncated(tables->source);
	memset(frame, 0, sizeof(*frame)); /* the padding too: locations are compared by their bytes */
	frame->line = position(numbers[PPROF_LINE_LINE]);
	frame->column = position(numbers[PPROF_LINE_COLUMN]);
	if (numbers[PPROF_LINE_FUNCTION] == 0)
		return 0;
	function = id_table_find(&tables->functions, numbers[PPROF_LINE_FUNCTION]);
	if (!function)
		return pprof_source_malformed(tables->source, "no function has id %" PRIu64,
					      numbers[PPROF_LINE_FUNCTION]);
	frame->function = function->name;
	frame->file = function->file;
	frame->start_line = function->start_line;
	return 0;
}

/* Returns the place for one more frame of this location; NULL with an error if all locations have too many. */
static struct profile_frame *frame_at(struct pprof_tables *tables, size_t count)
{
	if (++tables->frame_total > tables->memory_max / sizeof(*tables->frames)) {
		pprof_source_too_large(tables->source, PPROF_REST_TOO_LARGE, tables->memory_max >> 20);
		return NULL;
	}
	if (count == tables->frame_capacity) {
		tables->frame_capacity = tables->frame_capacity ? 2 * tables->frame_capacity : 64;
		tables->frames = memory_resize(tables->frames, tables->frame_capacity, sizeof(*tables->frames));
	}
	return &tables->frames[count];
}

static int read_location(struct pprof_tables *tables, struct wire_bytes message)
{
	uint64_t numbers[PPROF_LOCATION_ADDRESS + 1] = {0};
	const struct profile_mapping *mapping = NULL;
	struct profile_frame *frame;
	struct wire_field field;
	uint32_t count = 0;

	while (message.next < message.end) {
		if (!wire_take_field(&message, &field))
			return pprof_source_truncated(tables->source);
		if (field.number > PPROF_LOCATION_LINE)
			continue;
		if (field.wire != (field.number == PPROF_LOCATION_LINE ? WIRE_BYTES : WIRE_VARINT))
			return pprof_source_truncated(tables->source);
		if (field.number < PPROF_LOCATION_LINE)
			numbers[field.number] = field.value;
		else if (!(frame = frame_at(tables, count++)) || read_frame(tables, field.content, frame))
			return -1;
	}
	if (numbers[PPROF_LOCATION_MAPPING]) {
		mapping = id_table_find(&tables->mappings, numbers[PPROF_LOCATION_MAPPING]);
		if (!mapping)
			return pprof_source_malformed(tables->source, "no mapping has id %" PRIu64,
						      numbers[PPROF_LOCATION_MAPPING]);
	}
	id_table_add(
		&tables->locations, numbers[PPROF_LOCATION_ID],
		profile_location_of(tables->profile, numbers[PPROF_LOCATION_ADDRESS], mapping, tables->frames, count));
	return 0;
}

static int read_locations(struct pprof_tables *tables)
{
	struct wire_bytes all = bytes_of(&tables->parts->locations), message;

	id_table_new(&tables->locations, tables->parts->locations.count);
	while (next_message(&all, &message)) {
		if (read_location(tables, message))
			return -1;
	}
	return id_table_finish(tables, &tables->locations, "location");
}

int pprof_tables_read(struct pprof_tables *tables)
{
	return read_mappings(tables) || read_functions(tables) || read_locations(tables) ? -1 : 0;
}

const struct profile_mapping *pprof_tables_mapping(const struct pprof_tables *tables, uint64_t id)
{
	return id_table_find(&tables->mappings, id);
}

const struct profile_location *pprof_tables_location(const struct pprof_tables *tables, uint64_t id)
{
	return id_table_find(&tables->locations, id);
}

void pprof_tables_free(struct pprof_tables *tables)
{
	id_table_free(&tables->mappings);
	id_table_free(&tables->functions);
	id_table_free(&tables->locations);
	free(tables->function_list);
	free(tables->frames);
}
