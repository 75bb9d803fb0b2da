/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ONLY_OURS_H
#define ESCAPEMENT_ONLY_OURS_H

/*
 * Who can change what is read. A process with privileges (root's, or a capability) reads files of people who have none: whoever can
 * write to such a file can lead a library that looks at it twice astray, and gain these privileges. A process without any has
 * nothing to lose to them: they decide what its target executes.
 *
 * "Ours" are root, this process's user, the user who called sudo, and a group that has only one of them in it, such as Debian
 * gives to each user. The functions may be called by any thread.
 */

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether nobody else can write to an open file; true in a process without privileges. What has no such name in our own mount
 * namespace may be root's of a container, who is somebody else; and a file system in user space (FUSE) shows what its server says.
 */
bool only_ours_file(int file);

/* Whose an open file is; (uid_t)-1 if that is not known, as a file system in user space shows what its server says. */
uid_t only_ours_owner(int file);

/* Whether nobody else decides what is at this absolute path, be it a file or nothing: in none of its directories can others
 * exchange or make what the path leads through. */
bool only_ours_path(const char *path);

#endif
