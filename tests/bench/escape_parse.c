/* SPDX-License-Identifier: BSD-2-Clause */
/* escape_parse FILE: parses compiler output once and prints "lines bytes annotations cpu-seconds resident-KiB". */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "escape/escape_parser.h"

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct error error;
	struct escape_output *output;
	struct rusage usage;
	double seconds = cpu_seconds();

	if (argc != 2) {
		fputs("usage: escape_parse FILE\n", stderr);
		return STATUS_USAGE;
	}
	output = escape_read(argv[1], &error);
	if (!output) {
		fprintf(stderr, "escape_parse: %s\n", error.text);
		return STATUS_USAGE;
	}
	seconds = cpu_seconds() - seconds;
	getrusage(RUSAGE_SELF, &usage);
	printf("%" PRIu64 " %" PRIu64 " %zu %.6f %ld\n", output->line_count, output->byte_count,
	       output->annotation_count, seconds, usage.ru_maxrss);
	escape_free(output);
	return 0;
}
