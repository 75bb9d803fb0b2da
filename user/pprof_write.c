/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a profile piece by piece: serialized protobuf messages may be concatenated, so each sample,
 * location, … goes out as a Profile that holds nothing else, and the whole never lies in memory twice.
 * Strings come last, when all of them have been seen.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include <zlib.h>

#include "output.h"
#include "pprof.h"
#include "pprof_format.h"
#include "profile.pb-c.h"
#include "size_class.h"
#include "utf8.h"

typedef Perftools__Profiles__Profile Part;

struct string_index {
	UT_hash_handle hh;
	const char *text;
	int64_t index;
};

struct function_index {
	UT_hash_handle hh;
	struct function_key {
		int64_t name, file, start_line;
	} key;
	uint64_t id;
};

/* What is known of a mapping once its locations have been seen. */
struct mapping_facts {
	const struct profile_mapping *mapping; /* NULL: no sample has it */
	bool functions, files, lines;
};

struct writer {
	const struct profile *profile;
	gzFile file;
	bool failed;
	uint8_t *buffer;
	size_t buffer_size;
	struct string_index *strings;
	const char **texts; /* by index */
	size_t text_count, text_capacity;
	struct function_index *functions;
	bool *location_seen; /* by id */
	size_t location_capacity;
	struct mapping_facts *mappings; /* by id */
	size_t mapping_capacity;
};

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void write_part(struct writer *writer, const Part *part)
{
	size_t size = perftools__profiles__profile__get_packed_size(part);

	if (writer->failed)
		return;
	if (size > writer->buffer_size) {
		writer->buffer_size = size * 2;
		writer->buffer = checked(realloc(writer->buffer, writer->buffer_size));
	}
	perftools__profiles__profile__pack(part, writer->buffer);
	for (size_t done = 0; done < size && !writer->failed;) {
		size_t rest = size - done;
		int written = gzwrite(writer->file, writer->buffer + done,
				      rest > 1 << 30 ? 1 << 30 : (unsigned)rest);

		writer->failed = written <= 0;
		done += writer->failed ? 0 : (size_t)written;
	}
}

/* The index of a string in the file's table; NULL is "". */
static int64_t string_index(struct writer *writer, const char *text)
{
	struct string_index *entry;

	if (!text || !*text)
		return 0;
	HASH_FIND_STR(writer->strings, text, entry);
	if (!entry) {
		if (writer->text_count == writer->text_capacity) {
			writer->text_capacity = writer->text_capacity ? writer->text_capacity * 2 : 64;
			writer->texts = checked(
				reallocarray(writer->texts, writer->text_capacity, sizeof(*writer->texts)));
		}
		entry = checked(calloc(1, sizeof(*entry)));
		entry->text = checked(strdup(text));
		writer->texts[writer->text_count++] = entry->text;
		entry->index = (int64_t)writer->text_count;
		HASH_ADD_KEYPTR(hh, writer->strings, entry->text, strlen(entry->text), entry);
	}
	return entry->index;
}

static void write_strings(struct writer *writer)
{
	char *none = "";

	write_part(writer, &(Part){.base = PROTOBUF_C_MESSAGE_INIT(&perftools__profiles__profile__descriptor),
				   .n_string_table = 1,
				   .string_table = &none});
	for (size_t i = 0; i < writer->text_count; i++) {
		Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
		char *repaired = utf8_repair(writer->texts[i]);
		char *text = repaired ? repaired : (char *)writer->texts[i];

		part.n_string_table = 1;
		part.string_table = &text;
		write_part(writer, &part);
		free(repaired);
	}
}

static uint64_t function_id(struct writer *writer, const struct profile_frame *frame)
{
	struct function_key key = {string_index(writer, frame->function), string_index(writer, frame->file),
				   frame->start_line};
	Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
	Perftools__Profiles__Function *pointer = &function;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	struct function_index *entry;

	HASH_FIND(hh, writer->functions, &key, sizeof(key), entry);
	if (entry)
		return entry->id;
	entry = checked(calloc(1, sizeof(*entry)));
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

static struct mapping_facts *mapping_facts(struct writer *writer, const struct profile_mapping *mapping)
{
	if (mapping->id >= writer->mapping_capacity) {
		size_t capacity = mapping->id * 2 + 16;

		writer->mappings =
			checked(reallocarray(writer->mappings, capacity, sizeof(*writer->mappings)));
		memset(writer->mappings + writer->mapping_capacity, 0,
		       (capacity - writer->mapping_capacity) * sizeof(*writer->mappings));
		writer->mapping_capacity = capacity;
	}
	writer->mappings[mapping->id].mapping = mapping;
	return &writer->mappings[mapping->id];
}

/* True the first time that it is asked for a location. */
static bool location_is_new(struct writer *writer, uint64_t id)
{
	if (id >= writer->location_capacity) {
		size_t capacity = id * 2 + 1024;

		writer->location_seen = checked(realloc(writer->location_seen, capacity));
		memset(writer->location_seen + writer->location_capacity, 0,
		       capacity - writer->location_capacity);
		writer->location_capacity = capacity;
	}
	if (writer->location_seen[id])
		return false;
	return writer->location_seen[id] = true;
}

static void write_location(struct writer *writer, const struct profile_location *from)
{
	struct mapping_facts *facts = from->mapping ? mapping_facts(writer, from->mapping) : NULL;
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Location *pointer = &location;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Line *lines, **line_pointers;

	location.id = from->id;
	location.mapping_id = from->mapping ? from->mapping->id : 0;
	location.address = from->address;
	lines = checked(calloc(from->frame_count + 1, sizeof(*lines)));
	line_pointers = checked(calloc(from->frame_count + 1, sizeof(*line_pointers)));
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

enum { LABELS_MAX = 7 };

struct labels {
	Perftools__Profiles__Label rows[LABELS_MAX], *pointers[LABELS_MAX];
	size_t count;
};

static Perftools__Profiles__Label *add_label(struct writer *writer, struct labels *labels, const char *key)
{
	Perftools__Profiles__Label *label = &labels->rows[labels->count];

	perftools__profiles__label__init(label);
	label->key = string_index(writer, key);
	labels->pointers[labels->count++] = label;
	return label;
}

static void fill_labels(struct writer *writer, struct labels *labels, const struct profile_key *key)
{
	if (key->span_class != SPAN_CLASS_UNKNOWN) {
		int64_t size = size_class_bytes(span_class_size_class(key->span_class));
		char number[16];

		snprintf(number, sizeof(number), "%d", key->span_class);
		add_label(writer, labels, PPROF_LABEL_SPAN_CLASS)->str = string_index(writer, number);
		if (size) {
			Perftools__Profiles__Label *label = add_label(writer, labels, PPROF_LABEL_SIZE_CLASS);

			label->num = size;
			label->num_unit = string_index(writer, "bytes");
		}
	}
	if (key->type)
		add_label(writer, labels, PPROF_LABEL_TYPE)->str = string_index(writer, key->type);
	if (key->pid)
		add_label(writer, labels, PPROF_LABEL_PID)->num = key->pid;
	if (key->comm)
		add_label(writer, labels, PPROF_LABEL_COMM)->str = string_index(writer, key->comm);
	if (key->rate) {
		Perftools__Profiles__Label *label = add_label(writer, labels, PPROF_LABEL_RATE);

		label->num = key->rate;
		label->num_unit = string_index(writer, "bytes");
	}
	if (key->stack->truncated)
		add_label(writer, labels, PPROF_LABEL_STACK)->str = string_index(writer, "truncated");
}

static void write_sample(struct writer *writer, const struct profile_sample *from)
{
	const struct profile_stack *stack = from->key.stack;
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;
	Perftools__Profiles__Sample *pointer = &sample;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	uint64_t *ids = checked(calloc(stack->depth + 1, sizeof(*ids)));
	struct labels labels = {.count = 0};

	for (uint32_t i = 0; i < stack->depth; i++) {
		ids[i] = stack->locations[i]->id;
		if (location_is_new(writer, ids[i]))
			write_location(writer, stack->locations[i]);
	}
	fill_labels(writer, &labels, &from->key);
	sample.n_location_id = stack->depth;
	sample.location_id = ids;
	sample.n_value = VALUE_COUNT;
	sample.value = (int64_t *)from->values;
	sample.n_label = labels.count;
	sample.label = labels.pointers;
	part.n_sample = 1;
	part.sample = &pointer;
	write_part(writer, &part);
	free(ids);
}

static void write_mapping(struct writer *writer, struct mapping_facts *facts)
{
	const struct profile_mapping *from = facts->mapping;
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;
	Perftools__Profiles__Mapping *pointer = &mapping;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;

	mapping.id = from->id;
	mapping.memory_start = from->start;
	mapping.memory_limit = from->limit;
	mapping.file_offset = from->offset;
	mapping.filename = string_index(writer, from->file);
	mapping.build_id = string_index(writer, from->build_id);
	mapping.has_functions = facts->functions;
	mapping.has_filenames = facts->files;
	mapping.has_line_numbers = facts->lines;
	mapping.has_inline_frames = facts->lines;
	part.n_mapping = 1;
	part.mapping = &pointer;
	write_part(writer, &part);
	facts->mapping = NULL;
}

static void write_mappings(struct writer *writer)
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
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int64_t index = string_index(context, comment);

	part.n_comment = 1;
	part.comment = &index;
	write_part(context, &part);
}

static void write_head(struct writer *writer)
{
	const struct profile *profile = writer->profile;
	Perftools__Profiles__ValueType types[VALUE_COUNT], *pointers[VALUE_COUNT];
	Perftools__Profiles__ValueType period_type = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	Part part = PERFTOOLS__PROFILES__PROFILE__INIT;

	for (int i = 0; i < VALUE_COUNT; i++) {
		perftools__profiles__value_type__init(&types[i]);
		types[i].type = string_index(writer, pprof_sample_types[i].name);
		types[i].unit = string_index(writer, pprof_sample_types[i].unit);
		pointers[i] = &types[i];
	}
	period_type.type = string_index(writer, "space");
	period_type.unit = string_index(writer, "bytes");
	part.n_sample_type = VALUE_COUNT;
	part.sample_type = pointers;
	part.period_type = &period_type;
	part.period = profile->rate;
	part.time_nanos = profile->start_ns;
	part.duration_nanos = profile->duration_ns;
	/* What a reader wants to see first: bytes, or what was measured instead (at rate 0, refills). */
	part.default_sample_type = types[profile->row_measured & 1u << VALUE_BYTES ||
							 !(profile->row_measured & 1u << VALUE_REFILLS)
						 ? VALUE_BYTES
						 : VALUE_REFILLS]
					   .type;
	write_part(writer, &part);
}

static void write_profile(struct writer *writer)
{
	write_head(writer);
	pprof_comments_write(writer->profile, write_comment, writer);
	for (size_t i = 0; i < writer->profile->sample_count; i++)
		write_sample(writer, writer->profile->samples[i]);
	write_mappings(writer);
	write_strings(writer);
}

static void release(struct writer *writer)
{
	struct string_index *string, *next_string;
	struct function_index *function, *next_function;

	HASH_ITER (hh, writer->strings, string, next_string) {
		HASH_DEL(writer->strings, string);
		free((char *)string->text);
		free(string);
	}
	HASH_ITER (hh, writer->functions, function, next_function) {
		HASH_DEL(writer->functions, function);
		free(function);
	}
	free(writer->texts);
	free(writer->buffer);
	free(writer->location_seen);
	free(writer->mappings);
}

int pprof_write(const struct profile *profile, const char *path, struct error *error)
{
	struct writer writer = {.profile = profile};
	struct output output;
	int descriptor;

	if (output_open(&output, path, error))
		return -1;
	descriptor = dup(fileno(output.stream));
	writer.file = descriptor < 0 ? NULL : gzdopen(descriptor, "wb");
	errno = 0;
	if (writer.file) {
		write_profile(&writer);
		/* What gzip still holds is written now, and may fail now. */
		if (gzclose(writer.file) != Z_OK)
			writer.failed = true;
	} else {
		writer.failed = true;
	}
	release(&writer);
	if (writer.failed) {
		error_set(error, STATUS_USAGE, "cannot write '%s': %s", path,
			  errno ? strerror(errno) : "compression failed");
		output_abandon(&output);
		return -1;
	}
	return output_commit(&output, error);
}
