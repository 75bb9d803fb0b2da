/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GOALLOC_H
#define GOALLOC_H

/*
 * libgoalloc: Go's allocator model (size classes, mcache, mcentral, mheap) for C, with USDT probes on its slow paths.
 *
 * All functions may be called from any thread at any time after the library is loaded. Memory that one thread
 * allocated may be freed by another. Nothing here sets errno except where it says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define GOALLOC_SIZE_CLASSES 68
#define GOALLOC_SPAN_CLASSES (2 * GOALLOC_SIZE_CLASSES) /* span class = size class << 1 | noscan */

/*
 * Where an allocation stands in its source, for profilers. Must live as long as the process: profilers read it
 * from outside at any time. This is how source that was lowered to C keeps its own positions.
 */
struct goalloc_site {
	const char *file;
	const char *function;
	uint32_t line;
	uint32_t column; /* 0 where unknown */
};

/* The address of a static site for this place in the source. */
#define GOALLOC_SITE()                                                                                  \
	(__extension__({                                                                                \
		static const struct goalloc_site goalloc_site_here = {__FILE__, __func__, __LINE__, 0}; \
		&goalloc_site_here;                                                                     \
	}))

/*
 * Allocates `size` bytes, zeroed, 8-byte aligned (16 from 16 bytes on where the size class allows it,
 * page-aligned for large objects; tiny ones to the largest power of two up to 8 that divides their size, as
 * in Go). NULL with errno ENOMEM when memory is out; size 0 gives a pointer that may be freed and holds no
 * byte, and counts as no object.
 *
 * "scan" objects may hold pointers, "noscan" ones do not: they live in spans of their own, as in Go. Noscan
 * objects below 16 bytes share 16-byte blocks (the tiny allocator).
 */
void *goalloc_scan(size_t size);
void *goalloc_noscan(size_t size);
/* The same with a site for profilers; `site` may be NULL. */
void *goalloc_scan_at(size_t size, const struct goalloc_site *site);
void *goalloc_noscan_at(size_t size, const struct goalloc_site *site);

/* Frees what the functions above returned; NULL is allowed. Anything else ends the process with a message. */
void goalloc_free(void *object);

/* Bytes that the object really occupies: its size class, or its pages; 16 for a tiny object's block. */
size_t goalloc_usable_size(const void *object);

/*
 * Records on single objects, as Go's specials. The finalizer is called by the thread that frees the object, before the
 * memory can be used again; it may allocate and free other objects. One of each kind an object; setting again replaces,
 * a NULL finalizer removes. The profile record is whatever the program wants to find again; it is dropped when the
 * object is freed. Both return 0, or -1 with errno EINVAL (not an object of this heap) or ENOMEM.
 */
int goalloc_set_finalizer(void *object, void (*finalizer)(void *object, void *argument), void *argument);
int goalloc_set_profile_record(void *object, void *record);
void *goalloc_profile_record(const void *object); /* NULL: there is none */

/*
 * Memory that is not in use goes back to the system in steps when it has been free for a second, and is all back within
 * some seconds. The library looks at the clock on its slow paths, which a program that allocates takes every 64
 * allocations of a size at the latest; one that calls nothing keeps what it has. With a limit (bytes; 0: none) it goes back as soon as what is mapped and not given back would
 * pass it. The limit does not fail allocations: what is in use stays. It can be set by GOALLOC_MEMORY_LIMIT in the
 * environment too (bytes, with k, m or g). Returns the limit before.
 */
size_t goalloc_set_memory_limit(size_t bytes);
/*
 * Starts a thread that looks at the clock also while the program is idle, and at objects that others have freed to a
 * thread that sleeps. It lives as long as the process, comes back in the children of a fork, and blocks all signals.
 * GOALLOC_SCAVENGER=1 in the environment does the same. 0, also when it runs already; -1 with errno when there can be
 * no thread.
 */
int goalloc_start_scavenger(void);
/* Gives back all that is free now; bytes given back. */
size_t goalloc_release_memory(void);

/* Exact counters since the process started. */
struct goalloc_class_stats {
	uint64_t objects; /* allocated; tiny objects count one each, under span class 5 */
	uint64_t bytes;	  /* size-class bytes of these; page-rounded for large ones, as requested for tiny ones */
	uint64_t frees;	  /* objects freed */
	uint64_t freed_bytes;
	uint64_t refills;	/* spans that an mcache took */
	uint64_t central_grows; /* spans that mcentral took from mheap */
};

struct goalloc_stats {
	struct goalloc_class_stats total;
	struct goalloc_class_stats by_span_class[GOALLOC_SPAN_CLASSES]; /* 0 and 1: large objects */
	uint64_t heap_grows;						/* times that mheap mapped more arena */
	uint64_t heap_grow_bytes;
};

/* Fills `stats`. Exact for what happened before the call in this thread and in threads that have synchronised with
 * it; what other threads do meanwhile is counted or not, never torn. */
void goalloc_read_stats(struct goalloc_stats *stats);

/*
 * The heap as in Go's runtime.MemStats, by the same names. Sys = HeapSys + what the allocator uses for itself.
 * HeapSys = HeapInuse + HeapIdle; HeapReleased is the part of HeapIdle that takes no memory. HeapAlloc is bytes of live
 * objects. Counts and sizes are read without stopping the program: each is a value of some moment of the call.
 */
struct goalloc_memstats {
	uint64_t Alloc, TotalAlloc, Sys;
	uint64_t Mallocs, Frees;
	uint64_t HeapAlloc, HeapSys, HeapIdle, HeapInuse, HeapReleased, HeapObjects;
	uint64_t MSpanInuse, MSpanSys, MCacheInuse, MCacheSys, OtherSys;
	uint64_t NextSweep; /* bytes freed until the next cycle starts */
	uint64_t NumSweep;  /* cycles; SpansSwept is what they visited */
	uint64_t SpansSwept;
	struct goalloc_by_size {
		uint32_t Size;
		uint64_t Mallocs, Frees;
	} BySize[GOALLOC_SIZE_CLASSES];
};
void goalloc_read_memstats(struct goalloc_memstats *stats);

/* Bytes of the objects of a size class (1 to GOALLOC_SIZE_CLASSES - 1); 0 for others. */
size_t goalloc_class_size(unsigned size_class);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
