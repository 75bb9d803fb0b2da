/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_GOROUTINES_H
#define ESCAPEMENT_GO_GOROUTINES_H

/*
 * Counts goroutines of a live process that may be inside an allocation: mallocgc may have to help the collector first,
 * and wait for it. A probe has seen such an allocation begin, but no counter includes it yet.
 */

#include <stdint.h>

#include "symbols/go_binary.h"
#include "target/target.h"

struct go_goroutines {
	const struct go_binary *binary;
	uint64_t bias;
	uint64_t all; /* runtime.allgs, in the process; 0 if not found */
};

void go_goroutines_init(struct go_goroutines *goroutines, const struct go_binary *binary, uint64_t bias);

/*
 * Returns an upper bound of the number of goroutines that are inside an allocation: those that run, that wait in
 * mallocgc or in a function that it calls, or that moved during the examination. All goroutines, if their stacks could
 * not be read in time, or if there are too many of them. -1 if they cannot be found, or, with refusal->text not empty,
 * if there are more than any process can have.
 */
int64_t go_goroutines_allocating(const struct go_goroutines *goroutines, const struct target *target,
				 struct error *refusal);

#endif
