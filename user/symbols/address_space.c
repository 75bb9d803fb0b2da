/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/address_space.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A mapped executable region. Regions that have been unmapped are kept, because stacks taken before contain their
 * addresses. */
struct region {
	uint64_t start, limit;
	char *path;
	struct image *image;
};

/* Regions kept per process. Addresses in further ones get no functions. */
enum { REGIONS_MAX = 4096 };

struct address_space {
	struct target *target;
	struct profile *profile;
	struct image_cache *images;
	struct image_cache *own_images; /* the same if they are not shared; else NULL */
	struct region *regions;		/* newest last: a reused address belongs to the newest region */
	size_t region_count;
	struct location_map located;
};

static void take_mappings(struct address_space *space);

static struct address_space *space_new(struct target *target, struct profile *profile, struct image_cache *images)
{
	struct address_space *space = memory_zeroed(1, sizeof(*space));

	space->target = target;
	space->profile = profile;
	space->own_images = images ? NULL : image_cache_new(profile);
	space->images = images ? images : space->own_images;
	take_mappings(space);
	return space;
}

struct address_space *address_space_of_past(struct target *target, struct profile *profile)
{
	return space_new(target, profile, NULL);
}

struct address_space *address_space_new(struct target *target, struct profile *profile, struct image_cache *images)
{
	struct address_space *space = space_new(target, profile, images);

	address_space_update(space);
	return space;
}

void address_space_free(struct address_space *space)
{
	if (!space)
		return;
	for (size_t i = 0; i < space->region_count; i++) {
		image_release(space->regions[i].image);
		free(space->regions[i].path);
	}
	location_map_free(&space->located);
	image_cache_free(space->own_images);
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
	struct region *region;

	space->regions = memory_resize(space->regions, space->region_count + 1, sizeof(*space->regions));
	region = &space->regions[space->region_count++];
	*region = (struct region){.start = mapping->start, .limit = mapping->limit, .path = memory_text(mapping->path)};
	region->image = image_share(space->images, target_file_open(space->target, mapping, NULL), mapping->path,
				    mapping->start, mapping->limit, mapping->offset);
}

void address_space_update(struct address_space *space)
{
	if (!target_refresh(space->target, NULL))
		take_mappings(space);
}

static void take_mappings(struct address_space *space)
{
	for (size_t i = 0; i < space->target->mapping_count && space->region_count < REGIONS_MAX; i++) {
		const struct target_mapping *mapping = &space->target->mappings[i];

		if (mapping->executable && mapping->inode && !region_known(space, mapping))
			region_add(space, mapping);
	}
}

static const struct profile_location *locate(struct address_space *space, uint64_t address, bool call)
{
	uint64_t instruction = address - (call ? 1 : 0);

	for (size_t i = space->region_count; i-- > 0;) {
		const struct region *region = &space->regions[i];

		if (instruction >= region->start && instruction < region->limit)
			return image_locate(region->image, address, call);
	}
	return profile_location(space->profile, address, NULL, NULL, 0);
}

const struct profile_location *address_space_locate(struct address_space *space, uint64_t address, bool call)
{
	const struct profile_location **location = location_map_at(&space->located, address, call);

	if (!*location)
		*location = locate(space, address, call);
	return *location;
}

const char *address_space_build_id(struct address_space *space, const char *path)
{
	for (size_t i = space->region_count; i-- > 0;) {
		const struct region *region = &space->regions[i];

		if (strcmp(region->path, path) == 0)
			return image_build_id(region->image);
	}
	return NULL;
}
