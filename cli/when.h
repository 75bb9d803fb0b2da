/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_WHEN_H
#define ESCAPEMENT_WHEN_H

/* What record and heap share of --when: its help, its errors, and waiting. */

#include <signal.h>
#include <stdint.h>

#include "heap/memory_watch.h"
#include "heap/trigger.h"

#define WHEN_CONDITIONS_HELP                                                                                   \
	"rss>SIZE, resident memory; rss+SIZE/TIME or rss+PERCENT%/TIME, its growth within a time; "            \
	"cgroup>PERCENT%, of the limit of its memory cgroup (what the kernel would take back from the cache "  \
	"of files first does not count); oom, the kernel kills for want of memory. Several of them, with ',' " \
	"or 'or' between, wait for the first"

/* Parses the expression. Returns -1 after printing what is wrong, and below it where. */
int when_parse(const char *expression, struct trigger *trigger);

/* Opens a watch, and warns if this process is inside of the cgroup that is watched. */
struct memory_watch *when_open(int pid, const struct trigger *trigger, bool early, struct error *error);

/* Says what is waited for. */
void when_announce(struct memory_watch *watch, int pid, const char *expression);

/* Waits as memory_watch_next() does, with the state of things on a terminal. */
enum memory_event when_next(struct memory_watch *watch, int64_t due, const volatile sig_atomic_t *stop);

/* Waits for the trigger itself. Returns 0 when it is reached or *stop is set; -1 if the process has ended before. */
int when_wait(int pid, const char *expression, const struct trigger *trigger, const volatile sig_atomic_t *stop,
	      struct error *error);

#endif
