/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MANUAL_H
#define ESCAPEMENT_MANUAL_H

/* Writes man pages and shell completion from the tables of --help, to standard output. */

#include <stddef.h>

#include "cli.h"

/* Writes the page of a command and its subcommands, as source for scdoc. Returns an exit status. */
int manual_page(const struct command *command);
/* Writes the page of the program. */
void manual_index(const struct command *const *commands, size_t count);

/* Writes the completion script for a shell, bash or zsh. Returns an exit status. */
int manual_completion(const char *shell, const struct command *const *commands, size_t count);

#endif
