/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc_cases CASE SIZE OPERATIONS: one allocation pattern on plain malloc and free, so that any allocator can be
 * preloaded under it. Prints nanoseconds for an allocation with its free, the peak of resident memory in KiB and, if
 * libgoalloc is preloaded, its refills for each allocation. One word of each object is touched.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "goalloc.h"

static size_t size;
static unsigned long operations;

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void *take(size_t n)
{
	void *p = malloc(n);

	if (!p)
		abort();
	*(volatile size_t *)p = n;
	return p;
}

static inline unsigned next(unsigned *random)
{
	return *random = *random * 1664525 + 1013904223;
}

static unsigned long pair(void)
{
	for (unsigned long i = 0; i < operations; i++)
		free(take(size));
	return operations;
}

/* Nothing is freed, so the first touch of the memory is included. */
static unsigned long allocate(void)
{
	for (unsigned long i = 0; i < operations; i++)
		take(size);
	return operations;
}

static void *pair_thread(void *unused)
{
	pair();
	return unused;
}

static unsigned long pair2(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, pair_thread, NULL);
	pair();
	pthread_join(thread, NULL);
	return operations;
}

static unsigned long lifo(void)
{
	enum { N = 1024 };
	static void *stack[N];

	for (unsigned long i = 0; i < operations / N; i++) {
		for (int k = 0; k < N; k++)
			stack[k] = take(size);
		for (int k = N; k-- > 0;)
			free(stack[k]);
	}
	return operations / N * N;
}

/* Twice as many slots as objects in a working set of 8 MiB (at most 131,072 objects): a random slot is filled if it is
 * empty, and emptied if it is full. */
static unsigned long random_set(void)
{
	unsigned long n = (8UL << 20) / size, allocated = 0;
	unsigned random = 1;

	n = 2 * (n > 131072 ? 131072 : n);
	void **set = calloc(n, sizeof *set);
	for (unsigned long i = 0; i < 2 * operations; i++) {
		unsigned k = (unsigned)((unsigned long)next(&random) * n >> 32);
		if (set[k]) {
			free(set[k]);
			set[k] = NULL;
		} else {
			set[k] = take(size);
			allocated++;
		}
	}
	for (unsigned long i = 0; i < n; i++)
		free(set[i]);
	return allocated;
}

static unsigned long mixed(void)
{
	enum { N = 4096 };
	static void *set[N];
	unsigned random = 1;

	for (unsigned long i = 0; i < operations; i++) {
		unsigned k = next(&random) >> 20;
		free(set[k]);
		set[k] = take(16 + (next(&random) >> 8) % 8176);
	}
	for (int i = 0; i < N; i++)
		free(set[i]);
	return operations;
}

/* Allocates many objects, frees all in the same order, repeatedly. */
static unsigned long reuse(void)
{
	unsigned long n = (4UL << 20) / size;
	void **set = calloc(n, sizeof *set);
	unsigned long done = 0;

	while (done < operations) {
		for (unsigned long i = 0; i < n; i++)
			set[i] = take(size);
		for (unsigned long i = 0; i < n; i++)
			free(set[i]);
		done += n;
	}
	return done;
}

/* One thread allocates, another frees; a ring connects them. */
enum { Ring = 4096 };
static void *_Atomic ring[Ring];

static void *consume(void *unused)
{
	for (unsigned long i = 0; i < operations; i++) {
		void *p;
		while (!(p = atomic_load_explicit(&ring[i % Ring], memory_order_acquire)))
			sched_yield();
		atomic_store_explicit(&ring[i % Ring], NULL, memory_order_release);
		free(p);
	}
	return unused;
}

static unsigned long producer_consumer(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, consume, NULL);
	for (unsigned long i = 0; i < operations; i++) {
		void *p = take(size);
		while (atomic_load_explicit(&ring[i % Ring], memory_order_acquire))
			sched_yield();
		atomic_store_explicit(&ring[i % Ring], p, memory_order_release);
	}
	pthread_join(thread, NULL);
	return operations;
}

/* Larson and Krishnan's server: each thread replaces random objects of its set, then passes the set to a new thread. */
enum { LarsonSet = 1000, LarsonHands = 20 };

static void *larson_thread(void *argument)
{
	void **set = argument;
	unsigned random = (unsigned)(size_t)set;

	for (unsigned long i = 0; i < operations / LarsonHands / 2; i++) {
		unsigned k = (unsigned)((unsigned long)next(&random) * LarsonSet >> 32);
		free(set[k]);
		set[k] = take(16 + (next(&random) >> 8) % size);
	}
	return argument;
}

static unsigned long larson(void)
{
	void **sets[2];

	for (int t = 0; t < 2; t++) {
		sets[t] = calloc(LarsonSet, sizeof(void *));
		for (int i = 0; i < LarsonSet; i++)
			sets[t][i] = take(16 + (size_t)i % size);
	}
	for (int hand = 0; hand < LarsonHands; hand++) {
		pthread_t threads[2];
		for (int t = 0; t < 2; t++)
			pthread_create(&threads[t], NULL, larson_thread, sets[(t + hand) % 2]);
		for (int t = 0; t < 2; t++)
			pthread_join(threads[t], NULL);
	}
	return operations;
}

/*
 * What mimalloc-bench measures, in the words of this program. Objects are checked when they are freed: their first word
 * is their size, their last bytes repeat its low byte.
 */
static void *take_checked(size_t n)
{
	unsigned char *p = malloc(n);

	if (!p)
		abort();
	p[n - 1] = (unsigned char)n;
	*(size_t *)p = n;
	return p;
}

static void free_checked(void *p)
{
	size_t n = p ? *(size_t *)p : 0;

	if (p && n > sizeof n && ((unsigned char *)p)[n - 1] != (unsigned char)n)
		abort();
	free(p);
}

static size_t random_size(unsigned *random, size_t least, size_t most)
{
	return least + (next(random) >> 8) % (most - least + 1);
}

/* Runs the function in two threads, and returns when both have ended. */
static void in_two(void *(*function)(void *))
{
	pthread_t threads[2];

	for (size_t t = 0; t < 2; t++)
		pthread_create(&threads[t], NULL, function, (void *)(t + 1));
	for (int t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
}

/* One slot that threads exchange objects in. */
static void *_Atomic shared_slots[1024];

static void exchange(unsigned slot, void *p)
{
	free_checked(atomic_exchange_explicit(&shared_slots[slot % 1024], p, memory_order_acq_rel));
}

static unsigned long empty_shared(unsigned long done)
{
	for (unsigned i = 0; i < 1024; i++)
		exchange(i, NULL);
	return done;
}

/* xmalloc: batches of 256 objects, each of which the other thread frees. */
static void *xmalloc_thread(void *argument)
{
	enum { Batch = 256 };
	unsigned random = (unsigned)(size_t)argument;

	for (unsigned long i = 0; i < operations / 2 / Batch; i++) {
		void **batch = malloc(Batch * sizeof *batch);
		for (int k = 0; k < Batch; k++)
			batch[k] = take_checked(random_size(&random, 16, size));
		batch = atomic_exchange_explicit(&shared_slots[i % 16], (void *)batch, memory_order_acq_rel);
		for (int k = 0; batch && k < Batch; k++)
			free_checked(batch[k]);
		free(batch);
	}
	return argument;
}

static unsigned long xmalloc(void)
{
	in_two(xmalloc_thread);
	for (unsigned i = 0; i < 16; i++) {
		void **batch = atomic_exchange(&shared_slots[i], NULL);
		for (int k = 0; batch && k < 256; k++)
			free_checked(batch[k]);
		free(batch);
	}
	return operations;
}

/* cache-scratch and cache-thrash: do objects of two threads share cache lines? Each object is written 50 times. In
 * cache-scratch, the first object of each thread is the main thread's. */
static void *write_often(void *argument)
{
	for (unsigned long i = 0; i < operations / 2; i++) {
		volatile char *p = malloc(size);
		for (int k = 0; k < 50; k++)
			p[k % (int)size]++;
		free((void *)p);
	}
	return argument;
}

static void *free_then_write_often(void *argument)
{
	free(atomic_exchange(&shared_slots[(size_t)argument], NULL));
	return write_often(argument);
}

static unsigned long cache_thrash(void)
{
	in_two(write_often);
	return operations;
}

static unsigned long cache_scratch(void)
{
	shared_slots[1] = take(size);
	shared_slots[2] = take(size);
	in_two(free_then_write_often);
	return operations;
}

/* sh6 and sh8 (MicroQuill's): blocks of objects of each of many sizes; half are freed in order, half in reverse. In sh8,
 * two threads exchange every eighth object. */
static void sh_blocks(unsigned long count, bool exchanging)
{
	enum { Block = 2000 };
	static __thread void *block[Block];
	unsigned random = 1;

	for (unsigned long done = 0; done < count; done += Block) {
		for (int i = 0; i < Block; i++)
			block[i] =
				take_checked(8 + (exchanging ? random_size(&random, 1, size) : (size_t)(i * 7) % size));
		for (int i = 0; exchanging && i < Block; i += 8) {
			exchange((unsigned)i / 8, block[i]);
			block[i] = NULL;
		}
		for (int i = 0; i < Block / 2; i++)
			free_checked(block[i]);
		for (int i = Block; i-- > Block / 2;)
			free_checked(block[i]);
	}
}

static unsigned long sh6(void)
{
	sh_blocks(operations, false);
	return operations;
}

static void *sh8_thread(void *argument)
{
	sh_blocks(operations / 2, true);
	return argument;
}

static unsigned long sh8(void)
{
	in_two(sh8_thread);
	return empty_shared(operations);
}

/* alloc-test (OLogN's): random slots; sizes of each power of two are half as frequent as those of the one below. */
static void *alloc_test_thread(void *argument)
{
	enum { Slots = 1 << 14 };
	void **slots = calloc(Slots, sizeof *slots);
	unsigned random = (unsigned)(size_t)argument;

	for (unsigned long i = 0; i < operations / 2; i++) {
		unsigned k = next(&random) >> 18, powers = (unsigned)__builtin_ctz(next(&random) >> 8 | 1 << 10);
		free_checked(slots[k]);
		slots[k] = take_checked(random_size(&random, (size_t)8 << powers, (size_t)16 << powers));
	}
	for (int i = 0; i < Slots; i++)
		free_checked(slots[i]);
	free(slots);
	return argument;
}

static unsigned long alloc_test(void)
{
	in_two(alloc_test_thread);
	return operations;
}

/* mstress (mimalloc's): threads that come and go, keep a part of what they allocate until they end, and leave others'
 * objects to each other. */
static void *mstress_thread(void *argument)
{
	enum { Kept = 512 };
	void *kept[Kept] = {NULL};
	unsigned random = (unsigned)(size_t)argument;

	for (unsigned long i = 0; i < operations / 2 / 16; i++) {
		void *p = take_checked(random_size(&random, 16, next(&random) >> 25 == 0 ? 32 * size : size));
		unsigned k = next(&random) >> 16;
		if (k % 4 == 0) {
			exchange(k / 4, p);
			continue;
		}
		free_checked(kept[k % Kept]);
		kept[k % Kept] = p;
	}
	for (int i = 0; i < Kept; i++)
		free_checked(kept[i]);
	return argument;
}

static unsigned long mstress(void)
{
	for (int round = 0; round < 16; round++)
		in_two(mstress_thread);
	return empty_shared(operations);
}

/* rptest (rpmalloc's): each thread allocates a set of random sizes, writes all of it, and frees it in random order;
 * a quarter is freed by the other thread. */
static void *rptest_thread(void *argument)
{
	enum { Set = 256 };
	void *set[Set];
	unsigned random = (unsigned)(size_t)argument;

	for (unsigned long i = 0; i < operations / 2 / Set; i++) {
		for (int k = 0; k < Set; k++) {
			size_t n = random_size(&random, 16, size);
			set[k] = memset(take_checked(n), (unsigned char)n, n);
			*(size_t *)set[k] = n;
		}
		for (int k = Set; k > 0; k--) {
			unsigned at = (next(&random) >> 8) % (unsigned)k;
			if (k % 4 == 0)
				exchange(next(&random) >> 16, set[at]);
			else
				free_checked(set[at]);
			set[at] = set[k - 1];
		}
	}
	return argument;
}

static unsigned long rptest(void)
{
	in_two(rptest_thread);
	return empty_shared(operations);
}

/* malloc-large: 20 objects of 5 to 25 MiB, one page in four of which is written. */
static unsigned long malloc_large(void)
{
	void *set[20] = {NULL};
	unsigned random = 1;
	unsigned long count = operations / 10000;

	for (unsigned long i = 0; i < count; i++) {
		size_t n = random_size(&random, 5 << 20, 25 << 20);
		unsigned k = (next(&random) >> 8) % 20;
		free_checked(set[k]);
		set[k] = take_checked(n);
		for (size_t at = 4096; at < n - 1; at += 4 * 4096)
			((volatile char *)set[k])[at] = 1;
	}
	for (int k = 0; k < 20; k++)
		free_checked(set[k]);
	return count;
}

/* Arrays that grow by half from 256 KiB to `size` MiB, all of them written; with several, none can grow in place for long.
 * The time is that of a realloc, the first touch of the new pages included. */
static unsigned long grow(unsigned arrays)
{
	unsigned long count = 0;

	for (unsigned long round = 0; round < 4 + operations / 1000000; round++) {
		char *p[4] = {NULL};
		for (size_t n = 256 << 10, old = 0; n < size << 20; old = n, n += n / 2)
			for (unsigned i = 0; i < arrays; i++, count++) {
				p[i] = realloc(p[i], n);
				if (!p[i] || (old && (p[i][0] != (char)i || p[i][old - 1] != (char)i)))
					abort();
				memset(p[i] + old, (char)i, n - old);
			}
		for (unsigned i = 0; i < arrays; i++)
			free(p[i]);
	}
	return count;
}

static unsigned long grow1(void)
{
	return grow(1);
}

static unsigned long grow4(void)
{
	return grow(4);
}

/* A small array that grows by 16 bytes at a time to `size` bytes, as strings do. */
static unsigned long append(void)
{
	unsigned long count = 0;

	while (count < operations) {
		char *p = NULL;
		for (size_t n = 16; n <= size; n += 16, count++) {
			p = realloc(p, n);
			p[n - 1] = (char)n;
		}
		free(p);
	}
	return count;
}

static const struct {
	const char *name;
	unsigned long (*run)(void);
	/* For one thread the CPU time is used, which other work on the machine disturbs less. */
	clockid_t clock;
} cases[] = {
	{"allocate", allocate, CLOCK_PROCESS_CPUTIME_ID},
	{"pair", pair, CLOCK_PROCESS_CPUTIME_ID},
	{"pair2", pair2, CLOCK_MONOTONIC},
	{"lifo", lifo, CLOCK_PROCESS_CPUTIME_ID},
	{"random", random_set, CLOCK_PROCESS_CPUTIME_ID},
	{"mixed", mixed, CLOCK_PROCESS_CPUTIME_ID},
	{"reuse", reuse, CLOCK_PROCESS_CPUTIME_ID},
	{"producer-consumer", producer_consumer, CLOCK_MONOTONIC},
	{"larson", larson, CLOCK_MONOTONIC},
	{"xmalloc", xmalloc, CLOCK_MONOTONIC},
	{"cache-scratch", cache_scratch, CLOCK_MONOTONIC},
	{"cache-thrash", cache_thrash, CLOCK_MONOTONIC},
	{"sh6", sh6, CLOCK_PROCESS_CPUTIME_ID},
	{"sh8", sh8, CLOCK_MONOTONIC},
	{"alloc-test", alloc_test, CLOCK_MONOTONIC},
	{"mstress", mstress, CLOCK_MONOTONIC},
	{"rptest", rptest, CLOCK_MONOTONIC},
	{"malloc-large", malloc_large, CLOCK_PROCESS_CPUTIME_ID},
	{"grow", grow1, CLOCK_PROCESS_CPUTIME_ID},
	{"grow4", grow4, CLOCK_PROCESS_CPUTIME_ID},
	{"append", append, CLOCK_PROCESS_CPUTIME_ID},
};

/* Peak of resident memory. rusage's peak would include the process before its exec. */
static long peak_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (kib < 0)
		abort();
	fclose(status);
	return kib;
}

static double refills(void)
{
	void (*read_stats)(struct goalloc_stats *) = dlsym(RTLD_DEFAULT, "goalloc_read_stats");
	struct goalloc_stats stats;

	if (!read_stats)
		return 0;
	read_stats(&stats);
	return (double)stats.total.refills / (double)stats.total.objects;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: malloc_cases CASE SIZE OPERATIONS\n");
		return 2;
	}
	size = strtoul(argv[2], NULL, 10);
	operations = strtoul(argv[3], NULL, 10);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		double start = now(cases[i].clock);
		unsigned long done = cases[i].run();
		double ns = (now(cases[i].clock) - start) / (double)done;
		/* First: reading the statistics takes memory, too. */
		long kib = peak_kib();
		printf("%.3f %ld %.5f\n", ns, kib, refills());
		return 0;
	}
	fprintf(stderr, "malloc_cases: no case '%s'\n", argv[1]);
	return 2;
}
