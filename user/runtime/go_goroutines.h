/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_GOROUTINES_H
#define ESCAPEMENT_GO_GOROUTINES_H

/*
 * Goroutines of a live process that may be inside of an allocation: mallocgc may have to help the collector first, and
 * be parked for it. Such an allocation has been begun, and seen by a probe there, but is in no counter yet.
 */

#include <stdint.h>

#include "symbols/go_binary.h"
#include "target/target.h"

struct go_goroutines {
	const struct go_binary *binary;
	uint64_t bias;
	uint64_t all; /* runtime.allgs, in the process; 0 where not found */
};

void go_goroutines_init(struct go_goroutines *goroutines, const struct go_binary *binary, uint64_t bias);

/* How many run, or wait in mallocgc or what it calls, or have moved while they were looked at; all of them where their
 * stacks went away meanwhile, or where they are more than can be looked at. -1 where they cannot be found. */
int64_t go_goroutines_allocating(const struct go_goroutines *goroutines, const struct target *target);

#endif
