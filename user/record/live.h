/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LIVE_H
#define ESCAPEMENT_LIVE_H

/*
 * A profile of a recording in progress: the rows of processes that have ended, from the recording's own profile, and
 * the rows of those that still run, from their stores. Each row is symbolized when it first comes, and only rows that
 * have changed are added up again, so that a view costs little more than its rows are long. Part of a session.
 */

#include "collect/event_store.h"
#include "profile/profile.h"
#include "record/observed_state.h"

struct live;

struct live *live_new(void);	   /* never NULL */
void live_free(struct live *live); /* NULL is allowed */

/*
 * To make a view: begin it, add each process that is observed now with its store, then take it. The view is a read-only
 * profile. Its stacks and names belong to the recording's profile; everything else is valid until the next view is
 * begun.
 */
void live_begin(struct live *live, const struct profile *recording);
void live_add(struct live *live, struct observed *observed, const struct event_store *store);
struct profile *live_view(struct live *live);

/* Collections that the added processes had since their recording began; VALUE_UNMEASURED if none has a collector. */
int64_t live_collections(const struct live *live);

/* What a process keeps between two views. */
void live_rows_free(struct live_rows *rows); /* NULL is allowed */

#endif
