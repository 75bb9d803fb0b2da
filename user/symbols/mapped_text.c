/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/mapped_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

bool mapped_text_length(Elf *file, const char *text, size_t *length)
{
	size_t size = 0, limit = MAPPED_TEXT_MAX;
	const char *start = file ? elf_rawfile(file, &size) : NULL;

	if (!text)
		return false;
	if (start && (uintptr_t)text >= (uintptr_t)start && (uintptr_t)text - (uintptr_t)start < size &&
	    size - ((uintptr_t)text - (uintptr_t)start) < limit)
		limit = size - ((uintptr_t)text - (uintptr_t)start);
	*length = strnlen(text, limit);
	return *length < limit;
}

const char *mapped_text_copy(struct string_table *table, const char *text, size_t length)
{
	char *copy = memory_text_of(text, length);
	const char *kept = string_table_intern(table, copy, strlen(copy));

	free(copy);
	return kept;
}
