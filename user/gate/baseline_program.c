/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/baseline_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/program_path.h"
#include "gate/baseline.h"
#include "symbols/go_binary.h"
#include "symbols/go_modules.h"

/* What is linked into each Go program that starts another one, or loads a plugin. */
static const char *const others[] = {"syscall.forkExec", "syscall.Exec", "plugin.Open"};

static bool note_functions(const struct gopclntab *symbols, bool (*note)(const char *name, void *context),
			   void *context)
{
	uint32_t count = gopclntab_function_count(symbols);
	uint64_t steps = GOPCLNTAB_WALK_STEPS;
	struct go_function function;

	for (uint32_t i = 0; i < count; i++) {
		if (!gopclntab_function(symbols, i, &function))
			continue;
		for (size_t other = 0; other < sizeof(others) / sizeof(*others); other++) {
			if (strcmp(function.name, others[other]) == 0)
				return false;
		}
		note(function.name, context);
		gopclntab_inlined(symbols, i, &steps, note, context);
	}
	return true;
}

bool baseline_program_functions(const char *word, bool (*note)(const char *name, void *context), void *context)
{
	char *file = program_path(word);
	struct go_binary *binary = file ? go_binary_open(file, NULL) : NULL;
	bool known = binary && note_functions(binary->symbols, note, context);

	go_binary_close(binary);
	free(file);
	return known;
}

/* Module, package and version of a Go program. A program that starts others (go, make) is not the program of the
 * baseline: then only a run shows whether that is the right one. */
static void describe_go(struct gate_counts *expected, const char *word)
{
	char *file = program_path(word);
	struct go_binary *binary = file ? go_binary_open(file, NULL) : NULL;

	if (binary && binary->build_info) {
		struct profile *profile = profile_new();
		struct profile_process *process = profile_process_add(profile, 1);

		go_modules_describe(binary->build_info, profile, process);
		expected->module = gate_counts_string(expected, process->module);
		expected->package = gate_counts_string(expected, process->package);
		expected->runtime = gate_counts_string(expected, binary->version_text);
		profile_free(profile);
	}
	go_binary_close(binary);
	free(file);
}

/* Tools that are written in Go and start what is measured. */
static bool starts_others(const struct gate_counts *expected)
{
	return !expected->module || strcmp(expected->module, "cmd") == 0 || strncmp(expected->module, "cmd/", 4) == 0;
}

int baseline_check_program(const struct gate_counts *baseline, const char *const *words, int64_t rate,
			   const char *normalize, struct error *error)
{
	struct gate_counts *expected = gate_counts_new();
	char warning[256];
	int result;

	gate_counts_command(expected, words);
	/* a program's own sampler may have another rate than is asked for: what it is, only a run shows */
	expected->rate = rate == 1 || baseline->rate == 1 ? rate : baseline->rate;
	expected->normalize = gate_counts_string(expected, normalize);
	describe_go(expected, words[0]);
	if (starts_others(expected))
		expected->package = expected->runtime = NULL;
	result = baseline_comparable(baseline, expected, warning, sizeof(warning), error);
	gate_counts_free(expected);
	return result;
}
