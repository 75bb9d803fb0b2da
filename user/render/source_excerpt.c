/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/source_excerpt.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/printable.h"
#include "base/string_table.h"

enum { FILE_MAX = 8 << 20, LINE_MAX_BYTES = 400 };

static bool is_source_name(const char *file)
{
	static const char *const suffixes[] = {".go", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".y", ".s"};
	const char *suffix = strrchr(file, '.');

	for (size_t i = 0; suffix && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strcmp(suffix, suffixes[i]) == 0)
			return true;
	}
	return false;
}

static FILE *open_source(const char *file, const char *directory)
{
	char *path;
	struct stat status;
	FILE *stream = NULL;
	int descriptor;

	if (!is_source_name(file))
		return NULL;
	path = memory_format("%s%s%s", file[0] == '/' || !directory ? "" : directory,
			     file[0] == '/' || !directory ? "" : "/", file);
	/* O_NONBLOCK, so as not to wait for the writer of a FIFO. */
	descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	free(path);
	if (descriptor < 0)
		return NULL;
	if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= FILE_MAX)
		stream = fdopen(descriptor, "r");
	if (!stream)
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
