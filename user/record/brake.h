/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BRAKE_H
#define ESCAPEMENT_BRAKE_H

/* --max-overhead: a recording whose probes cost a process too much goes on at a coarser rate, into the same profile. */

#include <stdbool.h>

#include "record/overhead.h"
#include "record/processes.h"

/* Measures the overhead of the process that we attached to, and brakes if it is too high. Call it repeatedly; `seconds`:
 * since the recording began. */
void brake_watch(struct processes *processes, struct overhead *overhead, double seconds);

/* Whether the recording may still brake, and so attach again. */
bool brake_may_follow(const struct processes *processes);

#endif
