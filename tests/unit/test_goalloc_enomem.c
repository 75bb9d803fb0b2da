/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Out of memory: the Nth call of mmap or madvise fails, for every N until a run has fewer calls. Each run is a separate
 * process, so that the calls of the allocator's initialisation fail too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goalloc.h"
#include "skip.h"
#include "valid.h"

static long calls, failing; /* number of calls so far; the number of the call that fails, 0: none */
static bool from_then_on;

static bool fails(void)
{
	calls++;
	return failing != 0 && (calls == failing || (from_then_on && calls > failing));
}

/* Replaces libc's function, also for the allocator, which is linked statically into this program. */
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fails()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

int madvise(void *address, size_t size, int advice)
{
	if (fails()) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_madvise, address, size, advice);
}

static unsigned failures;

static void *allocate(size_t size, bool noscan)
{
	errno = 0;
	unsigned char *object = noscan ? goalloc_noscan(size) : goalloc_scan(size);

	if (!object) {
		failures++;
		if (errno != ENOMEM)
			_exit(10);
		return NULL;
	}
	for (size_t i = 0; i < size; i += 61)
		if (object[i] != 0)
			_exit(11);
	memset(object, 0x5a, size);
	return object;
}

/* Uses every kind of memory that the allocator maps: arena, table, spans, bits, caches, tiny counts. */
static void work(void)
{
	enum { N = 6000 };
	static unsigned char *objects[N];
	static size_t sizes[N];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < N; i++) {
			sizes[i] = i % 7 == 0 ? 1 + i % 15 : i % 97 == 0 ? 40000 + i * 10 : 8 + i * 37 % 3000;
			objects[i] = allocate(sizes[i], i % 2);
		}
		for (unsigned i = 0; i < N; i++) {
			if (!objects[i])
				continue;
			for (size_t k = 0; k < sizes[i]; k += 61)
				if (objects[i][k] != 0x5a)
					_exit(12);
			goalloc_free(objects[i]);
		}
		goalloc_release_memory();
	}
	if (mheap.arena_start && mheap_is_valid())
		_exit(13);
	/* Once all objects are freed and system calls succeed again, allocations must succeed. */
	failing = 0;
	if (!goalloc_scan(1 << 20) || !goalloc_noscan(3))
		_exit(14);
}

/* Exit status of a run in which call n fails. 0: success; 1: success, and the run had fewer than n calls. */
static int run(long n, bool and_all_after)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		calls = 0;
		failing = n;
		from_then_on = and_all_after;
		work();
		_exit(calls < n);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("call %ld failing: killed by signal %d", n, WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void any_system_call_may_fail_once(void **state)
{
	(void)state;
	long n = 1;
	int status;

	while ((status = run(n, false)) == 0)
		n++;
	if (status != 1)
		fail_msg("call %ld failing: status %d", n, status);
	assert_true(n > 20);
}

static void memory_may_run_out_at_any_call_for_good(void **state)
{
	(void)state;
	for (long n = 1; n < 60; n++) {
		int status = run(n, true);
		if (status > 1)
			fail_msg("from call %ld on failing: status %d", n, status);
	}
}

static void a_limited_address_space_gives_a_smaller_arena(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip_because("a sanitizer's shadow memory is larger than any limit");
#endif
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = {2UL << 30, 2UL << 30};
		setrlimit(RLIMIT_AS, &limit);
		unsigned got = 0;
		while (allocate(1 << 20, false))
			got++;
		_exit(got >= 64 && got < 2048 && errno == ENOMEM && !mheap_is_valid() ? 0 : 20);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_system_call_may_fail_once),
		cmocka_unit_test(memory_may_run_out_at_any_call_for_good),
		cmocka_unit_test(a_limited_address_space_gives_a_smaller_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
