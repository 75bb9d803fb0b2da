/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_MODULES_H
#define ESCAPEMENT_GATE_MODULES_H

/*
 * The globs of --module that chose nothing. What is judged by them alone is nothing, which passes whatever the program does: so a
 * mistyped glob is an error wherever counts are judged or written.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"

/* Notes the globs of a run's profile (profile_set_modules()), and which of them match a package on its stacks. All runs have the
 * same globs. */
void gate_modules_add(struct gate_counts *counts, const struct profile *profile);

/* What to warn of a glob without a match. Returns `text`. */
const char *gate_module_warning(char *text, size_t size, const struct gate_module *module);

/* Refuses a glob that neither side of a comparison has; one that a side has is a result. A side without globs, a
 * baseline, does not count. */
int gate_modules_check_sides(const struct gate_counts *before, const struct gate_counts *after, struct error *error);

/*
 * Refuses a measured program's glob (`number` of `counts->modules`) if the program's file shows that it has no such package, or if
 * that is not known (it may start others) and no glob matched; with `writes`, for counts that become a baseline, whichever others
 * did. Else a glob that no stack has is worth a warning of up to `size` bytes, which is "" if there is none. `word` is the
 * program's, of the command line.
 */
int gate_modules_check_program(const struct gate_counts *counts, size_t number, const char *word, bool writes,
			       char *warning, size_t size, struct error *error);

#endif
