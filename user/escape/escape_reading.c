/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_reading.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "escape/escape_functions.h"
#include "escape/escape_parser.h"

struct escape_reading {
	const char *name, *directory;
	struct escape_output *output;
	struct error error;
	pthread_t thread;
	bool in_thread;
};

static void *read_all(void *argument)
{
	struct escape_reading *reading = argument;

	reading->output = escape_read(reading->name, &reading->error);
	if (reading->output)
		escape_name_functions(reading->output, reading->directory);
	return NULL;
}

/* Whether others may read the same at the same time: each reader of a file or directory has a place of its own in it. */
static bool is_shareable(const char *name)
{
	struct stat status;

	return strcmp(name, "-") != 0 && stat(name, &status) == 0 &&
	       (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

struct escape_reading *escape_reading_begin(const char *name, const char *directory)
{
	struct escape_reading *reading = memory_zeroed(1, sizeof(*reading));

	reading->name = name;
	reading->directory = directory;
	reading->in_thread = is_shareable(name) && pthread_create(&reading->thread, NULL, read_all, reading) == 0;
	if (!reading->in_thread)
		read_all(reading);
	return reading;
}

struct escape_output *escape_reading_end(struct escape_reading *reading, struct error *error)
{
	struct escape_output *output;

	if (reading->in_thread)
		pthread_join(reading->thread, NULL);
	output = reading->output;
	if (!output)
		*error = reading->error;
	free(reading);
	return output;
}
