/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RAW_PROFILE_H
#define ESCAPEMENT_RAW_PROFILE_H

/*
 * What a libgoalloc program writes down about itself where GOALLOC_PROFILE names a file (the format is described in
 * alloc-runtime/recorder.h), turned into the profile that a recording through its probes would have made.
 */

#include "base/error.h"
#include "profile/profile.h"

/*
 * Adds the process that wrote the file to a profile. The executable and libraries must still be where they were.
 * Returns 1, with an error that says so, where the process has not written all of it: what there is has been added, and
 * the process has lost events.
 */
int raw_profile_read(struct profile *profile, const char *path, struct error *error);

#endif
