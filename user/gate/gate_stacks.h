/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_STACKS_H
#define ESCAPEMENT_GATE_STACKS_H

/*
 * The stacks behind the sites of a gate's sides, for a page. Counts are added up by site, so a gate has none; these are of one
 * run of each side, and their sums are that run's. A leaf's group is the number of its site, or CALL_TREE_NONE if it is of
 * none: the runtime's own, or of no line of the program.
 *
 * Built by one thread, read by any.
 */

#include "audit/audit.h"
#include "base/hash_index.h"
#include "escape/escape.h"
#include "gate/gate.h"
#include "gate/gate_counts.h"
#include "profile/call_tree.h"
#include "profile/profile.h"

/* What the compiler says of a site, by side (CALL_TREE_NOW, CALL_TREE_BEFORE); NULL if that is unknown. */
struct gate_stacks_said {
	const struct escape_annotation *by_side[CALL_TREE_SIDES];
};

struct gate_stacks {
	struct call_tree *tree;
	struct gate_counts *sites; /* their keys, by number */
	struct gate_stacks_said *said;
	uint32_t measured[CALL_TREE_SIDES]; /* one bit per enum profile_value; 0: the side has no stacks */
	int64_t start_ns;		    /* of the side after; since the epoch; 0 if unknown */
	/* private */
	size_t said_capacity;
	struct hash_index by_key;
};

struct gate_stacks *gate_stacks_new(void);	   /* never NULL */
void gate_stacks_free(struct gate_stacks *stacks); /* NULL is allowed */

/*
 * Adds a run to a side, which must have none. `audit` (NULL: none) is of the compiler's output, which must outlive the
 * stacks; the profile need not. `printed` has what the run printed about its benchmarks.
 */
void gate_stacks_add(struct gate_stacks *stacks, const struct profile *profile, const struct audit *audit,
		     const struct gate_counts *printed, int side);

/* Calls `each` for the numbers of the sites that a row is: several if the row is a sum, none of a contract. */
void gate_stacks_of_row(const struct gate_stacks *stacks, const struct gate_row *row,
			void (*each)(size_t number, void *context), void *context);

#endif
