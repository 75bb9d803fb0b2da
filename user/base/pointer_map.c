/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/pointer_map.h"

#include <stdlib.h>

#include "base/memory.h"

static size_t slot_of(const struct pointer_map *map, const void *key)
{
	/* Fibonacci hashing. The lowest bits of a pointer are always zero. */
	size_t slot = (size_t)(((uint64_t)(uintptr_t)key >> 3) * 0x9e3779b97f4a7c15ULL >> 20) & (map->capacity - 1);

	while (map->slots[slot].key && map->slots[slot].key != key)
		slot = (slot + 1) & (map->capacity - 1);
	return slot;
}

static void grow(struct pointer_map *map)
{
	struct pointer_map old = *map;

	map->capacity = old.capacity ? 2 * old.capacity : 64;
	map->slots = memory_zeroed(map->capacity, sizeof(*map->slots));
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].key)
			map->slots[slot_of(map, old.slots[i].key)] = old.slots[i];
	}
	free(old.slots);
}

uint32_t *pointer_map_at(struct pointer_map *map, const void *key)
{
	size_t slot;

	if (2 * (map->count + 1) > map->capacity)
		grow(map);
	slot = slot_of(map, key);
	if (!map->slots[slot].key) {
		map->slots[slot] = (struct pointer_map_slot){key, POINTER_MAP_NONE};
		map->count++;
	}
	return &map->slots[slot].value;
}

uint32_t pointer_map_get(const struct pointer_map *map, const void *key)
{
	size_t slot;

	if (!map->count || !key)
		return POINTER_MAP_NONE;
	slot = slot_of(map, key);
	return map->slots[slot].key ? map->slots[slot].value : POINTER_MAP_NONE;
}

void pointer_map_free(struct pointer_map *map)
{
	free(map->slots);
	*map = (struct pointer_map){0};
}
