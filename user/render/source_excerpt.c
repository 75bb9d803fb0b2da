/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/source_excerpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/printable.h"
#include "base/source_file.h"

enum { FILE_MAX = 8 << 20, LINE_MAX_BYTES = 400 };

static FILE *open_source(const char *file, const char *directory)
{
	size_t size;
	int descriptor = source_file_open(file, directory, &size);
	FILE *stream = descriptor >= 0 && size <= FILE_MAX ? fdopen(descriptor, "r") : NULL;

	if (!stream && descriptor >= 0)
		close(descriptor);
	return stream;
}

static char *printable_line(const char *text, size_t length)
{
	char *safe;

	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	length = length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES;
	/* Does not cut within a character. */
	while (length && length == LINE_MAX_BYTES && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	safe = memory_zeroed(length + 1, PRINTABLE_GROWTH);
	safe[printable_copy(safe, text, length)] = '\0';
	return safe;
}

struct source_excerpt source_excerpt_read(const char *file, const char *directory, const uint32_t *places,
					  size_t place_count, uint32_t context)
{
	struct source_excerpt excerpt = {0};
	size_t capacity = 0, size = 0, next = 0;
	FILE *stream = open_source(file, directory);
	char *text = NULL;
	ssize_t length;

	for (uint32_t number = 1; stream && next < place_count && (length = getline(&text, &size, stream)) >= 0;
	     number++) {
		while (next < place_count && (uint64_t)places[next] + context < number)
			next++;
		if (next == place_count || (uint64_t)number + context < places[next])
			continue;
		if (excerpt.count == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			excerpt.lines = memory_resize(excerpt.lines, capacity, sizeof(*excerpt.lines));
		}
		excerpt.lines[excerpt.count++] = (struct source_line){number, printable_line(text, (size_t)length)};
	}
	free(text);
	if (stream)
		fclose(stream);
	return excerpt;
}

void source_excerpt_free(struct source_excerpt *excerpt)
{
	for (size_t i = 0; i < excerpt->count; i++)
		free(excerpt->lines[i].text);
	free(excerpt->lines);
	*excerpt = (struct source_excerpt){0};
}
