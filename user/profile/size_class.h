/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SIZE_CLASS_H
#define ESCAPEMENT_SIZE_CLASS_H

/* Go's size classes (runtime/sizeclasses.go; the same from Go 1.19 to 1.27 and in libgoalloc). */

#include <stdbool.h>
#include <stdint.h>

#include "profile/profile.h"

/* Returns the bytes of an object of that class; 0 for class 0, large objects, which have no common size. */
int64_t size_class_bytes(int size_class);

/* Objects of more bytes are large. */
static inline int64_t size_class_largest(void)
{
	return size_class_bytes(SIZE_CLASSES - 1);
}

/* Bytes at the end of a span of that class in which no whole object fits; 0 for class 0. libgoalloc's spans are larger than
 * Go's. */
int64_t size_class_span_tail(int size_class, bool goalloc);

/* The span class of tiny objects: without pointers, below 16 bytes, several in one block of 16. */
#define TINY_SPAN_CLASS 5

static inline int span_class_size_class(int span_class)
{
	return span_class >> 1;
}

static inline bool span_class_noscan(int span_class)
{
	return span_class & 1;
}

#endif
