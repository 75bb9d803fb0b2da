/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target of the probe benchmarks: allocates and frees one size from a stack of a given depth, for ever, and calls
 * a function that does nothing as often. `probe_target [DEPTH [SIZE]]` prints first that function's offset in the
 * file, for an observer to probe, then a line each 20 ms: nanoseconds for an allocation, nanoseconds for a call. Both are
 * CPU time, because other work runs on the machine.
 */
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "goalloc.h"

enum { BATCH = 20000, BARE_CALLS = 500 }; /* the clock is a system call */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* A function with a nop, which the kernel emulates, and a return. */
static __attribute__((noinline, noclone, aligned(16))) void bare_site(void)
{
	__asm__ volatile("nop");
}

static int print_offset(struct dl_phdr_info *image, size_t size, void *unused)
{
	uintptr_t address = (uintptr_t)bare_site - image->dlpi_addr;

	(void)size, (void)unused;
	for (int i = 0; i < image->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &image->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_memsz) {
			printf("%lu\n", (unsigned long)(address - segment->p_vaddr + segment->p_offset));
			fflush(stdout);
			return 1;
		}
	}
	return 0;
}

static void measure(size_t size)
{
	for (volatile bool more = true; more;) {
		double begin = now(), end, bare;
		long count = 0;

		do {
			for (int i = 0; i < BATCH; i++)
				goalloc_free(goalloc_noscan_at(size, GOALLOC_SITE()));
			count += BATCH;
			end = now();
		} while (end - begin < 20e6);
		for (int i = 0; i < BARE_CALLS; i++)
			bare_site();
		bare = now() - end;
		printf("%.3f %.3f\n", (end - begin) / (double)count, bare / BARE_CALLS);
		fflush(stdout);
	}
}

static __attribute__((noinline)) void deeper(int depth, size_t size)
{
	if (depth > 0)
		deeper(depth - 1, size);
	else
		measure(size);
	__asm__ volatile(""); /* keeps the frame, because the call is not a tail call */
}

int main(int argc, char **argv)
{
	dl_iterate_phdr(print_offset, NULL);
	deeper(argc > 1 ? atoi(argv[1]) : 0, argc > 2 ? strtoul(argv[2], NULL, 10) : 64);
	return 0;
}
