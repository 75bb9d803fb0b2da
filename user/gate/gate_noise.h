/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_NOISE_H
#define ESCAPEMENT_GATE_NOISE_H

/*
 * Why the counts of an unchanged program differ between runs, as published tables (docs/gate.md):
 *
 *   bookkeeping   objects that the standard library allocates once on behalf of a line: a pool's per-processor arrays,
 *                 what a pool's New function allocates, initialisers. Few; not judged, shown as one line.
 *   varying       sites whose counts depend on the random seed of a hash table, or on when the collector emptied a
 *                 pool; and blocks of tiny objects, which is all that heap profiles of Go have of these. They are judged by a
 *                 range around what was counted.
 *
 * Everything else is judged exactly. Pure functions.
 */

#include <stdbool.h>

#include "gate/gate_counts.h"
#include "profile/owner.h"

enum {
	GATE_BOOKKEEPING_MAX = 256, /* objects in a run; a site with more is judged like any other */
	/* a varying site with more objects than this, and the same number in three runs, is steady */
	GATE_STEADY_MIN = 1000,
	/* that none of so many rare independent events happens is as unlikely as four standard deviations: e^-10 */
	GATE_NONE_MAX = 10,
	/* in a benchmark with fewer iterations, what happens once cannot be told from what happens in each of them */
	GATE_ITERATIONS_MIN = 20,
};

/* Whether a site is bookkeeping by the function that allocates and the runtime call; either may be NULL. */
bool gate_noise_is_bookkeeping(const char *via, const char *runtime_call);

/*
 * Whether an object is the runtime's own, on whichever stack it is allocated: of a type that the runtime keeps pools or lists
 * of, or made by its scheduler. Whether a `go` statement, a channel operation or a busy machine causes one depends on what
 * ran before. Either may be NULL.
 */
bool gate_noise_is_runtimes(const char *type, const char *runtime_call);

/* Whether the counts of a site vary between runs of one program. */
bool gate_noise_varies(const struct profile_stack *stack, const struct owner *owner);

/*
 * Whether another run might count no objects at all at a site. Its range begins at 0; and if a map grows there, that did not
 * happen many times in each run: a map whose tables doubled ten times would have grown in the other run, too. Pools lose all
 * at once.
 */
bool gate_noise_could_be_none(const struct gate_site *site);

/* Widens the range of a varying site's objects and bytes to what another run might count. */
void gate_noise_widen(struct gate_site *site, int runs);
/* The same of a site that opened so many blocks of tiny objects in a run: which site opens one depends on who filled the one
 * before. */
void gate_noise_widen_blocks(struct gate_site *site, int64_t blocks);

#endif
