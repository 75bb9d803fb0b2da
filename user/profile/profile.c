/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Storage of a profile. Interned things are found through one table per kind. A table's key is a run of bytes, without
 * padding or with zeroed padding, in which pointers represent interned things. Equal things have the same pointer, so
 * comparing bytes is sufficient.
 *
 * Strings, mappings and locations stay until the profile is freed. There may be millions of samples and stacks: they have
 * a memory of their own, which is freed when they are handed to the sink.
 *
 * Memory that runs out ends the process: memory.h.
 */
#include "profile/profile.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "base/string_table.h"

struct mapping_entry {
	UT_hash_handle hh;
	struct profile_mapping mapping; /* the members before `id` are the key */
};

struct location_entry {
	struct profile_location location;
	struct profile_frame frames[];
};

struct profile_storage {
	struct arena memory;
	struct string_table strings;
	struct mapping_entry *mappings;
	struct profile_locations locations;
	struct hash_index location_ids;
	struct arena row_memory;   /* of stacks and samples */
	size_t row_bytes;	   /* bytes of it in use */
	struct hash_index stacks;  /* addresses of struct profile_stack */
	struct hash_index samples; /* addresses of struct profile_sample */
	bool settled;		   /* the indexes of locations, stacks and samples are freed */
	void *scratch;		   /* the key that is being built */
	size_t scratch_size;
	size_t start_capacity, process_capacity, location_capacity, sample_capacity;
	profile_sink *sink;
	void *sink_context;
	size_t sink_limit;
};

struct profile *profile_new(void)
{
	struct profile *profile = memory_allocate(sizeof(*profile));

	*profile = (struct profile){0};
	for (int value = 0; value < VALUE_COUNT; value++)
		profile->written_sums[value] = VALUE_UNMEASURED;
	profile->written_seconds = VALUE_UNMEASURED;
	profile->storage = memory_allocate(sizeof(*profile->storage));
	*profile->storage = (struct profile_storage){0};
	profile->locations = &profile->storage->locations;
	return profile;
}

void profile_forget_samples(struct profile *profile)
{
	struct profile_storage *storage = profile->storage;

	hash_index_free(&storage->stacks);
	hash_index_free(&storage->samples);
	arena_free(&storage->row_memory);
	storage->row_bytes = 0;
	profile->sample_count = 0;
	profile->start_count = 0; /* their stacks are gone */
}

void profile_free(struct profile *profile)
{
	struct profile_storage *storage;

	if (!profile)
		return;
	storage = profile->storage;
	profile_forget_samples(profile);
	string_table_free(&storage->strings);
	HASH_CLEAR(hh, storage->mappings);
	hash_index_free(&storage->location_ids);
	arena_free(&storage->memory);
	free(storage->locations.table);
	free(storage->scratch);
	free(storage);
	free(profile->starts);
	free(profile->processes);
	free(profile->samples);
	free(profile->warnings);
	free(profile);
}

void profile_expect(struct profile *profile, size_t locations, size_t samples)
{
	enum { SAMPLES_MOST = 1 << 18 }; /* many may be the same */
	struct profile_storage *storage = profile->storage;

	if (samples > SAMPLES_MOST)
		samples = SAMPLES_MOST;
	hash_index_reserve(&storage->location_ids, locations);
	hash_index_reserve(&storage->stacks, samples);
	hash_index_reserve(&storage->samples, samples);
}

void profile_set_sink(struct profile *profile, profile_sink *sink, void *context, size_t limit)
{
	profile->storage->sink = sink;
	profile->storage->sink_context = context;
	profile->storage->sink_limit = limit;
}

void profile_drain(struct profile *profile)
{
	struct profile_storage *storage = profile->storage;

	if (!storage->sink || profile->sample_count < storage->sink_limit)
		return;
	storage->sink(storage->sink_context, profile);
	profile_forget_samples(profile);
}

/* Returns zeroed memory for a key of `size` bytes; valid until the next call. */
static void *scratch(struct profile_storage *storage, size_t size)
{
	if (size > storage->scratch_size) {
		storage->scratch_size = size * 2;
		storage->scratch = memory_resize(storage->scratch, 1, storage->scratch_size);
	}
	return memset(storage->scratch, 0, size);
}

const char *profile_string(struct profile *profile, const char *text)
{
	return string_table_intern_printable(&profile->storage->strings, text);
}

void profile_set_modules(struct profile *profile, const char *const *globs, size_t count)
{
	profile->modules = arena_allocate(&profile->storage->memory, (count + 1) * sizeof(*profile->modules));
	for (size_t i = 0; i < count; i++)
		profile->modules[i] = profile_string(profile, globs[i]);
	profile->module_count = count;
}

void profile_set_calls(struct profile *profile, const char *const *functions, size_t count)
{
	profile->calls = arena_allocate(&profile->storage->memory, (count + 1) * sizeof(*profile->calls));
	for (size_t i = 0; i < count; i++)
		profile->calls[i] = (struct profile_call){.function = profile_string(profile, functions[i])};
	profile->call_count = count;
}

void profile_add_start(struct profile *profile, const struct profile_stack *stack, const char *function, int64_t count)
{
	struct profile_storage *storage = profile->storage;

	if (profile->start_count == storage->start_capacity) {
		storage->start_capacity = storage->start_capacity ? storage->start_capacity * 2 : 16;
		profile->starts = memory_resize(profile->starts, storage->start_capacity, sizeof(*profile->starts));
	}
	profile->starts[profile->start_count++] = (struct profile_start){stack, function, count};
}

struct profile_process *profile_process_add(struct profile *profile, int pid)
{
	struct profile_storage *storage = profile->storage;
	struct profile_process *process;

	if (profile->process_count == storage->process_capacity) {
		storage->process_capacity = storage->process_capacity ? storage->process_capacity * 2 : 1;
		profile->processes =
			memory_resize(profile->processes, storage->process_capacity, sizeof(*profile->processes));
	}
	process = &profile->processes[profile->process_count++];
	profile_process_init(process, pid);
	return process;
}

void profile_key_copy(struct profile_key *to, const struct profile_key *from)
{
	memset(to, 0, sizeof(*to));
	to->stack = from->stack;
	to->span_class = from->span_class;
	to->type = from->type;
	to->pid = from->pid;
	to->comm = from->comm;
	to->rate = from->rate;
	to->bursts = from->bursts;
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
	key.file = profile_path(profile, mapping->file);
	key.build_id = profile_string(profile, mapping->build_id);
	HASH_FIND(hh, storage->mappings, &key, key_size, entry);
	if (!entry) {
		entry = arena_allocate(&storage->memory, sizeof(*entry));
		entry->mapping = key;
		entry->mapping.id = HASH_COUNT(storage->mappings) + 1;
		HASH_ADD_KEYPTR(hh, storage->mappings, &entry->mapping, key_size, entry);
	}
	return &entry->mapping;
}

static bool location_same(const void *items, uint64_t item, const void *key)
{
	const struct profile *profile = items;
	const struct profile_location *a = profile->locations->table[item - 1], *b = key;

	return a->address == b->address && a->mapping == b->mapping && a->frame_count == b->frame_count &&
	       (!a->frame_count || memcmp(a->frames, b->frames, a->frame_count * sizeof(*a->frames)) == 0);
}

static bool stack_same(const void *items, uint64_t item, const void *key)
{
	const struct profile_stack *a = (const struct profile_stack *)(uintptr_t)item, *b = key;

	(void)items;
	return a->depth == b->depth && a->truncated == b->truncated &&
	       memcmp(a->ids, b->ids, a->depth * sizeof(*a->ids)) == 0;
}

static bool sample_same(const void *items, uint64_t item, const void *key)
{
	(void)items;
	return memcmp(&((const struct profile_sample *)(uintptr_t)item)->key, key, sizeof(struct profile_key)) == 0;
}

static uint64_t location_hash(const struct profile_location *location)
{
	size_t size = location->frame_count * sizeof(*location->frames);
	uint64_t hash = size ? hash_bytes(location->frames, size) : 0;

	return hash_fold(hash_fold(hash, location->address), (uintptr_t)location->mapping);
}

static uint64_t stack_hash(const struct profile_stack *stack)
{
	return hash_fold(hash_bytes(stack->ids, stack->depth * sizeof(*stack->ids)), stack->truncated);
}

void profile_settle(struct profile *profile)
{
	struct profile_storage *storage = profile->storage;

	hash_index_free(&storage->location_ids);
	hash_index_free(&storage->stacks);
	hash_index_free(&storage->samples);
	storage->settled = true;
}

/* Makes the indexes again for an addition. */
static void unsettle(struct profile *profile)
{
	struct profile_storage *storage = profile->storage;

	if (!storage->settled)
		return;
	storage->settled = false;
	for (size_t i = 0; i < storage->locations.count; i++) {
		const struct profile_location *location = storage->locations.table[i];

		*hash_index_at(&storage->location_ids, location_hash(location), location_same, profile, location) =
			location->id;
	}
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];
		const struct profile_stack *stack = sample->key.stack;

		*hash_index_at(&storage->samples, hash_bytes(&sample->key, sizeof(sample->key)), sample_same, NULL,
			       &sample->key) = (uintptr_t)sample;
		if (stack)
			*hash_index_at(&storage->stacks, stack_hash(stack), stack_same, NULL, stack) = (uintptr_t)stack;
	}
}

const struct profile_location *profile_location_of(struct profile *profile, uint64_t address,
						   const struct profile_mapping *mapping,
						   const struct profile_frame *frames, uint32_t frame_count)
{
	struct profile_storage *storage = profile->storage;
	size_t size = frame_count * sizeof(*frames);
	const struct profile_location key = {
		.address = address, .mapping = mapping, .frame_count = frame_count, .frames = frames};
	struct location_entry *entry;
	uint64_t *item;

	unsettle(profile);
	item = hash_index_at(&storage->location_ids, location_hash(&key), location_same, profile, &key);
	if (*item)
		return storage->locations.table[*item - 1];
	entry = arena_allocate(&storage->memory, sizeof(*entry) + size);
	if (size)
		memcpy(entry->frames, frames, size);
	entry->location = key;
	entry->location.frames = frame_count ? entry->frames : NULL;
	if (storage->locations.count == storage->location_capacity) {
		storage->location_capacity = storage->location_capacity ? storage->location_capacity * 2 : 64;
		storage->locations.table = memory_resize(storage->locations.table, storage->location_capacity,
							 sizeof(*storage->locations.table));
	}
	storage->locations.table[storage->locations.count++] = &entry->location;
	*item = entry->location.id = (uint32_t)storage->locations.count;
	return &entry->location;
}

const struct profile_location *profile_location(struct profile *profile, uint64_t address,
						const struct profile_mapping *mapping,
						const struct profile_frame *frames, uint32_t frame_count)
{
	struct profile_frame *copies = scratch(profile->storage, frame_count * sizeof(*frames) + 1);

	for (uint32_t i = 0; i < frame_count; i++) {
		copies[i].function = profile_string(profile, frames[i].function);
		copies[i].file = profile_path(profile, frames[i].file);
		copies[i].line = frames[i].line;
		copies[i].column = frames[i].column;
		copies[i].start_line = frames[i].start_line;
	}
	return profile_location_of(profile, address, mapping, copies, frame_count);
}

size_t profile_memory(const struct profile *profile)
{
	const struct profile_storage *storage = profile->storage;

	return storage->row_bytes + (storage->stacks.capacity + storage->samples.capacity) * sizeof(struct hash_slot) +
	       storage->sample_capacity * sizeof(*profile->samples);
}

static void *row_allocate(struct profile_storage *storage, size_t size)
{
	storage->row_bytes += size;
	return arena_allocate(&storage->row_memory, size);
}

const struct profile_stack *profile_stack(struct profile *profile, const struct profile_location *const *locations,
					  uint32_t depth, bool truncated)
{
	struct profile_storage *storage = profile->storage;
	const size_t size = sizeof(struct profile_stack) + depth * sizeof(uint32_t);
	struct profile_stack *stack = scratch(storage, size);
	uint64_t *item;

	*stack = (struct profile_stack){.profile = profile, .depth = depth, .truncated = truncated};
	for (uint32_t i = 0; i < depth; i++)
		stack->ids[i] = locations[i]->id;
	unsettle(profile);
	item = hash_index_at(&storage->stacks, stack_hash(stack), stack_same, NULL, stack);
	if (!*item)
		*item = (uintptr_t)memcpy(row_allocate(storage, size), stack, size);
	return (const struct profile_stack *)(uintptr_t)*item;
}

const char profile_gap[] = "(callers cut off)";

bool profile_stack_is_rootless(const struct profile_stack *stack)
{
	for (uint32_t i = 0; stack->truncated && i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		if (location->frame_count == 1 && location->frames[0].function &&
		    strcmp(location->frames[0].function, profile_gap) == 0)
			return false;
	}
	return stack->truncated;
}

static struct profile_group *groups_new(struct profile_storage *storage)
{
	const size_t size = BURST_GROUPS * sizeof(struct profile_group);

	return memset(row_allocate(storage, size), 0, size);
}

struct profile_sample *profile_add(struct profile *profile, const struct profile_key *key, const int64_t *values)
{
	struct profile_storage *storage = profile->storage;
	struct profile_sample *sample;
	struct profile_key exact;
	uint64_t *item;

	unsettle(profile);
	memset(&exact, 0, sizeof(exact));
	exact.stack = key->stack;
	exact.span_class = key->span_class;
	exact.type = profile_string(profile, key->type);
	exact.pid = key->pid;
	exact.comm = profile_string(profile, key->comm);
	exact.rate = key->rate;
	exact.bursts = key->bursts != 0;
	item = hash_index_at(&storage->samples, hash_bytes(&exact, sizeof(exact)), sample_same, NULL, &exact);
	sample = (struct profile_sample *)(uintptr_t)*item;
	if (!sample) {
		sample = row_allocate(storage, sizeof(*sample));
		memset(sample, 0, sizeof(*sample));
		memcpy(&sample->key, &exact, sizeof(exact));
		if (exact.bursts)
			sample->groups = groups_new(storage);
		*item = (uintptr_t)sample;
		if (profile->sample_count == storage->sample_capacity) {
			storage->sample_capacity = storage->sample_capacity ? storage->sample_capacity * 2 : 64;
			profile->samples =
				memory_resize(profile->samples, storage->sample_capacity, sizeof(*profile->samples));
		}
		profile->samples[profile->sample_count++] = sample;
	}
	for (int value = 0; value < VALUE_COUNT; value++)
		sample->values[value] = add_saturated(sample->values[value], values[value]);
	return sample;
}

struct profile_sample *profile_add_group(struct profile *profile, const struct profile_key *key, int group,
					 const int64_t *values)
{
	struct profile_sample *sample = profile_add(profile, key, values);
	struct profile_group *part = &sample->groups[group];

	part->objects = add_saturated(part->objects, values[VALUE_OBJECTS]);
	part->bytes = add_saturated(part->bytes, values[VALUE_BYTES]);
	part->samples = add_saturated(part->samples, values[VALUE_SAMPLES]);
	return sample;
}

void profile_ends_join(struct profile_ends *sum, const struct profile_ends *ends)
{
	sum->objects_low += ends->objects_low;
	sum->objects_high += ends->objects_high;
	sum->bytes_low += ends->bytes_low;
	sum->bytes_high += ends->bytes_high;
}

void profile_add_ends(struct profile *profile, struct profile_sample *sample, const struct profile_ends *ends)
{
	struct profile_ends *sum = row_allocate(profile->storage, sizeof(*sum));

	*sum = *ends;
	if (sample->ends)
		profile_ends_join(sum, sample->ends);
	sample->ends = sum;
}

void profile_drop_unmeasured(struct profile *profile)
{
	struct profile_storage *storage = profile->storage;
	size_t count = profile->sample_count;

	unsettle(profile);
	profile->sample_count = 0;
	hash_index_clear(&storage->samples);
	for (size_t i = 0; i < count; i++) {
		struct profile_sample *sample = profile->samples[i];
		uint64_t hash = hash_bytes(&sample->key, sizeof(sample->key));
		bool measured = false;

		for (int value = 0; value < VALUE_COUNT; value++)
			measured |= sample->values[value] && profile->row_measured & 1u << value;
		if (!measured)
			continue;
		profile->samples[profile->sample_count++] = sample;
		*hash_index_at(&storage->samples, hash, sample_same, NULL, &sample->key) = (uintptr_t)sample;
	}
}

/* Of a snapshot, in their order. */
static const int snapshot_values[] = {VALUE_LIVE_OBJECTS, VALUE_LIVE_BYTES, VALUE_OBJECTS, VALUE_BYTES, VALUE_COUNT};

bool profile_stores(const struct profile *profile, int value)
{
	if (profile->written)
		return profile->written & 1u << value;
	if (profile->unreachable)
		return profile_values[value].kinds & VALUE_LOST;
	if (!profile->snapshot)
		return !(profile_values[value].kinds & (VALUE_LIVE | VALUE_LOST));
	for (int i = 0; snapshot_values[i] != VALUE_COUNT; i++) {
		if (snapshot_values[i] == value)
			return true;
	}
	return value == VALUE_SAMPLES;
}

int profile_next_shown(const struct profile *profile, int value)
{
	int i = 0;

	if (!profile->snapshot || profile->unreachable)
		return profile_value_next(value, profile_shown_kind(profile));
	while (value >= 0 && snapshot_values[i] != VALUE_COUNT && snapshot_values[i++] != value)
		;
	return snapshot_values[i];
}
