/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WORKLOAD_DRIVER_H
#define WORKLOAD_DRIVER_H

/*
 * Runs the programs of a workload in rounds, on one or more threads, and prints at the end the allocations of each
 * site. The driver itself allocates only to start threads.
 */

#include <getopt.h>
#include <stddef.h>

#include "go_runtime.h"

struct workload_program {
	const char *name;
	void (*run)(void); /* one round; called by all threads at once */
	struct go_site *sites;
	size_t site_count;
};

struct workload {
	const char *name;
	const struct workload_program *programs;
	size_t program_count;
	const struct option *options; /* long options besides the driver's own, all with an argument; ends with zeros */
	int (*option)(int value, const char *argument); /* gets the `val` of one of these; not 0: bad value */
	const char *options_help;
};

int workload_main(const struct workload *workload, int argc, char **argv);

#endif
