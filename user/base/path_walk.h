/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PATH_WALK_H
#define ESCAPEMENT_PATH_WALK_H

/*
 * Follows paths from outside, but not through /proc/PID/root, /proc/PID/fd and the like: these links lead to wherever another
 * process says, as to its own mount namespace, in which any file may have any name. Other links are followed. The functions
 * may be used by any thread.
 */

#include <limits.h>
#include <stdbool.h>

/*
 * Looks up a path, relative to the working directory if it does not begin with '/'. Returns a descriptor (O_PATH: what it
 * leads to is not opened), which the caller closes, or -1 with errno, which is ELOOP where such a link is on the way.
 */
int path_walk(const char *path);

/* The same by steps of our own, for kernels before 5.6, emulators and sandboxes, which lack openat2(2). It follows no links of
 * /proc at all, hence not /proc/self either. path_walk() calls it; tests compare it with the kernel. */
int path_walk_by_steps(const char *path);

/* The same, where each step is judged: `*held` becomes false where `is_held` is false of one, that is, of a directory and what was
 * found in it (-1 if there is nothing of that name). Both are descriptors with O_PATH. */
int path_walk_held(const char *path, bool (*is_held)(int directory, int found), bool *held);

enum { PATH_WALK_LINKS = 40 }; /* one path may lead through; the kernel's own limit */

/* Stores where the link of that name in a directory leads. False if it is no link, is in /proc, or is one that the kernel
 * does not follow just now. */
bool path_walk_link(int directory, const char *name, char target[PATH_MAX]);

#endif
