/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_ACCEPT_H
#define ESCAPEMENT_BASELINE_ACCEPT_H

/* Changing a baseline: taking single sites into it, and keeping why earlier ones were accepted. */

#include "gate/gate.h"

/*
 * Replaces what `baseline` holds of the row's site by what was measured, or removes it if the row has no site after.
 * `measured` is the gate's side after; `reason` is stored with the sites. Where one site replaces one, the stored
 * annotation stays if the new measurement has none. Afterwards: gate_counts_sort(), gate_counts_add_up().
 */
void baseline_take_row(struct gate_counts *baseline, const struct gate_counts *measured, const struct gate_row *row,
		       const char *reason);

/* Copies from `old` the reason of each accepted site whose objects and bytes are unchanged. Both sides are sorted. */
void baseline_keep_reasons(struct gate_counts *counts, const struct gate_counts *old);

#endif
