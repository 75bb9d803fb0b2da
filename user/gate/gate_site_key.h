/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_SITE_KEY_H
#define ESCAPEMENT_GATE_SITE_KEY_H

/* Which site of a gate a sample belongs to: a name that stays the same when code moves within its function. */

#include "audit/audit.h"
#include "gate/gate_counts.h"
#include "profile/owner.h"
#include "profile/profile.h"

/* The key, and the texts in it that are not the profile's or the audit's. */
struct gate_site_key {
	struct gate_site
		site; /* function, via, runtime_call, type, benchmark and its package, annotation; and the reason for that */
	const struct escape_annotation *said; /* what the compiler says of it; NULL if unknown */
	char words[1024], function[1024], via[1024], benchmark[256], package[512];
};

/*
 * Finds the key of a sample. Returns false if it is of no site: no line of the program allocates it, or the runtime does for itself.
 * `audit` (NULL: none) knows the annotations, `printed` what the run has printed of its benchmarks.
 */
bool gate_site_key(struct gate_site_key *key, const struct profile_sample *sample, const struct owner *owner,
		   const struct profile *profile, const struct audit *audit, const struct gate_counts *printed);

#endif
