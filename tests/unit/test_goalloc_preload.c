/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocation functions of the C library and of C++ in libgoalloc-preload.so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "goalloc.h"
#include "preload_fixture.h"

static void *early;

static __attribute__((constructor)) void allocate_before_main(void)
{
	early = call_malloc(100);
	memset(early, 7, 100);
}

static __attribute__((destructor)) void free_after_main(void)
{
	call_free(early);
	call_free(call_malloc(1000));
}

static void malloc_is_libgoallocs(void **state)
{
	(void)state;
	Dl_info info;
	struct goalloc_stats before, after;

	assert_int_not_equal(dladdr((void *)(uintptr_t)call_malloc, &info), 0);
	assert_non_null(strstr(info.dli_fname, "libgoalloc-preload.so"));
	goalloc_read_stats(&before);
	call_free(call_malloc(100));
	goalloc_read_stats(&after);
	assert_int_equal(after.total.objects - before.total.objects, 1);
	assert_int_equal(((char *)early)[99], 7);
}

static void every_object_is_16_byte_aligned_and_usable(void **state)
{
	(void)state;
	for (size_t size = 0; size < 70000; size += size < 1100 ? 1 : 613) {
		char *p = call_malloc(size);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_true(malloc_usable_size(p) >= size);
		memset(p, 1, malloc_usable_size(p));
		call_free(p);
	}
	assert_int_equal(malloc_usable_size(NULL), 0);
}

static void objects_of_no_size_are_unique(void **state)
{
	(void)state;
	void *a = call_malloc(0), *b = call_malloc(0), *c = call_calloc(0, 5);

	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_ptr_not_equal(a, b);
	call_free(a);
	call_free(b);
	call_free(c);
}

static void too_much_is_enomem_and_free_keeps_errno(void **state)
{
	(void)state;
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, (size_t)PTRDIFF_MAX - 8, (size_t)1 << 45};
	void *kept = call_malloc(10);

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		errno = 0;
		assert_null(call_malloc(sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(call_realloc(kept, sizes[i]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(call_aligned_alloc(64, sizes[i]));
		assert_int_equal(errno, ENOMEM);
	}
	errno = 0;
	assert_null(call_calloc(SIZE_MAX / 2, 3));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(call_reallocarray(kept, SIZE_MAX / 2, 3));
	assert_int_equal(errno, ENOMEM);
	void *large = call_malloc(10 << 20);
	errno = 1234;
	call_free(kept);
	call_free(large);
	call_free(NULL);
	assert_int_equal(errno, 1234);
}

static void calloc_is_zero_where_something_was_before(void **state)
{
	(void)state;
	for (size_t size = 1; size < 200000; size = size * 3 / 2 + 1) {
		for (unsigned round = 0; round < 40; round++) {
			unsigned char *p = call_malloc(size);
			memset(p, 0xff, size);
			call_free(p);
			p = call_calloc(size, 1);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xff, size);
			call_free(p);
		}
	}
}

static void realloc_keeps_what_fits(void **state)
{
	(void)state;
	unsigned random = 1;
	size_t size = 1;
	unsigned char *p = call_realloc(NULL, size);

	p[0] = 1;
	for (unsigned i = 1; i < 3000; i++) {
		random = random * 1664525 + 1013904223;
		size_t wanted = 1 + (random >> 8) % (i % 10 ? 3000 : 3000000);
		size_t kept = wanted < size ? wanted : size;
		p = call_realloc(p, wanted);
		assert_non_null(p);
		for (size_t k = 0; k < kept; k += 1 + kept / 50)
			assert_int_equal(p[k], (unsigned char)i);
		size = wanted;
		memset(p, (int)i + 1, size);
	}
	assert_null(call_realloc(p, 0));
	char *grown = call_malloc(200);
	strcpy(grown, "all in place");
	grown = call_reallocarray(grown, 1000, 100);
	assert_string_equal(grown, "all in place");
	call_free(grown);
}

/* ---- realloc of large objects ---- */

static _Atomic bool stop;

static long status_bytes(const char *key)
{
	char line[200];
	long value = 0;
	FILE *file = fopen("/proc/self/status", "r");

	assert_non_null(file);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10) << 10;
	fclose(file);
	return value;
}

/* Resets VmHWM to the current resident size, which it returns; -1 on failure. */
static long reset_peak(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");

	if (!file)
		return -1;
	fputs("5", file);
	return fclose(file) == 0 ? status_bytes("VmRSS:") : -1;
}

/* Maps memory again and again, so that it gets addresses that another thread releases only briefly. */
static void *map_all_the_time(void *hint)
{
	while (!atomic_load(&stop)) {
		/* the kernel prefers the address of the hint if it is free: one between objects of the heap */
		void *taken = mmap(hint, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(char *)taken = 1;
		usleep(20);
		munmap(taken, 1 << 20);
	}
	return hint;
}

static size_t mappings(void)
{
	size_t lines = 0;
	char line[500];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof line, maps))
		lines++;
	fclose(maps);
	return lines;
}

/* Grows arrays alternately from 1 MiB to 48 MiB. Returns by how much the peak exceeds their final size, in percent. */
static long growth(unsigned arrays, bool noise)
{
	enum { From = 1 << 20, To = 48 << 20 };
	unsigned char *array[2] = {NULL, NULL};
	void *between[40];
	unsigned n = 0;
	size_t size = From, before = 0;
	malloc_trim(0);
	long start = reset_peak();

	for (; size < To; before = size, size += size / 4 & ~(size_t)4095) {
		for (unsigned i = 0; i < arrays; i++) {
			array[i] = call_realloc(array[i], size);
			assert_non_null(array[i]);
			memset(array[i] + before, (int)(i + size / 4096), size - before);
		}
		if (noise)
			between[n++] = call_malloc(100000);
	}
	long peak = status_bytes("VmHWM:"), final = (long)(before * arrays);
	assert_true(mappings() < 200);
	size_t old = 0;
	for (size = From; size <= before; old = size, size += size / 4 & ~(size_t)4095)
		for (unsigned i = 0; i < arrays; i++)
			assert_int_equal(array[i][old], (unsigned char)(i + size / 4096));
	while (n > 0)
		call_free(between[--n]);
	for (unsigned i = 0; i < arrays; i++)
		call_free(array[i]);
	return start < 0 ? 0 : (peak - start - final) * 100 / final;
}

static void a_large_object_grows_without_being_there_twice(void **state)
{
	(void)state;
	pthread_t thread;
	char *heap = call_malloc(40 << 20);

	call_free(heap);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, map_all_the_time, heap), 0);
	assert_in_range(growth(1, false) + 5, 0, 10);
	assert_in_range(growth(1, true) + 5, 0, 11);
	assert_in_range(growth(2, false) + 5, 0, 10);
	/* Memory of moved pages becomes one mapping with its neighbours when it is freed. */
	size_t before = mappings();
	for (unsigned i = 0; i < 2; i++)
		growth(2, true);
	assert_true(mappings() <= before + 3);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static void a_large_object_that_shrinks_gives_its_memory_back(void **state)
{
	(void)state;
	enum { Large = 64 << 20 };

	for (size_t small = 100; small <= 1 << 20; small = small * 100 + 500000) {
		char *p = call_malloc(Large);
		memset(p, 7, Large);
		long full = status_bytes("VmRSS:");
		p = call_realloc(p, small);
		assert_int_equal(p[small - 1], 7);
		assert_true(status_bytes("VmRSS:") < full - Large / 10 * 9);
		call_free(p);
	}
}

/* The counters do not depend on whether the object moved. */
static void realloc_counts_as_free_and_malloc(void **state)
{
	(void)state;
	struct goalloc_stats before, after;
	char *p = call_malloc(1 << 20);

	goalloc_read_stats(&before);
	for (unsigned mib = 2; mib <= 32; mib *= 2)
		p = call_realloc(p, (size_t)mib << 20);
	p = call_realloc(p, 3 << 20);
	goalloc_read_stats(&after);
	assert_int_equal(after.total.objects - before.total.objects, 6);
	assert_int_equal(after.total.frees - before.total.frees, 6);
	assert_int_equal(after.total.bytes - before.total.bytes, (2 + 4 + 8 + 16 + 32 + 3) << 20);
	assert_int_equal(after.total.freed_bytes - before.total.freed_bytes, (1 + 2 + 4 + 8 + 16 + 32) << 20);
	call_free(p);
}

static void alignment_is_what_was_asked_for(void **state)
{
	(void)state;
	for (size_t alignment = 8; alignment <= 4 << 20; alignment *= 2) {
		for (size_t size = 0; size < 100000; size = size * 2 + 1) {
			void *p = NULL, *q = call_aligned_alloc(alignment, size), *r = call_memalign(alignment, size);
			assert_int_equal(posix_memalign(&p, alignment, size), 0);
			void *all[] = {p, q, r};
			for (unsigned i = 0; i < 3; i++) {
				assert_non_null(all[i]);
				assert_int_equal((uintptr_t)all[i] % alignment, 0);
				assert_true(malloc_usable_size(all[i]) >= size);
				memset(all[i], 1, size);
			}
			call_free(p);
			call_free(q);
			call_free(call_realloc(r, size + 1000));
		}
	}
	void *p = NULL;
	errno = 5;
	assert_int_equal(posix_memalign(&p, 3, 8), EINVAL);
	assert_int_equal(posix_memalign(&p, 2, 8), EINVAL);
	assert_int_equal(posix_memalign(&p, 0, 8), EINVAL);
	assert_int_equal(posix_memalign(&p, 64, SIZE_MAX - 100), ENOMEM);
	assert_null(p);
	assert_int_equal(errno, 5);
	p = valloc(10);
	assert_int_equal((uintptr_t)p % 4096, 0);
	call_free(p);
	p = pvalloc(10);
	assert_int_equal((uintptr_t)p % 4096, 0);
	assert_true(malloc_usable_size(p) >= 4096);
	call_free(p);
}

/* Memory and counters depend on the object's size, not on its alignment, and freed memory is reused. */
static void a_small_object_at_a_large_alignment_is_a_small_object(void **state)
{
	(void)state;
	struct goalloc_memstats before, after;
	struct goalloc_stats stats_before, stats_after;

	for (unsigned shift = 13; shift <= 36; shift++) {
		size_t alignment = (size_t)1 << shift;
		call_free(call_memalign(alignment, 100));
		goalloc_read_memstats(&before);
		goalloc_read_stats(&stats_before);
		for (unsigned i = 0; i < 3; i++) {
			char *p = call_memalign(alignment, 100);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % alignment, 0);
			memset(p, 1, 100);
			assert_true(malloc_usable_size(p) <= 8192);
			call_free(p);
		}
		goalloc_read_memstats(&after);
		goalloc_read_stats(&stats_after);
		assert_true(stats_after.total.bytes - stats_before.total.bytes <= 3 * 8192);
		assert_int_equal(after.HeapInuse, before.HeapInuse);
		assert_int_equal(after.HeapSys, before.HeapSys);
	}
	/* Adjacent objects of different alignments do not overlap. */
	char *objects[100];
	for (unsigned i = 0; i < 100; i++) {
		size_t size = 1 + i * 977 % 100000;
		objects[i] = call_memalign((size_t)1 << (5 + i % 18), size);
		memset(objects[i], (int)i, size);
	}
	for (unsigned i = 0; i < 100; i++) {
		size_t size = 1 + i * 977 % 100000;
		for (size_t k = 0; k < size; k++)
			assert_int_equal((unsigned char)objects[i][k], i);
		call_free(objects[i]);
	}
}

/* Older programs still use cfree(), although glibc's headers no longer declare it. */
static void cfree_frees(void **state)
{
	(void)state;
	void (*old_free)(void *) = (void (*)(void *))(uintptr_t)dlsym(RTLD_DEFAULT, "cfree");
	struct goalloc_stats before, after;

	assert_non_null(old_free);
	void *p = call_malloc(100);
	goalloc_read_stats(&before);
	old_free(p);
	old_free(NULL);
	goalloc_read_stats(&after);
	assert_int_equal(after.total.frees - before.total.frees, 1);
}

/* C++ operators by their mangled names; test_goalloc_programs.py runs a real C++ program. */
void *_Znwm(size_t size);
void *_Znam(size_t size);
void *_ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
void *_ZnwmSt11align_val_t(size_t size, size_t alignment);
void _ZdlPv(void *object);
void _ZdaPv(void *object);
void _ZdlPvm(void *object, size_t size);
void _ZdlPvmSt11align_val_t(void *object, size_t size, size_t alignment);

static void operator_new_and_delete_are_there(void **state)
{
	(void)state;
	_ZdlPv(_Znwm(100));
	_ZdaPv(_Znam(0));
	_ZdlPvm(_Znwm(100), 100);
	void *aligned = _ZnwmSt11align_val_t(100, 256);
	assert_int_equal((uintptr_t)aligned % 256, 0);
	_ZdlPvmSt11align_val_t(aligned, 100, 256);
	assert_null(_ZnwmRKSt9nothrow_t(SIZE_MAX / 2, NULL));
}

static void trim_and_mallinfo_work(void **state)
{
	(void)state;
	char *p = call_malloc(8 << 20);
	memset(p, 1, 8 << 20);
	struct mallinfo2 full = mallinfo2();
	call_free(p);
	assert_int_equal(malloc_trim(0), 1);
	struct mallinfo2 trimmed = mallinfo2();
	assert_true(full.uordblks >= (8 << 20));
	assert_true(trimmed.uordblks + (8 << 20) <= full.uordblks);
	assert_true(trimmed.keepcost <= 1 << 20);
}

static void what_glibc_says_of_memory_is_said(void **state)
{
	(void)state;
	enum { N = 1000, Size = 1000 };
	static void *objects[N];
	struct mallinfo2 before = mallinfo2();
	char *text = NULL;
	size_t length;

	for (unsigned i = 0; i < N; i++)
		objects[i] = call_malloc(Size);
	struct mallinfo2 wide = mallinfo2();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	struct mallinfo narrow = mallinfo();
#pragma GCC diagnostic pop
	assert_in_range(wide.uordblks - before.uordblks, N * Size, N * Size * 11 / 10);
	assert_int_equal(wide.uordblks + wide.fordblks, wide.arena);
	assert_int_equal(narrow.uordblks, wide.uordblks);
	assert_int_equal(narrow.arena, wide.arena);
	FILE *stream = open_memstream(&text, &length);
	assert_int_equal(malloc_info(1, stream), EINVAL);
	assert_int_equal(malloc_info(0, stream), 0);
	fclose(stream);
	assert_memory_equal(text, "<malloc version=\"1\">\n", 21);
	assert_non_null(strstr(text, "<size class=\"32\" bytes=\"1024\" mallocs=\""));
	assert_string_equal(text + length - 10, "</malloc>\n");
	call_free(text);
	errno = 0;
	/* Advice is taken as glibc takes it; what is unknown is refused. */
	static const int values[] = {0, 1, 8, 160, 161, 1 << 20, 33 << 20, INT_MAX, -1};
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	int (*glibcs)(int, int) = (int (*)(int, int))dlsym(libc, "mallopt");
	for (int parameter = -10; parameter < 10; parameter++)
		for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
			bool known = parameter == M_MXFAST || (parameter < 0 && parameter >= M_ARENA_MAX);
			assert_int_equal(mallopt(parameter, values[i]), known && glibcs(parameter, values[i]));
		}
	assert_int_equal(mallopt(M_PERTURB, 0), glibcs(M_PERTURB, 0));
	dlclose(libc);
	assert_int_equal(errno, 0);
	for (unsigned i = 0; i < N; i++)
		call_free(objects[i]);
}

static bool all_are(const void *object, size_t size, unsigned char byte)
{
	const volatile unsigned char *bytes = object;
	size_t n = 0;

	while (n < size && bytes[n] == byte)
		n++;
	return n == size;
}

/* Of objects that were there before, too. */
static void mallopt_fills_what_is_allocated_and_freed_as_glibc_does(void **state)
{
	enum { Byte = 0x5a, Complement = 0xa5, Size = 200 };
	static const size_t sizes[] = {1, 16, 100, 1000, 30000, 40000, 3 << 20};
	void *before = call_malloc(Size), *neighbour = call_malloc(Size);

	(void)state;
	memset(before, 1, Size);
	assert_int_equal(mallopt(M_PERTURB, Byte), 1);
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned char *object = call_malloc(sizes[i]), *zeroed = call_calloc(1, sizes[i]);
		assert_true(all_are(object, sizes[i], Complement));
		assert_true(all_are(zeroed, sizes[i], 0));
		memset(object, 7, sizes[i]);
		unsigned char *grown = call_realloc(object, 5 * sizes[i] + 3000);
		assert_true(all_are(grown, sizes[i], 7));
		call_free(zeroed);
		call_free(grown);
	}
	unsigned char *aligned = call_aligned_alloc(4096, 4096);
	assert_true(all_are(aligned, 4096, Complement));
	call_free(before);
	assert_true(all_are(before, Size, Byte));
	assert_int_equal(mallopt(M_PERTURB, 0), 1);
	call_free(aligned);
	void *after = call_malloc(Size);
	assert_false(all_are(after, Size, Complement));
	call_free(after);
	call_free(neighbour);
}

/* 2^63 is a valid alignment that is too large; larger values are not powers of two. */
static void errno_of_huge_alignments_is_glibcs(void **state)
{
	(void)state;
	void *object = &object;

	errno = 0;
	assert_null(call_memalign(1UL << 63, 100));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(call_memalign((1UL << 63) + 1, 100));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(call_aligned_alloc(1UL << 63, 100));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(posix_memalign(&object, 1UL << 63, 100), ENOMEM);
	assert_int_equal(posix_memalign(&object, 1UL << 63 | 8, 100), EINVAL);
	assert_ptr_equal(object, &object);
}

/* jemalloc(3); its header is in a package that nothing here needs. */
void *mallocx(size_t size, int flags);
void *rallocx(void *object, size_t size, int flags);
size_t xallocx(void *object, size_t size, size_t extra, int flags);
size_t sallocx(const void *object, int flags);
void dallocx(void *object, int flags);
void sdallocx(void *object, size_t size, int flags);
size_t nallocx(size_t size, int flags);

enum { MALLOCX_ZERO = 0x40, MALLOCX_TCACHE_NONE = 1 << 8, MALLOCX_ARENA_0 = 1 << 20 };

static bool all_bytes_are(const unsigned char *bytes, size_t count, unsigned char value)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

static void jemallocs_functions_are_of_this_heap(void **state)
{
	(void)state;
	struct goalloc_stats before, after;

	goalloc_read_stats(&before);
	for (int shift = 0; shift <= 14; shift++) {
		for (size_t size = 1; size <= 100000; size = size * 3 + 5) {
			for (int zero = 0; zero <= MALLOCX_ZERO; zero += MALLOCX_ZERO) {
				int flags = shift | zero | MALLOCX_TCACHE_NONE | MALLOCX_ARENA_0;
				size_t larger = 2 * size + 1;
				unsigned char *object = mallocx(size, flags);

				assert_int_equal((uintptr_t)object % (1U << shift), 0);
				assert_int_equal(sallocx(object, 0), malloc_usable_size(object));
				assert_int_equal(nallocx(size, flags), sallocx(object, 0));
				assert_true(!zero || all_bytes_are(object, sallocx(object, 0), 0));
				memset(object, 0x5a, sallocx(object, 0));
				size_t had = sallocx(object, 0);
				object = rallocx(object, larger, flags);
				assert_int_equal((uintptr_t)object % (1U << shift), 0);
				assert_true(all_bytes_are(object, size, 0x5a));
				assert_true(sallocx(object, 0) >= larger);
				if (zero && sallocx(object, 0) > had)
					assert_true(all_bytes_are(object + had, sallocx(object, 0) - had, 0));
				object = rallocx(object, size, flags);
				assert_true(all_bytes_are(object, size, 0x5a));
				if (size % 2)
					dallocx(object, flags);
				else
					sdallocx(object, size, flags);
			}
		}
	}
	goalloc_read_stats(&after);
	assert_int_equal(after.total.objects - before.total.objects, after.total.frees - before.total.frees);
	assert_int_equal(nallocx(SIZE_MAX - 5, 0), 0);
	void *kept = mallocx(100, 0);
	for (int flags = 0; flags <= (MALLOCX_ZERO | 12); flags = flags == 12 ? MALLOCX_ZERO : flags + 12) {
		assert_null(mallocx(SIZE_MAX / 2, flags));
		assert_null(mallocx(SIZE_MAX - 8, flags));
		assert_null(rallocx(kept, SIZE_MAX - 8, flags));
	}
	dallocx(kept, 0);
}

static void in_place_resizing_says_what_came_of_it(void **state)
{
	(void)state;
	unsigned char *small = mallocx(100, 0), *large = mallocx(1 << 20, 0);
	size_t was = sallocx(small, 0);

	assert_int_equal(xallocx(small, 100000, 0, 0), was);
	size_t size = xallocx(large, 2 << 20, 0, MALLOCX_ZERO);
	assert_int_equal(size, sallocx(large, 0));
	if (sallocx(large, 0) >= 2 << 20)
		assert_true(all_bytes_are(large + (1 << 20), 1 << 20, 0));
	assert_true(xallocx(large, 1 << 20, SIZE_MAX, 0) >= 1 << 20);
	dallocx(small, 0);
	dallocx(large, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jemallocs_functions_are_of_this_heap),
		cmocka_unit_test(in_place_resizing_says_what_came_of_it),
		cmocka_unit_test(malloc_is_libgoallocs),
		cmocka_unit_test(mallopt_fills_what_is_allocated_and_freed_as_glibc_does),
		cmocka_unit_test(every_object_is_16_byte_aligned_and_usable),
		cmocka_unit_test(objects_of_no_size_are_unique),
		cmocka_unit_test(too_much_is_enomem_and_free_keeps_errno),
		cmocka_unit_test(calloc_is_zero_where_something_was_before),
		cmocka_unit_test(realloc_keeps_what_fits),
		cmocka_unit_test(a_large_object_grows_without_being_there_twice),
		cmocka_unit_test(a_large_object_that_shrinks_gives_its_memory_back),
		cmocka_unit_test(realloc_counts_as_free_and_malloc),
		cmocka_unit_test(alignment_is_what_was_asked_for),
		cmocka_unit_test(a_small_object_at_a_large_alignment_is_a_small_object),
		cmocka_unit_test(cfree_frees),
		cmocka_unit_test(operator_new_and_delete_are_there),
		cmocka_unit_test(trim_and_mallinfo_work),
		cmocka_unit_test(what_glibc_says_of_memory_is_said),
		cmocka_unit_test(errno_of_huge_alignments_is_glibcs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
