/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRIORITY_H
#define ESCAPEMENT_PRIORITY_H

/*
 * Before whom this process runs. A target may have a thousand threads that all want the CPU: a profiler that waits its turn
 * among them keeps its probes in the target for minutes. So it runs before others (nice -20) while it records, and in real
 * time (SCHED_RR, lowest priority) for the moments in which it puts probes in and takes them out. Both need CAP_SYS_NICE.
 */

#include <stdbool.h>

/* Raises the calling process's priority, until its end or priority_restore(). False if it may not: then nothing has changed. */
bool priority_raise(void);
/* Whether priority_raise() has raised it. */
bool priority_is_raised(void);
/* Puts back what was there before: in each child, which inherits the priority. */
void priority_restore(void);

/* The calling thread alone: real time or not. Without effect if the priority is not raised. */
void priority_urgent(bool urgent);
/* Ends the calling thread's real time by itself after that many milliseconds: what may take longer is not urgent. */
void priority_calm_after(int milliseconds);

#endif
