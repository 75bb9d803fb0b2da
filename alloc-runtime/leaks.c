/* SPDX-License-Identifier: BSD-2-Clause */
/* See leaks.h. */
#include "leaks.h"

#include <errno.h>
#include <signal.h>

#include "debug.h"
#include "heap_profile.h"
#include "malloc_fast.h"
#include "roots.h"
#include "sys.h"

enum { FirstLost = 1 << 12 };

/*
 * One search at a time, and none during a fork, whose child would inherit the dynamic linker's lock from it. Held before all
 * locks are taken, that one too: a search that had it first would have it for a moment during a fork.
 *
 * Not a lock: a signal handler may fork while its thread forks, and forks of several threads need not wait for each other. A
 * thread counts once, so that a handler's fork never waits for a search that waits for the fork that it interrupted.
 */
enum { Searching = -1 };
static _Atomic uint32_t forking; /* threads that fork, or Searching */
static __thread unsigned forks;	 /* of this thread, each in the middle of the one before */

static void begin_search(void)
{
	uint32_t others = 0;

	while (!atomic_compare_exchange_strong_explicit(&forking, &others, (uint32_t)Searching, memory_order_acquire,
							memory_order_relaxed)) {
		sysFutexWait(&forking, others);
		others = 0;
	}
}

static void end_search(void)
{
	atomic_store_explicit(&forking, 0, memory_order_release);
	sysFutexWakeAll(&forking);
}

struct lost {
	uintptr_t object;
	size_t bytes;
	const struct goalloc_row *row; /* NULL: the heap profile does not know the object */
	bool indirect;
};

struct search {
	uintptr_t sp;
	int error;
	const void *broken; /* at the debug level, the first lost object whose trailer is broken */
	struct roots *roots;
	struct lost *lost; /* from the system; `capacity` of them */
	size_t nlost, capacity;
};

static bool add(struct search *search, struct lost lost)
{
	if (search->nlost == search->capacity) {
		struct lost *list = sysGrow(search->lost, &search->capacity, FirstLost, sizeof *list);
		if (!list) {
			search->error = ENOMEM;
			return false;
		}
		search->lost = list;
	}
	search->lost[search->nlost++] = lost;
	return true;
}

/* The tiny objects of a block that the heap profile knows, one by one, and the block for the others. */
static bool add_block(struct search *search, struct mspan *s, unsigned index, bool indirect)
{
	uintptr_t block = s->base + (uintptr_t)index * TinySize;
	unsigned bytes, live = tiny_live(s, index, &bytes);

	for (unsigned offset = 0; offset < TinySize && live > 0; offset++) {
		const struct goalloc_row *row = heap_profile_row(block + offset);
		if (!row)
			continue;
		size_t size = GOALLOC_OBJECT_SIZE(row->key);
		if (!add(search, (struct lost){block + offset, size, row, indirect}))
			return false;
		bytes -= size < bytes ? (unsigned)size : bytes;
		live--;
	}
	return live == 0 || add(search, (struct lost){block, bytes, NULL, indirect});
}

static bool visit(void *argument, struct mspan *s, unsigned index, bool indirect)
{
	struct search *search = argument;
	uintptr_t object = s->base + (uintptr_t)index * s->elemsize;
	size_t bytes = s->elemsize;

	if (s->spanclass == TinySpanClass)
		return add_block(search, s, index, indirect);
	if (debug_level) {
		const void *checked = (const void *)object;
		/* A fork has cut off the thread that was freeing it. */
		if (debug_isFreed(s, checked))
			return true;
		if (debug_isLive(s, checked))
			bytes = debug_size(s, checked);
		else if (!search->broken)
			search->broken = checked;
	}
	return add(
		search,
		(struct lost){.object = object, .bytes = bytes, .row = heap_profile_row(object), .indirect = indirect});
}

static void run(const struct stopped_world *world, void *argument)
{
	struct search *search = argument;
	size_t unreadable;

	search->error = roots_readMaps(search->roots, search->sp);
	if (search->error != 0)
		return;
	const struct address_range *ranges = roots_unreadable(search->roots, &unreadable);
	struct gcmark *m = gcmark_begin(ranges, unreadable);
	if (!m || !roots_mark(search->roots, m, world))
		search->error = ENOMEM;
	else
		gcmark_lost(m, visit, search);
	if (m)
		gcmark_end(m);
}

static void search_locked(struct roots *roots, void *argument)
{
	struct search *search = argument;

	search->roots = roots;
	lock_acquire(&mheap.cachelock);
	lock_acquire(&mheap.scavengelock);
	lock_acquire(&mheap.lock);
	lock_acquire(&mheap.speciallock);
	lock_acquire(&heap_profile_lock);
	int error = mheap.arena_start != 0 ? stopTheWorld(run, search) : 0;
	if (error != 0)
		search->error = error;
	lock_release(&heap_profile_lock);
	lock_release(&mheap.speciallock);
	lock_release(&mheap.lock);
	lock_release(&mheap.scavengelock);
	lock_release(&mheap.cachelock);
}

static void call_back(const struct search *search,
		      void (*callback)(const struct goalloc_unreachable *lost, void *argument), void *argument)
{
	for (size_t i = 0; i < search->nlost; i++) {
		const struct lost *lost = &search->lost[i];
		struct goalloc_unreachable unreachable = {
			.object = (const void *)lost->object, .bytes = lost->bytes, .indirect = lost->indirect};
		if (lost->row) {
			unreachable.site = (const struct goalloc_site *)(uintptr_t)lost->row->site;
			unreachable.pcs = lost->row->pcs;
			unreachable.depth = (size_t)lost->row->depth;
		}
		callback(&unreachable, argument);
	}
}

/* Not inlined, so that the registers that the caller has saved are above its frame. */
static __attribute__((noinline)) int find(void (*callback)(const struct goalloc_unreachable *lost, void *argument),
					  void *argument)
{
	struct search search = {.sp = (uintptr_t)__builtin_frame_address(0)};
	sigset_t all, before;
	int saved = errno;

	/* A handler that allocates or forks would wait for the locks of the search that it interrupts. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	begin_search();
	if (!roots_collect(search_locked, &search))
		search.error = ENOMEM;
	end_search();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* Only now, because a process that aborts needs its threads and its locks. */
	if (search.broken && !debug_isFreed(span_at(search.broken), search.broken))
		debug_size(span_at(search.broken), search.broken);
	if (search.error == 0) {
		errno = saved;
		call_back(&search, callback, argument);
		saved = errno;
	}
	if (search.lost)
		sysFree(search.lost, search.capacity * sizeof *search.lost);
	errno = search.error != 0 ? search.error : saved;
	return search.error != 0 ? -1 : 0;
}

int goalloc_find_unreachable(void (*callback)(const struct goalloc_unreachable *lost, void *argument), void *argument)
{
	if (!callback) {
		errno = EINVAL;
		return -1;
	}
	/* Saves the registers that a called function preserves on the stack: the program may have its only pointer in one. Not
	 * the others, in which an allocation may have left the address of its object, or of the next one. */
	__builtin_unwind_init();
	int result = find(callback, argument);
	__asm__ volatile("" : "+r"(result)); /* no tail call: this frame has the registers */
	return result;
}

void leaks_beforeFork(void)
{
	uint32_t before = atomic_load_explicit(&forking, memory_order_relaxed);

	while (forks == 0) {
		if (before == (uint32_t)Searching) {
			sysFutexWait(&forking, before);
			before = atomic_load_explicit(&forking, memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(&forking, &before, before + 1, memory_order_acquire,
								 memory_order_relaxed)) {
			break;
		}
	}
	forks++;
}

void leaks_afterFork(void)
{
	uint32_t before = atomic_load_explicit(&forking, memory_order_relaxed);

	if (--forks != 0)
		return;
	/* 0 in a child that a handler made after its thread had counted in `forking`, but not yet in `forks`. */
	while (before != 0 && !atomic_compare_exchange_weak_explicit(&forking, &before, before - 1,
								     memory_order_release, memory_order_relaxed))
		;
	if (before == 1)
		sysFutexWakeAll(&forking);
}

void leaks_inChild(void)
{
	/* No other thread forks in this process. This one does if a signal handler's fork has interrupted another: that will end
	 * here, too. */
	atomic_store_explicit(&forking, --forks != 0, memory_order_relaxed);
}
