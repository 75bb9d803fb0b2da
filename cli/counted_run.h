/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COUNTED_RUN_H
#define ESCAPEMENT_COUNTED_RUN_H

/* Shared by gate and compare: one run of a program whose allocations are counted. */

#include "base/error.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"
#include "recording.h"

/*
 * Records one run of `command` (NULL-terminated), whose standard output goes to standard error; what it prints about
 * benchmarks is recorded in `counts`. Returns NULL with an error, also if the program failed or was interrupted,
 * because incomplete runs are not compared.
 */
struct profile *counted_run(struct recording *recording, char **command, struct gate_counts *counts,
			    struct error *error);

#endif
