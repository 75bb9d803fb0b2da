/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRIVILEGE_H
#define ESCAPEMENT_PRIVILEGE_H

/*
 * As whom a program runs that root started for somebody: the user who called sudo, or the one who was named. The profiler
 * needs privileges, what it profiles does not.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct identity {
	bool other; /* than this process's: else the rest is not set */
	uid_t uid;
	gid_t gid;
	char name[64]; /* "" for a number that no user has */
	char home[256];
};

/* `user`: a name or a number; "root" stays root; NULL: who called sudo, if somebody did, and if this process is root.
 * STATUS_USAGE if there is no such user, or this process may not become it. */
int identity_find(const char *user, struct identity *identity, struct error *error);

/* In a child: becomes that user, with its groups, HOME, USER and LOGNAME, and gives up all capabilities that an exec would
 * hand on. -1 with errno on failure: the program must not run then. */
int identity_assume(const struct identity *identity);

#endif
