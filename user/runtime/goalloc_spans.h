/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GOALLOC_SPANS_H
#define ESCAPEMENT_GOALLOC_SPANS_H

/* The walk over the spans of a live libgoalloc (goalloc_contract.h). The process is not stopped: each span is as of its own
 * instant. What it says is checked here. */

#include <stddef.h>

#include "base/error.h"
#include "runtime/goalloc_description.h"
#include "runtime/heap_span.h"
#include "target/memory_blocks.h"
#include "target/target.h"

/* Reads all spans, sorted by address; the caller frees them. Returns -1 if the process has ended; or, with refusal->text not
 * empty, if it publishes what no libgoalloc does, or takes too long to read. */
int goalloc_spans_read(const struct goalloc_layout *layout, const struct target *target, struct heap_span **items,
		       size_t *count, struct error *refusal);

/* Called with a span as it was read: its struct is at `address`, and `raw` has its first bytes. Returns 0 to go on. */
typedef int goalloc_span_visitor(void *context, uint64_t address, const uint8_t *raw, const struct heap_span *span,
				 struct error *refusal);

/* Calls `visit` for each span that is not dead, with at least `least` bytes of its struct (at most
 * GOALLOC_SPAN_MAX). Fails like goalloc_spans_read(), or as `visit` does. Reads by `memory`, and takes from the budget in force. */
int goalloc_spans_walk(const struct goalloc_layout *layout, const struct target *target, struct memory_blocks *memory,
		       size_t least, goalloc_span_visitor *visit, void *context, struct error *refusal);

#endif
