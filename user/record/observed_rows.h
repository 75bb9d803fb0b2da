/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_OBSERVED_ROWS_H
#define ESCAPEMENT_OBSERVED_ROWS_H

/*
 * Turns an observed process's rows and counters into samples and totals of a profile: at the end of its recording, and
 * during it. Part of record/: only observed and live include this.
 */

#include "collect/event_store.h"
#include "record/observed_state.h"

/* A row of the process's store, completed by what its runtime knows. */
struct observed_row {
	struct event_key key;
	struct event_sums sums;
	const struct event_group *groups; /* of EVENT_BURST rows, if there were enough bursts for estimates */
	struct event_stack stack;
	bool has_stack;
};

void observed_row_read(const struct observed *observed, const struct event_store *store, const struct event_row *from,
		       struct observed_row *row);
void observed_row_values(const struct observed_row *row, int64_t values[VALUE_COUNT]);
/* What the groups of an EVENT_BURST row are in a profile; the row's values are their sums. */
void observed_groups(const struct event_group *from, struct profile_group groups[BURST_GROUPS]);
/* Its key in the profile, symbolized. */
struct profile_key observed_row_key(const struct observed *observed, const struct observed_row *row);

/* Gives the rows of bursts that have ended their weight; the other function all rows of a recording that is over. */
void observed_settle_bursts(const struct observed *observed);
void observed_settle_last_bursts(const struct observed *observed, struct event_store *store);

/* Returns false if it was recorded in too few bursts for estimates: then its rows have what was counted. */
bool observed_bursts_suffice(const struct observed *observed);

/* The rate in the keys of samples that are estimates. */
int64_t observed_samples_rate(const struct observed *observed);

/* Whether the totals are to be added to those of earlier phases, whose process is in the profile already. */
bool observed_is_joined(const struct observed *observed, const struct profile *profile);

/* Names the process and adds up its totals from the start of its recording to `end`. */
void observed_describe(const struct observed *observed, struct profile_process *process, const struct snapshot *end);

/* Makes the row that no event reports; returns false if there is none. Call after observed_describe(). */
bool observed_rest(const struct observed *observed, const struct profile_process *process, struct profile_key *key,
		   int64_t values[VALUE_COUNT]);

/* Marks noscan classes as unmeasured, because objects with and without pointers were counted together; tiny ones are in
 * a span class of their own. */
void observed_forget_noscan(int class, int64_t *totals);

/* Whether the samples of the process are estimates that can be scaled to its counters at `end`. */
bool observed_is_calibrated(const struct observed *observed, const struct snapshot *end);

#endif
