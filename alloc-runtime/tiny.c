/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tiny allocator: noscan objects below 16 bytes share 16-byte blocks, which are objects of span class 5.
 *
 * A garbage collector finds out by itself when all objects of a block are dead; with explicit free, each block needs a
 * count. mspan.tiny holds, for each block of the span, live objects | requested bytes << 8. The block that an mcache is
 * still allocating from counts one more live object. The entry of an ordinary 16-byte object is 0. The thread that
 * decrements the count to 0 frees the block.
 */
#include "runtime.h"

#include "cachealloc.h"

enum { BytesShift = 8, LiveMask = (1 << BytesShift) - 1 };

/* Decrements a block's count. Returns true if it was the last object; then *bytes is the sum of the requested sizes. */
static bool drop(struct mspan *s, unsigned index, unsigned *bytes)
{
	unsigned before = atomic_fetch_sub_explicit(&s->tiny[index], 1, memory_order_acq_rel);

	if ((before & LiveMask) != 1)
		return false;
	*bytes = before >> BytesShift;
	atomic_store_explicit(&s->tiny[index], 0, memory_order_relaxed);
	return true;
}

static void freed_block(struct mcache *c, unsigned bytes)
{
	owner_add(&c->class_counters[TinySpanClass].freed_bytes, bytes);
}

void tiny_release(struct mcache *c)
{
	if (c->tiny == 0)
		return;
	struct mspan *s = span_of(c->tiny);
	unsigned index = (unsigned)((c->tiny - s->base) / TinySize), bytes;
	c->tiny = 0;
	if (drop(s, index, &bytes)) {
		freed_block(c, bytes);
		free_object(c, s, index);
	}
}

bool tiny_free(struct mcache *c, struct mspan *s, unsigned index, bool *was_tiny)
{
	unsigned bytes;

	*was_tiny = s->tiny && atomic_load_explicit(&s->tiny[index], memory_order_relaxed) != 0;
	if (!*was_tiny || !drop(s, index, &bytes))
		return false;
	freed_block(c, bytes);
	return true;
}

/* Aligns an offset by Go's rule: to the largest power of two, up to 8, that divides the size. */
static uint32_t align(uint32_t offset, size_t size)
{
	uint32_t alignment = (uint32_t)(size & -size);

	if (alignment > 8)
		alignment = 8;
	return (offset + alignment - 1) & ~(alignment - 1);
}

static bool count_object(struct mspan *s, uintptr_t block, size_t size, bool hold)
{
	if (!s->tiny) {
		_Atomic uint16_t *tiny = mheap_allocTiny();
		if (!tiny)
			return false;
		/* Release, because a thread that frees another object of the span reads this pointer. No other thread
		 * has an object of this block yet. */
		__atomic_store_n(&s->tiny, tiny, __ATOMIC_RELEASE);
	}
	atomic_fetch_add_explicit(&s->tiny[(block - s->base) / TinySize], (unsigned)size << BytesShift | (hold ? 2 : 1),
				  memory_order_relaxed);
	return true;
}

static void count_in_cache(struct mcache *c, size_t size)
{
	owner_add(&c->tiny_objects, 1);
	owner_add(&c->tiny_bytes, size);
}

static void *new_block(struct mcache *c, size_t size, struct caller *caller)
{
	bool sampled; /* unused: the objects in blocks are sampled one by one */
	void *object = mcache_nextFree(c, TinySpanClass, caller, &sampled);
	struct mspan *s = c->alloc[TinySpanClass];
	uintptr_t block = (uintptr_t)object;
	/* Continues with the block that has more room left. */
	bool keep = c->tiny == 0 || size < c->tinyoffset;

	if (!object)
		return NULL;
	if (!count_object(s, block, size, keep)) {
		free_object(c, s, (unsigned)((block - s->base) / TinySize));
		return NULL;
	}
	owner_add(&c->tiny_blocks, 1);
	count_in_cache(c, size);
	__builtin_memset(object, 0, TinySize);
	if (keep) {
		tiny_release(c);
		c->tiny = block;
		c->tinyoffset = (uint32_t)size;
	}
	return object;
}

void *tiny_alloc(struct mcache *c, size_t size, struct caller *caller)
{
	uint32_t offset = align(c->tinyoffset, size);
	void *object;

	if (c->tiny != 0 && offset + size <= TinySize) {
		object = (void *)(c->tiny + offset);
		c->tinyoffset = offset + (uint32_t)size;
		count_object(span_of(c->tiny), c->tiny, size, false);
		count_in_cache(c, size);
	} else {
		object = new_block(c, size, caller);
	}
	return object;
}

static bool is_held(uintptr_t block)
{
	for (const struct mcache *c = mcache_first(); c; c = mcache_next(c))
		if (c->tiny == block)
			return true;
	return false;
}

unsigned tiny_live(const struct mspan *s, unsigned index, unsigned *bytes)
{
	unsigned count = s->tiny ? atomic_load_explicit(&s->tiny[index], memory_order_relaxed) : 0;

	*bytes = count == 0 ? TinySize : count >> BytesShift;
	if (count == 0)
		return 1;
	return (count & LiveMask) - is_held(s->base + (uintptr_t)index * TinySize);
}
