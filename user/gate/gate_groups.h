/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_GROUPS_H
#define ESCAPEMENT_GATE_GROUPS_H

#include "gate/gate.h"

/* Sums the judged rows by benchmark, and turns failing rows into notes if their benchmark (or program) did not get
 * worse. */
void gate_judge_groups(struct gate *gate, const struct policy *policy);

#endif
