/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_SPANS_H
#define ESCAPEMENT_GOALLOC_SPANS_H

/* The walk over the spans of a live libgoalloc (goalloc_contract.h). The process is not stopped: each span is as of its own
 * instant. What it says is checked here. */

#include <stddef.h>

#include "base/error.h"
#include "runtime/goalloc_description.h"
#include "runtime/heap_span.h"
#include "target/target.h"

/* Reads all spans, sorted by address; the caller frees them. Returns -1 if the process has ended; or, with refusal->text not
 * empty, if it publishes what no libgoalloc does, or takes too long to read. */
int goalloc_spans_read(const struct goalloc_layout *layout, const struct target *target, struct heap_span **items,
		       size_t *count, struct error *refusal);

#endif
