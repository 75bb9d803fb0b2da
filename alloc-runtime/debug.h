/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEBUG_H
#define DEBUG_H

/*
 * The debug level, for GOALLOC_DEBUG=1 in the environment: every allocation and free takes the slow path.
 *
 * How a request goes down: it is enlarged by a trailer, which stands at the end of the element and says what was asked
 * for, and from where. The bytes between object and trailer are filled.
 * How a free comes back: trailer and fill are checked; the object is filled and waits in a queue. When it leaves the
 * queue, or the process ends, its fill and trailer are checked again, and only then is it freed.
 *
 * Every byte of the trailer is under a seal. A fault is reported with address, span and, if the trailer is whole, site;
 * then the process aborts.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

extern bool debug_level;
extern struct lock debug_lock; /* of the queue, innermost */

enum { DebugTrailer = 32 }; /* bytes that an object needs more */

void debug_init(void);
void debug_finish(void); /* checks the queue; at exit, quick_exit and, in the preload library, _exit */
void debug_allocated(void *object, size_t size, const struct caller *caller);
/* Checks an object that is being freed and queues it. Returns the one to be freed instead, or NULL. */
void *debug_freed(struct mspan *s, void *object);
size_t debug_size(const struct mspan *s, const void *object); /* as asked for */

#pragma GCC visibility pop
#endif
