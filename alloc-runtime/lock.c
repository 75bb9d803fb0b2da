/* SPDX-License-Identifier: BSD-2-Clause */
/* The contended paths of lock.h: the third mutex of Drepper's "Futexes are tricky". */
#include "lock.h"

#include "machine.h"
#include "sys.h"

enum { Spins = 60 }; /* enough for a critical section, which is some tens of instructions */

void lock_slow(struct lock *lock)
{
	for (int i = 0; i < Spins; i++) {
		uint32_t free = 0;
		if (atomic_compare_exchange_weak_explicit(&lock->state, &free, 1, memory_order_acquire,
							  memory_order_relaxed))
			return;
		machine_relax();
	}
	while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
		sysFutexWait(&lock->state, 2);
}

void unlock_slow(struct lock *lock)
{
	sysFutexWake(&lock->state);
}
