// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program whose heap looks damaged to an observer: probes fire with an invalid span class.
 *
 *   strays COUNT OFFSET...   waits for a line; runs the probe sites at these offsets from the start of this program
 *                            COUNT times with span class 200; waits again
 */
#include <goalloc.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* Passes 200 in every argument that one of the probes uses for the span class. */
typedef void site(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);

int main(int argc, char **argv)
{
	goalloc_noscan(64);
	puts("ready");
	fflush(stdout);
	getchar();
	for (int count = argc > 1 ? atoi(argv[1]) : 0; count > 0; count--) {
		for (int i = 2; i < argc; i++) {
			uintptr_t address = (uintptr_t)__ehdr_start + strtoull(argv[i], NULL, 0);

			((site *)address)(200, 48, 48, 200, 0, 0);
		}
	}
	puts("done");
	fflush(stdout);
	getchar();
	return 0;
}
