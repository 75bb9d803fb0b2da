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

/* One search at a time, and none during a fork, whose child would inherit the dynamic linker's lock from it. Taken before all other
 * locks, that one too: a search that had it first would have it for a moment during a fork. */
static struct lock leaks_lock;

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
	lock_acquire(&leaks_lock);
	if (!roots_collect(search_locked, &search))
		search.error = ENOMEM;
	lock_release(&leaks_lock);
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
	lock_acquire(&leaks_lock);
}

void leaks_afterFork(void)
{
	lock_release(&leaks_lock);
}
