/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_IMAGE_CACHE_H
#define ESCAPEMENT_IMAGE_CACHE_H

/*
 * Executable files as processes map them, with everything that has been symbolized of them: a build runs the same
 * compiler hundreds of times, and each address need be looked up only once. An image that no process maps any more is
 * kept for a while; its file stays open, so that it may be deleted meanwhile.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash_index.h"
#include "profile/profile.h"

/* A map from the address of an instruction, or the return address of a call, to its location. All zero: empty. */
struct location_map {
	struct located {
		uint64_t address;
		const struct profile_location *location;
		bool call;
	} * entries;
	size_t capacity;
	struct hash_index index; /* of entries, + 1 */
};

/* Returns the slot for that address's location; the slot is NULL if the address is new. Valid until the next call. */
const struct profile_location **location_map_at(struct location_map *map, uint64_t address, bool call);
void location_map_free(struct location_map *map);

struct image;
struct image_cache;

/* Creates a cache of locations of `profile`, which must outlive it. */
struct image_cache *image_cache_new(struct profile *profile);
void image_cache_free(struct image_cache *cache); /* NULL is allowed; all images must have been released */

/*
 * Returns the image of a file that is mapped at [start, limit). `file` is its descriptor, which the cache takes over,
 * or -1 if it cannot be opened. `path` is the file's name for people. Never NULL; the caller releases it.
 */
struct image *image_share(struct image_cache *cache, int file, const char *path, uint64_t start, uint64_t limit,
			  uint64_t offset);
void image_release(struct image *image);

/* Returns the profile's mapping of the image. The first call opens its symbolizer, because most mapped files never
 * appear in a stack. */
const struct profile_mapping *image_mapping(struct image *image);
/* Returns Go's build id, or the GNU build id of other programs; NULL if the file has none. The string belongs to the
 * profile. */
const char *image_build_id(struct image *image);

/* Returns the location of an address in the image. `call`: it is a return address. Never NULL. */
const struct profile_location *image_locate(struct image *image, uint64_t address, bool call);

#endif
