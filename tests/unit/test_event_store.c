/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event_store.h"

static void add(struct event_store *store, uint32_t slot, uint64_t type, uint64_t count)
{
	struct event_key key = {.slot = slot, .type = type, .kind = EVENT_ALLOC};
	struct event_sums sums = {count, 2 * count, 3 * count, 4 * count, 5 * count, 6 * count};

	event_store_add(store, &key, &sums);
}

static void count_events(void *context, const struct event_key *key, const struct event_sums *sums)
{
	assert_int_equal(key->kind, EVENT_ALLOC);
	*(uint64_t *)context += sums->events;
}

static void sums_of_a_key_are_added_and_leave_with_their_process(void **state)
{
	struct event_store store = {0};
	struct event_rows rows = {0};
	uint64_t events = 0;

	(void)state;
	for (uint64_t type = 0; type < 1000; type++) {
		add(&store, type % 2, type, 1);
		add(&store, type % 2, type, type);
	}
	event_store_each(&store, count_events, &events);
	assert_int_equal(events, 1000 + 999 * 500);
	event_store_take(&store, 1, &rows);
	assert_int_equal(rows.count, 500);
	for (size_t i = 0; i < rows.count; i++) {
		const struct event_sums *sums = &rows.items[i].sums;
		uint64_t count = rows.items[i].key.type + 1;

		assert_int_equal(rows.items[i].key.slot, 1);
		assert_int_equal(sums->events, count);
		assert_int_equal(sums->count, 2 * count);
		assert_int_equal(sums->bytes, 3 * count);
		assert_int_equal(sums->weight, 4 * count);
		assert_int_equal(sums->objects_q20, 5 * count);
		assert_int_equal(sums->squares_q4, 6 * count);
	}
	event_store_take(&store, 1, &rows);
	assert_int_equal(rows.count, 500);
	event_store_take(&store, 0, &rows);
	assert_int_equal(rows.count, 1000);
	event_rows_free(&rows);
	event_store_free(&store);
}

static void stacks_are_found_by_their_hash_as_they_were(void **state)
{
	struct event_store store = {0};
	struct event_stack stack = {0}, found;
	struct event_hash hash;

	(void)state;
	for (uint32_t depth = 0; depth <= EVENT_STACK_MAX; depth++) {
		hash = (struct event_hash){{depth, 1}};
		stack.depth = depth;
		stack.truncated = depth == EVENT_STACK_MAX;
		for (uint32_t i = 0; i < depth; i++)
			stack.pcs[i] = depth * 1000 + i;
		event_store_add_stack(&store, &hash, &stack);
		event_store_add_stack(&store, &hash, &stack);
	}
	for (uint32_t depth = 0; depth <= EVENT_STACK_MAX; depth++) {
		hash = (struct event_hash){{depth, 1}};
		assert_true(event_store_stack(&store, &hash, &found));
		assert_int_equal(found.depth, depth);
		assert_int_equal(found.truncated, depth == EVENT_STACK_MAX);
		for (uint32_t i = 0; i < depth; i++)
			assert_int_equal(found.pcs[i], depth * 1000 + i);
	}
	hash = (struct event_hash){{5, 2}};
	assert_false(event_store_stack(&store, &hash, &found));
	event_store_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_a_key_are_added_and_leave_with_their_process),
		cmocka_unit_test(stacks_are_found_by_their_hash_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
