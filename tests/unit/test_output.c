/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a file could not be written is said, whenever that happened. Names, links and owners are in integration/test_output.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "directory_fixture.h"
#include "skip.h"
#include "base/ending_signals.h"
#include "base/output.h"

static void a_full_device_is_named_after_any_number_of_bytes_in_any_pieces(void **state)
{
	static const size_t sizes[] = {1, 4095, 4096, 4097, 8192, 1 << 20};
	static char bytes[1 << 20];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t pieces = 1; pieces <= 3; pieces++) {
			struct error error = {0};
			struct output output;

			assert_int_equal(output_open(&output, "/dev/full", &error), 0);
			for (size_t piece = 0; piece < pieces; piece++)
				fwrite(bytes, 1, sizes[i], output.stream);
			assert_int_equal(output_commit(&output, &error), -1);
			assert_string_equal(error.text, "cannot write '/dev/full': No space left on device");
		}
	}
}

/* What is begun in a directory ends there, whatever has its name by then: for a new file, one that is replaced, and one that a link
 * leads to. */
static void a_directory_that_is_exchanged_is_the_same_to_what_is_written(void **state)
{
	static const char *const names[] = {"new", "old", "link"};

	(void)state;
	assert_non_null(mkdtemp(directory));
	run("mkdir here there && echo before | tee here/old here/led there/new there/old there/led > /dev/null && ln -s led here/link && "
	    "ln -s led there/link");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct error error = {0};
		struct output output;
		char path[32];

		snprintf(path, sizeof(path), "here/%s", names[i]);
		assert_int_equal(output_open(&output, in_directory(path), &error), 0);
		fputs("after\n", output.stream);
		run("mv here away && ln -s there here");
		assert_int_equal(output_commit(&output, &error), 0);
		run("rm here && mv away here");
	}
	run("for name in new old led; do echo after | cmp - here/$name && echo before | cmp - there/$name || exit 1; done && "
	    "test -L here/link && test $(ls -A here there | grep -c escapement) = 0");
	remove_directory(state);
}

/* Whatever takes the name meanwhile, what was written is where the error says. */
static void what_cannot_have_its_name_at_the_end_is_kept(void **state)
{
	static const char where[] = "Is a directory; all of it is in ";
	struct error error = {0};
	struct output output;
	const char *kept;

	(void)state;
	assert_non_null(mkdtemp(strcpy(directory, "/tmp/escapement-unit-XXXXXX")));
	assert_int_equal(output_open(&output, in_directory("name"), &error), 0);
	fputs("measured\n", output.stream);
	run("mkdir name");
	assert_int_equal(output_commit(&output, &error), -1);
	kept = strstr(error.text, where);
	assert_non_null(kept);
	run("echo measured | cmp - %s", kept + strlen(where));
	remove_directory(state);
}

static int takes_name_first(void *context, int directory_of_it, const char *name, struct error *error)
{
	(void)context;
	(void)directory_of_it;
	(void)error;
	run("mkdir %s", name);
	return 0;
}

/* A ring of snapshots is there to limit what is kept: each that could not have its name would stay for ever. */
static void one_of_many_that_cannot_have_its_name_is_not_kept(void **state)
{
	struct error error = {0};
	struct output output;
	char expected[200];

	assert_non_null(mkdtemp(strcpy(directory, "/tmp/escapement-unit-XXXXXX")));
	assert_int_equal(output_open_new(&output, in_directory("name"), takes_name_first, NULL, &error), 0);
	fputs("measured\n", output.stream);
	assert_int_equal(output_commit(&output, &error), -1);
	snprintf(expected, sizeof(expected), "cannot write '%s': Is a directory", in_directory("name"));
	assert_string_equal(error.text, expected);
	run("test \"$(ls -A)\" = name");
	remove_directory(state);
}

static int signal_now(void *context, int in, const char *name, struct error *error)
{
	(void)in;
	(void)name;
	(void)error;
	return raise(*(const int *)context);
}

/* A child that writes two files and is sent a signal, by itself or its own child, before they are complete or while the first one
 * takes its name. */
static void end_in_the_middle(int number, bool complete, bool in_child)
{
	struct output first, second;
	struct error error;
	pid_t child;

	signal(number, SIG_DFL); /* whatever this test was started with */
	ending_signals_leave_nothing();
	if (output_open_new(&first, in_directory("first"), signal_now, &number, &error) ||
	    output_open(&second, in_directory("second"), &error))
		_exit(1);
	fputs("after\n", first.stream);
	child = in_child ? fork() : 0;
	if (complete)
		output_commit(&first, &error);
	else if (child == 0)
		raise(number);
	waitpid(child, NULL, 0);
	if (output_commit(&second, &error))
		_exit(2);
	_exit(0);
}

static int wait_status_of(int number, bool complete, bool in_child)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		end_in_the_middle(number, complete, in_child);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void a_signal_leaves_the_old_file_or_the_new_one_and_nothing_else(void **state)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGALRM, SIGXCPU, SIGPIPE};

	(void)state;
	assert_non_null(mkdtemp(strcpy(directory, "/tmp/escapement-unit-XXXXXX")));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		run("echo before > first && echo before > second");
		assert_int_equal(WTERMSIG(wait_status_of(numbers[i], false, false)), numbers[i]);
		run("echo before | cmp - first && echo before | cmp - second && test $(ls -A | wc -l) = 2");
		assert_int_equal(WTERMSIG(wait_status_of(numbers[i], true, false)), numbers[i]);
		run("echo after | cmp - first && echo before | cmp - second && test $(ls -A | wc -l) = 2");
		assert_int_equal(wait_status_of(numbers[i], false, true), 0);
		run("test ! -s second && rm -f .escapement.*");
	}
	remove_directory(state);
}

/* Which the kernel does not end by a signal that it sends itself. Returns its exit status; -1: there cannot be one. */
static int exit_of_a_first_process(int number)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWPID))
			_exit(0);
		_exit(WEXITSTATUS(wait_status_of(number, false, false)));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status) == 0 ? -1 : WEXITSTATUS(status);
}

static void a_signal_ends_the_first_process_of_a_namespace_too(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(strcpy(directory, "/tmp/escapement-unit-XXXXXX")));
	run("echo before > first && echo before > second");
	int status = exit_of_a_first_process(SIGTERM);
	run("echo before | cmp - first && echo before | cmp - second && test $(ls -A | wc -l) = 2");
	remove_directory(state);
	if (status < 0)
		skip_because("a PID namespace needs CAP_SYS_ADMIN");
	assert_int_equal(status, 128 + SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_device_is_named_after_any_number_of_bytes_in_any_pieces),
		cmocka_unit_test(a_directory_that_is_exchanged_is_the_same_to_what_is_written),
		cmocka_unit_test(a_signal_leaves_the_old_file_or_the_new_one_and_nothing_else),
		cmocka_unit_test(a_signal_ends_the_first_process_of_a_namespace_too),
		cmocka_unit_test(what_cannot_have_its_name_at_the_end_is_kept),
		cmocka_unit_test(one_of_many_that_cannot_have_its_name_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
