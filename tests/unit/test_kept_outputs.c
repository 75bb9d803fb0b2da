/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiler output of services, parsed once for all windows. Whether a window has read the file again is in what the kernel counts
 * for its process (rchar of /proc/self/io).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape/escape_parser.h"
#include "escape_fixture.h"
#include "fleet/kept_outputs.h"

static char path[] = "/tmp/test_kept_outputs.XXXXXX";
static struct agent_watch watches[] = {{.service = "without"}, {.service = "p", .escape = path}};
static struct agent_config config = {.watches = watches, .watch_count = 2};

/* Makes the service's file another one, which has not changed for some seconds. */
static void deploy(const char *file)
{
	char *whole = realpath(file, NULL);

	unlink(path);
	assert_int_equal(symlink(whole, path), 0);
	free(whole);
}

static long long bytes_read(void)
{
	long long bytes = -1;
	FILE *file = fopen("/proc/self/io", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "rchar: %lld", &bytes), 1);
	fclose(file);
	return bytes;
}

/* What a window has of the service is what the parser says. Returns whether it has read the file for that. */
static bool window_reads(struct kept_outputs *kept, const char *file)
{
	struct escape_output *expected = escape_read(file, NULL), *output;
	struct stat status;
	struct error error;
	long long before = bytes_read();

	assert_int_equal(stat(file, &status), 0);
	output = kept_outputs_read(kept, &watches[1], &error);
	before = bytes_read() - before;
	assert_non_null(output);
	assert_int_equal(output->annotation_count, expected->annotation_count);
	for (size_t i = 0; i < output->annotation_count; i++)
		assert_string_equal(output->annotations[i].text, expected->annotations[i].text);
	escape_free(output);
	escape_free(expected);
	return before >= status.st_size;
}

/* The same in a process of its own, as the agent has one for each window. */
static bool reads(struct kept_outputs *kept, const char *file)
{
	pid_t child;
	int status;

	kept_outputs_renew(kept);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(window_reads(kept, file));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The descriptor of the memory file, the only one. */
static int memory_file(void)
{
	for (int fd = 3; fd < 100; fd++) {
		char name[32], where[64] = "";

		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		if (readlink(name, where, sizeof(where) - 1) > 0 && strstr(where, "compiler-output"))
			return fd;
	}
	return -1;
}

static void output_is_parsed_once_and_again_when_the_file_is_another(void **state)
{
	struct kept_outputs *kept = kept_outputs_new();
	glob_t found;

	(void)state;
	escape_fixtures("m2", &found);
	kept_outputs_begin(kept, &config);
	for (size_t i = 0; i < 2; i++) {
		deploy(found.gl_pathv[i]);
		assert_true(reads(kept, path));
		if (i) /* there was no empty place for it */
			assert_true(reads(kept, path));
		assert_false(reads(kept, path));
		assert_false(reads(kept, path));
	}
	kept_outputs_begin(kept, &config); /* the configuration was read again */
	assert_true(reads(kept, path));
	assert_false(reads(kept, path));
	kept_outputs_close(kept);
	assert_int_equal(memory_file(), -1);
	kept_outputs_free(kept);
	globfree(&found);
}

/* What a window that was taken over leaves is no more than bytes from outside. */
static void what_a_window_leaves_is_checked(void **state)
{
	static const int seals[] = {0, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE};
	struct kept_outputs *kept = kept_outputs_new();
	glob_t found;

	(void)state;
	escape_fixtures("m2", &found);
	deploy(found.gl_pathv[0]);
	for (size_t i = 0; i < 2; i++) {
		struct stat status;
		uint64_t identity[5];
		char rest[400] = {0};
		int file;

		kept_outputs_begin(kept, &config);
		kept_outputs_renew(kept);
		file = memory_file();
		assert_true(file >= 0);
		assert_int_equal(stat(path, &status), 0);
		identity[0] = status.st_dev;
		identity[1] = status.st_ino;
		identity[2] = (uint64_t)status.st_size;
		identity[3] = (uint64_t)status.st_mtim.tv_sec * 1000000000 + (uint64_t)status.st_mtim.tv_nsec;
		identity[4] = (uint64_t)status.st_ctim.tv_sec * 1000000000 + (uint64_t)status.st_ctim.tv_nsec;
		memset(rest, 0x7f, sizeof(rest));
		assert_int_equal(write(file, identity, sizeof(identity)), sizeof(identity));
		assert_int_equal(write(file, rest, sizeof(rest)), sizeof(rest));
		assert_int_equal(fcntl(file, F_ADD_SEALS, seals[i]), 0);
		assert_true(reads(kept, path));
		assert_true(reads(kept, path)); /* and this one keeps it */
		assert_false(reads(kept, path));
	}
	kept_outputs_free(kept);
	globfree(&found);
}

static void what_may_still_change_is_not_kept(void **state)
{
	struct kept_outputs *kept = kept_outputs_new();
	FILE *file;

	(void)state;
	unlink(path);
	file = fopen(path, "w");
	fputs("# p\n./p.go:1:6: moved to heap: x\n", file);
	fclose(file);
	assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){{0}, {INT32_MAX, 0}}, 0), 0);
	kept_outputs_begin(kept, &config);
	for (int i = 0; i < 3; i++)
		assert_true(reads(kept, path));
	kept_outputs_free(kept);
}

static void what_cannot_be_read_is_an_error_in_each_window(void **state)
{
	struct kept_outputs *kept = kept_outputs_new();
	struct error error;

	(void)state;
	deploy("/proc/self");
	kept_outputs_begin(kept, &config);
	for (int i = 0; i < 2; i++) {
		kept_outputs_renew(kept);
		assert_null(kept_outputs_read(kept, &watches[1], &error));
		assert_non_null(strstr(error.text, "is not a regular file"));
	}
	kept_outputs_free(kept);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_is_parsed_once_and_again_when_the_file_is_another),
		cmocka_unit_test(what_a_window_leaves_is_checked),
		cmocka_unit_test(what_may_still_change_is_not_kept),
		cmocka_unit_test(what_cannot_be_read_is_an_error_in_each_window),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
