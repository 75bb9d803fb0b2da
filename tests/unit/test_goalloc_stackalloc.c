/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks for coroutines: sizes, caches, pools, guards, statistics, threads, forks and wrong frees. */
#include <errno.h>
#include <goalloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "skip.h"
#include "stack.h"
#include "valid.h"

enum { Stacks = 100000, Threads = 4 };

static uint64_t stack_bytes(void)
{
	struct goalloc_memstats stats;

	goalloc_read_memstats(&stats);
	assert_int_equal(stats.StackInuse, stats.StackSys);
	assert_int_equal(stats.HeapSys, stats.HeapInuse + stats.HeapIdle);
	return stats.StackInuse;
}

static void assert_valid(void)
{
	assert_string_equal(mheap_is_valid() ? mheap_is_valid() : "", "");
}

/* Runs a function in a child process. Returns the status from wait() and, in `text`, its standard error. */
static int in_child(void (*function)(void), char *text, size_t size)
{
	int output[2], status;
	size_t length = 0;

	assert_int_equal(pipe(output), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(output[1], STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		function();
		_exit(0);
	}
	close(output[1]);
	for (ssize_t n; length < size - 1 && (n = read(output[0], text + length, size - 1 - length)) > 0;)
		length += (size_t)n;
	text[length] = 0;
	close(output[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void stacks_are_as_large_as_asked_for_and_apart(void **state)
{
	static const size_t sizes[] = {0, 1, 2048, 2049, 5000, 16384, 32768, 32769, 100000, 1 << 20, 9 << 20};
	enum { N = sizeof sizes / sizeof *sizes, Each = 40 };
	static unsigned char *stacks[N][Each];

	(void)state;
	for (unsigned i = 0; i < N; i++)
		for (unsigned n = 0; n < Each; n++) {
			stacks[i][n] = goalloc_stack_alloc(sizes[i]);
			assert_non_null(stacks[i][n]);
			assert_int_equal((uintptr_t)stacks[i][n] % 16, 0);
			if (sizes[i] != 0)
				stacks[i][n][0] = stacks[i][n][sizes[i] - 1] = (unsigned char)(i * Each + n);
		}
	assert_valid();
	for (unsigned i = 0; i < N; i++)
		for (unsigned n = 0; n < Each; n++) {
			if (sizes[i] != 0) {
				assert_int_equal(stacks[i][n][0], (unsigned char)(i * Each + n));
				assert_int_equal(stacks[i][n][sizes[i] - 1], (unsigned char)(i * Each + n));
			}
			goalloc_stack_free(stacks[i][n], sizes[i]);
		}
	assert_valid();
}

static void a_freed_stack_is_the_next_one_and_no_object_of_the_heap(void **state)
{
	struct goalloc_stats before, after;

	(void)state;
	void *first = goalloc_stack_alloc(16384);
	goalloc_stack_free(first, 16384);
	goalloc_read_stats(&before);
	for (unsigned i = 0; i < 1000; i++) {
		void *stack = goalloc_stack_alloc(16384);
		assert_ptr_equal(stack, first);
		goalloc_stack_free(stack, 16384);
	}
	goalloc_read_stats(&after);
	assert_memory_equal(&before, &after, sizeof before);
}

static void statistics_grow_by_the_spans_and_shrink_again(void **state)
{
	static void *stacks[Stacks];
	uint64_t before = stack_bytes();

	(void)state;
	for (unsigned i = 0; i < Stacks; i++)
		assert_non_null(stacks[i] = goalloc_stack_alloc(8192));
	uint64_t full = stack_bytes() - before;
	assert_in_range(full, (uint64_t)Stacks * 8192 - StackCacheSize, (uint64_t)Stacks * 8192 + StackCacheSize);
	assert_valid();
	for (unsigned i = 0; i < Stacks; i++)
		goalloc_stack_free(stacks[i], 8192);
	assert_in_range(stack_bytes() - before, 0, 2 * StackCacheSize);
	assert_valid();
}

static void idle_large_stacks_are_bounded_and_released_on_request(void **state)
{
	enum { N = 64, Size = 1 << 20 };
	static void *stacks[N];
	uint64_t before = stack_bytes();

	(void)state;
	for (unsigned i = 0; i < N; i++)
		assert_non_null(stacks[i] = goalloc_stack_alloc(Size));
	assert_in_range(stack_bytes() - before, (uint64_t)N * Size - before, (uint64_t)N * Size);
	for (unsigned i = 0; i < N; i++)
		goalloc_stack_free(stacks[i], Size);
	assert_in_range(stack_bytes(), 0, before + 2 * Size);
	void *again = goalloc_stack_alloc(Size);
	goalloc_stack_free(again, Size);
	goalloc_release_memory();
	assert_in_range(stack_bytes(), 0, before);
	assert_valid();
}

static void no_memory_is_no_stack(void **state)
{
	(void)state;
	errno = 0;
	assert_null(goalloc_stack_alloc(SIZE_MAX));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(goalloc_stack_alloc_guarded((size_t)1 << 41));
	assert_int_equal(errno, ENOMEM);
	goalloc_stack_free(NULL, 4096);
}

/* ---- guards ---- */

static void touch_guard(void)
{
	volatile char *stack = goalloc_stack_alloc_guarded(16384);

	stack[StackGuardSize] = 1; /* the first byte above the guard */
	stack[StackGuardSize - 1] = 1;
}

static void touch_guard_of_a_used_stack(void)
{
	volatile char *stack = goalloc_stack_alloc_guarded(1 << 20);

	stack[StackGuardSize] = 1;
	goalloc_stack_free((void *)stack, 1 << 20);
	touch_guard();
}

static void an_overflow_meets_the_guard(void **state)
{
	char text[512];

	(void)state;
	int status = in_child(touch_guard, text, sizeof text);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(touch_guard_of_a_used_stack, text, sizeof text);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void memory_that_had_guards_can_be_used_for_anything(void **state)
{
	enum { N = 64 };
	static void *stacks[N];

	(void)state;
	for (unsigned i = 0; i < N; i++)
		assert_non_null(stacks[i] = goalloc_stack_alloc_guarded(32768));
	assert_valid();
	for (unsigned i = 0; i < N; i++)
		goalloc_stack_free(stacks[i], 32768);
	for (unsigned i = 0; i < N; i++) {
		stacks[i] = goalloc_noscan(1 << 20);
		memset(stacks[i], 1, 1 << 20);
	}
	for (unsigned i = 0; i < N; i++)
		goalloc_free(stacks[i]);
	assert_valid();
}

/* ---- wrong frees ---- */

static void free_twice(void)
{
	void *stack = goalloc_stack_alloc(4096);

	goalloc_stack_free(stack, 4096);
	goalloc_stack_free(stack, 4096);
}

static void free_large_twice(void)
{
	void *stack = goalloc_stack_alloc(1 << 20);

	goalloc_stack_free(stack, 1 << 20);
	goalloc_stack_free(stack, 1 << 20);
}

static void free_with_another_size(void)
{
	goalloc_stack_free(goalloc_stack_alloc(4096), 8192);
}

static void free_an_object_as_a_stack(void)
{
	goalloc_stack_free(goalloc_scan(4096), 4096);
}

static void free_a_local_as_a_stack(void)
{
	char local[64];

	goalloc_stack_free(local, 4096);
}

static void free_inside(void)
{
	goalloc_stack_free((char *)goalloc_stack_alloc(4096) + 16, 4096);
}

static void free_as_an_object(void)
{
	goalloc_free(goalloc_stack_alloc(4096));
}

static void wrong_frees_end_the_process_with_a_message(void **state)
{
	static const struct {
		void (*function)(void);
		const char *message;
	} cases[] = {
		{free_twice, "goalloc: double free of the stack 0x"},
		{free_large_twice, "goalloc: double free of the stack 0x"},
		{free_with_another_size, "goalloc: free with a wrong size of the stack 0x"},
		{free_an_object_as_a_stack, "goalloc: free of a pointer that is not a stack: 0x"},
		{free_a_local_as_a_stack, "goalloc: free of a pointer that is not a stack: 0x"},
		{free_inside, "goalloc: free of a pointer into a stack: 0x"},
		{free_as_an_object, "goalloc: free of a stack, which goalloc_stack_free takes: 0x"},
	};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		int status = in_child(cases[i].function, text, sizeof text);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		assert_memory_equal(text, cases[i].message, strlen(cases[i].message));
	}
}

/* ---- threads and forks ---- */

static void *_Atomic exchange[64];

/* Allocates stacks, and frees those that other threads allocated. */
static void *passes_stacks_on(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	for (unsigned i = 0; i < 50000; i++) {
		uint64_t *stack = seed & 1 ? goalloc_stack_alloc(4096) : goalloc_stack_alloc_guarded(16384);
		uint64_t size = seed & 1 ? 4096 : 16384;
		stack[size / 8 - 1] = size;
		uint64_t *other = atomic_exchange(&exchange[rand_r(&seed) % 64], (void *)(stack + size / 8));
		if (other)
			goalloc_stack_free((char *)other - other[-1], other[-1]);
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t threads[Threads];

	for (unsigned i = 0; i < Threads; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, passes_stacks_on, (void *)(uintptr_t)(i + 1)), 0);
	for (unsigned i = 0; i < Threads; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 64; i++) {
		uint64_t *left = atomic_exchange(&exchange[i], NULL);
		if (left)
			goalloc_stack_free((char *)left - left[-1], left[-1]);
	}
}

static void threads_free_each_others_stacks(void **state)
{
	uint64_t before = stack_bytes();

	(void)state;
	run_threads();
	assert_valid();
	/* This thread's cache keeps some stacks, each of which may be in a different span. */
	assert_in_range(stack_bytes(), 0, before + 2 * StackCacheLength * StackSpanPages * PageSize);
}

static void check_heap_and_use_stacks(void)
{
	const char *wrong = mheap_is_valid();

	if (wrong) {
		dprintf(STDERR_FILENO, "%s", wrong);
		_exit(1);
	}
	run_threads();
	if ((wrong = mheap_is_valid()))
		dprintf(STDERR_FILENO, "%s", wrong);
	_exit(wrong != NULL);
}

static void a_child_of_a_process_in_the_middle_of_it_goes_on(void **state)
{
	char text[512];

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_because("the sanitizer's locks stay locked in a child, where starting a thread waits for them");
#endif
	for (unsigned round = 0; round < 20; round++) {
		pthread_t threads[Threads];
		for (unsigned i = 0; i < Threads; i++)
			pthread_create(&threads[i], NULL, passes_stacks_on, (void *)(uintptr_t)(i + 1));
		int status = in_child(check_heap_and_use_stacks, text, sizeof text);
		assert_string_equal(text, "");
		assert_int_equal(status, 0);
		for (unsigned i = 0; i < Threads; i++)
			pthread_join(threads[i], NULL);
	}
}

/* ---- coroutines ---- */

static ucontext_t main_context;
static uint64_t sum;

static void coroutine(unsigned number)
{
	volatile char frame[1000];

	frame[0] = (char)number;
	sum += number + (uint64_t)frame[0] * 0;
}

static void coroutines_of_ucontext_run_on_them(void **state)
{
	enum { N = 20000, Size = 16384 };
	static ucontext_t contexts[N];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = goalloc_stack_alloc_guarded(Size);
		assert_non_null(contexts[i].uc_stack.ss_sp);
		contexts[i].uc_stack.ss_size = Size;
		contexts[i].uc_link = &main_context;
		makecontext(&contexts[i], (void (*)(void))coroutine, 1, i);
	}
	for (unsigned i = 0; i < N; i++)
		swapcontext(&main_context, &contexts[i]);
	assert_int_equal(sum, (uint64_t)N * (N - 1) / 2);
	for (unsigned i = 0; i < N; i++)
		goalloc_stack_free(contexts[i].uc_stack.ss_sp, Size);
	assert_valid();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_are_as_large_as_asked_for_and_apart),
		cmocka_unit_test(a_freed_stack_is_the_next_one_and_no_object_of_the_heap),
		cmocka_unit_test(statistics_grow_by_the_spans_and_shrink_again),
		cmocka_unit_test(idle_large_stacks_are_bounded_and_released_on_request),
		cmocka_unit_test(no_memory_is_no_stack),
		cmocka_unit_test(an_overflow_meets_the_guard),
		cmocka_unit_test(memory_that_had_guards_can_be_used_for_anything),
		cmocka_unit_test(wrong_frees_end_the_process_with_a_message),
		cmocka_unit_test(threads_free_each_others_stacks),
		cmocka_unit_test(a_child_of_a_process_in_the_middle_of_it_goes_on),
		cmocka_unit_test(coroutines_of_ucontext_run_on_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
