/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DIRECTORY_FIXTURE_H
#define DIRECTORY_FIXTURE_H

/* A directory of a test program's own, in which commands run. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char directory[] = "/tmp/escapement-unit-XXXXXX"; /* a name, once mkdtemp() has made it */

/* The last four results stay valid. */
static const char *in_directory(const char *name)
{
	static char paths[4][160];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

/* Runs a shell command there, which must succeed. */
static __attribute__((format(printf, 1, 2))) void run(const char *format, ...)
{
	char command[1024];
	va_list arguments;
	int length = snprintf(command, sizeof(command), "cd %s && ", directory);

	va_start(arguments, format);
	vsnprintf(command + length, sizeof(command) - (size_t)length, format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* The teardown of a group: removes the directory. */
static int remove_directory(void **state)
{
	(void)state;
	run("rm -rf \"$PWD\"");
	return 0;
}

#endif
