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
		printf("%.3f %ld %.5f\n", ns, peak_kib(), refills());
		return 0;
	}
	fprintf(stderr, "malloc_cases: no case '%s'\n", argv[1]);
	return 2;
}
