/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RESIDENT_H
#define ESCAPEMENT_RESIDENT_H

/* Which pages of a process's anonymous memory have contents: those that /proc/PID/pagemap says are in memory or swapped out. The
 * others are zeros, or as in the mapped file. One thread at a time. */

#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

struct resident;

/* Never NULL. Where pagemap cannot be read, all pages count as resident. */
struct resident *resident_new(const struct target *target);
/* Forgets what was read before. */
void resident_forget(struct resident *resident);
void resident_free(struct resident *resident); /* NULL is allowed */

/*
 * Finds the first run of resident pages in [*start, limit), which lies in one readable mapping of the target (as of its last
 * target_refresh()). Moves *start to its begin and stores its end. Returns false if there is none, or the deadline of the
 * target's reader has passed: then the reader is spent.
 */
bool resident_next(struct resident *resident, uint64_t *start, uint64_t limit, uint64_t *end);

/* Returns the bytes of anonymous memory that the process has, resident or swapped out: more than that it cannot have filled, whatever
 * it says of itself and however much it has mapped. Files, and pages that it has only read, do not count. */
uint64_t resident_private(const struct target *target);

#endif
