/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/go_command.h"

#include <stdlib.h>
#include <string.h>

#include "base/text_compare.h"
#include "target/procfs.h"

enum { WORDS_MAX = 8, ANCESTORS_MAX = 64 };

/* Whether the command is "go" or a versioned command ("go1.26", "go1.26.3"), in any directory. */
static bool is_go(const char *word)
{
	const char *name = text_base_name(word);

	if (strncmp(name, "go", 2) != 0)
		return false;
	return !name[2] || (name[2] >= '0' && name[2] <= '9' && !name[2 + strspn(name + 2, "0123456789.rcbeta")]);
}

/* Returns the index of the subcommand of a command whose first word is go, after -C DIR; -1 if there is none. */
static int subcommand_of(const char *const *words)
{
	int i = 1;

	if (!words[0] || !is_go(words[0]))
		return -1;
	if (words[1] && strcmp(words[1], "-C") == 0 && words[2])
		i = 3;
	else if (words[1] && strncmp(words[1], "-C=", 3) == 0)
		i = 2;
	return words[i] ? i : -1;
}

static int subcommand_at(const char *const *words, const char *subcommand)
{
	int i = subcommand_of(words);

	return i > 0 && strcmp(words[i], subcommand) == 0 ? i : -1;
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

static enum go_command_work work_of_words(const char *const *words)
{
	static const struct {
		const char *subcommand;
		enum go_command_work work;
	} rows[] = {
		{"test", GO_COMMAND_TESTS},  {"run", GO_COMMAND_RUNS},	       {"generate", GO_COMMAND_RUNS},
		{"tool", GO_COMMAND_RUNS},   {"build", GO_COMMAND_BUILDS},     {"vet", GO_COMMAND_BUILDS},
		{"list", GO_COMMAND_BUILDS}, {"install", GO_COMMAND_BUILDS},   {"env", GO_COMMAND_BUILDS},
		{"mod", GO_COMMAND_BUILDS},  {"get", GO_COMMAND_BUILDS},       {"version", GO_COMMAND_BUILDS},
		{"fmt", GO_COMMAND_BUILDS},  {"fix", GO_COMMAND_BUILDS},       {"clean", GO_COMMAND_BUILDS},
		{"work", GO_COMMAND_BUILDS}, {"telemetry", GO_COMMAND_BUILDS},
	};
	int at = subcommand_of(words);

	for (size_t i = 0; at > 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(words[at], rows[i].subcommand) == 0)
			return rows[i].work;
	}
	return GO_COMMAND_NONE;
}

static enum go_command_work work_of_process(int pid)
{
	const char *words[WORDS_MAX + 1] = {NULL};
	size_t length = 0;
	char *line = procfs_read(pid, "cmdline", &length);
	enum go_command_work work;
	int count = 0;

	if (!line)
		return GO_COMMAND_NONE;
	for (char *word = line; word < line + length && count < WORDS_MAX; word += strlen(word) + 1)
		words[count++] = word;
	work = work_of_words(words);
	free(line);
	return work;
}

enum go_command_work go_command_work_of(int pid, int root, bool *itself)
{
	enum go_command_work nearest = GO_COMMAND_NONE;

	*itself = false;
	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		enum go_command_work work = work_of_process(pid);

		*itself |= i == 0 && work != GO_COMMAND_NONE;
		/* a test may run go itself: what it builds is not measured either */
		if (work == GO_COMMAND_TESTS)
			return work;
		nearest = nearest == GO_COMMAND_NONE ? work : nearest;
		if (pid == root)
			break;
		pid = procfs_status_number(pid, "PPid");
	}
	return nearest;
}
