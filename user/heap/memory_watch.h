/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_WATCH_H
#define ESCAPEMENT_MEMORY_WATCH_H

/*
 * Waits until a process uses as much memory as a trigger says (heap/trigger.h), and tells on the way there when it is time
 * to take a snapshot, because the kernel kills without asking: at steps that come closer and closer to the trigger.
 *
 *   rss      read from /proc/PID/statm, 5 times a second, 20 times from 40 % of the way on or when it will soon be there
 *            (watch_pace.h): about 0.1 % of a CPU
 *   cgroup   read as often, and at the kernel's notices (target/memory_cgroup.h)
 *   oom      by the limit of the cgroup; where there is none, by the machine's memory. It has come when the kernel says so,
 *            or has killed
 *
 * Not thread-safe.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "heap/trigger.h"

struct memory_watch;

enum memory_event {
	MEMORY_REACHED, /* a condition is true */
	MEMORY_STEP,	/* closer to one */
	MEMORY_DUE,	/* the time has come that the caller gave */
	MEMORY_ENDED,	/* the process has ended; before, no condition was true */
	MEMORY_STOPPED,
};

/*
 * `early`: "oom" is true at 90 % of the limit, for those who have to begin before. The trigger must outlive the watch. NULL
 * with STATUS_CANNOT_MEASURE if there is no such process, or no limit that a condition needs.
 */
struct memory_watch *memory_watch_open(int pid, const struct trigger *trigger, bool early, struct error *error);
void memory_watch_close(struct memory_watch *watch); /* NULL is allowed */

/* Waits for the next event, until `due` of the monotonic clock (INT64_MAX: none) or until *stop is set. */
enum memory_event memory_watch_next(struct memory_watch *watch, int64_t due, const volatile sig_atomic_t *stop);

/* Tells what CPU time the caller needed for the last event, in nanoseconds: steps come again only so often that this is
 * below 0.1 % of a CPU, but for two seconds of it, or one snapshot, that it may take at once. */
void memory_watch_spent(struct memory_watch *watch, int64_t cpu_ns);

/* What was measured last, such as "rss 1.20GiB, cgroup 400MiB of 512MiB"; holds until the next call. */
const char *memory_watch_state(struct memory_watch *watch);

/* The condition that came true, as it was written; NULL before. */
const char *memory_watch_reason(const struct memory_watch *watch);

/* Whether memory was out, whoever was killed; whether the process has ended; and the wall clock when the process's end was
 * noticed or, if the trigger has "oom", that memory was out. 0: neither. */
bool memory_watch_is_out(const struct memory_watch *watch);
bool memory_watch_has_ended(const struct memory_watch *watch);
int64_t memory_watch_end_ns(const struct memory_watch *watch);

/* A descriptor (pidfd) of the process, which stays the watch's. */
int memory_watch_process(const struct memory_watch *watch);

/* Whether this process is in a cgroup whose limit is watched: then what it uses counts, and the kernel may kill it. */
bool memory_watch_is_inside(const struct memory_watch *watch);

#endif
