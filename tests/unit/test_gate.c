/* SPDX-License-Identifier: BSD-2-Clause */
/* Extreme counts, which a file may contain. For comparisons of real counts see tests/integration/test_gate*.py. */
#include "audit_fixture.h"

#include "audit/audit_join.h"
#include "gate/gate_compare.h"
#include "gate/gate_measure.h"
#include "gate/gate_self_test.h"
#include "render/render_gate.h"

/* Every sample has the largest possible count, including two samples of one site. */
static struct profile *hostile_profile(void)
{
	struct profile *profile = exact_profile();

	measure(profile, "runtime.newobject < main.f f.go:1 < main.a f.go:5", INT64_MAX, INT64_MAX);
	measure(profile, "runtime.newobject < main.f f.go:1 < main.b f.go:6", INT64_MAX, INT64_MAX);
	measure(profile, "runtime.newobject < main.g f.go:2", INT64_MAX, INT64_MAX);
	measure(profile, "runtime.gcBgMarkWorker", INT64_MAX, INT64_MAX);
	measure(profile, "runtime.bgsweep", INT64_MAX, INT64_MAX);
	return profile;
}

static struct gate_counts *counts_of(const struct profile *profile, int runs)
{
	struct gate_measurement *measurement = gate_measurement_new(NULL);
	struct error error;

	for (int i = 0; i < runs; i++)
		gate_measurement_add(measurement, profile, NULL);
	return gate_measurement_finish(measurement, NULL, &error);
}

static void sums_of_a_measurement_stop_at_the_greatest_number(void **state)
{
	struct profile *profile = hostile_profile();
	struct gate_counts *counts;

	(void)state;
	counts = counts_of(profile, 1);
	assert_non_null(counts);
	assert_int_equal(counts->site_count, 2);
	for (size_t i = 0; i < counts->site_count; i++) {
		assert_int_equal(counts->sites[i].counts[VALUE_OBJECTS].least, INT64_MAX);
		assert_int_equal(counts->sites[i].counts[VALUE_BYTES].most, INT64_MAX);
	}
	assert_int_equal(counts->totals[VALUE_OBJECTS], INT64_MAX);
	assert_int_equal(counts->totals[VALUE_BYTES], INT64_MAX);
	assert_int_equal(counts->outside[VALUE_OBJECTS], INT64_MAX);
	gate_counts_free(counts);
	profile_free(profile);
}

static void costs_count_only_if_several_runs_agree(void **state)
{
	struct profile *profile = exact_profile();

	(void)state;
	measure(profile, "runtime.newobject < main.f f.go:1 < main.a f.go:5", 8, 64);
	profile_process_add(profile, 1)->totals[VALUE_REFILLS] = 5;
	for (int runs = 1; runs <= 2; runs++) {
		struct gate_counts *counts = counts_of(profile, runs);

		assert_int_equal(counts->totals[VALUE_REFILLS], runs > 1 ? 5 : VALUE_UNMEASURED);
		assert_int_equal(counts->sites[0].counts[VALUE_REFILLS].least, runs > 1 ? 0 : VALUE_UNMEASURED);
		assert_int_equal(counts->totals[VALUE_OBJECTS], 8);
		assert_int_equal(counts->costs[VALUE_REFILLS].most, 5);
		gate_counts_free(counts);
	}
	profile_free(profile);
}

static void sums_of_lost_events_stop_at_the_greatest_number(void **state)
{
	struct profile *profile = hostile_profile();
	struct gate_counts *counts;

	(void)state;
	profile_process_add(profile, 1)->lost_events = INT64_MAX;
	counts = counts_of(profile, 2);
	assert_int_equal(counts->loss.events, INT64_MAX);
	gate_counts_free(counts);
	profile_free(profile);
}

static void add_site(struct gate_counts *counts, const char *annotation)
{
	struct gate_site *site = gate_counts_append(counts);

	site->function = gate_counts_string(counts, "main.f");
	site->annotation = gate_counts_string(counts, annotation);
	site->counts[VALUE_OBJECTS] = site->counts[VALUE_BYTES] =
		(struct gate_count){.least = INT64_MAX, .most = INT64_MAX};
}

static void sums_of_sites_of_one_key_stop_at_the_greatest_number(void **state)
{
	struct gate_counts *before = gate_counts_new(), *after = gate_counts_new();
	struct policy policy;
	struct gate *gate;
	char description[512];
	struct error error;

	(void)state;
	policy_init(&policy);
	add_site(before, "a");
	add_site(before, "b");
	add_site(after, NULL);
	gate_counts_add_up(before);
	gate_counts_add_up(after);
	gate = gate_compare(before, after, &policy);
	assert_int_equal(gate->row_count, 1);
	assert_int_equal(gate->rows[0].change, GATE_SAME);
	assert_int_equal(gate->rows[0].before->counts[VALUE_OBJECTS].least, INT64_MAX);
	assert_true(gate->rows[0].before->is_sum);
	gate_free(gate);
	/* The self-test fails, because no count can be larger. */
	assert_int_equal(gate_self_test(before, after, &policy, description, sizeof(description), &error), -1);
	policy_clear(&policy);
	gate_counts_free(before);
	gate_counts_free(after);
}

/* A run with rows of 90 and 10 objects, of which the last has no owner, and an exact total beside them. */
static struct profile *sampled_profile(int64_t total)
{
	struct profile *profile = exact_profile();

	profile->rate = 512;
	profile->rows_exact = false;
	measure(profile, "runtime.newobject < main.f f.go:1", 90, 1440);
	measure(profile, "runtime.bgsweep", 10, 160);
	profile_process_add(profile, 1)->totals[VALUE_OBJECTS] = total;
	return profile;
}

static void the_exact_total_is_the_least_of_the_runs(void **state)
{
	struct profile *runs[] = {sampled_profile(120), sampled_profile(104), sampled_profile(150)};
	struct gate_measurement *measurement = gate_measurement_new(NULL);
	struct gate_counts *counts;
	struct error error;

	(void)state;
	for (int i = 0; i < 3; i++) {
		gate_measurement_add(measurement, runs[i], NULL);
		profile_free(runs[i]);
	}
	counts = gate_measurement_finish(measurement, "2", &error);
	assert_int_equal(counts->exact[VALUE_OBJECTS], 104);
	gate_counts_free(counts);
}

static void an_exact_total_is_not_compared_with_a_sum_of_estimates(void **state)
{
	static const struct {
		int64_t rate, exact; /* of the side before */
		double before, after;
	} cases[] = {{512, 0, 100, 100}, {512, 120, 120, 104}, {1, 0, 100, 104}};
	struct profile *profile = sampled_profile(104);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct gate_counts *before = counts_of(profile, 1), *after = counts_of(profile, 1);
		struct policy policy;
		struct gate *gate;
		struct gate_sums *sums;

		policy_init(&policy);
		before->rate = cases[i].rate;
		before->exact[VALUE_OBJECTS] = cases[i].exact;
		gate = gate_compare(before, after, &policy);
		sums = gate_sums_new(gate, &(struct gate_style){.width = 80, .what = "objects"});
		assert_true(sums->sums[0].before[0] == cases[i].before);
		assert_true(sums->sums[0].after[0] == cases[i].after);
		gate_sums_free(sums);
		gate_free(gate);
		policy_clear(&policy);
		gate_counts_free(before);
		gate_counts_free(after);
	}
	profile_free(profile);
}

static void sums_of_an_audit_stop_at_the_greatest_number(void **state)
{
	struct escape_output *output = output_of(NULL, 0);
	struct profile *profile = hostile_profile();
	struct audit *audit = audit_of(profile, output);

	(void)state;
	assert_int_equal(audit->totals[VALUE_OBJECTS], INT64_MAX);
	for (size_t i = 0; i < audit->row_count; i++)
		assert_int_equal(audit->rows[i].values[VALUE_OBJECTS], INT64_MAX);
	audit_free(audit);
	output_free(output);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_a_measurement_stop_at_the_greatest_number),
		cmocka_unit_test(costs_count_only_if_several_runs_agree),
		cmocka_unit_test(sums_of_lost_events_stop_at_the_greatest_number),
		cmocka_unit_test(sums_of_sites_of_one_key_stop_at_the_greatest_number),
		cmocka_unit_test(the_exact_total_is_the_least_of_the_runs),
		cmocka_unit_test(an_exact_total_is_not_compared_with_a_sum_of_estimates),
		cmocka_unit_test(sums_of_an_audit_stop_at_the_greatest_number),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
