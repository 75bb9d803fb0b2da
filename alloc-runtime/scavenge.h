/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SCAVENGE_H
#define SCAVENGE_H

/*
 * Gives the memory of free spans back to the system: when they have been free for a while, when the memory limit asks
 * for it, and when the program does. There is no thread of its own: mheap's operations look at the clock now and then.
 * All are called with mheap.lock held.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum { ScavengeAge = 1000 }; /* milliseconds that a span has been free */

void scavenge_init(void);            /* reads the environment */
void scavenge_tick(void);           /* at each free of pages */
void scavenge_for(size_t npages);   /* before so many pages more are used: keeps to the limit where it can */
size_t scavenge_all(void);          /* bytes given back */

#pragma GCC visibility pop
#endif
