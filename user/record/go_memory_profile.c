/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/go_memory_profile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/regular_file.h"
#include "profile/pprof.h"
#include "symbols/go_binary.h"
#include "symbols/go_modules.h"
#include "target/go_command.h"

static const char profile_name[] = "memory.pb.gz", program_name[] = "program.test";

enum { ADDED = 3 };

bool go_memory_profile_can(char *const *words)
{
	return go_command_find((const char *const *)words, "test") >= 0;
}

char **go_memory_profile_command(char *const *words, const char *directory)
{
	int count = 0, at = go_command_find((const char *const *)words, "test");
	char **command;

	while (words[count])
		count++;
	command = memory_zeroed((size_t)count + ADDED + 1, sizeof(*command));
	for (int i = 0; i <= at; i++)
		command[i] = memory_text(words[i]);
	command[at + 1] = memory_format("-memprofile=%s/%s", directory, profile_name);
	command[at + 2] = memory_text("-memprofilerate=1");
	/* with -memprofile go keeps the test binary, in the working directory if nobody says where */
	command[at + 3] = memory_format("-o=%s/%s", directory, program_name);
	for (int i = at + 1; i < count; i++)
		command[i + ADDED] = memory_text(words[i]);
	return command;
}

void go_memory_profile_free_command(char **command)
{
	for (int i = 0; command && command[i]; i++)
		free(command[i]);
	free(command);
}

/* The module and the version are in the test binary. */
static void describe(struct profile *profile, const struct temporary_directory *directory)
{
	int file = temporary_directory_open(directory, program_name, NULL);
	char name[REGULAR_FILE_NAME];
	struct go_binary *binary = file < 0 ? NULL : go_binary_open(regular_file_name(file, name), NULL);

	if (binary && profile->process_count) {
		go_modules_describe(binary->build_info, profile, &profile->processes[0]);
		profile->processes[0].runtime = profile_string(profile, binary->version_text);
	}
	go_binary_close(binary);
	if (file >= 0)
		close(file);
}

struct profile *go_memory_profile_read(const struct temporary_directory *directory, char *const *command,
				       struct error *error)
{
	struct profile *profile = NULL;
	int file;

	if (faccessat(directory->file, profile_name, F_OK, AT_SYMLINK_NOFOLLOW)) {
		error_set(
			error, STATUS_CANNOT_MEASURE,
			"go test left no memory profile: it accepts one package at a time, and no -memprofile of your "
			"own");
		return NULL;
	}
	file = temporary_directory_open(directory, profile_name, error);
	if (file >= 0)
		profile = pprof_read_file(file, profile_name, error);
	if (profile) {
		describe(profile, directory);
		profile->target = profile_command(profile, (const char *const *)command);
		profile_warn(profile,
			     "by Go's own memory profile: tiny objects that share a block of 16 bytes are not in "
			     "it, nor are refills and heap growth");
	}
	return profile;
}
