/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_STATIC_H
#define ESCAPEMENT_GATE_STATIC_H

/* Counts for a gate without measurements: the number of heap moves that the compiler reports. */

#include "escape/escape_select.h"
#include "gate/gate_counts.h"

/*
 * Counts what the compiler moves to the heap, for a static gate: a site is a function (a file if `by_function` is
 * false) and what escapes there, as its `type`; objects are the number of such messages. Bytes are unmeasured.
 */
struct gate_counts *gate_counts_of_escapes(const struct escape_output *output, const struct escape_filter *filter,
					   bool by_function);

#endif
