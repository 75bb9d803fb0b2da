/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_COMMAND_H
#define ESCAPEMENT_GO_COMMAND_H

/*
 * Whether a process belongs to a `go test`: the go command itself, its compiler and linker, and the test binaries that
 * it starts, however the command was started (env, nice, make, a script, go1.26).
 */

#include <stdbool.h>

/* Returns the index of a subcommand ("test", "run") of go anywhere in the words ("env A=1 go test"); -1 if none. */
int go_command_find(const char *const *words, const char *subcommand);

/* What a process does for a go command, as itself or as a descendant of one. */
enum go_command_work {
	GO_COMMAND_NONE,
	GO_COMMAND_TESTS,  /* go test: only test binaries are the program's */
	GO_COMMAND_BUILDS, /* go build, go vet, …: nothing is */
	GO_COMMAND_RUNS,   /* go run: whatever it starts, but for Go's own tools */
};

/* Looks at a live process and its ancestors up to and including process `root`. `itself` says whether the process is that go
 * command. GO_COMMAND_NONE if it has ended. */
enum go_command_work go_command_work_of(int pid, int root, bool *itself);

#endif
