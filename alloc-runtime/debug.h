/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEBUG_H
#define DEBUG_H

/*
 * The debug level, for GOALLOC_DEBUG=1 in the environment: every allocation and free takes the slow path. Each object
 * carries a trailer at the end of its element with what was asked for and from where; what lies between is filled and
 * checked. Freed objects are filled too and wait in a queue; when they leave it (or the program ends) the fill must be
 * whole. What is found is reported with address, span and site, then the process aborts.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

extern bool debug_level;
extern struct lock debug_lock; /* of the queue, innermost */

enum { DebugTrailer = 32 }; /* bytes that an object needs more */

void debug_init(void);
void debug_allocated(void *object, size_t size, const struct caller *caller);
/* Checks an object that is being freed and queues it. Returns the one to be freed instead, or NULL. */
void *debug_freed(struct mspan *s, void *object);
size_t debug_size(const struct mspan *s, const void *object); /* as asked for */

#pragma GCC visibility pop
#endif
