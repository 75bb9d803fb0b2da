/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork in a process with threads: all locks are held over it, so that the child finds every structure whole, and what
 * belonged to threads that are not in the child is given up there.
 *
 * The handlers are registered by a constructor, because registering allocates; registered early they run last before
 * the fork and first after it, so that the program's own handlers may allocate.
 */
#include <pthread.h>

#include "debug.h"
#include "recorder.h"
#include "runtime.h"
#include "scavenge.h"

static void for_each_lock(void (*f)(struct lock *))
{
	f(&mcache_shared_lock);
	f(&mheap.cachelock);
	f(&mheap.scavengelock);
	for (unsigned i = 0; i < NumSpanClasses; i++)
		f(&mheap.central[i].lock);
	f(&mheap.lock);
	f(&mheap.speciallock);
	f(&debug_lock);
	f(&recorder_lock);
}

static void reset(struct lock *lock)
{
	atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
}

static void prepare(void)
{
	for_each_lock(lock_acquire);
}

static void in_parent(void)
{
	for_each_lock(lock_release);
}

static void in_child(void)
{
	for_each_lock(reset);
	mcache_abandonOthers();
	scavenge_forked();
	recorder_in_child();
}

static __attribute__((constructor)) void register_handlers(void)
{
	pthread_atfork(prepare, in_parent, in_child);
}

/* Called by mallocinit so that a static link takes this file and its constructor along. */
void fork_init(void)
{
}
