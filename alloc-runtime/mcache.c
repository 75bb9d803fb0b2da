/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread's cache: one span of each span class, which only this thread allocates from, without locks.
 *
 * How a request goes down: malloc_fast takes an object of alloc[class]; when its window is empty, mcache_nextFree opens
 * the next window; when the span is used up, refill replaces the span: with the same span if a quarter of it is free
 * again, else with one of `ready`, with one of `full` that a sweep cycle finds an eighth free, or with one from
 * mcentral. How a free comes back: the owner's free clears the object's bit and counts down; at 0, mcache_freedSome
 * moves the span from `full` to `ready`, or gives it to mcentral if it is wholly free or too many are ready. A free by
 * another thread sets a bit in freeBits; the one that makes the span a quarter free puts it on the owner's `posted`
 * list, which the owner reads at its next refill.
 *
 * When a thread ends, its spans go to their mcentrals; cachealloc.h says what becomes of its mcache.
 */
#include "runtime.h"

#include <limits.h>
#include <pthread.h>

#include "cachealloc.h"
#include "sampler.h"
#include "scavenge.h"
#include "sections.h"
#include "stack.h"

#define ALL_136(x) ALL_8(ALL_17(x))
#define ALL_17(x)  x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x
#define ALL_8(...) \
	__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__

struct mcache_none mcache_none = {.alloc = {ALL_136(&emptymspan)}};
__thread struct mcache *mcache_self = &mcache_dummy;

struct mcache mcache_shared LARGE_BSS;
struct lock mcache_shared_lock;

static pthread_key_t thread_end;
static __thread unsigned rounds; /* rounds of destructors that have run in this thread */

/* Returns the number of objects that the cache has allocated from its span since it took that. */
static uint64_t take_objects(struct mcache *c, unsigned spanclass, struct mspan *s)
{
	if (s == &emptymspan)
		return 0;
	uint64_t objects = s->allocCount - s->allocCountBeforeCache;

	owner_add(&c->class_counters[spanclass].objects, objects);
	owner_set(&s->allocCountBeforeCache, s->allocCount);
	return objects;
}

static void take_posted(struct mcache *c, struct mcache *self);

enum {
	/* Ready spans per class that a cache keeps, and their bytes; others go to their mcentral */
	MaxReady = 32,
	MaxReadyBytes = 256 << 10,
	/* Bytes of all classes together that it keeps above these limits, of classes that no other cache uses: nobody but the
	 * thread can give them back, and it may sleep. */
	MaxSurplusBytes = 2 << 20,
	/* bytes of wholly free ones that a cache keeps of all classes together, beside one of each class */
	MaxUnusedBytes = 1 << 20,
};

/* Whether, of `n` ready spans like this one, the last is above the limits of its class. */
static inline bool is_surplus(const struct mspan *s, unsigned n)
{
	return n > MaxReady || n * mspan_bytes(s) > MaxReadyBytes;
}

/* Whether the cache may keep `n` ready spans like this one, one more than it has or some. */
static inline bool may_be_ready(const struct mcache *c, const struct mspan *s, unsigned n)
{
	return !is_surplus(s, n) || (n <= UINT16_MAX && c->surplus_bytes + mspan_bytes(s) <= MaxSurplusBytes &&
				     reader_get(&mheap.central[s->spanclass].shared) == 0);
}

static inline __attribute__((always_inline)) void to_full(struct mcache *c, struct mspan *s, unsigned free)
{
	mspan_countDown(s, mspan_enough(s->nelems) - free);
	s->sweepgen = atomic_load_explicit(&mheap.sweepgen, memory_order_relaxed);
	mSpanList_insert(&c->full[s->spanclass], s);
}

static inline void join_ready(struct mcache *c, struct mspan *s)
{
	mSpanList_insertBack(&c->ready[s->spanclass], s);
	if (is_surplus(s, ++c->nready[s->spanclass]))
		c->surplus_bytes += mspan_bytes(s);
}

static inline void leave_ready(struct mcache *c, struct mspan *s)
{
	if (is_surplus(s, c->nready[s->spanclass]--))
		c->surplus_bytes -= mspan_bytes(s);
	if (s->countdown == NotCounting)
		c->unused_bytes -= mspan_bytes(s);
}

static void leave_list(struct mcache *c, struct mspan *s)
{
	if (reader_get(&s->list) == &c->ready[s->spanclass])
		leave_ready(c, s);
	mSpanList_remove(reader_get(&s->list), s);
}

static void give_back(struct mspan *s)
{
	mcentral_uncacheSpan(&mheap.central[s->spanclass], s);
}

/* A wholly free span is kept if it is the next to be used, or while there is room for it and for as many again: one that is given
 * up while a part of it is free makes the frees of the others atomic. */
static __attribute__((noinline)) void place_unused(struct mcache *c, struct mspan *s)
{
	struct mSpanList *ready = &c->ready[s->spanclass];
	bool listed = reader_get(&s->list) == ready;
	bool first = ready->first == NULL || ready->first == s;
	unsigned n = c->nready[s->spanclass];

	if ((!first && (!may_be_ready(c, s, 2 * n) || c->unused_bytes + mspan_bytes(s) > MaxUnusedBytes)) ||
	    (!listed && !may_be_ready(c, s, n + 1))) {
		leave_list(c, s);
		if (mspan_ownFree(s) == s->nelems)
			mcentral_uncacheUnused(&mheap.central[s->spanclass], s);
		else
			give_back(s);
		return;
	}
	if (!listed) {
		leave_list(c, s);
		join_ready(c, s);
	}
	mspan_countDown(s, NotCounting);
	c->unused_bytes += mspan_bytes(s);
}

/* Puts a span that the cache owns but does not allocate from on `full` or `ready`, depending on the number of its free
 * objects. */
static void place(struct mcache *c, struct mspan *s)
{
	struct mSpanList *ready = &c->ready[s->spanclass];

	/* Nothing of it can become more free. (The scavenger may hold some of its objects just now.) */
	if (s->countdown == NotCounting)
		return;
	if (mspan_ownFree(s) == s->nelems) {
		place_unused(c, s);
		return;
	}
	unsigned free = mspan_countFree(s);
	if (free < mspan_enough(s->nelems)) {
		mspan_countDown(s, mspan_enough(s->nelems) - free);
		return;
	}
	if (free == s->nelems) {
		place_unused(c, s);
		return;
	}
	if (reader_get(&s->list) == ready) {
		mspan_countDown(s, s->nelems - free);
		return;
	}
	mSpanList_remove(&c->full[s->spanclass], s);
	if (!may_be_ready(c, s, c->nready[s->spanclass] + 1u)) {
		give_back(s);
		return;
	}
	join_ready(c, s);
	mspan_countDown(s, s->nelems - free);
	/* It may have idle pages. The next allocation that takes a slow path gives it up for the scavenger's rounds. */
	if (is_surplus(s, c->nready[s->spanclass]))
		scavenge_freedSome();
}

void mcache_freedSome(struct mcache *c, struct mspan *s)
{
	scavenge_pollSometimes(c);
	if (reader_get(&s->list))
		place(c, s);
}

void mcache_post(struct mcache *c, struct mspan *s)
{
	if (atomic_exchange_explicit(&s->posted, true, memory_order_acq_rel))
		return;
	/* The thread may have ended, and the cache be gone. */
	_Atomic(struct mspan *) *posted = &mcache_head(c)->posted;
	struct mspan *first = atomic_load_explicit(posted, memory_order_relaxed);
	do
		s->next_posted = first;
	while (!atomic_compare_exchange_weak_explicit(posted, &first, s, memory_order_seq_cst, memory_order_relaxed));
	scavenge_freedSome();
	/* If the cache has given up the span meanwhile, it may have read its list for the last time before this
	 * post. */
	if (atomic_load_explicit(&s->owner, memory_order_seq_cst) != c)
		take_posted(c, NULL);
}

/* Empties c's list of posted spans. Places the spans that `self` owns, and passes on those that have another owner by
 * now. */
static void take_posted(struct mcache *c, struct mcache *self)
{
	struct mspan *s = atomic_exchange_explicit(&mcache_head(c)->posted, NULL, memory_order_seq_cst), *next;

	for (; s; s = next) {
		next = s->next_posted;
		/* Cleared before the bits are read, so that a thread that frees an object after this posts the span
		 * again. */
		atomic_store_explicit(&s->posted, false, memory_order_seq_cst);
		struct mcache *owner = atomic_load_explicit(&s->owner, memory_order_seq_cst);
		if (!owner)
			mcentral_lookAt(s);
		else if (owner != self)
			mcache_post(owner, s);
		else if (reader_get(&s->list))
			place(c, s);
	}
}

/* Prepares a span that the cache owns for allocation: makes all of its free objects available. */
static __attribute__((noinline)) void start(struct mspan *s)
{
	bool fresh = s->allocCount == 0 && s->freeindex == 0 && freeBits_count(s->freeBits, s->nelems) == 0;
	unsigned free = mspan_collect(s);

	racy_set(&s->idle, 0);
	mspan_setFree(s, free);
	if (!fresh) {
		s->needzero = true;
		note_sweep(s, free);
	}
}

/* Searches the cache's used-up spans, once per sweep cycle, for one that is an eighth free. See sweep.c. */
static struct mspan *sweep_full(struct mcache *c, unsigned spanclass)
{
	uint32_t gen = atomic_load_explicit(&mheap.sweepgen, memory_order_relaxed);
	struct mspan *s;

	while ((s = c->full[spanclass].last) && s->sweepgen != gen) {
		s->sweepgen = gen;
		atomic_fetch_add_explicit(&mheap.numSweep, 1, memory_order_relaxed);
		mSpanList_remove(&c->full[spanclass], s);
		if (mspan_countFree(s) * 8 >= s->nelems)
			return s;
		mSpanList_insert(&c->full[spanclass], s);
	}
	return NULL;
}

static __attribute__((noinline)) struct mspan *other_span(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	struct mspan *s = sweep_full(c, spanclass);

	return s ? s : mcentral_cacheSpan(&mheap.central[spanclass], c, caller);
}

static inline __attribute__((always_inline)) struct mspan *next_span(struct mcache *c, unsigned spanclass,
								     struct caller *caller)
{
	struct mSpanList *ready = &c->ready[spanclass];
	struct mspan *s = ready->first;

	if (!s)
		return other_span(c, spanclass, caller);
	leave_ready(c, s);
	mSpanList_remove(ready, s);
	return s;
}

/* Reports to the sweeper how much of the class this thread has freed since the last report, if that is as much as a span. */
static inline void report_frees(struct mcache *c, const struct mspan *s)
{
	uint64_t frees = c->class_counters[s->spanclass].frees, since = frees - c->frees_at_refill[s->spanclass];

	if (since < s->nelems)
		return;
	c->frees_at_refill[s->spanclass] = frees;
	sweep_freed(since * s->elemsize);
}

/* Where no samples are taken (`unsampled`), the first window may be open already. */
static inline __attribute__((always_inline)) bool refill_from(struct mcache *c, unsigned spanclass,
							      struct caller *caller, bool unsampled)
{
	struct mspan *s = c->alloc[spanclass];

	sequence_step(&c->sequence.moving);
	uint64_t objects = take_objects(c, spanclass, s);
	unsigned free = s == &emptymspan ? 0 : mspan_countFree(s);

	/* Reuses the cache's current span if enough of it has been freed. */
	if (s == &emptymspan || free < mspan_enough(s->nelems)) {
		owner_set(&c->alloc[spanclass], &emptymspan);
		if (s != &emptymspan) {
			to_full(c, s, free);
			report_frees(c, s);
		}
		if (atomic_load_explicit(&c->head->posted, memory_order_relaxed))
			take_posted(c, c);
		s = next_span(c, spanclass, caller);
		if (s)
			s->refilled = 0;
	} else {
		s->refilled += (uint32_t)objects;
	}
	if (s) {
		if (!unsampled || sweep_listened() || !mspan_openSingle(s))
			start(s);
		owner_set(&c->alloc[spanclass], s);
		note_refill(c, spanclass, objects, s, caller);
	} else {
		note_uncached(c, spanclass, objects);
	}
	sequence_step(&c->sequence.moving);
	return s != NULL;
}

bool refill(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	return refill_from(c, spanclass, caller, false);
}

static void release_list(struct mcache *c, struct mSpanList *list)
{
	while (list->first) {
		struct mspan *s = list->first;
		leave_list(c, s);
		give_back(s);
	}
}

/* Once for each of the scavenger's rounds, ready spans go to mcentral, where their idle pages can be seen. */
static void give_ready(struct mcache *c)
{
	c->round = reader_get(&mheap.round);
	for (unsigned i = 0; i < NumSpanClasses; i++)
		release_list(c, &c->ready[i]);
}

void mcache_giveReady(void)
{
	if (mcache_self != &mcache_dummy)
		give_ready(mcache_self);
}

void *mcache_nextFree(struct mcache *c, unsigned spanclass, struct caller *caller, bool *sampled)
{
	scavenge_poll();
	if (unlikely(c->round != reader_get(&mheap.round)))
		give_ready(c);
	for (;;) {
		void *object = nextFree(c, c->alloc[spanclass], sampled);
		if (object || !refill(c, spanclass, caller))
			return object;
	}
}

static __attribute__((noinline)) void *refill_and_take(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	void *object = NULL;

	scavenge_pollSometimes(c);
	sequence_step(&c->sequence.allocating);
	if (likely(refill_from(c, spanclass, caller, true))) {
		object = nextFreeFast(c->alloc[spanclass]);
		if (!object)
			object = nextFreeUnsampled(c, c->alloc[spanclass]);
	}
	sequence_step(&c->sequence.allocating);
	return object;
}

static __attribute__((noinline)) void *window_or_refill(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	scavenge_pollSometimes(c);
	void *object = nextFreeUnsampled(c, c->alloc[spanclass]);
	return object ? object : refill_and_take(c, spanclass, caller);
}

/* Nothing is saved on the stack for the two, each of which is called last. */
void *mcache_nextWindow(struct mcache *c, unsigned spanclass, struct caller *caller)
{
	const struct mspan *s = c->alloc[spanclass];

	if (unlikely(c->sample_distance != GOALLOC_NOT_LISTENING) || sample_semaphores_read() != c->sample_semaphores ||
	    c->round != reader_get(&mheap.round) || (s->allocCache | s->allocHeld) != 0)
		return NULL;
	return mspan_isUsedUp(s) ? refill_and_take(c, spanclass, caller) : window_or_refill(c, spanclass, caller);
}

static void releaseAll(struct mcache *c)
{
	sequence_step(&c->sequence.moving);
	tiny_release(c);
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		struct mspan *s = c->alloc[i];
		if (s != &emptymspan) {
			note_uncached(c, i, take_objects(c, i, s));
			owner_set(&c->alloc[i], &emptymspan);
			give_back(s);
		}
		release_list(c, &c->full[i]);
		release_list(c, &c->ready[i]);
	}
	take_posted(c, c);
	sequence_step(&c->sequence.moving);
}

static void freemcache(struct mcache *c)
{
	releaseAll(c);
	if (c->stackcache) /* the call alone would map code that few programs run */
		stackcache_clear(c);
	cachealloc_put(c);
}

/* Destructor of the thread's cache. Other destructors may allocate and free after it, so it runs again in every round
 * but the last, in which sanitizers take down the thread. Allocations and frees after that, also by libc itself, use
 * the shared cache. */
static void thread_ends(void *value)
{
	if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1) {
		pthread_setspecific(thread_end, value);
		return;
	}
	mcache_self = &mcache_dummy;
	freemcache(value);
}

static bool initialise(void)
{
	static bool initialised;

	if (!initialised) {
		initialised = mallocinit() && pthread_key_create(&thread_end, thread_ends) == 0;
	}
	return initialised;
}

struct mcache *mcache_attach(void)
{
	struct mcache *c = NULL;

	lock_acquire(&mheap.cachelock);
	bool initialised = initialise();
	if (initialised && rounds == 0)
		c = cachealloc_take();
	if (initialised && !c)
		cachealloc_share();
	lock_release(&mheap.cachelock);
	if (c) {
		mcache_self = c;
		/* Both may allocate, from this mcache. */
		pthread_setspecific(thread_end, c);
		fork_init();
		return c;
	}
	if (!initialised)
		return NULL;
	lock_acquire(&mcache_shared_lock);
	return &mcache_shared;
}

/* Empties a cache whose spans have been abandoned and keeps its counters. Its lists may be inconsistent, so nothing
 * follows them. */
static void empty_cache(struct mcache *c)
{
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		note_uncached(c, i, take_objects(c, i, c->alloc[i]));
		c->alloc[i] = &emptymspan;
		c->full[i] = c->ready[i] = (struct mSpanList){NULL, NULL};
		c->nready[i] = 0;
	}
	c->unused_bytes = 0;
	atomic_store_explicit(&mcache_head(c)->posted, NULL, memory_order_relaxed);
	c->sequence.moving += c->sequence.moving % 2;
	c->sequence.allocating += c->sequence.allocating % 2;
	tiny_release(c);
}

RARELY_RUN void mcache_abandonOthers(bool shared)
{
	for (struct mspan *s = mheap.allspans; s; s = s->alllink) {
		struct mcache *owner = atomic_load_explicit(&s->owner, memory_order_relaxed);
		/* The thread that set the flag does not exist in this process, and did not complete the post. */
		atomic_store_explicit(&s->posted, false, memory_order_relaxed);
		if (s->state != mSpanInUse || owner == mcache_self || (owner == &mcache_shared && !shared))
			continue;
		if (owner) {
			mspan_abandon(s);
			owner_set(&s->list, NULL);
		}
		if (!reader_get(&s->list))
			mcentral_relist(s);
	}
	cachealloc_repair();
	for (struct mcache *c = mcache_first(); c; c = mcache_next(c)) {
		if (c == mcache_self || (c == &mcache_shared && !shared)) {
			atomic_store_explicit(&mcache_head(c)->posted, NULL, memory_order_relaxed);
			continue;
		}
		if (mcache_head(c)->inuse || c == &mcache_shared)
			empty_cache(c);
		if (c != &mcache_shared)
			cachealloc_abandon(c);
	}
}
