/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_IMAGE_CACHE_H
#define ESCAPEMENT_IMAGE_CACHE_H

/*
 * Executable files as processes map them, with all that has been symbolized of them: a build runs the same compiler
 * hundreds of times, and what an address means need be found out once only. An image that no process has any more is
 * kept for a while; its file stays open, so that it may be deleted meanwhile.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* From an instruction, or the return address of a call, to its location. All zero: empty. */
struct location_map {
	struct location_slot {
		uint64_t address;
		const struct profile_location *location; /* NULL: free */
		bool call;
	} * slots;
	size_t capacity, count; /* capacity is a power of two or 0 */
};

/* The place for that address's location, which is NULL where it has none yet. Holds until the next call. */
const struct profile_location **location_map_at(struct location_map *map, uint64_t address, bool call);
void location_map_free(struct location_map *map);

struct image;
struct image_cache;

/* Of locations of that profile, which must outlive it. */
struct image_cache *image_cache_new(struct profile *profile);
void image_cache_free(struct image_cache *cache); /* NULL is allowed; all images must have been released */

/*
 * The image of a file mapped there. `file` may be -1 where it cannot be opened; it is taken over. `path` is the file's
 * name for people. Never NULL; to be released.
 */
struct image *image_share(struct image_cache *cache, int file, const char *path, uint64_t start, uint64_t limit,
			  uint64_t offset);
void image_release(struct image *image);

/* The image as the profile names it. The first call opens its symbolizer: most mapped files never appear in a stack. */
const struct profile_mapping *image_mapping(struct image *image);
/* Go's own build id, or the GNU one of other programs; NULL if the file has none. The profile's string. */
const char *image_build_id(struct image *image);

/* The location of an address in it. `call`: it is a return address. Never NULL. */
const struct profile_location *image_locate(struct image *image, uint64_t address, bool call);

#endif
