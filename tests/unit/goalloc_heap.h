/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of libgoalloc's heap share. Include it after <cmocka.h>. */
#ifndef ESCAPEMENT_TESTS_GOALLOC_HEAP_H
#define ESCAPEMENT_TESTS_GOALLOC_HEAP_H

#include <stddef.h>
#include <string.h>

#include "goalloc.h"
#include "valid.h"

#ifdef __SANITIZE_THREAD__
/* Forked children start a scavenger thread too, which ThreadSanitizer only allows with this option. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

/* A linear congruential generator: the same numbers on every run. */
static inline unsigned next(unsigned *random)
{
	return *random = *random * 1664525 + 1013904223;
}

static inline void assert_heap_valid(void)
{
	const char *wrong = mheap_is_valid();

	if (wrong)
		fail_msg("invariant broken: %s", wrong);
}

static inline void fill(void **objects, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		memset(objects[i] = goalloc_scan(size), 1, size);
}

static inline void empty(void **objects, size_t n)
{
	for (size_t i = 0; i < n; i++)
		goalloc_free(objects[i]);
}

#endif
