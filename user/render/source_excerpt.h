/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SOURCE_EXCERPT_H
#define ESCAPEMENT_SOURCE_EXCERPT_H

/*
 * Reads lines of source files around the places that a page shows. The names come from profiles, which may come from
 * anybody, and pages are sent to others: only what source_file.h opens is read. Files of more than 8 MiB are skipped.
 */

#include <stddef.h>
#include <stdint.h>

struct source_line {
	uint32_t number; /* 1-based */
	char *text;	 /* without its newline; printable UTF-8 */
};

struct source_excerpt {
	struct source_line *lines; /* ascending; none if the file cannot be read */
	size_t count;
};

/*
 * Reads the lines of `file` that are at most `context` lines from one of `places` (ascending, `place_count` of them). A
 * relative name is looked up below `directory` (NULL: the working directory). Lines are cut at 400 bytes.
 */
struct source_excerpt source_excerpt_read(const char *file, const char *directory, const uint32_t *places,
					  size_t place_count, uint32_t context);
void source_excerpt_free(struct source_excerpt *excerpt);

#endif
