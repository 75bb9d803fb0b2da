/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot of a process whose memory becomes slow while it is read: whatever was read until then, the time is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "heap/heap_of_go.h"
#include "heap/snapshot.h"
#include "memory_fixture.h"
#include "profile/profile.h"
#include "runtime/go_spans.h"
#include "target/go_versions.h"
#include "target/target.h"

#define HEAD   (FIXTURE_BASE + 0x100)
#define CYCLE  (FIXTURE_BASE + 0x108)
#define RATE   (FIXTURE_BASE + 0x110)
#define BUCKET (FIXTURE_BASE + 0x1000)

/* The buckets are so far from each other that the reader keeps one at a time (memory_blocks.c), and reads each of them again
 * for its stack. In the fixture they are closer. */
enum {
	NEXT = 8,
	TYPE = 16,
	SIZE = 32,
	DEPTH = 40,
	STACK = 48,
	FRAMES = 100,
	BUCKETS = 3,
	NEARER = 0x8000,
	NEVER = 1 << 20
};

static struct memory_fixture memory;
static struct go_version version = {.profile = {.cycle_size = 32, .stack_max = 128}};
static struct go_binary binary = {.version = &version, .version_text = "go1.24", .memory_profiling = true};
static int copies, last_in_time;

static void put(uint64_t address, uint64_t value)
{
	memcpy(fixture_at(&memory, address), &value, sizeof(value));
}

/* The memory answers, but after the last copy in time, time is up. */
static ssize_t slow_copy(void *context, const struct target_piece *pieces, size_t count)
{
	struct target_piece piece = pieces[0];
	uint64_t offset = piece.address - FIXTURE_BASE;

	if (copies++ == last_in_time)
		memory.reader.deadline_ns = 0;
	piece.address = FIXTURE_BASE + offset / FIXTURE_SIZE * NEARER + offset % FIXTURE_SIZE;
	assert_int_equal(count, 1);
	return fixture_copy(context, &piece, 1);
}

static struct heap_process_of_go simulated(int in_time)
{
	struct heap_process_of_go process = {.process = {.runtime = &heap_runtime_go, .target = &memory.target},
					     .binary = &binary,
					     .heap = {.profile_rate = RATE},
					     .profile = {HEAD, CYCLE, 32}};
	struct target_mapping *mappings = memory.target.mappings; /* of the last time: freed when they are read again */
	size_t count = memory.target.mapping_count;

	fixture_init(&memory);
	memory.target.mappings = mappings;
	memory.target.mapping_count = count;
	memory.reader.copy = slow_copy;
	memory.target.pid = getpid();
	memory.target.executable = "/proc/self/exe";
	strcpy(memory.target.comm, "simulated");
	copies = 0;
	last_in_time = in_time;
	put(RATE, 1);
	put(HEAD, BUCKET);
	memcpy(fixture_at(&memory, CYCLE), &(uint32_t){7 << 1}, 4);
	for (uint64_t i = 0; i < BUCKETS; i++) {
		uint64_t bucket = BUCKET + i * NEARER;

		put(bucket + NEXT, i + 1 < BUCKETS ? BUCKET + (i + 1) * FIXTURE_SIZE : 0);
		put(bucket + TYPE, 1);
		put(bucket + SIZE, 64);
		put(bucket + DEPTH, FRAMES);
		put(bucket + STACK, i + 1);
		put(bucket + STACK + 8 * FRAMES, 10);
		put(bucket + STACK + 8 * FRAMES + 16, 640);
	}
	return process;
}

static void a_snapshot_for_which_time_runs_out_says_so(void **state)
{
	struct heap_process_of_go process = simulated(NEVER);
	struct error error;
	struct profile *profile = heap_snapshot(&process.process, &error);
	int all = copies, failed = 0;

	assert_non_null(profile);
	assert_int_equal(profile->sample_count, BUCKETS);
	profile_free(profile);
	for (int i = 0; i < all; i++) {
		process = simulated(i);
		profile = heap_snapshot(&process.process, &error);
		if (!profile) {
			assert_int_equal(error.status, STATUS_CANNOT_MEASURE);
			assert_non_null(strstr(error.text, "takes too long"));
			failed++;
		}
		profile_free(profile);
	}
	assert_in_range(failed, all / 2, all); /* after some copies it starts anew */
	(void)state;
}

static void spans_for_which_time_runs_out_say_so(void **state)
{
	struct go_spans spans = {.all = FIXTURE_BASE};
	struct heap_span *items;
	struct error refusal;
	size_t count;

	for (int i = 0; i < 2; i++) {
		simulated(i);
		put(FIXTURE_BASE, FIXTURE_BASE + 64);
		put(FIXTURE_BASE + 8, 1);
		put(FIXTURE_BASE + 64, BUCKET);
		assert_int_equal(go_spans_read(&spans, &memory.target, &items, &count, &refusal), -1);
		assert_non_null(strstr(refusal.text, "takes too long"));
		free(items);
	}
	(void)state;
}

static void time_that_opening_it_took_is_none_of_the_wait(void **state)
{
	struct heap_process_of_go process = simulated(NEVER);
	struct error error;

	memory.reader.deadline_ns = 0;
	assert_int_equal(heap_wait_fresh(&process.process, 0, NULL, &error), 2);
	(void)state;
}

static void a_pointer_to_where_a_process_has_no_memory_is_named(void **state)
{
	struct heap_process_of_go process = simulated(NEVER);
	struct error error;

	process.heap.profile_rate = 8;
	assert_null(heap_snapshot(&process.process, &error));
	assert_non_null(strstr(error.text, "a pointer in it leads to 0x8, where it has no memory"));
	(void)state;
}

/* The number of the simulated one is ours. */
static void a_number_that_is_another_processes_by_now_is_not_opened(void **state)
{
	struct heap_process_of_go process = simulated(NEVER);
	struct error error;
	int ours = target_watch(getpid(), &error), pid = fork(), ended;

	if (pid == 0)
		_exit(0);
	ended = target_watch(pid, &error);
	assert_true(ours >= 0 && ended >= 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_null(heap_process_reopen(&process.process, ours, &error));
	assert_non_null(strstr(error.text, "has no heap that is known"));
	assert_null(heap_process_reopen(&process.process, ended, &error));
	assert_non_null(strstr(error.text, "it has ended"));
	close(ours);
	close(ended);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_for_which_time_runs_out_says_so),
		cmocka_unit_test(spans_for_which_time_runs_out_say_so),
		cmocka_unit_test(time_that_opening_it_took_is_none_of_the_wait),
		cmocka_unit_test(a_pointer_to_where_a_process_has_no_memory_is_named),
		cmocka_unit_test(a_number_that_is_another_processes_by_now_is_not_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
