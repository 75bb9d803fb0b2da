/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRIORITY_H
#define ESCAPEMENT_PRIORITY_H

/*
 * The scheduling priority of this process. A target may have a thousand threads that all want the CPU: a profiler that
 * waits its turn among them keeps its probes in the target for minutes. So it runs before others (nice -20) while it
 * records, and in real time (SCHED_RR, lowest priority) for the moments in which it puts probes in and takes them out. Both
 * need CAP_SYS_NICE.
 */

#include <stdbool.h>

/* Raises the calling process's priority, until its end or priority_restore(). False if it may not: then nothing has changed. */
bool priority_raise(void);
/* Whether priority_raise() has raised it. */
bool priority_is_raised(void);
/* Restores the priority from before. Call it in each child, which inherits the raised one. */
void priority_restore(void);

/* Sets whether the calling thread runs in real time. Does nothing if the priority is not raised. */
void priority_urgent(bool urgent);
/* Ends the calling thread's real time after that many milliseconds, without further calls: what takes longer is not
 * urgent. */
void priority_calm_after(int milliseconds);

#endif
