/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_ACCEPT_H
#define ESCAPEMENT_BASELINE_ACCEPT_H

/* Changes a baseline: accepts single sites, and keeps the reasons of earlier acceptances. */

#include "gate/gate.h"

/*
 * Replaces the row's site in `baseline` by the measured one, or removes it if the row has no site after. `measured` is
 * the gate's side after; `reason` is stored with the sites. If one site replaces one, the stored annotation is kept if
 * the new measurement has none. Call gate_counts_sort() and gate_counts_add_up() afterwards.
 */
void baseline_take_row(struct gate_counts *baseline, const struct gate_counts *measured, const struct gate_row *row,
		       const char *reason);

/* Copies from `old` the reason of each accepted site whose objects and bytes are unchanged. Both sides are sorted. */
void baseline_keep_reasons(struct gate_counts *counts, const struct gate_counts *old);

#endif
