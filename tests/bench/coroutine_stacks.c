/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks of coroutines from three sources, in one interleaved run: coroutine_stacks [STACKS [ROUNDS]].
 *
 * Two kinds of work, each in nanoseconds a stack:
 *     alive   STACKS coroutines at once: take their stacks, run each (ucontext), give all back
 *     churn   as many, one after the other
 * Prints the median of the rounds for each source, and its ratio to libgoalloc's.
 */
#include <goalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

enum { Size = 16384, MostRounds = 101 };

static void *from_mmap(size_t size)
{
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	return stack == MAP_FAILED ? NULL : stack;
}

static void to_mmap(void *stack, size_t size)
{
	munmap(stack, size);
}

static void to_malloc(void *stack, size_t size)
{
	(void)size;
	free(stack);
}

static const struct source {
	const char *name;
	void *(*take)(size_t size);
	void (*give)(void *stack, size_t size);
} sources[] = {
	{"goalloc", goalloc_stack_alloc, goalloc_stack_free},
	{"goalloc, guarded", goalloc_stack_alloc_guarded, goalloc_stack_free},
	{"mmap", from_mmap, to_mmap},
	{"malloc", malloc, to_malloc},
};
enum { Sources = sizeof sources / sizeof *sources };

static ucontext_t caller, context;
static volatile uint64_t ran;

static void coroutine(void)
{
	volatile char frame[256];

	frame[0] = 1;
	ran += (uint64_t)frame[0];
}

static void run_on(void *stack)
{
	if (!stack) {
		perror("coroutine_stacks: no stack");
		exit(1);
	}
	getcontext(&context);
	context.uc_stack.ss_sp = stack;
	context.uc_stack.ss_size = Size;
	context.uc_link = &caller;
	makecontext(&context, coroutine, 0);
	swapcontext(&caller, &context);
}

static void alive(const struct source *source, void **stacks, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		run_on(stacks[i] = source->take(Size));
	for (unsigned i = 0; i < count; i++)
		source->give(stacks[i], Size);
}

static void churn(const struct source *source, void **stacks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		run_on(stacks[0] = source->take(Size));
		source->give(stacks[0], Size);
	}
}

static const struct work {
	const char *name;
	void (*run)(const struct source *source, void **stacks, unsigned count);
} works[] = {{"alive", alive}, {"churn", churn}};
enum { Works = sizeof works / sizeof *works };

static double nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double times[Works][Sources][MostRounds];
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100000, rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 7;

	if (count == 0 || rounds == 0 || rounds > MostRounds) {
		fprintf(stderr, "usage: coroutine_stacks [STACKS [ROUNDS]], at most %d rounds\n", MostRounds);
		return 2;
	}
	void **stacks = malloc(count * sizeof *stacks);
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned w = 0; w < Works; w++)
			for (unsigned s = 0; s < Sources; s++) {
				double start = nanoseconds();
				works[w].run(&sources[s], stacks, count);
				times[w][s][round] = (nanoseconds() - start) / count;
			}
	for (unsigned w = 0; w < Works; w++)
		for (unsigned s = 0; s < Sources; s++) {
			qsort(times[w][s], rounds, sizeof(double), ascending);
			printf("%s  %-18s %8.0f ns a stack  %5.2f\n", works[w].name, sources[s].name,
			       times[w][s][rounds / 2], times[w][s][rounds / 2] / times[w][0][rounds / 2]);
		}
	return 0;
}
