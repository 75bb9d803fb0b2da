/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/go_command.h"

#include <stdlib.h>
#include <string.h>

#include "target/procfs.h"

enum { WORDS_MAX = 8, ANCESTORS_MAX = 64 };

/* Whether the command is "go" or a versioned command ("go1.26", "go1.26.3"), in any directory. */
static bool is_go(const char *word)
{
	const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;

	if (strncmp(name, "go", 2) != 0)
		return false;
	return !name[2] || (name[2] >= '0' && name[2] <= '9' && !name[2 + strspn(name + 2, "0123456789.rcbeta")]);
}

/* Returns the index of the subcommand in a command whose first word is go; -1 if it is another one. */
static int subcommand_at(const char *const *words, const char *subcommand)
{
	int i = 1;

	if (!words[0] || !is_go(words[0]))
		return -1;
	if (words[1] && strcmp(words[1], "-C") == 0 && words[2])
		i = 3;
	else if (words[1] && strncmp(words[1], "-C=", 3) == 0)
		i = 2;
	return words[i] && strcmp(words[i], subcommand) == 0 ? i : -1;
}

bool go_command_is_test(const char *const *words)
{
	return subcommand_at(words, "test") > 0;
}

int go_command_find(const char *const *words, const char *subcommand)
{
	for (int i = 0; words[i]; i++) {
		int at = subcommand_at(words + i, subcommand);

		if (at > 0)
			return i + at;
	}
	return -1;
}

static bool process_is_test(int pid)
{
	const char *words[WORDS_MAX + 1] = {NULL};
	size_t length = 0;
	char *line = procfs_read(pid, "cmdline", &length);
	int count = 0;
	bool found;

	if (!line)
		return false;
	for (char *word = line; word < line + length && count < WORDS_MAX; word += strlen(word) + 1)
		words[count++] = word;
	found = go_command_is_test(words);
	free(line);
	return found;
}

bool go_command_tests(int pid, int root)
{
	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		if (process_is_test(pid))
			return true;
		if (pid == root)
			return false;
		pid = procfs_status_number(pid, "PPid");
	}
	return false;
}
