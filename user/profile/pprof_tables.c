/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_tables.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

int pprof_tables_string(const struct pprof_tables *tables, int64_t index, const char **text)
{
	if (index < 0 || (uint64_t)index >= tables->message->n_string_table)
		return pprof_source_malformed(tables->source, "string %" PRId64 " of %zu", index,
					      tables->message->n_string_table);
	*text = tables->message->string_table[index];
	if (!**text)
		*text = NULL;
	return 0;
}

/* Each profile's strings begin with an empty one, and its sample types come once. */
bool pprof_tables_concatenated(const struct pprof_tables *tables)
{
	const Perftools__Profiles__Profile *message = tables->message;

	/* A table of strings begins with the empty one, and has each string once. */
	for (size_t i = 1; message->n_sample_type > 1 && i < message->n_string_table; i++) {
		if (!message->string_table[i][0]) {
			pprof_source_malformed(tables->source,
					       "it is two profiles, one behind the other; give each in a "
					       "file of its own, or merge them with 'go tool pprof -proto'");
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

static int id_table_finish(const struct pprof_tables *tables, struct pprof_id_table *table, const char *kind)
{
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
		table->dense[table->rows[i].id] = &table->rows[i];
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

	if (table->dense) {
		row = id < table->dense_count ? table->dense[id] : NULL;
		return row ? row->thing : NULL;
	}
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
		tables->mappings.rows[tables->mappings.count++] =
			(struct pprof_id_row){from->id, profile_mapping(tables->profile, &mapping)};
	}
	return id_table_finish(tables, &tables->mappings, "mapping");
}

static int read_functions(struct pprof_tables *tables)
{
	const Perftools__Profiles__Profile *message = tables->message;

	id_table_new(&tables->functions, message->n_function);
	for (size_t i = 0; i < message->n_function; i++)
		tables->functions.rows[tables->functions.count++] =
			(struct pprof_id_row){message->function[i]->id, message->function[i]};
	return id_table_finish(tables, &tables->functions, "function");
}

/* Lines and columns are small numbers; any other number counts as unknown. */
static uint32_t position(int64_t number)
{
	return number < 0 || number > INT32_MAX ? 0 : (uint32_t)number;
}

static int read_frame(struct pprof_tables *tables, const Perftools__Profiles__Line *line, struct profile_frame *frame)
{
	const Perftools__Profiles__Function *function;

	*frame = (struct profile_frame){.line = position(line->line), .column = position(line->column)};
	if (line->function_id == 0)
		return 0;
	function = id_table_find(&tables->functions, line->function_id);
	if (!function)
		return pprof_source_malformed(tables->source, "no function has id %" PRIu64, line->function_id);
	frame->start_line = position(function->start_line);
	return pprof_tables_string(tables, function->name, &frame->function) ||
			       pprof_tables_string(tables, function->filename, &frame->file)
		       ? -1
		       : 0;
}

static int read_location(struct pprof_tables *tables, const Perftools__Profiles__Location *from,
			 const struct profile_location **location)
{
	const struct profile_mapping *mapping = NULL;
	struct profile_frame *frames;
	int result = 0;

	if (from->mapping_id) {
		mapping = id_table_find(&tables->mappings, from->mapping_id);
		if (!mapping)
			return pprof_source_malformed(tables->source, "no mapping has id %" PRIu64, from->mapping_id);
	}
	frames = memory_zeroed(from->n_line + 1, sizeof(*frames));
	for (size_t i = 0; i < from->n_line && result == 0; i++)
		result = read_frame(tables, from->line[i], &frames[i]);
	if (result == 0)
		*location = profile_location(tables->profile, from->address, mapping, frames, (uint32_t)from->n_line);
	free(frames);
	return result;
}

static int read_locations(struct pprof_tables *tables)
{
	const Perftools__Profiles__Profile *message = tables->message;

	id_table_new(&tables->locations, message->n_location);
	for (size_t i = 0; i < message->n_location; i++) {
		const struct profile_location *location = NULL;

		if (read_location(tables, message->location[i], &location))
			return -1;
		tables->locations.rows[tables->locations.count++] =
			(struct pprof_id_row){message->location[i]->id, location};
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
}
