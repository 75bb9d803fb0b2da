/* SPDX-License-Identifier: BSD-2-Clause */
/* See scavenge.h. */
#include "scavenge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cachealloc.h"
#include "environment.h"
#include "sections.h"
#include "stack.h"
#include "sys.h"
#include "treap.h"

enum {
	TickOperations = 32, /* the clock is read once in this many frees of pages */
	SpansAtOnce = 256,   /* looked at by each step of such a walk, at least */
	IdleLeast = 1 << 20, /* the clock is read while more than this many bytes are free and not returned */
	IdleShare = 16,	     /* and more than 1 / IdleShare of the heap in use */
	StepBytes = 4 << 20, /* returned at a time, at least */
	StepPause = 20,	     /* milliseconds between steps */
	LookPause = 200,     /* the same after a step that found nothing old enough */
	/* A step returns at most this, or 1 / StepShare of what is idle: some 10 ms for 64 MiB. */
	StepMost = 64 << 20,
	StepShare = 16,
	/* milliseconds in which all steps together return everything that is old enough, as far as that lets them */
	AllWithin = 3000,
	RoundWithin =
		2000,	 /* milliseconds in which a walk over all spans of small objects ends, if StepWork allows it */
	StepWork = 2048, /* units of some 0.1 microseconds that a step of such a walk takes, StepPause after another */
	/* A step that comes late does LateWork times the work of those that it stands for, up to that of MostSteps. */
	LateWork = 4,
	MostSteps = 20,
	CallWork = 8, /* of these, for a call of the system; one is for a look at a span or a page returned */
	Rounds = 2,   /* such walks after the last free: one to see what is free, one to see that it still is */
	KernelPage = 4096,
	Close = 1,	  /* milliseconds between allocations of a program that does much */
	MaxAwaited = 100, /* such allocations that are slow nevertheless, after a pause */
	/* While rounds go on, each so many spans that become worth looking at make the next allocation a slow one: those of a program
	 * that does much have ended that, and it may do little from now on. */
	AwaitShare = 16,
};
#define MILLISECOND 1000000ULL

/* The arguments and the result of a walk over the free spans. */
struct walk {
	uint64_t before; /* spans that have been free since before this */
	size_t wanted;	 /* bytes */
	size_t bytes;	 /* returned so far */
};
typedef bool visit_function(struct mspan *s, struct walk *walk); /* returns true to continue */

/* Visits the spans that have something to release, the longest first. One of which all is released leaves the list or tree. */
static size_t visit_free(visit_function *visit, struct walk *walk)
{
	struct mspan *s, *next;

	mheap_mergeWhole(walk->before);
	for (s = mTreap_before(&mheap.free.large, NULL); s; s = next) {
		next = mTreap_before(&mheap.free.large, s);
		if (!visit(s, walk))
			return walk->bytes;
	}
	for (size_t n = NumFreeLists - 1; n > 0; n--)
		for (s = mheap.free.lists[n].first; s; s = next) {
			next = s->next;
			if (!visit(s, walk))
				return walk->bytes;
		}
	return walk->bytes;
}

/* Returns at most this many pages of a free span to the system, from its end on, and keeps the first ones. */
static size_t release(struct mspan *s, size_t most, size_t kept)
{
	size_t left = s->npages - s->released_tail, pages = left <= kept ? 0 : left - kept < most ? left - kept : most;
	uintptr_t end = s->base + (left << PageShift);

	if (pages == 0 || !sysUnused((void *)(end - (pages << PageShift)), pages << PageShift))
		return 0;
	size_t before = s->npreleased, tail = s->released_tail + pages;
	/* It is not known which of the other pages had been returned before. */
	mheap_setReleased(s, before + pages < s->npages && tail < s->npages ? before + pages : s->npages, tail);
	if (tail == s->npages)
		s->pages_needzero = false;
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

static void note_idle(size_t bytes)
{
	size_t least = (mheap.pagesInUse << PageShift) / IdleShare;

	owner_set(&mheap.idle, mheap.rounds != 0 || bytes > (least > IdleLeast ? least : IdleLeast));
}

/* Makes the next allocation a slow one. */
static void await_allocation(void)
{
	if (!reader_get(&sampler_word.awaited))
		owner_set(&sampler_word.awaited, 1);
}

/* Makes one step: returns a share of what has been free for long enough. */
static void step(uint64_t now)
{
	uint64_t passed = now - mheap.lastscavenge;
	struct walk walk = {.before = now - ScavengeAge * MILLISECOND, .wanted = StepBytes};

	if (passed > AllWithin * MILLISECOND)
		passed = AllWithin * MILLISECOND;
	size_t share = (size_t)((double)mheap.idle_most * (double)passed / (AllWithin * (double)MILLISECOND));
	size_t most = mheap.idle_most / StepShare > StepMost ? mheap.idle_most / StepShare : StepMost;
	if (share > walk.wanted)
		walk.wanted = share < most ? share : most;
	visit_free(release_old, &walk);
	mheap.now = mheap.lastscavenge = now;
	if (walk.bytes == 0)
		mheap.idle_most = idle_bytes();
	owner_set(&mheap.scavenge_next, now + (walk.bytes != 0 ? StepPause : LookPause) * MILLISECOND);
	note_idle(idle_bytes());
}

void scavenge_tick(void)
{
	size_t idle = idle_bytes();

	if (idle > mheap.idle_most) {
		if (mheap.idle_most < IdleLeast)
			mheap.lastscavenge = mheap.now;
		mheap.idle_most = idle;
	}
	bool was_idle = mheap.idle;
	note_idle(idle);
	bool looks = ++mheap.ticks % TickOperations == 0;
	if (mheap.idle && (looks || !was_idle))
		await_allocation();
	if (!looks)
		return;
	mheap.now = sysNow();
	if (mheap.now >= mheap.scavenge_next)
		step(mheap.now);
}

void scavenge_freedSome(void)
{
	if (reader_get(&mheap.rounds) == Rounds) {
		uint8_t more = reader_get(&mheap.freed_more);
		racy_set(&mheap.freed_more, (uint8_t)(more + 1));
		if (more % AwaitShare == 0 && reader_get(&mheap.idle))
			await_allocation();
		return;
	}
	if (!lock_try(&mheap.lock))
		return;
	owner_set(&mheap.rounds, Rounds);
	if (!mheap.rounds_at)
		owner_set(&mheap.rounds_next, sysNow() + ScavengeAge * MILLISECOND);
	owner_set(&mheap.idle, true);
	await_allocation();
	lock_release(&mheap.lock);
}

void scavenge_for(size_t npages)
{
	size_t resident = mheap_mapped() - ((mheap.pagesReleased - npages) << PageShift);
	struct walk walk = {.before = UINT64_MAX, .wanted = resident - mheap.limit};

	if (mheap.limit != 0 && resident > mheap.limit)
		visit_free(release_old, &walk);
}

size_t scavenge_all(void)
{
	struct walk walk = {.before = UINT64_MAX, .wanted = SIZE_MAX};

	return visit_free(release_old, &walk);
}

RARELY_RUN size_t goalloc_release_memory(void)
{
	mcache_giveReady();
	cachealloc_foldAll();
	stackLarge_release();
	lock_acquire(&mheap.lock);
	size_t bytes = scavenge_all();
	lock_release(&mheap.lock);
	return bytes + scavenge_spans();
}

/* The objects that the scavenger has taken out of a span's freeBits. */
struct taken {
	unsigned spanclass, nelems;
	_Atomic uint64_t *freeBits;
	uintptr_t base;
	size_t elemsize, bytes;
	uint64_t objects[GOALLOC_PAGE / 8 / 64];
};

/* Takes all objects out of freeBits if the number of them is as at the last look (or `at_once`), and they may fill pages
 * that have not been returned since. Returns false if not. Called with the locks of the span's mcentral and of mheap. */
static bool take_idle(struct mspan *s, struct taken *taken, bool at_once)
{
	unsigned free = freeBits_count(s->freeBits, s->nelems);
	bool changed = free != reader_get(&s->idle);

	if (changed) {
		racy_set(&s->idle, free);
		racy_set(&s->gave_pages, false);
		mheap.round_changed = true;
	}
	if ((changed && !at_once) || reader_get(&s->gave_pages) || free * s->elemsize < KernelPage)
		return false;
	racy_set(&s->gave_pages, true);
	*taken = (struct taken){s->spanclass, s->nelems, s->freeBits, s->base, s->elemsize, mspan_bytes(s), {0}};
	for (unsigned i = 0; i < 2 * mspan_words(s); i++)
		taken->objects[i / 2] |=
			(atomic_exchange_explicit(&s->freeBits[i], 0, memory_order_acquire) & UINT32_MAX) << i % 2 * 32;
	return true;
}

/* The same for a span that may be anything: only spans of small objects are looked at. */
static bool look_at(struct mspan *s, struct taken *taken, bool at_once)
{
	unsigned spanclass = reader_get(&s->spanclass);
	struct mcentral *central = &mheap.central[spanclass];
	bool took = false;

	if (spanclass >= NumSpanClasses)
		return false;
	/* A span without an owner and on no list is on its way to mheap, which does not look at its bits any more. With
	 * the mcentral's lock held, a span on a list stays there, and one with an owner keeps it. */
	lock_acquire(&central->lock);
	lock_acquire(&mheap.lock);
	if (s->state == mSpanInUse && s->spanclass == spanclass &&
	    (atomic_load_explicit(&s->owner, memory_order_relaxed) || reader_get(&s->list)))
		took = take_idle(s, taken, at_once);
	lock_release(&mheap.lock);
	lock_release(&central->lock);
	return took;
}

/* What is left of a step. */
struct budget {
	size_t spans, work;
};

static void spend(struct budget *left, size_t work)
{
	left->work -= work < left->work ? work : left->work;
}

/* Returns the whole pages between two offsets of the span to the system. */
static size_t release_between(const struct taken *taken, size_t from, size_t to, struct budget *left)
{
	from = (from + KernelPage - 1) & ~(size_t)(KernelPage - 1);
	to &= ~(size_t)(KernelPage - 1);
	if (from >= to)
		return 0;
	spend(left, CallWork + (to - from) / KernelPage);
	return sysUnused((void *)(taken->base + from), to - from) ? to - from : 0;
}

/* Returns the pages that hold taken objects only, then puts the objects back into freeBits. */
static size_t release_taken(struct mspan *s, const struct taken *taken, struct budget *left)
{
	size_t bytes = 0, from = 0;

	for (unsigned i = 0; i < taken->nelems; i++) {
		if (taken->objects[i / 64] >> i % 64 & 1)
			continue;
		bytes += release_between(taken, from, i * taken->elemsize, left);
		from = (i + 1) * taken->elemsize;
	}
	bytes += release_between(taken, from, taken->bytes, left);
	for (unsigned i = 0; i * 32 < taken->nelems; i++) {
		uint64_t bits = taken->objects[i / 2] >> i % 2 * 32 & UINT32_MAX;
		bits |= (uint64_t)bit_count(bits) << 32;
		/* Once the last bit is set, another thread may free the span. */
		if (unlikely((atomic_fetch_add_explicit(&taken->freeBits[i], bits, memory_order_seq_cst) & bits &
			      UINT32_MAX) != 0))
			goalloc_fatal("double free in the span at", taken->base);
	}
	/* As after any other free: whoever has searched the span meanwhile found nothing. */
	struct mcache *owner = atomic_load_explicit(&s->owner, memory_order_seq_cst);
	if (owner)
		mcache_post(owner, s);
	else
		mcentral_freedSome(s, taken->spanclass, taken->freeBits, taken->nelems);
	return bytes;
}

/* Walks over spans from *at on until the budget is spent; by the last one it may be exceeded. With scavengelock held. */
static size_t walk_spans(struct mspan **at, struct budget left, bool at_once)
{
	struct taken taken;
	size_t bytes = 0;

	for (; *at && left.spans > 0 && left.work > 0; *at = (*at)->alllink, left.spans--) {
		spend(&left, 1);
		if (look_at(*at, &taken, at_once))
			bytes += release_taken(*at, &taken, &left);
	}
	return bytes;
}

static struct mspan *all_spans(void)
{
	return __atomic_load_n(&mheap.allspans, __ATOMIC_ACQUIRE);
}

static const struct budget unlimited = {SIZE_MAX, SIZE_MAX};

RARELY_RUN size_t scavenge_spans(void)
{
	lock_acquire(&mheap.scavengelock);
	struct mspan *s = all_spans();
	size_t bytes = walk_spans(&s, unlimited, true);
	lock_release(&mheap.scavengelock);
	return bytes;
}

/* Begins or goes on with a round if that is due. Returns false if not; else sets where, and what a step may do. */
static bool begin_step(uint64_t now, struct mspan **at, struct budget *budget)
{
	lock_acquire(&mheap.lock);
	bool due = mheap.rounds != 0 && now >= mheap.rounds_next;
	*at = mheap.rounds_at;
	*budget = (struct budget){SpansAtOnce, StepWork};
	if (due && *at) {
		size_t all = mheap.spanalloc.inuse / mheap.spanalloc.size;
		double steps = 1 + (double)(now - mheap.rounds_next) / (StepPause * (double)MILLISECOND);
		budget->spans += (size_t)((double)all * steps * StepPause / RoundWithin);
		double late = 1 + (steps - 1) * LateWork;
		budget->work = (size_t)(StepWork * (late < MostSteps ? late : MostSteps));
	} else if (due) {
		*at = mheap.allspans;
		owner_set(&mheap.round, mheap.round + 1);
	}
	lock_release(&mheap.lock);
	return due;
}

static void end_step(uint64_t now, struct mspan *at)
{
	lock_acquire(&mheap.lock);
	mheap.rounds_at = at;
	owner_set(&mheap.rounds_next, now + (at ? StepPause : ScavengeAge) * MILLISECOND);
	if (!at) {
		owner_set(&mheap.rounds, mheap.round_changed ? Rounds : mheap.rounds - 1);
		mheap.round_changed = false;
	}
	note_idle(idle_bytes());
	lock_release(&mheap.lock);
}

/* Makes the part of a round that is due, or all that is left of the round, unless another thread does: the lock is held
 * from reading where the round is until that is written back. */
static void round_step(uint64_t now, bool whole)
{
	struct mspan *at;
	struct budget budget;

	if (!lock_try(&mheap.scavengelock))
		return;
	if (begin_step(now, &at, &budget)) {
		walk_spans(&at, whole ? unlimited : budget, false);
		end_step(now, at);
	}
	lock_release(&mheap.scavengelock);
}

static void due(uint64_t now)
{
	/* If another thread has the lock, it is freeing pages or making a step itself, so this one need not wait. */
	if (now >= reader_get(&mheap.scavenge_next) && lock_try(&mheap.lock)) {
		step(now);
		lock_release(&mheap.lock);
	}
	if (reader_get(&mheap.rounds) != 0 && now >= reader_get(&mheap.rounds_next))
		round_step(now, false);
}

void scavenge_due(void)
{
	due(sysNow());
}

void scavenge_awaited(void)
{
	uint64_t now = sysNow();
	uint8_t more = reader_get(&mheap.awaited);
	bool close = now - reader_get(&mheap.awaited_last) < Close * MILLISECOND;

	owner_set(&mheap.awaited_last, now);
	owner_set(&sampler_word.awaited, 0);
	due(now);
	if (!reader_get(&mheap.idle) || (close && more == 0))
		return;
	owner_set(&mheap.awaited, close ? more - 1 : MaxAwaited);
	await_allocation();
}

static void scavenge_by_clock(void)
{
	lock_acquire(&mheap.lock);
	uint64_t now = sysNow();
	struct walk walk = {.before = now - ScavengeAge * MILLISECOND, .wanted = SIZE_MAX};
	mheap.now = mheap.lastscavenge = now;
	visit_free(release_old, &walk);
	note_idle(idle_bytes());
	lock_release(&mheap.lock);
	round_step(now, true);
}

RARELY_RUN static _Noreturn void *bgscavenge(void *unused)
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
