/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LOST_OBJECTS_H
#define ESCAPEMENT_LOST_OBJECTS_H

/*
 * Objects of a libgoalloc process that nothing refers to any more, found from outside. The process is stopped while what may hold
 * references is copied; it runs on while they are followed (marks.h). Nothing in it is changed.
 *
 * If a thread is inside libgoalloc when it is stopped, the process is let go and stopped again, some times.
 *
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/goalloc_description.h"
#include "target/target.h"

struct lost_object {
	uint64_t address;
	uint64_t bytes; /* that it takes; of a block of tiny objects, those requested for them */
	uint32_t tiny;	/* objects in it that are alive, if it is a block of tiny objects; else 0 */
	uint8_t span_class;
	bool indirect; /* another lost object refers to it */
};

struct lost_objects {
	struct lost_object *items; /* by address */
	size_t count, capacity;
	int64_t stopped_ns; /* how long the process has been stopped, in all */
	unsigned stops;	    /* how often */
	bool inside;	    /* a thread was inside libgoalloc all the same: what it handled counts as referred to */
};

/* Finds them. `seconds`: the longest time for which the process may be stopped, in all. Returns 0; or -1: with refusal->text not
 * empty, it says why it cannot be searched; else the process has ended. lost_objects_free() may follow in either case. */
int lost_objects_find(struct lost_objects *lost, const struct goalloc_layout *layout, struct target *target,
		      double seconds, struct error *refusal);
void lost_objects_free(struct lost_objects *lost);

#endif
