/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process cannot do any more that has given it up. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/subprocess.h"
#include "target/privilege.h"
#include "skip.h"

/* In a child, because what it gives up is gone for good. Exits with the number of the first thing that it still could. */
static int try_all(const char *path, const char *other)
{
	char byte;
	int file = open(path, O_RDONLY);

	if (file < 0 || privilege_keep(0) || privilege_no_files())
		return 100;
	if (read(file, &byte, 1) != 1)
		return 1; /* what is open stays open */
	if (open(path, O_RDONLY) >= 0 || errno != EACCES)
		return 2;
	if (open(path, O_WRONLY) >= 0 || errno != EACCES)
		return 3;
	if (open(other, O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES)
		return 4;
	if (unlink(path) == 0 || errno != EACCES)
		return 5;
	if (mkdir(other, 0700) == 0 || errno != EACCES)
		return 6;
	return 0;
}

static void test_without_files_an_owner_opens_none(void **state)
{
	char path[] = "/tmp/test-privilege.XXXXXX", other[64];
	int file, status;
	pid_t child;

	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) <= 0)
		skip_because("this kernel has no Landlock");
	file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(write(file, "x", 1), 1);
	close(file);
	snprintf(other, sizeof(other), "%s.new", path);
	child = fork();
	if (child == 0)
		_exit(try_all(path, other));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(unlink(path), 0);
}

/* Without that, what we start for another user would live on if we are killed. */
static void test_who_becomes_another_user_still_ends_with_its_parent(void **state)
{
	const struct identity nobody = {.other = true, .uid = 65534, .gid = 65534, .home = "/"};
	pid_t parent = getpid(), child;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can");
	child = fork();
	if (child == 0) {
		int number = 0;

		subprocess_end_with(parent, SIGKILL);
		if (identity_assume(&nobody) || getuid() != nobody.uid)
			_exit(1);
		_exit(prctl(PR_GET_PDEATHSIG, &number) || number != SIGKILL ? 2 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Capabilities that /proc/self/status shows under the name; ~0 if it does not. */
static uint64_t shown(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	uint64_t capabilities = ~UINT64_C(0);
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			capabilities = strtoull(line + strlen(name), NULL, 16);
	}
	if (file)
		fclose(file);
	return capabilities;
}

/* Lets what is executed have CAP_SYS_PTRACE: as nobody, in the permitted set, or as root. */
static int have_inheritable(bool as_root)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (!as_root && (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgid(65534) || setuid(65534)))
		return -1;
	if (syscall(SYS_capget, &header, data))
		return -1;
	data[0].inheritable = 1U << CAP_SYS_PTRACE;
	return syscall(SYS_capset, &header, data) ||
			       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_PTRACE, 0, 0) || !shown("CapAmb:")
		       ? -1
		       : 0;
}

static void test_a_program_inherits_nothing_that_its_file_could_give_back(void **state)
{
	static const struct identity same = {.other = false},
				     nobody = {.other = true, .uid = 65534, .gid = 65534, .home = "/"};
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (int as_root = 0; as_root < 2; as_root++) {
		pid_t child = fork();

		if (child == 0) {
			if (have_inheritable(as_root) || identity_assume(as_root ? &nobody : &same))
				_exit(1);
			_exit(shown("CapInh:") || shown("CapAmb:") ? 2 : 0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_files_an_owner_opens_none),
		cmocka_unit_test(test_who_becomes_another_user_still_ends_with_its_parent),
		cmocka_unit_test(test_a_program_inherits_nothing_that_its_file_could_give_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
