/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See debug.h. An object that is freed belongs to the thread that has turned its seal from Live to Freed, which then fills it, and
 * puts it into the queue under debug_lock. What leaves the queue belongs to the thread that has taken it out. So objects are filled
 * and checked without the lock: threads that free large ones do not wait for each other.
 */
#include "debug.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "malloc_fast.h"
#include "sections.h"
#include "sys.h"

enum {
	EndPatience = 10000, /* yields */
	FillAfter = 0xa5,    /* fills the bytes between the object and its trailer */
	FillFreed = 0xdf,
};
#define Live  0x6c697665206f626aULL
#define Freed 0x667265656420216fULL

/* Written behind each object. Its fields are used, and its pointer followed, only if `seal` matches the others. */
struct trailer {
	uint64_t seal; /* seal_of(Live or Freed) */
	size_t size;
	const struct goalloc_site *site;
	uintptr_t pc; /* the caller's return address, recorded if there is no site */
};
_Static_assert(sizeof(struct trailer) == DebugTrailer, "the size that debug.h declares");

bool debug_level;

struct lock debug_lock;
void *debug_queue[DebugQueue] LARGE_BSS;
static unsigned queue_first, queue_end; /* counted on; their remainders are places in the queue */
static size_t queue_bytes;		/* of the elements in it */
static int process;			/* whose memory this is */

static struct trailer *trailer_of(const struct mspan *s, const void *object)
{
	return (struct trailer *)((char *)object + s->elemsize) - 1;
}

/* Multiplication by an odd number is invertible modulo 2^64, so a change in any one field always changes the seal. */
static uint64_t seal_of(const struct trailer *t, uint64_t state)
{
	const uint64_t odd = 0x9e3779b97f4a7c15;
	uint64_t seal = (state ^ (uintptr_t)t) * odd;

	seal = (seal ^ t->size ^ seal >> 32) * odd;
	seal = (seal ^ (uintptr_t)t->site ^ seal >> 32) * odd;
	return (seal ^ t->pc ^ seal >> 32) * odd;
}

static bool is(const struct trailer *t, uint64_t state)
{
	return t->seal == seal_of(t, state);
}

/* Called without debug_lock: where the process is the child of a vfork, its end must not leave the parent locked out. */
static _Noreturn void report(const char *what, const struct mspan *s, const void *object)
{
	const struct trailer *t = trailer_of(s, object);
	bool known = is(t, Live) || is(t, Freed);

	goalloc_fatalObject(what, (uintptr_t)object, s, known ? t->site : NULL, known ? t->pc : 0);
}

static bool filled(const unsigned char *from, const unsigned char *to, unsigned char with)
{
	for (; from < to; from++)
		if (*from != with)
			return false;
	return true;
}

RARELY_RUN void debug_allocated(void *object, size_t size, const struct caller *caller)
{
	struct mspan *s = span_at(object);
	struct trailer *t = trailer_of(s, object);

	*t = (struct trailer){.size = size, .site = (const struct goalloc_site *)caller->site, .pc = caller->pc};
	t->seal = seal_of(t, Live);
	memset((char *)object + size, FillAfter, (size_t)((char *)t - (char *)object) - size);
}

/* Seals an object as freed and fills it. Returns what is wrong with it; NULL: nothing. */
RARELY_RUN static const char *free_sealed(const struct mspan *s, void *object)
{
	struct trailer *t = trailer_of(s, object);
	uint64_t live = seal_of(t, Live);

	if (!__atomic_compare_exchange_n(&t->seal, &live, seal_of(t, Freed), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return is(t, Freed) ? "double free of" : "overflow past the end of";
	if (!filled((unsigned char *)object + t->size, (const unsigned char *)t, FillAfter))
		return "overflow past the end of";
	memset(object, FillFreed, (size_t)((char *)t - (char *)object));
	return NULL;
}

/* The same for an object in the queue. */
RARELY_RUN static const char *fault_queued(const void *object)
{
	const struct trailer *t = trailer_of(span_at(object), object);

	return is(t, Freed) && filled(object, (const unsigned char *)t, FillFreed) ? NULL : "use after free of";
}

static void **place(unsigned at)
{
	return &debug_queue[at % DebugQueue];
}

static void put(void *object)
{
	queue_bytes += span_at(object)->elemsize;
	__atomic_store_n(place(queue_end), object, __ATOMIC_RELEASE);
	__atomic_store_n(&queue_end, queue_end + 1, __ATOMIC_RELEASE);
}

static void *take(void)
{
	void *object = *place(queue_first);

	queue_bytes -= span_at(object)->elemsize;
	__atomic_store_n(place(queue_first), NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&queue_first, queue_first + 1, __ATOMIC_RELEASE);
	return object;
}

/* Puts an object that is filled into the queue, since a child may be forked at any time; NULL: none. Returns one that has to leave
 * it, or NULL. */
static void *exchange(void *object)
{
	void *out = NULL;

	lock_acquire(&debug_lock);
	if (object && queue_end - queue_first == DebugQueue)
		out = take();
	if (object)
		put(object);
	if (!out && queue_bytes > DebugQueueBytes)
		out = take();
	lock_release(&debug_lock);
	return out;
}

RARELY_RUN void debug_freed(struct mspan *s, void *object, void (*release)(struct mspan *s, uintptr_t address))
{
	uintptr_t offset = (uintptr_t)object - s->base;

	if (offset % s->elemsize != 0 || offset / s->elemsize >= s->nelems)
		goalloc_fatalObject("free of a pointer into an object:", (uintptr_t)object, s, NULL, 0);
	const char *fault = free_sealed(s, object);
	if (fault)
		report(fault, s, object);
	for (void *out = exchange(object); out; out = exchange(NULL)) {
		fault = fault_queued(out);
		if (fault)
			report(fault, span_at(out), out);
		release(span_at(out), (uintptr_t)out);
	}
}

bool debug_isFreed(const struct mspan *s, const void *object)
{
	return is(trailer_of(s, object), Freed);
}

bool debug_isLive(const struct mspan *s, const void *object)
{
	return is(trailer_of(s, object), Live);
}

RARELY_RUN size_t debug_size(const struct mspan *s, const void *object)
{
	const struct trailer *t = trailer_of(s, object);

	if (!is(t, Live))
		report(is(t, Freed) ? "size of a freed object:" : "overflow past the end of", s, object);
	return t->size;
}

__attribute__((destructor)) void debug_finish(void)
{
	const void *wrong = NULL;
	const char *fault = NULL;

	/* The child of a vfork ends in the memory of its parent, which goes on and checks at its own end. */
	if (sysProcessId() != process)
		return;
	/* If a signal handler ends the process inside debug_freed, the lock is never released; then nothing is
	 * checked. */
	for (unsigned i = 0; !lock_try(&debug_lock); i++)
		if (i == EndPatience)
			return;
		else
			sched_yield();
	for (unsigned i = 0; i < DebugQueue && !fault; i++)
		if ((wrong = debug_queue[i]))
			fault = fault_queued(wrong);
	lock_release(&debug_lock);
	if (fault)
		report(fault, span_at(wrong), wrong);
}

void debug_forked(void)
{
	process = sysProcessId();
	/* Another thread may have been between two stores. What it was taking out is lost. */
	if (queue_first != queue_end && !*place(queue_first))
		queue_first++;
	if (queue_end - queue_first < DebugQueue && *place(queue_end))
		queue_end++;
	queue_bytes = 0;
	for (unsigned at = queue_first; at != queue_end; at++)
		queue_bytes += span_at(*place(at))->elemsize;
}

void debug_init(void)
{
	const char *level = getenv("GOALLOC_DEBUG");

	if (level && strcmp(level, "0") != 0 && *level) {
		debug_level = true;
		process = sysProcessId();
		(void)at_quick_exit(debug_finish); /* without it nothing is lost but the check at that kind of end */
		sampler_word.force_slow = 1;
	}
}
