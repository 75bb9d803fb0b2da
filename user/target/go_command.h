/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_COMMAND_H
#define ESCAPEMENT_GO_COMMAND_H

/*
 * Whether a process belongs to a `go test`: the go command itself, its compiler and linker, and the test binaries that
 * it starts, however the command was started (env, nice, make, a script, go1.26).
 */

#include <stdbool.h>

/* Whether these NULL-terminated words are a `go test` command: "go" or "go1.26", optionally -C DIR, then "test". */
bool go_command_is_test(const char *const *words);

/* Returns the index of a subcommand ("test", "run") of go anywhere in the words ("env A=1 go test"); -1 if none. */
int go_command_find(const char *const *words, const char *subcommand);

/*
 * Whether a live process, or one of its ancestors up to and including process `root`, is a `go test` command. False if
 * the process has ended.
 */
bool go_command_tests(int pid, int root);

#endif
