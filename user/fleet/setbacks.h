/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SETBACKS_H
#define ESCAPEMENT_SETBACKS_H

/*
 * What an agent leaves alone for a time, because it has failed: processes that could not be observed, and groups of processes
 * (watch_groups.h) that ended a window or a search. Each further failure doubles the pause, from the time between windows to an
 * hour. Good windows of a group shorten it only with time: else who holds up every second one would hold up others for as long.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Private. */
struct setback_key {
	uint64_t is_group;
	uint64_t first, second;
};
/* A process; see procfs_start_time(). */
struct setback_key setback_of_process(int pid, uint64_t started);
/* What a user runs as the service of a watch, by its index in the configuration. */
struct setback_key setback_of_group(uid_t user, size_t watch);

struct setbacks;
struct setbacks *setbacks_new(void);	       /* never NULL */
void setbacks_free(struct setbacks *setbacks); /* NULL is allowed */

/* It failed once more, in windows that begin `every` seconds. Returns for how many seconds it is left alone. */
double setbacks_add(struct setbacks *setbacks, struct setback_key key, double every);
/* It did not fail. */
void setbacks_remove(struct setbacks *setbacks, struct setback_key key);
/* Forgets processes that have ended, and groups that have not failed for an hour since they were left alone. */
void setbacks_tidy(struct setbacks *setbacks);
/* Forgets everything: the configuration has changed. */
void setbacks_forget(struct setbacks *setbacks);

enum setback {
	SETBACK_NONE, /* it has not failed, as far as is remembered */
	SETBACK_DUE,  /* it has, and may be tried again */
	SETBACK_NOW,  /* it has, and is left alone */
};
enum setback setbacks_find(const struct setbacks *setbacks, struct setback_key key);

/* Calls `take` for each group that is remembered. */
void setbacks_groups(const struct setbacks *setbacks,
		     void (*take)(void *context, uid_t user, size_t watch, unsigned failures), void *context);

#endif
