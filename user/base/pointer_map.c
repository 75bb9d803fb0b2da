/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/pointer_map.h"

#include <stdlib.h>

#include "base/memory.h"

uint32_t *pointer_map_at(struct pointer_map *map, const void *key)
{
	uint64_t *item = hash_index_at(&map->index, (uintptr_t)key, NULL, NULL, NULL);

	if (!*item) {
		if (map->count == map->capacity) {
			map->capacity = map->capacity ? 2 * map->capacity : 16;
			map->entries = memory_resize(map->entries, map->capacity, sizeof(*map->entries));
		}
		map->entries[map->count] = (struct pointer_map_entry){key, POINTER_MAP_NONE};
		*item = ++map->count;
	}
	return &map->entries[*item - 1].value;
}

uint32_t pointer_map_get(const struct pointer_map *map, const void *key)
{
	uint64_t item = hash_index_get(&map->index, (uintptr_t)key, NULL, NULL, NULL);

	return item ? map->entries[item - 1].value : POINTER_MAP_NONE;
}

void pointer_map_free(struct pointer_map *map)
{
	hash_index_free(&map->index);
	free(map->entries);
	*map = (struct pointer_map){0};
}
