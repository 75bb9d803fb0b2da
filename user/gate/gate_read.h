/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_READ_H
#define ESCAPEMENT_GATE_READ_H

#include "base/error.h"
#include "escape/escape.h"
#include "gate/gate_counts.h"
#include "gate/gate_stacks.h"
#include "profile/profile.h"

/* How a profile is counted. A baseline, which has been, cannot be counted by other modules. */
struct gate_reading {
	const char *normalize;		    /* a site or an expression to divide by (gate_normalize.h); NULL: none */
	const struct escape_output *escape; /* whose words the sites get; NULL: none */
	const char *const *modules;	    /* as of profile_set_modules() */
	size_t module_count;
	struct gate_stacks *stacks; /* where the profile's stacks are kept, as those of a side; NULL: nowhere */
	int side;
};

/*
 * Reads counts from a file, which is a baseline (JSON) or a recorded profile (pprof). Returns counts that the caller frees;
 * NULL with an error if the file cannot be read, or holds no objects by site.
 */
struct gate_counts *gate_read_counts(const char *path, const struct gate_reading *reading, struct error *error);

/* The same of a profile in memory, which messages call `name`. */
struct gate_counts *gate_count_profile(struct profile *profile, const char *name, const struct gate_reading *reading,
				       struct error *error);

#endif
