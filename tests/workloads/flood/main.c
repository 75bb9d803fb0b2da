// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that lies about its stacks, to fill the tables of whoever observes it, beside one that does not.
 *
 *   flood ROWS OWN OFFSET   starts a child, prints "ready", and for each line fires ROWS times the probe at this offset from the
 *                           start of this program, each time with another stack; then the child does so OWN times, and "done" is
 *                           printed. Both end with the input.
 */
#include <goalloc.h>
#include <goalloc_contract.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SPAN_CLASS = 10,
	BYTES = 48,
	WEIGHT = 1 << 20, /* no observer has a coarser rate than that of samples that stand for so much */
	NOWHERE = 1 << 16,
};

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* As alloc_sample: address, bytes, weight, span class, site, stack. */
typedef void probe(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static struct goalloc_stack lie = {.depth = 2, .pcs = {NOWHERE, NOWHERE}};

static void flood(probe *fire, int count)
{
	for (int i = 0; i < count; i++) {
		lie.pcs[0]++;
		fire(0, BYTES, WEIGHT, SPAN_CLASS, 0, (uintptr_t)&lie.depth);
	}
}

static int child_of(int orders, int answers, probe *fire, int count)
{
	char byte;

	while (read(orders, &byte, 1) == 1) {
		flood(fire, count);
		if (write(answers, &byte, 1) != 1)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int orders[2], answers[2];
	char byte = '.';
	probe *fire;

	if (argc != 4 || pipe(orders) || pipe(answers))
		return 2;
	fire = (probe *)((uintptr_t)__ehdr_start + strtoull(argv[3], NULL, 0));
	goalloc_noscan(BYTES);
	if (fork() == 0) {
		close(orders[1]);
		close(answers[0]);
		_exit(write(answers[1], &byte, 1) != 1 || child_of(orders[0], answers[1], fire, atoi(argv[2])));
	}
	if (read(answers[0], &byte, 1) != 1) /* it runs, so it is observed */
		return 1;
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		flood(fire, atoi(argv[1]));
		if (write(orders[1], &byte, 1) != 1 || read(answers[0], &byte, 1) != 1)
			return 1;
		puts("done");
		fflush(stdout);
	}
	return 0;
}
