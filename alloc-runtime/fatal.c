/* SPDX-License-Identifier: BSD-2-Clause */
/* The last words of a process whose heap is not to be trusted any more. Nothing here allocates. */
#include "runtime.h"

#include <string.h>

#include "sys.h"

static size_t append(char *line, size_t at, size_t size, const char *text)
{
	while (*text && at < size)
		line[at++] = *text++;
	return at;
}

void goalloc_fatal(const char *what, uintptr_t address)
{
	char line[160], digits[19] = "0x0000000000000000";
	size_t n = 0;

	for (int i = 17; i >= 2; i--, address >>= 4)
		digits[i] = "0123456789abcdef"[address & 15];
	const char *hex = digits + 2 + strspn(digits + 2, "0");
	n = append(line, n, sizeof line, "goalloc: ");
	n = append(line, n, sizeof line, what);
	n = append(line, n, sizeof line, " 0x");
	n = append(line, n, sizeof line, *hex ? hex : "0");
	n = append(line, n, sizeof line, "\n");
	sysWrite(line, n);
	sysAbort();
}
