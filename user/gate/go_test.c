/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/go_test.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool go_test_is(int argc, char **argv)
{
	const char *slash;

	if (argc < 2)
		return false;
	slash = strrchr(argv[0], '/');
	return strcmp(slash ? slash + 1 : argv[0], "go") == 0 && strcmp(argv[1], "test") == 0;
}

char **go_test_uncached(int *argc, char **argv, int first)
{
	static char once[] = "-count=1";
	char **copy;

	for (int i = first + 2; i < *argc && strcmp(argv[i], "-args") != 0; i++) {
		if (strncmp(argv[i] + strspn(argv[i], "-"), "count", 5) == 0)
			return argv;
	}
	copy = memory_zeroed((size_t)*argc + 2, sizeof(*copy));
	memcpy(copy, argv, (size_t)(first + 2) * sizeof(*copy));
	copy[first + 2] = once;
	memcpy(copy + first + 3, argv + first + 2, (size_t)(*argc - first - 2) * sizeof(*copy));
	++*argc;
	return copy;
}
