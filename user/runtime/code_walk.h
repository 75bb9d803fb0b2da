/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CODE_WALK_H
#define ESCAPEMENT_CODE_WALK_H

/*
 * A walk through the compiled code of a function, with what its instructions do in terms that amd64 and arm64 have in common.
 * Only what go_code.c looks for is told apart. Pure functions of a binary.
 */

#include <stdbool.h>

#include "runtime/code_step.h"
#include "symbols/go_binary.h"

/* Returns false if the code is not in the file. */
bool code_walk_start(const struct go_binary *binary, const struct go_function *function, struct code_walk *walk);

/* As code_walk_start(); false too if there is no function of that name. */
bool code_walk_start_named(const struct go_binary *binary, const char *name, struct code_walk *walk);

/* Sets walk->step to the next instruction. Returns false at the end of the function and at what is no instruction. */
bool code_walk_next(struct code_walk *walk);

#endif
