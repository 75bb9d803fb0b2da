/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_MEMORY_CGROUP_H
#define ESCAPEMENT_MEMORY_CGROUP_H

/*
 * The memory cgroup of a process, version 1 or 2: how much of its limit is used, and when the kernel is about to kill. It
 * is only read, and asked for notices; no limit is changed, and this process stays where it is.
 *
 * A limit holds for a cgroup with everything below it, so the ancestors count, too: `used` and `limit` are those of the
 * one that is fullest. What is used is without the cache of files that were not read lately, which the kernel takes back
 * before it kills: the working set, as Kubernetes calls it.
 *
 * Not thread-safe.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct memory_cgroup;

struct memory_use {
	int64_t used, limit; /* bytes; limit 0: there is none */
	int64_t kills; /* processes that the kernel killed for want of memory, in the process's own cgroup; up to 0.25 s old */
	bool is_out; /* since the last reading the kernel has given notice that memory is out (version 1) */
};

/* NULL with STATUS_CANNOT_MEASURE if the process's cgroup is not visible from here. */
struct memory_cgroup *memory_cgroup_open(int pid, struct error *error);
void memory_cgroup_close(struct memory_cgroup *cgroup); /* NULL is allowed */

/* Its path, as /proc/PID/cgroup has it. */
const char *memory_cgroup_path(const struct memory_cgroup *cgroup);

/* Returns -1 if it was removed. */
int memory_cgroup_read(struct memory_cgroup *cgroup, struct memory_use *use);

/* Whether a limit holds for both the process and this process. */
bool memory_cgroup_is_ours(const struct memory_cgroup *cgroup);

/*
 * Asks the kernel for a notice when the memory in use passes one of these shares of a limit (version 1), when it stalls
 * those who want memory or the own cgroup's limit is reached (version 2), and when memory is out. The notices are for speed only:
 * whoever reads often enough learns the same. Does nothing where this process may not ask.
 */
void memory_cgroup_notify(struct memory_cgroup *cgroup, const double *shares, size_t count);

/* Fills at most `max` of what poll(2) waits for. Returns how many. */
enum { MEMORY_CGROUP_POLLS = 24 };
size_t memory_cgroup_polls(const struct memory_cgroup *cgroup, struct pollfd *polls, size_t max);
/* Takes what poll() found in these. The next reading knows of it, and of all kills. */
void memory_cgroup_noticed(struct memory_cgroup *cgroup, const struct pollfd *polls, size_t count);

#endif
