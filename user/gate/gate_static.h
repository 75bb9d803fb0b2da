/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_STATIC_H
#define ESCAPEMENT_GATE_STATIC_H

/* Counts for a gate without measurements: how often the compiler reports a heap move. */

#include "escape/escape_select.h"
#include "gate/gate_counts.h"

/*
 * What the compiler moves to the heap, as counts for a static gate: a site is a function (a file where `by_function` is
 * false) and what escapes there, its `type`; objects are how often the compiler says so. Bytes are unmeasured.
 */
struct gate_counts *gate_counts_of_escapes(const struct escape_output *output, const struct escape_filter *filter,
					   bool by_function);

#endif
