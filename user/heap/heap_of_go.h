/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_OF_GO_H
#define ESCAPEMENT_HEAP_OF_GO_H

/* A process with a Go heap. Private to heap_of_go.c and its tests. */

#include "heap/process.h"
#include "runtime/go_heap.h"
#include "runtime/go_heap_profile.h"
#include "symbols/go_binary.h"

struct heap_process_of_go {
	struct heap_process process;
	struct go_binary *binary;
	uint64_t bias;
	struct go_heap heap;
	struct go_heap_profile profile;
	int64_t cycle;	  /* of the profile, at the last snapshot */
	uint64_t pending; /* of it: go_buckets.pending */
};

extern const struct heap_runtime heap_runtime_go;

#endif
