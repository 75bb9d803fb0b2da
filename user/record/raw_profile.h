/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RAW_PROFILE_H
#define ESCAPEMENT_RAW_PROFILE_H

/*
 * Reads the file that a libgoalloc program writes about itself (goalloc_recording.h has its format) and adds it to a
 * profile, with the contents that a recording through the program's probes would have.
 */

#include "base/error.h"
#include "profile/profile.h"

/*
 * Adds the process that wrote the file, which is closed; `name` is for messages. Symbols come from its executable and libraries, which must still be at the
 * paths in the file. Returns 0, -1 with an error, or 1 with an error if the file is incomplete: then its records have
 * been added, and the process counts as one that lost events.
 */
int raw_profile_read(struct profile *profile, int file, const char *name, struct error *error);

#endif
