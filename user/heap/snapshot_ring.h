/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SNAPSHOT_RING_H
#define ESCAPEMENT_SNAPSHOT_RING_H

/*
 * The last N snapshots as files: FILE is the newest, FILE with .1 before its suffix the one before (heap.pb.gz, heap.1.pb.gz,
 * heap.2.pb.gz, …). Those that are there already move on, too, so nothing is overwritten that is younger than N snapshots.
 * At each moment FILE is a whole snapshot, also if the process that writes it is killed. No name is opened that others can
 * foresee: a snapshot is written under a random one, and links at the names of the ring are moved or replaced, not followed.
 */

#include <stddef.h>

#include "base/error.h"
#include "profile/profile.h"

enum { SNAPSHOT_RING_MAX = 1000 };

/*
 * Checks that snapshots can be kept at `path`: if it exists, it must be a regular file. `keep`: how many, from 1 to
 * SNAPSHOT_RING_MAX. Returns -1 with STATUS_USAGE.
 */
int snapshot_ring_check(const char *path, size_t keep, struct error *error);

/* Adds a snapshot. Returns -1 if it cannot be written, or an older one not be moved: then FILE is as before. */
int snapshot_ring_add(const char *path, size_t keep, const struct profile *snapshot, struct error *error);

#endif
