/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DOCTOR_H
#define ESCAPEMENT_DOCTOR_H

/*
 * What this machine, this user and one process can support, and the one thing to do where they cannot. It does what a
 * recording does, in the same order and with the same code, except that it leaves the process alone: programs are
 * loaded, and a probe is attached to a function of our own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_DEGRADED, /* works, with a limitation that `advice` names */
	DOCTOR_MISSING,	 /* recordings fail */
};

struct doctor_finding {
	const char *subject; /* "kernel", "uprobe.multi", … */
	enum doctor_state state;
	enum exit_status
		status;	   /* the status with which a recording would end because of it; STATUS_OK: it would succeed */
	const char *cause; /* name in the table of target/obstacle.h; NULL: it has none */
	char detail[1024]; /* what was found: what a recording would say */
	char advice[512];  /* what to do; "" where nothing */
};

enum { DOCTOR_FINDINGS_MAX = 16 };

/* Fills `findings` (DOCTOR_FINDINGS_MAX of them) and returns their number. `pid` 0: the machine only. Stops at the
 * first finding with which recordings fail, because they do not get further either. */
size_t doctor_examine(int pid, int64_t rate, struct doctor_finding *findings);

/* The exit status of a recording with these findings. */
enum exit_status doctor_status(const struct doctor_finding *findings, size_t count);

#endif
