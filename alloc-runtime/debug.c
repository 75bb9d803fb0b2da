/* SPDX-License-Identifier: BSD-2-Clause */
/* See debug.h. The queue is under a lock of its own, innermost. */
#include "debug.h"

#include <stdlib.h>
#include <string.h>

#include "malloc_fast.h"

enum {
	QueueLength = 4096,
	FillAfter = 0xa5, /* between the object and its trailer */
	FillFreed = 0xdf,
};
#define Live  0x6c697665206f626aULL
#define Freed 0x667265656420216fULL

struct trailer {
	uint64_t state;
	size_t size;
	const struct goalloc_site *site;
	uintptr_t pc; /* returns into the caller, where there is no site */
};
_Static_assert(sizeof(struct trailer) == DebugTrailer, "announced");

bool debug_level;

struct lock debug_lock;
static void *queue[QueueLength];
static unsigned queue_at;

static struct trailer *trailer_of(const struct mspan *s, const void *object)
{
	return (struct trailer *)((char *)object + s->elemsize) - 1;
}

static _Noreturn void report(const char *what, const struct mspan *s, const void *object)
{
	const struct trailer *t = trailer_of(s, object);
	bool known = t->state == Live || t->state == Freed;

	goalloc_fatalObject(what, (uintptr_t)object, s, known ? t->site : NULL, known ? t->pc : 0);
}

static bool filled(const unsigned char *from, const unsigned char *to, unsigned char with)
{
	for (; from < to; from++)
		if (*from != with)
			return false;
	return true;
}

void debug_allocated(void *object, size_t size, const struct caller *caller)
{
	struct mspan *s = span_at(object);
	struct trailer *t = trailer_of(s, object);

	*t = (struct trailer){
		.state = Live, .size = size, .site = (const struct goalloc_site *)caller->site, .pc = caller->pc};
	memset((char *)object + size, FillAfter, (size_t)((char *)t - (char *)object) - size);
}

static void check_live(const struct mspan *s, const void *object)
{
	const struct trailer *t = trailer_of(s, object);
	const unsigned char *p = object;

	if (t->state == Freed)
		report("double free of", s, object);
	if (t->state != Live || t->size > s->elemsize - sizeof *t ||
	    !filled(p + t->size, (const unsigned char *)t, FillAfter))
		report("overflow past the end of", s, object);
}

static void check_queued(const void *object)
{
	const struct mspan *s = span_at(object);
	const struct trailer *t = trailer_of(s, object);

	if (t->state != Freed || !filled(object, (const unsigned char *)t, FillFreed))
		report("use after free of", s, object);
}

void *debug_freed(struct mspan *s, void *object)
{
	uintptr_t offset = (uintptr_t)object - s->base;

	if (offset % s->elemsize != 0 || offset / s->elemsize >= s->nelems)
		goalloc_fatalObject("free of a pointer into an object:", (uintptr_t)object, s, NULL, 0);
	lock_acquire(&debug_lock);
	check_live(s, object);
	struct trailer *t = trailer_of(s, object);
	t->state = Freed;
	memset(object, FillFreed, (size_t)((char *)t - (char *)object));
	/* In a child forked meanwhile, the queue holds objects only that are wholly filled. */
	atomic_signal_fence(memory_order_seq_cst);
	void *out = queue[queue_at];
	queue[queue_at] = object;
	queue_at = (queue_at + 1) % QueueLength;
	if (out)
		check_queued(out);
	lock_release(&debug_lock);
	return out;
}

size_t debug_size(const struct mspan *s, const void *object)
{
	const struct trailer *t = trailer_of(s, object);

	if (t->state != Live)
		report(t->state == Freed ? "size of a freed object:" : "overflow past the end of", s, object);
	return t->size;
}

static __attribute__((destructor)) void check_queue(void)
{
	for (unsigned i = 0; i < QueueLength; i++)
		if (queue[i])
			check_queued(queue[i]);
}

void debug_init(void)
{
	const char *level = getenv("GOALLOC_DEBUG");

	if (level && strcmp(level, "0") != 0 && *level) {
		debug_level = true;
		sampler_word.force_slow = 1;
	}
}
