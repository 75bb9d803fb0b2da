/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TESTS_PPROF_FIXTURE_H
#define ESCAPEMENT_TESTS_PPROF_FIXTURE_H

/* Shared by the tests of pprof files: a temporary directory, and a profile that uses every part of the format. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "profile/pprof.h"

static char directory[] = "/tmp/escapement-pprof-XXXXXX";

/* A path inside the test's directory; valid until the fourth call after it. */
static inline const char *in_directory(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static inline uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	uint8_t *bytes = malloc(1 << 24);

	assert_non_null(file);
	*size = fread(bytes, 1, 1 << 24, file);
	fclose(file);
	return bytes;
}

static inline uint8_t *read_gzip(const char *path, size_t *size)
{
	gzFile file = gzopen(path, "r");
	uint8_t *bytes = malloc(1 << 24);
	int length;

	assert_non_null(file);
	length = gzread(file, bytes, 1 << 24);
	assert_true(length >= 0);
	gzclose(file);
	*size = (size_t)length;
	return bytes;
}

static inline void write_gzip(const char *path, const void *bytes, size_t size)
{
	gzFile file = gzopen(path, "w");

	assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
	assert_int_equal(gzclose(file), Z_OK);
}

static inline int entries_in_directory(void)
{
	DIR *stream = opendir(directory);
	int count = 0;

	while (readdir(stream))
		count++;
	closedir(stream);
	return count - 2;
}

static inline int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

/* With what programs have left that have it as their HOME: Go keeps its telemetry there. */
static inline int remove_directory(void **state)
{
	(void)state;
	return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- a profile that uses every part of the format --- */

static inline const struct profile_location *add_location(struct profile *profile, uint64_t address,
							  const struct profile_mapping *mapping, const char *function,
							  uint32_t line)
{
	struct profile_frame frames[2] = {
		{.function = "main.(*T).Inlined",
		 .file = "/src/inlined.go",
		 .line = line + 100,
		 .column = 3,
		 .start_line = 90},
		{.function = function, .file = "/src/main.go", .line = line, .column = 9, .start_line = 1},
	};

	return profile_location(profile, address, mapping, line % 2 ? frames : frames + 1, line % 2 ? 2 : 1);
}

static inline void fill_process(struct profile *profile, int pid, const char *comm)
{
	struct profile_process *process = profile_process_add(profile, pid);

	process->comm = profile_string(profile, comm);
	process->executable = profile_string(profile, "/usr/bin/server");
	process->build_id = profile_string(profile, "abc/def-_");
	process->runtime = profile_string(profile, "go1.24.4");
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (value != VALUE_HEAP_GROWS && profile_stores(profile, value))
			process->totals[value] = pid * 1000 + value;
	}
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		process->class_totals[class][VALUE_OBJECTS] = class % 7 ? 0 : class + pid;
		process->class_totals[class][VALUE_BYTES] = class < 100 ? 0 : VALUE_UNMEASURED;
	}
	process->class_totals[SPAN_CLASSES - 1][VALUE_REFILLS] = INT64_MAX;
	process->check = (struct profile_check){.present = true,
						.source = profile_string(profile, "go heap statistics"),
						.objects = 123456789012345,
						.difference = -7,
						.bound = 9};
	process->bursts = (struct profile_bursts){true, 29, 1000000, 300000000, INT64_MAX};
	process->lost_events = 4;
	process->lost_stacks = 5;
}

static inline struct profile *rich_profile(void)
{
	struct profile *profile = profile_new();
	struct profile_mapping program = {.start = 0x400000,
					  .limit = 0x800000,
					  .offset = 0x1000,
					  .file = "/usr/bin/server",
					  .build_id = "abc/def-_"};
	struct profile_mapping library = {
		.start = 0x7f0000000000, .limit = 0x7f0000100000, .file = "/usr/lib/libgoalloc.so", .build_id = "00ff"};
	const struct profile_mapping *first = profile_mapping(profile, &program);
	const struct profile_mapping *second = profile_mapping(profile, &library);
	const struct profile_location *locations[4] = {
		add_location(profile, 0x7f0000000100, second, "runtime.mallocgc", 12),
		add_location(profile, 0x401000, first, "main.foo", 21),
		profile_location(profile, 0xffff800000000000, NULL, NULL, 0),
		profile_location(profile, 0, NULL,
				 &(struct profile_frame){.function = "site", .file = "s.go", .line = 3}, 1),
	};
	struct profile_key key = {.stack = profile_stack(profile, locations, 4, false),
				  .span_class = 11,
				  .pid = 41,
				  .comm = "server",
				  .type = "main.Point"};
	struct profile_key large = {
		.stack = profile_stack(profile, locations, 2, true), .span_class = 0, .pid = 42, .rate = 1};
	struct profile_key bare = {.stack = profile_stack(profile, NULL, 0, false), .span_class = SPAN_CLASS_UNKNOWN};

	profile->tool_version = profile_string(profile, "9.8.7-test");
	profile->target = profile_string(profile, "server: --text 'a\\b\nc' \x01 gr\xc3\xbc\xc3\x9f");
	profile->kernel = profile_string(profile, "6.18.0");
	profile->rate = 524288;
	profile->start_ns = 1764000000123456789;
	profile->duration_ns = 12345678901;
	profile->totals_exact = true;
	for (int value = 0; value < VALUE_COUNT; value++)
		profile->row_measured |= (uint32_t)profile_stores(profile, value) << value;
	profile->row_measured -= 1u << VALUE_HEAP_GROWS;
	profile_warn(profile, "first %s", "warning");
	profile_warn(profile, "second: with\nnewline");
	fill_process(profile, 41, "server");
	fill_process(profile, 42, "");
	profile->processes[1].comm = NULL;
	profile->processes[1].check.present = false;
	profile_add(profile, &key, (const int64_t[VALUE_COUNT]){10, 480, 3, 2, 1, 0, 4194304});
	profile_add(profile, &large, (const int64_t[VALUE_COUNT]){1, INT64_MAX, 1, 0, 0, 0, 0});
	profile_add(profile, &bare, (const int64_t[VALUE_COUNT]){0, 0, 0, 7, 0, 0, 0});
	return profile;
}

#endif
