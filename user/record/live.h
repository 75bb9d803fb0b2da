/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LIVE_H
#define ESCAPEMENT_LIVE_H

/*
 * A recording that goes on, as a profile: what the processes that have ended left in the recording's own profile, and
 * what those that still run have in their stores. Each row is symbolized when it first comes, and only rows that have
 * changed are added up again, so that a view costs little more than its rows are long. Part of a session.
 */

#include "collect/event_store.h"
#include "profile/profile.h"
#include "record/observed_state.h"

struct live;

struct live *live_new(void);	   /* never NULL */
void live_free(struct live *live); /* NULL is allowed */

/*
 * A view is begun, given each process that is observed now with its store, and then taken. It is a profile for readers:
 * nobody adds to it. Stacks and names are those of the recording's profile and live as long as that does; everything
 * else until the next view is begun.
 */
void live_begin(struct live *live, const struct profile *recording);
void live_add(struct live *live, struct observed *observed, const struct event_store *store);
struct profile *live_view(struct live *live);

/* Collections that the added processes had since their recording began; VALUE_UNMEASURED if none has a collector. */
int64_t live_collections(const struct live *live);

/* What a process keeps between two views. */
void live_rows_free(struct live_rows *rows); /* NULL is allowed */

#endif
