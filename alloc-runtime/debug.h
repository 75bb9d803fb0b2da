/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEBUG_H
#define DEBUG_H

/*
 * The debug level, enabled by GOALLOC_DEBUG=1 in the environment: every allocation and free takes the slow path.
 *
 * How a request goes down: it is enlarged by a trailer at the end of the element, which records the requested size and
 * the caller. The bytes between object and trailer are filled with a pattern. How a free comes back: the trailer and
 * the fill are checked; then the object is filled and enters a queue. When it leaves the queue, or the process exits,
 * its fill and trailer are checked again, and only then is it freed.
 *
 * A checksum covers every byte of the trailer. A fault is reported with address and span, and with the allocation's
 * site if the trailer is intact; then the process aborts.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

extern bool debug_level;
extern struct lock debug_lock; /* guards the queue; no other lock is taken while it is held */

enum {
	DebugTrailer = 32,	    /* bytes added to each object */
	DebugQueue = 4096,	    /* objects that wait at most, */
	DebugQueueBytes = 64 << 20, /* and their memory */
};
extern void *debug_queue[DebugQueue]; /* freed objects that wait; NULL: none. Read from outside, too */

void debug_init(void);
void debug_finish(void); /* checks the queue; called by exit, quick_exit and _exit */
void debug_forked(void); /* called in the child of a fork, which has memory of its own */
void debug_allocated(void *object, size_t size, const struct caller *caller);
/* Checks an object that is being freed and puts it into the queue. What has to leave the queue is checked, and then given to `release`,
 * with its span. */
void debug_freed(struct mspan *s, void *object, void (*release)(struct mspan *s, uintptr_t address));
bool debug_isFreed(const struct mspan *s, const void *object); /* whether it waits in the queue */
bool debug_isLive(const struct mspan *s, const void *object);  /* false if its trailer is broken, too */
/* The size that the program asked for. Reports an object that is not live. */
size_t debug_size(const struct mspan *s, const void *object);

#pragma GCC visibility pop
#endif
