/* SPDX-License-Identifier: BSD-2-Clause */
/* See stack.h. */
#include "stack.h"

#include <errno.h>
#include <string.h>

#include "cachealloc.h"
#include "malloc_fast.h"
#include "sampler.h"
#include "sys.h"

enum {
	LargeIdleLeast = 1 << 20, /* bytes of idle large stacks that are kept */
	LargeIdleShare = 8,	  /* and at most 1 / LargeIdleShare of all stacks */
};

/* The spans of a stack class that have stacks in the pool. */
static struct stackpool {
	_Alignas(CACHE_LINE) struct lock lock;
	struct mSpanList spans;
} stackpool[NumStackClasses];

/* Uses the words that a span of small objects uses for freeBits. */
static _Atomic uint64_t *pooled(struct mspan *s)
{
	return &s->inline_freeBits[StackPooledWord];
}

static _Atomic uint64_t *idle(struct mspan *s)
{
	return &s->inline_freeBits[StackIdleWord];
}

static uint64_t bits_of(_Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void set_bits(_Atomic uint64_t *word, uint64_t bits)
{
	atomic_store_explicit(word, bits, memory_order_relaxed);
}

static uint64_t all_of(const struct mspan *s)
{
	return mspan_word_mask(s, 0);
}

static bool is_guarded(const struct mspan *s)
{
	return s->spanclass & 1;
}

/* Returns the size of the stack for a request; 0 if there is no such order. */
static size_t stack_size(size_t size, bool guarded)
{
	size_t least = guarded ? StackGuardedMin : StackMin;

	if (size <= least)
		return least;
	if (size > (size_t)StackMin << (NumStackOrders - 1))
		return 0;
	return (size_t)1 << (64 - __builtin_clzll(size - 1));
}

static unsigned order_of(size_t stack_size)
{
	return (unsigned)__builtin_ctzll(stack_size / StackMin);
}

/* ---- spans ---- */

/* Sets the guards of a span. Returns false if the process has too many mappings. */
static bool guard(struct mspan *s)
{
	for (unsigned i = 0; is_guarded(s) && i < s->nelems; i++)
		if (!sysGuard((void *)(s->base + i * s->elemsize), StackGuardSize))
			return false;
	return true;
}

static void free_span(struct mspan *s)
{
	if (is_guarded(s))
		sysUnguard((void *)s->base, mspan_bytes(s));
	mheap_freeStackSpan(s);
}

static struct mspan *new_span(size_t npages, size_t size, bool guarded, struct mcache *c, struct caller *caller)
{
	struct mheap_grown grown = {0};
	struct mspan *s = mheap_allocStackSpan(npages, (unsigned)(2 * order_of(size) + guarded), size, &grown);

	if (grown.bytes != 0)
		note_heap_grow(&grown, c, caller);
	if (s && !guard(s)) {
		free_span(s);
		return NULL;
	}
	return s;
}

/* ---- pools ---- */

static struct mspan *span_with_stacks(struct stackpool *pool, unsigned class, struct mcache *c, struct caller *caller)
{
	if (!pool->spans.first) {
		struct mspan *s = new_span(StackSpanPages, (size_t)StackMin << class / 2, class & 1, c, caller);
		if (!s)
			return NULL;
		mSpanList_insert(&pool->spans, s);
	}
	return pool->spans.first;
}

static unsigned cache_capacity(unsigned class)
{
	return StackCacheLength >> class / 2;
}

/* Fetches half a cache of stacks from the pool, or as many as it has. */
static void stackcacherefill(struct mcache *c, unsigned class, struct caller *caller)
{
	struct stackpool *pool = &stackpool[class];
	unsigned wanted = cache_capacity(class) / 2;
	uintptr_t *stacks = c->stackcache->of[class].stacks;
	unsigned n = 0;

	lock_acquire(&pool->lock);
	for (struct mspan *s; n < wanted && (s = span_with_stacks(pool, class, c, caller));) {
		uint64_t left = bits_of(pooled(s));
		for (; n < wanted && left != 0; left &= left - 1)
			stacks[n++] = s->base + (unsigned)__builtin_ctzll(left) * s->elemsize;
		set_bits(pooled(s), left);
		if (left == 0)
			mSpanList_remove(&pool->spans, s);
	}
	lock_release(&pool->lock);
	c->stackcache->of[class].length = (uint8_t)n;
}

static unsigned index_of(const struct mspan *s, uintptr_t stack)
{
	return (unsigned)((stack - s->base) / s->elemsize);
}

static void stackpoolfree(struct stackpool *pool, uintptr_t stack)
{
	struct mspan *s = span_of(stack);
	uint64_t before = bits_of(pooled(s)), now = before | 1ULL << index_of(s, stack);

	set_bits(pooled(s), now);
	if (before == 0)
		mSpanList_insert(&pool->spans, s);
	if (now == all_of(s)) {
		mSpanList_remove(&pool->spans, s);
		free_span(s);
	}
}

/* Keeps this many stacks of the class, those that were freed last, and gives the others to the pool. */
static void stackcacherelease(struct stackcache *cache, unsigned class, unsigned kept)
{
	uintptr_t *stacks = cache->of[class].stacks;
	unsigned given = cache->of[class].length - kept;

	lock_acquire(&stackpool[class].lock);
	for (unsigned i = 0; i < given; i++)
		stackpoolfree(&stackpool[class], stacks[i]);
	lock_release(&stackpool[class].lock);
	memmove(stacks, stacks + given, kept * sizeof *stacks);
	cache->of[class].length = (uint8_t)kept;
}

static struct stackcache *stackcache_of(struct mcache *c)
{
	if (!c->stackcache) {
		lock_acquire(&mheap.lock);
		struct stackcache *cache = fixalloc_alloc(&mheap.stackcachealloc);
		lock_release(&mheap.lock);
		if (cache)
			memset(cache, 0, sizeof *cache);
		c->stackcache = cache;
	}
	return c->stackcache;
}

void stackcache_clear(struct mcache *c)
{
	struct stackcache *cache = c->stackcache;

	for (unsigned class = 0; class < NumStackClasses; class ++)
		if (cache->of[class].length != 0)
			stackcacherelease(cache, class, 0);
	c->stackcache = NULL;
	lock_acquire(&mheap.lock);
	fixalloc_free(&mheap.stackcachealloc, cache);
	lock_release(&mheap.lock);
}

static uintptr_t take_small(struct mcache *c, unsigned class, struct caller *caller)
{
	struct stackcache *cache = stackcache_of(c);

	if (!cache)
		return 0;
	if (cache->of[class].length == 0)
		stackcacherefill(c, class, caller);
	return cache->of[class].length != 0 ? cache->of[class].stacks[--cache->of[class].length] : 0;
}

static void put_small(struct mcache *c, unsigned class, uintptr_t stack)
{
	struct stackcache *cache = stackcache_of(c);

	if (!cache) {
		lock_acquire(&stackpool[class].lock);
		stackpoolfree(&stackpool[class], stack);
		lock_release(&stackpool[class].lock);
		return;
	}
	if (cache->of[class].length == cache_capacity(class))
		stackcacherelease(cache, class, cache_capacity(class) / 2);
	cache->of[class].stacks[cache->of[class].length++] = stack;
}

/* ---- large stacks ---- */

static struct mSpanList *large_list(const struct mspan *s)
{
	return &mheap.stackLarge[s->spanclass / 2][s->spanclass & 1];
}

static void list_large(struct mspan *s)
{
	set_bits(pooled(s), 1);
	mSpanList_insert(large_list(s), s);
	mheap.pagesStacksIdle += s->npages;
}

static void unlist_large(struct mspan *s)
{
	mSpanList_remove(large_list(s), s);
	set_bits(pooled(s), 0);
	mheap.pagesStacksIdle -= s->npages;
}

static uintptr_t take_large(struct mcache *c, size_t size, bool guarded, struct caller *caller)
{
	lock_acquire(&mheap.lock);
	struct mspan *s = mheap.stackLarge[order_of(size)][guarded].first;
	if (s)
		unlist_large(s);
	lock_release(&mheap.lock);
	if (!s && (s = new_span((size + PageSize - 1) >> PageShift, size, guarded, c, caller)))
		set_bits(pooled(s), 0);
	return s ? s->base : 0;
}

/* Returns the idle stack of the largest order. */
static struct mspan *largest_idle(void)
{
	for (unsigned i = 2 * NumStackOrders; i-- > 0;)
		if (mheap.stackLarge[i / 2][i % 2].first)
			return mheap.stackLarge[i / 2][i % 2].last;
	return NULL;
}

/* Takes an idle stack off its list if there are too many; otherwise returns NULL. */
static struct mspan *take_surplus(size_t most)
{
	struct mspan *s = NULL;

	lock_acquire(&mheap.lock);
	size_t share = (mheap.pagesStacks << PageShift) / LargeIdleShare;
	if (mheap.pagesStacksIdle << PageShift > (share > most ? share : most) && (s = largest_idle()))
		unlist_large(s);
	lock_release(&mheap.lock);
	return s;
}

static void put_large(struct mspan *s)
{
	lock_acquire(&mheap.lock);
	list_large(s);
	lock_release(&mheap.lock);
	while ((s = take_surplus(LargeIdleLeast)))
		free_span(s);
}

size_t stackLarge_release(void)
{
	size_t bytes = 0;
	struct mspan *s;

	for (;;) {
		lock_acquire(&mheap.lock);
		if ((s = largest_idle()))
			unlist_large(s);
		lock_release(&mheap.lock);
		if (!s)
			return bytes;
		bytes += mspan_bytes(s);
		free_span(s);
	}
}

/* ---- the public interface ---- */

static void *stackalloc(size_t size, bool guarded, struct caller *caller)
{
	size = stack_size(size, guarded);
	struct mcache *c = size != 0 ? mcache_enter() : NULL;
	uintptr_t stack = 0;

	if (c) {
		unsigned order = order_of(size);
		stack = order < NumPooledOrders ? take_small(c, 2 * order + guarded, caller)
						: take_large(c, size, guarded, caller);
		mcache_leave(c);
	}
	if (stack == 0) {
		errno = ENOMEM;
		return NULL;
	}
	struct mspan *s = span_of(stack);
	atomic_fetch_and_explicit(idle(s), ~(1ULL << index_of(s, stack)), memory_order_relaxed);
	return (void *)stack;
}

void *goalloc_stack_alloc(size_t size)
{
	struct caller caller = CALLER_HERE();

	return stackalloc(size, false, &caller);
}

void *goalloc_stack_alloc_guarded(size_t size)
{
	struct caller caller = CALLER_HERE();

	return stackalloc(size, true, &caller);
}

void goalloc_stack_free(void *stack, size_t size)
{
	uintptr_t address = (uintptr_t)stack;
	struct mspan *s = span_at(stack);

	if (!stack)
		return;
	if (!s || s->state != mSpanStack)
		goalloc_fatal("free of a pointer that is not a stack:", address);
	unsigned index = index_of(s, address);
	if (index >= s->nelems || address != s->base + index * s->elemsize)
		goalloc_fatal("free of a pointer into a stack:", address);
	if (stack_size(size, is_guarded(s)) != s->elemsize)
		goalloc_fatal("free with a wrong size of the stack", address);
	if (atomic_fetch_or_explicit(idle(s), 1ULL << index, memory_order_relaxed) >> index & 1)
		goalloc_fatal("double free of the stack", address);
	if (s->spanclass >= NumStackClasses) {
		put_large(s);
		return;
	}
	struct mcache *c = mcache_enter();
	put_small(c, s->spanclass, address);
	mcache_leave(c);
}

struct address_range stack_inUse(struct mspan *s, unsigned index)
{
	uintptr_t base = s->base + index * s->elemsize;

	if (bits_of(idle(s)) >> index & 1)
		return (struct address_range){0, 0};
	return (struct address_range){base + (is_guarded(s) ? StackGuardSize : 0), base + s->elemsize};
}

/* ---- fork ---- */

void stack_forgetLocks(void)
{
	for (unsigned class = 0; class < NumStackClasses; class ++)
		atomic_store_explicit(&stackpool[class].lock.state, 0, memory_order_relaxed);
}

/* Removes the stacks of a surviving cache from the pools. */
static void unpool(const struct stackcache *cache)
{
	for (unsigned class = 0; cache && class < NumStackClasses; class ++)
		for (unsigned i = 0; i < cache->of[class].length; i++) {
			struct mspan *s = span_of(cache->of[class].stacks[i]);
			atomic_fetch_and_explicit(pooled(s), ~(1ULL << index_of(s, cache->of[class].stacks[i])),
						  memory_order_relaxed);
		}
}

static bool lives_on(const struct mcache *c, bool shared)
{
	return c == mcache_self || (c == &mcache_shared && !shared);
}

static void repool(struct mspan *s)
{
	/* Another thread may have been returning the span, and have removed its guards. If they cannot be set again,
	 * the span is not used. */
	if (bits_of(idle(s)) == all_of(s) && !guard(s))
		set_bits(pooled(s), 0);
	if (bits_of(pooled(s)) == 0)
		return;
	if (s->spanclass >= NumStackClasses)
		list_large(s);
	else
		mSpanList_insert(&stackpool[s->spanclass].spans, s);
}

void stack_abandonOthers(bool shared)
{
	for (unsigned class = 0; class < NumStackClasses; class ++)
		stackpool[class].spans = (struct mSpanList){NULL, NULL};
	memset(mheap.stackLarge, 0, sizeof mheap.stackLarge);
	mheap.pagesStacksIdle = 0;
	for (struct mspan *s = mheap.allspans; s; s = s->alllink)
		if (s->state == mSpanStack) {
			owner_set(&s->list, NULL);
			set_bits(pooled(s), bits_of(idle(s)));
		}
	for (struct mcache *c = mcache_first(); c; c = mcache_next(c)) {
		if (lives_on(c, shared))
			unpool(c->stackcache);
		else if (c->stackcache)
			memset(c->stackcache, 0, sizeof *c->stackcache);
	}
	for (struct mspan *s = mheap.allspans; s; s = s->alllink)
		if (s->state == mSpanStack)
			repool(s);
}

/* ---- invariants ---- */

const char *stack_span_is_valid(const struct mspan *span)
{
	struct mspan *s = (struct mspan *)span;

	if (s->elemsize * s->nelems > mspan_bytes(s) || s->elemsize != (uint64_t)StackMin << s->spanclass / 2)
		return "a span of stacks has as many as fit, of its class's size";
	if ((bits_of(pooled(s)) & ~bits_of(idle(s))) != 0 || (bits_of(idle(s)) & ~all_of(s)) != 0)
		return "a pooled stack is idle, and exists";
	if ((reader_get(&s->list) != NULL) != (bits_of(pooled(s)) != 0))
		return "a span is on a pool's list if it has stacks there";
	return NULL;
}

const char *stackpool_is_valid(void)
{
	for (unsigned class = 0; class < NumStackClasses; class ++)
		for (const struct mspan *s = stackpool[class].spans.first; s; s = s->next)
			if (s->state != mSpanStack || s->spanclass != class)
				return "a pool lists spans of its stack class";
	return NULL;
}
