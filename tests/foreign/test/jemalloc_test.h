/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What those of jemalloc's tests need that use the standard functions only, in place of its own header, which needs a
 * configured jemalloc. A failed expectation is printed, and the test's exit status is 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define EXPECT(condition) \
	((condition) ? 0 : (failures++, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition)))
#define expect_d_eq(a, b, ...)	    EXPECT((a) == (b))
#define expect_d_ne(a, b, ...)	    EXPECT((a) != (b))
#define expect_zu_eq(a, b, ...)	    EXPECT((a) == (b))
#define expect_zu_le(a, b, ...)	    EXPECT((a) <= (b))
#define expect_true(a, ...)	    EXPECT(a)
#define expect_false(a, ...)	    EXPECT(!(a))
#define expect_ptr_null(p, ...)	    EXPECT((p) == NULL)
#define expect_ptr_not_null(p, ...) EXPECT((p) != NULL)
#define assert(a)		    EXPECT(a)
#define test_fail(...)		    (failures++, fprintf(stderr, __VA_ARGS__))
#define TEST_BEGIN(name)	    static void name(void)
#define TEST_END
#define TEST_MALLOC_SIZE	  malloc_usable_size
#define LG_SIZEOF_PTR		  3
#define ZU(n)			  ((size_t)(n##ULL))
#define SIZE_T_MAX		  SIZE_MAX
#define PRIzu			  "zu"
#define BUFERROR_BUF		  64
#define set_errno(e)		  (errno = (e))
#define get_errno()		  errno
#define buferror(e, buffer, size) strerror_r(e, buffer, size)
#define JEMALLOC_DIAGNOSTIC_PUSH
#define JEMALLOC_DIAGNOSTIC_POP
#define JEMALLOC_DIAGNOSTIC_IGNORE_ALLOC_SIZE_LARGER_THAN

/* The largest size class, which is asked for by mallctl(): the size from which glibc refuses. */
#define MAX_SIZE_CLASS ((size_t)PTRDIFF_MAX)
static inline int mallctl(const char *name, void *value, size_t *size, void *new_value, size_t new_size)
{
	(void)name, (void)size, (void)new_value, (void)new_size;
	if (value)
		*(unsigned *)value = 1;
	return 0;
}
static inline int mallctlnametomib(const char *name, size_t *mib, size_t *length)
{
	(void)name, (void)mib, (void)length;
	return 0;
}
static inline int mallctlbymib(const size_t *mib, size_t length, void *value, size_t *size, void *new_value,
			       size_t new_size)
{
	(void)mib, (void)length, (void)size, (void)new_value, (void)new_size;
	*(size_t *)value = MAX_SIZE_CLASS;
	return 0;
}

#define test(...)	   run_tests((void (*const[])(void)){__VA_ARGS__, NULL})
#define test_no_reentrancy test
static inline int run_tests(void (*const *tests)(void))
{
	while (*tests)
		(*tests++)();
	return failures != 0;
}
