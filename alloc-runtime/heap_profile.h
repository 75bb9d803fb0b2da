/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HEAP_PROFILE_H
#define HEAP_PROFILE_H

/*
 * What is alive, by the stack that allocated it: the heap profile of goalloc_contract.h. A table knows the row of each sampled
 * object, which counts it again when it is freed. All frees of a span with a sampled object take the slow path.
 *
 * It listens to alloc_sample like an observer from outside, by raising the semaphores of its rate.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"
#include "object_table.h"
#include "runtime.h"

#pragma GCC visibility push(hidden)

extern struct goalloc_heap_profile heap_profile; /* rate 0: nobody has asked for it */
extern struct lock heap_profile_lock;		 /* guards rows and objects; nothing else is locked under it */
extern struct object_table heap_profile_objects; /* sampled objects that are not freed, and their rows */

/* Counts an object that was sampled at the distance in force, or leaves it out, so that the chance of being in the profile is
 * that of its own rate. `stack` as the probes have it. */
void heap_profile_sampled(struct mcache *c, void *object, uint64_t bytes, unsigned spanclass, uint64_t stack);
/* Counts an object of a span with `sampled` set as freed, if it was sampled. */
void heap_profile_freed(uintptr_t address);
/* Returns the row of a sampled object; NULL if it is none. With heap_profile_lock held. */
const struct goalloc_row *heap_profile_row(uintptr_t address);
/* Called in the child of a fork when the lock is free. The child has the objects, and so it keeps the rows. */
void heap_profile_in_child(void);

#pragma GCC visibility pop
#endif
