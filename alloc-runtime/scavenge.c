/* SPDX-License-Identifier: BSD-2-Clause */
/* See scavenge.h. */
#include "scavenge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"

enum {
	TickOperations = 32, /* frees of pages between looks at the clock */
	MinPages = 8,	     /* shorter spans cost more to fault in again than they hold */
	SpansAtOnce = 256,   /* looked at under one lock */
};

/* What walks over the free spans do: returns true to go on. */
typedef bool visit_function(struct mspan *s, uint64_t argument, size_t *bytes);

static bool visit_tree(struct mspan *s, visit_function *visit, uint64_t argument, size_t *bytes)
{
	/* Longest first. */
	return !s || (visit_tree(s->next, visit, argument, bytes) && visit(s, argument, bytes) &&
		      visit_tree(s->prev, visit, argument, bytes));
}

static size_t visit_free(visit_function *visit, uint64_t argument, size_t shortest)
{
	size_t bytes = 0;

	if (!visit_tree(mheap.freelarge.root.first, visit, argument, &bytes))
		return bytes;
	for (size_t n = NumFreeLists - 1; n >= shortest && n > 0; n--)
		for (struct mspan *s = mheap.free[n].first; s; s = s->next)
			if (!visit(s, argument, &bytes))
				return bytes;
	return bytes;
}

static size_t release(struct mspan *s)
{
	size_t pages = s->npages - s->npreleased;

	if (pages == 0 || !sysUnused((void *)s->base, mspan_bytes(s)))
		return 0;
	s->npreleased = s->npages;
	s->pages_needzero = false;
	mheap.pagesReleased += pages;
	return pages << PageShift;
}

static bool release_old(struct mspan *s, uint64_t before, size_t *bytes)
{
	if (s->unusedsince <= before)
		*bytes += release(s);
	return true;
}

static bool release_until(struct mspan *s, uint64_t wanted, size_t *bytes)
{
	*bytes += release(s);
	return *bytes < wanted;
}

void scavenge_tick(void)
{
	const uint64_t age = ScavengeAge * 1000000ULL;

	if (++mheap.ticks % TickOperations != 0)
		return;
	uint64_t now = sysNow();
	mheap.now = now;
	if (now - mheap.lastscavenge < age / 2)
		return;
	mheap.lastscavenge = now;
	visit_free(release_old, now - age, MinPages);
}

void scavenge_for(size_t npages)
{
	size_t arena = mheap_mapped() >> PageShift;
	size_t resident = (arena - mheap.pagesReleased + npages) << PageShift;

	if (mheap.limit != 0 && resident > mheap.limit)
		visit_free(release_until, resident - mheap.limit, 1);
}

size_t scavenge_all(void)
{
	return visit_free(release_old, UINT64_MAX, 1);
}

size_t goalloc_release_memory(void)
{
	lock_acquire(&mheap.lock);
	size_t bytes = scavenge_all();
	lock_release(&mheap.lock);
	return bytes + scavenge_owned(true);
}

/* What freeBits[i] says when all objects of that half word are free. */
static uint64_t all_free(const struct mspan *s, unsigned i)
{
	uint64_t mask = (mspan_word_mask(s, i / 2) >> i % 2 * 32) & UINT32_MAX;

	return mask | (uint64_t)bit_count(mask) << 32;
}

/* Takes as many half words of free objects as there are in a row. */
static unsigned take_all(struct mspan *s)
{
	unsigned i = 0, words = 2 * mspan_words(s);

	for (uint64_t expected; i < words; i++) {
		expected = all_free(s, i);
		if (!atomic_compare_exchange_strong_explicit(&s->freeBits[i], &expected, 0, memory_order_acquire,
							     memory_order_relaxed))
			break;
	}
	return i;
}

/* Under mheap.lock: how many half words' objects are the caller's now. */
static unsigned take_idle(struct mspan *s, bool at_once)
{
	uint8_t idle = reader_get(&s->idle);

	if (s->state != mSpanInUse || !atomic_load_explicit(&s->owner, memory_order_relaxed) || idle == SpanReleased)
		return 0;
	if (freeBits_count(s->freeBits, s->nelems) != s->nelems) {
		owner_set(&s->idle, SpanInUse);
		return 0;
	}
	owner_set(&s->idle, SpanSeenFree);
	return at_once || idle == SpanSeenFree ? take_all(s) : 0;
}

/* Gives back the memory of a span whose objects have been taken, if it is all of them, and then the objects. */
static size_t release_taken(struct mspan *s, unsigned taken)
{
	unsigned spanclass = s->spanclass, nelems = s->nelems;
	_Atomic uint64_t *freeBits = s->freeBits;
	uintptr_t base = s->base;
	size_t bytes = 0;

	if (taken == 2 * mspan_words(s) && sysUnused((void *)base, mspan_bytes(s))) {
		bytes = mspan_bytes(s);
		owner_set(&s->idle, SpanReleased);
	}
	for (unsigned i = 0; i < taken; i++) {
		uint64_t bits = all_free(s, i);
		/* With the last of them the span may go. */
		if (unlikely((atomic_fetch_add_explicit(&freeBits[i], bits, memory_order_seq_cst) & bits) != 0))
			goalloc_fatal("double free in the span at", base);
	}
	/* As after any free: whoever has the span by now may have looked at it in vain. */
	struct mcache *owner = atomic_load_explicit(&s->owner, memory_order_seq_cst);
	if (owner)
		mcache_post(owner, s);
	else
		mcentral_freedSome(s, spanclass, freeBits, nelems);
	return bytes;
}

size_t scavenge_owned(bool at_once)
{
	size_t bytes = 0;

	lock_acquire(&mheap.lock);
	struct mspan *s = mheap.allspans;
	lock_release(&mheap.lock);
	while (s) {
		struct mspan *found = NULL;
		unsigned taken = 0;
		lock_acquire(&mheap.scavengelock);
		lock_acquire(&mheap.lock);
		/* Not all at once: others wait for the lock. */
		for (unsigned n = 0; s && taken == 0 && n < SpansAtOnce; n++, s = s->alllink)
			taken = take_idle(found = s, at_once);
		lock_release(&mheap.lock);
		if (taken != 0)
			bytes += release_taken(found, taken);
		lock_release(&mheap.scavengelock);
	}
	return bytes;
}

static void scavenge_by_clock(void)
{
	lock_acquire(&mheap.lock);
	mheap.now = mheap.lastscavenge = sysNow();
	visit_free(release_old, mheap.now - ScavengeAge * 1000000ULL, MinPages);
	lock_release(&mheap.lock);
	scavenge_owned(false);
}

static _Noreturn void *bgscavenge(void *unused)
{
	(void)unused;
	for (;;) {
		sysSleep(ScavengeAge);
		scavenge_by_clock();
	}
}

static bool started;

static int start(void)
{
	pthread_t thread;
	sigset_t all, before;

	/* The program's signals are for the program's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, NULL, bgscavenge, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_detach(thread);
	return error;
}

int goalloc_start_scavenger(void)
{
	if (__atomic_exchange_n(&started, true, __ATOMIC_ACQ_REL))
		return 0;
	int error = start();
	if (error) {
		started = false;
		errno = error;
	}
	return error ? -1 : 0;
}

void scavenge_forked(void)
{
	if (started && start() != 0)
		started = false;
}

static __attribute__((constructor)) void start_if_asked(void)
{
	const char *text = getenv("GOALLOC_SCAVENGER");

	if (text && *text && strcmp(text, "0") != 0 && goalloc_start_scavenger() != 0)
		goalloc_warn("cannot start the thread that GOALLOC_SCAVENGER asks for");
}

size_t goalloc_set_memory_limit(size_t bytes)
{
	lock_acquire(&mheap.lock);
	size_t before = mheap.limit;
	mheap.limit = bytes;
	scavenge_for(0);
	lock_release(&mheap.lock);
	return before;
}

void scavenge_init(void)
{
	const char *text = getenv("GOALLOC_MEMORY_LIMIT");
	char *end;

	if (!text)
		return;
	size_t bytes = strtoull(text, &end, 10);
	static const char units[] = "kmg";
	const char *unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit)
		bytes <<= 10 * (unit - units + 1);
	if (end == text || (*end && (!unit || end[1])))
		goalloc_warn("ignored GOALLOC_MEMORY_LIMIT, which is not a number of bytes, with k, m or g");
	else
		mheap.limit = bytes;
}
