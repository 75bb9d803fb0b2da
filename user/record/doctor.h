/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_DOCTOR_H
#define ESCAPEMENT_DOCTOR_H

/*
 * What this machine, this user and one process can support, and the one thing to do where they cannot. It does what a
 * recording does, in the same order and with the same code, as far as that goes without touching the process: programs are
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
	enum exit_status status; /* that a recording ends with because of it; STATUS_OK: no other than without it */
	const char *cause;	 /* name in the table of target/obstacle.h; NULL: it has none */
	char detail[1024];	 /* what was found: what a recording would say */
	char advice[512];	 /* what to do; "" where nothing */
};

enum { DOCTOR_FINDINGS_MAX = 16 };

/* Fills `findings` (DOCTOR_FINDINGS_MAX of them) and returns their number. `pid` 0: the machine only. What comes after
 * something that recordings fail with is not examined: they do not get there either. */
size_t doctor_examine(int pid, int64_t rate, struct doctor_finding *findings);

/* What recordings would end with. */
enum exit_status doctor_status(const struct doctor_finding *findings, size_t count);

#endif
