/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork in a process with threads. No lock is held across the fork, because glibc's fork takes locks of stdio after it
 * has called the handlers of pthread_atfork, and other threads may be allocating while they hold those. A fork that
 * held our locks and waited for those threads would deadlock.
 *
 * The child therefore gets the heap as the other threads, which do not exist in it, left it at arbitrary instructions.
 * What it sees is a consistent cut: for each thread, all stores up to some point and none after it. The child repairs
 * the heap from what holds at every instant:
 *
 *   a lock was held    what the locks guard (lists, tree, table, sums) is rebuilt from spans in use (mheap_rebuild).
 *                      A span is marked as in use from the end of its allocation to the beginning of its release
 *   always             the spans in other threads' caches lose their owner (mcache_abandonOthers): an object is free if
 *                      any of the span's bits say so, which is true in the middle of any operation
 *
 * What another thread was handling at that moment is leaked: at most one object, the objects of one window, or one
 * fresh span per thread.
 *
 * Only a search for lost objects (leaks.c) is waited for, since it holds a lock of the dynamic linker that a child could
 * not release. A signal handler may fork in the middle of a fork of its thread.
 *
 * The handler is registered with the first cache, because registering may allocate: constructors of other libraries run
 * before ours, and may start threads and fork. Handlers run in the order in which they were registered, so ours runs before
 * those that allocate; where malloc() is ours, whoever registers one has ours registered first (preload/atfork.c).
 */
#include <pthread.h>

#include "cachealloc.h"
#include "debug.h"
#include "heap_profile.h"
#include "leaks.h"
#include "recorder.h"
#include "runtime.h"
#include "scavenge.h"
#include "sections.h"
#include "stack.h"

/* Releases the lock. Returns whether it was held. */
static bool reset(struct lock *lock)
{
	return atomic_exchange_explicit(&lock->state, 0, memory_order_relaxed) != 0;
}

RARELY_RUN static void in_child(void)
{
	bool shared = reset(&mcache_shared_lock), held = shared;

	held |= reset(&mheap.cachelock) | reset(&mheap.scavengelock) | reset(&mheap.lock) | reset(&mheap.speciallock);
	for (unsigned i = 0; i < NumSpanClasses; i++)
		held |= reset(&mheap.central[i].lock);
	stack_forgetLocks();
	reset(&debug_lock);
	debug_forked();
	reset(&recorder_lock);
	reset(&heap_profile_lock);
	leaks_inChild();
	if (held)
		mheap_rebuild();
	if (held || cachealloc_othersInUse())
		mcache_abandonOthers(shared);
	if (mheap.pagesStacks != 0)
		stack_abandonOthers(shared);
	scavenge_forked();
	recorder_in_child();
	heap_profile_in_child();
}

__attribute__((constructor(101))) void fork_init(void)
{
	static atomic_bool registered;

	if (!atomic_exchange_explicit(&registered, true, memory_order_relaxed))
		pthread_atfork(leaks_beforeFork, leaks_afterFork, in_child);
}
