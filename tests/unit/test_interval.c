/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intervals compared with the truth: a byte-distance sampler runs over streams of allocations with known counts, and
 * the printed intervals must contain the truth about 95 times in 100. Everything is seeded, so results are always the
 * same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "profile/interval.h"
#include "profile/profile.h"
#include "profile/interval.h"

/* Of samples alone: nothing else is known. */
static void objects_within(const struct interval *sum, int64_t *low, int64_t *high)
{
	struct interval_bounds bounds = interval_bounds(sum, NULL);

	*low = bounds.objects_low;
	*high = bounds.objects_high;
}

static void add_sample(struct interval *sum, const struct profile *profile, const struct profile_sample *sample)
{
	struct estimates estimates = {.profile = profile};

	interval_add_sample(sum, &estimates, sample);
}

static uint64_t random_state = 20;

static double uniform(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

struct site {
	int64_t size; /* bytes of an object */
	int64_t events;
	double objects; /* sum of 1 / p */
};

struct sampler {
	double rate, left; /* bytes until the next sample */
};

static void allocate(struct sampler *sampler, struct site *site)
{
	sampler->left -= (double)site->size;
	if (sampler->left >= 0)
		return;
	site->events++;
	site->objects += 1 / -expm1(-(double)site->size / sampler->rate);
	/* Without memory: what is left of the object is skipped. */
	sampler->left = -log(uniform()) * sampler->rate;
}

/* A count that a row is printed for, and how often its interval held the truth. */
struct tally {
	int printed, held;
	double estimates; /* their sum, unprinted ones as 0 */
	int rounds;
};

static void count(struct tally *tally, const struct site *sites, size_t number, int64_t truth)
{
	struct interval sum = {0};
	struct interval_bounds bounds;
	int64_t low, high, objects = 0, events = 0;

	for (size_t i = 0; i < number; i++) {
		interval_add(&sum, sites[i].events, llround(sites[i].objects));
		objects += llround(sites[i].objects);
		events += sites[i].events;
	}
	tally->rounds++;
	tally->estimates += (double)objects;
	if (events == 0)
		return;
	bounds = interval_bounds(&sum, NULL);
	low = bounds.objects_low;
	high = bounds.objects_high;
	interval_clear(&sum);
	assert_true(low >= events);
	assert_true(low <= objects && objects <= high);
	tally->printed++;
	tally->held += low <= truth && truth <= high;
}

static void assert_coverage(const char *name, const struct tally *tally, double least, double most)
{
	double coverage = (double)tally->held / tally->printed;

	if (!(coverage >= least && coverage <= most))
		fail_msg("%s: %d of %d intervals hold the truth: %.3f", name, tally->held, tally->printed, coverage);
}

static void assert_unbiased(const struct tally *tally, double truth, double tolerance)
{
	double mean = tally->estimates / tally->rounds;

	if (fabs(mean / truth - 1) > tolerance)
		fail_msg("the mean of the estimates is %.1f, not %.1f", mean, truth);
}

enum { ROUNDS = 4000 };

static void one_site_is_covered_95_times_in_100(void **state)
{
	/* Objects and their chance to be seen decide all: from one event to thousands, from rare to nearly
	 * all. */
	static const struct {
		int64_t size, objects;
		double rate, least, most;
	} rows[] = {
		{64, 8192, 524288, 0.93, 1},	   /* 1 event expected */
		{64, 24576, 524288, 0.93, 0.985},  /* 3 */
		{48, 109227, 524288, 0.935, 0.97}, /* 10 */
		{1024, 20480, 524288, 0.935, 0.97},
		{64, 8192, 8192, 0.935, 0.965}, /* 64: where one method passes to the other */
		{128, 30000, 8192, 0.935, 0.965},
		{4096, 10, 8192, 0.92, 0.99}, /* 39 % are seen */
		{4096, 500, 8192, 0.93, 0.97},
		{65536, 100, 524288, 0.93, 0.97},
		{1048576, 40, 524288, 0.92, 0.995}, /* 86 % */
		{32768, 60, 8192, 0.92, 1},	    /* 98 % */
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		double p = -expm1(-(double)rows[r].size / rows[r].rate);
		struct tally tally = {0};

		for (int round = 0; round < ROUNDS; round++) {
			struct site site = {.size = rows[r].size};

			/* Binomial, by the distance in objects to the next one seen. */
			for (double at = 0;;) {
				at += ceil(log(uniform()) / log1p(-p));
				if (at > (double)rows[r].objects)
					break;
				site.events++;
				site.objects += 1 / p;
			}
			count(&tally, &site, 1, rows[r].objects);
		}
		assert_coverage("site", &tally, rows[r].least, rows[r].most);
		assert_unbiased(&tally, (double)rows[r].objects, 0.06);
	}
}

static void rare_sites_are_covered_whenever_they_are_printed(void **state)
{
	/* Many sites with one object each: a few are seen, at 8,192 times their size. None of these may be
	 * far off. */
	struct tally tally = {0};
	double p = -expm1(-64.0 / 524288);

	(void)state;
	for (int round = 0; round < 2000000; round++) {
		struct site site = {.size = 64};

		if (uniform() < p) {
			site.events = 1;
			site.objects = 1 / p;
		}
		count(&tally, &site, 1, 1);
	}
	assert_true(tally.printed > 150);
	assert_int_equal(tally.held, tally.printed);
}

static void a_rhythm_of_the_program_is_no_trap(void **state)
{
	/* A, B, A, B …, and bursts, with sizes whose sum divides the rate: a fixed distance would always hit
	 * the same. */
	static const struct {
		int64_t sizes[2], burst[2];
	} rhythms[] = {{{64, 64}, {1, 1}},
		       {{512, 512}, {1, 1}},
		       {{48, 16}, {1, 1}},
		       {{64, 1024}, {16, 1}},
		       {{2048, 64}, {1, 32}}};
	enum { RHYTHM_ROUNDS = 1200, PERIODS = 3000 };

	(void)state;
	for (size_t r = 0; r < sizeof(rhythms) / sizeof(rhythms[0]); r++) {
		struct tally tallies[2] = {{0}, {0}}, both = {0};

		for (int round = 0; round < RHYTHM_ROUNDS; round++) {
			struct site sites[2] = {{.size = rhythms[r].sizes[0]}, {.size = rhythms[r].sizes[1]}};
			struct sampler sampler = {.rate = 8192};

			sampler.left = -log(uniform()) * sampler.rate;
			for (int period = 0; period < PERIODS; period++) {
				for (int s = 0; s < 2; s++) {
					for (int64_t i = 0; i < rhythms[r].burst[s]; i++)
						allocate(&sampler, &sites[s]);
				}
			}
			for (int s = 0; s < 2; s++)
				count(&tallies[s], &sites[s], 1, rhythms[r].burst[s] * PERIODS);
			/* The same two in one row: their variances add. */
			count(&both, sites, 2, (rhythms[r].burst[0] + rhythms[r].burst[1]) * PERIODS);
		}
		for (int s = 0; s < 2; s++) {
			assert_coverage("rhythm", &tallies[s], 0.93, 0.975);
			assert_unbiased(&tallies[s], (double)(rhythms[r].burst[s] * PERIODS), 0.05);
		}
		assert_coverage("sum", &both, 0.93, 0.975);
	}
}

static void sums_of_unlike_sizes_are_covered(void **state)
{
	/* One row of a function: small objects of which few are seen, and large ones of which most are. */
	static const struct {
		int64_t size, objects;
	} parts[] = {{16, 20000}, {96, 4000}, {1024, 700}, {32768, 40}, {262144, 12}};
	enum { PARTS = sizeof(parts) / sizeof(parts[0]), SUM_ROUNDS = 1500 };
	struct tally tally = {0};
	int64_t truth = 0;

	(void)state;
	for (int part = 0; part < PARTS; part++)
		truth += parts[part].objects;
	for (int round = 0; round < SUM_ROUNDS; round++) {
		struct site sites[PARTS] = {{0}};

		for (int part = 0; part < PARTS; part++) {
			double p = -expm1(-(double)parts[part].size / 8192);

			sites[part].size = parts[part].size;
			for (double at = ceil(log(uniform()) / log1p(-p)); at <= (double)parts[part].objects;
			     at += ceil(log(uniform()) / log1p(-p))) {
				sites[part].events++;
				sites[part].objects += 1 / p;
			}
		}
		count(&tally, sites, PARTS, truth);
	}
	assert_coverage("sum of sizes", &tally, 0.925, 0.975);
}

static void large_objects_of_many_sizes_in_one_sample_are_covered(void **state)
{
	/* A slice that grows by doubling, small and huge buffers of one line, and one size alone, which must
	 * not widen. */
	static const struct {
		int64_t sizes[8], objects;
		double most;
	} mixes[] = {
		{{65536, 1048576}, 50, 1},
		{{40960, 81920, 163840, 327680, 655360, 1310720, 2621440, 5242880}, 40, 1},
		{{40960, 8388608}, 200, 1},
		{{262144}, 300, 0.975},
	};
	enum { RATE = 524288, MIX_ROUNDS = 2000 };
	struct profile profile = {.rate = RATE};

	(void)state;
	for (size_t m = 0; m < sizeof(mixes) / sizeof(mixes[0]); m++) {
		struct tally tally = {0};

		for (int round = 0; round < MIX_ROUNDS; round++) {
			struct profile_sample sample = {.key.span_class = 1};
			struct interval sum = {0};
			int64_t truth = 0, low, high;
			double objects = 0, bytes = 0;

			for (int s = 0; s < 8 && mixes[m].sizes[s]; s++) {
				double p = -expm1(-(double)mixes[m].sizes[s] / RATE);

				truth += mixes[m].objects;
				for (int64_t i = 0; i < mixes[m].objects; i++) {
					if (uniform() >= p)
						continue;
					sample.values[VALUE_SAMPLES]++;
					objects += 1 / p;
					bytes += (double)mixes[m].sizes[s] / p;
				}
			}
			sample.values[VALUE_OBJECTS] = llround(objects);
			sample.values[VALUE_BYTES] = llround(bytes);
			add_sample(&sum, &profile, &sample);
			objects_within(&sum, &low, &high);
			tally.printed++;
			tally.held += low <= truth && truth <= high;
		}
		assert_coverage("mix", &tally, 0.93, mixes[m].most);
	}
}

static void exact_rows_have_no_width(void **state)
{
	struct interval sum = {0};
	int64_t low, high;

	(void)state;
	objects_within(&sum, &low, &high);
	assert_true(low == 0 && high == 0);
	interval_add(&sum, 12345, 12345);
	objects_within(&sum, &low, &high);
	assert_true(low == 12345 && high == 12345);
	/* Fewer objects than events: nonsense in a file, no negative variance here. */
	interval_add(&sum, 100, 50);
	objects_within(&sum, &low, &high);
	assert_true(low <= 12395 && high >= 12395);
}

static void what_was_counted_at_rate_1_moves_the_interval_and_does_not_widen_it(void **state)
{
	struct profile profile = {.rate = 524288};
	struct profile_sample exact = {.key = {.span_class = 5, .rate = 1}},
			      fine = {.key = {.span_class = 0, .rate = 8192}}, estimate = {.key = {.span_class = 5}};
	struct interval alone = {0}, together = {0}, large = {0}, of_its_rate = {0};
	struct profile finer = {.rate = 8192};
	int64_t low, high, moved_low, moved_high;

	(void)state;
	exact.values[VALUE_OBJECTS] = exact.values[VALUE_SAMPLES] = 5000000;
	estimate.values[VALUE_OBJECTS] = 655360;
	estimate.values[VALUE_SAMPLES] = 10;
	add_sample(&alone, &profile, &estimate);
	add_sample(&together, &profile, &exact);
	add_sample(&together, &profile, &estimate);
	objects_within(&alone, &low, &high);
	objects_within(&together, &moved_low, &moved_high);
	assert_true(moved_low == low + 5000000 && moved_high == high + 5000000);

	/* Large objects vary as much as they can at the rate that they were sampled at. */
	fine.values[VALUE_OBJECTS] = 1010;
	fine.values[VALUE_SAMPLES] = 1000;
	fine.values[VALUE_BYTES] = 4000LL << 20;
	add_sample(&large, &profile, &fine);
	fine.key.rate = 0;
	add_sample(&of_its_rate, &finer, &fine);
	assert_true(large.parts[0].variance == of_its_rate.parts[0].variance);
	of_its_rate = (struct interval){0};
	add_sample(&of_its_rate, &profile, &fine);
	assert_true(large.parts[0].variance < of_its_rate.parts[0].variance);
}

static void bounds_rise_with_events_and_meet_where_methods_change(void **state)
{
	int64_t low, high, last_low = 0, last_high = 0;

	(void)state;
	for (int64_t k = 1; k < 400; k++) {
		struct interval sum = {0};

		interval_add(&sum, k, k * 1000);
		objects_within(&sum, &low, &high);
		assert_true(low > last_low || k == 1);
		assert_true(high > last_high);
		/* No jump: one more event moves a bound by about one weight. */
		assert_true(k < 10 || (low - last_low < 1000 && high - last_high < 1310));
		last_low = low;
		last_high = high;
	}
	struct interval huge = {0};
	interval_add(&huge, INT64_MAX / 2, INT64_MAX);
	objects_within(&huge, &low, &high);
	assert_true(low > 0 && high == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_site_is_covered_95_times_in_100),
		cmocka_unit_test(rare_sites_are_covered_whenever_they_are_printed),
		cmocka_unit_test(a_rhythm_of_the_program_is_no_trap),
		cmocka_unit_test(sums_of_unlike_sizes_are_covered),
		cmocka_unit_test(large_objects_of_many_sizes_in_one_sample_are_covered),
		cmocka_unit_test(exact_rows_have_no_width),
		cmocka_unit_test(what_was_counted_at_rate_1_moves_the_interval_and_does_not_widen_it),
		cmocka_unit_test(bounds_rise_with_events_and_meet_where_methods_change),
	};

	return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
