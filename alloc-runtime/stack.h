/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STACK_H
#define STACK_H

/*
 * Stacks for coroutines, as in Go's stack.go: orders of powers of two from 2 KiB on.
 *
 * How a request goes down: goalloc_stack_alloc takes a stack of the order from the thread's stackcache. When that has
 * none, stackcacherefill fetches half a cache of them from the order's stackpool, which cuts spans in state mSpanStack.
 * Stacks larger than the largest order of the pools are spans of their own; a few idle ones wait in mheap.stackLarge.
 * How a stack comes back: to the stackcache; when that is full, stackcacherelease gives half of it to the pool, and a
 * span of which all stacks are in the pool goes back to mheap.
 *
 * As a span class is a size class with or without pointers, a stack class is an order with or without guard pages: the
 * stacks of a span are all guarded or none is, so that a guard is set once, however often its stack is used.
 *
 * Where this is not Go's: the free stacks of a span are bits outside of it, not a list that runs through the stacks, so
 * that what a program writes below its stack leads nobody astray and a second free is seen. The pools have five orders,
 * not four, and a span is 64 KiB, not 32, since C needs more stack than Go. Idle large stacks are kept, within a bound.
 *
 * In a span in state mSpanStack, nelems stacks of elemsize bytes:
 *     idle    bit i is set while stack i is not the program's: in some stackcache, in the pool, or on the way
 *     pooled  bit i is set while stack i is in the pool; changes under the pool's lock (of a large one: mheap.lock)
 * The fork of a process with threads relies on it that a pooled stack is idle, and that one in a stackcache is too.
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
};

/* What a thread keeps of stacks; the thread's own. Allocated when it first needs one. */
struct stackcache {
	struct {
		uint8_t length;
		uintptr_t stacks[StackCacheLength];
	} of[NumStackClasses];
};

/* A thread ends: gives all that its cache keeps to the pools, and the struct back. */
void stackcache_clear(struct mcache *c);
/* Gives the idle large stacks back to the heap, under mheap.lock; bytes. */
size_t stackLarge_release(void);
/* In the child of a fork: makes the pools anew. Stacks in the caches of threads that are not there become the pools'.
 * `shared` says that one of these threads was using the shared cache. */
void stack_abandonOthers(bool shared);
void stack_forgetLocks(void);
/* Whether the pools agree with their spans; see valid.h. */
const char *stackpool_is_valid(void);
const char *stack_span_is_valid(const struct mspan *s);

#pragma GCC visibility pop
#endif
