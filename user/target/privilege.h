/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PRIVILEGE_H
#define ESCAPEMENT_PRIVILEGE_H

/*
 * The user as whom a program runs that root starts for somebody: the user who called sudo, or a named user. The
 * profiler needs privileges, but the profiled program does not.
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
 * one. Fails with STATUS_USAGE if there is no such user, or this process may not become that user. */
int identity_find(const char *user, struct identity *identity, struct error *error);

/* Called in a child: becomes that user, with its groups, HOME, USER and LOGNAME, and drops all capabilities that would
 * survive an exec. Returns -1 with errno on failure: then the program must not be run. */
int identity_assume(const struct identity *identity);

#endif
