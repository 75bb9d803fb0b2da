/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/program_path.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

char *program_path(const char *word)
{
	const char *path = getenv("PATH");
	char *copy, *state = NULL, *found = NULL;

	if (strchr(word, '/'))
		return memory_text(word);
	copy = memory_text(path ? path : "");
	for (char *part = strtok_r(copy, ":", &state); part && !found; part = strtok_r(NULL, ":", &state)) {
		found = memory_format("%s/%s", part, word);
		if (access(found, X_OK)) {
			free(found);
			found = NULL;
		}
	}
	free(copy);
	return found;
}
