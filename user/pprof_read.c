/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a pprof file that anybody may have written, with any intention: sizes are bounded before memory is
 * taken, each index and each identifier is checked before it is followed.
 *
 * The file is read twice. Samples refer to what may stand anywhere behind them and may be far more than fit into memory
 * unpacked, so the first time all but them is taken, and the second time they are added to the profile one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "pprof.h"
#include "pprof_format.h"
#include "profile.pb-c.h"

/*
 * All but the samples: a million locations serialize to less than 256 MiB and take a few times as much when they are
 * unpacked. More is a mistake, or meant to eat the machine's memory.
 */
#define REST_BYTES_MAX	  ((size_t)256 << 20)
#define MESSAGE_BYTES_MAX ((size_t)2 << 30)

size_t pprof_memory_max;

typedef Perftools__Profiles__Profile Message;

/* From the file's identifiers, any numbers but 0, to what they stand for. */
struct id_table {
	struct id_row {
		uint64_t id;
		const void *thing;
	} * rows; /* sorted */
	size_t count;
	const struct id_row **dense; /* by id, where the largest is not much larger than their number; else NULL */
	uint64_t dense_count;
};

/* Bytes that are looked at from their beginning to their end, and then once more. */
struct source {
	gzFile file;           /* NULL: all bytes are in `window` */
	const char *name;
	const uint8_t *window; /* `start` to `end`: not looked at yet */
	size_t start, end;
	uint8_t *buffer; /* the window of a file */
	size_t capacity;
	uint8_t first[3]; /* of all bytes */
	size_t first_count;
};

struct reader {
	const char *name; /* of the file, for messages */
	struct error *error;
	struct source *source;
	size_t memory_max;
	int64_t *values; /* of one sample */
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

static int truncated(const struct source *source, struct error *error);

static int too_large(const struct source *source, struct error *error)
{
	return error_set(error, STATUS_USAGE, "profile '%s' is too large: more than %zu MiB besides its samples",
			 source->name, REST_BYTES_MAX >> 20);
}

/*
 * Has at least `size` bytes in the window. Returns 1, 0 where the source ends before, or -1 with an error. Memory is
 * taken as bytes come: a field may claim any length.
 */
static int source_fill(struct source *source, size_t size, struct error *error)
{
	while (source->end - source->start < size) {
		int code, count;

		if (!source->file)
			return 0;
		if (source->start) {
			memmove(source->buffer, source->buffer + source->start, source->end - source->start);
			source->end -= source->start;
			source->start = 0;
		}
		if (source->end == source->capacity) {
			source->capacity = source->capacity ? source->capacity * 2 : 1 << 16;
			source->buffer = realloc(source->buffer, source->capacity);
			if (!source->buffer)
				abort();
			source->window = source->buffer;
		}
		count = gzread(source->file, source->buffer + source->end,
			       (unsigned)(source->capacity - source->end));
		gzerror(source->file, &code);
		if (count < 0 || (count == 0 && code != Z_OK && code != Z_STREAM_END))
			return read_failed(source->file, source->name, error);
		if (count == 0)
			return 0;
		source->end += (size_t)count;
	}
	return 1;
}

static int source_rewind(struct source *source, struct error *error)
{
	source->start = 0;
	if (!source->file)
		return 0;
	source->end = 0;
	return gzrewind(source->file) ? read_failed(source->file, source->name, error) : 0;
}

/* What cannot be read twice is copied to where it can. Takes the descriptor over. */
static int seekable(int descriptor)
{
	char bytes[1 << 16];
	ssize_t count;
	int copy;

	if (descriptor < 0 || lseek(descriptor, 0, SEEK_CUR) >= 0)
		return descriptor;
	copy = memfd_create("profile", MFD_CLOEXEC);
	while (copy >= 0 && (count = read(descriptor, bytes, sizeof(bytes))) != 0) {
		if (count > 0 && write(copy, bytes, (size_t)count) == count)
			continue;
		if (count < 0 && errno == EINTR)
			continue;
		close(copy);
		copy = -1;
	}
	close(descriptor);
	if (copy >= 0)
		lseek(copy, 0, SEEK_SET);
	return copy;
}

static int source_open(struct source *source, const char *path, struct error *error)
{
	bool standard_input = strcmp(path, "-") == 0;
	int descriptor = seekable(standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC));

	source->name = standard_input ? "standard input" : path;
	source->file = descriptor < 0 ? NULL : gzdopen(descriptor, "rb");
	if (source->file)
		return 0;
	error_set(error, STATUS_USAGE, "cannot open profile '%s': %s", source->name, strerror(errno));
	if (descriptor >= 0)
		close(descriptor);
	return -1;
}

static void source_close(struct source *source)
{
	if (source->file)
		gzclose(source->file);
	free(source->buffer);
}

/* --- protobuf's wire format --- */

enum { WIRE_VARINT, WIRE_8_BYTES, WIRE_BYTES, WIRE_4_BYTES = 5 };
enum { VARINT_MAX = 10, HEADER_MAX = 2 * VARINT_MAX };

struct bytes {
	const uint8_t *next, *end;
};

static bool take_varint(struct bytes *bytes, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 7 * VARINT_MAX && bytes->next < bytes->end; shift += 7) {
		uint8_t byte = *bytes->next++;

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

struct field {
	uint64_t number;
	int wire;
	uint64_t value;       /* WIRE_VARINT */
	uint64_t length;      /* of what follows the header */
	struct bytes content; /* WIRE_BYTES */
};

/* Takes the field's header: all before its content. */
static bool take_header(struct bytes *bytes, struct field *field)
{
	uint64_t tag;

	if (!take_varint(bytes, &tag) || tag >> 3 == 0 || tag >> 3 > INT32_MAX >> 2)
		return false;
	field->number = tag >> 3;
	field->wire = (int)(tag & 7);
	field->length = field->wire == WIRE_8_BYTES ? 8 : field->wire == WIRE_4_BYTES ? 4 : 0;
	switch (field->wire) {
	case WIRE_VARINT:
		return take_varint(bytes, &field->value);
	case WIRE_BYTES:
		return take_varint(bytes, &field->length);
	default:
		return field->length != 0;
	}
}

static bool take_field(struct bytes *bytes, struct field *field)
{
	if (!take_header(bytes, field) || field->length > (uint64_t)(bytes->end - bytes->next))
		return false;
	field->content = (struct bytes){bytes->next, bytes->next + field->length};
	bytes->next += field->length;
	return true;
}

/* The next field of the file and all its bytes, which hold until the next call. 0 at the end, -1 on an error. */
static int next_field(struct source *source, struct field *field, struct bytes *all, struct error *error)
{
	struct bytes header;
	size_t size;
	int status = source_fill(source, HEADER_MAX, error);

	if (status < 0 || source->start == source->end)
		return status < 0 ? -1 : 0;
	header = (struct bytes){source->window + source->start, source->window + source->end};
	if (!take_header(&header, field))
		return truncated(source, error);
	size = (size_t)(header.next - source->window) - source->start;
	status = source_fill(source, size + (field->length < REST_BYTES_MAX ? field->length : REST_BYTES_MAX), error);
	if (status <= 0)
		return status ? -1 : truncated(source, error);
	if (field->length > REST_BYTES_MAX)
		return too_large(source, error);
	all->next = source->window + source->start;
	all->end = all->next + size + field->length;
	field->content = (struct bytes){all->next + size, all->end};
	source->start += size + field->length;
	return 1;
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

static int truncated(const struct source *source, struct error *error)
{
	return error_set(error, STATUS_USAGE,
			 source->first_count && begins_like_a_profile(source->first, source->first_count)
				 ? "profile '%s' is truncated or corrupt"
				 : "'%s' is not a pprof profile: expected what "
				   "'escapement record' or runtime/pprof writes",
			 source->name);
}

/* All of the file but its samples. */
static Message *unpack(struct source *source, struct error *error)
{
	struct budget budget = {MESSAGE_BYTES_MAX};
	ProtobufCAllocator allocator = {budget_allocate, budget_free, &budget};
	size_t size = 0, capacity = 0;
	Message *message = NULL;
	uint8_t *rest = NULL;
	struct field field;
	struct bytes all;
	int status;

	status = source_fill(source, sizeof(source->first), error);
	source->first_count = source->end < sizeof(source->first) ? source->end : sizeof(source->first);
	if (source->first_count)
		memcpy(source->first, source->window, source->first_count);
	else if (status >= 0)
		status = error_set(error, STATUS_USAGE, "profile '%s' is empty", source->name);
	while (status >= 0 && (status = next_field(source, &field, &all, error)) > 0) {
		size_t length = (size_t)(all.end - all.next);

		if (field.number == PPROF_SAMPLE && field.wire == WIRE_BYTES)
			continue;
		if (length > REST_BYTES_MAX - size) {
			status = too_large(source, error);
			break;
		}
		if (length > capacity - size) {
			capacity = 2 * (capacity + length);
			rest = realloc(rest, capacity);
			if (!rest)
				abort();
		}
		memcpy(rest + size, all.next, length);
		size += length;
	}
	if (status == 0) {
		message = perftools__profiles__profile__unpack(&allocator, size, rest);
		if (!message || !message->n_sample_type || !message->n_string_table) {
			truncated(source, error);
			if (message)
				perftools__profiles__profile__free_unpacked(message, NULL);
			message = NULL;
		}
	}
	free(rest);
	return message;
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
	/* Most writers number from 1 on. */
	if (!table->count || table->rows[table->count - 1].id > 4 * table->count)
		return 0;
	table->dense_count = table->rows[table->count - 1].id + 1;
	table->dense = calloc(table->dense_count, sizeof(*table->dense));
	if (!table->dense)
		abort();
	for (size_t i = 0; i < table->count; i++)
		table->dense[table->rows[i].id] = &table->rows[i];
	return 0;
}

static void id_table_free(struct id_table *table)
{
	free(table->rows);
	free(table->dense);
}

static const void *id_table_find(const struct id_table *table, uint64_t id)
{
	const struct id_row key = {.id = id}, *row;

	if (table->dense) {
		row = id < table->dense_count ? table->dense[id] : NULL;
		return row ? row->thing : NULL;
	}
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

struct label {
	uint64_t numbers[PPROF_LABEL_NUM + 1]; /* by the field's number */
};

static int read_label(struct reader *reader, struct bytes bytes, struct profile_key *key, bool *truncated_stack)
{
	struct label label = {0};
	const char *name, *text;
	struct field field;
	int64_t number;

	while (bytes.next < bytes.end) {
		if (!take_field(&bytes, &field))
			return truncated(reader->source, reader->error);
		if (field.number > PPROF_LABEL_NUM)
			continue;
		if (field.wire != WIRE_VARINT)
			return truncated(reader->source, reader->error);
		label.numbers[field.number] = field.value;
	}
	number = (int64_t)label.numbers[PPROF_LABEL_NUM];
	if (get_string(reader, (int64_t)label.numbers[PPROF_LABEL_KEY], &name) ||
	    get_string(reader, (int64_t)label.numbers[PPROF_LABEL_STR], &text))
		return -1;
	if (!name)
		return 0;
	if (strcmp(name, PPROF_LABEL_SPAN_CLASS) == 0) {
		char *end;
		long class = text ? strtol(text, &end, 10) : number;

		if ((text && (end == text || *end)) || class < 0 || class >= SPAN_CLASSES)
			return malformed(reader, "span class '%s'", text ? text : "out of range");
		key->span_class = (int)class;
	} else if (strcmp(name, PPROF_LABEL_PID) == 0) {
		if (number < 0 || number > INT32_MAX)
			return malformed(reader, "process id %" PRId64, number);
		key->pid = (int)number;
	} else if (strcmp(name, PPROF_LABEL_RATE) == 0) {
		if (number < 0)
			return malformed(reader, "rate %" PRId64, number);
		key->rate = number;
	} else if (strcmp(name, PPROF_LABEL_TYPE) == 0) {
		key->type = text;
	} else if (strcmp(name, PPROF_LABEL_COMM) == 0) {
		key->comm = text;
	} else if (strcmp(name, PPROF_LABEL_STACK) == 0) {
		*truncated_stack = text && strcmp(text, "truncated") == 0;
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

/* What a sample says, in whatever order. */
struct raw_sample {
	const struct profile_location *locations[STACK_DEPTH_MAX];
	size_t location_count, value_count;
	struct profile_key key;
	bool truncated;
};

static int take_location(struct reader *reader, struct raw_sample *sample, uint64_t id)
{
	const struct profile_location *location;

	if (sample->location_count++ >= STACK_DEPTH_MAX)
		return 0;
	location = id_table_find(&reader->locations, id);
	if (!location)
		return malformed(reader, "no location has id %" PRIu64, id);
	sample->locations[sample->location_count - 1] = location;
	return 0;
}

static int take_number(struct reader *reader, struct raw_sample *sample, uint64_t field, uint64_t number)
{
	if (field == PPROF_SAMPLE_LOCATION)
		return take_location(reader, sample, number);
	if (sample->value_count < reader->message->n_sample_type)
		reader->values[sample->value_count] = (int64_t)number;
	sample->value_count++;
	return 0;
}

static int take_sample_field(struct reader *reader, struct raw_sample *sample, const struct field *field)
{
	struct bytes packed = field->content;
	uint64_t number;

	if (field->number == PPROF_SAMPLE_LABEL && field->wire == WIRE_BYTES)
		return read_label(reader, field->content, &sample->key, &sample->truncated);
	if (field->number > PPROF_SAMPLE_LABEL)
		return 0;
	if (field->number == PPROF_SAMPLE_LABEL || (field->wire != WIRE_VARINT && field->wire != WIRE_BYTES))
		return truncated(reader->source, reader->error);
	if (field->wire == WIRE_VARINT)
		return take_number(reader, sample, field->number, field->value);
	while (packed.next < packed.end) {
		if (!take_varint(&packed, &number))
			return truncated(reader->source, reader->error);
		if (take_number(reader, sample, field->number, number))
			return -1;
	}
	return 0;
}

static int read_values(struct reader *reader, const struct raw_sample *sample, int64_t values[VALUE_COUNT])
{
	if (sample->value_count != reader->message->n_sample_type)
		return malformed(reader, "a sample has %zu values for %zu sample types", sample->value_count,
				 reader->message->n_sample_type);
	for (int value = 0; value < VALUE_COUNT; value++) {
		values[value] = reader->type_index[value] < 0 ? 0 : reader->values[reader->type_index[value]];
		if (values[value] < 0)
			return malformed(reader, "a sample has a negative value (is it the difference of two "
						 "profiles?)");
	}
	if (reader->go_heap)
		values[VALUE_SAMPLES] =
			events_behind(values[VALUE_OBJECTS], values[VALUE_BYTES], reader->message->period);
	return 0;
}

static int read_sample(struct reader *reader, struct bytes bytes)
{
	struct raw_sample sample;
	int64_t values[VALUE_COUNT];
	struct field field;
	uint32_t depth;

	sample.location_count = sample.value_count = 0;
	sample.truncated = false;
	sample.key = (struct profile_key){.span_class = SPAN_CLASS_UNKNOWN};
	while (bytes.next < bytes.end) {
		if (!take_field(&bytes, &field))
			return truncated(reader->source, reader->error);
		if (take_sample_field(reader, &sample, &field))
			return -1;
	}
	if (read_values(reader, &sample, values))
		return -1;
	depth = sample.location_count < STACK_DEPTH_MAX ? (uint32_t)sample.location_count : STACK_DEPTH_MAX;
	sample.key.stack = profile_stack(reader->profile, sample.locations, depth,
					 sample.truncated || sample.location_count > depth);
	profile_add(reader->profile, &sample.key, values);
	return 0;
}

static int read_samples(struct reader *reader)
{
	struct field field;
	struct bytes all;
	int status;

	if (source_rewind(reader->source, reader->error))
		return -1;
	while ((status = next_field(reader->source, &field, &all, reader->error)) > 0) {
		if (field.number != PPROF_SAMPLE || field.wire != WIRE_BYTES)
			continue;
		if (read_sample(reader, field.content))
			return -1;
		if (profile_memory(reader->profile) > reader->memory_max)
			return error_set(reader->error, STATUS_USAGE,
					 "profile '%s' is too large: its samples take more than %zu MiB of memory; "
					 "record at a coarser --rate or with --no-stacks", reader->name,
					 reader->memory_max >> 20);
	}
	return status;
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
	if (read_samples(reader))
		return -1;
	profile->start_ns = message->time_nanos;
	profile->duration_ns = message->duration_nanos;
	ours = read_comments(reader);
	if (ours < 0)
		return -1;
	if (!ours)
		complete_foreign(reader);
	return 0;
}

/* Half of what the machine has. */
static size_t memory_max(void)
{
	return pprof_memory_max ? pprof_memory_max
				: (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
}

static struct profile *read_source(struct source *source, struct error *error)
{
	struct reader reader = {.name = source->name, .error = error, .source = source, .memory_max = memory_max()};
	Message *message = unpack(source, error);

	if (!message)
		return NULL;
	reader.message = message;
	reader.profile = profile_new();
	reader.values = calloc(message->n_sample_type, sizeof(*reader.values));
	if (!reader.values)
		abort();
	if (read_profile(&reader)) {
		profile_free(reader.profile);
		reader.profile = NULL;
	}
	free(reader.values);
	id_table_free(&reader.mappings);
	id_table_free(&reader.functions);
	id_table_free(&reader.locations);
	perftools__profiles__profile__free_unpacked(message, NULL);
	return reader.profile;
}

struct profile *pprof_parse(const void *bytes, size_t size, const char *name, struct error *error)
{
	struct source source = {.name = name, .window = bytes, .end = size};

	return read_source(&source, error);
}

struct profile *pprof_read(const char *path, struct error *error)
{
	struct source source = {0};
	struct profile *profile = NULL;

	if (!source_open(&source, path, error))
		profile = read_source(&source, error);
	source_close(&source);
	return profile;
}
