/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WATCH_H
#define ESCAPEMENT_WATCH_H

/* Which processes of this machine the agent's configuration means. */

#include <stdint.h>

#include "fleet/agent_config.h"

struct watched {
	int pid;
	uint64_t started;		 /* procfs_start_time() */
	const struct agent_watch *watch; /* the first whose conditions hold */
};

/* What was found out about files of programs: whether they are Go programs. Kept from one search to the next. */
struct watch_cache;
struct watch_cache *watch_cache_new(void);
void watch_cache_free(struct watch_cache *cache); /* NULL is allowed */

/*
 * Finds the processes, but not this one and its children. Stores at most `most` of them; returns how many there are. -1
 * with an error if processes cannot be listed.
 */
int watch_find(const struct agent_config *config, struct watch_cache *cache, struct watched *found, int most,
	       struct error *error);

#endif
