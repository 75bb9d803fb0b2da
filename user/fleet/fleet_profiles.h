/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FLEET_PROFILES_H
#define ESCAPEMENT_FLEET_PROFILES_H

/*
 * What a store of profiles gets of a process in a window: a pprof file of what it allocated, or of what was alive, and whose it
 * is. In the spool each is a part (spooled.h) of one row and the file's bytes. Stacks are whole and values are those of the
 * window's report, without the labels of recordings: stores make a series of each.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fleet/spooled.h"
#include "profile/profile.h"

struct fleet_profile {
	uint64_t window, number, pid, started;
	const char *host, *service, *build, *comm, *executable, *runtime;
	bool heap; /* of what was alive */
	const char *bytes;
	size_t size;
};

/* Writes the profile of one process; `of` says whose it is, without bytes. Writes nothing if objects and bytes were not
 * measured. `redact`: without directories. */
void fleet_profile_write(FILE *stream, const struct fleet_profile *of, const struct profile *profile, bool redact);

/* Reads the next profile of a window at *at, as spooled_next(). What it points to is in *row, which the caller frees, and
 * in the window. Returns 1; 0 at the end; -1 if it is not a window. */
int fleet_profile_next(const char **at, const char *limit, struct fleet_profile *profile, char **row);

/* 16 bytes that name it for good: a store that knows them from a repeated push can count it once. */
void fleet_profile_id(const struct fleet_profile *profile, uint8_t id[16]);

#endif
