/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROFILE_PART_H
#define ESCAPEMENT_PROFILE_PART_H

/* A profile of some processes of a profile, for reading: what it points to belongs to the whole profile, which must outlive it. */

#include "profile/profile.h"

/* Never NULL; without a process if the profile does not have it. */
struct profile *profile_part_new(const struct profile *whole, int pid);
/* The same of all processes of a build. */
struct profile *profile_part_of_build(const struct profile *whole, const char *build_id);
void profile_part_free(struct profile *part); /* NULL is allowed */

#endif
