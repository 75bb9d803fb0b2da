/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes with libgoalloc-preload.so: threads, forks, libraries, and ways to exit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc.h"
#include "preload_fixture.h"
#include "skip.h"

/* ---- threads and forks ---- */

static _Atomic bool stop;

static void *churn(void *argument)
{
	unsigned random = (unsigned)(uintptr_t)argument;
	void *objects[64] = {NULL};

	while (!atomic_load(&stop)) {
		random = random * 1664525 + 1013904223;
		unsigned k = random >> 26;
		call_free(objects[k]);
		objects[k] = call_malloc(1 + (random >> 8) % 5000);
	}
	for (unsigned k = 0; k < 64; k++)
		call_free(objects[k]);
	return NULL;
}

static void children_of_a_busy_process_allocate(void **state)
{
	(void)state;
	enum { Churners = 3, Forks = 100 };
	pthread_t threads[Churners];

	atomic_store(&stop, false);
	for (unsigned i = 0; i < Churners; i++)
		pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < Forks; i++) {
		void *mine = call_malloc(300);
		pid_t pid = fork();
		if (pid == 0) {
			alarm(20);
			call_free(mine);
			for (unsigned k = 0; k < 5000; k++)
				call_free(call_malloc(1 + k * 7 % 6000));
			call_free(call_malloc(1 << 20));
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		call_free(mine);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < Churners; i++)
		pthread_join(threads[i], NULL);
}

static char name[] = "/tmp/goalloc-test-XXXXXX";

/* getline() allocates while it holds the lock of a stream. */
static void *read_lines(void *unused)
{
	FILE *file = fopen(name, "r");

	while (!atomic_load(&stop)) {
		char *line = NULL;
		size_t size = 0;
		rewind(file);
		assert_true(getline(&line, &size, file) > 0);
		call_free(line);
	}
	fclose(file);
	return unused;
}

static void *flush_all(void *unused)
{
	while (!atomic_load(&stop)) {
		fflush(NULL);
		usleep(500); /* otherwise fork() rarely gets the lock of the list of streams */
	}
	return unused;
}

/* fork() takes stdio's locks after it has run the handlers of pthread_atfork(), which lock the allocator. */
static void fork_waits_for_nobody_who_allocates_with_a_streams_lock(void **state)
{
	(void)state;
	enum { Readers = 2, Forks = 40 };
	pthread_t threads[Readers + 1];
	FILE *file = fdopen(mkstemp(name), "w");

	for (unsigned i = 0; i < 60000; i++)
		fputc('x', file);
	fputc('\n', file);
	fclose(file);
	atomic_store(&stop, false);
	alarm(120); /* a deadlock ends the test */
	for (unsigned i = 0; i <= Readers; i++)
		pthread_create(&threads[i], NULL, i < Readers ? read_lines : flush_all, NULL);
	for (unsigned i = 0; i < Forks; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i <= Readers; i++)
		pthread_join(threads[i], NULL);
	alarm(0);
	unlink(name);
}

enum { Cancelled = 20 }; /* more than there are caches of ended threads that a thread may take */

static pthread_barrier_t all_allocated;
static _Atomic unsigned nallocated;

static void *allocate_cancelled(void *unused)
{
	pthread_cancel(pthread_self());
	void *object = call_malloc(100);
	atomic_fetch_add(&nallocated, 1);
	pthread_barrier_wait(&all_allocated);
	call_free(object);
	pthread_testcancel();
	return unused;
}

static void a_threads_first_allocation_is_no_cancellation_point(void **state)
{
	(void)state;
	pthread_t threads[Cancelled];

	pthread_barrier_init(&all_allocated, NULL, Cancelled);
	alarm(60); /* a thread that was cancelled with a lock held ends the test */
	for (unsigned i = 0; i < Cancelled; i++)
		pthread_create(&threads[i], NULL, allocate_cancelled, NULL);
	for (unsigned i = 0; i < Cancelled; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_ptr_equal(result, PTHREAD_CANCELED);
	}
	alarm(0);
	assert_int_equal(atomic_load(&nallocated), Cancelled);
	pthread_barrier_destroy(&all_allocated);
}

static pthread_key_t keys[3];

static void destructor(void *value)
{
	/* Sets the key again twice, so that it runs and allocates in each round, whatever the order of the
	 * destructors. */
	unsigned *rounds = value;
	void *p = call_malloc(200);
	memset(p, 1, 200);
	call_free(p);
	if ((*rounds)++ < 2)
		pthread_setspecific(keys[0], rounds);
	else
		call_free(rounds);
}

static void *with_destructors(void *unused)
{
	(void)unused;
	pthread_setspecific(keys[0], call_calloc(1, sizeof(unsigned)));
	return call_malloc(77);
}

static void destructors_of_threads_may_allocate(void **state)
{
	(void)state;
	size_t caches = 0;

	for (unsigned i = 0; i < 3; i++)
		pthread_key_create(&keys[i], i == 0 ? destructor : NULL);
	for (unsigned i = 0; i < 300; i++) {
		pthread_t thread;
		void *object;
		struct goalloc_memstats stats;
		assert_int_equal(pthread_create(&thread, NULL, with_destructors, NULL), 0);
		pthread_join(thread, &object);
		call_free(object);
		goalloc_read_memstats(&stats);
		if (i == 10)
			caches = stats.MCacheInuse;
	}
	struct goalloc_memstats stats;
	goalloc_read_memstats(&stats);
	assert_int_equal(stats.MCacheInuse, caches);
}

static void write_after_free(void)
{
	char *object = call_malloc(100);

	call_free(object);
	*(volatile char *)(object + 7) = 1;
}

/* Executes this program again, at the debug level. */
static void writes_after_free_are_reported_however_the_process_ends(void **state)
{
	static const char *const ends[] = {"_exit", "_Exit", "exit", "quick_exit"};

	(void)state;
	for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			setenv("GOALLOC_DEBUG", "1", 1);
			signal(SIGABRT, SIG_DFL);
			if (!freopen("/dev/null", "w", stderr))
				_exit(99);
			execl("/proc/self/exe", "test_goalloc_preload_process", ends[i], (char *)NULL);
			_exit(99);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

/* Wrong uses of realloc, each of which must end the process with a report. */
static void realloc_freed(void)
{
	char *p = call_malloc(100);

	call_free(p);
	call_realloc(p, 90);
}

static void *free_it(void *object)
{
	call_free(object);
	return NULL;
}

static void realloc_of_what_another_thread_freed(void)
{
	char *p = call_malloc(100);
	pthread_t thread;

	pthread_create(&thread, NULL, free_it, p);
	pthread_join(thread, NULL);
	call_realloc(p, 90);
}

enum { Several = 3000, Kept = 4 };
static char *several[Several];

/* Frees three of four. */
static void *allocate_several(void *barrier)
{
	for (unsigned i = 0; i < Several; i++)
		several[i] = call_malloc(48);
	if (barrier) {
		pthread_barrier_wait(barrier);
		pause();
	}
	for (unsigned i = 0; i < Several; i++)
		if (i % Kept)
			call_free(several[i]);
	return NULL;
}

static void realloc_freed_in_a_span_without_an_owner(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, allocate_several, NULL);
	pthread_join(thread, NULL);
	call_realloc(several[Several / 2 + 1], 40);
}

static void realloc_freed_in_a_span_of_another_thread(void)
{
	pthread_barrier_t barrier;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, allocate_several, &barrier);
	pthread_barrier_wait(&barrier);
	call_free(several[Several / 2]);
	call_realloc(several[Several / 2], 40);
}

/* Of 8 KiB, 170 objects of 48 bytes leave room for most of another one. */
static void realloc_past_the_last_object(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, allocate_several, NULL);
	pthread_join(thread, NULL);
	call_realloc((char *)((uintptr_t)several[Several / Kept * 2] & -(uintptr_t)8192) + 170 * 48, 40);
}

static void realloc_inside_large(void)
{
	call_realloc((char *)call_malloc(100000) + 8192, 120000);
}

static void realloc_inside_small(void)
{
	call_realloc((char *)call_malloc(100) + 16, 500);
}

static void realloc_of_the_stack(void)
{
	volatile char here[64] = {0};

	call_realloc((void *)(uintptr_t)here, 500);
}

static void wrong_reallocs_are_reported(void **state)
{
	static void (*const wrong[])(void) = {realloc_freed,
					      realloc_of_what_another_thread_freed,
					      realloc_freed_in_a_span_without_an_owner,
					      realloc_freed_in_a_span_of_another_thread,
					      realloc_past_the_last_object,
					      realloc_inside_large,
					      realloc_inside_small,
					      realloc_of_the_stack};

	(void)state;
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			if (!freopen("/dev/null", "w", stderr))
				_exit(99);
			wrong[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static long locked_kib(void)
{
	char line[200];
	long value = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof line, file))
		sscanf(line, "VmLck: %ld", &value);
	if (file)
		fclose(file);
	return value;
}

enum { MiB = 1 << 20, MayNotLock = 77 };

/* An array that cannot grow where it is, in a heap that is locked: no page of it is ever unlocked. */
static int grow_a_locked_array(void)
{
	call_free(memset(call_malloc(40 * MiB), 1, 40 * MiB));
	if (mlockall(MCL_CURRENT) != 0)
		return MayNotLock;
	char *array = memset(call_malloc(8 * MiB), 2, 8 * MiB);
	call_malloc(2 * MiB);
	long locked = locked_kib();
	array = call_realloc(array, 16 * MiB);
	if (array[8 * MiB - 1] != 2 || locked_kib() < locked)
		return 1;
	call_free(array);
	call_malloc(16 * MiB);
	return locked_kib() < locked ? 2 : 0;
}

/* An array that has moved before the heap was locked. */
static int lock_an_array_that_has_moved(void)
{
	char *array = memset(call_malloc(8 * MiB), 2, 8 * MiB);

	call_malloc(2 * MiB);
	array = call_realloc(array, 16 * MiB);
	if (mlockall(MCL_CURRENT) != 0)
		return MayNotLock;
	long locked = locked_kib();
	call_free(array);
	return locked_kib() < locked ? 3 : 0;
}

static void locked_memory_stays_locked(void **state)
{
	static int (*const cases[])(void) = {grow_a_locked_array, lock_an_array_that_has_moved};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(cases[i]());
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == MayNotLock)
			skip_because("the limit of locked memory is too low");
		assert_int_equal(status, 0);
	}
}

static void end_by(const char *name_of_end)
{
	write_after_free();
	if (strcmp(name_of_end, "_exit") == 0)
		_exit(0);
	if (strcmp(name_of_end, "_Exit") == 0)
		_Exit(0);
	if (strcmp(name_of_end, "quick_exit") == 0)
		quick_exit(0);
	exit(0);
}

static void libraries_come_and_go(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
		if (!library)
			skip_because("libz is not installed");
		assert_non_null(dlsym(library, "deflate"));
		assert_int_equal(dlclose(library), 0);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		end_by(argv[1]);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_of_a_busy_process_allocate),
		cmocka_unit_test(fork_waits_for_nobody_who_allocates_with_a_streams_lock),
		cmocka_unit_test(a_threads_first_allocation_is_no_cancellation_point),
		cmocka_unit_test(destructors_of_threads_may_allocate),
		cmocka_unit_test(writes_after_free_are_reported_however_the_process_ends),
		cmocka_unit_test(wrong_reallocs_are_reported),
		cmocka_unit_test(locked_memory_stays_locked),
		cmocka_unit_test(libraries_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
