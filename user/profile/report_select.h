/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPORT_SELECT_H
#define ESCAPEMENT_REPORT_SELECT_H

/* Selects the samples of a report. Pure functions. */

#include <stdbool.h>

#include "profile/profile.h"

/*
 * Whether `function` matches the given name, which may be its whole name ("encoding/json.Unmarshal"), its name without
 * the directories of its package ("json.Unmarshal"), or a glob of either. False if `function` is NULL.
 */
bool report_names_function(const char *name, const char *function);

/* Returns the innermost frame of the stack whose function matches; NULL if there is none. `*caller` (may be NULL): the
 * frame that called it, NULL if it is the outermost one. */
const struct profile_frame *report_find_frame(const struct profile_stack *stack, const char *name,
					      const struct profile_frame **caller);

/* The name, without directories, of a function of the profile that is called so behind its package and receiver: what somebody
 * means who says "F" for "(*T).F". NULL if there is none. */
const char *report_function_of_bare_name(const struct profile *profile, const char *name);

#endif
