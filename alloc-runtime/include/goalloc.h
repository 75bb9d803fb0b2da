/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GOALLOC_H
#define GOALLOC_H

/*
 * libgoalloc: Go's allocator model (size classes, mcache, mcentral, mheap) for C, with USDT probes on its slow paths.
 *
 * All functions may be called from any thread at any time after the library is loaded. Memory that one thread allocated
 * may be freed by another. A function sets errno only if its comment says so.
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
 * The source position of an allocation, for profilers. It must remain valid as long as the process lives, because
 * profilers read it from outside at any time. Compilers that lower another language to C use it to keep the original
 * positions.
 */
struct goalloc_site {
	const char *file;
	const char *function;
	uint32_t line;
	uint32_t column; /* 0 if unknown */
};

/* The address of a static site that describes the place of this macro in the source. */
#define GOALLOC_SITE()                                                                                  \
	(__extension__({                                                                                \
		static const struct goalloc_site goalloc_site_here = {__FILE__, __func__, __LINE__, 0}; \
		&goalloc_site_here;                                                                     \
	}))

/*
 * Allocates `size` zeroed bytes. Alignment is 8 bytes; 16 for sizes from 16 bytes on if the size class allows it; a
 * page for large objects; and for tiny objects, as in Go, the largest power of two up to 8 that divides the size.
 * Returns NULL with errno ENOMEM when memory is out. Size 0 returns a pointer that may be freed but not dereferenced,
 * and is not counted as an object.
 *
 * "scan" objects may hold pointers, "noscan" objects do not: they are in separate spans, as in Go. Noscan objects below
 * 16 bytes share 16-byte blocks (the tiny allocator).
 */
void *goalloc_scan(size_t size);
void *goalloc_noscan(size_t size);
/* The same, with a site for profilers; `site` may be NULL. */
void *goalloc_scan_at(size_t size, const struct goalloc_site *site);
void *goalloc_noscan_at(size_t size, const struct goalloc_site *site);

/* Frees an object that one of the functions above returned; NULL is allowed. Any other pointer aborts the process with
 * a message. */
void goalloc_free(void *object);

/* Bytes that the object occupies: the size of its size class, whole pages for a large object, 16 for a tiny object. */
size_t goalloc_usable_size(const void *object);

/*
 * Records attached to single objects, like Go's specials. An object has at most one finalizer and one profile record;
 * setting one again replaces it.
 *
 * The thread that frees the object calls the finalizer, before the memory can be reused. The finalizer may allocate and
 * free other objects. A NULL finalizer removes it. The profile record is an arbitrary pointer that the program wants to
 * find again by the object; it is dropped when the object is freed. Both setters return 0, or -1 with errno EINVAL (not
 * an object of this heap) or ENOMEM.
 */
int goalloc_set_finalizer(void *object, void (*finalizer)(void *object, void *argument), void *argument);
int goalloc_set_profile_record(void *object, void *record);
void *goalloc_profile_record(const void *object); /* NULL if there is none */

/*
 * Sets the memory limit in bytes (0: none) and returns the previous one.
 *
 * Free memory is returned to the system in steps once it has been free for a second; all of it is returned within a few
 * seconds. The library checks the clock on its slow paths; while there is memory to return, an allocation that comes a
 * while after the one before usually takes one, which may be some 10 ms long, or as long as returning a sixteenth takes of
 * what was freed, if that is gigabytes. A process that does not allocate keeps its memory; see goalloc_start_scavenger().
 *
 * With a limit, free memory is also returned as soon as the memory mapped and not returned would exceed the limit. The
 * limit never makes an allocation fail. GOALLOC_MEMORY_LIMIT in the environment (bytes, or a number with the suffix k,
 * m or g) sets it too.
 */
size_t goalloc_set_memory_limit(size_t bytes);
/*
 * Starts a thread that returns free memory also while the program is idle, and that finds objects of sleeping threads
 * which other threads have freed. The thread blocks all signals, lives as long as the process, and is started again in
 * the children of a fork. GOALLOC_SCAVENGER=1 in the environment does the same. Returns 0, also if the thread runs
 * already, or -1 with errno if it cannot be created.
 */
int goalloc_start_scavenger(void);
/* Returns all free memory to the system; the result is the number of bytes returned. */
size_t goalloc_release_memory(void);

/*
 * Stacks for coroutines. Each is a power of two: `size` is rounded up, to 2 KiB at least. They are aligned to 16 bytes,
 * from 8 KiB on to pages, and hold what was there before. The first byte above is `stack + size`. Freed ones are kept
 * for the next request, by thread and by size, and count in StackInuse and StackSys, not as objects of the heap.
 *
 * With a guard the lowest 4096 bytes of the stack may not be touched: an overflow is a SIGSEGV, not another coroutine's
 * data. Such a stack has 8 KiB at least. Guards cost no mappings on Linux 6.13 and newer; before, each takes two of the
 * 65,530 that a process has (vm.max_map_count).
 *
 * NULL with errno ENOMEM when memory, or mappings for guards, are out. A stack is freed with the size that it was asked
 * for, by any thread but not by the coroutine that stands on it; NULL is allowed. What is no stack, is free already, or
 * has another size ends the process with a message.
 */
void *goalloc_stack_alloc(size_t size);
void *goalloc_stack_alloc_guarded(size_t size);
void goalloc_stack_free(void *stack, size_t size);

/*
 * Starts the heap profile: what is alive, by the stack that allocated it, for `escapement heap` to read from outside. One
 * object per `rate` bytes is sampled (1: each object; otherwise 512, 64 or 8 KiB: the largest that is not above it, but 8 at
 * least), and the frees of its span take the slow path. What was allocated before is not in it. GOALLOC_HEAP_PROFILE=RATE in the
 * environment does the same before the program starts. Returns 0, or -1 with errno EINVAL (a rate of 0) or EBUSY (it has
 * been started).
 */
int goalloc_start_heap_profile(size_t rate);

/*
 * Lost objects: those of this heap that no pointer leads to. Pointers are looked for, conservatively, in registers, stacks,
 * thread-local storage, the data segments of the program and its libraries, stacks of goalloc_stack_alloc(), records on
 * objects, and in every "scan" object that pointers lead to; "noscan" objects are not looked into. A pointer may point
 * anywhere into an object. Memory that the program maps by itself is not looked at, nor is, in a program that is linked with
 * this library, memory that it has from its C library's malloc beyond the brk heap.
 */
struct goalloc_unreachable {
	const void *object; /* for tiny objects without a record: their block */
	size_t bytes; /* as its size class has; whole pages if large; as requested for tiny objects, and with GOALLOC_DEBUG */
	bool indirect; /* another lost object refers to it; of objects that refer to each other one is false */
	/* Where it was allocated, if the heap profile has sampled it (goalloc_start_heap_profile()); else NULL and 0. */
	const struct goalloc_site *site; /* if the caller gave one */
	const uint64_t *pcs;		 /* return addresses, leaf first; valid as long as the process lives */
	size_t depth;			 /* of pcs */
};
/*
 * Finds all lost objects and then calls `callback` for each of them, in this thread and with no lock held; it may allocate,
 * free, and search again. Nothing is freed. All other threads are stopped during the search: for 0.1 s per GiB
 * of live objects if they are large, and up to 11 s if each of them is a miss of cache and TLB (measured). It is for tests,
 * debugging and the end of a program. Blocking system calls of theirs that are never
 * restarted (signal(7) lists them, for example epoll_wait) may fail with EINTR.
 *
 * What a thread is allocating or freeing while it is stopped is not reported. An object is not reported either if a word
 * somewhere only happens to look like its address.
 *
 * Returns 0, or -1 with errno EINVAL (no callback), ENOMEM, ENOENT (no /proc, or that of another pid namespace), EPERM (threads
 * cannot be stopped by ptrace(2): the process is being debugged or may not be, see kernel.yama.ptrace_scope; a process with one
 * thread does not need that), ETIMEDOUT (one did not stop in ten seconds), EFAULT, or what reading /proc gave (EMFILE). Then nothing
 * was called. With GOALLOC_DEBUG, a lost object that something has written past ends the process with a message, as in
 * goalloc_free(). Must not be called by a signal handler or a
 * callback of dl_iterate_phdr(3), nor may such a callback fork while another thread searches: it has the dynamic linker's lock, for
 * which the search waits.
 *
 * Where kernel.yama.ptrace_scope is 1 and the process has not allowed all others to trace it, a search with other threads
 * allows its own helper: a tracer that the process has named before by prctl(PR_SET_PTRACER) has to be named again.
 *
 * GOALLOC_LEAKS=1 in the environment does this when the process ends by exit() or a return from main(), after all destructors
 * of the program and its libraries, and prints the lost objects by their sites; GOALLOC_LEAKS=exitcode=N (1 to 255) also makes N
 * the exit status if objects are lost, or if the search is impossible.
 */
int goalloc_find_unreachable(void (*callback)(const struct goalloc_unreachable *lost, void *argument), void *argument);

/* Exact counters since the process started. */
struct goalloc_class_stats {
	uint64_t objects; /* objects allocated; each tiny object is counted, in span class 5 */
	uint64_t bytes;	  /* bytes of these: by size class; whole pages for large, as requested for tiny objects */
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

/* Fills `stats`. The counters include everything that this thread, and threads that have synchronised with it, did
 * before the call. What other threads do during the call may or may not be included, but each event entirely or not at
 * all. */
void goalloc_read_stats(struct goalloc_stats *stats);

/*
 * The heap, with the field names of Go's runtime.MemStats.
 *
 *   Sys     = HeapSys + StackSys + the allocator's own structures
 *   HeapSys = HeapInuse + HeapIdle
 *
 * HeapReleased is the part of HeapIdle that takes no physical memory. HeapAlloc is the number of bytes in live objects.
 * The program is not stopped while the fields are read: each has a value of some moment during the call.
 */
struct goalloc_memstats {
	uint64_t Alloc, TotalAlloc, Sys;
	uint64_t Mallocs, Frees;
	uint64_t HeapAlloc, HeapSys, HeapIdle, HeapInuse, HeapReleased, HeapObjects;
	uint64_t StackInuse, StackSys; /* spans of goalloc_stack_alloc, idle stacks in them too */
	uint64_t MSpanInuse, MSpanSys, MCacheInuse, MCacheSys, OtherSys;
	uint64_t NextSweep; /* bytes freed until the next cycle starts */
	uint64_t NumSweep;  /* sweep cycles; SpansSwept counts the spans that they visited */
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
