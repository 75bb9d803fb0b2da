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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "escape/escape_parser.h"
#include "escape_fixture.h"
#include "fleet/kept_outputs.h"

enum { IDENTITY = 40 }; /* bytes before what is kept, which say of which file it is */

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

/* -1: unknown. */
static long long bytes_read(void)
{
	long long bytes = -1;
	FILE *file = fopen("/proc/self/io", "r");

	if (file && fscanf(file, "rchar: %lld", &bytes) != 1)
		bytes = -1;
	if (file)
		fclose(file);
	return bytes;
}

/* How a process ends that stands for a window: an assertion there would go on with the tests that follow, in the child. */
enum window { DID_NOT_READ, DID_READ, FAILED, DIFFERS };

/* What a window has of the service must be what the parser says. Also returns whether it has read the file for that. */
static enum window window_of(struct kept_outputs *kept, const struct agent_watch *watch)
{
	struct escape_output *expected = escape_read(path, NULL), *output;
	char *wanted = expected ? escape_printed(expected) : NULL, *found = NULL;
	enum window result = FAILED;
	struct stat status;
	struct error error;
	long long before = bytes_read();

	if (!wanted || before < 0 || stat(path, &status))
		return FAILED;
	output = kept_outputs_read(kept, watch, &error);
	before = bytes_read() - before;
	if (output)
		found = escape_printed(output);
	if (found)
		result = strcmp(found, wanted) != 0 ? DIFFERS : before >= status.st_size ? DID_READ : DID_NOT_READ;
	escape_free(output);
	escape_free(expected);
	free(wanted);
	free(found);
	return result;
}

/* In a process of its own, as the agent has one for each window. */
static bool reads_of(struct kept_outputs *kept, const struct agent_watch *watch)
{
	pid_t child;
	int status;

	kept_outputs_renew(kept);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit((int)window_of(kept, watch));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), DID_NOT_READ, DID_READ);
	return WEXITSTATUS(status) == DID_READ;
}

static bool reads(struct kept_outputs *kept)
{
	return reads_of(kept, &watches[1]);
}

/* The first descriptor of a memory file from that on. */
static int memory_file(int from)
{
	for (int fd = from; fd < 100; fd++) {
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
		assert_true(reads(kept));
		if (i) /* there was no empty place for it */
			assert_true(reads(kept));
		assert_false(reads(kept));
		assert_false(reads(kept));
	}
	kept_outputs_begin(kept, &config); /* the configuration was read again */
	assert_true(reads(kept));
	assert_false(reads(kept));
	kept_outputs_close(kept);
	assert_int_equal(memory_file(3), -1);
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
		uint64_t identity[IDENTITY / sizeof(uint64_t)];
		char rest[400] = {0};
		int file;

		kept_outputs_begin(kept, &config);
		kept_outputs_renew(kept);
		file = memory_file(3);
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
		assert_true(reads(kept));
		assert_true(reads(kept)); /* and this one keeps it */
		assert_false(reads(kept));
	}
	kept_outputs_free(kept);
	globfree(&found);
}

static off_t size_of_memory_file(int from)
{
	struct stat status;

	assert_int_equal(fstat(memory_file(from), &status), 0);
	return status.st_size;
}

/* The clock of this process is ahead by so much, so that a file need not be old to have been left alone for some seconds. */
static time_t ahead_s;
static bool changes_file; /* somebody does when the clock is next read, which is behind the reading of the file */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, time);

	if (result || clock != CLOCK_REALTIME)
		return result;
	time->tv_sec += ahead_s;
	if (changes_file) {
		int file = open(path, O_WRONLY | O_APPEND);

		changes_file = false;
		(void)!write(file, "./p.go:2:6: moved to heap: y\n", 29);
		close(file);
	}
	return result;
}

/* A file that was written just now, and that says it was modified at that time. */
static void write_file(time_t modified_s)
{
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("# p\n", file);
	for (int line = 1; line < 1000; line++) /* more than is read of other files */
		fprintf(file, "./p.go:%d:6: moved to heap: x\n", line);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){{0}, {modified_s, 0}}, 0), 0);
}

static void what_may_still_change_is_not_kept(void **state)
{
	enum { AGO = 3600 };
	const time_t now = time(NULL);
	const struct {
		time_t ahead_s, modified_s;
		bool changes, kept;
	} cases[] = {
		{AGO, now, false, true},	     /* nobody has touched it for an hour */
		{AGO, now + 2 * AGO, false, false},  /* written a moment ago, */
		{-AGO, now - 2 * AGO, false, false}, /* or at least touched; */
		{AGO, now, true, false},	     /* or written to while it was read */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kept_outputs *kept = kept_outputs_new();

		kept_outputs_begin(kept, &config);
		write_file(cases[i].modified_s);
		ahead_s = cases[i].ahead_s;
		changes_file = cases[i].changes;
		assert_true(reads(kept));
		changes_file = false;
		assert_int_equal(size_of_memory_file(3) > 0, cases[i].kept);
		assert_int_equal(reads(kept), !cases[i].kept);
		ahead_s = 0;
		kept_outputs_free(kept);
	}
}

/* All that has room for outputs of services is full: that of another has taken it. */
static void what_has_no_room_is_parsed_by_each_window_and_prepared_by_one(void **state)
{
	struct agent_watch both[] = {{.service = "q", .escape = path}, watches[1]};
	struct agent_config of_both = {.watches = both, .watch_count = 2};
	struct kept_outputs *kept = kept_outputs_new();
	glob_t found;
	int other;

	(void)state;
	escape_fixtures("m2", &found);
	kept_outputs_begin(kept, &of_both);
	kept_outputs_renew(kept);
	other = memory_file(3);
	assert_int_equal(ftruncate(other, 64 << 20), 0);
	for (size_t i = 0; i < 2; i++) {
		deploy(found.gl_pathv[i]);
		if (i) /* for another one there is no empty place yet */
			assert_true(reads_of(kept, &both[1]));
		for (int window = 0; window < 2; window++) {
			assert_true(reads_of(kept, &both[1]));
			assert_int_equal(size_of_memory_file(other + 1), IDENTITY);
			assert_true(fcntl(memory_file(other + 1), F_GET_SEALS) & F_SEAL_WRITE);
		}
	}
	kept_outputs_free(kept);
	globfree(&found);
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
		cmocka_unit_test(what_has_no_room_is_parsed_by_each_window_and_prepared_by_one),
		cmocka_unit_test(what_cannot_be_read_is_an_error_in_each_window),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
