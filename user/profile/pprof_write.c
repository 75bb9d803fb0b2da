/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a profile in pieces. Serialized protobuf messages may be concatenated, so each sample, location and so on is
 * written as a Profile that contains nothing else. Thus the whole is never in memory twice, and samples can be written
 * while the recording continues. What is known only at the end follows the samples; the strings come last, when all of
 * them are known.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/count.h"
#include "base/gzip.h"
#include "base/memory.h"
#include "base/hash_table.h"
#include "base/output.h"
#include "profile/pprof.h"
#include "profile/frames.h"
#include "profile/pprof_format.h"
#include "profile/pprof_strings.h"
#include "profile/pprof_write_samples.h"
#include "profile/profile.pb-c.h"
#include "base/utf8.h"

#define TEXT_OF(number)	 #number
#define GZIP_MODE(level) "wb" TEXT_OF(level)

typedef Perftools__Profiles__Profile Part;

struct function_index {
	UT_hash_handle hh;
	struct function_key {
		int64_t name, file, start_line;
	} key;
	uint64_t id;
};

/* What is known about a mapping after all of its locations have been written. */
struct mapping_facts {
	const struct profile_mapping *mapping; /* NULL: no sample uses it */
	bool functions, files, lines;
};

enum { BUFFER_BYTES = 1 << 16 };

struct pprof_writer {
	const struct profile *profile;
	char *path;
	struct output output;
	gzFile file; /* NULL until there is something to write */
	bool failed;
	struct error error; /* the first one */
	bool in_memory;	    /* pprof_pack(): all of it stays in `buffer` */
	uint8_t *buffer;    /* what has not been passed to gzip yet */
	size_t buffer_used, buffer_size;
	size_t sample_count;
	int64_t sums[VALUE_COUNT]; /* of these samples */
	struct pprof_strings strings;
	struct pprof_label_strings labels;
	struct function_index *functions;
	bool *location_seen; /* by id */
	size_t location_capacity;
	struct mapping_facts *mappings; /* by id */
	size_t mapping_capacity;
	output_ready *ready; /* pprof_write_new(), with its context; else NULL */
	void *context;
};

static void *checked(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

static void fail(struct pprof_writer *writer, const char *why)
{
	if (!writer->failed)
		error_set(&writer->error, STATUS_USAGE, "cannot write '%s': %s", writer->path, why);
	writer->failed = true;
}

static void flush(struct pprof_writer *writer)
{
	if (writer->in_memory)
		return;
	errno = 0;
	for (size_t done = 0; done < writer->buffer_used && !writer->failed;) {
		size_t rest = writer->buffer_used - done;
		int written = gzwrite(writer->file, writer->buffer + done, rest > 1 << 30 ? 1 << 30 : (unsigned)rest);

		if (written <= 0)
			fail(writer, errno ? strerror(errno) : "compression failed");
		else
			done += (size_t)written;
	}
	writer->buffer_used = 0;
}

/* Reserves `size` bytes at the end of the buffer. */
static uint8_t *reserve(struct pprof_writer *writer, size_t size)
{
	if (writer->buffer_used + size > BUFFER_BYTES)
		flush(writer);
	if (size > writer->buffer_size - writer->buffer_used) {
		size += writer->buffer_used;
		writer->buffer_size = size < BUFFER_BYTES ? BUFFER_BYTES : size * 2;
		writer->buffer = memory_resize(writer->buffer, writer->buffer_size, 1);
	}
	return writer->buffer + writer->buffer_used;
}

static void write_part(struct pprof_writer *writer, const Part *part)
{
	uint8_t *to = reserve(writer, perftools__profiles__profile__get_packed_size(part));

	writer->buffer_used += perftools__profiles__profile__pack(part, to);
}

static void write_strings(struct pprof_writer *writer)
{
	char *none = "";

	write_part(writer, &(Part){.base = PROTOBUF_C_MESSAGE_INIT(&perftools__profiles__profile__descriptor),
				   .n_string_table = 1,
				   .string_table = &none});
	for (size_t i = 0; i < writer->strings.count; i++) {
		Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
		char *repaired = utf8_repair(writer->strings.texts[i]);
		char *text = repaired ? repaired : (char *)writer->strings.texts[i];

		part.n_string_table = 1;
		part.string_table = &text;
		write_part(writer, &part);
		free(repaired);
	}
}

static uint64_t function_id(struct pprof_writer *writer, const struct profile_frame *frame)
{
	struct function_key key = {.name = pprof_strings_interned(&writer->strings, frame->function),
				   .file = pprof_strings_interned(&writer->strings, frame->file),
				   .start_line = frame->start_line};
	Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
	Perftools__Profiles__Function *pointer = &function;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	struct function_index *entry;

	HASH_FIND(hh, writer->functions, &key, sizeof(key), entry);
	if (entry)
		return entry->id;
	entry = checked(memory_zeroed(1, sizeof(*entry)));
	entry->key = key;
	entry->id = HASH_COUNT(writer->functions) + 1;
	HASH_ADD(hh, writer->functions, key, sizeof(entry->key), entry);

	function.id = entry->id;
	function.name = function.system_name = key.name;
	function.filename = key.file;
	function.start_line = key.start_line;
	part.n_function = 1;
	part.function = &pointer;
	write_part(writer, &part);
	return entry->id;
}

static struct mapping_facts *mapping_facts(struct pprof_writer *writer, const struct profile_mapping *mapping)
{
	if (mapping->id >= writer->mapping_capacity) {
		size_t capacity = mapping->id * 2 + 16;

		writer->mappings = checked(memory_resize(writer->mappings, capacity, sizeof(*writer->mappings)));
		memset(writer->mappings + writer->mapping_capacity, 0,
		       (capacity - writer->mapping_capacity) * sizeof(*writer->mappings));
		writer->mapping_capacity = capacity;
	}
	writer->mappings[mapping->id].mapping = mapping;
	return &writer->mappings[mapping->id];
}

/* Returns true at the first call for a location. */
static bool location_is_new(struct pprof_writer *writer, uint64_t id)
{
	if (id >= writer->location_capacity) {
		size_t capacity = id * 2 + 1024;

		writer->location_seen = memory_resize(writer->location_seen, capacity, 1);
		memset(writer->location_seen + writer->location_capacity, 0, capacity - writer->location_capacity);
		writer->location_capacity = capacity;
	}
	if (writer->location_seen[id])
		return false;
	return writer->location_seen[id] = true;
}

static void write_location(struct pprof_writer *writer, const struct profile_location *from)
{
	struct mapping_facts *facts = from->mapping ? mapping_facts(writer, from->mapping) : NULL;
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Location *pointer = &location;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Line *lines, **line_pointers;

	location.id = from->id;
	location.mapping_id = from->mapping ? from->mapping->id : 0;
	location.address = from->address;
	lines = checked(memory_zeroed(from->frame_count + 1, sizeof(*lines)));
	line_pointers = checked(memory_zeroed(from->frame_count + 1, sizeof(*line_pointers)));
	for (uint32_t i = 0; i < from->frame_count; i++) {
		const struct profile_frame *frame = &from->frames[i];

		perftools__profiles__line__init(&lines[i]);
		lines[i].function_id = function_id(writer, frame);
		lines[i].line = frame->line;
		lines[i].column = frame->column;
		line_pointers[i] = &lines[i];
		if (facts) {
			facts->functions |= frame->function != NULL;
			facts->files |= frame->file != NULL;
			facts->lines |= frame->line != 0;
		}
	}
	location.n_line = from->frame_count;
	location.line = line_pointers;
	part.n_location = 1;
	part.location = &pointer;
	write_part(writer, &part);
	free(line_pointers);
	free(lines);
}

static bool is_empty(const struct profile_group *group)
{
	return !group->objects && !group->bytes && !group->samples;
}

/* Of a sample of bursts, its groups are written, which have these values alone. */
static void add_up(struct pprof_writer *writer, const struct profile_sample *sample)
{
	const int end = sample->groups ? VALUE_SAMPLES + 1 : VALUE_COUNT;

	for (int value = 0; value < end; value++)
		writer->sums[value] = add_saturated(writer->sums[value], sample->values[value]);
}

/* In the file, each group of bursts has a sample. */
static void write_sample(struct pprof_writer *writer, const struct profile *profile,
			 const struct profile_sample *sample)
{
	const struct profile_stack *stack = sample->key.stack;
	uint8_t *to;

	for (uint32_t i = 0; i < stack->depth; i++) {
		if (location_is_new(writer, stack->ids[i]))
			write_location(writer, profile_stack_at(stack, i));
	}
	add_up(writer, sample);
	for (int group = sample->groups ? 1 : 0; group <= (sample->groups ? BURST_GROUPS : 0); group++) {
		if (group && is_empty(&sample->groups[group - 1]))
			continue;
		to = reserve(writer, pprof_sample_bytes_max(sample));
		writer->buffer_used += pprof_sample_put(to, sample, group, profile, &writer->labels, &writer->strings);
	}
}

static void write_mapping(struct pprof_writer *writer, struct mapping_facts *facts)
{
	const struct profile_mapping *from = facts->mapping;
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;
	Perftools__Profiles__Mapping *pointer = &mapping;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;

	mapping.id = from->id;
	mapping.memory_start = from->start;
	mapping.memory_limit = from->limit;
	mapping.file_offset = from->offset;
	mapping.filename = pprof_strings_index(&writer->strings, from->file);
	mapping.build_id = pprof_strings_index(&writer->strings, from->build_id);
	mapping.has_functions = facts->functions;
	mapping.has_filenames = facts->files;
	mapping.has_line_numbers = facts->lines;
	mapping.has_inline_frames = facts->lines;
	part.n_mapping = 1;
	part.mapping = &pointer;
	write_part(writer, &part);
	facts->mapping = NULL;
}

static void write_mappings(struct pprof_writer *writer)
{
	const struct profile *profile = writer->profile;
	const char *executable = profile->process_count ? profile->processes[0].executable : NULL;

	for (size_t id = 0; id < writer->mapping_capacity && executable; id++) {
		const struct profile_mapping *mapping = writer->mappings[id].mapping;

		if (mapping && mapping->file && strcmp(mapping->file, executable) == 0)
			write_mapping(writer, &writer->mappings[id]);
	}
	for (size_t id = 0; id < writer->mapping_capacity; id++) {
		if (writer->mappings[id].mapping)
			write_mapping(writer, &writer->mappings[id]);
	}
}

static void write_comment(void *context, const char *comment)
{
	struct pprof_writer *writer = context;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int64_t index = pprof_strings_index(&writer->strings, comment);

	part.n_comment = 1;
	part.comment = &index;
	write_part(writer, &part);
}

/* Written first, because readers recognise a profile by its sample types. */
static void write_types(struct pprof_writer *writer, const struct profile *profile)
{
	Perftools__Profiles__ValueType types[VALUE_COUNT], *pointers[VALUE_COUNT];
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;

	for (int i = 0; i < VALUE_COUNT; i++) {
		if (!profile_stores(profile, i))
			continue;
		perftools__profiles__value_type__init(&types[i]);
		types[i].type = pprof_strings_index(&writer->strings, profile_values[i].pprof_type);
		types[i].unit = pprof_strings_index(&writer->strings, profile_values[i].pprof_unit);
		pointers[part.n_sample_type++] = &types[i];
	}
	part.sample_type = pointers;
	write_part(writer, &part);
}

static void write_facts(struct pprof_writer *writer)
{
	const struct profile *profile = writer->profile;
	Perftools__Profiles__ValueType period_type = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	bool refills = !(profile->row_measured & 1u << VALUE_BYTES) && profile->row_measured & 1u << VALUE_REFILLS;

	period_type.type = pprof_strings_index(&writer->strings, "space");
	period_type.unit = pprof_strings_index(&writer->strings, "bytes");
	part.period_type = &period_type;
	part.period = profile->rate > 0 ? profile->rate : 0;
	part.time_nanos = profile->start_ns;
	part.duration_nanos = profile->duration_ns;
	/* The value to show first: bytes, or what was measured instead (at rate 0, refills). */
	part.default_sample_type = pprof_strings_index(
		&writer->strings, profile_values[refills ? VALUE_REFILLS : profile_bytes(profile)].pprof_type);
	part.drop_frames = pprof_strings_index(&writer->strings, frames_pprof_drop);
	part.keep_frames = pprof_strings_index(&writer->strings, frames_pprof_keep);
	write_part(writer, &part);
}

static void write_end(struct pprof_writer *writer)
{
	write_facts(writer);
	pprof_comments_write(writer->profile, writer->sums, write_comment, writer);
	write_mappings(writer);
	write_strings(writer);
	flush(writer);
}

static void release(struct pprof_writer *writer)
{
	struct function_index *function, *next_function;

	HASH_ITER (hh, writer->functions, function, next_function) {
		HASH_DEL(writer->functions, function);
		free(function);
	}
	pprof_strings_free(&writer->strings);
	free(writer->buffer);
	free(writer->location_seen);
	free(writer->mappings);
	free(writer->path);
	free(writer);
}

struct pprof_writer *pprof_writer_new(const char *path)
{
	struct pprof_writer *writer = checked(memory_zeroed(1, sizeof(*writer)));

	writer->path = checked(memory_text(path));
	return writer;
}

static void begin(struct pprof_writer *writer, const struct profile *profile)
{
	write_types(writer, profile);
	pprof_label_strings_init(&writer->labels, &writer->strings);
}

static void open_file(struct pprof_writer *writer, const struct profile *profile)
{
	int descriptor;

	if (writer->ready
		    ? output_open_new(&writer->output, writer->path, writer->ready, writer->context, &writer->error)
		    : output_open(&writer->output, writer->path, &writer->error)) {
		writer->failed = true;
		return;
	}
	errno = 0;
	descriptor = dup(fileno(writer->output.stream));
	writer->file = descriptor < 0 ? NULL : gzdopen(descriptor, GZIP_MODE(GZIP_LEVEL));
	if (!writer->file) {
		fail(writer, errno ? strerror(errno) : "compression failed");
		if (descriptor >= 0)
			close(descriptor);
		return;
	}
	begin(writer, profile);
}

void pprof_writer_add(void *context, const struct profile *profile)
{
	struct pprof_writer *writer = context;

	if (!writer->file && !writer->failed)
		open_file(writer, profile);
	for (size_t i = 0; i < profile->sample_count && !writer->failed; i++)
		write_sample(writer, profile, profile->samples[i]);
	writer->sample_count += profile->sample_count;
}

size_t pprof_writer_count(const struct pprof_writer *writer)
{
	return writer->sample_count;
}

void pprof_writer_abandon(struct pprof_writer *writer)
{
	if (!writer)
		return;
	if (writer->file)
		gzclose(writer->file);
	output_abandon(&writer->output);
	release(writer);
}

int pprof_writer_finish(struct pprof_writer *writer, const struct profile *profile, struct error *error)
{
	gzFile file;
	int result = -1;

	pprof_writer_add(writer, profile);
	writer->profile = profile;
	if (!writer->failed)
		write_end(writer);
	/* gzip writes the rest of its data now, which may fail. */
	errno = 0;
	file = writer->file;
	writer->file = NULL;
	if (file && gzclose(file) != Z_OK)
		fail(writer, errno ? strerror(errno) : "compression failed");
	if (!writer->failed)
		result = output_commit(&writer->output, error);
	else if (error)
		*error = writer->error;
	pprof_writer_abandon(writer);
	return result;
}

int pprof_write(const struct profile *profile, const char *path, struct error *error)
{
	return pprof_writer_finish(pprof_writer_new(path), profile, error);
}

int pprof_write_new(const struct profile *profile, const char *path, output_ready *ready, void *context,
		    struct error *error)
{
	struct pprof_writer *writer = pprof_writer_new(path);

	writer->ready = ready;
	writer->context = context;
	return pprof_writer_finish(writer, profile, error);
}

uint8_t *pprof_pack(const struct profile *profile, size_t *size)
{
	struct pprof_writer *writer = pprof_writer_new("");
	uint8_t *packed;

	writer->in_memory = true;
	writer->profile = profile;
	begin(writer, profile);
	for (size_t i = 0; i < profile->sample_count; i++)
		write_sample(writer, profile, profile->samples[i]);
	write_end(writer);
	packed = gzip_pack(writer->buffer, writer->buffer_used, size);
	release(writer);
	return packed;
}
