/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CACHEALLOC_H
#define CACHEALLOC_H

/*
 * Where mcaches live, and what remains of them when their threads end.
 *
 * Each mcache has a head, which is never unmapped: it links all of them for observers, and has what other threads may
 * still access after the thread has ended. Heads and their mcaches are in chunks, so that a head's address follows from
 * the mcache's.
 *
 * How a cache goes: the caches of the last few ended threads wait, with their spans given up but their counters in
 * place, because programs that constantly start and end threads soon use them again. Beyond these, a cache is folded:
 * its counters are added to the sums of ended threads, and its memory goes back to the system. Caches with events that
 * an observer has not got yet keep these until their next thread, or until nobody listens any more. The order in which
 * a fold writes is in goalloc_contract.h.
 *
 * `cachelock` guards everything here but `posted`. Readers in this process hold it, so that nothing is folded meanwhile.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

struct mcache_head {
	_Alignas(CACHE_LINE) struct goalloc_cache published;
	_Atomic(struct mspan *) posted; /* spans of the cache of which other threads freed objects */
	struct mcache_head *next_free;
	uint32_t id;
	bool inuse; /* a thread uses the cache */
};

enum { MCacheChunk = 256 * 1024 }; /* heads in the first page, then their mcaches */

extern struct mcache_head *mcache_heads; /* newest first */
extern struct mcache_head mcache_sharedHead;
extern struct goalloc_ended mcache_ended;

static inline struct mcache_head *mcache_head(const struct mcache *c)
{
	uintptr_t chunk = (uintptr_t)c & -(uintptr_t)MCacheChunk;

	return c == &mcache_shared ? &mcache_sharedHead
				   : (struct mcache_head *)chunk + ((uintptr_t)c - chunk) / sizeof(struct mcache);
}

/* The newest cache that counts, or the next older one; NULL at the end. */
struct mcache *mcache_first(void);
struct mcache *mcache_next(const struct mcache *c);

void cachealloc_init(void);
void cachealloc_share(void);		    /* lets mcache_shared count, the first time that it is needed */
struct mcache *cachealloc_take(void);	    /* for a thread; NULL: no memory */
void cachealloc_put(struct mcache *c);	    /* its thread has ended, and has given its spans up */
void cachealloc_foldAll(void);		    /* takes cachelock: folds all caches of ended threads */
unsigned cachealloc_count(void);	    /* all there are: as many as threads lived at once */
bool cachealloc_othersInUse(void);	    /* whether other threads than this one have caches */
const struct mcache *cachealloc_sums(void); /* of ended threads, in force */
size_t cachealloc_inuse(void);		    /* bytes of the caches that count */
size_t cachealloc_sys(void);		    /* bytes mapped */
/* In the child of a fork, while the heads of caches of other threads still say that they are in use. */
void cachealloc_repair(void);
/* Afterwards: such a cache waits for a thread. */
void cachealloc_abandon(struct mcache *c);

#pragma GCC visibility pop
#endif
