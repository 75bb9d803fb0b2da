/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LOCK_H
#define LOCK_H

/*
 * A mutex in one word. pthread mutexes are unsuitable: they may be interposed, may allocate, and cannot be reset after
 * fork. Waiters sleep in futex(2). Acquiring is an acquire operation on `state`, releasing a release operation; nothing
 * else needs ordering.
 *
 * Order in which locks are taken, outermost first:
 *
 *     mcache_shared_lock   the cache of threads that have none of their own
 *     mheap.cachelock      the list of caches, and initialisation
 *     mheap.scavengelock   objects that the scavenger holds
 *     mcentral.lock        one for each span class; nobody holds two
 *     stackpool.lock       one for each stack class; nobody holds two
 *     mheap.lock           spans, pages, the table, the fixed-size allocators
 *     mheap.speciallock    records on objects
 *     debug_lock           the queue of freed objects
 *     recorder_lock        the recorder's rows
 *     heap_profile_lock    the heap profile's rows
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t state; /* 0: free, 1: held, 2: held, and at least one waiter sleeps */
};

void lock_slow(struct lock *lock);
void unlock_slow(struct lock *lock);

static inline void lock_acquire(struct lock *lock)
{
	uint32_t free = 0;

	if (!atomic_compare_exchange_strong_explicit(&lock->state, &free, 1, memory_order_acquire,
						     memory_order_relaxed))
		lock_slow(lock);
}

static inline bool lock_try(struct lock *lock)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong_explicit(&lock->state, &free, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static inline void lock_release(struct lock *lock)
{
	if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
		unlock_slow(lock);
}

#endif
