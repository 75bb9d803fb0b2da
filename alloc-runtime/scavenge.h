/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SCAVENGE_H
#define SCAVENGE_H

/*
 * Gives the memory of free spans back to the system: when they have been free for a while, when the memory limit asks
 * for it, and when the program does.
 *
 * How time passes without a thread: while much is free and not given back, mheap.idle is set, and every slow path asks the
 * clock (scavenge_poll). Some memory goes back at a time, in proportion to the time since the last step, so that no single
 * allocation waits for all of it and that all is back within seconds. For processes that may fall idle altogether there
 * is a thread, Go's bgscavenge, which is started only when asked for, because programs count their threads.
 *
 * It also finds memory in the hands of threads that sleep: spans of an mcache whose objects others have freed. Nobody
 * may take them off the owner's lists, but who takes all of a span's bits out of freeBits has its objects to itself, as
 * if it had allocated each of them: their memory can go back, and then the bits are put back.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum { ScavengeAge = 1000 }; /* milliseconds that a span has been free */

/* With mheap.lock held. */
void scavenge_init(void);	  /* reads the environment */
void scavenge_tick(void);	  /* at each free of pages */
void scavenge_for(size_t npages); /* before so many pages more are used: keeps to the limit where it can */
size_t scavenge_all(void);	  /* bytes given back */

/* Without mheap.lock. */
void scavenge_due(void);
static inline void scavenge_poll(void) /* on slow paths */
{
	if (unlikely(reader_get(&mheap.idle)))
		scavenge_due();
}
void scavenge_posted(void);	     /* a thread has freed objects that another one owns */
size_t scavenge_owned(bool at_once); /* of spans that others than their owner freed wholly; bytes given back */
void scavenge_forked(void);	     /* in the child, which has no such thread */

#pragma GCC visibility pop
#endif
