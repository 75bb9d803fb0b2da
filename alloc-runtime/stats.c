/* SPDX-License-Identifier: BSD-2-Clause */
/* Exact counters, added up over all mcaches by the rules that goalloc_contract.h gives to observers outside. */
#include <sched.h>
#include <string.h>

#include "cachealloc.h"
#include "runtime.h"

#define SequenceOdd 0x0000000100000001ULL /* set if either counter of a struct goalloc_sequence is odd */

enum { Patience = 1000 }; /* yields before a cache whose thread is stuck in a refill is read anyway */

static void add_frees(struct goalloc_class_stats *to, const struct goalloc_class_stats *from)
{
	to->frees += from->frees;
	to->freed_bytes += from->freed_bytes;
}

static void add_allocations(struct goalloc_class_stats *to, const struct goalloc_class_stats *from)
{
	to->objects += from->objects;
	to->bytes += from->bytes;
	to->refills += from->refills;
	to->central_grows += from->central_grows;
}

static void read_class(const struct mcache *c, unsigned spanclass, struct goalloc_class_stats *class)
{
	const struct goalloc_class_counters *counters = &c->class_counters[spanclass];
	const struct mspan *s = reader_get(&c->alloc[spanclass]);
	uint64_t tail = s ? reader_get(&s->allocCount) - reader_get(&s->allocCountBeforeCache) : 0;
	uint64_t size = size_classes[spanclass_size_class(spanclass)].size;

	*class = (struct goalloc_class_stats){
		.objects = reader_get(&counters->objects) + tail,
		.frees = reader_get(&counters->frees),
		.freed_bytes = reader_get(&counters->freed_bytes),
		.refills = reader_get(&counters->refills),
		.central_grows = reader_get(&counters->central_grows),
	};
	if (size == 0) {
		class->bytes = reader_get(&counters->bytes);
		return;
	}
	class->bytes = class->objects * size;
	if (spanclass == TinySpanClass) {
		uint64_t blocks = reader_get(&c->tiny_blocks);
		class->objects += reader_get(&c->tiny_objects) - blocks;
		class->bytes += reader_get(&c->tiny_bytes) - blocks * TinySize;
	} else {
		class->freed_bytes = class->frees * size;
	}
}

/* Reads both counters at once. */
static uint64_t sequence_read(const struct mcache *c)
{
	return __atomic_load_n((const uint64_t *)&c->sequence, __ATOMIC_ACQUIRE);
}

static void read_cache(struct mcache *c, struct goalloc_class_stats *classes)
{
	for (unsigned attempt = 0;; attempt++) {
		uint64_t before = sequence_read(c);
		for (unsigned i = 0; i < NumSpanClasses; i++)
			read_class(c, i, &classes[i]);
		reader_fence();
		/* When called from a callback within an operation, the thread's own counters are odd, but nothing
		 * changes meanwhile. */
		if ((!(before & SequenceOdd) && sequence_read(c) == before) || c == mcache_self || attempt == Patience)
			return;
		sched_yield();
	}
}

typedef void add_function(struct goalloc_class_stats *to, const struct goalloc_class_stats *from);

static void add_caches(struct goalloc_stats *stats, add_function *add)
{
	struct goalloc_class_stats classes[NumSpanClasses];

	for (struct mcache *c = mcache_first(); c; c = mcache_next(c)) {
		read_cache(c, classes);
		for (unsigned i = 0; i < NumSpanClasses; i++)
			add(&stats->by_span_class[i], &classes[i]);
	}
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		read_class(cachealloc_sums(), i, &classes[i]);
		add(&stats->by_span_class[i], &classes[i]);
	}
	for (unsigned i = 0; i < NumSpanClasses; i++)
		add(&stats->total, &stats->by_span_class[i]);
}

void goalloc_read_stats(struct goalloc_stats *stats)
{
	memset(stats, 0, sizeof *stats);
	/* Frees are added up before allocations, so that the allocation of each counted free is counted too, whichever
	 * threads made the two. */
	lock_acquire(&mheap.cachelock);
	add_caches(stats, add_frees);
	add_caches(stats, add_allocations);
	lock_release(&mheap.cachelock);
	stats->heap_grows = reader_get(&mheap.counters.heap_grows);
	stats->heap_grow_bytes = reader_get(&mheap.counters.heap_grow_bytes);
}

static void read_sizes(struct goalloc_memstats *to, const struct goalloc_stats *from)
{
	for (unsigned i = 0; i < NumSpanClasses; i++) {
		to->BySize[i / 2].Size = size_classes[i / 2].size;
		to->BySize[i / 2].Mallocs += from->by_span_class[i].objects;
		to->BySize[i / 2].Frees += from->by_span_class[i].frees;
	}
}

static uint64_t bits_sys(void)
{
	uint64_t sys = mheap.tinyalloc.sys + mheap.specialalloc.sys + mheap.stackcachealloc.sys + mheap.table_sys;

	for (unsigned i = 0; i < sizeof mheap.bitsalloc / sizeof *mheap.bitsalloc; i++)
		sys += mheap.bitsalloc[i].sys;
	return sys;
}

void goalloc_read_memstats(struct goalloc_memstats *to)
{
	struct goalloc_stats from;

	memset(to, 0, sizeof *to);
	goalloc_read_stats(&from);
	read_sizes(to, &from);
	to->Mallocs = from.total.objects;
	to->Frees = from.total.frees;
	to->HeapObjects = to->Mallocs - to->Frees;
	to->TotalAlloc = from.total.bytes;
	to->Alloc = to->HeapAlloc = from.total.bytes - from.total.freed_bytes;
	lock_acquire(&mheap.lock);
	to->StackInuse = to->StackSys = (uint64_t)mheap.pagesStacks << PageShift;
	to->HeapSys = mheap_mapped() - to->StackSys;
	to->HeapInuse = ((uint64_t)mheap.pagesInUse << PageShift) - to->StackInuse;
	to->HeapIdle = to->HeapSys - to->HeapInuse;
	to->HeapReleased = (uint64_t)mheap.pagesReleased << PageShift;
	to->MSpanInuse = mheap.spanalloc.inuse;
	to->MSpanSys = mheap.spanalloc.sys;
	to->MCacheInuse = cachealloc_inuse();
	to->MCacheSys = cachealloc_sys();
	to->OtherSys = bits_sys();
	to->NumSweep = atomic_load_explicit(&mheap.sweepgen, memory_order_relaxed) / 2;
	to->SpansSwept = atomic_load_explicit(&mheap.numSweep, memory_order_relaxed);
	to->NextSweep = sweep_left();
	lock_release(&mheap.lock);
	to->Sys = to->HeapSys + to->StackSys + to->MSpanSys + to->MCacheSys + to->OtherSys;
}
