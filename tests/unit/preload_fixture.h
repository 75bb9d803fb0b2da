/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PRELOAD_FIXTURE_H
#define PRELOAD_FIXTURE_H

/* The C library's allocation functions, called by volatile pointers so that the compiler does not optimise calls
 * away. */

#include <malloc.h>
#include <stdlib.h>

__attribute__((unused)) static void *(*volatile call_malloc)(size_t) = malloc;
__attribute__((unused)) static void *(*volatile call_calloc)(size_t, size_t) = calloc;
__attribute__((unused)) static void *(*volatile call_realloc)(void *, size_t) = realloc;
__attribute__((unused)) static void *(*volatile call_reallocarray)(void *, size_t, size_t) = reallocarray;
__attribute__((unused)) static void *(*volatile call_aligned_alloc)(size_t, size_t) = aligned_alloc;
__attribute__((unused)) static void *(*volatile call_memalign)(size_t, size_t) = memalign;
__attribute__((unused)) static void (*volatile call_free)(void *) = free;

#endif
