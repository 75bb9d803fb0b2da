/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_POINTER_MAP_H
#define ESCAPEMENT_POINTER_MAP_H

/* A map from pointers, such as interned strings, to 32-bit numbers. A zeroed struct is an empty map. Not thread-safe. */

#include <stddef.h>
#include <stdint.h>

#include "base/hash_index.h"

#define POINTER_MAP_NONE UINT32_MAX /* the value of a key that has just been added */

struct pointer_map {
	struct pointer_map_entry {
		const void *key; /* never NULL */
		uint32_t value;
	} * entries; /* in the order in which they were added */
	size_t count, capacity;
	struct hash_index index; /* of entries, + 1 */
};

/* Returns a pointer to the value of a key, which is added if it is new. The pointer is valid until the next
 * addition. */
uint32_t *pointer_map_at(struct pointer_map *map, const void *key);
/* Returns the value of a key, POINTER_MAP_NONE if it is not in the map. */
uint32_t pointer_map_get(const struct pointer_map *map, const void *key);
void pointer_map_free(struct pointer_map *map);

#endif
