/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_LOST_OBJECTS_H
#define ESCAPEMENT_LOST_OBJECTS_H

/*
 * Objects of a libgoalloc process that nothing refers to any more, found from outside. The process is stopped while what may hold
 * references is copied; it runs on while they are followed (marks.h). Nothing in it is changed.
 *
 * There may be very many: they are no list, but bits of the marks, from which an object is taken as soon as it is known where it was
 * allocated. Memory is bounded by what the process really has, and so is time.
 *
 * If a thread is inside libgoalloc when it is stopped, the process is let go and stopped again, some times.
 *
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profile/size_class.h"
#include "runtime/goalloc_description.h"
#include "target/target.h"

struct lost_object {
	uint64_t bytes; /* that it takes; of a tiny one, those requested for it */
	uint8_t span_class;
	bool indirect; /* another lost object refers to it */
};

/* Of a span class; the second item: of those to which another lost object refers. */
struct lost_counts {
	struct {
		uint64_t objects, bytes;
	} of[SPAN_CLASSES][2];
};

struct lost_objects {
	uint64_t count;	    /* objects that have not been taken, with each tiny one in a block */
	uint64_t memory;    /* bytes that the process has (resident_private()) */
	int64_t stopped_ns; /* how long the process has been stopped, in all */
	unsigned stops;	    /* how often */
	bool inside;	    /* a thread was inside libgoalloc all the same: what it handled counts as referred to */
	struct lost_search *search; /* private; NULL: nothing was found */
};

/* Finds them. `seconds`: the longest time for which the process may be stopped, in all. Returns 0; or -1: with refusal->text not
 * empty, it says why it cannot be searched; else the process has ended. lost_objects_free() may follow in either case. */
int lost_objects_find(struct lost_objects *lost, const struct goalloc_layout *layout, struct target *target,
		      double seconds, struct error *refusal);

/* Takes out the object that begins at the address. `requested`: its bytes, if it is a tiny one. Returns false if it is not lost, or has
 * been taken. */
bool lost_objects_take(struct lost_objects *lost, uint64_t address, uint64_t requested, struct lost_object *object);
/* The same without taking it. */
bool lost_objects_has(const struct lost_objects *lost, uint64_t address);
/* Counts those that have not been taken. What is left of a block of tiny objects is one object. */
void lost_objects_rest(const struct lost_objects *lost, struct lost_counts *counts);

/* Returns how long work on what the process has may take, in seconds: it is linear in that. */
double lost_objects_seconds(const struct lost_objects *lost);

void lost_objects_free(struct lost_objects *lost);

#endif
