/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All forms of C++'s operator new and delete, by their mangled names, so that no C++ library is needed. When memory is
 * out, the C++ library's new-handler and exception are looked up at run time.
 */
#include <dlfcn.h>

#include "perturb.h"
#include "preload.h"

#define EXPORT	 __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))

typedef void handler_function(void);

/* Calls the program's new-handler. Returns false if there is none. */
static bool call_handler(void)
{
	handler_function *(*get)(void) = (handler_function * (*)(void)) dlsym(RTLD_DEFAULT, "_ZSt15get_new_handlerv");
	handler_function *handler = get ? get() : NULL;

	if (!handler)
		return false;
	handler();
	return true;
}

static void throw_bad_alloc(void)
{
	handler_function *throw = (handler_function *)dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv");

	if (throw)
		throw();
	goalloc_fatal("operator new: out of memory, and no C++ library to throw std::bad_alloc:", 0);
}

static void *new_or_null(size_t alignment, size_t size, struct caller *caller)
{
	if (size == 0)
		size = 1;
	for (;;) {
		void *object = alignment <= MallocSizeStep ? mallocgc(size, ForMalloc, NULL, caller)
							   : mallocgc_aligned(alignment, size, caller);
		if (object || !call_handler())
			return perturb_allocated(object, size);
	}
}

static NOINLINE void *new_slow(size_t size)
{
	struct caller caller = CALLER_HERE();
	void *object = new_or_null(1, size, &caller);

	if (!object)
		throw_bad_alloc();
	return object;
}

static NOINLINE void *new_nothrow_slow(size_t size)
{
	struct caller caller = CALLER_HERE();

	return new_or_null(1, size, &caller);
}

static NOINLINE void *new_aligned(size_t size, size_t alignment)
{
	struct caller caller = CALLER_HERE();
	void *object = new_or_null(alignment, size, &caller);

	if (!object)
		throw_bad_alloc();
	return object;
}

static NOINLINE void *new_aligned_nothrow(size_t size, size_t alignment)
{
	struct caller caller = CALLER_HERE();

	return new_or_null(alignment, size, &caller);
}

#define NEW(name, slow)                                                               \
	EXPORT void *name(size_t size);                                               \
	EXPORT void *name(size_t size)                                                \
	{                                                                             \
		struct mspan *s;                                                      \
		void *object;                                                         \
		return likely(preload_fast(size, &s, &object)) ? object : slow(size); \
	}
#define NEW_ALIGNED(name, aligned)                        \
	EXPORT void *name(size_t size, size_t alignment); \
	EXPORT void *name(size_t size, size_t alignment)  \
	{                                                 \
		return aligned(size, alignment);          \
	}
#define DELETE(name)                    \
	EXPORT void name(void *object); \
	EXPORT void name(void *object)  \
	{                               \
		free_fast(object);      \
	}

NEW(_Znwm, new_slow)
NEW(_Znam, new_slow)
NEW(_ZnwmRKSt9nothrow_t, new_nothrow_slow)
NEW(_ZnamRKSt9nothrow_t, new_nothrow_slow)
NEW_ALIGNED(_ZnwmSt11align_val_t, new_aligned)
NEW_ALIGNED(_ZnamSt11align_val_t, new_aligned)
NEW_ALIGNED(_ZnwmSt11align_val_tRKSt9nothrow_t, new_aligned_nothrow)
NEW_ALIGNED(_ZnamSt11align_val_tRKSt9nothrow_t, new_aligned_nothrow)
/* Size and alignment, where passed as further arguments, are not needed. */
DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm)
DELETE(_ZdaPvm)
DELETE(_ZdlPvSt11align_val_t)
DELETE(_ZdaPvSt11align_val_t)
DELETE(_ZdlPvmSt11align_val_t)
DELETE(_ZdaPvmSt11align_val_t)
DELETE(_ZdlPvRKSt9nothrow_t)
DELETE(_ZdaPvRKSt9nothrow_t)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t)
