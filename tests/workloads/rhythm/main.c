/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A loop with a period that divides the number of objects per span: sites A, B, … allocate objects of one size in the
 * order of --pattern. By default there are two sites and 128 objects per span, so sampling by refills sees one site only,
 * although their shares are those of the pattern. A ring of objects is freed in order of age: memory use is constant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum { SITES = 8, MAX_LIVE = 1 << 16 };
enum { OPTION_PATTERN = 1000, OPTION_SIZE, OPTION_LIVE, OPTION_REPEAT };

static const char *pattern = "AB";
static struct go_type type = {64, true};
static long live = 1024, repeat = 1024;

#define RHYTHM_SITE(letter, line) GO_SITE("rhythm/main.go", "main." letter, line, 9, "runtime.newobject")

static struct go_site sites[SITES] = {
	RHYTHM_SITE("A", 10), RHYTHM_SITE("B", 20), RHYTHM_SITE("C", 30), RHYTHM_SITE("D", 40),
	RHYTHM_SITE("E", 50), RHYTHM_SITE("F", 60), RHYTHM_SITE("G", 70), RHYTHM_SITE("H", 80),
};

#define RHYTHM_FUNCTION(letter)                                                    \
	static void *main_##letter(void) GO_FUNCTION("main." #letter);             \
	static void *main_##letter(void)                                           \
	{                                                                          \
		void *object = runtime_newobject(&type, &sites[#letter[0] - 'A']); \
                                                                                   \
		go_keep_frame();                                                   \
		return object;                                                     \
	}

RHYTHM_FUNCTION(A)
RHYTHM_FUNCTION(B)
RHYTHM_FUNCTION(C)
RHYTHM_FUNCTION(D)
RHYTHM_FUNCTION(E)
RHYTHM_FUNCTION(F)
RHYTHM_FUNCTION(G)
RHYTHM_FUNCTION(H)

static void *(*const functions[SITES])(void) = {main_A, main_B, main_C, main_D, main_E, main_F, main_G, main_H};

/* One round runs the pattern `repeat` times. The ring outlives rounds; the thread's last objects stay live. */
static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	static __thread void *ring[MAX_LIVE];
	static __thread long next;

	for (long i = 0; i < repeat; i++) {
		for (const char *letter = pattern; *letter; letter++) {
			go_unreachable(ring[next]);
			ring[next] = functions[*letter - 'A']();
			next = next + 1 < live ? next + 1 : 0;
		}
	}
}

static int number(const char *text, long most, long *value)
{
	char *end;

	*value = strtol(text, &end, 10);
	return end == text || *end || *value < 1 || *value > most;
}

static int take_option(int option, const char *argument)
{
	long size;

	switch (option) {
	case OPTION_PATTERN:
		pattern = argument;
		return *argument == 0 || argument[strspn(argument, "ABCDEFGH")] != 0;
	case OPTION_SIZE:
		if (number(argument, 1 << 20, &size))
			return 1;
		type.size = (uint32_t)size;
		return 0;
	case OPTION_LIVE:
		return number(argument, MAX_LIVE, &live);
	default:
		return number(argument, INT32_MAX, &repeat);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"pattern", required_argument, NULL, OPTION_PATTERN},
		{"size", required_argument, NULL, OPTION_SIZE},
		{"live", required_argument, NULL, OPTION_LIVE},
		{"repeat", required_argument, NULL, OPTION_REPEAT},
		{0},
	};
	const struct workload_program program = {"rhythm", main_main, sites, SITES};
	const struct workload workload = {"rhythm",
					  &program,
					  1,
					  options,
					  take_option,
					  "  --pattern LETTERS      sites in order, A to H (AB)\n"
					  "  --repeat N             patterns per round (1024)\n"
					  "  --size N               bytes per object (64)\n"
					  "  --live N               live objects per thread (1024)\n"};

	return workload_main(&workload, argc, argv);
}
