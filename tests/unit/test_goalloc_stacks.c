/* SPDX-License-Identifier: BSD-2-Clause */
/* The stacks that probes pass to observers, compared with libc's unwinder; the sampler's distances and pending
 * counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <alloca.h>
#include <execinfo.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "goalloc.h"
#include "probes.h"
#include "runtime.h"
#include "sampler.h"
#include "skip.h"

static void *expected[GOALLOC_STACK_MAX + 8];
static int expected_depth;
static struct goalloc_stack seen;

/* Changes a semaphore as the kernel does when an observer attaches or detaches. */
static void raise_one(uint16_t *semaphore, int by)
{
	__atomic_fetch_add(semaphore, (uint16_t)by, __ATOMIC_RELAXED);
}

static void raise_every(int by)
{
	raise_one(&stack_semaphore, by);
	raise_one(&sampler_word.every, by);
}

/* Allocates and unwinds from the same function. The two calls differ in pcs[0]; all other PCs must be equal. */
static __attribute__((noinline)) void look(size_t size)
{
	raise_every(1);
	void *object = goalloc_scan(size);
	raise_every(-1);
	seen = mcache_self->stack;
	expected_depth = backtrace(expected, GOALLOC_STACK_MAX + 8);
	goalloc_free(object);
}

/* For a frame that a signal interrupted, libc gives the interrupted instruction, and we give that plus 1, so that it
 * looks like a return address. */
static void assert_same_stacks_but(int interrupted)
{
	int depth = expected_depth > GOALLOC_STACK_MAX ? GOALLOC_STACK_MAX : expected_depth;

	assert_int_equal(seen.depth, depth);
	assert_true(seen.pcs[0] > (uintptr_t)look && seen.pcs[0] < (uintptr_t)expected[0]);
	for (int i = 1; i < depth; i++) {
		if ((void *)seen.pcs[i] != expected[i]) {
			assert_ptr_equal((void *)(seen.pcs[i] - 1), expected[i]);
			interrupted--;
		}
	}
	assert_int_equal(interrupted, 0);
	assert_int_equal(seen.truncated, expected_depth > GOALLOC_STACK_MAX);
}

static void assert_same_stacks(void)
{
	assert_same_stacks_but(0);
}

static __attribute__((noinline)) int recurse(int depth, volatile int *sink)
{
	char local[64];

	local[depth % 64] = (char)depth;
	if (depth == 0)
		look(64);
	else
		recurse(depth - 1, sink);
	*sink += local[depth % 64];
	return *sink;
}

static void stacks_equal_libcs(void **state)
{
	(void)state;
	volatile int sink = 0;

	for (int depth = 0; depth < 20; depth++) {
		recurse(depth, &sink);
		assert_same_stacks();
	}
}

static void large_objects_have_the_same_stacks(void **state)
{
	(void)state;
	look(100000);
	assert_same_stacks();
}

static void deeper_stacks_than_the_limit_are_marked_truncated(void **state)
{
	(void)state;
	volatile int sink = 0;

	recurse(GOALLOC_STACK_MAX + 30, &sink);
	assert_same_stacks();
	assert_int_equal(seen.depth, GOALLOC_STACK_MAX);
	assert_int_equal(seen.truncated, 1);
}

static __attribute__((noinline)) void realigned(size_t n, volatile char *sink)
{
	_Alignas(64) volatile char local[128];
	char *dynamic = alloca(n);

	memset(dynamic, 1, n);
	local[n % 128] = dynamic[n / 2];
	look(64);
	*sink = local[n % 128];
}

static void functions_that_realign_their_stack_are_followed(void **state)
{
	(void)state;
	volatile char sink;

	for (size_t n = 8; n < 300; n += 40) {
		realigned(n, &sink);
		assert_same_stacks();
	}
}

static void handler(int signal)
{
	(void)signal;
	look(64);
}

static void signal_frames_are_followed(void **state)
{
	(void)state;
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
	assert_same_stacks_but(1);
}

static sigjmp_buf after_fault;

static void fault_handler(int signal)
{
	handler(signal);
	siglongjmp(after_fault, 1);
}

/* Has no frame, and on some machines its return address is in a register only. */
static __attribute__((noinline)) int leaf(const volatile int *at)
{
	return *at;
}

static void a_function_without_a_frame_that_faults_is_followed(void **state)
{
	(void)state;
	const volatile int *volatile nowhere = NULL;

	signal(SIGSEGV, fault_handler);
	if (sigsetjmp(after_fault, 1) == 0)
		leaf(nowhere);
	signal(SIGSEGV, SIG_DFL);
	assert_same_stacks_but(1);
}

static void *in_thread(void *unused)
{
	volatile int sink = 0;

	(void)unused;
	recurse(5, &sink);
	return NULL;
}

static void threads_have_stacks(void **state)
{
	(void)state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
	pthread_join(thread, NULL);
	assert_same_stacks();
}

static int compare(const void *a, const void *b)
{
	volatile int sink = 0;

	recurse(1, &sink);
	return *(const int *)a - *(const int *)b;
}

static void libraries_without_frame_pointers_are_followed(void **state)
{
	(void)state;
	int numbers[2] = {2, 1};

	qsort(numbers, 2, sizeof *numbers, compare);
	assert_same_stacks();
}

static void raising_is_noticed_at_the_very_next_allocation(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		goalloc_free(goalloc_scan(64));
		mcache_self->stack.depth = 0;
		look(64);
		assert_int_not_equal(seen.depth, 0);
		mcache_self->stack.depth = 0;
		goalloc_free(goalloc_scan(64));
		assert_int_equal(mcache_self->stack.depth, 0);
	}
}

static void nothing_is_unwound_for_those_who_want_no_stacks(void **state)
{
	(void)state;
	mcache_self->stack.depth = 0;
	raise_one(&sampler_word.every, 1);
	goalloc_free(goalloc_scan(64));
	goalloc_free(goalloc_scan(100000));
	assert_int_equal(mcache_self->stack.depth, 0);
	raise_one(&stack_semaphore, 1);
	goalloc_free(goalloc_scan(64));
	assert_int_not_equal(mcache_self->stack.depth, 0);
	raise_one(&stack_semaphore, -1);
	raise_one(&sampler_word.every, -1);
}

/* Notes one refill of a span class that nothing else uses, at a distance at which no event is due. Returns what is
 * pending. */
static const struct goalloc_pending *refilled(uint64_t objects)
{
	enum { SpanClass = 9 };
	struct mcache *c = mcache_self;
	struct caller caller = CALLER_HERE();

	c->refill_distance = rate_in_force(&mcache_refill_semaphores);
	c->refill_left = INT64_MAX;
	note_refill(c, SpanClass, objects, &emptymspan, &caller);
	/* The array is not accessed before an observer listens. */
	static const struct goalloc_pending none = {.distance = GOALLOC_NOT_LISTENING};
	return c->listening ? &c->pending[SpanClass] : &none;
}

static void assert_pending(const struct goalloc_pending *p, uint64_t distance, uint64_t refills, uint64_t objects)
{
	assert_int_equal(p->distance, distance);
	assert_int_equal(p->refills, refills);
	assert_int_equal(p->objects, objects);
	assert_int_equal(p->bytes, 32 * objects);
}

static void what_is_pending_goes_on_to_coarser_rates_and_never_to_finer_ones(void **state)
{
	(void)state;
	uint16_t *raised = mcache_refill_semaphores.raised;

	goalloc_free(goalloc_scan(8));
	assert_pending(refilled(5), GOALLOC_NOT_LISTENING, 0, 0);
	raise_one(&raised[Per512k], 1);
	assert_pending(refilled(5), 512 << 10, 1, 5);
	assert_pending(refilled(6), 512 << 10, 2, 11);
	raise_one(&raised[Per64k], 1);
	assert_pending(refilled(7), 64 << 10, 1, 7); /* the earlier 11 were sent to the observer at 512 KiB */
	raise_one(&raised[Per64k], -1);
	assert_pending(refilled(8), 512 << 10, 2, 15);
	raise_one(&raised[PerEvent], 1);
	assert_pending(refilled(9), 0, 0, 0);
	raise_one(&raised[PerEvent], -1);
	raise_one(&raised[Per512k], -1);
	assert_pending(refilled(1), GOALLOC_NOT_LISTENING, 0, 0);
}

static void chance_is_one_minus_e_to_the_minus_x(void **state)
{
	(void)state;
	for (double x = 1e-9; x < 50; x *= 1.37)
		assert_true(fabs(chance(x) / -expm1(-x) - 1) < 1e-9);
	assert_true(chance(1e6) == 1);
}

static void distances_are_exponential(void **state)
{
	(void)state;
	enum { N = 200000, Mean = 65536 };
	double sum = 0, squares = 0;
	unsigned below = 0;

	goalloc_free(goalloc_scan(8));
	mcache_self->random = 42;
	for (int i = 0; i < N; i++) {
		double x = (double)exponential(mcache_self, Mean) / Mean;
		assert_true(x >= 0);
		sum += x;
		squares += x * x;
		below += x < 0.6931471805599453;
	}
	/* Mean 1, mean square 2, median ln 2, each within five standard errors. */
	assert_true(fabs(sum / N - 1) < 5 / sqrt(N));
	assert_true(fabs(squares / N - 2) < 5 * sqrt(20.0 / N));
	assert_true(fabs((double)below / N - 0.5) < 5 * 0.5 / sqrt(N));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_TEST(name)                                       \
	{                                                      \
#name, ((void)name, skipped), NULL, NULL, NULL \
	}
static void skipped(void **state)
{
	(void)state;
	skip_because("sanitizers turn tail calls into calls, which adds one frame");
}
#else
#define STACK_TEST(name) cmocka_unit_test(name)
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		STACK_TEST(stacks_equal_libcs),
		STACK_TEST(large_objects_have_the_same_stacks),
		STACK_TEST(deeper_stacks_than_the_limit_are_marked_truncated),
		STACK_TEST(functions_that_realign_their_stack_are_followed),
		STACK_TEST(signal_frames_are_followed),
		STACK_TEST(a_function_without_a_frame_that_faults_is_followed),
		STACK_TEST(threads_have_stacks),
		STACK_TEST(libraries_without_frame_pointers_are_followed),
		cmocka_unit_test(raising_is_noticed_at_the_very_next_allocation),
		cmocka_unit_test(nothing_is_unwound_for_those_who_want_no_stacks),
		cmocka_unit_test(what_is_pending_goes_on_to_coarser_rates_and_never_to_finer_ones),
		cmocka_unit_test(chance_is_one_minus_e_to_the_minus_x),
		cmocka_unit_test(distances_are_exponential),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
