/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap profile, as an observer reads it, against the library's exact counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc_heap.h"
#include "heap_profile.h"
#include "probes.h"

struct sums {
	uint64_t allocated, live, live_bytes;
};

/* Adds up all rows of objects of this size, or of all sizes (0). */
static struct sums read_rows(uint64_t size)
{
	struct sums sums = {0};
	const struct goalloc_row_chunk *chunk = (const void *)(uintptr_t)heap_profile.chunks;

	assert_int_equal(heap_profile.sequence % 2, 0);
	assert_int_equal(heap_profile.lost, 0);
	for (; chunk; chunk = (const void *)(uintptr_t)chunk->next) {
		const char *at = (const char *)(chunk + 1), *end = at + chunk->used;

		assert_in_range(chunk->used, 1, GOALLOC_ROW_CHUNK - sizeof *chunk);
		while (at < end) {
			const struct goalloc_row *row = (const void *)at;

			if (size == 0 || GOALLOC_OBJECT_SIZE(row->key) == size) {
				uint64_t live = row->counts[GOALLOC_ROW_ALLOCATED] - row->counts[GOALLOC_ROW_FREED];

				sums.allocated += row->counts[GOALLOC_ROW_ALLOCATED];
				sums.live += live;
				sums.live_bytes += live * GOALLOC_OBJECT_SIZE(row->key);
			}
			assert_in_range(row->depth, 1, GOALLOC_STACK_MAX);
			at += sizeof *row + row->depth * sizeof row->pcs[0];
		}
		assert_ptr_equal(at, end);
	}
	return sums;
}

/* What the rows and the counters said when the test began. */
static struct sums rows_before;
static struct goalloc_stats before;

static void begin(void)
{
	goalloc_free(goalloc_scan(1)); /* notices the rate */
	rows_before = read_rows(0);
	goalloc_read_stats(&before);
}

static void assert_equal(void)
{
	struct sums rows = read_rows(0);
	struct goalloc_stats now;
	uint64_t live = 0;

	goalloc_read_stats(&now);
	assert_int_equal(rows.allocated - rows_before.allocated, now.total.objects - before.total.objects);
	assert_int_equal(rows.live - rows_before.live,
			 now.total.objects - now.total.frees - (before.total.objects - before.total.frees));
	/* bytes of tiny objects are counted as freed with the last one of their block */
	for (int i = 0; i < GOALLOC_SPAN_CLASSES; i++) {
		const struct goalloc_class_stats *from = &before.by_span_class[i], *to = &now.by_span_class[i];

		if (i != TinySpanClass)
			live += to->bytes - to->freed_bytes - (from->bytes - from->freed_bytes);
	}
	assert_in_range(rows.live_bytes - rows_before.live_bytes, live, live + 15 * (rows.live - rows_before.live));
}

static const size_t sizes[] = {1, 8, 15, 16, 24, 100, 1000, 5000, 32768, 32769, 100000, 3 << 20};
enum { NumSizes = sizeof sizes / sizeof *sizes, Times = 200 };

static void *work(void *unused)
{
	void *objects[NumSizes][Times];

	for (size_t i = 0; i < NumSizes; i++) {
		size_t times = sizes[i] > 100000 ? 3 : Times;

		for (size_t n = 0; n < times; n++)
			objects[i][n] = n % 2 ? goalloc_scan(sizes[i]) : goalloc_noscan(sizes[i]);
		for (size_t n = 0; n < times; n++)
			if (n % 3)
				goalloc_free(objects[i][n]);
	}
	return unused;
}

static void every_object_is_in_a_row_while_it_lives(void **state)
{
	pthread_t threads[4];

	begin();
	work(NULL);
	assert_equal();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_equal();
	assert_heap_valid();
	(void)state;
}

static unsigned finalized;

static void finalizer(void *object, void *argument)
{
	assert_ptr_equal(object, argument);
	finalized++;
}

static void other_records_of_an_object_stay(void **state)
{
	void *object, *record = &finalized;

	begin();
	object = goalloc_scan(48);
	assert_int_equal(goalloc_set_finalizer(object, finalizer, object), 0);
	assert_int_equal(goalloc_set_profile_record(object, record), 0);
	assert_ptr_equal(goalloc_profile_record(object), record);
	assert_equal();
	goalloc_free(object);
	assert_int_equal(finalized, 1);
	assert_equal();
	(void)state;
}

/* The child has its parent's objects, and may free them. */
static void a_child_goes_on_with_the_rows(void **state)
{
	void *object = goalloc_scan(777);
	struct sums rows = read_rows(0);
	int status;
	pid_t child = fork();

	if (child == 0) {
		bool same = read_rows(0).live == rows.live;

		goalloc_free(object);
		goalloc_scan(333);
		same = same && read_rows(0).live == rows.live && read_rows(0).allocated == rows.allocated + 1;
		_exit(same ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(read_rows(0).live, rows.live);
	goalloc_free(object);
	(void)state;
}

static void it_starts_once(void **state)
{
	assert_int_equal(goalloc_start_heap_profile(0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(goalloc_start_heap_profile(512 << 10), -1);
	assert_int_equal(errno, EBUSY);
	(void)state;
}

/* Runs a function in a child, whose rate differs: the profile of a process starts once. */
static void in_child(void (*function)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		heap_profile.rate = 0;
		sampler_word.every = 0;
		function();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

enum { Sampled = 1 << 20, SampledSize = 1024 };

/* Allocates a GiB, of which some 16,000 objects are sampled. Each of them is freed again. */
static void estimate(void)
{
	double chance = 1 - exp(-SampledSize / (64.0 * 1024)), expected = Sampled * chance;
	struct sums from = read_rows(SampledSize), to;

	for (int i = 0; i < Sampled; i++)
		goalloc_free(goalloc_scan(SampledSize));
	to = read_rows(SampledSize);
	if (fabs((double)(to.allocated - from.allocated) - expected) > 5 * sqrt(expected))
		_exit(1);
	if (to.live != from.live)
		_exit(2);
}

static void sampled(void)
{
	if (goalloc_start_heap_profile(100000) || heap_profile.rate != 64 << 10)
		_exit(3);
	estimate();
}

static void sampled_beside_an_observer(void)
{
	sampler_word.every = 1;
	sampled();
}

static void sampled_beside_a_finer_observer(void)
{
	alloc_sample_semaphores.raised[Per8k] = 1;
	sampled();
}

static void samples_are_of_its_own_rate(void **state)
{
	in_child(sampled);
	in_child(sampled_beside_an_observer);
	in_child(sampled_beside_a_finer_observer);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_is_in_a_row_while_it_lives),
		cmocka_unit_test(other_records_of_an_object_stay),
		cmocka_unit_test(a_child_goes_on_with_the_rows),
		cmocka_unit_test(it_starts_once),
		cmocka_unit_test(samples_are_of_its_own_rate),
	};

	if (goalloc_start_heap_profile(1))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
