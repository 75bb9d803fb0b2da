/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ROW_CONTENTS_H
#define ESCAPEMENT_ROW_CONTENTS_H

/* Which values the rows of a recording contain, and how exactly: it depends on the rate, and on what samples the objects
 * of its processes. */

#include "profile/profile.h"
#include "record/processes.h"

/* Sets it in a profile of these processes, by the profile's rate. */
void row_contents_describe(const struct processes *processes, struct profile *profile);

/* At the end of a recording: sets the rate that was in force last, what rows contain, and the events that the kernel missed in
 * the profile of the processes, and warns of processes whose objects nothing samples. */
void row_contents_conclude(const struct processes *processes);

#endif
