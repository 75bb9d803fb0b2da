/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_COMPARE_H
#define ESCAPEMENT_GATE_COMPARE_H

/*
 * The gate: compares the counts of two sides site by site, and judges by the policy whether they got worse.
 *
 * Nothing here reads a clock, a file or a process. Built by one thread, read by any.
 */

#include "gate/gate.h"

/*
 * Compares two sides, which must outlive the result.
 *
 * The rule: a benchmark (or program) is worse if the sum of its owner's objects or bytes grew beyond the tolerance. A
 * site that is new or worse inside one that is not worse is a note, unless the policy is strict. A benchmark that only one
 * side has is not judged.
 */
struct gate *gate_compare(const struct gate_counts *before, const struct gate_counts *after,
			  const struct policy *policy); /* never NULL */

#endif
