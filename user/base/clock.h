/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CLOCK_H
#define ESCAPEMENT_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Reads a clock, in nanoseconds; 0 if it cannot be read (the CPU clock of a process that has ended). */
static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	return clock_gettime(clock, &time) ? 0 : time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* A monotonic clock, for durations and deadlines. */
static inline int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* The CPU time of a process; 0 if it has ended. */
static inline int64_t process_cpu_ns(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : clock_ns(clock);
}

/* Nanoseconds since 1970. */
static inline int64_t wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

#endif
