/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LEAKS_H
#define LEAKS_H

/*
 * Lost objects: goalloc_find_unreachable() and the report at exit that GOALLOC_LEAKS asks for.
 *
 * A search goes through these modules: roots.c collects what the dynamic linker knows and keeps it from changing;
 * stopworld.c stops the other threads; roots.c marks from all roots by mgcmark.c; what is left over is listed, with its
 * row of the heap profile. Then threads go on, and the callback gets the list.
 *
 * While threads are stopped this thread holds every lock that keeps the heap of pages, records and rows consistent, so no
 * other thread is in the middle of changing those. What threads change without a lock, mgcmark.c and roots.c can cope
 * with.
 */

#pragma GCC visibility push(hidden)

/* Around a fork, in which no search goes on: a child would have the lock of the dynamic linker that a search holds. */
void leaks_beforeFork(void);
void leaks_afterFork(void); /* in the parent */
void leaks_inChild(void);

#pragma GCC visibility pop
#endif
