/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FORK_COUNT_H
#define ESCAPEMENT_FORK_COUNT_H

/* Counts the copies that one process makes of itself, by a program on a tracepoint. Private to the collector. Not
 * thread-safe. */

#include <stdint.h>

struct programs;
struct fork_count;

/* Counts from now on. NULL with errno if the kernel refuses the program or its tracepoint, or the process is gone. */
struct fork_count *fork_count_start(struct programs *programs, int pid);
/* How many there were since, and how many processes that share the memory; VALUE_UNMEASURED if the map cannot be read. */
void fork_count_read(const struct fork_count *forks, int64_t *copies, int64_t *sharers);
void fork_count_stop(struct fork_count *forks); /* NULL is allowed */

#endif
