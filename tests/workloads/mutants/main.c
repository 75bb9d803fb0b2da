/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocates as a plan says, so that a test can state a change of the program in one line. A plan has one site per line:
 *
 *     FUNCTION FILE LINE COLUMN CALL SIZE COUNT [ONCE] [JITTER]
 *
 * CALL is newobject, makeslice, growslice, convT64 or - (no runtime function in between). Each round of each thread
 * allocates COUNT objects of SIZE bytes there. In addition, the whole run allocates ONCE objects, and a random number
 * of up to JITTER objects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

enum { SITES_MAX = 256, OPTION_PLAN = 1000 };

static struct plan {
	long size, count;
	atomic_long once;
	void (*allocate)(struct plan *plan, struct go_site *site);
} plans[SITES_MAX];
static struct go_site sites[SITES_MAX];
static struct workload_program program = {.name = "mutants", .sites = sites};

static void newobject(struct plan *plan, struct go_site *site)
{
	struct go_type type = {(uint32_t)plan->size, false};

	go_unreachable(runtime_newobject(&type, site));
}

static void makeslice(struct plan *plan, struct go_site *site)
{
	go_unreachable(runtime_makeslice(&go_type_int, 0, plan->size / go_type_int.size, site));
}

static void growslice(struct plan *plan, struct go_site *site)
{
	int64_t length = plan->size / go_type_int.size;

	go_unreachable(runtime_growslice(NULL, length, 0, length, &go_type_int, site).array);
}

static void convT64(struct plan *plan, struct go_site *site)
{
	go_unreachable(runtime_convT64((uint64_t)plan->size + 256, site));
}

static void direct(struct plan *plan, struct go_site *site)
{
	void *object = goalloc_scan_at((size_t)plan->size, &site->at);

	atomic_fetch_add(&site->objects, 1);
	go_unreachable(object);
}

static const struct {
	const char *name, *call;
	void (*allocate)(struct plan *plan, struct go_site *site);
} calls[] = {
	{"newobject", "runtime.newobject", newobject},
	{"makeslice", "runtime.makeslice", makeslice},
	{"growslice", "runtime.growslice", growslice},
	{"convT64", "runtime.convT64", convT64},
	{"-", "", direct},
};

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	for (size_t i = 0; i < program.site_count; i++) {
		for (long j = 0; j < plans[i].count; j++)
			plans[i].allocate(&plans[i], &sites[i]);
		while (atomic_fetch_sub(&plans[i].once, 1) > 0)
			plans[i].allocate(&plans[i], &sites[i]);
	}
	go_keep_frame();
}

static int add_site(char *line)
{
	char function[256], file[256], call[32];
	unsigned line_number, column;
	long size, count, once = 0, jitter = 0;
	struct timespec now;
	size_t at = program.site_count;

	if (sscanf(line, "%255s %255s %u %u %31s %ld %ld %ld %ld", function, file, &line_number, &column, call, &size,
		   &count, &once, &jitter) < 7 ||
	    at == SITES_MAX)
		return -1;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, call) == 0) {
			plans[at].allocate = calls[i].allocate;
			sites[at].runtime_call = calls[i].call;
		}
	}
	if (!plans[at].allocate)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	plans[at].size = size;
	plans[at].count = count;
	plans[at].once = once + (jitter ? now.tv_nsec / 1000 % jitter : 0);
	sites[at].at = (struct goalloc_site){strdup(file), strdup(function), line_number, column};
	program.site_count++;
	return 0;
}

static int read_plan(int option, const char *path)
{
	FILE *stream = fopen(path, "r");
	char line[1024];
	int result = stream ? 0 : -1;

	(void)option;
	while (!result && fgets(line, sizeof(line), stream)) {
		if (line[0] != '\n' && line[0] != '#')
			result = add_site(line);
	}
	if (stream)
		fclose(stream);
	return result;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"plan", required_argument, NULL, OPTION_PLAN}, {0}};
	struct workload workload = {"mutants", &program,  1,
				    options,   read_plan, "  --plan FILE            what to allocate\n"};

	program.run = main_main;
	return workload_main(&workload, argc, argv);
}
