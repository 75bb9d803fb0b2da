/* SPDX-License-Identifier: BSD-2-Clause */
/* libgoalloc compared with a trivial model, with heap validation; Go's size classes; allocation records; forks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc_heap.h"
#include "skip.h"

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
		unsigned class = span_classes.of_go[(size + 7) / 8] / 2;
		assert_true(go_sizes[class] >= size && go_sizes[class - 1] < size);
	}
}

/* Objects of such a size begin at multiples of `apart` in a page; the program writes their first words, and a free its counter. */
static void assert_entry_lies_apart(const uint8_t *entry, size_t size)
{
	size_t apart = (size & -size) < SpanClassesAlign ? size & -size : SpanClassesAlign;
	size_t counter = offsetof(struct mcache, class_counters[*entry].frees);

	assert_true((uintptr_t)entry % apart >= SpanClassesApart);
	assert_true(((uintptr_t)entry - counter) % SpanClassesAlign >= sizeof(uint64_t));
}

static void no_entry_of_a_size_lies_in_its_page_where_objects_of_that_size_are_written(void **state)
{
	(void)state;
	for (size_t size = 1024; size <= MaxSmallSize; size += 1024) {
		assert_entry_lies_apart(&span_classes.of_malloc[size / MallocSizeStep], size);
		assert_entry_lies_apart(&span_classes.of_go[size / GoSizeStep], size);
	}
}

/* Only a refill tells what was allocated: that of a loop is lost otherwise if the process is killed, and its 32-bit count wraps. */
static void assert_loop_refills(unsigned class)
{
	enum { Spans = 8, Least = 512 };
	unsigned spanclass = 2 * class, worth;
	uint64_t before;

	goalloc_free(goalloc_scan(size_classes[class].size));
	before = mcache_self->class_counters[spanclass].refills;
	worth = mcache_self->alloc[spanclass]->nelems;
	worth = worth > Least ? worth : Least;
	for (unsigned i = 0; i < Spans * worth; i++) {
		const struct mspan *s;

		goalloc_free(goalloc_scan(size_classes[class].size));
		s = mcache_self->alloc[spanclass];
		assert_true(s->allocCount - s->allocCountBeforeCache <= worth + 64);
	}
	assert_true(mcache_self->class_counters[spanclass].refills - before >= Spans / 2);
}

static void a_loop_on_the_same_pages_refills_once_for_a_spans_worth_of_objects(void **state)
{
	(void)state;
	for (unsigned class = 1; class < NumSizeClasses; class ++)
		assert_loop_refills(class);
}

static void a_loop_in_a_span_that_was_once_used_up_refills_as_often(void **state)
{
	static void *objects[PageSize];

	(void)state;
	for (unsigned class = 1; class < NumSizeClasses; class ++) {
		const struct mspan *s;
		unsigned n = 0;

		do {
			assert_in_range(n, 0, sizeof objects / sizeof *objects - 1);
			objects[n++] = goalloc_scan(size_classes[class].size);
			s = mcache_self->alloc[2 * class];
		} while (s->fresh_from < s->nelems || s->allocCache != 0);
		while (n > 0)
			goalloc_free(objects[--n]);
		assert_loop_refills(class);
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
	uint64_t window = s->allocCache, *word = &s->allocBits[s->freeindex / 64 - 1], bits = *word;
	s->allocCache = UINT64_MAX;
	*word &= ~1ULL;
	assert_non_null(mheap_is_valid());
	*word = bits;
	s->allocCache = window;
	/* An object that is allocated twice, or never again, is in the wrong number of bits. */
	*word ^= 1;
	assert_non_null(mheap_is_valid());
	*word = bits;
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

static void few_free_objects_in_many_spans_are_found_in_the_end(void **state)
{
	(void)state;
	enum { N = 102 * 400, Others = 4096 };
	static void *objects[N], *others[Others];
	struct goalloc_memstats before, after;

	fill(objects, N, 80);
	/* Every sixth object: less than a quarter of each span. */
	for (size_t i = 0; i < N; i += 6)
		goalloc_free(objects[i]);
	/* More than half of the heap, which the next refill of the class reports: a cycle begins. */
	goalloc_read_memstats(&before);
	for (uint64_t freed = 0; freed < before.HeapInuse; freed += Others * 1024) {
		fill(others, Others, 1024);
		empty(others, Others);
	}
	goalloc_read_memstats(&before);
	for (size_t i = 0; i < N; i += 6)
		objects[i] = goalloc_scan(80);
	goalloc_read_memstats(&after);
	assert_true(after.SpansSwept > before.SpansSwept);
	assert_true(after.HeapInuse - before.HeapInuse < N / 6 * 80 / 2);
	empty(objects, N);
	assert_heap_valid();
}

static void *allocates_8k(void *unused)
{
	goalloc_free(goalloc_scan(8192));
	return unused;
}

static void a_thread_keeps_more_spans_of_a_class_that_no_other_uses(void **state)
{
	(void)state;
	enum { N = 1024 };
	static void *objects[N];
	unsigned spanclass = span_classes.of_go[8192 / GoSizeStep], kept[2];
	pthread_t thread;

	mcache_giveReady(); /* whatever other tests did */
	racy_set(&mheap.central[spanclass].last, NULL);
	for (unsigned others = 0; others < 2; others++) {
		fill(objects, N, 8192);
		if (others) {
			assert_int_equal(pthread_create(&thread, NULL, allocates_8k, NULL), 0);
			pthread_join(thread, NULL);
		}
		for (unsigned i = 0; i < N; i++)
			if (i % 32 != 0)
				goalloc_free(objects[i]);
		kept[others] = mcache_self->nready[spanclass];
		for (unsigned i = 0; i < N; i += 32)
			goalloc_free(objects[i]);
	}
	assert_true(kept[0] > 8 && kept[1] <= 2);
	assert_heap_valid();
}

/* What a thread keeps that never allocates again: in each class little, and of all that no other uses 2 MiB more. */
static void a_thread_keeps_little_in_all_classes_together(void **state)
{
	(void)state;
	enum { Sizes = 6, Bytes = 8 << 20 };
	static const size_t sizes[Sizes] = {1024, 2048, 3072, 4096, 8192, 16384};
	static void *objects[Sizes][Bytes / 1024];
	size_t kept = 0;

	mcache_giveReady();
	for (unsigned i = 0; i < Sizes; i++) {
		unsigned spanclass = span_classes.of_go[sizes[i] / GoSizeStep], n = (unsigned)(Bytes / sizes[i]);

		racy_set(&mheap.central[spanclass].last, NULL);
		fill(objects[i], n, sizes[i]);
		for (unsigned k = 0; k < n; k++)
			if (k % 8 != 0)
				goalloc_free(objects[i][k]);
	}
	for (unsigned i = 0; i < Sizes; i++) {
		unsigned spanclass = span_classes.of_go[sizes[i] / GoSizeStep];
		for (const struct mspan *s = mcache_self->ready[spanclass].first; s; s = s->next)
			kept += mspan_bytes(s);
	}
	/* less if the scavenger has begun a round meanwhile */
	assert_in_range(kept, 1, Sizes * (256 << 10) + (2 << 20));
	assert_heap_valid();
	for (unsigned i = 0; i < Sizes; i++)
		for (unsigned k = 0; k < Bytes / sizes[i]; k += 8)
			goalloc_free(objects[i][k]);
	mcache_giveReady();
	assert_int_equal(mcache_self->surplus_bytes, 0);
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

/* ---- a thread that is stopped between any two instructions ---- */

enum { StepSize = 2048, StepFirst = 40, StepThen = 100 };
struct stepped {
	struct mspan *span;
	volatile unsigned allocated; /* objects of the span, since the first stop */
};

static void *free_first(void *objects)
{
	empty(objects, StepFirst - 1);
	return NULL;
}

/* Another thread frees most of a span's objects; then this one is stepped through while it allocates, also these again. */
static void allocate_stepped(struct stepped *stepped)
{
	static void *objects[StepFirst];
	pthread_t thread;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(1);
	/* Else the scavenger returns and merges, while steps are counted, what the tests before this one have left. */
	goalloc_release_memory();
	for (unsigned i = 0; i < StepFirst; i++)
		objects[i] = goalloc_scan(StepSize);
	stepped->span = arena_map.spans[((uintptr_t)objects[0] - arena_map.start) >> PageShift];
	pthread_create(&thread, NULL, free_first, objects);
	pthread_join(thread, NULL);
	/* The scavenger, which is due a second later, takes free objects for a moment. */
	mheap.rounds_next = UINT64_MAX;
	raise(SIGSTOP);
	for (unsigned i = 0; i < StepThen; i++) {
		uintptr_t object = (uintptr_t)goalloc_scan(StepSize);
		if (arena_map.spans[(object - arena_map.start) >> PageShift] == stepped->span)
			stepped->allocated++;
	}
	_exit(0);
}

static unsigned free_in_child(pid_t child, struct mspan *span)
{
	struct mspan s;
	struct iovec local = {&s, sizeof s}, remote = {span, sizeof s};
	unsigned n = 0;

	assert_int_equal(process_vm_readv(child, &local, 1, &remote, 1, 0), sizeof s);
	assert_ptr_equal(s.allocBits, span->inline_allocBits);
	s.allocBits = s.inline_allocBits;
	s.freeBits = s.inline_freeBits;
	for (unsigned w = 0; w < mspan_words(&s); w++)
		n += bit_count(mspan_freeIn(&s, w));
	return n;
}

/* At each instruction all objects but the one that is being allocated are allocated or in the bits of free ones. */
static void wherever_a_thread_is_stopped_its_free_objects_are_found(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_because("sanitized functions are too long to step through");
#endif
	struct stepped *stepped =
		mmap(NULL, sizeof *stepped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child = fork();

	if (child == 0)
		allocate_stepped(stepped);
	waitpid(child, &status, 0);
	assert_true(WIFSTOPPED(status));
	unsigned objects = free_in_child(child, stepped->span), fewest = objects, steps = 0;
	for (; WIFSTOPPED(status) && steps < 1000000; steps++) {
		unsigned found = free_in_child(child, stepped->span) + stepped->allocated;
		if (found < fewest)
			fewest = found;
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		waitpid(child, &status, 0);
	}
	assert_int_equal(status, 0);
	assert_true(steps > StepThen * 10);
	assert_true(stepped->allocated >= StepFirst);
	assert_int_equal(fewest, objects - 1);
	munmap(stepped, sizeof *stepped);
}

/* With an argument, runs only the test of that name. */
int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generated_table_is_gos),
		cmocka_unit_test(no_entry_of_a_size_lies_in_its_page_where_objects_of_that_size_are_written),
		cmocka_unit_test(a_loop_on_the_same_pages_refills_once_for_a_spans_worth_of_objects),
		cmocka_unit_test(a_loop_in_a_span_that_was_once_used_up_refills_as_often),
		cmocka_unit_test(random_operations_agree_with_a_model),
		cmocka_unit_test(walkers_notice_corruption),
		cmocka_unit_test(threads_that_free_each_others_objects_leave_a_valid_heap),
		cmocka_unit_test(reading_and_scavenging_while_threads_work_disturbs_nothing),
		cmocka_unit_test(spans_of_ended_threads_go_back_when_all_is_freed),
		cmocka_unit_test(finalizers_run_once_when_the_object_is_freed),
		cmocka_unit_test(profile_records_are_found_and_dropped_with_their_object),
		cmocka_unit_test(few_free_objects_in_many_spans_are_found_in_the_end),
		cmocka_unit_test(a_thread_keeps_more_spans_of_a_class_that_no_other_uses),
		cmocka_unit_test(a_thread_keeps_little_in_all_classes_together),
		cmocka_unit_test(memstats_add_up),
		cmocka_unit_test(children_find_a_whole_heap_whatever_other_threads_were_doing),
		cmocka_unit_test(wherever_a_thread_is_stopped_its_free_objects_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
