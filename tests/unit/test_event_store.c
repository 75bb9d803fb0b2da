/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collect/event_store.h"

static struct event_stack stack_of(uint32_t depth, uint64_t seed)
{
	struct event_stack stack = {.depth = depth, .truncated = depth == EVENT_STACK_MAX};

	for (uint32_t i = 0; i < depth; i++)
		stack.pcs[i] = seed * 1000 + i;
	return stack;
}

static void assert_stack(const struct event_stack *found, const struct event_stack *wanted)
{
	assert_int_equal(found->depth, wanted->depth);
	assert_int_equal(found->truncated, wanted->truncated);
	assert_memory_equal(found->pcs, wanted->pcs, wanted->depth * sizeof(wanted->pcs[0]));
}

static void sums_of_a_key_are_added(void **state)
{
	struct event_store store = {0};
	struct event_stack stack = stack_of(3, 1);

	(void)state;
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t type = 0; type < 1000; type++) {
			struct event_key key = {.slot = 7, .type = type, .kind = EVENT_ALLOC, .span_class = 5};
			uint64_t count = round ? type : 1;
			struct event_sums sums = {count, 2 * count, 3 * count, 4 * count, 5 * count};

			event_store_add(&store, &key, type % 2 ? &stack : NULL, &sums);
		}
	}
	assert_int_equal(store.row_count, 1000);
	for (uint32_t i = 0; i < store.row_count; i++) {
		const struct event_sums *sums = &store.rows[i].sums;
		struct event_key key = event_store_key(&store.rows[i], 7);
		uint64_t count = key.type + 1;
		struct event_stack found;

		assert_int_equal(key.type, i);
		assert_int_equal(key.slot, 7);
		assert_int_equal(key.kind, EVENT_ALLOC);
		assert_int_equal(key.span_class, 5);
		assert_int_equal(sums->events, count);
		assert_int_equal(sums->count, 2 * count);
		assert_int_equal(sums->bytes, 3 * count);
		assert_int_equal(sums->weight, 4 * count);
		assert_int_equal(sums->objects_q20, 5 * count);
		assert_int_equal(event_store_stack(&store, &store.rows[i], &found), key.type % 2);
		if (key.type % 2)
			assert_stack(&found, &stack);
	}
	event_store_free(&store);
}

static void whatever_differs_in_a_key_makes_a_row(void **state)
{
	struct event_stack one = stack_of(9, 1), other = stack_of(9, 1), cut = stack_of(9, 1);
	const struct event_sums sums = {.count = 1};
	struct event_store store = {0};
	struct event_key key = {.site = 1};

	(void)state;
	other.pcs[0]++; /* the leaf differs */
	cut.truncated = 1;
	for (int round = 0; round < 2; round++) {
		key = (struct event_key){0};
		event_store_add(&store, &key, NULL, &sums);
		event_store_add(&store, &key, &one, &sums);
		event_store_add(&store, &key, &other, &sums);
		event_store_add(&store, &key, &cut, &sums);
		key.site = 1;
		event_store_add(&store, &key, &one, &sums);
		key.type = 1;
		event_store_add(&store, &key, &one, &sums);
		key.kind = EVENT_REFILL;
		event_store_add(&store, &key, &one, &sums);
		key.span_class = 1;
		event_store_add(&store, &key, &one, &sums);
		assert_int_equal(store.row_count, 8);
	}
	for (uint32_t i = 0; i < store.row_count; i++)
		assert_int_equal(store.rows[i].sums.count, 2);
	event_store_free(&store);
}

static void stacks_come_back_as_they_were(void **state)
{
	struct event_store store = {0};
	struct event_stack found, wanted;

	(void)state;
	for (uint64_t seed = 0; seed < 3; seed++) {
		for (uint32_t depth = 0; depth <= EVENT_STACK_MAX; depth++) {
			struct event_key key = {.type = seed};

			wanted = stack_of(depth, seed);
			event_store_add(&store, &key, &wanted, &(struct event_sums){0});
		}
	}
	assert_int_equal(store.row_count, 3 * (EVENT_STACK_MAX + 1));
	for (uint32_t i = 0; i < store.row_count; i++) {
		wanted = stack_of(i % (EVENT_STACK_MAX + 1), store.rows[i].type);
		assert_true(event_store_stack(&store, &store.rows[i], &found));
		assert_stack(&found, &wanted);
	}
	event_store_free(&store);
}

/* Slices from 1: the weight is the number; the groups in turn. Those from `ended` on have no weight yet. */
static bool slice_of(void *ended, uint64_t slice, double *weight, unsigned *group)
{
	*weight = (double)slice;
	*group = (unsigned)(slice - 1) % BURST_GROUPS;
	return slice < *(uint64_t *)ended;
}

static void a_row_of_bursts_has_groups_however_many_bursts_there_were(void **state)
{
	enum { SLICES = 1000, STACKS = 100 };
	struct event_store store = {0};
	uint64_t ended = 0, objects = 0, counted = 0;

	(void)state;
	for (uint64_t slice = 1; slice <= SLICES; slice++) {
		for (uint64_t i = 0; i < STACKS; i++) {
			struct event_key key = {.stack = {{i, 7}}, .kind = EVENT_BURST, .site = slice};
			struct event_stack stack = stack_of(20, i);

			event_store_add(&store, &key, &stack, &(struct event_sums){.count = i, .bytes = 16 * i});
		}
		assert_int_equal(store.waiting_count, STACKS); /* those of this slice */
		event_store_settle(&store, slice_of, &ended);
		assert_int_equal(store.waiting_count, STACKS);
		ended = slice + 1;
		event_store_settle(&store, slice_of, &ended);
		assert_int_equal(store.waiting_count, 0);
		assert_int_equal(store.row_count, STACKS);
	}
	for (uint32_t row = 0; row < STACKS; row++) {
		const struct event_group *groups = event_store_groups(&store, &store.rows[row]);
		struct event_stack found, wanted = stack_of(20, row);

		assert_true(event_store_stack(&store, &store.rows[row], &found));
		assert_stack(&found, &wanted);
		for (uint64_t group = 0; group < BURST_GROUPS; group++) {
			for (uint64_t slice = group + 1; slice <= SLICES; slice += BURST_GROUPS) {
				objects += row * slice;
				counted += row;
			}
			assert_int_equal(groups[group].objects_q20 >> 20, objects);
			assert_int_equal(groups[group].weight, 16 * objects);
			assert_int_equal(groups[group].count, counted);
			assert_int_equal(groups[group].bytes, 16 * counted);
			objects = counted = 0;
		}
		assert_int_equal(store.rows[row].sums.count, SLICES * row);
	}
	event_store_free(&store);
}

static void a_refill_tells_the_stack_that_a_grow_names_later(void **state)
{
	const struct event_sums sums = {.count = 1};
	struct event_store store = {0};
	struct event_stack found;

	(void)state;
	assert_true(event_store_add(&store, &(struct event_key){0}, NULL, &sums)); /* span class 0 needs no stack */
	assert_false(event_store_add(&store, &(struct event_key){.stack = {{1, 0}}}, NULL, &sums));
	for (uint64_t i = 0; i < 1 << 14; i++) { /* as many as it remembers of other kinds */
		struct event_key key = {.stack = {{i, 8}}, .kind = EVENT_ALLOC};
		struct event_stack stack = stack_of(3, i);

		assert_false(event_store_add_known(&store, &key, &sums));
		assert_true(event_store_add(&store, &key, &stack, &sums));
		assert_true(event_store_add_known(&store, &key, &sums));
	}
	for (uint64_t i = 0; i < 2000; i++) {
		struct event_key key = {.stack = {{i, 7}}, .kind = i % 2 ? EVENT_REFILL : EVENT_ALLOC};
		struct event_stack stack = stack_of(1 + i % 50, i);

		assert_true(event_store_add(&store, &key, &stack, &sums));
	}
	for (uint64_t i = 0; i < 2000; i++) {
		struct event_key key = {.stack = {{i, 7}}, .kind = EVENT_CENTRAL_GROW};
		struct event_stack wanted = stack_of(1 + i % 50, i);
		uint32_t rows = store.row_count;

		assert_int_equal(event_store_add(&store, &key, NULL, &sums), i % 2);
		if (i % 2) {
			assert_int_equal(store.row_count, rows + 1);
			assert_true(event_store_stack(&store, &store.rows[rows], &found));
			assert_stack(&found, &wanted);
		}
	}
	event_store_free(&store);
}

/* 200,000 stacks of 60 frames that differ only in the first three. Stored separately they would take 96 MB. */
static void stacks_share_their_callers(void **state)
{
	enum { STACKS = 200000, DEPTH = 60 };
	struct event_store store = {0};
	struct event_stack stack = stack_of(DEPTH, 1), found;

	(void)state;
	for (uint32_t i = 0; i < STACKS; i++) {
		stack.pcs[0] = i;
		stack.pcs[2] = i / 100;
		event_store_add(&store, &(struct event_key){0}, &stack, &(struct event_sums){0});
	}
	assert_int_equal(store.row_count, STACKS);
	assert_true(store.word_count < STACKS * 6);
	for (uint32_t i = 0; i < STACKS; i++) {
		stack.pcs[0] = i;
		stack.pcs[2] = i / 100;
		assert_true(event_store_stack(&store, &store.rows[i], &found));
		assert_stack(&found, &stack);
	}
	event_store_free(&store);
}

/* Whether the outermost `depth` frames of two stacks are equal. */
static bool share(const struct event_stack *a, const struct event_stack *b, uint32_t depth)
{
	return a->depth >= depth && b->depth >= depth && a->truncated == b->truncated &&
	       memcmp(a->pcs + a->depth - depth, b->pcs + b->depth - depth, depth * sizeof(a->pcs[0])) == 0;
}

/* Random stacks: event_store_order() makes the rows below each caller contiguous. */
static void the_order_keeps_trees_of_callers_together(void **state)
{
	enum { STACKS = 3000 };
	static struct event_stack stacks[STACKS + 1];
	struct event_store store = {0};
	bool seen[STACKS + 1] = {false};
	uint64_t seed = 1;
	uint32_t *order;

	(void)state;
	assert_non_null(order = event_store_order(&store)); /* of an empty store */
	free(order);
	event_store_add(&store, &(struct event_key){0}, NULL, &(struct event_sums){0});
	for (uint32_t i = 1; i <= STACKS; i++) {
		struct event_key key = {.type = i};

		seed = seed * 6364136223846793005 + 1442695040888963407;
		stacks[i].depth = 1 + (uint32_t)(seed >> 33) % 40;
		for (uint32_t d = 0; d < stacks[i].depth; d++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			stacks[i].pcs[d] = 1 + (seed >> 40) % 3;
		}
		event_store_add(&store, &key, &stacks[i], &(struct event_sums){0});
	}
	order = event_store_order(&store);
	for (uint32_t i = 0; i <= STACKS; i++) {
		assert_in_range(order[i], 0, STACKS);
		assert_false(seen[order[i]]);
		seen[order[i]] = true;
	}
	for (uint32_t depth = 8; depth <= 24; depth += 8) { /* a node has 8 frames */
		for (uint32_t i = 0; i <= STACKS; i++) {
			const struct event_stack *first = &stacks[order[i]];
			bool left = false;

			for (uint32_t j = i + 1; j <= STACKS && j < i + 200; j++) {
				bool shares = share(first, &stacks[order[j]], depth);

				assert_false(shares && left);
				left |= !shares;
			}
		}
	}
	free(order);
	event_store_free(&store);
}

static void stacks_are_found_by_their_hash_until_they_are_cleared(void **state)
{
	struct event_stacks stacks = {0};
	struct event_hash hash = {{5, 2}};

	(void)state;
	assert_null(event_stacks_find(&stacks, &hash));
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 5000; i++) {
			struct event_stack stack = stack_of(i % (EVENT_STACK_MAX + 1), i);

			hash = (struct event_hash){{i * 0x9e3779b97f4a7c15, 1}};
			event_stacks_add(&stacks, &hash, &stack);
			event_stacks_add(&stacks, &hash, &stack);
		}
		for (uint32_t i = 0; i < 5000; i++) {
			struct event_stack wanted = stack_of(i % (EVENT_STACK_MAX + 1), i);
			const struct event_stack *found;

			hash = (struct event_hash){{i * 0x9e3779b97f4a7c15, 1}};
			found = event_stacks_find(&stacks, &hash);
			assert_non_null(found);
			assert_stack(found, &wanted);
			hash.part[1] = 2;
			assert_null(event_stacks_find(&stacks, &hash));
		}
		event_stacks_clear(&stacks);
		assert_null(event_stacks_find(&stacks, &(struct event_hash){{0, 1}}));
	}
	event_stacks_free(&stacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_a_key_are_added),
		cmocka_unit_test(whatever_differs_in_a_key_makes_a_row),
		cmocka_unit_test(stacks_come_back_as_they_were),
		cmocka_unit_test(a_row_of_bursts_has_groups_however_many_bursts_there_were),
		cmocka_unit_test(a_refill_tells_the_stack_that_a_grow_names_later),
		cmocka_unit_test(stacks_share_their_callers),
		cmocka_unit_test(the_order_keeps_trees_of_callers_together),
		cmocka_unit_test(stacks_are_found_by_their_hash_until_they_are_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
