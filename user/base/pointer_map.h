/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_POINTER_MAP_H
#define ESCAPEMENT_POINTER_MAP_H

/*
 * A hash map from pointers, such as interned strings, to 32-bit numbers. Open addressing, linear probing. A zeroed
 * struct is an empty map. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#define POINTER_MAP_NONE UINT32_MAX /* the value of a key that has just been added */

struct pointer_map {
	struct pointer_map_slot {
		const void *key; /* NULL: free; so NULL is no key */
		uint32_t value;
	} * slots;
	size_t capacity, count; /* capacity is a power of two or 0 */
};

/* The value of a key, added where it is new. The pointer holds until the next addition. */
uint32_t *pointer_map_at(struct pointer_map *map, const void *key);
/* The value of a key, POINTER_MAP_NONE where it is not there. */
uint32_t pointer_map_get(const struct pointer_map *map, const void *key);
void pointer_map_free(struct pointer_map *map);

#endif
