/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/go_test.h"
#include "base/memory.h"
#include "base/program_path.h"
#include "base/text_compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate_packages.h"
#include "gate/baseline_program.h"
#include "profile/frames.h"
#include "target/go_command.h"

const char *go_test_flag(char *const *words, const char *flag)
{
	for (; *words && strcmp(*words, "-args") != 0; words++) {
		const char *name = *words + strspn(*words, "-");
		size_t length = strlen(flag);

		if (name == *words)
			continue;
		name += strncmp(name, "test.", 5) == 0 ? 5 : 0;
		if (strncmp(name, flag, length) == 0 && name[length] == '=')
			return name + length + 1;
		if (strcmp(name, flag) == 0)
			return words[1] ? words[1] : "";
	}
	return NULL;
}

static bool has_flag(char *const *words, const char *flag)
{
	return go_test_flag(words, flag) != NULL;
}

bool go_test_has_run(const struct profile_stack *stack)
{
	/* what each makes for a test, an example or a fuzz test of its own, once it has found that the pattern matches */
	static const char *const starters[] = {"testing.(*T).Run", "testing.runExample", "testing.fRunner"};
	struct frames_site site;
	const char *function = stack && frames_site(stack, &site) ? frames_site_frame(stack, &site)->function : NULL;

	for (size_t i = 0; function && i < sizeof(starters) / sizeof(starters[0]); i++) {
		if (strcmp(function, starters[i]) == 0)
			return true;
	}
	return false;
}

int go_test_check_benchmarks(char *const *words, const struct gate_counts *counts, struct error *error)
{
	int at = go_command_find((const char *const *)words, "test");
	const char *pattern = at >= 0 ? go_test_flag(words + at, "bench") : NULL;

	if (!pattern || counts->benchmark_count)
		return 0;
	if (!counts->tests_ran && counts->rate == 1) {
		const char *run = go_test_flag(words + at, "run");

		return error_set(error, STATUS_CANNOT_MEASURE,
				 "nothing was tested: no benchmark matches -bench '%s', and %s%s%s", pattern,
				 run ? "-run '" : "there is no test", run ? run : "", run ? "' runs no test" : "");
	}
	return 1;
}

/* Whether a file is a script: a wrapper of the go command, say. `word` is found as execvp(3) does. */
static bool is_script(const char *word)
{
	char *file = program_path(word);
	FILE *stream = file ? fopen(file, "re") : NULL;
	bool script = stream && getc(stream) == '#' && getc(stream) == '!';

	if (stream)
		fclose(stream);
	free(file);
	return script;
}

/* Whether the program starts other programs, of which one may be go test. */
static bool starts_others(const char *word)
{
	static const char *const names[] = {"make", "gmake", "sh",   "bash", "dash",  "env",  "nice",
					    "time", "just",  "task", "mage", "xargs", "sudo", "timeout"};
	const char *name = text_base_name(word);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return is_script(word);
}

static void add_to_goflags(const char *flags)
{
	const char *set = getenv("GOFLAGS");
	char *joined;

	if (set && strstr(set, flags))
		return;
	joined = memory_format("%s%s%s", set ? set : "", set && *set ? " " : "", flags);
	setenv("GOFLAGS", joined, 1);
	free(joined);
}

char **go_test_command(char **words)
{
	int at = go_command_find((const char *const *)words, "test"), count = 0, to = 0;
	char **command;

	while (words[count])
		count++;
	command = memory_zeroed((size_t)count + 4, sizeof(*command));
	for (int i = 0; i < count; i++) {
		command[to++] = words[i];
		if (i != at)
			continue;
		if (!has_flag(words + at, "count"))
			command[to++] = (char *)"-count=1";
		if (has_flag(words + at, "bench")) {
			if (!has_flag(words + at, "benchmem"))
				command[to++] = (char *)"-benchmem";
			if (!has_flag(words + at, "benchtime"))
				command[to++] = (char *)"-benchtime=100x";
		}
	}
	if (at < 0 && count && starts_others(words[0]))
		add_to_goflags("-count=1 -benchmem");
	return command;
}

void go_test_line(struct gate_counts *counts, const char *line)
{
	static const char prefix[] = "Benchmark", package[] = "pkg: ";
	const char *bytes_unit = strstr(line, " B/op"), *allocs_unit = strstr(line, " allocs/op");
	long long bytes, allocs, iterations = 0;
	char name[512];
	size_t length = strcspn(line, " \t");

	if (strncmp(line, package, sizeof(package) - 1) == 0 && strlen(line) < sizeof(name)) {
		strcpy(name, line + sizeof(package) - 1);
		name[strcspn(name, " \t\r")] = 0;
		counts->tested_package = gate_counts_string(counts, name);
		return;
	}
	if (strncmp(line, prefix, sizeof(prefix) - 1) != 0 || !bytes_unit || !allocs_unit || length >= sizeof(name))
		return;
	while (bytes_unit > line && strchr("0123456789", bytes_unit[-1]))
		bytes_unit--;
	while (allocs_unit > line && strchr("0123456789", allocs_unit[-1]))
		allocs_unit--;
	if (sscanf(bytes_unit, "%lld", &bytes) != 1 || sscanf(allocs_unit, "%lld", &allocs) != 1)
		return;
	sscanf(line + length, "%lld", &iterations);
	memcpy(name, line, length);
	name[length] = 0;
	/* the suffix for the number of processors, which is missing on one processor */
	while (length > 1 && strchr("0123456789", name[length - 1]))
		length--;
	if (name[length] && name[length - 1] == '-')
		name[length - 1] = 0;
	gate_counts_benchmark(counts, &(struct gate_benchmark){.name = name,
							       .package = counts->tested_package,
							       .allocs = allocs,
							       .bytes = bytes,
							       .iterations = iterations > 0 ? iterations : 0});
}
