/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/go_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "target/go_command.h"

/* Flags of go build and go test that take a value. All others take none, or have an =. */
static const struct flag {
	const char *name;
	bool value;  /* in the next word, unless it follows an = */
	bool builds; /* go list accepts it too, and it affects what is built */
} flags[] = {
	{"asmflags", true, true},
	{"buildmode", true, true},
	{"buildvcs", false, true},
	{"compiler", true, true},
	{"cover", false, true},
	{"covermode", true, true},
	{"coverpkg", true, true},
	{"gccgoflags", true, true},
	{"installsuffix", true, true},
	{"ldflags", true, true},
	{"mod", true, true},
	{"modfile", true, true},
	{"overlay", true, true},
	{"p", true, true},
	{"pgo", true, true},
	{"pkgdir", true, true},
	{"tags", true, true},
	{"toolexec", true, true},
	{"asan", false, true},
	{"msan", false, true},
	{"race", false, true},
	{"linkshared", false, true},
	{"modcacherw", false, true},
	{"trimpath", false, true},
	{"gcflags", true, false},
	{"C", true, false},
	{"exec", true, false},
	{"o", true, false},
	{"vet", true, false},
	{"bench", true, false},
	{"benchtime", true, false},
	{"blockprofile", true, false},
	{"blockprofilerate", true, false},
	{"count", true, false},
	{"coverprofile", true, false},
	{"cpu", true, false},
	{"cpuprofile", true, false},
	{"fuzz", true, false},
	{"fuzzminimizetime", true, false},
	{"fuzztime", true, false},
	{"list", true, false},
	{"memprofile", true, false},
	{"memprofilerate", true, false},
	{"mutexprofile", true, false},
	{"mutexprofilefraction", true, false},
	{"outputdir", true, false},
	{"parallel", true, false},
	{"run", true, false},
	{"shuffle", true, false},
	{"skip", true, false},
	{"timeout", true, false},
	{"trace", true, false},
};

static const struct flag *find_flag(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strlen(flags[i].name) == length && memcmp(flags[i].name, name, length) == 0)
			return &flags[i];
	}
	return NULL;
}

/* Reads the flag at words[0] and its value. Returns the number of words. */
static int take_flag(struct go_line *line, char *const *words)
{
	const char *name = words[0] + (words[0][1] == '-' ? 2 : 1), *value = strchr(name, '=');
	const struct flag *flag = find_flag(name, value ? (size_t)(value - name) : strlen(name));
	bool next = flag && flag->value && !value && words[1];

	value = value ? value + 1 : next ? words[1] : NULL;
	if (flag && strcmp(flag->name, "gcflags") == 0 && value) {
		line->compiler_flags = value;
	} else if (flag && flag->builds) {
		char *text = value ? memory_format("-%s=%s", flag->name, value) : memory_format("-%s", flag->name);

		line->joined[line->joined_count++] = text;
		line->flags[line->flag_count++] = text;
	}
	return next ? 2 : 1;
}

static bool is_file(const char *word)
{
	size_t length = strlen(word);

	return length > 3 && strcmp(word + length - 3, ".go") == 0;
}

/* Flags and packages of go test are in any order; -args is followed by the arguments of the test. */
static void read_test(struct go_line *line, char *const *words)
{
	for (int i = 0; words[i];) {
		if (strcmp(words[i], "-args") == 0 || strcmp(words[i], "--args") == 0)
			break;
		if (words[i][0] == '-' && words[i][1])
			i += take_flag(line, words + i);
		else
			line->packages[line->package_count++] = words[i++];
	}
}

static void read_run(struct go_line *line, char *const *words)
{
	int i = 0;

	while (words[i] && words[i][0] == '-' && words[i][1])
		i += take_flag(line, words + i);
	if (words[i])
		line->packages[line->package_count++] = words[i++];
	while (line->package_count && is_file(line->packages[0]) && words[i] && is_file(words[i]))
		line->packages[line->package_count++] = words[i++];
	line->arguments = words + i;
}

/* The index of "go" before a subcommand; -C DIR may stand between. */
static int find_go(char *const *words, int at, const char **directory)
{
	if (at >= 2 && strncmp(words[at - 1], "-C=", 3) == 0) {
		*directory = words[at - 1] + 3;
		return at - 2;
	}
	if (at >= 3 && strcmp(words[at - 2], "-C") == 0) {
		*directory = words[at - 1];
		return at - 3;
	}
	return at - 1;
}

struct go_line *go_line_read(char *const *words)
{
	int test = go_command_find((const char *const *)words, "test"),
	    run = test < 0 ? go_command_find((const char *const *)words, "run") : -1;
	int at = test < 0 ? run : test, count = 0;
	struct go_line *line;

	if (at < 0)
		return NULL;
	while (words[count])
		count++;
	line = memory_zeroed(1, sizeof(*line));
	line->runs = test < 0;
	line->subcommand = at;
	line->go_word = find_go(words, at, &line->directory);
	line->go = memory_zeroed((size_t)at + 1, sizeof(*line->go));
	line->flags = memory_zeroed((size_t)count + 1, sizeof(*line->flags));
	line->packages = memory_zeroed((size_t)count + 1, sizeof(*line->packages));
	line->joined = memory_zeroed((size_t)count + 1, sizeof(*line->joined));
	memcpy(line->go, words, (size_t)at * sizeof(*words));
	if (line->runs)
		read_run(line, words + at + 1);
	else
		read_test(line, words + at + 1);
	return line;
}

void go_line_free(struct go_line *line)
{
	if (!line)
		return;
	for (int i = 0; i < line->joined_count; i++)
		free(line->joined[i]);
	free(line->joined);
	free(line->go);
	free(line->flags);
	free(line->packages);
	free(line);
}
