/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GO_RUNTIME_H
#define GO_RUNTIME_H

/*
 * The functions of Go's runtime that Go programs lowered to C call, like compiled Go programs. Each has the ELF symbol
 * of the Go function ("runtime.newobject") and a stack frame of its own, and counts its allocations by site, so that a
 * workload knows its exact counts. Counting does not allocate.
 *
 * Behaviour follows Go 1.24's runtime: malloc.go (newobject), slice.go (makeslice, growslice), iface.go (convT64).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "goalloc.h"

/* An allocation site of the Go source: its position, the runtime function that the compiler calls there, and its
 * counts. */
struct go_site {
	struct goalloc_site at;
	const char *runtime_call;
	atomic_uint_fast64_t objects;
	atomic_uint_fast64_t bytes; /* size-class bytes; for tiny objects the bytes asked for, as Go counts them */
};

#define GO_SITE(file, function, line, column, call)                        \
	{                                                                  \
		.at = {file, function, line, column}, .runtime_call = call \
	}

struct go_type {
	uint32_t size;
	bool noscan; /* holds no pointer */
};

extern const struct go_type go_type_int;   /* int */
extern const struct go_type go_type_slice; /* any slice header: pointer, length, capacity */

struct go_slice {
	void *array;
	int64_t length, capacity;
};

struct go_interface {
	const void *type, *data;
};

#define GO_SYMBOL(name) __asm__(name)

void *runtime_newobject(const struct go_type *type, struct go_site *site) GO_SYMBOL("runtime.newobject");
void *runtime_makeslice(const struct go_type *type, int64_t length, int64_t capacity, struct go_site *site)
	GO_SYMBOL("runtime.makeslice");
/* Makes space for `count` more elements after `length` elements; the caller frees the old array. */
struct go_slice runtime_growslice(void *array, int64_t new_length, int64_t old_capacity, int64_t count,
				  const struct go_type *type, struct go_site *site) GO_SYMBOL("runtime.growslice");
/* The data word of an interface that holds `value`; small values are taken from a table and allocate nothing. */
const void *runtime_convT64(uint64_t value, struct go_site *site) GO_SYMBOL("runtime.convT64");

/*
 * For Go functions that only matter as frames or because they use a value. `noipa` keeps gcc from inlining and cloning
 * them, and from analysing them for their callers.
 */
#define GO_FUNCTION(name) GO_SYMBOL(name) __attribute__((noipa))

/* Uses a value in place of a call that is not lowered: print, or a function of another package. */
static inline void go_use(const void *value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

/* Used at the end of every function that ends with a call, to prevent a tail call: the frame must still exist during
 * the call. */
static inline void go_keep_frame(void)
{
	__asm__ volatile("" : : : "memory");
}

/* Stands in for the garbage collector: frees an object to which the program has no reference any more. */
static inline void go_unreachable(const void *object)
{
	goalloc_free((void *)object);
}

#endif
