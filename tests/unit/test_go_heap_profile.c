/* SPDX-License-Identifier: BSD-2-Clause */
/* Buckets of a memory profile that no Go runtime writes: the reader ends and names the error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memory_fixture.h"
#include "runtime/go_heap_profile.h"

#define HEAD   (FIXTURE_BASE + 0x100)
#define CYCLE  (FIXTURE_BASE + 0x108)
#define FIRST  (FIXTURE_BASE + 0x1000)
#define SECOND (FIXTURE_BASE + 0x8ff0) /* the record crosses a page boundary */

enum { NEXT = 8, TYPE = 16, SIZE = 32, DEPTH = 40, STACK = 48 };

static struct memory_fixture memory;
static const struct go_heap_profile profile = {HEAD, CYCLE, 32};

static void put(uint64_t address, uint64_t value)
{
	memcpy(fixture_at(&memory, address), &value, sizeof(value));
}

static void put_cycle(uint64_t address, uint64_t allocs, uint64_t frees, uint64_t size)
{
	put(address, allocs);
	put(address + 8, frees);
	put(address + 16, allocs * size);
	put(address + 24, frees * size);
}

static void put_bucket(uint64_t address, uint64_t next, uint64_t size, uint64_t depth)
{
	put(address + NEXT, next);
	put(address + TYPE, 1);
	put(address + SIZE, size);
	put(address + DEPTH, depth);
	for (uint64_t i = 0; i < depth; i++)
		put(address + STACK + 8 * i, 0x400000 + i);
}

/* Two buckets. The current cycle is 7 and is not flushed; its counts are in the second of the three pending ones (7 %
 * 3). */
static void two_buckets(void)
{
	fixture_init(&memory);
	put(HEAD, FIRST);
	memcpy(fixture_at(&memory, CYCLE), &(uint32_t){7 << 1}, 4);
	put_bucket(FIRST, SECOND, 100, 3);
	put_cycle(FIRST + STACK + 24, 10, 4, 100);
	put_cycle(FIRST + STACK + 24 + 64, 5, 1, 100);
	put_cycle(FIRST + STACK + 24 + 96, 1000, 0, 100);
	put_bucket(SECOND, 0, 64, 1);
	put_cycle(SECOND + STACK + 8, 1, 1, 64);
}

static void what_is_due_is_published(void **state)
{
	uint64_t stack[8];
	struct go_buckets buckets;
	struct error refusal;

	(void)state;
	two_buckets();
	assert_int_equal(go_heap_profile_read(&profile, &memory.target, &buckets, &refusal), 0);
	assert_int_equal(buckets.count, 2);
	assert_int_equal(buckets.cycle, 7);
	assert_false(buckets.everything);
	assert_int_equal(buckets.items[0].allocs, 15);
	assert_int_equal(buckets.items[0].frees, 5);
	assert_int_equal(buckets.items[0].all_allocs, 1015);
	assert_int_equal(buckets.items[1].allocs, 1);
	assert_int_equal(go_buckets_stack(&buckets, &buckets.items[0], stack, 2), 2);
	assert_int_equal(stack[1], 0x400001);
	go_buckets_free(&buckets);
}

static void refused(const char *why)
{
	struct go_buckets buckets;
	struct error refusal;

	assert_int_equal(go_heap_profile_read(&profile, &memory.target, &buckets, &refusal), -1);
	if (!strstr(refusal.text, why))
		fail_msg("'%s' does not name '%s'", refusal.text, why);
	go_buckets_free(&buckets);
}

static void what_no_runtime_writes_is_refused(void **state)
{
	(void)state;
	two_buckets();
	put(SECOND + TYPE, 2);
	refused("typ = 2");
	two_buckets();
	put(FIRST + DEPTH, UINT64_MAX / 8);
	refused("nstk");
	two_buckets();
	put(FIRST + SIZE, UINT64_C(1) << 60);
	refused("size");
	two_buckets();
	put_cycle(SECOND + STACK + 8, 1, 2, 64); /* more freed than allocated */
	refused("changes faster than it can be read");
	two_buckets();
	put(SECOND + STACK + 8 + 16, 65); /* not a multiple of the object size, 64 */
	refused("changes faster than it can be read");
	two_buckets();
	put(SECOND + NEXT, FIRST);
	refused("buckets");
	two_buckets();
	put(SECOND + NEXT, FIXTURE_BASE + FIXTURE_SIZE - 8); /* the memory ends within the record */
	refused("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_due_is_published),
		cmocka_unit_test(what_no_runtime_writes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
