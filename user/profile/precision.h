/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRECISION_H
#define ESCAPEMENT_PRECISION_H

/*
 * Whether a recording tells its reader anything about sites, judged by the interval of the row with the most bytes: it is
 * known if that is within a factor of two of it, by objects or by bytes. If it is not, smaller rows are not, but for
 * some of a size class that hardly anybody allocates. Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "profile/profile.h"
#include "profile/report.h"

/* Whether an estimate with these ends is within a factor of two. VALUE_UNMEASURED in any of them: it is not. */
bool precision_tells(int64_t value, int64_t low, int64_t high);

/* Whether the report's row with the most bytes is known. A report of selected stacks says nothing about that row of the
 * recording, and exact rows are known: true. */
bool precision_of_report(const struct report *report);

/* What to say where the greatest row is not known: that, and the command to run. NULL where nothing was sampled that a
 * recording of ours could sample better: heap snapshots, files of other tools, exact rows, lower bounds. The caller frees the text. */
char *precision_advice(const struct profile *profile, int64_t objects);

/* What to say in the place of a table without rows: that there is nothing, and what to do. Never NULL. */
const char *precision_nothing(const struct profile *profile);

#endif
