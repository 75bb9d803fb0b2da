/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Matches arbitrary file names. Input lines: "aFILE PACKAGE" is an annotated file, "mFILE PACKAGE" a measured one,
 * "dDIRECTORY" and "pFROM=TO" are options. The matcher must not crash. A match must be an added file. Names with
 * different base names, and files of different known packages, must not match. Equal names must match unless their
 * packages differ. Resolving again must give the same result.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/pathmatch.h"
#include "require.h"

enum { FILES = 64, MAPS = 4 };

struct named {
	char *file, *package;
};

struct input {
	struct named annotated[FILES], measured[FILES];
	size_t annotated_count, measured_count;
	struct pathmatch_map maps[MAPS];
	size_t map_count;
	const char *directory;
};

static void add(struct named *list, size_t *count, char *text)
{
	char *space = strrchr(text, ' ');

	if (*count == FILES || !*text)
		return;
	if (space)
		*space = 0;
	list[(*count)++] = (struct named){text, space && space[1] ? space + 1 : NULL};
}

static void read_lines(struct input *input, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (*line == 'a')
			add(input->annotated, &input->annotated_count, line + 1);
		else if (*line == 'm')
			add(input->measured, &input->measured_count, line + 1);
		else if (*line == 'd')
			input->directory = line + 1;
		else if (*line == 'p' && input->map_count < MAPS &&
			 !pathmatch_map_parse(line + 1, &input->maps[input->map_count]))
			input->map_count++;
	}
}

/* Whether normalisation does not change the path. */
static bool plain(const char *path)
{
	return !strpbrk(path, "\\!@:") && !strstr(path, "./") && !strstr(path, "/.") && !strstr(path, "//") &&
	       *path != '.' && *path && path[strlen(path) - 1] != '/';
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void check(const struct input *input, const struct pathmatch *match)
{
	for (size_t i = 0; i < input->measured_count; i++) {
		const char *file = input->measured[i].file, *found = pathmatch_find(match, file);
		bool known = found == NULL, same_name = false, packages = false;

		for (size_t j = 0; j < input->annotated_count; j++) {
			known |= found && strcmp(found, input->annotated[j].file) == 0;
			same_name |= strcmp(file, input->annotated[j].file) == 0;
			packages |= input->annotated[j].package != NULL;
		}
		REQUIRE(known);
		REQUIRE(found || !same_name || packages || input->measured[i].package);
		if (found && plain(file) && plain(found) && !input->map_count)
			REQUIRE(strcmp(base(file), base(found)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct input input = {0};
	struct pathmatch *match;
	const char *before[FILES];

	read_lines(&input, text);
	match = pathmatch_new(input.maps, input.map_count, input.directory);
	for (size_t i = 0; i < input.annotated_count; i++)
		pathmatch_add_annotated(match, input.annotated[i].file, input.annotated[i].package);
	for (size_t i = 0; i < input.measured_count; i++)
		pathmatch_add_measured(match, input.measured[i].file, input.measured[i].package);
	pathmatch_resolve(match);
	check(&input, match);
	for (size_t i = 0; i < input.measured_count; i++)
		before[i] = pathmatch_find(match, input.measured[i].file);
	pathmatch_resolve(match);
	for (size_t i = 0; i < input.measured_count; i++)
		REQUIRE(!before[i] || before[i] == pathmatch_find(match, input.measured[i].file));
	pathmatch_free(match);
	for (size_t i = 0; i < input.map_count; i++) {
		free((char *)input.maps[i].from);
		free((char *)input.maps[i].to);
	}
	free(text);
	return 0;
}
