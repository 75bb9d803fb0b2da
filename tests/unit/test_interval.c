/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intervals compared with the truth: a sampler with random byte distances runs over streams of allocations with known
 * counts, and the printed intervals must contain the truth about 95 times in 100. All seeds are fixed, so the results
 * are always the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/interval.h"
#include "profile/interval_bounds.h"
#include "profile/profile.h"
#include "profile/report.h"
#include "profile/size_class.h"

/* Bounds from samples alone, without exact totals. */
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
	double objects; /* estimate: sum of 1 / p over the events, p: chance of an object to be sampled */
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
	/* The distribution is memoryless, so the new distance may begin at the end of the object. */
	sampler->left = -log(uniform()) * sampler->rate;
}

/* How often a row was printed, and how often its interval contained the truth. */
struct tally {
	int printed, held;
	double estimates; /* sum of the estimates, 0 for a row that was not printed */
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
	bounds = interval_bounds(&sum, NULL);
	interval_clear(&sum);
	if (events == 0)
		return;
	low = bounds.objects_low;
	high = bounds.objects_high;
	assert_true(low >= events);
	assert_true(low <= objects && objects <= high);
	tally->printed++;
	tally->held += low <= truth && truth <= high;
}

static void assert_coverage(const char *name, const struct tally *tally, double least, double most)
{
	double coverage = (double)tally->held / tally->printed;

	if (!(coverage >= least && coverage <= most))
		fail_msg("%s: %d of %d intervals contain the truth: %.3f", name, tally->held, tally->printed, coverage);
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
	/* The result depends only on the number of objects and their chance of being sampled. From one event to
	 * thousands, and from rare objects to nearly all. */
	static const struct {
		int64_t size, objects;
		double rate, least, most;
	} rows[] = {
		{64, 8192, 524288, 0.93, 1},	   /* 1 expected event */
		{64, 24576, 524288, 0.93, 0.985},  /* 3 */
		{48, 109227, 524288, 0.935, 0.97}, /* 10 */
		{1024, 20480, 524288, 0.935, 0.97},
		{64, 8192, 8192, 0.935, 0.965}, /* 64: at the switch between the two methods */
		{128, 30000, 8192, 0.935, 0.965},
		{4096, 10, 8192, 0.92, 0.99}, /* 39 % are sampled */
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

			/* Draws a binomial number, by the geometric distances between sampled objects. */
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
	/* Many sites with one object each. A sampled one gets the weight 8,192, and its interval must still contain the
	 * truth. */
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
	/* Two sites that alternate, singly or in bursts, with a period that divides the rate: a fixed distance would
	 * always hit the same site. */
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
			/* Both sites in one row: their variances add up. */
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
	/* One row for a function with small objects, of which few are sampled, and large ones, of which most are. */
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
	/* A slice that grows by doubling; small and huge buffers of one line; and a single size, whose interval must
	 * not become wider. */
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
			interval_clear(&sum);
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
	/* A file may have fewer objects than events: the variance must not become negative. */
	interval_add(&sum, 100, 50);
	objects_within(&sum, &low, &high);
	assert_true(low <= 12395 && high >= 12395);
	interval_clear(&sum);
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

	/* The variance of large objects is the maximum for the rate at which they were sampled. */
	fine.values[VALUE_OBJECTS] = 1010;
	fine.values[VALUE_SAMPLES] = 1000;
	fine.values[VALUE_BYTES] = 4000LL << 20;
	add_sample(&large, &profile, &fine);
	fine.key.rate = 0;
	add_sample(&of_its_rate, &finer, &fine);
	assert_true(large.parts[0].variance == of_its_rate.parts[0].variance);
	interval_clear(&of_its_rate);
	add_sample(&of_its_rate, &profile, &fine);
	assert_true(large.parts[0].variance < of_its_rate.parts[0].variance);
	interval_clear(&alone);
	interval_clear(&together);
	interval_clear(&large);
	interval_clear(&of_its_rate);
}

/*
 * A process that is counted in bursts: 10 ms at a random moment in each of CELLS cells of one second. One site
 * allocates all the time, one in random blocks of a quarter of a second, one in the first half second of every two
 * seconds. All have the same size class.
 */
enum { BURST_SITES = 3, CELLS = 40, MS = 1000 * CELLS, BURST_MS = 10 };

static void simulate(int64_t made[BURST_SITES][MS], int64_t truth[BURST_SITES])
{
	int left = 0;

	memset(truth, 0, BURST_SITES * sizeof(*truth));
	for (int ms = 0; ms < MS; ms++) {
		if (ms % 250 == 0)
			left = uniform() < 0.3 ? 250 : 0;
		made[0][ms] = 5 + (int64_t)(10 * uniform());
		made[1][ms] = left-- > 0 ? 40 : 0;
		made[2][ms] = ms % 2000 < 500 ? 15 : 0;
		for (int site = 0; site < BURST_SITES; site++)
			truth[site] += made[site][ms];
	}
}

/* The profile of a recording of that process. */
static struct profile *record_bursts(int64_t made[BURST_SITES][MS], const int64_t truth[BURST_SITES])
{
	static const char *const names[] = {"main.steady", "main.blocks", "main.turns"};
	struct profile *profile = profile_new();
	struct profile_sample samples[CELLS * BURST_SITES] = {0}, *list[CELLS * BURST_SITES];
	struct profile_process *process = profile_process_add(profile, 1);
	int64_t all = 0;

	profile->rate = 524288;
	profile->totals_exact = true;
	profile->row_measured = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;
	for (int site = 0; site < BURST_SITES; site++)
		all += truth[site];
	memset(process->class_totals, 0, sizeof(process->class_totals));
	process->class_totals[10][VALUE_OBJECTS] = all;
	process->class_totals[10][VALUE_BYTES] = 48 * all;
	process->bursts = (struct profile_bursts){.present = true, .count = CELLS};
	for (int cell = 0; cell < CELLS; cell++) {
		int begin = 1000 * cell + (int)(uniform() * (1000 - BURST_MS));

		for (int site = 0; site < BURST_SITES; site++) {
			const struct profile_frame frame = {.function = names[site]};
			const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);
			struct profile_sample *sample = &samples[BURST_SITES * cell + site];
			int64_t counted = 0;

			for (int ms = begin; ms < begin + BURST_MS; ms++)
				counted += made[site][ms];
			sample->key = (struct profile_key){.stack = profile_stack(profile, &location, 1, false),
							   .span_class = 10,
							   .pid = 1,
							   .bursts = 1};
			sample->values[VALUE_SAMPLES] = counted;
			sample->values[VALUE_OBJECTS] = counted * 1000 / BURST_MS;
			sample->values[VALUE_BYTES] = 48 * sample->values[VALUE_OBJECTS];
			sample->groups = memory_zeroed(BURST_GROUPS, sizeof(*sample->groups));
			sample->groups[cell % BURST_GROUPS] = (struct profile_group){
				sample->values[VALUE_OBJECTS], sample->values[VALUE_BYTES], counted};
			list[BURST_SITES * cell + site] = sample;
		}
	}
	estimates_calibrate(list, CELLS * BURST_SITES, 0, process);
	for (int i = 0; i < CELLS * BURST_SITES; i++) {
		profile_add_group(profile, &list[i]->key, i / BURST_SITES % BURST_GROUPS, list[i]->values);
		free(list[i]->groups);
	}
	return profile;
}

static void bursts_are_as_unlike_as_the_program_makes_them(void **state)
{
	static int64_t made[BURST_SITES][MS];
	struct tally tallies[BURST_SITES] = {0};
	double truths[BURST_SITES] = {0};
	const int rounds = 300;

	(void)state;
	for (int round = 0; round < rounds; round++) {
		struct interval sums[BURST_SITES] = {0};
		int64_t truth[BURST_SITES], all = 0, estimated = 0;
		struct estimates *estimates;
		struct profile *profile;

		simulate(made, truth);
		profile = record_bursts(made, truth);
		estimates = estimates_new(profile);
		for (size_t i = 0; i < profile->sample_count; i++) {
			const char *name = profile_stack_at(profile->samples[i]->key.stack, 0)->frames[0].function;
			int site = name[5] == 's' ? 0 : name[5] == 'b' ? 1 : 2;

			interval_add_sample(&sums[site], estimates, profile->samples[i]);
			tallies[site].estimates += (double)profile->samples[i]->values[VALUE_OBJECTS];
			estimated += profile->samples[i]->values[VALUE_OBJECTS];
		}
		for (int site = 0; site < BURST_SITES; site++) {
			struct interval_bounds bounds = interval_bounds(&sums[site], estimates);

			all += truth[site];
			truths[site] += (double)truth[site] / rounds;
			tallies[site].rounds++;
			if (sums[site].part_count == 0)
				continue;
			tallies[site].printed++;
			tallies[site].held += bounds.objects_low <= truth[site] && truth[site] <= bounds.objects_high;
			assert_true(bounds.bytes_low <= 48 * bounds.objects_high);
			interval_clear(&sums[site]);
		}
		assert_true(llabs(estimated - all) <= BURST_SITES * CELLS);
		estimates_free(estimates);
		profile_free(profile);
	}
	assert_coverage("all the time", &tallies[0], 0.93, 1);
	assert_coverage("in blocks", &tallies[1], 0.92, 1);
	assert_coverage("in turns", &tallies[2], 0.92, 1);
	for (int site = 0; site < BURST_SITES; site++)
		assert_unbiased(&tallies[site], truths[site], 0.05);
}

static void bounds_rise_with_events_and_meet_where_methods_change(void **state)
{
	int64_t low, high, last_low = 0, last_high = 0;

	(void)state;
	for (int64_t k = 1; k < 400; k++) {
		struct interval sum = {0};

		interval_add(&sum, k, k * 1000);
		objects_within(&sum, &low, &high);
		interval_clear(&sum);
		assert_true(low > last_low || k == 1);
		assert_true(high > last_high);
		/* The bounds have no jumps: one more event moves a bound by about the weight of one event. */
		assert_true(k < 10 || (low - last_low < 1000 && high - last_high < 1310));
		last_low = low;
		last_high = high;
	}
	struct interval huge = {0};
	interval_add(&huge, INT64_MAX / 2, INT64_MAX);
	objects_within(&huge, &low, &high);
	assert_true(low > 0 && high == INT64_MAX);
	interval_clear(&huge);
}

static void only_types_of_one_layout_without_pointers_or_of_few_bytes_may_be_tiny(void **state)
{
	enum { SCAN_64 = 12, NOSCAN_64, NOSCAN_16 = 5 };
	static const struct {
		const char *call, *type;
		int span_class, size, objects;
		bool maybe;
	} cases[] = {
		{"runtime.newobject", "*int", SCAN_64, 64, 300, false},
		{"runtime.makeslice", "*main.T", SCAN_64, 64, 300, false},
		{NULL, "[]int", SCAN_64, 64, 300, false},
		{"runtime.newobject", "[8]int", NOSCAN_64, 64, 300, false},
		{"runtime.newobject", "[2]int", NOSCAN_16, 16, 300, false},
		{"runtime.newobject", "int", NOSCAN_16, 8, 300, true},
		{"runtime.newobject", "int", NOSCAN_16, 0, 0, true}, /* refills, without a sample */
		{"runtime.makeslice", "int", NOSCAN_64, 64, 300, true},
		{"runtime.convT64", "int", NOSCAN_16, 8, 300, true},
		{NULL, "int", NOSCAN_64, 64, 300, true},
		{"runtime.newobject", "*int", SPAN_CLASS_UNKNOWN, 64, 300, true},
		/* another type of that name may be tiny */
		{"runtime.newobject", "main.T", SCAN_64, 64, 300, true},
		{"runtime.newobject", "[8]main.T", SCAN_64, 64, 300, true},
		{"runtime.newobject", NULL, SCAN_64, 64, 300, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *profile = profile_new();
		const struct profile_frame leaf = {.function = cases[i].call}, caller = {.function = "main.f"};
		const struct profile_location *locations[2];
		struct estimates estimates = {.profile = profile};
		struct profile_sample sample = {.key = {.span_class = cases[i].span_class, .type = cases[i].type}};
		struct interval sum = {0}, joined = {0};
		size_t depth = 0;

		if (cases[i].call)
			locations[depth++] = profile_location(profile, 1, NULL, &leaf, 1);
		locations[depth++] = profile_location(profile, 2, NULL, &caller, 1);
		profile->rate = 524288;
		sample.key.stack = profile_stack(profile, locations, (uint32_t)depth, false);
		sample.values[VALUE_SAMPLES] = cases[i].objects / 100;
		sample.values[VALUE_OBJECTS] = cases[i].objects;
		sample.values[VALUE_BYTES] = (int64_t)cases[i].objects * cases[i].size;
		interval_add_sample(&sum, &estimates, &sample);
		interval_join(&joined, &sum);
		assert_int_equal(joined.maybe_tiny, cases[i].maybe);
		interval_clear(&sum);
		interval_clear(&joined);
		profile_free(profile);
	}
}

/*
 * Processes of a Go program. Each allocates tiny objects, two to a block of 16 bytes, and nothing else of 16 bytes. The runtime
 * counts the objects that share a block, and those of 16 bytes; which of the latter are blocks is known from samples alone.
 * If `one` sample of a process has both, as in a file; live, they are two.
 */
static struct profile *with_tiny_objects(const int64_t *blocks, int processes, bool one)
{
	enum { SCAN_16 = 4, NOSCAN_16 = 5, RATE = 524288 };
	const struct profile_frame frame = {.function = estimates_tiny_site};
	struct profile *profile = profile_new();
	const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);

	profile->rate = RATE;
	profile->totals_exact = true;
	profile->row_measured = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;
	for (int i = 0; i < processes; i++) {
		struct profile_process *process = profile_process_add(profile, i + 1);
		struct profile_key key = {
			.stack = profile_stack(profile, &location, 1, false), .span_class = NOSCAN_16, .pid = i + 1};
		int64_t values[VALUE_COUNT] = {0}, rest[VALUE_COUNT] = {0};

		for (int class = 0; class < SPAN_CLASSES; class ++) {
			bool counted = class % 2 == 0 || class == NOSCAN_16;

			process->class_totals[class][VALUE_OBJECTS] = counted ? 0 : VALUE_UNMEASURED;
			process->class_totals[class][VALUE_BYTES] = counted ? 0 : VALUE_UNMEASURED;
		}
		process->class_totals[SCAN_16][VALUE_OBJECTS] = blocks[i];
		process->class_totals[SCAN_16][VALUE_BYTES] = 16 * blocks[i];
		process->class_totals[NOSCAN_16][VALUE_OBJECTS] = rest[VALUE_OBJECTS] = blocks[i];
		for (int64_t block = 0; block < blocks[i]; block++)
			values[VALUE_SAMPLES] += uniform() < -expm1(-16.0 / RATE);
		if (values[VALUE_SAMPLES] > 0) {
			values[VALUE_OBJECTS] = blocks[i];
			values[VALUE_BYTES] = 16 * blocks[i];
			profile_add(profile, &key, values);
		}
		if (!one)
			key.comm = "live";
		profile_add(profile, &key, rest);
	}
	return profile;
}

static void tiny_objects_are_within_their_interval_of_however_many_processes_and_blocks(void **state)
{
	static const struct {
		int64_t blocks[3];
		int processes;
	} cases[] = {{{10000, 15000}, 2}, {{25000}, 1}, {{60000, 20000, 500000}, 3}, {{100}, 1}};
	enum { TINY_ROUNDS = 200 };

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct tally objects = {0}, bytes = {0};
		int64_t blocks = 0;

		for (int i = 0; i < cases[c].processes; i++)
			blocks += cases[c].blocks[i];
		for (int round = 0; round < TINY_ROUNDS; round++) {
			struct profile *profile = with_tiny_objects(cases[c].blocks, cases[c].processes, round % 2);
			struct report *report = report_new(profile, BY_SITE, VALUE_BYTES, 0);
			const struct report_row *row = &report->rows[0];

			assert_int_equal(report->row_count, 1);
			assert_true(row->has_bounds);
			assert_true(row->bounds.objects_low >= blocks); /* those that share a block were counted */
			assert_true(row->bounds.objects_low <= row->values[VALUE_OBJECTS]);
			assert_true(row->bounds.objects_high >= row->values[VALUE_OBJECTS]);
			assert_true(row->bounds.objects_high <= 2 * blocks);
			/* without a sample of a block the bytes are not known, which is no 0 */
			assert_true(row->values[VALUE_SAMPLES] > 0 ? row->values[VALUE_BYTES] > 0
								   : row->values[VALUE_BYTES] == VALUE_UNMEASURED);
			objects.printed++;
			objects.held += row->bounds.objects_low <= 2 * blocks && 2 * blocks <= row->bounds.objects_high;
			bytes.printed++;
			bytes.held += row->bounds.bytes_low <= 16 * blocks && 16 * blocks <= row->bounds.bytes_high;
			report_free(report);
			profile_free(profile);
		}
		assert_coverage("objects", &objects, 0.93, 1);
		assert_coverage("bytes", &bytes, 0.93, 1);
	}
}

/* A line of a program, and how many objects of each size it allocates. */
struct line {
	const char *function, *call;
	int64_t objects[SIZE_CLASSES];
};

/* Line i of `make([]byte, least + i % sizes)`, run `count` times. */
static void make_slices(struct line *line, int64_t count, int64_t least, int64_t sizes)
{
	for (int64_t i = 0; i < count; i++) {
		int class = 1;

		while (size_class_bytes(class) < least + i % sizes)
			class ++;
		line->objects[class]++;
	}
}

/* Records the lines at the default rate. The totals are known, and samples are scaled to them. */
static struct profile *sample_lines(const struct line *lines, size_t count)
{
	struct profile *profile = profile_new();
	struct profile_process *process = profile_process_add(profile, 1);

	profile->rate = 524288;
	profile->totals_exact = true;
	profile->row_measured = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;
	for (int class = 0; class < SIZE_CLASSES; class ++) {
		int64_t *totals = process->class_totals[2 * class];

		totals[VALUE_OBJECTS] = totals[VALUE_BYTES] = 0;
		for (size_t i = 0; i < count; i++) {
			totals[VALUE_OBJECTS] += lines[i].objects[class];
			totals[VALUE_BYTES] += lines[i].objects[class] * size_class_bytes(class);
		}
	}
	for (size_t i = 0; i < count; i++) {
		const struct profile_frame frames[] = {{.function = lines[i].call}, {.function = lines[i].function}};
		const struct profile_location *location = profile_location(profile, i + 1, NULL, frames, 2);

		for (int class = 1; class < SIZE_CLASSES; class ++) {
			const struct profile_key key = {.stack = profile_stack(profile, &location, 1, false),
							.span_class = 2 * class,
							.pid = 1,
							.rate = profile->rate};
			double chance = -expm1(-(double)size_class_bytes(class) / (double)profile->rate);
			int64_t values[VALUE_COUNT] = {0};

			for (int64_t object = 0; object < lines[i].objects[class]; object++)
				values[VALUE_SAMPLES] += uniform() < chance;
			values[VALUE_OBJECTS] = llround((double)values[VALUE_SAMPLES] / chance);
			values[VALUE_BYTES] = values[VALUE_OBJECTS] * size_class_bytes(class);
			if (values[VALUE_SAMPLES] > 0)
				profile_add(profile, &key, values);
		}
	}
	estimates_calibrate(profile->samples, profile->sample_count, profile->rate, process);
	return profile;
}

static void a_line_of_several_sizes_is_covered_though_no_sample_hit_some_of_them(void **state)
{
	static const struct {
		int64_t count, least, sizes, others; /* others: objects of 24 bytes, all of another line */
	} cases[] = {{20000, 20, 40, 20000}, {50000, 20, 40, 50000}, {200000, 20, 40, 200000},
		     {20000, 8, 240, 20000}, {20000, 16, 200, 0},    {5000, 1000, 3000, 0}};
	enum { LINE_ROUNDS = 200 };

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct line lines[] = {{.function = "main.mixed", .call = "runtime.makeslice"},
				       {.function = "main.fixed", .call = "runtime.newobject"}};
		struct tally objects = {0}, bytes = {0};
		int64_t truth = 0, true_bytes = 0;

		make_slices(&lines[0], cases[c].count, cases[c].least, cases[c].sizes);
		make_slices(&lines[1], cases[c].others, 24, 1);
		for (int class = 1; class < SIZE_CLASSES; class ++) {
			truth += lines[0].objects[class];
			true_bytes += lines[0].objects[class] * size_class_bytes(class);
		}
		for (int round = 0; round < LINE_ROUNDS; round++) {
			struct profile *profile = sample_lines(lines, 2);
			struct report *report = report_new(profile, BY_FUNCTION, VALUE_BYTES, 0);

			for (size_t i = 0; i < report->row_count; i++) {
				const struct interval_bounds *bounds = &report->rows[i].bounds;

				if (strcmp(report->rows[i].function, "main.mixed") != 0)
					continue;
				objects.printed++;
				objects.held += bounds->objects_low <= truth && truth <= bounds->objects_high;
				bytes.printed++;
				bytes.held += bounds->bytes_low <= true_bytes && true_bytes <= bounds->bytes_high;
			}
			report_free(report);
			profile_free(profile);
		}
		assert_coverage("objects", &objects, 0.93, 1);
		assert_coverage("bytes", &bytes, 0.93, 1);
	}
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
		cmocka_unit_test(only_types_of_one_layout_without_pointers_or_of_few_bytes_may_be_tiny),
		cmocka_unit_test(tiny_objects_are_within_their_interval_of_however_many_processes_and_blocks),
		cmocka_unit_test(a_line_of_several_sizes_is_covered_though_no_sample_hit_some_of_them),
		cmocka_unit_test(bursts_are_as_unlike_as_the_program_makes_them),
		cmocka_unit_test(bounds_rise_with_events_and_meet_where_methods_change),
	};

	return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
