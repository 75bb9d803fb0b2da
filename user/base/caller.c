/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/caller.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static bool read_number(const char *variable, unsigned *number)
{
	const char *text = getenv(variable);
	char *end;
	unsigned long value;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	*number = (unsigned)value;
	return !*end && !errno && value < UINT32_MAX;
}

bool caller_find(struct caller *caller)
{
	if (geteuid() != 0 || !read_number("SUDO_UID", &caller->user))
		return false;
	if (!read_number("SUDO_GID", &caller->group))
		caller->group = caller->user;
	return true;
}
