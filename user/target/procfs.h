/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROCFS_H
#define ESCAPEMENT_PROCFS_H

/* Reads files below /proc/TID, of processes and of single threads. May be used by any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCFS_MAX = 64 << 10 };
/* In the place of a thread: the files of the machine, such as /proc/meminfo. */
enum { PROCFS_MACHINE = 0 };

/* Whether /proc is there, and has the process numbers that this process knows, and not those of another PID namespace. */
bool procfs_is_ours(void);

/*
 * Returns the contents of a file, at most PROCFS_MAX bytes, because a process may make its command line arbitrarily
 * long. A NUL follows that `length` (may be NULL) does not count. The caller frees the result. NULL with errno on
 * failure.
 */
char *procfs_read(int tid, const char *name, size_t *length);

/*
 * Calls `take` for each line of a file, without its newline, until that returns false. A line longer than
 * PROCFS_LINE_MAX is cut. Returns the number of lines, or -1 with errno if the file cannot be read.
 */
enum { PROCFS_LINE_MAX = 8 << 10 };
int64_t procfs_lines(int tid, const char *name, bool (*take)(void *context, const char *line), void *context);

/* Returns a decimal number from /proc/TID/status, such as "Tgid". If the field has several numbers, such as "NSpid",
 * returns the last. 0 if there is none. */
int procfs_status_number(int tid, const char *field);
/* Stores the real and the effective user of a process, as of this user namespace. False if there is no such process. */
bool procfs_users(int pid, uid_t *real, uid_t *effective);
/* Whether a signal that was sent to this very thread has not been delivered yet. */
bool procfs_signal_waits(int tid, int number);

/* Where BPF programs see a process: its PID namespace, and its number there. Returns -1 with errno on failure. */
int procfs_pid_namespace(int pid, uint64_t *device, uint64_t *inode, uint32_t *number);

/* Returns the state of a thread, as in proc(5): 'R', 'S', 'Z', …; 0 if there is no such thread. */
char procfs_state(int tid);

/* Whether a thread waits in vfork() or the like, as posix_spawn() does, until its child executes a program or ends. False also if
 * that cannot be known. */
bool procfs_waits_in_vfork(int tid);

/* Returns when a process started, in clock ticks since the machine did: with its number, this names a process for good. 0 if
 * there is no such process. */
uint64_t procfs_start_time(int pid);

/* The same by the wall clock as it is now, in nanoseconds since 1970; 0 if there is no such process. */
int64_t procfs_start_ns(int pid);

/* Copies the name of a process, at most `size` - 1 bytes; "" if there is no such process. */
void procfs_name(int pid, char *name, size_t size);

/* Returns the children of a process at some moment during the call. The caller frees them. */
int *procfs_children(int pid, size_t *count);

/* Whether both processes run the same executable file. */
bool procfs_same_executable(int pid, int other);

/* Returns the threads of a process at some moment during the call. The caller frees them. */
int *procfs_threads(int pid, size_t *count);

/* Returns a value of the auxiliary vector, such as AT_BASE; 0 if there is none. */
uint64_t procfs_auxiliary(int tid, uint64_t type);

#endif
