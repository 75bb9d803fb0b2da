/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked into the command line tool by --wrap: makes allocations of user/ and cli/ fail, but not those of libraries.
 * FAIL_ALLOCATION=N fails only the Nth, FAIL_ALLOCATION=N+ the Nth and all later ones, FAIL_ALLOCATION=0 none. With
 * any of them, the tool prints "allocations: COUNT" to standard error at exit.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long calls, chosen;
static bool later;

static __attribute__((constructor)) void choose(void)
{
	const char *text = getenv("FAIL_ALLOCATION");
	char *end = NULL;

	chosen = text ? strtoul(text, &end, 10) : 0;
	later = end && *end == '+';
}

static __attribute__((destructor)) void print_count(void)
{
	if (getenv("FAIL_ALLOCATION") && !chosen)
		fprintf(stderr, "allocations: %lu\n", calls);
}

static bool fails(void)
{
	unsigned long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);

	return chosen && (later ? call >= chosen : call == chosen);
}

#define WRAPPED(type, name, parameters, arguments)            \
	type __real_##name parameters;                        \
	type __wrap_##name parameters;                        \
	type __wrap_##name parameters                         \
	{                                                     \
		return fails() ? 0 : __real_##name arguments; \
	}

WRAPPED(void *, malloc, (size_t size), (size))
WRAPPED(void *, calloc, (size_t count, size_t size), (count, size))
WRAPPED(void *, realloc, (void *memory, size_t size), (memory, size))
WRAPPED(void *, reallocarray, (void *memory, size_t count, size_t size), (memory, count, size))
WRAPPED(FILE *, open_memstream, (char **text, size_t *size), (text, size))

int __real_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
	return fails() ? -1 : __real_vasprintf(text, format, arguments);
}

/* -D_FORTIFY_SOURCE replaces calls of vasprintf() by this function */
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments);
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments)
{
	(void)flag;
	return __wrap_vasprintf(text, format, arguments);
}
