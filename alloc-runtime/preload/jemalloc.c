/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's functions beside malloc (jemalloc(3), "Non-standard API"), for programs that are linked with Debian's
 * libjemalloc, such as redis-server 8: if only malloc_usable_size() and free() were ours, they would be given jemalloc's
 * objects. A flag's alignment and zeroing are kept; its arena and cache are not, for there is one heap. mallctl() and
 * malloc_stats_print() stay jemalloc's, and tell of a heap that nobody uses.
 */
#include <stdlib.h>
#include <string.h>

#include "preload.h"

#define EXPORT __attribute__((visibility("default")))

/* The bits of `flags`. */
enum { LgAlign = 0x3f, Zero = 0x40 };

static size_t alignment_of(int flags)
{
	return (size_t)1 << (flags & LgAlign);
}

static void *zeroed_from(void *object, size_t size, int flags)
{
	size_t usable = object && flags & Zero ? mallocgc_usable(object) : 0;

	if (usable > size)
		memset((char *)object + size, 0, usable - size);
	return object;
}

EXPORT void *mallocx(size_t size, int flags)
{
	struct caller caller = CALLER_HERE();

	if (flags & Zero && alignment_of(flags) <= MallocSizeStep) {
		size_t whole = mallocgc_usableFor(1, size ? size : 1);
		return calloc(1, whole ? whole : size); /* which leaves pages alone that are fresh */
	}
	return zeroed_from(preload_align(alignment_of(flags), size, &caller), 0, flags);
}

EXPORT void *rallocx(void *object, size_t size, int flags)
{
	struct caller caller = CALLER_HERE();
	size_t alignment = alignment_of(flags), usable = mallocgc_usable(object);

	if (alignment <= MallocSizeStep || ((uintptr_t)object % alignment == 0 && size <= usable && size >= usable / 2))
		return zeroed_from(preload_resize(object, size ? size : 1, &caller), usable, flags);
	void *moved = preload_align(alignment, size, &caller);
	if (!moved)
		return NULL;
	memcpy(moved, object, size < usable ? size : usable);
	free_fast(object);
	return zeroed_from(moved, size < usable ? size : usable, flags);
}

/* Resizes in place, to at most `extra` bytes more. Returns the object's size after that, whether or not it changed. */
EXPORT size_t xallocx(void *object, size_t size, size_t extra, int flags)
{
	struct caller caller = CALLER_HERE();
	size_t usable = mallocgc_usable(object), most;

	if (__builtin_add_overflow(size, extra, &most))
		most = SIZE_MAX;
	mallocgc_checkObject(object);
	if (usable < most && (mallocgc_resizeLarge(object, most, &caller) ||
			      (usable < size && most > size && mallocgc_resizeLarge(object, size, &caller))))
		zeroed_from(object, usable, flags);
	return mallocgc_usable(object);
}

EXPORT size_t sallocx(const void *object, int flags)
{
	(void)flags;
	return mallocgc_usable(object);
}

EXPORT void dallocx(void *object, int flags)
{
	(void)flags;
	free_fast(object);
}

EXPORT void sdallocx(void *object, size_t size, int flags)
{
	(void)size;
	(void)flags;
	free_fast(object);
}

EXPORT size_t nallocx(size_t size, int flags)
{
	return mallocgc_usableFor(alignment_of(flags), size ? size : 1);
}
