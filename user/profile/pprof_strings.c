/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_strings.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

int64_t pprof_strings_index(struct pprof_strings *strings, const char *text)
{
	uint32_t *index;

	if (!text || !*text)
		return 0;
	text = string_table_intern(&strings->table, text, strlen(text));
	index = pointer_map_at(&strings->indices, text);
	if (*index == POINTER_MAP_NONE) {
		if (strings->count == strings->capacity) {
			strings->capacity = strings->capacity ? strings->capacity * 2 : 64;
			strings->texts = memory_resize(strings->texts, strings->capacity, sizeof(*strings->texts));
		}
		strings->texts[strings->count++] = text;
		*index = (uint32_t)strings->count;
	}
	return *index;
}

int64_t pprof_strings_interned(struct pprof_strings *strings, const char *text)
{
	uint32_t known;
	int64_t index;

	if (!text)
		return 0;
	known = pointer_map_get(&strings->indices, text);
	if (known != POINTER_MAP_NONE)
		return known;
	index = pprof_strings_index(strings, text);
	*pointer_map_at(&strings->indices, text) = (uint32_t)index;
	return index;
}

void pprof_strings_free(struct pprof_strings *strings)
{
	string_table_free(&strings->table);
	pointer_map_free(&strings->indices);
	free(strings->texts);
}
