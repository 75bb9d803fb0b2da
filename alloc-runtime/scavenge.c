/* SPDX-License-Identifier: BSD-2-Clause */
/* See scavenge.h. */
#include "scavenge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "stack.h"
#include "sys.h"

enum {
	TickOperations = 32, /* the clock is read once in this many frees of pages */
	MinPages = 8,	     /* shorter spans cost more to fault in again than they save */
	SpansAtOnce = 256,   /* examined per acquisition of the lock */
	IdleLeast = 1 << 20, /* the clock is read while more than this many bytes are free and not returned */
	IdleShare = 16,	     /* and more than 1 / IdleShare of the heap in use */
	StepBytes = 4 << 20, /* returned at a time, at least */
	StepPause = 20,	     /* milliseconds between steps */
	LookPause = 200,     /* the same after a step that found nothing old enough */
	AllWithin = 3000,    /* milliseconds in which all steps together return everything that is old enough */
	OwnedRounds = 2,     /* walks over spans with owners after the last post; see enum mspan_idle */
};
#define MILLISECOND 1000000ULL

/* The arguments and the result of a walk over the free spans. */
struct walk {
	uint64_t before; /* spans that have been free since before this */
	size_t wanted;	 /* bytes */
	size_t bytes;	 /* returned so far */
};
typedef bool visit_function(struct mspan *s, struct walk *walk); /* returns true to continue */

static bool visit_tree(struct mspan *s, visit_function *visit, struct walk *walk)
{
	/* Longest spans first. */
	return !s || (visit_tree(s->next, visit, walk) && visit(s, walk) && visit_tree(s->prev, visit, walk));
}

static size_t visit_free(visit_function *visit, struct walk *walk, size_t shortest)
{
	if (!visit_tree(mheap.freelarge.root.first, visit, walk))
		return walk->bytes;
	for (size_t n = NumFreeLists - 1; n >= shortest && n > 0; n--)
		for (struct mspan *s = mheap.free[n].first; s; s = s->next)
			if (!visit(s, walk))
				return walk->bytes;
	return walk->bytes;
}

/* Returns at most this many pages of a free span to the system, from its end on, and keeps the first ones. */
static size_t release(struct mspan *s, size_t most, size_t kept)
{
	size_t left = s->npages - s->released_tail, pages = left <= kept ? 0 : left - kept < most ? left - kept : most;
	uintptr_t end = s->base + (left << PageShift);

	if (s->npreleased == s->npages || pages == 0 ||
	    !sysUnused((void *)(end - (pages << PageShift)), pages << PageShift))
		return 0;
	size_t before = s->npreleased;
	s->released_tail += pages;
	/* It is not known which of the other pages had been returned before. */
	s->npreleased = before + pages < s->npages ? before + pages : s->npages;
	if (s->released_tail == s->npages) {
		s->npreleased = s->npages;
		s->pages_needzero = false;
	}
	mheap.pagesReleased += s->npreleased - before;
	return (s->npreleased - before) << PageShift;
}

static bool release_old(struct mspan *s, struct walk *walk)
{
	size_t left = ((walk->wanted - walk->bytes) >> PageShift) + 1;

	if (s->unusedsince <= walk->before)
		walk->bytes += release(s, left, s->youngsince > walk->before ? s->young : 0);
	return walk->bytes < walk->wanted;
}

/* Bytes of free spans that still take physical memory. */
static size_t idle_bytes(void)
{
	return mheap_mapped() - ((mheap.pagesInUse + mheap.pagesReleased) << PageShift);
}

static void note_idle(void)
{
	size_t least = (mheap.pagesInUse << PageShift) / IdleShare;

	owner_set(&mheap.idle, mheap.owned_rounds != 0 || idle_bytes() > (least > IdleLeast ? least : IdleLeast));
}

/* Makes one step: returns a share of what has been free for long enough. */
static void step(uint64_t now)
{
	uint64_t passed = now - mheap.lastscavenge;
	struct walk walk = {.before = now - ScavengeAge * MILLISECOND, .wanted = StepBytes};

	if (passed > AllWithin * MILLISECOND)
		passed = AllWithin * MILLISECOND;
	size_t share = (size_t)((double)mheap.idle_most * (double)passed / (AllWithin * (double)MILLISECOND));
	if (share > walk.wanted)
		walk.wanted = share;
	visit_free(release_old, &walk, MinPages);
	mheap.now = mheap.lastscavenge = now;
	if (walk.bytes == 0)
		mheap.idle_most = idle_bytes();
	owner_set(&mheap.scavenge_next, now + (walk.bytes != 0 ? StepPause : LookPause) * MILLISECOND);
	note_idle();
}

void scavenge_tick(void)
{
	size_t idle = idle_bytes();

	if (idle > mheap.idle_most) {
		if (mheap.idle_most < IdleLeast)
			mheap.lastscavenge = mheap.now;
		mheap.idle_most = idle;
	}
	note_idle();
	if (++mheap.ticks % TickOperations != 0)
		return;
	mheap.now = sysNow();
	if (mheap.now >= mheap.scavenge_next)
		step(mheap.now);
}

void scavenge_due(void)
{
	uint64_t now = sysNow();

	/* If another thread has the lock, it is freeing pages or making a step itself, so this one need not wait. */
	if (now < reader_get(&mheap.scavenge_next) || !lock_try(&mheap.lock))
		return;
	bool owned = mheap.owned_rounds != 0 && now >= mheap.owned_next;
	if (owned) {
		owner_set(&mheap.owned_rounds, mheap.owned_rounds - 1);
		mheap.owned_next = now + ScavengeAge * MILLISECOND;
	}
	step(now);
	lock_release(&mheap.lock);
	if (owned)
		scavenge_owned(false);
}

void scavenge_posted(void)
{
	if (reader_get(&mheap.owned_rounds) == OwnedRounds || !lock_try(&mheap.lock))
		return;
	owner_set(&mheap.owned_rounds, OwnedRounds);
	mheap.owned_next = sysNow() + ScavengeAge * MILLISECOND;
	owner_set(&mheap.idle, true);
	lock_release(&mheap.lock);
}

void scavenge_for(size_t npages)
{
	size_t resident = mheap_mapped() - ((mheap.pagesReleased - npages) << PageShift);
	struct walk walk = {.before = UINT64_MAX, .wanted = resident - mheap.limit};

	if (mheap.limit != 0 && resident > mheap.limit)
		visit_free(release_old, &walk, 1);
}

size_t scavenge_all(void)
{
	struct walk walk = {.before = UINT64_MAX, .wanted = SIZE_MAX};

	return visit_free(release_old, &walk, 1);
}

size_t goalloc_release_memory(void)
{
	stackLarge_release();
	lock_acquire(&mheap.lock);
	size_t bytes = scavenge_all();
	lock_release(&mheap.lock);
	return bytes + scavenge_owned(true);
}

/* The value of freeBits[i] when all objects of that half word are free. */
static uint64_t all_free(const struct mspan *s, unsigned i)
{
	uint64_t mask = (mspan_word_mask(s, i / 2) >> i % 2 * 32) & UINT32_MAX;

	return mask | (uint64_t)bit_count(mask) << 32;
}

/* Takes the bits of consecutive half words from the first on, while all objects in them are free; returns their
 * number. */
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

/* Called with mheap.lock held. Takes the objects of a span if it is idle; returns the number of half words taken. */
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

/* Puts the taken objects back into freeBits. If they are all of the span's objects, returns the span's memory to the
 * system before that. */
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
		/* Once the last bit is set, another thread may free the span. */
		if (unlikely((atomic_fetch_add_explicit(&freeBits[i], bits, memory_order_seq_cst) & bits) != 0))
			goalloc_fatal("double free in the span at", base);
	}
	/* Posts the span as after any other free: its owner may have searched it meanwhile and found nothing. */
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
		/* In parts, because other threads wait for the lock. */
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
	uint64_t now = sysNow();
	struct walk walk = {.before = now - ScavengeAge * MILLISECOND, .wanted = SIZE_MAX};
	mheap.now = mheap.lastscavenge = now;
	visit_free(release_old, &walk, MinPages);
	note_idle();
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

	/* The new thread inherits this mask: signals are to be delivered to the program's own threads. */
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
	environment_bytes("GOALLOC_MEMORY_LIMIT", &mheap.limit);
}
