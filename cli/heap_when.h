/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_WHEN_H
#define ESCAPEMENT_HEAP_WHEN_H

/* `heap --when`: snapshots of a process, the last of which are kept as files, until a trigger. */

#include <signal.h>
#include <stdint.h>

#include "heap/memory_watch.h"
#include "heap/snapshot.h"
#include "options.h"

struct heap_when {
	const char *expression;
	struct trigger trigger; /* parsed from it */
	const char *output;	/* the newest snapshot's file */
	int64_t keep;		/* how many snapshots */
	double interval;	/* seconds between snapshots, beside those on the way to the trigger; 0: none */
	const struct option_list *modules;
};

/* Takes snapshots of the watched process until the trigger, its end, or *stop, and says where they are. Says that it waits
 * once the first one could be taken. */
int heap_when(struct heap_process *process, int pid, struct memory_watch *watch, const struct heap_when *when,
	      const volatile sig_atomic_t *stop, struct error *error);

#endif
