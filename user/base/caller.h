/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CALLER_H
#define ESCAPEMENT_CALLER_H

/* The user who called sudo: what root does for somebody else. May be called by any thread. */

#include <stdbool.h>
#include <sys/types.h>

struct caller {
	uid_t user;
	gid_t group; /* of the user's number if sudo did not say */
};

/* Stores who called sudo. false if this process is not root, or nobody did. */
bool caller_find(struct caller *caller);

#endif
