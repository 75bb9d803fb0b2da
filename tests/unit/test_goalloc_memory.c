/* SPDX-License-Identifier: BSD-2-Clause */
/* What libgoalloc takes from the system and gives back: freed memory, the address space, memory of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cachealloc.h"
#include "goalloc_heap.h"
#include "scavenge.h"
#include "skip.h"
#include "sys.h"

static size_t resident(void)
{
	unsigned long total, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void freed_memory_goes_back_to_the_system(void **state)
{
	(void)state;
	enum { N = 64, Size = 1 << 20 };
	static void *objects[N];
	struct goalloc_memstats stats;

	fill(objects, N, Size);
	size_t full = resident();
	empty(objects, N);
	assert_true(goalloc_release_memory() >= (size_t)N * Size / 2);
	assert_true(resident() + (size_t)N * Size / 2 < full);
	goalloc_read_memstats(&stats);
	assert_true(stats.HeapReleased >= (uint64_t)N * Size / 2);
	assert_heap_valid();

	/* The allocator also returns memory by itself, within ten seconds. */
	fill(objects, N, Size);
	full = resident();
	empty(objects, N);
	for (unsigned i = 0; i < 100 && resident() + (size_t)N * Size / 2 >= full; i++) {
		usleep(100000);
		for (unsigned k = 0; k < 100; k++)
			goalloc_free(goalloc_scan(100000));
	}
	assert_true(resident() + (size_t)N * Size / 2 < full);
	assert_heap_valid();
}

/* A thread that allocates objects and sleeps while others free them. Its spans are on lists that only it may access. */
struct sleeper {
	void **objects;
	size_t n, size;
	sem_t full, go_on;
};

static void *sleeper(void *argument)
{
	struct sleeper *s = argument;

	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < s->n; i++) {
			unsigned char *object = s->objects[i] = goalloc_scan(s->size);
			for (size_t k = 0; k < s->size; k += 8)
				assert_int_equal(object[k], 0);
			memset(object, 1, s->size);
		}
		sem_post(&s->full);
		sem_wait(&s->go_on);
	}
	return NULL;
}

static void what_others_freed_to_a_sleeping_thread_goes_back(void **state)
{
	(void)state;
	enum { N = 32 << 20 >> 8 };
	static void *objects[N];
	struct sleeper s = {.objects = objects, .n = N, .size = 256};
	pthread_t thread;

	sem_init(&s.full, 0, 0);
	sem_init(&s.go_on, 0, 0);
	pthread_create(&thread, NULL, sleeper, &s);
	for (unsigned round = 0; round < 2; round++) {
		sem_wait(&s.full);
		size_t full = resident();
		empty(objects, N);
		assert_true(goalloc_release_memory() >= (size_t)N * 256 / 4 * 3);
		assert_true(resident() + (size_t)N * 256 / 4 * 3 < full);
		assert_heap_valid();
		assert_true(goalloc_release_memory() < 1 << 20);
		sem_post(&s.go_on);
	}
	pthread_join(thread, NULL);
	assert_heap_valid();
}

static unsigned threads_of_this_process(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(tasks);
	while (readdir(tasks))
		n++;
	closedir(tasks);
	return n - 2;
}

/* Runs in a separate process, because the scavenger thread lives as long as the process. */
static int with_scavenger(void)
{
	enum { N = 64, Size = 1 << 20 };
	static void *objects[N];
	unsigned before = threads_of_this_process();

	if (goalloc_start_scavenger() != 0 || goalloc_start_scavenger() != 0 || threads_of_this_process() != before + 1)
		return 1;
	fill(objects, N, Size);
	size_t full = resident();
	empty(objects, N);
	/* Waits without calling the allocator. */
	for (unsigned i = 0; i < 80 && resident() + (size_t)N * Size / 2 >= full; i++)
		usleep(50000);
	if (resident() + (size_t)N * Size / 2 >= full)
		return 2;
	pid_t pid = fork();
	if (pid == 0)
		_exit(threads_of_this_process() == 2 ? 0 : 3);
	int status;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 4;
}

static void an_idle_process_with_a_scavenger_gives_memory_back(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(with_scavenger());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the address space; each test in a separate process ---- */

static pid_t begin_process(int (*function)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(function());
	return pid;
}

static int end_process(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + status;
}

static int in_a_process(int (*function)(void))
{
	return end_process(begin_process(function));
}

static bool take_addresses(uintptr_t at, size_t size)
{
	return mmap((void *)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
		    0) == (void *)at;
}

static uint64_t heap_sys(void)
{
	struct goalloc_memstats stats;

	goalloc_read_memstats(&stats);
	return stats.HeapSys;
}

/* Returns 0 if the heap grows past an obstacle: objects are in place, HeapSys counts only mapped memory, and the heap
 * is valid. */
static int grow_past(size_t obstacle)
{
	enum { N = 20, Size = 3 << 20 };
	static char *objects[N];
	uintptr_t end = mheap.arena_used;

	/* The heap grows only after all idle memory is in use. */
	while (mheap.arena_used == end)
		if (!goalloc_noscan(Size))
			return 2;
	uint64_t before = heap_sys();
	end = mheap.arena_used;
	for (unsigned i = 0; i < N; i++) {
		if (i == 2 && !take_addresses(mheap.arena_used, obstacle))
			return 1;
		objects[i] = goalloc_noscan(Size);
		if (!objects[i])
			return 2;
		objects[i][0] = objects[i][Size - 1] = (char)i;
	}
	if (mheap.arena_used < end + obstacle || heap_sys() - before > 2 * N * (size_t)Size || mheap_is_valid())
		return 3;
	for (unsigned i = 0; i < N; i++) {
		if (objects[i][0] != (char)i || objects[i][Size - 1] != (char)i)
			return 4;
		goalloc_free(objects[i]);
	}
	return mheap_is_valid() ? 5 : 0;
}

static int past_a_page(void)
{
	return grow_past(4096);
}

static int past_more_than_512_gib(void)
{
	return grow_past(600UL << 30);
}

static int with_a_table_that_moves(void)
{
	enum { N = 5 };
	char *small = goalloc_scan(100), *objects[N];
	struct mspan **table = arena_map.spans;

	if (!take_addresses((uintptr_t)table + mheap.table_mapped, 4096))
		return 1;
	for (unsigned i = 0; i < N; i++)
		if (!(objects[i] = goalloc_noscan(40 << 20)))
			return 2;
	if (arena_map.spans == table || mheap_is_valid())
		return 3;
	goalloc_free(small);
	for (unsigned i = 0; i < N; i++)
		goalloc_free(objects[i]);
	return mheap_is_valid() ? 4 : 0;
}

static void the_arena_goes_on_where_others_have_mapped_something(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_because("the sanitizer allows few addresses");
#endif
	goalloc_free(goalloc_scan(8));
	assert_int_equal(in_a_process(past_a_page), 0);
	assert_int_equal(in_a_process(past_more_than_512_gib), 0);
	assert_int_equal(in_a_process(with_a_table_that_moves), 0);
}

static long status_kib(const char *key)
{
	char line[200];
	long value = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return value;
}

static int lock_all_memory(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return errno == EPERM || errno == ENOMEM ? 0 : 1;
	long before = status_kib("VmLck:");
	for (unsigned i = 0; i < 1000; i++)
		if (!goalloc_scan(1000))
			return 2;
	return before < 512 << 10 && status_kib("VmLck:") < before + (8 << 10) ? 0 : 3;
}

static void nothing_is_reserved_that_mlockall_would_count(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(lock_all_memory), 0);
}

static size_t pages_of(const void *object, size_t size)
{
	return ((uintptr_t)object + size - 1) / 4096 - (uintptr_t)object / 4096 + 1;
}

/* A program without our thread that allocates little after a burst, of which it keeps one object in 64 of the first half:
 * within ten seconds no more is left than 1.2 times the pages that these are on. */
static bool is_kept(unsigned i, unsigned n)
{
	return i < n / 2 && i % 64 == 0;
}

static int burst(unsigned pause, unsigned operations)
{
	enum { N = 200000 };
	static void *objects[N];
	unsigned random = 1;
	struct timespec begin, now;
	size_t before = resident(), limit = before + (4 << 20);

	for (unsigned i = 0; i < N; i++) {
		size_t size = 64 + next(&random) % 600;
		memset(objects[i] = goalloc_scan(size), 1, size);
		if (is_kept(i, N))
			limit += pages_of(objects[i], size) * 4096 * 6 / 5;
	}
	if (resident() < limit + (30 << 20))
		return 1;
	for (unsigned i = 0; i < N; i++)
		if (!is_kept(i, N))
			goalloc_free(objects[i]);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		usleep(pause);
		for (unsigned k = 0; k < operations; k++)
			goalloc_free(goalloc_scan(100 + k * 5));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (resident() > limit && now.tv_sec - begin.tv_sec <= 10);
	return resident() > limit ? 2 : mheap_is_valid() ? 3 : 0;
}

static int burst_then_little(void)
{
	return burst(100000, 100);
}

static int burst_then_next_to_nothing(void)
{
	return burst(500000, 1);
}

static bool burst_ended;
static const size_t burst_sizes[] = {64, 128, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384};
enum { BurstSizes = sizeof(burst_sizes) / sizeof(*burst_sizes), BurstBytes = 16 << 20 };
#ifdef __SANITIZE_ADDRESS__ /* has a byte of its own for eight, which it keeps */
enum { BurstShadow = BurstSizes * BurstBytes / 8 };
#else
enum { BurstShadow = 0 };
#endif

/* Bursts of one size after another, of which an object in 64 KiB is kept. The thread is never seen again. */
static _Noreturn void *burst_and_sleep(void *limit)
{
	static void *objects[BurstBytes / 64];

	for (unsigned c = 0; c < BurstSizes; c++) {
		size_t size = burst_sizes[c], n = BurstBytes / size, one_in = 65536 / size;

		for (size_t i = 0; i < n; i++)
			memset(objects[i] = goalloc_scan(size), 1, size);
		for (size_t i = 0; i < n; i++) {
			if (i % one_in != 0)
				goalloc_free(objects[i]);
			else
				*(size_t *)limit += pages_of(objects[i], size) * 4096 * 6 / 5;
		}
	}
	__atomic_store_n(&burst_ended, true, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Its cache keeps spans of these sizes, 256 KiB of each and 2 MiB more. */
static int burst_of_a_thread_that_sleeps(void)
{
	size_t limit = resident() + (4 << 20) + BurstSizes * (256 << 10) + (2 << 20) + BurstShadow;
	struct timespec begin, now;
	pthread_t thread;

	if (pthread_create(&thread, NULL, burst_and_sleep, &limit) != 0)
		return 1;
	while (!__atomic_load_n(&burst_ended, __ATOMIC_ACQUIRE))
		usleep(1000);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		usleep(100000);
		goalloc_free(goalloc_scan(100));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (resident() > limit && now.tv_sec - begin.tv_sec <= 10);
	return resident() > limit ? 2 : 0;
}

static void what_is_idle_goes_back_while_the_program_does_little(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_because("resident memory is the sanitizer's, too");
#endif
	pid_t little = begin_process(burst_then_little), next_to_nothing = begin_process(burst_then_next_to_nothing);
	pid_t sleeper = begin_process(burst_of_a_thread_that_sleeps);

	assert_int_equal(end_process(little), 0);
	assert_int_equal(end_process(next_to_nothing), 0);
	assert_int_equal(end_process(sleeper), 0);
}

/* ---- how much is touched; each test in a separate process, whose heap is new ---- */

static const size_t some_sizes[] = {160, 480, 576, 1408, 3200, 6144, 8192, 10240, 16384};

/* Distinct addresses that come when this many objects of a size live at a time, each freed before the next is allocated.
 * Every other one is freed by another thread. */
enum { Alive = 3, Turns = 2000 };
static void *handed;

static void *free_handed(void *unused)
{
	goalloc_free(handed);
	return unused;
}

static unsigned distinct_addresses(size_t size, bool by_others)
{
	static void *seen[Turns];
	void *alive[Alive] = {NULL};
	unsigned n = 0, turns = by_others ? 60 : Turns;
	pthread_t thread;

	for (unsigned i = 0; i < turns; i++) {
		handed = alive[i % Alive];
		if (by_others && handed)
			pthread_create(&thread, NULL, free_handed, NULL), pthread_join(thread, NULL);
		else
			goalloc_free(handed);
		void *object = alive[i % Alive] = goalloc_scan(size);
		unsigned k = 0;
		while (k < n && seen[k] != object)
			k++;
		if (k == n)
			seen[n++] = object;
	}
	for (unsigned i = 0; i < Alive; i++)
		goalloc_free(alive[i]);
	return n;
}

/* Of a class of which few objects live: these, and once as many as fill 4 KiB, or 1 / 512 of those allocated. */
static int touch_few(bool by_others)
{
	for (unsigned i = 0; i < sizeof some_sizes / sizeof *some_sizes; i++) {
		size_t window = 4096 / some_sizes[i];
		if (window < Turns / 512 + 1)
			window = Turns / 512 + 1;
		if (distinct_addresses(some_sizes[i], by_others) > Alive + window)
			return 1;
	}
	return mheap_is_valid() ? 2 : 0;
}

static int touch_few_of_their_own(void)
{
	return touch_few(false);
}

static int touch_few_that_others_free(void)
{
	return touch_few(true);
}

static void where_few_objects_live_few_are_ever_touched(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(touch_few_of_their_own), 0);
	assert_int_equal(in_a_process(touch_few_that_others_free), 0);
}

static size_t resident_of_arena(void)
{
	static unsigned char in_core[64 << 20 >> 12];
	size_t pages = (mheap.arena_used - mheap.arena_start) / 4096, resident = 0;

	if (pages > sizeof in_core || mincore((void *)mheap.arena_start, pages * 4096, in_core) != 0)
		return SIZE_MAX;
	for (size_t i = 0; i < pages; i++)
		resident += in_core[i] & 1;
	return resident;
}

/* Threads that come and go, each with one object of each of many classes, in an order of its own. */
enum { ComeAndGo = 30, Classes = 24 };
static uintptr_t touched[ComeAndGo][Classes];

/* Of several at once, all have their objects before the first frees one. */
static pthread_barrier_t *together;

static void *one_of_each(void *argument)
{
	unsigned round = (unsigned)(uintptr_t)argument, random = round + 1, order[Classes];
	void *objects[Classes];

	for (unsigned i = 0; i < Classes; i++)
		order[i] = i;
	for (unsigned i = Classes; i > 1; i--) {
		unsigned k = (next(&random) >> 8) % i, last = order[i - 1];
		order[i - 1] = order[k];
		order[k] = last;
	}
	for (unsigned i = 0; i < Classes; i++)
		touched[round][i] =
			(uintptr_t)memset(objects[i] = goalloc_scan(1024 * (order[i] + 1)), 1, 1024 * (order[i] + 1));
	if (together)
		pthread_barrier_wait(together);
	for (unsigned i = 0; i < Classes; i++)
		goalloc_free(objects[i]);
	return NULL;
}

static int come_and_go(void)
{
	pthread_t thread;
	unsigned distinct = 0;

	for (uintptr_t round = 0; round < ComeAndGo; round++) {
		pthread_create(&thread, NULL, one_of_each, (void *)round);
		pthread_join(thread, NULL);
	}
	for (unsigned n = 0; n < ComeAndGo * Classes; n++) {
		unsigned k = 0;
		while (k < n && touched[k / Classes][k % Classes] != touched[n / Classes][n % Classes])
			k++;
		distinct += k == n;
	}
	return distinct > 2 * Classes ? 1 : mheap_is_valid() ? 2 : 0;
}

static void threads_that_come_and_go_use_the_same_memory(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(come_and_go), 0);
}

static int come_in_waves(void)
{
	enum { AtOnce = 8, Waves = ComeAndGo / AtOnce };
	pthread_t threads[AtOnce];
	pthread_barrier_t barrier;
	size_t first = 0;

	pthread_barrier_init(&barrier, NULL, AtOnce);
	together = &barrier;
	for (uintptr_t wave = 0; wave < Waves; wave++) {
		for (uintptr_t i = 0; i < AtOnce; i++)
			pthread_create(&threads[i], NULL, one_of_each, (void *)(wave * AtOnce + i));
		for (unsigned i = 0; i < AtOnce; i++)
			pthread_join(threads[i], NULL);
		if (wave == 0)
			first = resident_of_arena();
	}
	return resident_of_arena() > first * 5 / 4 ? 1 : mheap_is_valid() ? 2 : 0;
}

static void threads_that_come_in_waves_use_the_same_memory(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(come_in_waves), 0);
}

/* Allocates all but the last object of a span. */
static void *allocate_most(void *objects)
{
	void **most = objects;
	unsigned n = 0;

	do
		most[n] = goalloc_scan(14336);
	while (++n + 1 < arena_map.spans[((uintptr_t)most[0] - arena_map.start) >> PageShift]->nelems);
	return NULL;
}

static int use_most_of_a_span(void)
{
	static void *most[64];
	struct goalloc_memstats before, after;
	pthread_t thread;

	goalloc_read_memstats(&before);
	pthread_create(&thread, NULL, allocate_most, most);
	pthread_join(thread, NULL);
	empty(most, 64);
	goalloc_read_memstats(&after);
	return after.HeapInuse > before.HeapInuse ? 1 : mheap_is_valid() ? 2 : 0;
}

static void free_spans_that_were_used_go_back(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(use_most_of_a_span), 0);
}

/* A hole that was returned, into which an object fits exactly, and a longer one whose pages take memory. */
static int use_again(void)
{
	enum { N = 40, Size = 5 * PageSize, Hole = N - 2 };
	static void *objects[N];

	goalloc_release_memory();
	fill(objects, N, Size);
	if ((char *)objects[Hole - 1] + Size != objects[Hole] || (char *)objects[Hole] + Size != objects[Hole + 1])
		return 1;
	goalloc_free(objects[Hole]);
	goalloc_release_memory();
	size_t full = resident_of_arena();
	empty(objects, Hole - 1);
	if (mheap_is_valid())
		return 2;
	fill(objects, Hole - 1, Size);
	if (resident_of_arena() != full || mheap_is_valid())
		return 3;
	fill(&objects[Hole], 1, Size);
	return resident_of_arena() > full ? 0 : 4;
}

static void merge_whole(void)
{
	lock_acquire(&mheap.lock);
	mheap_mergeWhole(UINT64_MAX);
	lock_release(&mheap.lock);
}

/* Free spans wait for their class, until another needs their pages, or until they are old. With a memory limit none does. */
static int wait_for_the_class(void)
{
	enum { N = 8, Pages = 32, Class = 5376, Many = 1100 };
	static struct mspan *spans[Many];
	struct mheap_grown grown;
	unsigned spanclass = span_classes.of_malloc[Class / MallocSizeStep];
	uintptr_t first;

	goalloc_free(goalloc_scan(8));
	goalloc_release_memory();
	for (unsigned i = 0; i < N; i++)
		spans[i] = mheap_alloc(Pages, spanclass, &grown);
	first = spans[0]->base;
	for (unsigned i = 0; i < N; i++)
		mheap_freeSpan(spans[i]);
	if (mheap.nwhole != N || mheap_is_valid())
		return 1;
	if (mheap_takeWhole(&mheap.central[spanclass]) != spans[N - 1] || mheap.nwhole != N - 1 || mheap_is_valid())
		return 2;
	mheap_freeSpan(spans[N - 1]);
	/* A class of the same length gets the pages of the first of them, now one free span. */
	struct mspan *other = mheap_alloc(Pages, span_classes.of_malloc[8192 / MallocSizeStep], &grown);
	if (other->base != first || mheap.nwhole != 0 || mheap_is_valid())
		return 3;
	memset((void *)other->base, 1, Pages * PageSize);
	other->fresh_from = (uint16_t)other->nelems;
	mheap_freeSpan(other);
	if (mheap.nwhole != 1 || goalloc_release_memory() < Pages * PageSize || mheap.nwhole != 0 || mheap_is_valid())
		return 4;
	for (unsigned i = 0; i < Many; i++)
		spans[i] = mheap_alloc(Pages, spanclass, &grown);
	for (unsigned i = 0; i < Many; i++)
		mheap_freeSpan(spans[i]);
	if (mheap.nwhole == 0 || mheap.nwhole >= Many || mheap_is_valid())
		return 5;
	goalloc_release_memory();
	goalloc_set_memory_limit(1 << 30);
	mheap_freeSpan(mheap_alloc(Pages, spanclass, &grown));
	return mheap.nwhole != 0 ? 6 : 0;
}

static void free_spans_wait_for_their_class_until_their_pages_are_needed(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(wait_for_the_class), 0);
}

/* A span of which the first objects were used, between objects that stay. What uses its pages again takes all that was used at
 * once, and opens the others little by little. */
static int use_the_rest(void)
{
	enum { Pages = 32, Used = 5, Size = 5376 };
	struct mheap_grown grown;
	struct mspan *spans[3];
	unsigned spanclass = span_classes.of_malloc[Size / MallocSizeStep];

	goalloc_free(goalloc_scan(8));
	goalloc_release_memory();
	for (unsigned i = 0; i < 3; i++)
		spans[i] = mheap_alloc(Pages, spanclass, &grown);
	struct mspan *s = spans[1];
	uintptr_t base = s->base;
	size_t released = mheap.pagesReleased, used = (Used * s->elemsize + PageSize - 1) / PageSize;
	if (spans[0]->base + Pages * PageSize != base || base + Pages * PageSize != spans[2]->base ||
	    s->fresh_from != 0)
		return 1;
	s->fresh_from = Used;
	mheap_freeSpan(s);
	if (mheap.pagesReleased != released + Pages - used || mheap_is_valid())
		return 2;
	/* The class takes it as it was. */
	s = mheap_takeWhole(&mheap.central[spanclass]);
	if (s->base != base || s->fresh_from != Used || mheap.nwhole != 0 || mheap.pagesReleased != released)
		return 7;
	mheap_freeSpan(s);
	merge_whole();
	s = mheap_alloc(Pages, spanclass, &grown);
	if (s->base != base || s->fresh_from != (used * PageSize + s->elemsize - 1) / s->elemsize)
		return 3;
	/* Where a part in the middle was used, nothing is known of what is taken from the beginning. */
	s->fresh_from = Used;
	mheap_freeSpan(s);
	spans[0]->fresh_from = 0;
	mheap_freeSpan(spans[0]);
	merge_whole();
	s = mheap_alloc(Pages, spanclass, &grown);
	if (s->base >= base || s->fresh_from != 0)
		return 4;
	mheap_freeSpan(s);
	mheap_freeSpan(spans[2]);
	/* Whatever was used goes back. */
	goalloc_release_memory();
	return mheap.free.large.root.first || mheap.free.map[0] || mheap.free.map[1] ? 5 : mheap_is_valid() ? 6 : 0;
}

static void what_was_never_used_of_a_span_is_known_when_it_is_used_again(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(use_the_rest), 0);
}

static void pages_that_take_memory_are_used_before_others(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(use_again), 0);
}

/* Objects of many classes, several spans of each, all freed: of all spans that are free, a thread keeps one of each class,
 * and 1 MiB. */
static int free_many_classes(void)
{
	enum { Each = 4 << 20, Most = Each / 4096 };
	static void *objects[Most];
	struct goalloc_memstats stats;
	size_t kept = 1 << 20;

	for (size_t size = 4096; size <= 32768; size += 4096) {
		for (unsigned i = 0; i < Each / size; i++)
			objects[i] = goalloc_scan(size);
		for (unsigned i = 0; i < Each / size; i++)
			goalloc_free(objects[i]);
		kept += 2 * GOALLOC_SPAN_BYTES; /* one that is ready, and the current one */
	}
	goalloc_read_memstats(&stats);
	return stats.HeapInuse > kept + (1 << 20) ? 1 : mheap_is_valid() ? 2 : 0;
}

static void a_thread_keeps_little_that_is_free_of_all_classes_together(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(free_many_classes), 0);
}

enum { Left = 250000 };
static void *left[Left];

static void *allocate_left(void *unused)
{
	for (unsigned i = 0; i < Left; i++)
		memset(left[i] = goalloc_scan(500), 1, 500);
	return unused;
}

/* Two rounds over spans of an ended thread, of which little is left. Each step is as late as told: in a program that has
 * allocated nothing for a while a step returns more, but not everything. */
static int late_steps(uint64_t nanoseconds, size_t at_most)
{
	size_t full, before, most = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, allocate_left, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	for (unsigned i = 0; i < Left; i++)
		if (i % 64 != 0)
			goalloc_free(left[i]);
	full = before = resident();
	mheap.scavenge_next = UINT64_MAX;
	mheap.rounds = 2;
	for (uint32_t last = mheap.round + 2; mheap.round != last || mheap.rounds_at;) {
		mheap.rounds_next = sysNow() - nanoseconds;
		scavenge_due();
		size_t now = resident();
		if (now < before && before - now > most)
			most = before - now;
		before = now;
	}
	return full < before + (40 << 20) ? 2 : most > at_most ? 3 : mheap_is_valid() ? 4 : 0;
}

/* One step, long overdue, over large spans that have been free for long enough. */
static int overdue_step_of_large_spans(void)
{
	enum { N = 320 };
	static void *objects[N];
	size_t full, less;

	for (unsigned i = 0; i < N; i++)
		memset(objects[i] = goalloc_scan(1 << 20), 1, 1 << 20);
	for (unsigned i = 0; i < N; i++)
		goalloc_free(objects[i]);
	usleep((ScavengeAge + 100) * 1000);
	full = resident();
	mheap.lastscavenge = mheap.scavenge_next = mheap.rounds = 0;
	scavenge_due();
	less = full - resident();
	return less < 32 << 20 ? 1 : less > 72 << 20 ? 2 : mheap_is_valid() ? 3 : 0;
}

static int steps_in_time(void)
{
	return late_steps(0, 8 << 20);
}

static int overdue_steps(void)
{
	return late_steps(1000000000000, 80 << 20);
}

static void a_late_step_returns_more_but_not_everything(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_because("resident memory is the sanitizer's, too");
#endif
	assert_int_equal(in_a_process(steps_in_time), 0);
	assert_int_equal(in_a_process(overdue_steps), 0);
	assert_int_equal(in_a_process(overdue_step_of_large_spans), 0);
}

/* ---- memory of threads ---- */

enum { ManyThreads = 400 };
static pthread_barrier_t all_there, all_may_go;

static void *allocate_and_wait(void *unused)
{
	void *objects[8];

	for (unsigned i = 0; i < 8; i++)
		memset(objects[i] = goalloc_scan((size_t)24 << i % 4), 1, 24);
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&all_may_go);
	for (unsigned i = 0; i < 8; i++)
		goalloc_free(objects[i]);
	return unused;
}

/* Reads the totals while threads end: none is ever lost or counted twice. */
static void *read_totals(void *end)
{
	struct goalloc_stats last = {0}, now;
	uintptr_t wrong = 0;

	while (!__atomic_load_n((bool *)end, __ATOMIC_RELAXED)) {
		goalloc_read_stats(&now);
		wrong += now.total.objects < last.total.objects || now.total.frees < last.total.frees ||
			 now.total.bytes < last.total.bytes || now.total.refills < last.total.refills ||
			 now.total.frees > now.total.objects;
		last = now;
	}
	return (void *)wrong;
}

/* The resident pages of all caches that no thread uses, and the number of places for caches. */
static unsigned resident_of_ended(unsigned *places)
{
	unsigned pages = 0;

	for (struct mcache_head *h = mcache_heads; h;
	     h = (struct mcache_head *)(uintptr_t)h->published.next, ++*places) {
		unsigned char in_core[sizeof(struct mcache) / MCachePage];
		if (h->inuse || h == &mcache_sharedHead)
			continue;
		if (mincore((void *)(uintptr_t)h->published.cache, sizeof(struct mcache), in_core) != 0)
			return UINT32_MAX;
		for (unsigned i = 0; i < sizeof in_core; i++)
			pages += in_core[i] & 1;
	}
	return pages;
}

static int many_threads(void)
{
	enum { Rounds = 3 };
	static pthread_t threads[ManyThreads], reader;
	struct goalloc_stats before, after;
	pthread_attr_t attributes;
	static bool end;
	unsigned places = 0;
	void *wrong;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	pthread_barrier_init(&all_there, NULL, ManyThreads + 1);
	pthread_barrier_init(&all_may_go, NULL, ManyThreads + 1);
	if (pthread_create(&reader, NULL, read_totals, &end) != 0)
		return 1;
	goalloc_read_stats(&before);
	for (unsigned round = 0; round < Rounds; round++) {
		for (unsigned i = 0; i < ManyThreads; i++)
			if (pthread_create(&threads[i], &attributes, allocate_and_wait, NULL) != 0)
				return 1;
		pthread_barrier_wait(&all_there);
		pthread_barrier_wait(&all_may_go);
		for (unsigned i = 0; i < ManyThreads; i++)
			pthread_join(threads[i], NULL);
	}
	goalloc_read_stats(&after);
	if (after.total.objects - before.total.objects != Rounds * 8 * ManyThreads ||
	    after.total.frees - before.total.frees != Rounds * 8 * ManyThreads)
		return 2;
	__atomic_store_n(&end, true, __ATOMIC_RELAXED);
	pthread_join(reader, &wrong);
	if (wrong || mcache_ended.folds < ManyThreads)
		return 3;
	/* A few caches wait for other threads; memory for these, and none for the others. */
	if (resident_of_ended(&places) > 10 * MCacheKept / MCachePage * 2 || places > ManyThreads + 20)
		return 4;
	goalloc_release_memory();
	return resident_of_ended(&places) != 0 ? 5 : mheap_is_valid() ? 6 : 0;
}

static void ended_threads_leave_their_counters_and_no_memory(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(many_threads), 0);
}

/* Whether no reader waits for a fold that was never made (goalloc_contract.h), and the caches that count are all in use. */
static bool caches_are_whole(void)
{
	size_t counting = 0;

	for (struct mcache_head *h = mcache_heads; h; h = (struct mcache_head *)(uintptr_t)h->published.next) {
		if (h->published.state >> 1 > mcache_ended.folds)
			return false;
		counting += h->published.state & 1;
	}
	return cachealloc_inuse() == counting * sizeof(struct mcache);
}

/* The child of a fork while the cache of an ended thread was being folded. */
static int fold_cut_off(void)
{
	struct goalloc_stats before, after;
	struct mcache_head *h;
	pthread_t thread;

	pthread_barrier_init(&all_there, NULL, 1);
	pthread_barrier_init(&all_may_go, NULL, 1);
	if (pthread_create(&thread, NULL, allocate_and_wait, NULL) != 0)
		return 1;
	pthread_join(thread, NULL);
	h = mcache_heads;
	while (h && (h->inuse || h == &mcache_sharedHead))
		h = (struct mcache_head *)(uintptr_t)h->published.next;
	if (!h || !caches_are_whole())
		return 2;
	goalloc_read_stats(&before);
	h->published.state = (mcache_ended.folds + 1) << 1;
	cachealloc_repair();
	goalloc_read_stats(&after);
	if (!caches_are_whole() || memcmp(&before, &after, sizeof before) != 0)
		return 3;
	/* After the new sums had come into force. */
	h->published.state = ++mcache_ended.folds << 1;
	cachealloc_repair();
	return caches_are_whole() ? 0 : 4;
}

static void a_fold_that_a_fork_cuts_off_leaves_exact_counts(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(fold_cut_off), 0);
}

/* What a thread touches of its cache that allocates objects of up to a size, while nobody listens to probes. */
static size_t touched_of_cache(size_t most)
{
	unsigned char in_core[sizeof(struct mcache) / MCachePage];
	size_t pages = 0;

	for (size_t size = 1; size <= most; size += size / 8 + 1)
		goalloc_free(goalloc_scan(size));
	if (mincore(mcache_self, sizeof *mcache_self, in_core) != 0)
		return SIZE_MAX;
	for (unsigned i = 0; i < sizeof in_core; i++)
		pages += in_core[i] & 1;
	return pages * MCachePage;
}

static void *of_few_classes(void *bytes)
{
	*(size_t *)bytes = touched_of_cache(256);
	return NULL;
}

static int one_thread(void)
{
	size_t of_few;
	pthread_t thread;

	/* a thread whose cache no other one had before */
	if (pthread_create(&thread, NULL, of_few_classes, &of_few) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	return of_few > 12 << 10 ? 2 : touched_of_cache(MaxSmallSize) > 16 << 10 ? 3 : 0;
}

static void a_thread_takes_16_KiB_for_itself_12_if_its_objects_are_small(void **state)
{
	(void)state;
	goalloc_release_memory();
	assert_int_equal(in_a_process(one_thread), 0);
}

static void a_limit_gives_memory_back_at_once(void **state)
{
	(void)state;
	enum { N = 64, Size = 1 << 20 };
	static void *objects[N], *other[N];
	struct goalloc_memstats stats;

	fill(objects, N, Size);
	empty(objects, N);
	goalloc_read_memstats(&stats);
	assert_int_equal(goalloc_set_memory_limit(stats.HeapInuse + (8 << 20)), 0);
	/* Objects of another size, so that the freed spans have to be split. */
	for (unsigned i = 0; i < N; i++)
		memset(other[i] = goalloc_scan(100000), 1, 100000);
	goalloc_read_memstats(&stats);
	assert_true(stats.HeapIdle - stats.HeapReleased <= 16 << 20);
	goalloc_set_memory_limit(0);
	empty(other, N);
	assert_heap_valid();
}
/* With an argument, runs only the test of that name. */
int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freed_memory_goes_back_to_the_system),
		cmocka_unit_test(what_others_freed_to_a_sleeping_thread_goes_back),
		cmocka_unit_test(an_idle_process_with_a_scavenger_gives_memory_back),
		cmocka_unit_test(the_arena_goes_on_where_others_have_mapped_something),
		cmocka_unit_test(nothing_is_reserved_that_mlockall_would_count),
		cmocka_unit_test(what_is_idle_goes_back_while_the_program_does_little),
		cmocka_unit_test(where_few_objects_live_few_are_ever_touched),
		cmocka_unit_test(a_thread_keeps_little_that_is_free_of_all_classes_together),
		cmocka_unit_test(pages_that_take_memory_are_used_before_others),
		cmocka_unit_test(free_spans_wait_for_their_class_until_their_pages_are_needed),
		cmocka_unit_test(what_was_never_used_of_a_span_is_known_when_it_is_used_again),
		cmocka_unit_test(threads_that_come_and_go_use_the_same_memory),
		cmocka_unit_test(threads_that_come_in_waves_use_the_same_memory),
		cmocka_unit_test(free_spans_that_were_used_go_back),
		cmocka_unit_test(a_late_step_returns_more_but_not_everything),
		cmocka_unit_test(ended_threads_leave_their_counters_and_no_memory),
		cmocka_unit_test(a_fold_that_a_fork_cuts_off_leaves_exact_counts),
		cmocka_unit_test(a_thread_takes_16_KiB_for_itself_12_if_its_objects_are_small),
		cmocka_unit_test(a_limit_gives_memory_back_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
