/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPORT_SELECT_H
#define ESCAPEMENT_REPORT_SELECT_H

/* Which samples of a profile a report is of. Pure functions. */

#include <stdbool.h>

#include "profile/profile.h"

/*
 * Whether `function` is what a reader named: its whole name ("encoding/json.Unmarshal"), its name without the
 * directories of its package ("json.Unmarshal"), or a glob of either. `function` may be NULL, which matches nothing.
 */
bool report_names_function(const char *name, const char *function);

/* The innermost frame of the stack with such a function; NULL if none has. `*caller` (may be NULL): the frame that
 * called it, NULL if it is the outermost one. */
const struct profile_frame *report_find_frame(const struct profile_stack *stack, const char *name,
					      const struct profile_frame **caller);

#endif
