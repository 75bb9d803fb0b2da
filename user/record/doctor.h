/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DOCTOR_H
#define ESCAPEMENT_DOCTOR_H

/*
 * What this machine, this user and one process can support, and the one thing to do where they cannot. Only looks:
 * attaches nothing.
 */

#include <stdbool.h>
#include <stddef.h>

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_DEGRADED, /* works, with a limit that `advice` names */
	DOCTOR_MISSING,	 /* recordings fail */
};

struct doctor_finding {
	const char *subject; /* "kernel", "uprobe.multi", … */
	enum doctor_state state;
	char detail[1024]; /* what was found */
	char advice[512];  /* what to do; "" where nothing */
};

enum { DOCTOR_FINDINGS_MAX = 16 };

/* Fills `findings` (DOCTOR_FINDINGS_MAX of them) and returns their number. `pid` 0: the machine only. */
size_t doctor_examine(int pid, struct doctor_finding *findings);

#endif
