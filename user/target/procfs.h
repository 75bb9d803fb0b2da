/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROCFS_H
#define ESCAPEMENT_PROCFS_H

/* Files below /proc/TID, of processes and of single threads. From any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROCFS_MAX = 64 << 10 };

/*
 * A file, or its first PROCFS_MAX bytes: a process may make its command line as long as it likes. A terminating zero
 * follows that `length` (may be NULL) does not count. The caller frees it. NULL with errno on failure.
 */
char *procfs_read(int tid, const char *name, size_t *length);

/*
 * Calls `take` for each line of a file, without its newline, until that returns false. A line longer than
 * PROCFS_LINE_MAX is cut. Returns the number of lines, or -1 with errno where the file cannot be read.
 */
enum { PROCFS_LINE_MAX = 8 << 10 };
int64_t procfs_lines(int tid, const char *name, bool (*take)(void *context, const char *line), void *context);

/* A decimal number from /proc/TID/status, such as "Tgid"; of several, such as those of "NSpid", the last. 0 where there is
 * none. */
int procfs_status_number(int tid, const char *field);

/* The state of a thread as proc(5) has it: 'R', 'S', 'Z', …; 0 where there is no such thread. */
char procfs_state(int tid);

/* The name of a process, at most `size` - 1 bytes of it; "" where there is none. */
void procfs_name(int pid, char *name, size_t size);

/* The threads of a process at some moment of the call. The caller frees them. */
int *procfs_threads(int pid, size_t *count);

/* A value of the auxiliary vector, such as AT_BASE; 0 where there is none. */
uint64_t procfs_auxiliary(int tid, uint64_t type);

#endif
