/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug level: it reports faults, and a correct program runs normally. The tests execute this program again, with
 * the debug level set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc.h"

static const struct goalloc_site site = {"shop.go", "main.sell", 42, 7};

static void double_free(void)
{
	void *object = goalloc_scan_at(64, &site);

	goalloc_free(object);
	goalloc_free(object);
}

static void overflow(void)
{
	char *object = goalloc_scan_at(61, &site);

	*(volatile char *)(object + 61) = 1;
	goalloc_free(object);
}

static void large_overflow(void)
{
	char *object = goalloc_scan_at(100000, &site);

	*(volatile char *)(object + 100000) = 1;
	goalloc_free(object);
}

static void use_after_free(void)
{
	char *object = goalloc_scan_at(64, &site);

	goalloc_free(object);
	*(volatile char *)(object + 5) = 1;
	for (unsigned i = 0; i < 5000; i++)
		goalloc_free(goalloc_scan(64));
}

static void use_after_free_until_exit(void)
{
	char *object = goalloc_noscan_at(3, &site);

	goalloc_free(object);
	*(volatile char *)object = 1;
}

static void use_after_free_until_quick_exit(void)
{
	use_after_free_until_exit();
	quick_exit(0);
}

__attribute__((unused)) static void use_after_free_until__exit(void)
{
	use_after_free_until_exit();
	_exit(0);
}

/* The child of a vfork does not check its parent's objects, and what it reports itself leaves the parent able to free.
 * The parent reports at its own end. */
static void use_after_free_until_the_parent_of_a_vfork_ends(void)
{
	int status;

	alarm(20);
	use_after_free_until_exit();
	pid_t pid = vfork();
	if (pid == 0)
		_exit(0);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		raise(SIGKILL);
	goalloc_free(goalloc_noscan(100));
}

static void double_free_in_the_child_of_a_vfork(void)
{
	char *object = goalloc_noscan_at(100, &site);
	int status;

	alarm(20);
	goalloc_free(object);
	pid_t pid = vfork();
	if (pid == 0) {
		goalloc_free(object);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		raise(SIGKILL);
	goalloc_free(goalloc_noscan(100));
	abort();
}

static void trailer_of_a_freed_object(void)
{
	char *object = goalloc_scan_at(8, &site);

	goalloc_free(object);
	*(volatile char *)(object + 20) ^= 1;
}

static void interior_free(void)
{
	goalloc_free((char *)goalloc_scan_at(64, &site) + 16);
}

static void no_fault(void)
{
	static void *objects[500];
	unsigned random = 1;

	for (unsigned i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		unsigned k = (random >> 8) % 500, size = (random >> 10) % 2000;
		goalloc_free(objects[k]);
		objects[k] = random >> 31 ? goalloc_noscan(size) : goalloc_scan(size);
		if (goalloc_usable_size(objects[k]) != size)
			abort();
		memset(objects[k], 1, size);
	}
}

enum { LargeObject = 1 << 20 };

static void free_large_objects(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		goalloc_free(goalloc_noscan(LargeObject));
}

static void use_after_free_of_a_large_object(void)
{
	char *object = goalloc_scan_at(LargeObject, &site);

	goalloc_free(object);
	object[LargeObject / 2] = 1;
	free_large_objects(100);
	_Exit(0);
}

/* Memory that was freed is not kept without a limit. */
static void large_objects_leave_the_queue(void)
{
	struct goalloc_memstats stats;

	free_large_objects(200);
	goalloc_read_memstats(&stats);
	if (stats.HeapInuse > 100 * LargeObject)
		abort();
	goalloc_free(goalloc_noscan(200 * LargeObject));
	goalloc_read_memstats(&stats);
	if (stats.HeapInuse > 100 * LargeObject)
		abort();
}

static void *free_objects(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
		goalloc_free(goalloc_noscan(64));
	return NULL;
}

/* A child gets the queue as another thread has left it, between any two stores. */
static void children_beside_a_thread_that_frees(void)
{
	bool stop = false;
	pthread_t thread;
	int status;

	if (pthread_create(&thread, NULL, free_objects, &stop))
		abort();
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();

		if (child == 0) {
			alarm(60);
			for (int j = 0; j < 5000; j++)
				goalloc_free(goalloc_noscan(64));
			exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0)
			abort();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static const struct {
	const char *name;
	void (*fault)(void);
	const char *message;
} faults[] = {
	{"double-free", double_free, "goalloc: double free of 0x"},
	{"overflow", overflow, "goalloc: overflow past the end of 0x"},
	{"large-overflow", large_overflow, "goalloc: overflow past the end of 0x"},
	{"use-after-free", use_after_free, "goalloc: use after free of 0x"},
	{"use-after-free-until-exit", use_after_free_until_exit, "goalloc: use after free of 0x"},
	{"use-after-free-until-quick-exit", use_after_free_until_quick_exit, "goalloc: use after free of 0x"},
#ifndef __SANITIZE_ADDRESS__ /* which has an _exit() of its own */
	{"use-after-free-until-_exit", use_after_free_until__exit, "goalloc: use after free of 0x"},
#endif
	{"use-after-free-until-the-parent-of-a-vfork-ends", use_after_free_until_the_parent_of_a_vfork_ends,
	 "goalloc: use after free of 0x"},
	{"double-free-in-the-child-of-a-vfork", double_free_in_the_child_of_a_vfork, "goalloc: double free of 0x"},
	{"trailer-of-a-freed-object", trailer_of_a_freed_object, "goalloc: use after free of 0x"},
	{"interior-free", interior_free, "goalloc: free of a pointer into an object: 0x"},
	{"use-after-free-of-a-large-object", use_after_free_of_a_large_object, "goalloc: use after free of 0x"},
	{"large-objects-leave-the-queue", large_objects_leave_the_queue, NULL},
	{"children-beside-a-thread-that-frees", children_beside_a_thread_that_frees, NULL},
	{"no-fault", no_fault, NULL},
};
enum { NumFaults = sizeof faults / sizeof *faults };

/* Runs this program with a fault. Returns the status from wait() and, in `text`, its standard error. */
static int run_with(const char *fault, const char *level, char *text, size_t size)
{
	int pipes[2], status;

	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		setenv("GOALLOC_DEBUG", level, 1);
		signal(SIGABRT, SIG_DFL);
		execl("/proc/self/exe", "test_goalloc_debug", fault, (char *)NULL);
		_exit(99);
	}
	close(pipes[1]);
	size_t length = 0;
	ssize_t n;
	while ((n = read(pipes[0], text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = 0;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void faults_are_reported_with_address_span_and_site(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NumFaults; i++) {
		char text[1000];
		int status = run_with(faults[i].name, "1", text, sizeof text);
		if (!faults[i].message) {
			assert_string_equal(text, "");
			assert_int_equal(status, 0);
			continue;
		}
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		assert_memory_equal(text, faults[i].message, strlen(faults[i].message));
		assert_non_null(strstr(text, "-byte objects at 0x"));
		if (faults[i].fault != interior_free && faults[i].fault != trailer_of_a_freed_object)
			assert_non_null(strstr(text, "allocated at shop.go:42 (main.sell)"));
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	}
}

static void flip(const char *where)
{
	char *object = goalloc_scan_at(8, &site);

	*(volatile char *)(object + atoi(where)) ^= 'A';
	goalloc_free(object);
}

/* An element consists of the object, filler bytes and the trailer of four words. */
static void every_byte_past_the_end_is_checked(void **state)
{
	(void)state;
	for (unsigned offset = 8; offset < 48; offset++) {
		char argument[8], text[1000];
		snprintf(argument, sizeof argument, "%u", offset);
		int status = run_with(argument, "1", text, sizeof text);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		assert_memory_equal(text, "goalloc: overflow past the end of 0x", 36);
		/* The site is in the trailer, and is shown only if the trailer is intact. */
		assert_int_equal(strstr(text, "shop.go") != NULL, offset < 16);
	}
}

static void without_the_level_nothing_is_checked_beyond_the_free(void **state)
{
	(void)state;
	char text[1000];

	assert_int_equal(run_with("overflow", "0", text, sizeof text), 0);
	assert_string_equal(text, "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_reported_with_address_span_and_site),
		cmocka_unit_test(every_byte_past_the_end_is_checked),
		cmocka_unit_test(without_the_level_nothing_is_checked_beyond_the_free),
	};

	for (unsigned i = 0; argc > 1 && i < NumFaults; i++) {
		if (strcmp(argv[1], faults[i].name) == 0) {
			faults[i].fault();
			return 0;
		}
	}
	if (argc > 1 && argv[1][0] >= '0' && argv[1][0] <= '9') {
		flip(argv[1]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
