/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/program_path.h"
#include "symbols/elf_file.h"
#include "target/obstacle.h"
#include "target/procfs.h"

static bool is_program(const char *word)
{
	char *path = program_path(word);
	bool runs = path && access(path, X_OK) == 0;

	free(path);
	return runs;
}

/* The first argument that names a program: options and their values rarely do. */
static void find_traced(int pid, char *traced, size_t size)
{
	size_t length = 0;
	char *arguments = procfs_read(pid, "cmdline", &length);
	const char *end = arguments ? arguments + length : NULL;

	traced[0] = 0;
	for (const char *word = arguments; word && word < end && !traced[0]; word += strlen(word) + 1) {
		if (word != arguments && word[0] && word[0] != '-' && is_program(word))
			snprintf(traced, size, "%s", word);
	}
	free(arguments);
}

bool tracer_recognise(int pid, struct tracer *tracer)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (!elf_imports(path, "ptrace"))
		return false;
	procfs_name(pid, tracer->comm, sizeof(tracer->comm));
	find_traced(pid, tracer->traced, sizeof(tracer->traced));
	return true;
}

void tracer_explain(const struct tracer *tracer, struct error *error)
{
	if (tracer->traced[0])
		obstacle_set(error, OBSTACLE_TRACER, tracer->comm, "'%s'", tracer->traced);
	else
		obstacle_set(error, OBSTACLE_TRACER, tracer->comm, "the program");
}
