/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libgoalloc-preload.so: the C library's allocation functions, implemented by this allocator.
 *
 * Everything is allocated as "scan", because C does not tell which objects hold pointers, and tiny blocks are never
 * shared. Objects are 16-byte aligned, as glibc's are. Every allocation of size 0 returns an object of its own.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug.h"
#include "malloc_fast.h"
#include "perturb.h"
#include "preload.h"

#define EXPORT	 __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))

static NOINLINE void *malloc_slow(size_t size)
{
	struct caller caller = CALLER_HERE();

	size = size ? size : 1;
	void *object = malloc_window(size, ForMalloc, &caller);
	return likely(object) ? object : perturb_allocated(mallocgc_slow(size, ForMalloc, &caller), size);
}

EXPORT void *malloc(size_t size)
{
	struct mspan *s;
	void *object;

	return likely(preload_fast(size, &s, &object)) ? object : malloc_slow(size);
}

EXPORT void free(void *object)
{
	free_fast(object);
}

EXPORT void cfree(void *object)
{
	free_fast(object);
}

static NOINLINE void *calloc_slow(size_t size)
{
	struct caller caller = CALLER_HERE();
	void *object = mallocgc(size ? size : 1, ForMalloc, NULL, &caller);

	return object && span_at(object)->needzero ? memset(object, 0, size) : object;
}

static void *too_much(void)
{
	errno = ENOMEM;
	return NULL;
}

EXPORT void *calloc(size_t n, size_t size)
{
	struct mspan *s;
	void *object;

	if (unlikely(__builtin_mul_overflow(n, size, &size)))
		return too_much();
	if (unlikely(!preload_fast(size, &s, &object)))
		return calloc_slow(size);
	return s->needzero ? memset(object, 0, size) : object;
}

enum { MovedLeast = 1 << 20 }; /* bytes; shorter objects are copied */

void *preload_resize(void *object, size_t size, struct caller *caller)
{
	if (!object)
		return perturb_allocated(mallocgc(size ? size : 1, ForMalloc, NULL, caller), size);
	if (size == 0) {
		free_fast(object);
		return NULL;
	}
	mallocgc_checkObject(object);
	size_t usable = mallocgc_usable(object);
	/* Stays in place if the new size fits and does not waste half of the object. */
	if (size <= usable && (size >= usable / 2 || usable <= 64))
		return object;
	if (mallocgc_resizeLarge(object, size, caller))
		return object;
	struct mspan *s;
	void *moved;
	if (!preload_fast(size, &s, &moved))
		moved = perturb_allocated(mallocgc(size, ForMalloc, NULL, caller), size);
	if (!moved)
		return NULL;
	size_t kept = size < usable ? size : usable;
	if (usable >= MovedLeast && !debug_level)
		mallocgc_moveLarge(moved, object, kept);
	else
		memcpy(moved, object, kept);
	free_fast(object);
	return moved;
}

static NOINLINE void *realloc_slow(void *object, size_t size)
{
	struct caller caller = CALLER_HERE();

	return preload_resize(object, size, &caller);
}

static inline void *copied(void *to, void *object, const struct mspan *s)
{
	memcpy(to, object, s->elemsize);
	free_fast(object);
	return to;
}

static NOINLINE void *grow_slow(void *object, size_t size, const struct mspan *s)
{
	struct caller caller = CALLER_HERE();
	void *moved = malloc_window(size, ForMalloc, &caller);

	return likely(moved) ? copied(moved, object, s) : preload_resize(object, size, &caller);
}

/* Moves an object of the thread's own span to a larger class. */
static NOINLINE void *grow(void *object, size_t size, const struct mspan *s)
{
	struct mspan *to;
	void *moved;

	return likely(preload_fast(size, &to, &moved)) ? copied(moved, object, s) : grow_slow(object, size, s);
}

EXPORT void *realloc(void *object, size_t size)
{
	const struct mspan *s = own_span(object);

	if (unlikely(!s))
		return realloc_slow(object, size);
	if (size > s->elemsize)
		return grow(object, size, s);
	/* As in preload_resize(). */
	return likely(size >= s->elemsize / 2) ? object : realloc_slow(object, size);
}

EXPORT void *reallocarray(void *object, size_t n, size_t size)
{
	struct caller caller = CALLER_HERE();

	if (__builtin_mul_overflow(n, size, &size))
		return too_much();
	return preload_resize(object, size, &caller);
}

static bool power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

void *preload_align(size_t alignment, size_t size, struct caller *caller)
{
	if (size == 0)
		size = 1;
	return perturb_allocated(alignment <= MallocSizeStep ? mallocgc(size, ForMalloc, NULL, caller)
							     : mallocgc_aligned(alignment, size, caller),
				 size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	struct caller caller = CALLER_HERE();

	if (!power_of_two(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	return preload_align(alignment, size, &caller);
}

/* As in glibc, the alignment is rounded up to a power of two. */
EXPORT void *memalign(size_t alignment, size_t size)
{
	struct caller caller = CALLER_HERE();
	size_t power = MallocSizeStep;

	while (power < alignment && power <= SIZE_MAX / 2)
		power *= 2;
	if (power < alignment) {
		errno = EINVAL;
		return NULL;
	}
	return preload_align(power, size, &caller);
}

EXPORT int posix_memalign(void **object, size_t alignment, size_t size)
{
	struct caller caller = CALLER_HERE();
	int saved = errno;

	if (!power_of_two(alignment) || alignment % sizeof(void *) != 0)
		return EINVAL;
	void *aligned = preload_align(alignment, size, &caller);
	errno = saved;
	if (!aligned)
		return ENOMEM;
	*object = aligned;
	return 0;
}

EXPORT void *valloc(size_t size)
{
	struct caller caller = CALLER_HERE();

	return preload_align((size_t)getpagesize(), size, &caller);
}

EXPORT void *pvalloc(size_t size)
{
	struct caller caller = CALLER_HERE();
	size_t page = (size_t)getpagesize(), rounded = (size + page - 1) & ~(page - 1);

	return rounded < size ? too_much() : preload_align(page, rounded ? rounded : page, &caller);
}

EXPORT size_t malloc_usable_size(void *object)
{
	return object ? mallocgc_usable(object) : 0;
}

EXPORT int malloc_trim(size_t pad)
{
	(void)pad;
	return goalloc_release_memory() != 0;
}
