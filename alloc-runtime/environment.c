/* SPDX-License-Identifier: BSD-2-Clause */
/* See environment.h. */
#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

void environment_bytes(const char *name, size_t *bytes)
{
	static const char units[] = "kmg";
	const char *text = getenv(name), *unit;
	char message[160], *end;
	size_t number;

	if (!text)
		return;
	number = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit)
		number <<= 10 * (unit - units + 1);
	if (end != text && (!*end || (unit && !end[1]))) {
		*bytes = number;
		return;
	}
	snprintf(message, sizeof message,
		 "ignored %s: it must be a number of bytes, or a number with the suffix k, m or g", name);
	goalloc_warn(message);
}
