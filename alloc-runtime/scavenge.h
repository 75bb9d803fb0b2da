/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SCAVENGE_H
#define SCAVENGE_H

/*
 * Returns the memory of free spans to the system: after they have been free for a while, when the memory limit requires
 * it, and when the program asks for it.
 *
 * Without a thread, slow paths drive it: while much memory is free and not returned, mheap.idle is set, and every slow
 * path reads the clock (scavenge_poll). Each step returns an amount in proportion to the time since the last step, up
 * to 64 MiB or a sixteenth, so that no single allocation waits for all of it, and all of it is returned within seconds.
 * For processes that may become idle altogether there is a thread, Go's bgscavenge. It is started only on request,
 * because programs may count their threads.
 *
 * A program that has freed much and now does little would take a slow path once in many seconds. So frees of pages
 * also make the next allocation a slow one (sampler_word.awaited), and some of the spans of small objects that become
 * worth looking at. One that comes a while after the one before makes the next ones slow as well, up to a hundred
 * that follow each other closely: so many are not noticed after a pause.
 *
 * The scavenger also finds idle pages in spans of small objects: where few of a span's objects are left, or where other
 * threads have freed the objects of a thread that sleeps. It must not take such a span off the lists of its owner or
 * mcentral. But by taking the free objects out of freeBits it allocates them, and so may return the pages that hold
 * nothing else; then it puts the bits back. It walks over all spans in rounds, and takes from those in which nothing was
 * freed or allocated since the round before. Rounds end when two have found nothing new. A step takes some 0.2 ms,
 * or up to 10 where the one before was long ago, however large the heap is: a round over many spans takes longer instead.
 */

#include "probes.h"
#include "runtime.h"

#pragma GCC visibility push(hidden)

enum {
	ScavengeAge = 1000, /* milliseconds that a span must have been free */
	PollShare = 16,	    /* see scavenge_pollSometimes() */
};

/* With mheap.lock held. */
void scavenge_init(void); /* reads GOALLOC_MEMORY_LIMIT */
void scavenge_tick(void); /* called at each free of pages */
/* called before this many more pages are used; returns memory to keep within the limit */
void scavenge_for(size_t npages);
size_t scavenge_all(void); /* returns all free memory; the result is in bytes */

/* Without mheap.lock. */
void scavenge_due(void);
void scavenge_awaited(void);
static inline void scavenge_poll(void) /* called on slow paths */
{
	if (unlikely(reader_get(&mheap.idle)))
		scavenge_due();
}
/* The same where a slow path is short beside reading the clock: once in PollShare times. */
static inline void scavenge_pollSometimes(struct mcache *c)
{
	if (unlikely(reader_get(&mheap.idle)) && c->polls++ % PollShare == 0)
		scavenge_due();
}
static inline void scavenge_atAllocation(void) /* called by each allocation that takes a slow path */
{
	if (unlikely(reader_get(&sampler_word.awaited) != 0))
		scavenge_awaited();
}
void scavenge_freedSome(
	void);		     /* a span has become worth looking at: objects were freed that its owner does not count */
size_t scavenge_spans(void); /* returns all idle pages in spans of small objects; the result is in bytes */
void scavenge_forked(void);  /* called in the child, in which the thread does not exist */

#pragma GCC visibility pop
#endif
