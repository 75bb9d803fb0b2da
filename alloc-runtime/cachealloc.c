/* SPDX-License-Identifier: BSD-2-Clause */
/* See cachealloc.h. */
#include "cachealloc.h"

#include <string.h>

#include "sampler.h"
#include "sections.h"
#include "sys.h"

enum {
	WarmCaches = 8, /* caches of ended threads that are not folded */
	InChunk = MCacheChunk / sizeof(struct mcache),
};
_Static_assert(MCachePage + InChunk * sizeof(struct mcache) <= MCacheChunk, "room for the heads");
_Static_assert(InChunk * sizeof(struct mcache_head) <= MCachePage, "in one page");

/* The same for mcache_head(): it divides by the size, and the page of the heads comes first. */
_Static_assert(sizeof(struct mcache) > MCachePage, "mcache_head divides");

struct mcache_head *mcache_heads;
struct mcache_head mcache_sharedHead;
static struct mcache sums[2] LARGE_BSS;
struct goalloc_ended mcache_ended = {.sums = {0}};

static struct mcache_head *waiting; /* of ended threads, with counters */
static struct mcache_head *folded;
static unsigned nwaiting;
static uintptr_t chunk; /* the newest, of which `left` mcaches were never used */
static unsigned left;
static uint32_t nheads, nthreads;
static size_t inuse, sys;

static struct mcache *cache_of(const struct mcache_head *h)
{
	return (struct mcache *)(uintptr_t)h->published.cache;
}

static bool counts(const struct mcache_head *h)
{
	return reader_get(&h->published.state) & 1;
}

static struct mcache *cache_from(const struct mcache_head *h)
{
	while (h && !counts(h))
		h = (struct mcache_head *)(uintptr_t)h->published.next;
	return h ? cache_of(h) : NULL;
}

struct mcache *mcache_first(void)
{
	return cache_from(__atomic_load_n(&mcache_heads, __ATOMIC_ACQUIRE));
}

struct mcache *mcache_next(const struct mcache *c)
{
	return cache_from((struct mcache_head *)(uintptr_t)mcache_head(c)->published.next);
}

const struct mcache *cachealloc_sums(void)
{
	return &sums[mcache_ended.folds % 2];
}

size_t cachealloc_inuse(void)
{
	return reader_get(&inuse);
}

unsigned cachealloc_count(void)
{
	return reader_get(&nheads);
}

size_t cachealloc_sys(void)
{
	return reader_get(&sys);
}

static void publish(struct mcache_head *h)
{
	h->published.next = (uintptr_t)mcache_heads;
	__atomic_store_n(&mcache_heads, h, __ATOMIC_RELEASE);
}

/* Initialises a cache without counters, and lets it count. */
static void begin(struct mcache_head *h)
{
	struct mcache *c = cache_of(h);

	for (unsigned i = 0; i < NumSpanClasses; i++)
		owner_set(&c->alloc[i], &emptymspan);
	c->id = h->id;
	c->random = sampler_seed(nthreads++);
	sampler_init(c);
	owner_set(&inuse, inuse + sizeof *c);
	__atomic_store_n(&h->published.state, h->published.state | 1, __ATOMIC_RELEASE);
}

static bool new_chunk(void)
{
	/* Twice the size contains one that is aligned. */
	char *mapped = sysAlloc(2 * MCacheChunk);
	size_t before = -(uintptr_t)mapped & (MCacheChunk - 1);

	if (!mapped)
		return false;
	if (before != 0)
		sysFree(mapped, before);
	sysFree(mapped + before + MCacheChunk, MCacheChunk - before);
	chunk = (uintptr_t)mapped + before;
	left = InChunk;
	owner_set(&sys, sys + MCacheChunk);
	return true;
}

static struct mcache_head *new_head(void)
{
	if (left == 0 && !new_chunk())
		return NULL;
	left--;
	struct mcache_head *h = (struct mcache_head *)chunk + left;
	h->published.cache = chunk + MCachePage + left * sizeof(struct mcache);
	h->id = nheads;
	owner_set(&nheads, nheads + 1);
	begin(h);
	publish(h);
	return h;
}

void cachealloc_init(void)
{
	mcache_ended.sums[0] = (uintptr_t)&sums[0];
	mcache_ended.sums[1] = (uintptr_t)&sums[1];
}

void cachealloc_share(void)
{
	if (counts(&mcache_sharedHead))
		return;
	mcache_sharedHead.published.cache = (uintptr_t)&mcache_shared;
	mcache_sharedHead.id = nheads;
	owner_set(&nheads, nheads + 1);
	mcache_shared.head = &mcache_sharedHead;
	begin(&mcache_sharedHead);
	publish(&mcache_sharedHead);
}

struct mcache *cachealloc_take(void)
{
	struct mcache_head *h = waiting;

	if (h) {
		waiting = h->next_free;
		nwaiting--;
		struct mcache *c = cache_of(h);
		for (unsigned i = 0; i < NumSpanClasses; i++)
			c->frees_at_refill[i] = c->class_counters[i].frees;
	} else if ((h = folded)) {
		folded = h->next_free;
		begin(h);
	} else if (!(h = new_head())) {
		return NULL;
	}
	h->inuse = true;
	cache_of(h)->head = h;
	return cache_of(h);
}

static void empty(struct mcache_head *h)
{
	struct mcache *c = cache_of(h);

	/* Locked memory cannot be given back. */
	if (!sysUnused(c, sizeof *c))
		memset(c, 0, sizeof *c);
}

static void fold(struct mcache_head *h)
{
	uint64_t number = mcache_ended.folds + 1;
	const struct mcache *from = &sums[mcache_ended.folds % 2];
	const struct mcache *c = cache_of(h);
	struct mcache *to = &sums[number % 2];

	__atomic_store_n(&h->published.state, number << 1, __ATOMIC_RELAXED);
	machine_store_fence();
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		const struct goalloc_class_counters *a = &from->class_counters[i], *b = &c->class_counters[i];
		to->class_counters[i] = (struct goalloc_class_counters){
			a->objects + b->objects,	 a->bytes + b->bytes,	  a->frees + b->frees,
			a->freed_bytes + b->freed_bytes, a->refills + b->refills, a->central_grows + b->central_grows};
	}
	to->tiny_objects = from->tiny_objects + c->tiny_objects;
	to->tiny_blocks = from->tiny_blocks + c->tiny_blocks;
	to->tiny_bytes = from->tiny_bytes + c->tiny_bytes;
	machine_store_fence();
	__atomic_store_n(&mcache_ended.folds, number, __ATOMIC_RELEASE);
	machine_store_fence();
	empty(h);
	owner_set(&inuse, inuse - sizeof *c);
	h->next_free = folded;
	folded = h;
}

static void wait(struct mcache_head *h)
{
	h->inuse = false;
	h->next_free = waiting;
	waiting = h;
	nwaiting++;
}

void cachealloc_put(struct mcache *c)
{
	struct mcache_head *h = mcache_head(c);
	bool pending = sampler_pending(c);

	lock_acquire(&mheap.cachelock);
	if (nwaiting < WarmCaches || pending) {
		wait(h);
	} else {
		h->inuse = false;
		fold(h);
	}
	if (pending && nwaiting > WarmCaches)
		sysUnused((char *)c + MCacheKept, MCacheOwn);
	lock_release(&mheap.cachelock);
}

RARELY_RUN void cachealloc_foldAll(void)
{
	lock_acquire(&mheap.cachelock);
	struct mcache_head *h = waiting, *next;
	waiting = NULL;
	nwaiting = 0;
	for (; h; h = next) {
		next = h->next_free;
		if (sampler_pending(cache_of(h)) && sampler_listened())
			wait(h);
		else
			fold(h);
	}
	lock_release(&mheap.cachelock);
}

RARELY_RUN bool cachealloc_othersInUse(void)
{
	for (struct mcache *c = mcache_first(); c; c = mcache_next(c))
		if (mcache_head(c)->inuse && c != mcache_self)
			return true;
	return false;
}

RARELY_RUN void cachealloc_repair(void)
{
	waiting = folded = NULL;
	nwaiting = left = 0;
	inuse = 0;
	for (struct mcache_head *h = mcache_heads; h; h = (struct mcache_head *)(uintptr_t)h->published.next) {
		/* A fold that was not completed has left the cache as it was, but for the number of a fold that this
		 * process has not made: readers would wait for it. */
		if (h->published.state >> 1 > mcache_ended.folds)
			h->published.state = mcache_ended.folds << 1 | 1;
		if (counts(h)) {
			inuse += sizeof(struct mcache);
		} else {
			/* the last fold may not have come to this */
			if (h->published.state >> 1 == mcache_ended.folds)
				empty(h);
			h->inuse = false;
			h->next_free = folded;
			folded = h;
		}
	}
}

RARELY_RUN void cachealloc_abandon(struct mcache *c)
{
	wait(mcache_head(c));
}
