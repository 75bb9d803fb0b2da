/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PROCFS_H
#define ESCAPEMENT_PROCFS_H

/* Files below /proc/TID, of processes and of single threads. From any thread. */

#include <stddef.h>
#include <stdint.h>

/* A file whole, with a terminating zero that `length` (may be NULL) does not count. The caller frees it. NULL with
 * errno on failure. */
char *procfs_read(int tid, const char *name, size_t *length);

/* A decimal number from /proc/TID/status, such as "Tgid"; 0 where there is none. */
int procfs_status_number(int tid, const char *field);

/* A value of the auxiliary vector, such as AT_BASE; 0 where there is none. */
uint64_t procfs_auxiliary(int tid, uint64_t type);

#endif
