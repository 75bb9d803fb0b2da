/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a pprof file that anybody may have written, with any intention: sizes are bounded before memory is
 * taken, each index and each identifier is checked before it is followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "pprof.h"
#include "pprof_format.h"
#include "profile.pb-c.h"

/*
 * A million deep stacks serialize to less than 256 MiB and take a few times as much when they are unpacked; every
 * allocation of a cold `go test`, compilers and all, is five million rows in 700 MiB. More than that, or than the
 * machine can hold, is a mistake, or meant to eat its memory.
 */
#define FILE_BYTES_LEAST ((size_t)256 << 20)
#define FILE_BYTES_MOST	 ((size_t)1 << 30)
#define FILES_IN_MEMORY	 16 /* what a file takes in the end, and as much for others */
#define MESSAGE_FACTOR	 8  /* unpacked, of the file's bytes */

typedef Perftools__Profiles__Profile Message;

/* From the file's identifiers, any numbers but 0, to what they stand for. */
struct id_table {
	struct id_row {
		uint64_t id;
		const void *thing;
	} * rows; /* sorted */
	size_t count;
};

struct reader {
	const char *name; /* of the file, for messages */
	struct error *error;
	const Message *message;
	struct profile *profile;
	int type_index[VALUE_COUNT]; /* of each value among the file's sample types, -1 where it has none */
	bool go_heap;		     /* written by Go's runtime/pprof */
	struct id_table mappings, functions, locations;
};

static int malformed(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int malformed(struct reader *reader, const char *format, ...)
{
	char what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	return error_set(reader->error, STATUS_USAGE, "profile '%s' is malformed: %s", reader->name, what);
}

/* --- bytes --- */

static int read_failed(gzFile file, const char *name, struct error *error)
{
	int code;
	const char *text = gzerror(file, &code);

	switch (code) {
	case Z_BUF_ERROR:
		return error_set(error, STATUS_USAGE, "profile '%s' is truncated: its gzip data ends early",
				 name);
	case Z_ERRNO:
		return error_set(error, STATUS_USAGE, "cannot read '%s': %s", name, strerror(errno));
	default:
		return error_set(error, STATUS_USAGE, "profile '%s' is corrupt: gzip says '%s'", name, text);
	}
}

static size_t file_bytes_max(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	size_t share = pages > 0 && page_size > 0 ? (size_t)pages / FILES_IN_MEMORY * (size_t)page_size : 0;

	return share < FILE_BYTES_LEAST ? FILE_BYTES_LEAST : share > FILE_BYTES_MOST ? FILE_BYTES_MOST : share;
}

/* The whole file, decompressed where it is gzip. The caller frees it. */
static uint8_t *read_bytes(gzFile file, const char *name, size_t *size, struct error *error)
{
	size_t capacity = 0, most = file_bytes_max();
	uint8_t *bytes = NULL;

	*size = 0;
	for (;;) {
		int code, count;

		if (*size == capacity) {
			if (capacity >= most) {
				error_set(error, STATUS_USAGE,
					  "profile '%s' is too large: more than %zu MiB uncompressed; record at a coarser "
					  "--rate or with --no-stacks", name, most >> 20);
				break;
			}
			capacity = capacity ? capacity * 2 : 1 << 16;
			capacity = capacity < most ? capacity : most;
			bytes = realloc(bytes, capacity);
			if (!bytes)
				abort();
		}
		count = gzread(file, bytes + *size, (unsigned)(capacity - *size));
		gzerror(file, &code);
		if (count < 0 || (count == 0 && code != Z_OK && code != Z_STREAM_END)) {
			read_failed(file, name, error);
			break;
		}
		if (count == 0)
			return bytes;
		*size += (size_t)count;
	}
	free(bytes);
	return NULL;
}

static uint8_t *read_file(const char *path, const char *name, size_t *size, struct error *error)
{
	bool standard_input = strcmp(path, "-") == 0;
	int descriptor = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	gzFile file = descriptor < 0 ? NULL : gzdopen(descriptor, "rb");
	uint8_t *bytes;

	if (!file) {
		error_set(error, STATUS_USAGE, "cannot open profile '%s': %s", name, strerror(errno));
		if (descriptor >= 0)
			close(descriptor);
		return NULL;
	}
	bytes = read_bytes(file, name, size, error);
	gzclose(file);
	return bytes;
}

/* --- message --- */

struct budget {
	size_t left;
};

static void *budget_allocate(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return malloc(size);
}

static void budget_free(void *data, void *memory)
{
	(void)data;
	free(memory);
}

/*
 * Whether these bytes begin as profiles do: with a ValueType, either the first sample type or (Go) the
 * period's type. Tells a damaged profile from some other file.
 */
static bool begins_like_a_profile(const uint8_t *bytes, size_t size)
{
	enum { SAMPLE_TYPE = 0x0a, PERIOD_TYPE = 0x5a, TYPE_OF_VALUE_TYPE = 0x08, VALUE_TYPE_MAX = 22 };

	if (size < 3)
		return bytes[0] == SAMPLE_TYPE;
	return (bytes[0] == SAMPLE_TYPE || bytes[0] == PERIOD_TYPE) &&
	       (bytes[1] == 0 || (bytes[1] <= VALUE_TYPE_MAX && bytes[2] == TYPE_OF_VALUE_TYPE));
}

static Message *unpack(const uint8_t *bytes, size_t size, const char *name, struct error *error)
{
	struct budget budget = {MESSAGE_FACTOR * file_bytes_max()};
	ProtobufCAllocator allocator = {budget_allocate, budget_free, &budget};
	Message *message = perftools__profiles__profile__unpack(&allocator, size, bytes);

	if (message && message->n_sample_type && message->n_string_table)
		return message;
	error_set(error, STATUS_USAGE,
		  begins_like_a_profile(bytes, size) ? "profile '%s' is truncated or corrupt"
						     : "'%s' is not a pprof profile: expected what "
						       "'escapement record' or runtime/pprof writes",
		  name);
	if (message)
		perftools__profiles__profile__free_unpacked(message, NULL);
	return NULL;
}

/* A string of the table; NULL for "". Fails on a bad index. */
static int get_string(struct reader *reader, int64_t index, const char **text)
{
	if (index < 0 || (uint64_t)index >= reader->message->n_string_table)
		return malformed(reader, "string %" PRId64 " of %zu", index, reader->message->n_string_table);
	*text = reader->message->string_table[index];
	if (!**text)
		*text = NULL;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = ((const struct id_row *)a)->id, right = ((const struct id_row *)b)->id;

	return left < right ? -1 : left > right;
}

static void id_table_new(struct id_table *table, size_t count)
{
	table->rows = calloc(count + 1, sizeof(*table->rows));
	if (!table->rows)
		abort();
	table->count = 0;
}

static int id_table_finish(struct reader *reader, struct id_table *table, const char *kind)
{
	qsort(table->rows, table->count, sizeof(*table->rows), compare_ids);
	for (size_t i = 0; i < table->count; i++) {
		if (table->rows[i].id == 0)
			return malformed(reader, "a %s has id 0", kind);
		if (i && table->rows[i].id == table->rows[i - 1].id)
			return malformed(reader, "two %ss have id %" PRIu64, kind, table->rows[i].id);
	}
	return 0;
}

static const void *id_table_find(const struct id_table *table, uint64_t id)
{
	const struct id_row key = {.id = id}, *row;

	/* Most writers number from 1 on. */
	if (id - 1 < table->count && table->rows[id - 1].id == id)
		return table->rows[id - 1].thing;
	row = bsearch(&key, table->rows, table->count, sizeof(*table->rows), compare_ids);
	return row ? row->thing : NULL;
}

/* --- profile --- */

static bool is_go_heap(struct reader *reader)
{
	static const char *const types[] = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"};
	const Message *message = reader->message;
	const char *period;

	if (message->n_sample_type != 4 || !message->period_type || message->period <= 0 ||
	    get_string(reader, message->period_type->type, &period) || !period ||
	    strcmp(period, "space") != 0)
		return false;
	for (int i = 0; i < 4; i++) {
		const char *name;

		if (get_string(reader, message->sample_type[i]->type, &name) || !name ||
		    strcmp(name, types[i]) != 0)
			return false;
	}
	return true;
}

static int read_types(struct reader *reader)
{
	const Message *message = reader->message;
	char found[256] = "";

	for (int value = 0; value < VALUE_COUNT; value++)
		reader->type_index[value] = -1;
	for (size_t i = 0; i < message->n_sample_type; i++) {
		const char *name, *unit;
		size_t length = strlen(found);

		if (get_string(reader, message->sample_type[i]->type, &name) ||
		    get_string(reader, message->sample_type[i]->unit, &unit))
			return -1;
		for (int value = 0; value < VALUE_COUNT && name && unit; value++) {
			if (strcmp(name, pprof_sample_types[value].name) == 0 &&
			    strcmp(unit, pprof_sample_types[value].unit) == 0)
				reader->type_index[value] = (int)i;
		}
		snprintf(found + length, sizeof(found) - length, "%s%s", i ? ", " : "", name ? name : "");
	}
	reader->go_heap = is_go_heap(reader);
	if (reader->type_index[VALUE_OBJECTS] < 0 && reader->type_index[VALUE_BYTES] < 0)
		return error_set(
			reader->error, STATUS_USAGE,
			"profile '%s' does not measure allocations: it has %s, but neither alloc_objects nor "
			"alloc_space",
			reader->name, found);
	return 0;
}

static int read_mappings(struct reader *reader)
{
	const Message *message = reader->message;

	id_table_new(&reader->mappings, message->n_mapping);
	for (size_t i = 0; i < message->n_mapping; i++) {
		const Perftools__Profiles__Mapping *from = message->mapping[i];
		struct profile_mapping mapping = {.start = from->memory_start,
						  .limit = from->memory_limit,
						  .offset = from->file_offset};

		if (get_string(reader, from->filename, &mapping.file) ||
		    get_string(reader, from->build_id, &mapping.build_id))
			return -1;
		reader->mappings.rows[reader->mappings.count++] =
			(struct id_row){from->id, profile_mapping(reader->profile, &mapping)};
	}
	return id_table_finish(reader, &reader->mappings, "mapping");
}

static int read_functions(struct reader *reader)
{
	const Message *message = reader->message;

	id_table_new(&reader->functions, message->n_function);
	for (size_t i = 0; i < message->n_function; i++)
		reader->functions.rows[reader->functions.count++] =
			(struct id_row){message->function[i]->id, message->function[i]};
	return id_table_finish(reader, &reader->functions, "function");
}

/* Lines and columns are small numbers; anything else is unknown. */
static uint32_t position(int64_t number)
{
	return number < 0 || number > INT32_MAX ? 0 : (uint32_t)number;
}

static int read_frame(struct reader *reader, const Perftools__Profiles__Line *line,
		      struct profile_frame *frame)
{
	const Perftools__Profiles__Function *function;

	*frame = (struct profile_frame){.line = position(line->line), .column = position(line->column)};
	if (line->function_id == 0)
		return 0;
	function = id_table_find(&reader->functions, line->function_id);
	if (!function)
		return malformed(reader, "no function has id %" PRIu64, line->function_id);
	frame->start_line = position(function->start_line);
	return get_string(reader, function->name, &frame->function) ||
			       get_string(reader, function->filename, &frame->file)
		       ? -1
		       : 0;
}

static int read_location(struct reader *reader, const Perftools__Profiles__Location *from,
			 const struct profile_location **location)
{
	const struct profile_mapping *mapping = NULL;
	struct profile_frame *frames;
	int result = 0;

	if (from->mapping_id) {
		mapping = id_table_find(&reader->mappings, from->mapping_id);
		if (!mapping)
			return malformed(reader, "no mapping has id %" PRIu64, from->mapping_id);
	}
	frames = calloc(from->n_line + 1, sizeof(*frames));
	if (!frames)
		abort();
	for (size_t i = 0; i < from->n_line && result == 0; i++)
		result = read_frame(reader, from->line[i], &frames[i]);
	if (result == 0)
		*location = profile_location(reader->profile, from->address, mapping, frames,
					     (uint32_t)from->n_line);
	free(frames);
	return result;
}

static int read_locations(struct reader *reader)
{
	const Message *message = reader->message;

	id_table_new(&reader->locations, message->n_location);
	for (size_t i = 0; i < message->n_location; i++) {
		const struct profile_location *location = NULL;

		if (read_location(reader, message->location[i], &location))
			return -1;
		reader->locations.rows[reader->locations.count++] =
			(struct id_row){message->location[i]->id, location};
	}
	return id_table_finish(reader, &reader->locations, "location");
}

static int read_label(struct reader *reader, const Perftools__Profiles__Label *label, struct profile_key *key,
		      bool *truncated)
{
	const char *name, *text;

	if (get_string(reader, label->key, &name) || get_string(reader, label->str, &text))
		return -1;
	if (!name)
		return 0;
	if (strcmp(name, PPROF_LABEL_SPAN_CLASS) == 0) {
		char *end;
		long number = text ? strtol(text, &end, 10) : label->num;

		if ((text && (end == text || *end)) || number < 0 || number >= SPAN_CLASSES)
			return malformed(reader, "span class '%s'", text ? text : "out of range");
		key->span_class = (int)number;
	} else if (strcmp(name, PPROF_LABEL_PID) == 0) {
		if (label->num < 0 || label->num > INT32_MAX)
			return malformed(reader, "process id %" PRId64, label->num);
		key->pid = (int)label->num;
	} else if (strcmp(name, PPROF_LABEL_RATE) == 0) {
		if (label->num < 0)
			return malformed(reader, "rate %" PRId64, label->num);
		key->rate = label->num;
	} else if (strcmp(name, PPROF_LABEL_TYPE) == 0) {
		key->type = text;
	} else if (strcmp(name, PPROF_LABEL_COMM) == 0) {
		key->comm = text;
	} else if (strcmp(name, PPROF_LABEL_STACK) == 0) {
		*truncated = text && strcmp(text, "truncated") == 0;
	}
	return 0;
}

/*
 * Go's heap profiles hold estimates only, but say how they were made: runtime/pprof multiplies the objects of
 * one size that it has sampled at a stack by 1 / (1 - exp(-size / rate)). Divided again, that is the number
 * of events behind the estimate.
 */
static int64_t events_behind(int64_t objects, int64_t bytes, int64_t rate)
{
	double mean = (double)bytes / (double)objects;

	return objects ? (int64_t)fmax(1, round((double)objects * -expm1(-mean / (double)rate))) : 0;
}

static int read_sample(struct reader *reader, const Perftools__Profiles__Sample *from)
{
	const struct profile_location *locations[STACK_DEPTH_MAX];
	struct profile_key key = {.span_class = SPAN_CLASS_UNKNOWN};
	uint32_t depth =
		from->n_location_id < STACK_DEPTH_MAX ? (uint32_t)from->n_location_id : STACK_DEPTH_MAX;
	bool truncated = false;
	int64_t values[VALUE_COUNT];

	if (from->n_value != reader->message->n_sample_type)
		return malformed(reader, "a sample has %zu values for %zu sample types", from->n_value,
				 reader->message->n_sample_type);
	for (int value = 0; value < VALUE_COUNT; value++) {
		values[value] = reader->type_index[value] < 0 ? 0 : from->value[reader->type_index[value]];
		if (values[value] < 0)
			return malformed(reader, "a sample has a negative value (is it the difference of two "
						 "profiles?)");
	}
	if (reader->go_heap)
		values[VALUE_SAMPLES] =
			events_behind(values[VALUE_OBJECTS], values[VALUE_BYTES], reader->message->period);
	for (uint32_t i = 0; i < depth; i++) {
		locations[i] = id_table_find(&reader->locations, from->location_id[i]);
		if (!locations[i])
			return malformed(reader, "no location has id %" PRIu64, from->location_id[i]);
	}
	for (size_t i = 0; i < from->n_label; i++) {
		if (read_label(reader, from->label[i], &key, &truncated))
			return -1;
	}
	key.stack =
		profile_stack(reader->profile, locations, depth, truncated || from->n_location_id > depth);
	profile_add(reader->profile, &key, values);
	return 0;
}

/* Reads the comments, if they are ours. Returns whether they are, or -1. */
static int read_comments(struct reader *reader)
{
	const Message *message = reader->message;
	bool ours = false;

	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < message->n_comment; i++) {
			const char *comment;

			if (get_string(reader, message->comment[i], &comment))
				return -1;
			if (!comment)
				continue;
			if (pass == 0) {
				ours |= pprof_comment_is_signature(comment);
			} else if (ours && pprof_comment_read(reader->profile, comment, reader->error)) {
				error_prefix(reader->error, "profile '%s' is malformed", reader->name);
				return -1;
			}
		}
	}
	return ours;
}

/* Another tool's file says nothing of processes and totals: one process, whose totals are its rows' sums. */
static void complete_foreign(struct reader *reader)
{
	const Message *message = reader->message;
	struct profile *profile = reader->profile;
	struct profile_process *process;

	for (int value = 0; value < VALUE_COUNT; value++) {
		if (reader->type_index[value] >= 0)
			profile->row_measured |= 1u << value;
	}
	profile->rate = message->period > 0 ? message->period : 0;
	profile->rows_exact = profile->totals_exact = profile->rate == 1;
	if (reader->go_heap)
		profile->row_measured |= 1u << VALUE_SAMPLES;
	process = profile_process_add(profile, 0);
	if (message->n_mapping) {
		const struct profile_mapping *mapping =
			id_table_find(&reader->mappings, message->mapping[0]->id);

		process->executable = mapping->file;
		process->build_id = mapping->build_id;
		profile->target = mapping->file;
	}
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (!(profile->row_measured & 1u << value))
			continue;
		process->totals[value] = 0;
		for (size_t i = 0; i < profile->sample_count; i++) {
			if (__builtin_add_overflow(process->totals[value], profile->samples[i]->values[value],
						   &process->totals[value]))
				process->totals[value] = INT64_MAX;
		}
	}
}

static int read_profile(struct reader *reader)
{
	const Message *message = reader->message;
	struct profile *profile = reader->profile;
	int ours;

	if (reader->message->string_table[0][0])
		return malformed(reader, "its first string is not empty");
	if (read_types(reader) || read_mappings(reader) || read_functions(reader) || read_locations(reader))
		return -1;
	for (size_t i = 0; i < message->n_sample; i++) {
		if (read_sample(reader, message->sample[i]))
			return -1;
	}
	profile->start_ns = message->time_nanos;
	profile->duration_ns = message->duration_nanos;
	ours = read_comments(reader);
	if (ours < 0)
		return -1;
	if (!ours)
		complete_foreign(reader);
	return 0;
}

struct profile *pprof_parse(const void *bytes, size_t size, const char *name, struct error *error)
{
	struct reader reader = {.name = name, .error = error};
	Message *message;

	if (size == 0) {
		error_set(error, STATUS_USAGE, "profile '%s' is empty", name);
		return NULL;
	}
	message = unpack(bytes, size, name, error);
	if (!message)
		return NULL;
	reader.message = message;
	reader.profile = profile_new();
	if (read_profile(&reader)) {
		profile_free(reader.profile);
		reader.profile = NULL;
	}
	free(reader.mappings.rows);
	free(reader.functions.rows);
	free(reader.locations.rows);
	perftools__profiles__profile__free_unpacked(message, NULL);
	return reader.profile;
}

struct profile *pprof_read(const char *path, struct error *error)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	struct profile *profile;
	size_t size;
	uint8_t *bytes = read_file(path, name, &size, error);

	if (!bytes)
		return NULL;
	profile = pprof_parse(bytes, size, name, error);
	free(bytes);
	return profile;
}
