/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/spooled.h"

#include <inttypes.h>
#include <string.h>

void spooled_write(FILE *stream, const char *name, uint64_t rows, const char *columns, const void *bytes, size_t size)
{
	fprintf(stream, "%s %" PRIu64 " %zu %s\n", name, rows, size, columns);
	fwrite(bytes, 1, size, stream);
}

static bool is_known(const struct spooled_part *part)
{
	static const char *const names[] = {SPOOLED_WINDOWS, SPOOLED_SITES, SPOOLED_HEAP, SPOOLED_PROFILE};
	bool known = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known |= spooled_is(part, names[i]);
	return known;
}

int spooled_next(const char **at, const char *limit, struct spooled_part *part)
{
	const char *line = *at, *end = line < limit ? memchr(line, '\n', (size_t)(limit - line)) : NULL;
	int columns_at = 0;

	if (line == limit)
		return 0;
	if (!end)
		return -1;
	part->name = line;
	part->name_length = (int)strcspn(line, " \n");
	/* a part that no store knows would be lost without a word */
	if (!is_known(part) ||
	    sscanf(line + part->name_length, " %" SCNu64 " %zu %n", &part->rows, &part->size, &columns_at) != 2)
		return -1;
	part->columns = line + part->name_length + columns_at;
	if (part->columns >= end || end - part->columns >= SPOOLED_COLUMNS_MAX ||
	    part->size > (size_t)(limit - end - 1))
		return -1;
	part->columns_length = (int)(end - part->columns);
	if (strspn(part->columns, "abcdefghijklmnopqrstuvwxyz_,") != (size_t)part->columns_length)
		return -1;
	part->bytes = end + 1;
	*at = part->bytes + part->size;
	return 1;
}

bool spooled_is(const struct spooled_part *part, const char *name)
{
	return strlen(name) == (size_t)part->name_length && strncmp(part->name, name, strlen(name)) == 0;
}
