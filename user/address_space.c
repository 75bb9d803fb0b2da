/* SPDX-License-Identifier: BSD-2-Clause */
#include "address_space.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "symbolizer.h"
#include "usdt.h"

/* A mapped executable region. Regions of ended libraries stay: their addresses are in stacks already taken. */
struct region {
	uint64_t start, limit, bias;
	bool bias_known;
	int file; /* open as long as the space: the process may end, the file be deleted */
	const struct profile_mapping *mapping; /* made when its symbolizer is */
	struct symbolizer *symbolizer;
	bool tried;
	char *path;
	uint64_t offset;
};

struct located {
	uint64_t key[2]; /* address, call */
	const struct profile_location *location;
	UT_hash_handle hh;
};

struct address_space {
	struct target *target;
	struct profile *profile;
	struct region *regions; /* the newest last: a reused address belongs to the latest */
	size_t region_count;
	struct located *located;
};

static void take_mappings(struct address_space *space);

struct address_space *address_space_of_past(struct target *target, struct profile *profile)
{
	struct address_space *space = calloc(1, sizeof(*space));

	if (!space)
		abort();
	space->target = target;
	space->profile = profile;
	take_mappings(space);
	return space;
}

struct address_space *address_space_new(struct target *target, struct profile *profile)
{
	struct address_space *space = address_space_of_past(target, profile);

	address_space_update(space);
	return space;
}

void address_space_free(struct address_space *space)
{
	struct located *entry, *next;

	if (!space)
		return;
	HASH_ITER(hh, space->located, entry, next) {
		HASH_DEL(space->located, entry);
		free(entry);
	}
	for (size_t i = 0; i < space->region_count; i++) {
		symbolizer_close(space->regions[i].symbolizer);
		if (space->regions[i].file >= 0)
			close(space->regions[i].file);
		free(space->regions[i].path);
	}
	free(space->regions);
	free(space);
}

static bool region_known(const struct address_space *space, const struct target_mapping *mapping)
{
	for (size_t i = space->region_count; i-- > 0;) {
		const struct region *region = &space->regions[i];

		if (region->start == mapping->start && region->limit == mapping->limit &&
		    strcmp(region->path, mapping->path) == 0)
			return true;
	}
	return false;
}

static void region_add(struct address_space *space, const struct target_mapping *mapping)
{
	char *path = target_file_path(space->target, mapping);
	struct region *region;

	space->regions = reallocarray(space->regions, space->region_count + 1, sizeof(*space->regions));
	if (!space->regions)
		abort();
	region = &space->regions[space->region_count++];
	*region = (struct region){.start = mapping->start, .limit = mapping->limit, .offset = mapping->offset};
	region->path = strdup(mapping->path);
	region->file = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
}

void address_space_update(struct address_space *space)
{
	if (!target_refresh(space->target, NULL))
		take_mappings(space);
}

static void take_mappings(struct address_space *space)
{
	for (size_t i = 0; i < space->target->mapping_count; i++) {
		const struct target_mapping *mapping = &space->target->mappings[i];

		if (mapping->executable && mapping->inode && !region_known(space, mapping))
			region_add(space, mapping);
	}
}

/* Opens the region's symbolizer at its first use: most mapped files never appear in a stack. */
static void region_resolve(struct address_space *space, struct region *region)
{
	struct profile_mapping mapping = {.start = region->start, .limit = region->limit, .offset = region->offset,
					  .file = region->path};
	char path[64];

	region->tried = true;
	if (region->file >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", region->file);
		region->bias_known = !elf_load_bias(path, region->start, region->offset, &region->bias);
		region->symbolizer = symbolizer_open(path, NULL);
		if (region->symbolizer)
			mapping.build_id = symbolizer_build_id(region->symbolizer);
	}
	region->mapping = profile_mapping(space->profile, &mapping);
}

static const struct profile_location *locate(struct address_space *space, uint64_t address, bool call)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	uint64_t instruction = address - (call ? 1 : 0);
	size_t count = 0;

	for (size_t i = space->region_count; i-- > 0;) {
		struct region *region = &space->regions[i];

		if (instruction < region->start || instruction >= region->limit)
			continue;
		if (!region->tried)
			region_resolve(space, region);
		if (region->symbolizer && region->bias_known)
			count = symbolizer_lookup(region->symbolizer, instruction - region->bias, frames);
		return profile_location(space->profile, address, region->mapping, frames, (uint32_t)count);
	}
	return profile_location(space->profile, address, NULL, NULL, 0);
}

const struct profile_location *address_space_locate(struct address_space *space, uint64_t address, bool call)
{
	uint64_t key[2] = {address, call};
	struct located *entry;

	HASH_FIND(hh, space->located, key, sizeof(key), entry);
	if (entry)
		return entry->location;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		abort();
	memcpy(entry->key, key, sizeof(key));
	entry->location = locate(space, address, call);
	HASH_ADD(hh, space->located, key, sizeof(entry->key), entry);
	return entry->location;
}

const char *address_space_build_id(struct address_space *space, const char *path)
{
	for (size_t i = space->region_count; i-- > 0;) {
		struct region *region = &space->regions[i];

		if (strcmp(region->path, path) != 0)
			continue;
		if (!region->tried)
			region_resolve(space, region);
		return region->mapping->build_id;
	}
	return NULL;
}
