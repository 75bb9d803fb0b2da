/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_SPANS_H
#define ESCAPEMENT_GO_SPANS_H

/*
 * The walk over the spans of a live Go process: runs of pages that hold objects of one size, one large object, or a
 * stack. Everything that Go's allocator hands out is in one of them (src/runtime/mheap.go: mheap_.allspans).
 *
 * The process is not stopped: each span is as of its own instant.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bpf/events.h"
#include "runtime/heap_span.h"
#include "symbols/go_binary.h"
#include "target/target.h"

#define GO_ARENA_BYTES (UINT64_C(64) << 20) /* and their alignment */

/* Where they are in one process: the address of mheap_.allspans; 0 if it was not found. */
struct go_spans {
	uint64_t all;
	struct go_heap_layout layout;
};

/* `bias` is what the process added to link-time addresses. */
void go_spans_init(struct go_spans *spans, const struct go_binary *binary, uint64_t bias);

/* Reads all spans, sorted by address; the caller frees them. Returns -1 if the process has ended; or, with
 * refusal->text not empty, if its memory contains what no Go runtime writes, or takes too long to read. */
int go_spans_read(const struct go_spans *spans, const struct target *target, struct heap_span **items, size_t *count,
		  struct error *refusal);

#endif
