/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork in a process with threads. Nothing is locked across it: glibc's fork takes locks of stdio after it has called the
 * handlers of pthread_atfork, from threads that may be allocating while they hold them. A fork that held our locks until
 * those threads are done would wait for ever.
 *
 * So the child gets the heap as the other threads, which it does not have, left it: at any instruction. What it sees is a
 * consistent cut, in which each thread's stores up to some point have been done and none after it. The child makes the
 * heap whole from what holds at every instant:
 *
 *   a lock was held    what the locks guard is made anew from the spans in use (mheap_rebuild): lists, tree, table, sums.
 *                      A span in use says so from the end of its allocation to the begin of its release
 *   always             the spans of caches of other threads lose their owner (mcache_abandonOthers): an object is free if
 *                      any of a span's bits say so, which is true in the middle of any operation
 *
 * What a thread had in its hands is lost: an object, a window's objects, or a fresh span, each.
 *
 * The handler is registered by a constructor, because registering allocates. Registered early, it runs before the
 * program's own.
 */
#include <pthread.h>

#include "debug.h"
#include "recorder.h"
#include "runtime.h"
#include "scavenge.h"

/* Whether it was held. */
static bool reset(struct lock *lock)
{
	return atomic_exchange_explicit(&lock->state, 0, memory_order_relaxed) != 0;
}

static void in_child(void)
{
	bool shared = reset(&mcache_shared_lock), held = shared;

	held |= reset(&mheap.cachelock) | reset(&mheap.scavengelock) | reset(&mheap.lock) | reset(&mheap.speciallock);
	for (unsigned i = 0; i < NumSpanClasses; i++)
		held |= reset(&mheap.central[i].lock);
	reset(&debug_lock);
	reset(&recorder_lock);
	if (held)
		mheap_rebuild();
	if (held || mcache_othersInUse())
		mcache_abandonOthers(shared);
	scavenge_forked();
	recorder_in_child();
}

static __attribute__((constructor)) void register_handlers(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

/* Called by mallocinit so that a static link takes this file and its constructor along. */
void fork_init(void)
{
}
