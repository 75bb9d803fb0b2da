/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRIVILEGE_H
#define ESCAPEMENT_PRIVILEGE_H

/*
 * The user as whom a program runs that root starts for somebody: the user who called sudo, or a named user. The
 * profiler needs privileges, but the profiled program does not. And which privileges the profiler itself keeps once it
 * has attached: it reads what hostile processes offer, and should not be able to do more than its task.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct identity {
	bool other; /* differs from this process's; otherwise the other fields are not set */
	uid_t uid;
	gid_t gid;
	char name[64]; /* "" if no user has this number */
	char home[256];
};

/* `user`: a name or a number; "root" keeps root; NULL: the user who called sudo, if this process is root and there is
 * one. Fails with STATUS_USAGE if there is no such user, or this process may not become that user; as identity_try() does,
 * too, for another user. */
int identity_find(const char *user, struct identity *identity, struct error *error);

/* Checks whether root can run programs as that user here without giving them more than the user has; NULL: as any. Returns -1 with
 * the obstacle. */
int identity_try(const struct identity *identity, struct error *error);

/* Finds the number of a user, given by name or number. Fails with STATUS_USAGE if there is no such user. */
int user_find(const char *user, uid_t *uid, struct error *error);

/*
 * Called in a child: becomes that user, with its groups, HOME, USER and LOGNAME, and drops all capabilities that would survive an
 * exec, or that a file can give back after it; another user's program cannot type into our terminal. A signal at the parent's end that was asked for stays
 * (subprocess_end_with()). Returns -1 with errno on failure: then the program must not be run.
 */
int identity_assume(const struct identity *identity);

/* The same as a `become` of a subprocess, whose `identity` is a struct identity. */
int identity_become(const void *identity);

/* What this process still has to do, as bits. Each needs capabilities; docs/permissions.md says which and why. */
enum privilege_use {
	PRIVILEGE_READ = 1 << 0,	/* memory, mappings and files of processes of other users */
	PRIVILEGE_PRIORITY = 1 << 1,	/* to run before the target's threads: probes come and go, it is stopped */
	PRIVILEGE_ATTACH = 1 << 2,	/* to load BPF programs, and to attach them to further processes */
	PRIVILEGE_SIGNAL = 1 << 4,	/* to end a program that runs as another user */
	PRIVILEGE_ATTACH_PERF = 1 << 3, /* the same where the kernel has perf uprobes only */
	PRIVILEGE_WRITE = 1 << 5,	/* to write results where they were asked for, and to give them to their user */
	PRIVILEGE_CHANGE = 1 << 6,	/* to write into a process of another user, if that was asked for */
};

/*
 * Gives up, for good, all capabilities of the calling thread that none of `uses` (bits of enum privilege_use) needs, and has
 * no exec bring them back. Threads that run already keep theirs. Returns -1 with errno if the kernel refuses.
 */
int privilege_keep(unsigned uses);

/*
 * After privilege_keep(): the calling thread, and those that it starts, open, make, change and remove no file any more, not even
 * as the owner; what is open stays so. Without Landlock in the kernel nothing happens. Returns -1 with errno if the kernel has it
 * and refuses.
 */
int privilege_no_files(void);

#endif
