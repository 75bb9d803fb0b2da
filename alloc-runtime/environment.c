/* SPDX-License-Identifier: BSD-2-Clause */
/* See environment.h. */
#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

/* Whether the text is such a number; false also for those that do not fit. */
static bool parse(const char *text, size_t *bytes)
{
	static const char units[] = "kmg";
	size_t number = 0, shift = 0;
	const char *unit;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (size_t)(*text - '0'), &number))
			return false;
	}
	unit = *text ? strchr(units, *text | 0x20) : NULL;
	if (unit)
		shift = 10 * (size_t)(unit - units + 1);
	if ((*text && (!unit || text[1])) || number > SIZE_MAX >> shift)
		return false;
	*bytes = number << shift;
	return true;
}

void environment_bytes(const char *name, size_t *bytes)
{
	const char *text = secure_getenv(name);
	char message[160];

	if (!text || parse(text, bytes))
		return;
	snprintf(message, sizeof message,
		 "ignored %s: it must be a number of bytes, or a number with the suffix k, m or g", name);
	goalloc_warn(message);
}
