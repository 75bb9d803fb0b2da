/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_FORK_COUNT_H
#define ESCAPEMENT_FORK_COUNT_H

/* Counts the copies that processes make of themselves, by a program on a tracepoint. Private to the collector. Not
 * thread-safe. */

#include <stdint.h>

struct programs;
struct fork_count;

struct fork_count *fork_count_new(struct programs *programs);
/* Counts those of a process from now on, and until fork_count_free(). -1 with errno if the kernel refuses the program or its
 * tracepoint, the process is gone, or EVENT_SLOTS are watched already. */
int fork_count_watch(struct fork_count *forks, int pid);
/* How many there were since, and how many processes that share the memory; VALUE_UNMEASURED if it is not watched. */
void fork_count_read(const struct fork_count *forks, int pid, int64_t *copies, int64_t *sharers);
void fork_count_free(struct fork_count *forks); /* NULL is allowed */

#endif
