/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread's cache: one span of each span class, which only this thread allocates from, without locks.
 *
 * mcaches are never unmapped and their counters never go back, so that observers can walk them at any time. When a
 * thread ends, its spans go back to their mcentrals and the mcache waits for another thread.
 */
#include "runtime.h"

#include <pthread.h>

#include "sampler.h"
#include "sys.h"

#define ALL_136(x) ALL_8(ALL_17(x))
#define ALL_17(x)  x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x
#define ALL_8(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__

struct mcache mcache_dummy = {.alloc = {ALL_136(&emptymspan)}};
__thread struct mcache *mcache_self = &mcache_dummy;
struct mcache *mcache_all;

static pthread_key_t thread_end;

/* What the cache allocated since it took the span. */
static uint64_t take_objects(struct mcache *c, unsigned spanclass, uint64_t *bytes)
{
	struct mspan *s = c->alloc[spanclass];

	*bytes = 0;
	if (s == &emptymspan)
		return 0;
	uint64_t objects = s->allocCount - s->allocCountBeforeCache;

	owner_add(&c->class_counters[spanclass].objects, objects);
	owner_set(&s->allocCountBeforeCache, s->allocCount);
	*bytes = objects * size_classes[spanclass_size_class(spanclass)].size;
	return objects;
}

/* The cache's own span again, when enough of it has been freed. */
static bool refill_in_place(struct mspan *s)
{
	if (s->nelems == 0 || mspan_countFree(s) * 4 < s->nelems)
		return false;
	unsigned free = mspan_collect(s);
	note_sweep(s, free);
	s->needzero = true;
	owner_set(&s->allocCount, s->nelems - free);
	owner_set(&s->allocCountBeforeCache, s->nelems - free);
	return true;
}

bool refill(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	struct mcentral *central = &mheap.central[spanclass];
	struct mspan *s = c->alloc[spanclass];
	uint64_t bytes, objects;

	sequence_step(&c->sequence.moving);
	objects = take_objects(c, spanclass, &bytes);
	if (!refill_in_place(s)) {
		if (s != &emptymspan)
			mcentral_uncacheSpan(central, s);
		owner_set(&c->alloc[spanclass], &emptymspan);
		s = mcentral_cacheSpan(central, c, caller);
		if (s)
			owner_set(&c->alloc[spanclass], s);
	}
	if (s)
		note_refill(c, spanclass, objects, bytes, s, caller);
	else
		note_uncached(c, spanclass, objects, bytes);
	sequence_step(&c->sequence.moving);
	return s != NULL;
}

void *mcache_nextFree(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	for (;;) {
		void *object = nextFree(c->alloc[spanclass]);
		if (object || !refill(c, spanclass, caller))
			return object;
	}
}

static void releaseAll(struct mcache *c)
{
	sequence_step(&c->sequence.moving);
	tiny_release(c);
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		struct mspan *s = c->alloc[i];
		if (s == &emptymspan)
			continue;
		uint64_t bytes, objects = take_objects(c, i, &bytes);
		note_uncached(c, i, objects, bytes);
		owner_set(&c->alloc[i], &emptymspan);
		mcentral_uncacheSpan(&mheap.central[i], s);
	}
	sequence_step(&c->sequence.moving);
}

static void freemcache(void *value)
{
	struct mcache *c = value;

	releaseAll(c);
	mcache_self = &mcache_dummy;
	lock_acquire(&mheap.cachelock);
	c->inuse = false;
	c->next_free = mheap.freecaches;
	mheap.freecaches = c;
	lock_release(&mheap.cachelock);
}

static struct mcache *allocmcache(void)
{
	struct mcache *c = mheap.freecaches;

	if (c) {
		mheap.freecaches = c->next_free;
		return c;
	}
	lock_acquire(&mheap.lock);
	c = fixalloc_alloc(&mheap.cachealloc);
	lock_release(&mheap.lock);
	if (!c)
		return NULL;
	for (unsigned i = 0; i < NumSpanClasses; i++)
		c->alloc[i] = &emptymspan;
	c->id = mheap.ncaches++;
	c->random = sampler_seed(c->id);
	sampler_init(c);
	c->next = mcache_all;
	__atomic_store_n(&mcache_all, c, __ATOMIC_RELEASE);
	return c;
}

struct mcache *mcache_attach(void)
{
	static bool initialised;

	lock_acquire(&mheap.cachelock);
	if (!initialised) {
		initialised = mallocinit() && pthread_key_create(&thread_end, freemcache) == 0;
		if (!initialised) {
			lock_release(&mheap.cachelock);
			return NULL;
		}
	}
	struct mcache *c = allocmcache();
	if (c)
		c->inuse = true;
	lock_release(&mheap.cachelock);
	if (c) {
		mcache_self = c;
		/* May allocate, by way of this very mcache. */
		pthread_setspecific(thread_end, c);
	}
	return c;
}
