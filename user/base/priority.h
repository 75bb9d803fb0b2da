/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRIORITY_H
#define ESCAPEMENT_PRIORITY_H

/*
 * The scheduling priority of this process. A target may have a thousand threads that all want the CPU: a profiler that
 * waits its turn among them keeps its probes in the target for minutes. So it runs before others (nice -20) while it
 * records or has a process stopped, and in real time (SCHED_RR, lowest priority) for the moments in which it puts probes in and
 * takes them out, or stops threads. Both need CAP_SYS_NICE.
 */

#include <stdbool.h>
#include <stdint.h>

/* Raises the calling process's priority, until its end or priority_restore(), and ends the hurry of a recording before.
 * False if it may not: then nothing has changed. */
bool priority_raise(void);
/* Whether priority_raise() has raised it. */
bool priority_is_raised(void);
/* Restores the priority from before. Call it in each child, which inherits the raised one. */
void priority_restore(void);

/* Sets whether the calling thread runs in real time. Does nothing if the priority is not raised, or in a hurry. */
void priority_urgent(bool urgent);
/* From now on the thread that raised the priority is in real time whatever priority_urgent() says, until it is calm again:
 * the recording is to end. Does nothing once priority_calm_at() was called, or in a thread that may not do so. Signal
 * handlers may call it. */
void priority_hurry(void);
/*
 * Begins to watch over the recorder, which may have to wait for a CPU: a thread in real time calls priority_hurry() at a time
 * of CLOCK_MONOTONIC, in nanoseconds, and takes the signals that ask a process to end. Their handlers run at once, in that
 * thread; in the recorder they are blocked, so it must not start a program before priority_unwatch().
 */
void priority_watch(int64_t time_ns);
/* Ends the hurry at a time of CLOCK_MONOTONIC, in nanoseconds: what takes longer is not urgent, and a further signal does not
 * make it so. */
void priority_calm_at(int64_t time_ns);
/* Ends the watch, if there is one. A hurry goes on until its time. */
void priority_unwatch(void);

#endif
