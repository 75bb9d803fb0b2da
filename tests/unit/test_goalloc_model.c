/* SPDX-License-Identifier: BSD-2-Clause */
/* libgoalloc compared with a trivial model, with heap validation; Go's size classes; allocation records; memory that is
 * returned to the system. */
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

static unsigned next(unsigned *random)
{
	return *random = *random * 1664525 + 1013904223;
}

static void assert_heap_valid(void)
{
	const char *wrong = mheap_is_valid();

	if (wrong)
		fail_msg("invariant broken: %s", wrong);
}

/* From Go 1.27's sizeclasses.go. */
static const uint16_t go_sizes[NumSizeClasses] = {
	0,     8,     16,    24,    32,	   48,	  64,	 80,	96,    112,   128,   144,   160,   176,
	192,   208,   224,   240,   256,   288,	  320,	 352,	384,   416,   448,   480,   512,   576,
	640,   704,   768,   896,   1024,  1152,  1280,	 1408,	1536,  1792,  2048,  2304,  2688,  3072,
	3200,  3456,  4096,  4864,  5376,  6144,  6528,	 6784,	6912,  8192,  9472,  9728,  10240, 10880,
	12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
};
static const uint8_t go_pages[NumSizeClasses] = {
	0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	 1, 1,
	1, 2, 1, 2, 1, 2, 1, 3, 2, 3, 1, 3, 2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2, 9, 7, 5, 8, 3, 10, 7, 4,
};

static void the_generated_table_is_gos(void **state)
{
	(void)state;
	for (unsigned i = 1; i < NumSizeClasses; i++) {
		assert_int_equal(size_classes[i].size, go_sizes[i]);
		assert_int_equal(size_classes[i].pages, go_pages[i]);
		assert_int_equal(size_classes[i].span_pages % go_pages[i], 0);
	}
	for (unsigned size = 1; size <= MaxSmallSize; size++) {
		unsigned class = go_span_class[(size + 7) / 8] / 2;
		assert_true(go_sizes[class] >= size && go_sizes[class - 1] < size);
	}
}

/* ---- comparison with the model ---- */

struct model {
	unsigned char *object;
	size_t size;
	unsigned char pattern;
};

static void write_pattern(const struct model *m)
{
	memset(m->object, m->pattern, m->size < 512 ? m->size : 512);
	m->object[m->size - 1] = m->pattern;
}

static void check_pattern(const struct model *m)
{
	for (size_t i = 0; i < m->size && i < 512; i++)
		assert_int_equal(m->object[i], m->pattern);
	assert_int_equal(m->object[m->size - 1], m->pattern);
}

static size_t random_size(unsigned *random)
{
	unsigned r = next(random) >> 8;

	switch (r % 16) {
	case 0:
		return 1 + r / 16 % 15; /* tiny */
	case 1:
		return MaxSmallSize + 1 + r / 16 % 400000; /* large */
	case 2:
	case 3:
		return 1 + r / 16 % MaxSmallSize;
	default:
		return 1 + r / 16 % 600;
	}
}

static void random_operations_agree_with_a_model(void **state)
{
	(void)state;
	enum { Slots = 3000, Operations = 300000 };
	static struct model slots[Slots];
	struct goalloc_stats before, after;
	uint64_t objects = 0, frees = 0;
	unsigned random = 12345;

	goalloc_read_stats(&before);
	for (unsigned i = 0; i < Operations; i++) {
		struct model *m = &slots[(next(&random) >> 8) % Slots];
		if (m->object) {
			check_pattern(m);
			goalloc_free(m->object);
			m->object = NULL;
			frees++;
		} else {
			m->size = random_size(&random);
			m->pattern = (unsigned char)(random >> 16);
			m->object = next(&random) >> 31 ? goalloc_scan(m->size) : goalloc_noscan(m->size);
			assert_non_null(m->object);
			for (size_t k = 0; k < m->size && k < 512; k++)
				assert_int_equal(m->object[k], 0);
			write_pattern(m);
			objects++;
		}
		if (i % 5000 == 0)
			assert_heap_valid();
	}
	for (unsigned i = 0; i < Slots; i++) {
		if (slots[i].object) {
			check_pattern(&slots[i]);
			goalloc_free(slots[i].object);
			frees++;
		}
	}
	assert_heap_valid();
	goalloc_read_stats(&after);
	assert_int_equal(after.total.objects - before.total.objects, objects);
	assert_int_equal(after.total.frees - before.total.frees, frees);
	assert_true(after.heap_grow_bytes - before.heap_grow_bytes < 128 << 20);
}

static void walkers_notice_corruption(void **state)
{
	(void)state;
	void *object = goalloc_scan(64);
	struct mspan *s = arena_map.spans[((uintptr_t)object - arena_map.start) >> PageShift];

	assert_heap_valid();
	s->nelems++;
	assert_non_null(mheap_is_valid());
	s->nelems--;
	atomic_fetch_add(&s->freeBits[0], 1);
	assert_non_null(mheap_is_valid());
	atomic_fetch_sub(&s->freeBits[0], 1);
	mheap.pagesInUse++;
	assert_non_null(mheap_is_valid());
	mheap.pagesInUse--;
	uint64_t window = s->allocCache;
	s->allocCache = UINT64_MAX;
	s->allocBits[s->freeindex / 64 - 1] &= ~1ULL;
	assert_non_null(mheap_is_valid());
	s->allocBits[s->freeindex / 64 - 1] |= 1;
	s->allocCache = window;
	goalloc_free(object);
	assert_heap_valid();
}

/* ---- threads ---- */

enum { Threads = 4, SharedSlots = 512, ThreadOperations = 60000 };
static struct model shared[SharedSlots];
static _Atomic bool busy[SharedSlots];

static void *stress(void *argument)
{
	unsigned random = (unsigned)(uintptr_t)argument * 7919 + 1;

	for (unsigned i = 0; i < ThreadOperations; i++) {
		unsigned k = (next(&random) >> 8) % SharedSlots;
		if (atomic_exchange(&busy[k], true))
			continue;
		struct model *m = &shared[k];
		if (m->object) {
			for (size_t b = 0; b < m->size && b < 512; b++)
				if (m->object[b] != m->pattern)
					abort();
			goalloc_free(m->object);
			m->object = NULL;
		} else {
			m->size = random_size(&random);
			m->pattern = (unsigned char)(random >> 16);
			m->object = next(&random) >> 31 ? goalloc_scan(m->size) : goalloc_noscan(m->size);
			write_pattern(m);
		}
		atomic_store(&busy[k], false);
	}
	return NULL;
}

static void free_shared_slots(void)
{
	for (unsigned k = 0; k < SharedSlots; k++) {
		if (shared[k].object)
			check_pattern(&shared[k]);
		goalloc_free(shared[k].object);
		shared[k].object = NULL;
	}
}

/* Called while other threads allocate: statistics are consistent, and memory is returned to the system. */
static void check_stats(struct goalloc_memstats *before)
{
	struct goalloc_memstats now;

	goalloc_read_memstats(&now);
	assert_true(now.Mallocs >= before->Mallocs && now.Frees >= before->Frees);
	assert_true(now.Frees <= now.Mallocs);
	assert_int_equal(now.HeapObjects, now.Mallocs - now.Frees);
	assert_true(now.HeapAlloc <= now.TotalAlloc && now.TotalAlloc >= before->TotalAlloc);
	assert_int_equal(now.HeapSys, now.HeapInuse + now.HeapIdle);
	assert_true(now.HeapReleased <= now.HeapIdle);
	for (unsigned i = 0; i < GOALLOC_SIZE_CLASSES; i++) {
		assert_true(now.BySize[i].Frees <= now.BySize[i].Mallocs);
		assert_true(now.BySize[i].Mallocs >= before->BySize[i].Mallocs);
	}
	*before = now;
}

static _Atomic unsigned working;

static void *work_on(void *argument)
{
	stress(argument);
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void reading_and_scavenging_while_threads_work_disturbs_nothing(void **state)
{
	(void)state;
	static struct goalloc_memstats before;
	pthread_t threads[Threads];
	unsigned reads = 0;

	atomic_store(&working, Threads);
	for (unsigned i = 0; i < Threads; i++)
		pthread_create(&threads[i], NULL, work_on, (void *)(uintptr_t)(i + 100));
	for (; atomic_load(&working) != 0 || reads == 0; reads++) {
		check_stats(&before);
		goalloc_release_memory();
		usleep(1000);
	}
	for (unsigned i = 0; i < Threads; i++)
		pthread_join(threads[i], NULL);
	assert_heap_valid();
	free_shared_slots();
	check_stats(&before);
	assert_heap_valid();
}

static void threads_that_free_each_others_objects_leave_a_valid_heap(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		pthread_t threads[Threads];
		for (unsigned i = 0; i < Threads; i++)
			pthread_create(&threads[i], NULL, stress, (void *)(uintptr_t)(round * Threads + i));
		for (unsigned i = 0; i < Threads; i++)
			pthread_join(threads[i], NULL);
		assert_heap_valid();
	}
	free_shared_slots();
	assert_heap_valid();
}

static void *allocate_block(void *slots)
{
	for (unsigned i = 0; i < 4096; i++)
		((void **)slots)[i] = goalloc_scan(64);
	return NULL;
}

static void spans_of_ended_threads_go_back_when_all_is_freed(void **state)
{
	(void)state;
	static void *slots[4096];
	struct goalloc_memstats before, after;
	pthread_t thread;

	goalloc_read_memstats(&before);
	pthread_create(&thread, NULL, allocate_block, slots);
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < 4096; i++)
		goalloc_free(slots[i]);
	goalloc_read_memstats(&after);
	assert_true(after.HeapInuse <= before.HeapInuse);
	assert_heap_valid();
}

/* ---- records ---- */

static unsigned finalized;
static void *finalized_object;

static void finalizer(void *object, void *argument)
{
	finalized += *(unsigned *)argument;
	finalized_object = object;
	goalloc_free(goalloc_scan(64)); /* a finalizer may allocate and free */
}

static void finalizers_run_once_when_the_object_is_freed(void **state)
{
	(void)state;
	static const size_t sizes[] = {64, 16, 8192, 100000};
	unsigned one = 1;

	for (unsigned i = 0; i < 4; i++) {
		char *object = goalloc_scan(sizes[i]), *other = goalloc_scan(sizes[i]);
		finalized = 0;
		assert_int_equal(goalloc_set_finalizer(object, finalizer, &one), 0);
		assert_int_equal(goalloc_set_finalizer(object, finalizer, &one), 0);
		goalloc_free(other);
		assert_int_equal(finalized, 0);
		goalloc_free(object);
		assert_int_equal(finalized, 1);
		assert_ptr_equal(finalized_object, object);
		object = goalloc_scan(sizes[i]);
		goalloc_set_finalizer(object, finalizer, &one);
		goalloc_set_finalizer(object, NULL, NULL);
		goalloc_free(object);
		assert_int_equal(finalized, 1);
	}
	assert_int_equal(goalloc_set_finalizer(&one, finalizer, &one), -1);
}

static void profile_records_are_found_and_dropped_with_their_object(void **state)
{
	(void)state;
	int record;
	void *object = goalloc_scan(96);

	assert_null(goalloc_profile_record(object));
	assert_int_equal(goalloc_set_profile_record(object, &record), 0);
	assert_ptr_equal(goalloc_profile_record(object), &record);
	size_t inuse = mheap.specialalloc.inuse;
	goalloc_free(object);
	assert_true(mheap.specialalloc.inuse < inuse);
}

/* ---- memory ---- */

static size_t resident(void)
{
	unsigned long total, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void fill(void **objects, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		memset(objects[i] = goalloc_scan(size), 1, size);
}

static void empty(void **objects, size_t n)
{
	for (size_t i = 0; i < n; i++)
		goalloc_free(objects[i]);
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

	/* The allocator also returns memory by itself, after some time. */
	fill(objects, N, Size);
	full = resident();
	empty(objects, N);
	for (unsigned i = 0; i < 30 && resident() + (size_t)N * Size / 2 >= full; i++) {
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

static int in_a_process(int (*function)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(function());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + status;
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
	uint64_t before = heap_sys();
	uintptr_t end = mheap.arena_used;

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

/* A program without our thread that allocates little after a burst: idle memory is returned within ten seconds. */
static int burst(void)
{
	enum { N = 200000 };
	static void *objects[N];
	unsigned random = 1;
	struct timespec begin, now;
	size_t before = resident();

	for (unsigned i = 0; i < N; i++) {
		size_t size = 64 + next(&random) % 600;
		memset(objects[i] = goalloc_scan(size), 1, size);
	}
	if (resident() < before + (50 << 20))
		return 1;
	empty(objects, N);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		usleep(100000);
		for (unsigned k = 0; k < 100; k++)
			goalloc_free(goalloc_scan(100 + k * 5));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (resident() > before + (4 << 20) && now.tv_sec - begin.tv_sec <= 10);
	return resident() > before + (4 << 20) ? 2 : mheap_is_valid() ? 3 : 0;
}

static void what_is_idle_goes_back_while_the_program_does_little(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(burst), 0);
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

static int many_threads(void)
{
	static pthread_t threads[ManyThreads];
	struct goalloc_stats before, after;
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	pthread_barrier_init(&all_there, NULL, ManyThreads + 1);
	pthread_barrier_init(&all_may_go, NULL, ManyThreads + 1);
	goalloc_read_stats(&before);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < ManyThreads; i++)
			if (pthread_create(&threads[i], &attributes, allocate_and_wait, NULL) != 0)
				return 1;
		pthread_barrier_wait(&all_there);
		pthread_barrier_wait(&all_may_go);
		for (unsigned i = 0; i < ManyThreads; i++)
			pthread_join(threads[i], NULL);
	}
	goalloc_read_stats(&after);
	if (after.total.objects - before.total.objects != 2 * 8 * ManyThreads ||
	    after.total.frees - before.total.frees != 2 * 8 * ManyThreads)
		return 2;
	/* The caches of ended threads still use the memory of their counters. */
	unsigned resident_pages = 0, caches = 0;
	for (struct mcache *c = mcache_all; c; c = c->next, caches++) {
		unsigned char in_core[sizeof *c / MCachePage];
		if (c->inuse)
			continue;
		if (mincore(c, sizeof *c, in_core) != 0)
			return 3;
		for (unsigned i = 0; i < sizeof in_core; i++)
			resident_pages += in_core[i] & 1;
	}
	if (caches < ManyThreads || caches > ManyThreads + 20)
		return 4;
	return resident_pages > ManyThreads * MCacheKept / MCachePage + 8 * 5 ? 5 : mheap_is_valid() ? 6 : 0;
}

static void ended_threads_keep_their_counters_and_little_memory(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(many_threads), 0);
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

static void few_free_objects_in_many_spans_are_found_in_the_end(void **state)
{
	(void)state;
	enum { N = 128 * 400 };
	static void *objects[N];
	struct goalloc_memstats before, after;

	fill(objects, N, 64);
	goalloc_read_memstats(&before);
	/* Every sixth object: less than a quarter of each span. Each round also frees and allocates many other
	 * objects. */
	for (unsigned round = 0; round < 60; round++) {
		for (size_t i = round % 6; i < N; i += 6)
			goalloc_free(objects[i]);
		for (size_t i = round % 6; i < N; i += 6)
			objects[i] = goalloc_scan(64);
	}
	goalloc_read_memstats(&after);
	assert_true(after.SpansSwept > before.SpansSwept);
	assert_true(after.HeapInuse < before.HeapInuse + before.HeapInuse / 4);
	empty(objects, N);
	assert_heap_valid();
}

static void memstats_add_up(void **state)
{
	(void)state;
	struct goalloc_memstats m;
	void *object = goalloc_scan(1000);

	goalloc_read_memstats(&m);
	assert_int_equal(m.HeapSys, m.HeapInuse + m.HeapIdle);
	assert_true(m.HeapReleased <= m.HeapIdle);
	assert_true(m.HeapAlloc <= m.HeapInuse);
	assert_int_equal(m.HeapObjects, m.Mallocs - m.Frees);
	uint64_t mallocs = 0, frees = 0;
	for (unsigned i = 0; i < GOALLOC_SIZE_CLASSES; i++) {
		assert_int_equal(m.BySize[i].Size, go_sizes[i]);
		assert_true(m.BySize[i].Frees <= m.BySize[i].Mallocs);
		mallocs += m.BySize[i].Mallocs;
		frees += m.BySize[i].Frees;
	}
	assert_int_equal(mallocs, m.Mallocs);
	assert_int_equal(frees, m.Frees);
	goalloc_free(object);
}

/* ---- forks ---- */

static _Atomic bool stop;
static _Atomic(void *) handed_over[64];

/* Keeps every lock of the heap busy: allocates small, tiny and large objects, of which other threads free half, and
 * starts threads that end. */
static void *keep_the_heap_busy(void *argument)
{
	unsigned random = (unsigned)(uintptr_t)argument;

	while (!atomic_load(&stop)) {
		unsigned r = next(&random) >> 8;
		size_t size = r % 8 == 0 ? 40000 + r % 200000 : r % 8 == 1 ? r % 15 : 1 + r % 9000;
		void *object = r % 2 ? goalloc_scan(size) : goalloc_noscan(size);
		if (size != 0)
			*(char *)object = 1;
		goalloc_free(r % 4 == 0 ? object : atomic_exchange(&handed_over[r >> 3 & 63], object));
	}
	return NULL;
}

static void *allocate_one(void *unused)
{
	(void)unused;
	return goalloc_scan(500);
}

static void *keep_threads_coming(void *argument)
{
	while (!atomic_load(&stop)) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, allocate_one, NULL) == 0) {
			void *object;
			pthread_join(thread, &object);
			goalloc_free(object);
		}
	}
	return argument;
}

static int in_child(void **mine, unsigned n)
{
	const char *wrong = mheap_is_valid();

	alarm(60);
	for (unsigned i = 0; i < n; i++)
		goalloc_free(mine[i]);
	for (unsigned i = 0; i < 64; i++)
		goalloc_free(atomic_exchange(&handed_over[i], NULL));
	unsigned random = 1;
	for (unsigned i = 0; i < 2000; i++) {
		void *object = goalloc_scan(1 + next(&random) % 60000);
		memset(object, 1, 1);
		goalloc_free(object);
	}
	if (!wrong)
		wrong = mheap_is_valid();
	if (wrong)
		fprintf(stderr, "in a child: %s\n", wrong);
	return wrong != NULL;
}

static void children_find_a_whole_heap_whatever_other_threads_were_doing(void **state)
{
	(void)state;
	enum { Busy = 3, Forks = 50, Mine = 500 };
	pthread_t threads[Busy + 1];
	static void *mine[Mine];
	unsigned broken = 0;

	atomic_store(&stop, false);
	for (unsigned i = 0; i < Busy; i++)
		pthread_create(&threads[i], NULL, keep_the_heap_busy, (void *)(uintptr_t)(i + 1));
	pthread_create(&threads[Busy], NULL, keep_threads_coming, NULL);
	for (unsigned i = 0; i < Forks; i++) {
		for (unsigned k = 0; k < Mine; k++)
			mine[k] = goalloc_scan(8 + k * 13 % 4000);
		pid_t pid = fork();
		if (pid == 0)
			_exit(in_child(mine, Mine));
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		broken += status != 0;
		for (unsigned k = 0; k < Mine; k++)
			goalloc_free(mine[k]);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i <= Busy; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 64; i++)
		goalloc_free(atomic_exchange(&handed_over[i], NULL));
	assert_int_equal(broken, 0);
	assert_heap_valid();
}

/* With an argument, runs only the test of that name. */
int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generated_table_is_gos),
		cmocka_unit_test(random_operations_agree_with_a_model),
		cmocka_unit_test(walkers_notice_corruption),
		cmocka_unit_test(threads_that_free_each_others_objects_leave_a_valid_heap),
		cmocka_unit_test(reading_and_scavenging_while_threads_work_disturbs_nothing),
		cmocka_unit_test(spans_of_ended_threads_go_back_when_all_is_freed),
		cmocka_unit_test(finalizers_run_once_when_the_object_is_freed),
		cmocka_unit_test(profile_records_are_found_and_dropped_with_their_object),
		cmocka_unit_test(freed_memory_goes_back_to_the_system),
		cmocka_unit_test(what_others_freed_to_a_sleeping_thread_goes_back),
		cmocka_unit_test(an_idle_process_with_a_scavenger_gives_memory_back),
		cmocka_unit_test(the_arena_goes_on_where_others_have_mapped_something),
		cmocka_unit_test(nothing_is_reserved_that_mlockall_would_count),
		cmocka_unit_test(what_is_idle_goes_back_while_the_program_does_little),
		cmocka_unit_test(ended_threads_keep_their_counters_and_little_memory),
		cmocka_unit_test(a_limit_gives_memory_back_at_once),
		cmocka_unit_test(few_free_objects_in_many_spans_are_found_in_the_end),
		cmocka_unit_test(memstats_add_up),
		cmocka_unit_test(children_find_a_whole_heap_whatever_other_threads_were_doing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
