/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WATCH_GROUPS_H
#define ESCAPEMENT_WATCH_GROUPS_H

/*
 * Which watched processes share a window, which one process of the agent records: all, as long as that goes well, because BPF
 * programs are then loaded once. A group is what one user runs as one service. If a window of several groups fails, each has
 * windows of its own for some rounds, more each time; a group whose own window fails is left alone (setbacks.h), and does not
 * share a window until it has not failed for an hour. So a hostile process ends its group's windows and few others. A group that
 * is the only one is not left alone, as there is nobody to protect, and the window may have ended for another reason.
 */

#include <stdbool.h>
#include <stddef.h>

#include "fleet/setbacks.h"
#include "fleet/watch.h"

/* All zero: nothing has failed. */
struct watch_groups {
	unsigned apart;	 /* so many further rounds have no shared windows, */
	unsigned length; /* of so many since the last failure */
	bool alone;	 /* nor has the current one */
};

/* A round of windows begins: each watched process is in one of them. */
void watch_groups_begin(struct watch_groups *groups);

/* Moves the processes that the next window records to the front, in their order; returns how many. 0 if there are none. */
size_t watch_groups_next(const struct watch_groups *groups, const struct setbacks *setbacks, struct watched *processes,
			 size_t count);

/* A window of several groups has failed. */
void watch_groups_failed(struct watch_groups *groups);

/* Whether all are of one group. */
bool watch_groups_is_one(const struct watched *processes, size_t count);

/* The group of a process. */
struct setback_key watch_groups_key(const struct watched *process);

#endif
