/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares the index with a plain array that has one element per key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash_index.h"

enum { KEYS = 20000 };

static bool same(const void *items, uint64_t item, const void *key)
{
	return ((const uint32_t *)items)[item - 1] == *(const uint32_t *)key;
}

/* Adds keys several times in random order. The hash has only `distinct` values, so the other keys collide. */
static void hold_against_array(uint32_t distinct)
{
	static uint32_t place[KEYS], items[KEYS];
	struct hash_index index = {0};
	uint32_t count = 0;

	for (uint32_t key = 0; key < KEYS; key++)
		place[key] = 0;
	for (int i = 0; i < 3 * KEYS; i++) {
		uint32_t key = (uint32_t)random() % KEYS;
		uint64_t *item = hash_index_at(&index, key % distinct, same, items, &key);

		assert_int_equal(*item, place[key]);
		if (!*item) {
			items[count] = key;
			*item = place[key] = ++count;
		}
	}
	assert_int_equal(index.count, count);
	for (uint32_t key = 0; key < KEYS; key++)
		assert_int_equal(hash_index_get(&index, key % distinct, same, items, &key), place[key]);
	hash_index_free(&index);
}

static void test_each_key_is_found_where_it_was_put(void **state)
{
	(void)state;
	hold_against_array(UINT32_MAX);
	hold_against_array(100); /* nearly all keys collide */
}

static void test_hashes_may_be_the_keys_whatever_numbers_they_are(void **state)
{
	struct hash_index set = {0};

	(void)state;
	assert_false(hash_index_has(&set, 0));
	for (int bit = 0; bit < 64; bit++) {
		hash_index_add(&set, UINT64_C(1) << bit);
		hash_index_add(&set, UINT64_C(1) << bit);
		assert_int_equal(set.count, bit + 1);
		assert_false(hash_index_has(&set, 0));
	}
	hash_index_add(&set, 0);
	for (int bit = 0; bit < 64; bit++) {
		assert_true(hash_index_has(&set, UINT64_C(1) << bit));
		assert_false(hash_index_has(&set, ~(UINT64_C(1) << bit)));
	}
	assert_true(hash_index_has(&set, 0));
	hash_index_free(&set);
}

static void test_a_cleared_index_is_empty_and_after_a_small_use_small(void **state)
{
	struct hash_index set = {0};

	(void)state;
	for (uint64_t key = 0; key < KEYS; key++)
		hash_index_add(&set, key);
	hash_index_clear(&set); /* keeps its capacity, because it was full */
	assert_int_equal(set.count, 0);
	assert_true(set.capacity >= KEYS);
	assert_false(hash_index_has(&set, 1));
	for (int i = 0; i < 2; i++) {
		hash_index_add(&set, 1);
		assert_true(hash_index_has(&set, 1));
		assert_false(hash_index_has(&set, 2));
		hash_index_clear(&set);
		assert_false(hash_index_has(&set, 1));
		assert_true(set.capacity <= 8);
	}
	hash_index_free(&set);
}

static void test_room_that_was_made_is_enough_and_keeps_what_is_there(void **state)
{
	struct hash_index set = {0};

	(void)state;
	for (uint64_t key = 0; key < 100; key++)
		hash_index_add(&set, key);
	for (size_t count = 0; count <= KEYS; count = 2 * count + 1) {
		size_t capacity;

		hash_index_reserve(&set, count);
		capacity = set.capacity;
		for (uint64_t key = set.count; key < count; key++)
			hash_index_add(&set, key);
		assert_int_equal(set.capacity, capacity);
		for (uint64_t key = 0; key < set.count; key++)
			assert_true(hash_index_has(&set, key));
		assert_false(hash_index_has(&set, set.count));
	}
	hash_index_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_is_found_where_it_was_put),
		cmocka_unit_test(test_hashes_may_be_the_keys_whatever_numbers_they_are),
		cmocka_unit_test(test_room_that_was_made_is_enough_and_keeps_what_is_there),
		cmocka_unit_test(test_a_cleared_index_is_empty_and_after_a_small_use_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
