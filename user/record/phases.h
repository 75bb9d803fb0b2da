/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PHASES_H
#define ESCAPEMENT_PHASES_H

/*
 * A process whose recording changes its depth on the way is observed in phases, one after the other: each has probes, rows
 * and a check of its own. For the reader they are one process. Where one phase hands over to the next, both have their
 * probes attached, so that no allocation is in neither.
 */

#include "profile/profile.h"
#include "record/observed_state.h"

/*
 * From here on the next phase records instead of the ended one. The latter's counters at its end are where the totals of
 * the former begin.
 */
void phases_hand_over(struct observed *ended, struct observed *next);

/*
 * What the ended phase counted after its last reading of the counters is in its totals: takes it out of those of the next.
 * To be called when the ended phase is detached.
 */
void phases_settle(struct observed *ended);

/* Adds a phase's totals, check and losses to those of the phases before it. */
void phases_join(struct profile_process *process, const struct profile_process *phase);

#endif
