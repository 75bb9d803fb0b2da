/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_ENOUGH_H
#define ESCAPEMENT_GATE_ENOUGH_H

/*
 * Whether one run is enough. The smallest count of several runs is judged, so further runs can only make counts smaller:
 * a run whose every count is within the ranges of the other side has shown already that nothing grew.
 */

#include <stdbool.h>

#include "audit/audit.h"
#include "gate/gate_counts.h"
#include "gate/policy.h"
#include "profile/profile.h"

/* Counts one run alone; `printed` has what it printed about its benchmarks. `directory` and `audit` are as in gate_measure.h.
 * The caller frees the result. */
struct gate_counts *gate_enough_count(const char *directory, const struct profile *profile, const struct audit *audit,
				      const struct gate_counts *printed);

/*
 * Whether no further run of the side after can change that it passes: nothing was lost, everything was counted, benchmarks
 * and sites are those before, and all counts are within their ranges. Fewer objects than before are not enough, because
 * that is a result, which other runs are to confirm.
 */
bool gate_enough(const struct gate_counts *before, const struct gate_counts *run, const struct policy *policy);

#endif
