/* SPDX-License-Identifier: BSD-2-Clause */
/* Which sites of made-up heaps grow. What they do is known: leaks, and caches that are filled and emptied at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "heap/growth.h"

enum { SITES = 8, SNAPSHOTS = 60, ROUNDS = 2000, FILL = 1000000 };

static uint64_t seed;

/* A number from 0 to limit - 1. */
static int64_t chance(int64_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((seed >> 33) % (uint64_t)limit);
}

/* Bytes in use of `sites` sites at `count` snapshots. */
struct heap {
	int sites, count;
	int64_t bytes[SITES][SNAPSHOTS];
};

static void add_leak(struct heap *heap, int64_t step, int64_t noise)
{
	int64_t *bytes = heap->bytes[heap->sites++];

	for (int i = 0; i < heap->count; i++)
		bytes[i] = 20 * noise + step * (i + 1) + (noise ? chance(2 * noise) - noise : 0);
}

/* Filled in one of two steps, otherwise emptied. */
static void add_cache(struct heap *heap)
{
	int64_t *bytes = heap->bytes[heap->sites++], level = 0;

	for (int i = 0; i < heap->count; i++)
		bytes[i] = level = chance(2) ? level + FILL : 0;
}

/* The growth of that heap; site n is in line n + 1. Each object has a byte, and all are sampled. */
static struct growth *growth_of(const struct heap *heap)
{
	struct growth *growth = growth_new(BY_SITE);
	int64_t allocated[SITES] = {0};

	for (int i = 0; i < heap->count; i++) {
		struct profile *profile = profile_new();

		profile->snapshot = profile->rows_exact = true;
		profile->rate = 1;
		profile->collections = i + 1;
		profile->start_ns = INT64_C(1000000000) * i;
		profile->row_measured = UINT32_MAX;
		for (int site = 0; site < heap->sites; site++) {
			struct profile_frame frame = {
				.function = "main.f", .file = "main.go", .line = (uint32_t)site + 1};
			const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);
			struct profile_key key = {.stack = profile_stack(profile, &location, 1, false), .pid = 7};
			int64_t now = heap->bytes[site][i], before = i ? heap->bytes[site][i - 1] : 0;
			int64_t values[VALUE_COUNT] = {0};

			allocated[site] += now > before ? now - before : now;
			values[VALUE_BYTES] = values[VALUE_OBJECTS] = allocated[site];
			values[VALUE_LIVE_BYTES] = values[VALUE_LIVE_OBJECTS] = values[VALUE_SAMPLES] = now;
			if (allocated[site])
				profile_add(profile, &key, values);
		}
		growth_add(growth, profile);
		profile_free(profile);
	}
	growth_finish(growth);
	return growth;
}

static enum growth_verdict verdict_of(const struct growth *growth, int site)
{
	for (size_t i = 0; i < growth->row_count; i++) {
		if (growth->rows[i].line == (uint32_t)site + 1)
			return growth->rows[i].verdict;
	}
	return GROWTH_NONE;
}

static void of_caches_that_breathe_almost_none_grows(void **state)
{
	static const int counts[] = {9, 10, 20};

	(void)state;
	seed = 1;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int grow = 0;

		for (int round = 0; round < ROUNDS; round++) {
			struct heap heap = {.count = counts[i]};

			add_cache(&heap);
			struct growth *growth = growth_of(&heap);

			grow += growth->grow_count > 0;
			growth_free(growth);
		}
		print_message("# %d snapshots: %d of %d caches grow\n", counts[i], grow, ROUNDS);
		assert_in_range(grow, 0, ROUNDS / 100); /* a hundredth */
	}
}

static void a_leak_among_caches_is_the_first_row(void **state)
{
	(void)state;
	seed = 2;
	for (int round = 0; round < ROUNDS; round++) {
		struct heap heap = {.count = 10};

		add_cache(&heap);
		add_leak(&heap, 50000, 0);
		struct growth *growth = growth_of(&heap);

		assert_int_equal(growth->rows[0].verdict, GROWTH_CERTAIN);
		assert_int_equal(verdict_of(growth, 1), GROWTH_CERTAIN);
		growth_free(growth);
	}
}

static void more_is_asked_for_where_more_sites_gained(void **state)
{
	struct heap heap = {.count = 10};

	(void)state;
	seed = 3;
	add_leak(&heap, 50000, 0);
	for (int i = 1; i < SITES; i++) { /* caches that were emptied once, and filled since */
		for (int j = 0; j < heap.count; j++)
			heap.bytes[i][j] = j ? (j - 1) * FILL : FILL + FILL / 2;
		heap.sites++;
	}
	struct growth *growth = growth_of(&heap);

	assert_int_equal(verdict_of(growth, 0), GROWTH_UNKNOWN);
	growth_free(growth);
	heap.sites = 0;
	for (int i = 0; i < SITES; i++) /* but that all rise is no chance */
		add_leak(&heap, 50000, 0);
	growth = growth_of(&heap);
	assert_int_equal(growth->grow_count, SITES);
	growth_free(growth);
}

static void what_few_snapshots_cannot_tell_is_not_known(void **state)
{
	(void)state;
	for (int count = 2; count < GROWTH_ORDER_FROM; count++) {
		struct heap heap = {.count = count};

		add_leak(&heap, 50000, 0);
		struct growth *growth = growth_of(&heap);

		assert_int_equal(growth->grow_count, 0);
		assert_int_equal(growth->unknown_count, 1);
		assert_int_equal(growth->rows[0].verdict, GROWTH_UNKNOWN);
		growth_free(growth);
	}
}

static void a_cache_that_was_emptied_is_not_a_leak_of_its_last_filling(void **state)
{
	static const int64_t fillings[][10] = {
		{0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 0, 1, 2, 3, 4, 5, 6, 7}, {3, 0, 1, 2, 3, 4, 5, 6, 7, 8},
		{0, 1, 0, 1, 2, 3, 4, 5, 6, 7}, {1, 2, 3, 4, 5, 0, 4, 5, 6, 9},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++) {
		struct heap heap = {.count = 10, .sites = 1};

		for (int j = 0; j < heap.count; j++)
			heap.bytes[0][j] = FILL * fillings[i][j];
		struct growth *growth = growth_of(&heap);

		assert_int_equal(growth->grow_count, 0);
		growth_free(growth);
	}
}

/* It falls at almost every second snapshot, but to floors that rise. */
static void a_leak_below_noise_is_found_by_more_snapshots(void **state)
{
	int grow = 0;

	(void)state;
	seed = 4;
	for (int round = 0; round < 100; round++) {
		struct heap heap = {.count = SNAPSHOTS};

		add_leak(&heap, 50000, 200000);
		struct growth *growth = growth_of(&heap);

		grow += growth->grow_count;
		growth_free(growth);
	}
	assert_in_range(grow, 99, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_caches_that_breathe_almost_none_grows),
		cmocka_unit_test(a_leak_among_caches_is_the_first_row),
		cmocka_unit_test(more_is_asked_for_where_more_sites_gained),
		cmocka_unit_test(what_few_snapshots_cannot_tell_is_not_known),
		cmocka_unit_test(a_cache_that_was_emptied_is_not_a_leak_of_its_last_filling),
		cmocka_unit_test(a_leak_below_noise_is_found_by_more_snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
