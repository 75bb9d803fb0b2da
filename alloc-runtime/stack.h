/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STACK_H
#define STACK_H

/*
 * Stacks for coroutines, as in Go's stack.go: orders of powers of two from 2 KiB on.
 *
 * How a request goes down: goalloc_stack_alloc takes a stack of the order from the thread's stackcache. When that has
 * none, stackcacherefill fetches half a cache of them from the order's stackpool, which cuts spans in state mSpanStack.
 * Stacks larger than the largest order of the pools are spans of their own; a few idle ones wait in mheap.stackLarge.
 * How a stack comes back: it goes to the stackcache; when that is full, stackcacherelease gives half of it to the pool,
 * and a span whose stacks are all in the pool is returned to mheap.
 *
 * As a span class is a size class with or without pointers, a stack class is an order with or without guard pages: the
 * stacks of a span are all guarded or none is, so that a guard is set once, however often its stack is used.
 *
 * Differences from Go: the free stacks of a span are bits outside of it, not a list in the stacks themselves, so that a
 * write below a stack corrupts nothing, and a double free is detected. The pools have five orders, not four, and a span
 * is 64 KiB, not 32, since C needs more stack than Go. Idle large stacks are kept, within a bound.
 *
 * In a span in state mSpanStack, nelems stacks of elemsize bytes:
 *     idle    bit i is set while stack i is not the program's: in some stackcache, in the pool, or on the way
 *     pooled  bit i is set while stack i is in the pool; changes under the pool's lock (of a large one: mheap.lock)
 * Fork in a process with threads relies on this: stacks in a pool or a stackcache are idle.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

enum {
	StackMin = 2048,
	StackGuardedMin = 8192, /* and with a guard */
	StackGuardSize = 4096,	/* its first bytes */
	NumPooledOrders = 5,	/* up to 32 KiB */
	NumStackClasses = 2 * NumPooledOrders,
	StackSpanPages = 8,
	StackCacheSize = 64 * 1024, /* bytes of an order that a thread keeps */
	StackCacheLength = StackCacheSize / StackMin,
	/* of a span's inline_freeBits, which its objects would use */
	StackPooledWord = 0,
	StackIdleWord = 1,
};

/* The stacks that a thread keeps; belongs to the thread. Allocated when first needed. */
struct stackcache {
	struct {
		uint8_t length;
		uintptr_t stacks[StackCacheLength];
	} of[NumStackClasses];
};

/* Called when a thread ends that has a stackcache: gives all stacks in it to the pools, and frees the struct. */
void stackcache_clear(struct mcache *c);
/* Returns the idle large stacks to the heap, with mheap.lock held; the result is in bytes. */
size_t stackLarge_release(void);
/* In the child of a fork: rebuilds the pools. Stacks in the caches of threads that do not exist go to the pools.
 * `shared`: one of these threads was using the shared cache. */
void stack_abandonOthers(bool shared);
void stack_forgetLocks(void);
/* Whether the pools agree with their spans; see valid.h. */
const char *stackpool_is_valid(void);
/* The part of a stack that a coroutine may use; empty if the stack is free. */
struct address_range stack_inUse(struct mspan *s, unsigned index);
const char *stack_span_is_valid(const struct mspan *s);

#pragma GCC visibility pop
#endif
