/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_PROBES_H
#define ESCAPEMENT_GO_PROBES_H

/* Which functions of a Go program are probed, and what the BPF programs there must know of its structures. */

#include "collect/probe_set.h"
#include "profile/profile.h"
#include "runtime/go_process.h"

/*
 * Adds the probes and the layout to the set. Profile-guided builds inline parts of the allocator, and inlined code
 * cannot be probed: what is missing is replaced if something else reports the same; otherwise the profile gets a
 * warning, and go->runtime says what cannot be measured (`unmeasured`, `objects_from_events`). Returns -1 if nothing is
 * left to measure.
 */
int go_probes_add(struct go *go, enum go_depth depth, struct probe_set *set, struct profile *profile,
		  struct error *error);

/* Whether every allocation can be counted: mallocgc is nowhere inlined. */
bool go_probes_count_all(const struct go *go);

/* Adds the probes that count every allocation while a burst goes on. */
int go_probes_add_bursts(struct go *go, struct probe_set *set, struct error *error);

#endif
