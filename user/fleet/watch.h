/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WATCH_H
#define ESCAPEMENT_WATCH_H

/* Which processes of this machine the agent's configuration means. Executables of anybody are read for that, so call it in a
 * process that may be killed. */

#include <stdint.h>

#include "fleet/agent_config.h"

enum { WATCHED_MAX = 256 }; /* at one time; EVENT_SLOTS of them at most */

struct watched {
	int pid;
	uint64_t started; /* procfs_start_time() */
	size_t watch;	  /* the first of the configuration whose conditions hold */
};

/* What was found out about files of programs: whether they are Go programs. Kept from one search to the next, also if each is
 * in a process of its own, a child of the one that made it. */
struct watch_cache;
struct watch_cache *watch_cache_new(void); /* never NULL */
void watch_cache_free(struct watch_cache *cache);

/* The result of a search, in memory that those who look at it may share with who searches. */
struct watch_found {
	int looks_at; /* the process whose executable is being read; 0: none */
	int count;    /* so many there are, of which WATCHED_MAX are stored at most */
	struct watched processes[WATCHED_MAX];
};

/* Finds the processes, but not the process `agent` and its children. -1 with an error if processes cannot be listed. */
int watch_find(const struct agent_config *config, struct watch_cache *cache, int agent, struct watch_found *found,
	       struct error *error);

#endif
