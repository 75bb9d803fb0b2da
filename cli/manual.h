/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MANUAL_H
#define ESCAPEMENT_MANUAL_H

/* Man pages and shell completion, made of the tables that --help is made of. They are written to standard output. */

#include <stddef.h>

#include "cli.h"

/* The page of a command and its subcommands, as source for scdoc. Returns an exit status. */
int manual_page(const struct command *command);
/* The page of the program. */
void manual_index(const struct command *const *commands, size_t count);

/* The script by which a shell, bash or zsh, completes. Returns an exit status. */
int manual_completion(const char *shell, const struct command *const *commands, size_t count);

#endif
