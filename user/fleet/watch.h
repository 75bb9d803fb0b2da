/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WATCH_H
#define ESCAPEMENT_WATCH_H

/* Which processes of this machine the agent's configuration means. Executables of anybody are read for that, so call it in a
 * process that may be killed. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fleet/agent_config.h"
#include "fleet/setbacks.h"

enum { WATCHED_MAX = 256 }; /* at one time; EVENT_SLOTS of them at most */

struct watched {
	int pid;
	uint64_t started; /* procfs_start_time() */
	size_t watch;	  /* the first of the configuration whose conditions hold */
	uid_t user;	  /* that started it: its real one */
	bool refused;	  /* it could not be observed when that was tried last */
};

/* What was found out about files of programs: whether they are Go programs. Kept from one search to the next, also if each is
 * in a process of its own, a child of the one that made it. */
struct watch_cache;
struct watch_cache *watch_cache_new(void); /* never NULL */
void watch_cache_free(struct watch_cache *cache);

/* The result of a search, in memory that those who look at it may share with who searches. */
struct watch_found {
	struct watched looks_at;	/* the process whose executable is being read; PID 0: none */
	_Atomic int64_t looks_since_ns; /* since when, by monotonic_ns(); 0: none is */
	int waiting;			/* so many are left alone for a time (setbacks.h) */
	int count;			/* so many others there are, of which WATCHED_MAX are stored at most */
	struct watched processes[WATCHED_MAX];
};

/*
 * Finds the processes, but not the process `agent` and its children. If there are too many, users take turns, so that nobody
 * keeps others out by the number of his; the oldest come first, and last those that could not be observed. -1 with an error
 * if processes cannot be listed.
 */
int watch_find(const struct agent_config *config, struct watch_cache *cache, const struct setbacks *setbacks, int agent,
	       struct watch_found *found, struct error *error);

/* Whether the executable that a search reads now holds it up, for which its process is to blame. Called while it runs. */
bool watch_is_held(const struct watch_found *found, int64_t now_ns);

#endif
