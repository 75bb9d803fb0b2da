/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COUNTED_RUN_H
#define ESCAPEMENT_COUNTED_RUN_H

/* What gate and compare share: one run of a program whose allocations are counted. */

#include "base/error.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"
#include "recording.h"

/*
 * Records one run of `command` (NULL-terminated), whose standard output goes to standard error; what it prints of
 * benchmarks is noted in `counts`. NULL with an error also where the program failed or was interrupted: what is cut short
 * is not compared.
 */
struct profile *counted_run(struct recording *recording, char **command, struct gate_counts *counts,
			    struct error *error);

#endif
