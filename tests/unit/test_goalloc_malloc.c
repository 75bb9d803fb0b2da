/* SPDX-License-Identifier: BSD-2-Clause */
/* libgoalloc's interface: objects do not overlap, are aligned and zeroed, and the counters are exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc.h"
#include "runtime.h"

static struct goalloc_stats since(const struct goalloc_stats *before)
{
	struct goalloc_stats now;
	uint64_t *n = (uint64_t *)&now;

	goalloc_read_stats(&now);
	for (size_t i = 0; i < sizeof now / sizeof *n; i++)
		n[i] -= ((const uint64_t *)before)[i];
	return now;
}

static bool all_zero(const unsigned char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void every_size_is_aligned_zeroed_and_fits(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (size_t size = 1; size <= 70000; size += size < 2100 ? 1 : 997) {
			for (int noscan = 0; noscan < 2; noscan++) {
				unsigned char *p = noscan ? goalloc_noscan(size) : goalloc_scan(size);
				size_t align = size & -size;
				bool tiny = noscan && size < 16;
				size_t usable = goalloc_usable_size(p);
				assert_non_null(p);
				assert_true(usable >= size);
				assert_true(all_zero(p, size));
				if (tiny)
					assert_int_equal((uintptr_t)p % (align < 8 ? align : 8), 0);
				else if (size > MaxSmallSize)
					assert_int_equal((uintptr_t)p % PageSize, 0);
				else
					assert_int_equal((uintptr_t)p % (usable % 16 == 0 ? 16 : 8), 0);
				memset(p, 0xa5, size);
				goalloc_free(p);
			}
		}
	}
}

static void classes_hold_their_sizes_with_little_waste(void **state)
{
	(void)state;
	for (size_t size = 16; size <= MaxSmallSize; size++) {
		size_t class = size_classes[span_classes.of_go[(size + 7) / 8] / 2].size;
		assert_true(class >= size);
		assert_true(class - size <= (size < 128 ? 15 : class / 6));
	}
}

static void size_zero_is_no_object(void **state)
{
	(void)state;
	struct goalloc_stats before;
	goalloc_read_stats(&before);
	void *p = goalloc_scan(0), *q = goalloc_noscan(0);
	assert_non_null(p);
	assert_non_null(q);
	goalloc_free(p);
	goalloc_free(q);
	goalloc_free(NULL);
	struct goalloc_stats now = since(&before);
	assert_int_equal(now.total.objects, 0);
	assert_int_equal(now.total.frees, 0);
}

static void absurd_sizes_are_enomem(void **state)
{
	(void)state;
	static const size_t sizes[] = {SIZE_MAX,     SIZE_MAX - 6,    SIZE_MAX - 7,
				       SIZE_MAX / 2, (size_t)1 << 47, (size_t)1 << 40};
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		errno = 0;
		assert_null(goalloc_scan(sizes[i]));
		assert_int_equal(errno, ENOMEM);
		assert_null(goalloc_noscan(sizes[i]));
	}
}

static void counters_are_exact_for_every_class(void **state)
{
	(void)state;
	enum { N = 1000 };
	static void *objects[N];

	for (unsigned class = 1; class < NumSizeClasses; class ++) {
		struct goalloc_stats before;
		size_t size = goalloc_class_size(class);
		goalloc_read_stats(&before);
		for (unsigned i = 0; i < N; i++)
			assert_non_null(objects[i] = goalloc_scan(size));
		struct goalloc_stats now = since(&before);
		assert_int_equal(now.total.objects, N);
		assert_int_equal(now.total.bytes, N * size);
		assert_int_equal(now.by_span_class[class * 2].objects, N);
		assert_int_equal(now.by_span_class[class * 2].frees, 0);
		for (unsigned i = 0; i < N; i++)
			goalloc_free(objects[i]);
		now = since(&before);
		assert_int_equal(now.by_span_class[class * 2].frees, N);
		assert_int_equal(now.total.freed_bytes, N * size);
	}
}

static void large_objects_count_their_pages(void **state)
{
	(void)state;
	struct goalloc_stats before;
	goalloc_read_stats(&before);
	void *p = goalloc_scan(MaxSmallSize + 1), *q = goalloc_noscan(3 << 20);
	struct goalloc_stats now = since(&before);
	assert_int_equal(now.by_span_class[0].objects, 1);
	assert_int_equal(now.by_span_class[0].bytes, 5 * PageSize);
	assert_int_equal(now.by_span_class[1].objects, 1);
	assert_int_equal(now.by_span_class[1].bytes, 3 << 20);
	goalloc_free(p);
	goalloc_free(q);
	now = since(&before);
	assert_int_equal(now.total.frees, 2);
	assert_int_equal(now.total.freed_bytes, now.total.bytes);
}

static void tiny_objects_share_blocks_and_count_one_each(void **state)
{
	(void)state;
	enum { N = 20000 };
	static unsigned char *objects[N];
	struct goalloc_stats before;
	size_t bytes = 0;

	for (unsigned round = 0; round < 3; round++) {
		goalloc_read_stats(&before);
		bytes = 0;
		for (unsigned i = 0; i < N; i++) {
			size_t size = 1 + i * 7 % 15;
			objects[i] = goalloc_noscan(size);
			assert_true(all_zero(objects[i], size));
			memset(objects[i], (int)i, size);
			bytes += size;
		}
		for (unsigned i = 0; i < N; i++)
			for (size_t k = 0; k < 1 + i * 7 % 15; k++)
				assert_int_equal(objects[i][k], (unsigned char)i);
		struct goalloc_stats now = since(&before);
		assert_int_equal(now.by_span_class[TinySpanClass].objects, N);
		assert_int_equal(now.by_span_class[TinySpanClass].bytes, bytes);
		for (unsigned i = 0; i < N; i++)
			goalloc_free(objects[round % 2 ? N - 1 - i : i]);
		now = since(&before);
		assert_int_equal(now.by_span_class[TinySpanClass].frees, N);
	}
	/* One-byte objects, which share blocks of 16 bytes. */
	goalloc_read_stats(&before);
	for (unsigned i = 0; i < N; i++)
		objects[i] = goalloc_noscan(1);
	struct goalloc_stats now = since(&before);
	assert_true(now.by_span_class[TinySpanClass].refills <= N / 16 / 512 + 2);
	for (unsigned i = 0; i < N; i++)
		goalloc_free(objects[i]);
}

static void steady_work_does_not_grow_the_heap(void **state)
{
	(void)state;
	enum { N = 4096 };
	static void *objects[N];
	struct goalloc_stats before;
	unsigned random = 1;

	for (unsigned i = 0; i < 40 * N; i++) {
		if (i == 20 * N)
			goalloc_read_stats(&before);
		random = random * 1664525 + 1013904223;
		unsigned k = random >> 16 & (N - 1);
		goalloc_free(objects[k]);
		objects[k] = goalloc_scan(1 + (random >> 8 & 2047));
	}
	struct goalloc_stats now = since(&before);
	assert_true(now.heap_grow_bytes <= 4 << 20);
	for (unsigned i = 0; i < N; i++)
		goalloc_free(objects[i]);
}

/* Threads allocate objects filled with a pattern, pass them around a ring, and check and free those that they
 * receive. */
enum { Threads = 4, Rounds = 200, Batch = 256 };
static void *_Atomic mailbox[Threads];
struct batch {
	unsigned char *object[Batch];
	size_t size[Batch];
	unsigned char pattern;
};

static void check_and_free(struct batch *batch)
{
	for (unsigned i = 0; i < Batch; i++) {
		for (size_t k = 0; k < batch->size[i]; k += 7)
			if (batch->object[i][k] != batch->pattern)
				abort();
		goalloc_free(batch->object[i]);
	}
	goalloc_free(batch);
}

static void *worker(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument, random = self + 1;

	for (unsigned round = 0; round < Rounds; round++) {
		struct batch *batch = goalloc_scan(sizeof *batch);
		batch->pattern = (unsigned char)(self * 64 + round);
		for (unsigned i = 0; i < Batch; i++) {
			random = random * 1664525 + 1013904223;
			batch->size[i] = 16 + (random >> 12) % (random >> 28 ? 500 : 20000);
			batch->object[i] = goalloc_noscan(batch->size[i]);
			memset(batch->object[i], batch->pattern, batch->size[i]);
		}
		struct batch *other = atomic_exchange(&mailbox[(self + 1) % Threads], batch);
		if (other)
			check_and_free(other);
	}
	return NULL;
}

static void threads_free_each_others_objects_and_counters_stay_exact(void **state)
{
	(void)state;
	pthread_t threads[Threads];
	struct goalloc_stats before;

	goalloc_read_stats(&before);
	for (unsigned i = 0; i < Threads; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < Threads; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < Threads; i++) {
		struct batch *left = atomic_exchange(&mailbox[i], NULL);
		if (left)
			check_and_free(left);
	}
	struct goalloc_stats now = since(&before);
	assert_int_equal(now.total.objects, Threads * Rounds * (Batch + 1));
	assert_int_equal(now.total.frees, now.total.objects);
	assert_int_equal(now.total.freed_bytes, now.total.bytes);
}

static void *allocate_one(void *unused)
{
	(void)unused;
	return goalloc_scan(100);
}

static void caches_of_ended_threads_are_used_again(void **state)
{
	(void)state;
	struct goalloc_memstats stats;
	uint64_t caches = 0;

	for (unsigned i = 0; i < 50; i++) {
		pthread_t thread;
		void *object;
		assert_int_equal(pthread_create(&thread, NULL, allocate_one, NULL), 0);
		pthread_join(thread, &object);
		goalloc_free(object);
		goalloc_read_memstats(&stats);
		if (i == 0)
			caches = stats.MCacheInuse;
	}
	assert_int_equal(stats.MCacheInuse, caches);
}

static char foreign[64];
static void *volatile victim;

static void free_foreign(void)
{
	goalloc_free(foreign);
}

static void free_inside(void)
{
	goalloc_free((char *)goalloc_scan(64) + 8);
}

static void free_twice(void)
{
	victim = goalloc_scan(64);
	goalloc_free(victim);
	goalloc_free(victim);
}

static void free_large_twice(void)
{
	victim = goalloc_scan(1 << 20);
	goalloc_free(victim);
	goalloc_free(victim);
}

static void free_inside_large(void)
{
	goalloc_free((char *)goalloc_scan(1 << 20) + PageSize);
}

static void free_past_last(void)
{
	char *p = goalloc_scan(1408);
	const struct mspan *s = arena_map.spans[((uintptr_t)p - arena_map.start) >> PageShift];
	goalloc_free((char *)s->base + s->nelems * s->elemsize);
}

static void invalid_frees_abort_with_one_line(void **state)
{
	(void)state;
	static const struct {
		void (*bad)(void);
		const char *message;
	} cases[] = {
		{free_foreign, "goalloc: free of a pointer that is not of this heap: 0x"},
		{free_inside, "goalloc: free of a pointer into an object: 0x"},
		{free_inside_large, "goalloc: free of a pointer into "},
		{free_twice, "goalloc: double free of 0x"},
		{free_large_twice, "goalloc: free of a pointer into free memory: 0x"},
		{free_past_last, "goalloc: free of a pointer past the last object: 0x"},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		int pipes[2], status;
		char line[200] = "";
		assert_int_equal(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(pipes[1], STDERR_FILENO);
			signal(SIGABRT, SIG_DFL);
			cases[i].bad();
			_exit(0);
		}
		close(pipes[1]);
		ssize_t n = read(pipes[0], line, sizeof line - 1);
		close(pipes[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		assert_true(n > 0);
		assert_memory_equal(line, cases[i].message, strlen(cases[i].message));
		assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_is_aligned_zeroed_and_fits),
		cmocka_unit_test(classes_hold_their_sizes_with_little_waste),
		cmocka_unit_test(size_zero_is_no_object),
		cmocka_unit_test(absurd_sizes_are_enomem),
		cmocka_unit_test(counters_are_exact_for_every_class),
		cmocka_unit_test(large_objects_count_their_pages),
		cmocka_unit_test(tiny_objects_share_blocks_and_count_one_each),
		cmocka_unit_test(steady_work_does_not_grow_the_heap),
		cmocka_unit_test(threads_free_each_others_objects_and_counters_stay_exact),
		cmocka_unit_test(caches_of_ended_threads_are_used_again),
		cmocka_unit_test(invalid_frees_abort_with_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
