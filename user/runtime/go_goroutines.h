/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_GOROUTINES_H
#define ESCAPEMENT_GO_GOROUTINES_H

/*
 * Goroutines of a live process that may be inside an allocation: mallocgc may have to help the collector first, and
 * park for it. A probe has seen such an allocation begin, but no counter has it yet.
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

/*
 * Upper bound on the goroutines that are inside an allocation: those that run, that wait in mallocgc or in what it
 * calls, or that moved while they were looked at. All of them where their stacks could not be read in time, or where
 * they are too many to look at. -1 where they cannot be found, or, with refusal->text not empty, where no process can
 * have as many.
 */
int64_t go_goroutines_allocating(const struct go_goroutines *goroutines, const struct target *target,
				 struct error *refusal);

#endif
