/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PHASES_H
#define ESCAPEMENT_PHASES_H

/*
 * If the rate of a recording changes, a process is observed in successive phases, each with its own probes, rows and
 * check. For the reader they are one process. At the change both phases have their probes attached, so that no
 * allocation is missed.
 */

#include "profile/profile.h"
#include "record/observed_state.h"

/*
 * Ends the recording of a phase, whose counters at its end have been read (observed_read_end()), and begins that of the
 * next one, whose totals begin at these counters.
 */
void phases_hand_over(struct observed *ended, struct observed *next);

/*
 * Subtracts from the next phase's totals what the ended phase counted after its last reading of the counters: its own
 * totals have it. Call it when the ended phase is detached.
 */
void phases_settle(struct observed *ended);

/* Adds a phase's totals, check and losses to those of the phases before it. */
void phases_join(struct profile_process *process, const struct profile_process *phase);

#endif
