/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_HEAP_PROCESS_H
#define ESCAPEMENT_HEAP_PROCESS_H

/* What the modules of user/heap/ know of a process with a Go heap. Opened by heap_process_open(). Private to them. */

#include "runtime/go_heap.h"
#include "runtime/go_heap_profile.h"
#include "symbols/go_binary.h"
#include "target/target.h"

struct heap_process {
	struct target *target;
	struct go_binary *binary;
	uint64_t bias;
	struct go_heap heap;
	struct go_heap_profile profile;
	bool redacted;
	int64_t cycle;	  /* of the profile, at the last snapshot */
	uint64_t pending; /* of it: go_buckets.pending */
};

#endif
