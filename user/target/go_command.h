/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_COMMAND_H
#define ESCAPEMENT_GO_COMMAND_H

/*
 * Whether a process works for `go test`: the go command itself, its compiler, its linker, and the test binaries that it
 * starts, however it was started (env, nice, make, a script, go1.26).
 */

#include <stdbool.h>

/* Whether these words, NULL-terminated, are a `go test` command: "go", "go1.26", …, perhaps -C DIR, "test". */
bool go_command_is_test(const char *const *words);

/* The index of "test" behind such a command anywhere in the words ("env A=1 go test"); -1 if there is none. */
int go_command_find_test(const char *const *words);

/*
 * Whether a live process, or one of its ancestors below process `root` (or root itself), is a `go test` command. False if
 * the process has gone.
 */
bool go_command_tests(int pid, int root);

#endif
