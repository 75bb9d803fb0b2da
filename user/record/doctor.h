/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DOCTOR_H
#define ESCAPEMENT_DOCTOR_H

/*
 * Finds out what this machine, this user and one process support, and what to do if they do not. Attaches nothing
 * permanently.
 */

#include <stdbool.h>
#include <stddef.h>

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_DEGRADED, /* works, with a limitation that `advice` names */
	DOCTOR_MISSING,	 /* recordings fail */
};

struct doctor_finding {
	const char *subject; /* "kernel", "uprobe.multi", … */
	enum doctor_state state;
	char detail[1024]; /* what was found */
	char advice[512];  /* what to do; "" if nothing */
};

enum { DOCTOR_FINDINGS_MAX = 16 };

/* Fills in `findings` (at most DOCTOR_FINDINGS_MAX) and returns their number. `pid` 0: only the machine. */
size_t doctor_examine(int pid, struct doctor_finding *findings);

#endif
