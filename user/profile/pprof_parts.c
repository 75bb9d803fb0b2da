/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/pprof_format.h"

/* What a function or location of two bytes may take: a row and four places by its id, and what is made of it. */
enum { TABLE_BYTES = 16 + 4 * 8 + 80 };

/* Appends bytes and returns where they are. */
static uint8_t *append(struct pprof_part *part, const uint8_t *bytes, size_t length, size_t more)
{
	if (length + more > part->capacity - part->size) {
		part->capacity = 2 * (part->capacity + length + more);
		part->bytes = memory_resize(part->bytes, part->capacity, 1);
	}
	if (length)
		memcpy(part->bytes + part->size, bytes, length);
	part->size += length + more;
	part->count++;
	return part->bytes + part->size - more;
}

static void append_string(struct pprof_parts *parts, struct wire_bytes text)
{
	if (parts->strings.count == parts->string_capacity) {
		parts->string_capacity = parts->string_capacity ? 2 * parts->string_capacity : 64;
		parts->string_at = memory_resize(parts->string_at, parts->string_capacity, sizeof(*parts->string_at));
	}
	parts->string_at[parts->strings.count] = (uint32_t)parts->strings.size;
	*append(&parts->strings, text.next, (size_t)(text.end - text.next), 1) = 0;
}

int pprof_parts_read(struct pprof_parts *parts, struct pprof_source *source)
{
	struct wire_field field;
	struct wire_bytes all;
	int status;

	while ((status = pprof_source_field(source, &field, &all)) > 0) {
		size_t length = (size_t)(all.end - all.next);
		uint64_t kind = field.wire == WIRE_BYTES ? field.number : 0;

		if (kind == PPROF_SAMPLE) {
			parts->sample_count++;
			continue;
		}
		if (length > PPROF_REST_BYTES_MAX - parts->size)
			return pprof_source_too_large(source, "more than %zu MiB besides its samples",
						      PPROF_REST_BYTES_MAX >> 20);
		parts->size += length;
		if (kind == PPROF_STRING)
			append_string(parts, field.content);
		else
			append(kind == PPROF_FUNCTION	? &parts->functions
			       : kind == PPROF_LOCATION ? &parts->locations
							: &parts->others,
			       all.next, length, 0);
	}
	return status;
}

size_t pprof_parts_memory(const struct pprof_parts *parts)
{
	return parts->functions.size + parts->locations.size + parts->others.size + parts->strings.size +
	       parts->strings.count * sizeof(*parts->string_at) +
	       (parts->functions.count + parts->locations.count) * TABLE_BYTES;
}

void pprof_parts_free(struct pprof_parts *parts)
{
	free(parts->functions.bytes);
	free(parts->locations.bytes);
	free(parts->others.bytes);
	free(parts->strings.bytes);
	free(parts->string_at);
	*parts = (struct pprof_parts){0};
}
