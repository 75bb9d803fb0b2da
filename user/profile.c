/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Storage of a profile. Everything that is interned lies in one obstack, which is freed as a whole, and is
 * found again through one uthash table a kind. A table's key is a run of bytes without padding or with
 * padding zeroed, in which pointers to interned things stand for these: two equal things are one pointer, so
 * comparing bytes is enough.
 *
 * Memory that runs out ends the process: obstack and uthash say so on stderr.
 */
#include "profile.h"

#include <obstack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((noreturn)) out_of_memory(void)
{
	fputs("escapement: out of memory\n", stderr);
	exit(STATUS_CANNOT_MEASURE);
}

#define uthash_fatal(message) out_of_memory()
#include <uthash.h>

static void *checked_malloc(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		out_of_memory();
	return memory;
}

static void *checked_reallocarray(void *memory, size_t count, size_t size)
{
	memory = reallocarray(memory, count, size);
	if (!memory)
		out_of_memory();
	return memory;
}

#define obstack_chunk_alloc checked_malloc
#define obstack_chunk_free  free

struct string_entry {
	UT_hash_handle hh;
	char text[];
};

struct mapping_entry {
	UT_hash_handle hh;
	struct profile_mapping mapping; /* all before its id is the key */
};

/* What makes a location: frames follow in memory, so that the key is one run of bytes. */
struct location_key {
	uint64_t address;
	const struct profile_mapping *mapping;
	struct profile_frame frames[];
};

struct location_entry {
	UT_hash_handle hh;
	struct profile_location location;
	struct location_key key;
};

struct stack_key {
	uint64_t truncated;
	const struct profile_location *locations[];
};

struct stack_entry {
	UT_hash_handle hh;
	struct profile_stack stack;
	struct stack_key key;
};

struct sample_entry {
	UT_hash_handle hh;
	struct profile_sample sample; /* its key is the table's key */
};

struct profile_storage {
	struct obstack memory;
	struct string_entry *strings;
	struct mapping_entry *mappings;
	struct location_entry *locations;
	struct stack_entry *stacks;
	struct sample_entry *samples;
	void *scratch; /* a key that is being built */
	size_t scratch_size;
	size_t process_capacity, sample_capacity;
};

struct profile *profile_new(void)
{
	struct profile *profile = checked_malloc(sizeof(*profile));

	*profile = (struct profile){0};
	profile->storage = checked_malloc(sizeof(*profile->storage));
	*profile->storage = (struct profile_storage){0};
	obstack_init(&profile->storage->memory);
	return profile;
}

void profile_free(struct profile *profile)
{
	struct profile_storage *storage;

	if (!profile)
		return;
	storage = profile->storage;
	HASH_CLEAR(hh, storage->strings);
	HASH_CLEAR(hh, storage->mappings);
	HASH_CLEAR(hh, storage->locations);
	HASH_CLEAR(hh, storage->stacks);
	HASH_CLEAR(hh, storage->samples);
	obstack_free(&storage->memory, NULL);
	free(storage->scratch);
	free(storage);
	free(profile->processes);
	free(profile->samples);
	free(profile->warnings);
	free(profile);
}

/* Zeroed memory for a key of `size` bytes; holds until the next call. */
static void *scratch(struct profile_storage *storage, size_t size)
{
	if (size > storage->scratch_size) {
		storage->scratch_size = size * 2;
		storage->scratch = checked_reallocarray(storage->scratch, 1, storage->scratch_size);
	}
	return memset(storage->scratch, 0, size);
}

const char *profile_string(struct profile *profile, const char *text)
{
	struct profile_storage *storage = profile->storage;
	struct string_entry *entry;
	size_t length;

	if (!text)
		return NULL;
	length = strlen(text);
	HASH_FIND(hh, storage->strings, text, length, entry);
	if (!entry) {
		entry = obstack_alloc(&storage->memory, sizeof(*entry) + length + 1);
		memcpy(entry->text, text, length + 1);
		HASH_ADD_KEYPTR(hh, storage->strings, entry->text, length, entry);
	}
	return entry->text;
}

static char *format_text(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		out_of_memory();
	return text;
}

const char *profile_format(struct profile *profile, const char *format, ...)
{
	const char *interned;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = format_text(format, arguments);
	va_end(arguments);
	interned = profile_string(profile, text);
	free(text);
	return interned;
}

const char *profile_command(struct profile *profile, char *const *argv)
{
	char text[1024] = "";

	for (int i = 0; argv[i]; i++) {
		size_t length = strlen(text);

		snprintf(text + length, sizeof(text) - length, "%s%s", i ? " " : "", argv[i]);
	}
	return profile_string(profile, text);
}

void profile_warn(struct profile *profile, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = format_text(format, arguments);
	va_end(arguments);
	for (size_t i = 0; i < profile->warning_count; i++) {
		if (strcmp(profile->warnings[i], text) == 0) { /* of another process */
			free(text);
			return;
		}
	}
	profile->warnings = checked_reallocarray(profile->warnings, profile->warning_count + 2,
						 sizeof(*profile->warnings));
	profile->warnings[profile->warning_count++] =
		obstack_copy0(&profile->storage->memory, text, strlen(text));
	profile->warnings[profile->warning_count] = NULL;
	free(text);
}

struct profile_process *profile_process_add(struct profile *profile, int pid)
{
	struct profile_storage *storage = profile->storage;
	struct profile_process *process;

	if (profile->process_count == storage->process_capacity) {
		storage->process_capacity = storage->process_capacity ? storage->process_capacity * 2 : 1;
		profile->processes = checked_reallocarray(profile->processes, storage->process_capacity,
							  sizeof(*profile->processes));
	}
	process = &profile->processes[profile->process_count++];
	*process = (struct profile_process){.pid = pid};
	for (int value = 0; value < VALUE_COUNT; value++) {
		process->totals[value] = VALUE_UNMEASURED;
		for (int class = 0; class < SPAN_CLASSES; class ++)
			process->class_totals[class][value] = VALUE_UNMEASURED;
	}
	return process;
}

struct profile_process *profile_process_find(const struct profile *profile, int pid)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		if (profile->processes[i].pid == pid)
			return &profile->processes[i];
	}
	return NULL;
}

const struct profile_mapping *profile_mapping(struct profile *profile, const struct profile_mapping *mapping)
{
	struct profile_storage *storage = profile->storage;
	const size_t key_size = offsetof(struct profile_mapping, id);
	struct profile_mapping key;
	struct mapping_entry *entry;

	memset(&key, 0, sizeof(key));
	key.start = mapping->start;
	key.limit = mapping->limit;
	key.offset = mapping->offset;
	key.file = profile_string(profile, mapping->file);
	key.build_id = profile_string(profile, mapping->build_id);
	HASH_FIND(hh, storage->mappings, &key, key_size, entry);
	if (!entry) {
		entry = obstack_alloc(&storage->memory, sizeof(*entry));
		entry->mapping = key;
		entry->mapping.id = HASH_COUNT(storage->mappings) + 1;
		HASH_ADD_KEYPTR(hh, storage->mappings, &entry->mapping, key_size, entry);
	}
	return &entry->mapping;
}

const struct profile_location *profile_location(struct profile *profile, uint64_t address,
						const struct profile_mapping *mapping,
						const struct profile_frame *frames, uint32_t frame_count)
{
	struct profile_storage *storage = profile->storage;
	size_t size = sizeof(struct location_key) + frame_count * sizeof(*frames);
	struct location_key *key = scratch(storage, size);
	struct location_entry *entry;

	key->address = address;
	key->mapping = mapping;
	for (uint32_t i = 0; i < frame_count; i++) {
		key->frames[i].function = profile_string(profile, frames[i].function);
		key->frames[i].file = profile_string(profile, frames[i].file);
		key->frames[i].line = frames[i].line;
		key->frames[i].column = frames[i].column;
		key->frames[i].start_line = frames[i].start_line;
	}
	HASH_FIND(hh, storage->locations, key, size, entry);
	if (!entry) {
		entry = obstack_alloc(&storage->memory, sizeof(*entry) + size - sizeof(*key));
		memcpy(&entry->key, key, size);
		entry->location = (struct profile_location){
			.address = address,
			.mapping = mapping,
			.frame_count = frame_count,
			.frames = frame_count ? entry->key.frames : NULL,
			.id = HASH_COUNT(storage->locations) + 1,
		};
		HASH_ADD_KEYPTR(hh, storage->locations, &entry->key, size, entry);
	}
	return &entry->location;
}

const struct profile_stack *profile_stack(struct profile *profile,
					  const struct profile_location *const *locations, uint32_t depth,
					  bool truncated)
{
	struct profile_storage *storage = profile->storage;
	size_t size = sizeof(struct stack_key) + depth * sizeof(*locations);
	struct stack_key *key = scratch(storage, size);
	struct stack_entry *entry;

	key->truncated = truncated;
	if (depth)
		memcpy(key->locations, locations, depth * sizeof(*locations));
	HASH_FIND(hh, storage->stacks, key, size, entry);
	if (!entry) {
		entry = obstack_alloc(&storage->memory, sizeof(*entry) + size - sizeof(*key));
		memcpy(&entry->key, key, size);
		entry->stack = (struct profile_stack){
			.depth = depth,
			.truncated = truncated,
			.locations = depth ? entry->key.locations : NULL,
		};
		HASH_ADD_KEYPTR(hh, storage->stacks, &entry->key, size, entry);
	}
	return &entry->stack;
}

struct profile_sample *profile_add(struct profile *profile, const struct profile_key *key,
				   const int64_t *values)
{
	struct profile_storage *storage = profile->storage;
	struct profile_key exact;
	struct sample_entry *entry;

	memset(&exact, 0, sizeof(exact));
	exact.stack = key->stack;
	exact.span_class = key->span_class;
	exact.type = profile_string(profile, key->type);
	exact.pid = key->pid;
	exact.comm = profile_string(profile, key->comm);
	exact.rate = key->rate;
	HASH_FIND(hh, storage->samples, &exact, sizeof(exact), entry);
	if (!entry) {
		entry = obstack_alloc(&storage->memory, sizeof(*entry));
		memset(entry, 0, sizeof(*entry));
		memcpy(&entry->sample.key, &exact, sizeof(exact));
		HASH_ADD_KEYPTR(hh, storage->samples, &entry->sample.key, sizeof(exact), entry);
		if (profile->sample_count == storage->sample_capacity) {
			storage->sample_capacity =
				storage->sample_capacity ? storage->sample_capacity * 2 : 64;
			profile->samples = checked_reallocarray(profile->samples, storage->sample_capacity,
								sizeof(*profile->samples));
		}
		profile->samples[profile->sample_count++] = &entry->sample;
	}
	for (int value = 0; value < VALUE_COUNT; value++)
		entry->sample.values[value] = add_saturated(entry->sample.values[value], values[value]);
	return &entry->sample;
}

void profile_drop_unmeasured(struct profile *profile)
{
	struct profile_storage *storage = profile->storage;
	size_t kept = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		struct profile_sample *sample = profile->samples[i];
		struct sample_entry *entry = (void *)((char *)sample - offsetof(struct sample_entry, sample));
		bool measured = false;

		for (int value = 0; value < VALUE_COUNT; value++)
			measured |= sample->values[value] && profile->row_measured & 1u << value;
		if (measured)
			profile->samples[kept++] = sample;
		else
			HASH_DEL(storage->samples, entry);
	}
	profile->sample_count = kept;
}

void profile_totals(const struct profile *profile, int64_t totals[VALUE_COUNT])
{
	for (int value = 0; value < VALUE_COUNT; value++) {
		totals[value] = profile->process_count ? 0 : VALUE_UNMEASURED;
		for (size_t i = 0; i < profile->process_count && totals[value] != VALUE_UNMEASURED; i++) {
			int64_t part = profile->processes[i].totals[value];

			totals[value] = part == VALUE_UNMEASURED ? part : add_saturated(totals[value], part);
		}
	}
}

int64_t profile_lost_events(const struct profile *profile)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++)
		sum = add_saturated(sum, profile->processes[i].lost_events);
	return sum;
}

int64_t profile_lost_stacks(const struct profile *profile)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++)
		sum = add_saturated(sum, profile->processes[i].lost_stacks);
	return sum;
}

int64_t profile_unexplained(const struct profile *profile)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_check *check = &profile->processes[i].check;
		int64_t difference = check->difference < 0 ? -check->difference : check->difference;

		if (check->present && difference > check->bound)
			sum = add_saturated(sum, difference - check->bound);
	}
	return sum;
}

struct profile_loss profile_loss(const struct profile *profile)
{
	return (struct profile_loss){profile_lost_events(profile), profile_lost_stacks(profile), profile_unexplained(profile)};
}

void profile_loss_add(struct profile_loss *sum, const struct profile_loss *part)
{
	sum->events = add_saturated(sum->events, part->events);
	sum->stacks = add_saturated(sum->stacks, part->stacks);
	sum->unexplained = add_saturated(sum->unexplained, part->unexplained);
}

struct profile_check profile_check(const struct profile *profile)
{
	struct profile_check sum = {.present = profile->process_count > 0};

	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_check *check = &profile->processes[i].check;

		if (!check->present)
			return (struct profile_check){.present = false};
		if (!sum.source)
			sum.source = check->source;
		else if (check->source && strcmp(sum.source, check->source) != 0)
			sum.source = "several runtimes' counters";
		sum.objects = add_saturated(sum.objects, check->objects);
		sum.difference = add_saturated(sum.difference, check->difference);
		sum.bound = add_saturated(sum.bound, check->bound);
	}
	return sum;
}
