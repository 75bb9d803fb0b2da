/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_by_position.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"

static uint64_t position_hash(const struct escape_annotation *annotation)
{
	return hash_fold((uintptr_t)annotation->file, (uint64_t)annotation->line << 32 | annotation->column);
}

/* File names are interned. */
static bool same_position(const void *annotations, uint64_t item, const void *key)
{
	const struct escape_annotation *a = (const struct escape_annotation *)annotations + item - 1, *b = key;

	return a->file == b->file && a->line == b->line && a->column == b->column;
}

void escape_by_position_init(struct escape_by_position *index, const struct escape_output *output,
			     bool (*is_wanted)(const struct escape_annotation *))
{
	const struct escape_annotation *annotations = output->annotations;

	*index = (struct escape_by_position){.annotations = annotations};
	index->next = memory_zeroed(output->annotation_count + 1, sizeof(*index->next));
	for (size_t i = output->annotation_count; i-- > 0;) {
		uint64_t *first;

		if (!is_wanted(&annotations[i]))
			continue;
		first = hash_index_at(&index->at, position_hash(&annotations[i]), same_position, annotations,
				      &annotations[i]);
		index->next[i] = (uint32_t)*first;
		*first = i + 1;
		index->count++;
	}
}

void escape_by_position_free(struct escape_by_position *index)
{
	hash_index_free(&index->at);
	free(index->next);
}

const struct escape_annotation *escape_by_position_first(const struct escape_by_position *index,
							 const struct escape_annotation *position)
{
	uint64_t item =
		hash_index_get(&index->at, position_hash(position), same_position, index->annotations, position);

	return item ? &index->annotations[item - 1] : NULL;
}

const struct escape_annotation *escape_by_position_next(const struct escape_by_position *index,
							const struct escape_annotation *annotation)
{
	uint32_t item = index->next[annotation - index->annotations];

	return item ? &index->annotations[item - 1] : NULL;
}
