/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROFILE_PART_H
#define ESCAPEMENT_PROFILE_PART_H

/* A profile of one process of a profile of several, for reading: everything in it belongs to the whole profile, which must
 * outlive it. */

#include "profile/profile.h"

/* Never NULL; without a process if the profile does not have it. */
struct profile *profile_part_new(const struct profile *whole, int pid);
void profile_part_free(struct profile *part); /* NULL is allowed */

#endif
