/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target of probe_cost.py: allocates and frees one size from a stack of a given depth, for ever, and prints the
 * nanoseconds an allocation took, a line each 20 ms.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "goalloc.h"

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void measure(size_t size)
{
	for (;;) {
		double begin = now(), end;
		long count = 0;

		do {
			for (int i = 0; i < 1000; i++)
				goalloc_free(goalloc_noscan_at(size, GOALLOC_SITE()));
			count += 1000;
			end = now();
		} while (end - begin < 20e6);
		printf("%.2f\n", (end - begin) / (double)count);
		fflush(stdout);
	}
}

static __attribute__((noinline)) void deeper(int depth, size_t size)
{
	if (depth > 0)
		deeper(depth - 1, size);
	else
		measure(size);
	__asm__ volatile(""); /* keeps the frame: no call is the last thing here */
}

int main(int argc, char **argv)
{
	int depth = argc > 1 ? atoi(argv[1]) : 0;
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;

	deeper(depth, size);
	return 0;
}
