/* SPDX-License-Identifier: BSD-2-Clause */
/* A walk by steps of our own finds what the kernel's openat2(2) finds, or fails as that does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory_fixture.h"
#include "base/path_walk.h"
#include "skip.h"

struct outcome {
	int error;
	dev_t device;
	ino_t inode;
};

static struct outcome outcome_of(int found)
{
	struct outcome outcome = {.error = found < 0 ? errno : 0};
	struct stat status;

	if (found >= 0) {
		assert_int_equal(fstat(found, &status), 0);
		outcome.device = status.st_dev;
		outcome.inode = status.st_ino;
		close(found);
	}
	return outcome;
}

/* Returns the error, or 0. */
static int compare(const char *path)
{
	struct outcome wanted = outcome_of(path_walk(path)), found = outcome_of(path_walk_by_steps(path));

	if (wanted.error != found.error || wanted.device != found.device || wanted.inode != found.inode)
		fail_msg("'%s': %s, inode %lu; of the kernel: %s, inode %lu", path, strerror(found.error), found.inode,
			 strerror(wanted.error), wanted.inode);
	return wanted.error;
}

static void paths_of_every_kind_lead_where_the_kernel_says(void **state)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{"", ENOENT},
		{"/", 0},
		{".", 0},
		{"..", 0},
		{"file", 0},
		{"./file", 0},
		{"deep//file", 0},
		{"deep/../file", 0},
		{"file/", ENOTDIR},
		{"file/.", ENOTDIR},
		{"file/x", ENOTDIR},
		{"none", ENOENT},
		{"none/x", ENOENT},
		{"deep/", 0},
		{"link", 0},
		{"link/", ENOTDIR},
		{"to-deep", 0},
		{"to-deep/", 0},
		{"to-deep/file", 0},
		{"to-deep/../file", 0},
		{"deep/up", 0},
		{"absolute", 0},
		{"slash", ENOTDIR},
		{"dangling", ENOENT},
		{"loop", ELOOP},
		{"other/end", ELOOP},
		{"chain40", 0},
		{"chain41", ELOOP},
		{"/proc", 0},
		{"/proc/self/cwd/file", ELOOP},
		{"cwd/file", ELOOP},
		{"/proc/self/root/etc", ELOOP},
	};
	char of_process[64];

	(void)state;
	assert_int_equal(chdir(directory), 0);
	run("mkdir deep other && touch file deep/file && ln -s file link && ln -s deep to-deep && ln -s ../file deep/up && "
	    "ln -s %s/deep/file absolute && ln -s file/ slash && ln -s none dangling && ln -s loop loop && "
	    "ln -s end2 other/end && ln -s end other/end2 && ln -s /proc/self/cwd cwd && ln -s file chain1",
	    directory);
	for (int i = 2; i <= 41; i++)
		run("ln -s chain%d chain%d", i - 1, i);
	snprintf(of_process, sizeof(of_process), "/proc/%d/cwd/file", getpid());
	assert_int_equal(compare(of_process), ELOOP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(compare(cases[i].path), cases[i].error);
}

/* Names and link texts are drawn from a few words, so that most of them lead somewhere. */
static void random_path(char *path, size_t size)
{
	static const char *const words[] = {"a", "b", "c", "..", ".", "", "file", "l0", "l1", "l2", "l3", "l4"};
	size_t length = 0;

	if (rand() % 8 == 0)
		length = (size_t)snprintf(path, size, "%s/tree/", directory);
	for (int i = 0, count = 1 + rand() % 4; i < count; i++)
		length += (size_t)snprintf(path + length, size - length, "%s%s", i ? "/" : "",
					   words[(size_t)rand() % (sizeof(words) / sizeof(words[0]))]);
	if (!length || path[0] == '/')
		snprintf(path, size, "%s/a", directory);
}

static void random_paths_lead_where_the_kernel_says(void **state)
{
	int errors = 0, found = 0;
	char path[400], name[160];

	(void)state;
	srand(1);
	run("mkdir -p tree && cd tree && for each in . a b c a/a a/b b/c a/a/c; do mkdir -p $each; echo > $each/file; done");
	assert_int_equal(chdir(in_directory("tree")), 0);
	for (int round = 0; round < 200; round++) {
		static const char *const places[] = {".", "a", "b", "c", "a/b"};

		for (size_t place = 0; place < sizeof(places) / sizeof(places[0]); place++) {
			snprintf(name, sizeof(name), "%s/l%zu", places[place], (size_t)rand() % 5);
			random_path(path, sizeof(path));
			unlink(name);
			assert_int_equal(symlink(path, name), 0);
		}
		for (int i = 0; i < 50; i++) {
			int error;

			random_path(path, sizeof(path));
			error = compare(path);
			errors += error != 0;
			found += error == 0;
		}
	}
	assert_in_range(errors, 1000, 9000);
	assert_in_range(found, 1000, 9000);
}

static void links_of_others_in_a_directory_of_everybody_are_not_followed(void **state)
{
	int error;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can");
	run("mkdir shared && chmod 1777 shared && touch shared/file && ln -s file shared/theirs && ln -s file shared/mine && "
	    "chown -h 65534:65534 shared/theirs");
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(compare("shared/mine"), 0);
	error = outcome_of(path_walk("shared/theirs")).error; /* what this machine is told to do */
	assert_int_equal(outcome_of(path_walk_by_steps("shared/theirs")).error, EACCES);
	assert_true(error == 0 || error == EACCES);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_every_kind_lead_where_the_kernel_says),
		cmocka_unit_test(random_paths_lead_where_the_kernel_says),
		cmocka_unit_test(links_of_others_in_a_directory_of_everybody_are_not_followed),
	};

	return cmocka_run_group_tests_name("path_walk", tests, make_directory, remove_directory);
}
