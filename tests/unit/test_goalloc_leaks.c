/* SPDX-License-Identifier: BSD-2-Clause */
/* Lost objects: what a search reports of objects that a test has planted. Programs beside LeakSanitizer are in test_leaks.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "goalloc_heap.h"

enum { Most = 200 };

struct node {
	struct node *next, *other;
	char rest[48];
};

struct found {
	size_t direct, indirect, bytes, depths;
	uintptr_t objects[Most]; /* inverted, so that they do not refer to the objects in a second search */
};

static struct node *volatile kept;

static void count(const struct goalloc_unreachable *lost, void *argument)
{
	struct found *found = argument;
	size_t n = found->direct + found->indirect;

	if (n < Most)
		found->objects[n] = ~(uintptr_t)lost->object;
	found->direct += !lost->indirect;
	found->indirect += lost->indirect;
	found->bytes += lost->bytes;
	found->depths += lost->depth;
}

static struct found search(void)
{
	struct found found = {0};

	assert_int_equal(goalloc_find_unreachable(count, &found), 0);
	return found;
}

/* Overwrites what functions that have returned left on the stack. Without the gaps that AddressSanitizer would put around the
 * array, which keep what was there. */
static __attribute__((noinline, no_sanitize_address)) void clear_stack(void)
{
	volatile uint64_t stack[4096];

	for (unsigned i = 0; i < sizeof stack / sizeof *stack; i++)
		stack[i] = 0;
}

/* Frees what was found, so that the next test begins with nothing lost. */
static void free_found(const struct found *found)
{
	for (size_t i = 0; i < found->direct + found->indirect && i < Most; i++)
		goalloc_free((void *)~found->objects[i]);
	clear_stack();
}

static struct found plant(void (*planted)(void))
{
	planted();
	clear_stack();
	struct found found = search();
	free_found(&found);
	return found;
}

static struct node *node(struct node *next)
{
	struct node *n = goalloc_scan(sizeof *n);

	n->next = next;
	return n;
}

static __attribute__((noinline)) void list_and_cycle(void)
{
	node(node(node(NULL)));
	struct node *last = node(NULL), *first = node(node(last));
	last->next = first;
}

static void test_of_a_list_the_head_and_of_a_cycle_one_object_is_lost_directly(void **state)
{
	(void)state;
	struct found found = plant(list_and_cycle);

	assert_int_equal(found.direct, 2);
	assert_int_equal(found.indirect, 4);
	assert_int_equal(found.bytes, 6 * sizeof(struct node));
	assert_int_equal(found.depths, 0); /* nothing was sampled */
}

enum { Largest = 300000 };

static size_t next_size(size_t size)
{
	return size + size / 3 + 1;
}

static __attribute__((noinline)) void every_size(void)
{
	for (size_t size = 1; size <= Largest; size = next_size(size)) {
		node(goalloc_scan(size));
		node(goalloc_noscan(size + TinySize));
		goalloc_free(goalloc_scan(size));
		goalloc_free(goalloc_noscan(size));
	}
}

static void test_objects_of_every_size_are_found_and_freed_objects_are_not(void **state)
{
	(void)state;
	size_t sizes = 0;

	for (size_t size = 1; size <= Largest; size = next_size(size))
		sizes++;
	struct found found = plant(every_size);
	assert_int_equal(found.direct, 2 * sizes);
	assert_int_equal(found.indirect, 2 * sizes);
}

static uintptr_t tiny[3];

static __attribute__((noinline)) void tiny_objects(void)
{
	for (unsigned i = 0; i < 3; i++)
		tiny[i] = ~(uintptr_t)goalloc_noscan(5);
	goalloc_free(goalloc_noscan(16)); /* in the same span, but no block */
}

/* The first test, since the thread's cache must not have a block yet. */
static void test_tiny_objects_are_lost_by_their_block(void **state)
{
	(void)state;
	tiny_objects();
	clear_stack();
	struct found found = search();
	assert_int_equal(found.direct, 1);
	assert_int_equal(found.bytes, 15);
	kept = (struct node *)~tiny[1];
	assert_int_equal(search().direct, 0);
	kept = NULL;
	for (unsigned i = 0; i < 3; i++)
		goalloc_free((void *)~tiny[i]);
	clear_stack();
	assert_int_equal(search().direct, 0); /* only this thread's cache has the block */
}

static __attribute__((noinline)) void in_noscan(void)
{
	struct node **words = goalloc_noscan(64);

	words[0] = node(NULL);
	kept = (struct node *)words;
}

static void test_what_only_a_noscan_object_refers_to_is_lost(void **state)
{
	(void)state;
	struct found found = plant(in_noscan);

	assert_int_equal(found.direct, 1);
	assert_int_equal(found.indirect, 0);
	goalloc_free(kept);
	kept = NULL;
}

static __attribute__((noinline)) void kept_by_an_inner_address(void)
{
	struct node *large = goalloc_scan(100000);

	large->next = node(NULL);
	kept = (struct node *)((char *)large + 99999);
}

static void test_an_address_within_an_object_keeps_it(void **state)
{
	(void)state;
	struct found found = plant(kept_by_an_inner_address);

	assert_int_equal(found.direct + found.indirect, 0);
	kept = NULL;
	found = search();
	assert_int_equal(found.direct, 1);
	assert_int_equal(found.indirect, 1);
	free_found(&found);
}

static __attribute__((noinline)) void more_than_the_work_list_holds(void)
{
	enum { Length = 200000 };

	/* Each node's second reference is to an object that has to be scanned: they all wait until the list has been walked. */
	for (unsigned i = 0; i < Length; i++) {
		struct node *n = node(NULL);
		n->next = node(node(NULL));
		n->other = kept;
		kept = n;
	}
}

static void test_a_structure_that_overflows_the_work_list_is_marked_whole(void **state)
{
	(void)state;
	struct found found = plant(more_than_the_work_list_holds);

	assert_int_equal(found.direct + found.indirect, 0);
	while (kept) {
		struct node *n = kept;
		kept = n->other;
		goalloc_free(n->next->next);
		goalloc_free(n->next);
		goalloc_free(n);
	}
}

static void finalize(void *object, void *argument)
{
	(void)object;
	goalloc_free(argument);
}

static struct node **volatile stack;

static __attribute__((noinline)) void other_roots(void)
{
	kept = node(NULL);
	goalloc_set_finalizer(kept, finalize, node(NULL));
	stack = goalloc_stack_alloc_guarded(64 * 1024);
	stack[5000] = node(NULL);
}

static void test_stacks_and_arguments_of_finalizers_are_roots(void **state)
{
	(void)state;
	struct found found = plant(other_roots);

	assert_int_equal(found.direct + found.indirect, 0);
	goalloc_free(kept);
	kept = NULL;
	goalloc_stack_free(stack, 64 * 1024);
	stack = NULL;
	clear_stack();
	found = search();
	assert_int_equal(found.direct, 1);
	free_found(&found);
}

/* ---- threads ---- */

static atomic_bool ending;
static atomic_uint started;
static pthread_key_t key;
static __thread struct node *own;

static __attribute__((noinline)) void *keeps(void *argument)
{
	struct node *volatile on_stack = node(NULL);

	own = node(NULL);
	pthread_setspecific(key, node(NULL));
	atomic_fetch_add(&started, 1);
	while (!atomic_load(&ending))
		usleep(100);
	goalloc_free(on_stack);
	goalloc_free(own);
	goalloc_free(pthread_getspecific(key));
	return argument;
}

/* Allocates and frees in every way while it is stopped again and again: nothing of it is ever lost. */
static void *allocates(void *argument)
{
	unsigned random = (unsigned)(uintptr_t)argument;
	struct node *volatile objects[100] = {NULL};

	atomic_fetch_add(&started, 1);
	while (!atomic_load(&ending)) {
		random = random * 1664525 + 1013904223;
		unsigned at = random >> 8 & 63, size = random >> 16 & 1023;
		goalloc_free(objects[at]);
		objects[at] =
			random >> 30 ? goalloc_scan(size * (size % 64 == 0 ? 100 : 1)) : goalloc_noscan(size % 64);
		if (size % 256 == 0) {
			void *coroutine = goalloc_stack_alloc(4096);
			goalloc_stack_free(coroutine, 4096);
		}
	}
	for (unsigned i = 0; i < 100; i++)
		goalloc_free(objects[i]);
	return NULL;
}

/* Takes what another thread allocated, and frees it. */
static _Atomic(struct node *) passed;

static void *frees(void *argument)
{
	atomic_fetch_add(&started, 1);
	while (!atomic_load(&ending)) {
		goalloc_free(atomic_exchange(&passed, NULL));
		goalloc_free(atomic_exchange(&passed, node(NULL)));
	}
	return argument;
}

enum { Threads = 4 };

static void with_threads(void *(*body)(void *), unsigned searches)
{
	pthread_t threads[Threads];
	size_t lost = 0;

	atomic_store(&ending, false);
	atomic_store(&started, 0);
	for (uintptr_t i = 0; i < Threads; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)(i + 1)), 0);
	while (atomic_load(&started) < Threads)
		usleep(100);
	for (unsigned i = 0; i < searches; i++) {
		struct found found = search();
		lost += found.direct + found.indirect;
	}
	atomic_store(&ending, true);
	for (unsigned i = 0; i < Threads; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(lost, 0);
}

static void test_stacks_thread_locals_and_specific_data_of_other_threads_are_roots(void **state)
{
	(void)state;
	pthread_key_create(&key, NULL);
	with_threads(keeps, 3);
	struct found found = search();
	assert_int_equal(found.direct + found.indirect, 0);
	pthread_key_delete(key);
}

static void test_nothing_is_lost_of_threads_stopped_while_they_allocate(void **state)
{
	(void)state;
	with_threads(allocates, 30);
}

static void test_nothing_is_lost_of_threads_stopped_while_they_free_for_each_other(void **state)
{
	(void)state;
	with_threads(frees, 30);
	goalloc_free(atomic_exchange(&passed, NULL));
}

static void *forks(void *argument)
{
	atomic_fetch_add(&started, 1);
	while (!atomic_load(&ending)) {
		pid_t child = fork();
		if (child == 0) {
			struct found found = {0};
			struct node *n = node(NULL);
			/* What the parent's other threads had lives on in the child, without those threads. */
			int result = goalloc_find_unreachable(count, &found);
			goalloc_free(n);
			_exit(result == 0 ? 7 : 8);
		}
		int status = 0;
		if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
			abort();
	}
	return argument;
}

static void test_threads_may_fork_meanwhile_and_children_search_too(void **state)
{
	(void)state;
	with_threads(forks, 10);
}

/* ---- the call ---- */

static void in_callback(const struct goalloc_unreachable *lost, void *argument)
{
	struct found *found = argument;

	(void)lost;
	goalloc_free(node(NULL));
	*found = search();
}

static void ignore(const struct goalloc_unreachable *lost, void *argument)
{
	(void)lost;
	(void)argument;
}

static volatile sig_atomic_t in_fork, in_the_middle;

static void fork_in_handler(int signal)
{
	(void)signal;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	in_the_middle += in_fork;
	waitpid(pid, NULL, 0);
}

/* Until handlers have forked in the middle of a fork that was made for them to interrupt. */
static int fork_while_handlers_fork(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
	timer_t timer;

	/* a deadlock would end the process */
	alarm(100);
	if (sigaction(SIGUSR1, &action, NULL) != 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		return 1;
	for (unsigned i = 0; i < 3000 && in_the_middle < 5; i++) {
		/* Once each time: a fork begins anew after a signal, so that with many it would never end. */
		struct itimerspec once = {.it_value.tv_nsec = 1000 * (1 + i * 7 % 400)};
		timer_settime(timer, 0, &once, NULL);
		in_fork = 1;
		pid_t pid = fork();
		in_fork = 0;
		if (pid == 0) {
			/* neither did the fork that it is the child of end here only in part */
			signal(SIGUSR1, SIG_IGN);
			_exit(goalloc_find_unreachable(ignore, NULL) == 0 ? 0 : 1);
		}
		int status;
		while (waitpid(pid, &status, 0) != pid)
			;
		if (status != 0)
			return 2;
	}
	return in_the_middle < 5 ? 3 : 0;
}

static void test_a_signal_handler_may_fork_in_the_middle_of_a_fork(void **state)
{
	(void)state;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fork_while_handlers_fork());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_the_callback_may_allocate_and_search(void **state)
{
	(void)state;
	struct found found = {0};

	list_and_cycle();
	clear_stack();
	assert_int_equal(goalloc_find_unreachable(in_callback, &found), 0);
	/* The callback has the address of one object of the list or of the cycle; its caller may hold that of the other. */
	assert_in_range(found.direct, 0, 1);
	found = search();
	assert_int_equal(found.direct + found.indirect, 6);
	free_found(&found);
}

static void test_a_search_needs_a_callback(void **state)
{
	(void)state;
	errno = 0;
	assert_int_equal(goalloc_find_unreachable(NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

static __attribute__((noinline)) void sampled(void)
{
	goalloc_scan_at(100, GOALLOC_SITE());
	node(goalloc_noscan(5));
}

static void check_sites(const struct goalloc_unreachable *lost, void *argument)
{
	unsigned *right = argument;

	*right += lost->depth != 0 && (lost->bytes != 112 || strcmp(lost->site->function, "sampled") == 0);
	*right += lost->bytes == 5 && lost->indirect;
}

/* The last test, because a heap profile never ends. */
static void test_sampled_objects_come_with_their_site_and_stack(void **state)
{
	(void)state;
	unsigned right = 0;

	assert_int_equal(goalloc_start_heap_profile(1), 0);
	sampled();
	clear_stack();
	assert_int_equal(goalloc_find_unreachable(check_sites, &right), 0);
	assert_int_equal(right, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, because glibc's fork itself takes a lock once there have been threads. */
		cmocka_unit_test(test_a_signal_handler_may_fork_in_the_middle_of_a_fork),
		cmocka_unit_test(test_tiny_objects_are_lost_by_their_block),
		cmocka_unit_test(test_of_a_list_the_head_and_of_a_cycle_one_object_is_lost_directly),
		cmocka_unit_test(test_objects_of_every_size_are_found_and_freed_objects_are_not),
		cmocka_unit_test(test_what_only_a_noscan_object_refers_to_is_lost),
		cmocka_unit_test(test_an_address_within_an_object_keeps_it),
		cmocka_unit_test(test_a_structure_that_overflows_the_work_list_is_marked_whole),
		cmocka_unit_test(test_stacks_and_arguments_of_finalizers_are_roots),
		cmocka_unit_test(test_stacks_thread_locals_and_specific_data_of_other_threads_are_roots),
		cmocka_unit_test(test_nothing_is_lost_of_threads_stopped_while_they_allocate),
		cmocka_unit_test(test_nothing_is_lost_of_threads_stopped_while_they_free_for_each_other),
		cmocka_unit_test(test_threads_may_fork_meanwhile_and_children_search_too),
		cmocka_unit_test(test_the_callback_may_allocate_and_search),
		cmocka_unit_test(test_a_search_needs_a_callback),
		cmocka_unit_test(test_sampled_objects_come_with_their_site_and_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
