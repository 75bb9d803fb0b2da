/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_MEMORY_PROFILE_H
#define ESCAPEMENT_GO_MEMORY_PROFILE_H

/*
 * Go programs without BPF and without privileges: `go test -memprofile -memprofilerate=1`, whose profile has every
 * allocation but the tiny objects that share a block of 16 bytes.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "profile/profile.h"

/* Whether `go test` is among the words. */
bool go_memory_profile_can(char *const *words);

/* The command line that leaves profile and test binary in `directory`, NULL-terminated; freed by
 * go_memory_profile_free_command(). */
char **go_memory_profile_command(char *const *words, const char *directory);
void go_memory_profile_free_command(char **command);

/* Reads what such a command left. NULL with an error if there is nothing. `command` is what the reader called it. */
struct profile *go_memory_profile_read(const struct temporary_directory *directory, char *const *command,
				       struct error *error);

#endif
