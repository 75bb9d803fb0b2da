/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate's comparison: regressions, tolerated changes, moved sites. Every object has 16 bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate_compare.h"
#include "gate_fixture.h"

/* "CHANGE FUNCTION" for each row in order, with "!" after those that fail and "?" after notes. */
static char *rows_text(const struct gate *gate)
{
	static char text[1024];
	size_t length = 0;

	text[0] = 0;
	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_row *row = &gate->rows[i];

		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s %s%s", i ? ", " : "",
					   gate_change_names[row->change],
					   (row->after ? row->after : row->before)->function,
					   row->fails  ? "!"
					   : row->note ? "?"
						       : "");
	}
	return text;
}

static void expect(struct gate_counts *before, struct gate_counts *after, const struct policy *policy,
		   const char *expected)
{
	struct gate *gate = gate_compare(finished(before), finished(after), policy);
	size_t failing = 0;

	assert_string_equal(rows_text(gate), expected);
	for (const char *c = expected; *c; c++)
		failing += *c == '!';
	assert_int_equal(gate->failing, failing);
	assert_int_equal(gate->failed, failing > 0);
	assert_int_equal(gate_status(gate), failing ? STATUS_FOUND : STATUS_OK);
	gate_free(gate);
	gate_counts_free(before);
	gate_counts_free(after);
}

/* Compares counts with one site, whose number of objects changes. */
static void changes(const struct policy *policy, int64_t before_least, int64_t before_most, int64_t after_least,
		    int64_t after_most, const char *expected)
{
	struct gate_counts *before = counts_new(), *after = counts_new();

	add_site(before, "f", "T", before_least, before_most);
	add_site(after, "f", "T", after_least, after_most);
	expect(before, after, policy, expected);
}

static void one_object_more_fails_and_one_less_is_better(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	changes(&policy, 1000000, 1000000, 1000001, 1000001, "worse f!");
	changes(&policy, 1000000, 1000000, 999999, 999999, "better f");
	changes(&policy, 1000000, 1000000, 1000000, 1000000, "same f");
	changes(&policy, 0, 0, 1, 1, "worse f!");
}

static void what_is_new_fails_and_what_is_gone_does_not(void **state)
{
	struct gate_counts *before = counts_new(), *after = counts_new();
	struct policy policy;

	(void)state;
	policy_init(&policy);
	add_site(before, "kept", "T", 5, 5);
	add_site(before, "old", "T", 7, 7);
	add_site(after, "kept", "T", 5, 5);
	add_site(after, "added", "U", 1, 1);
	/* The sum has six objects fewer, so the new site is only a note, unless each site is judged alone. */
	expect(before, after, &policy, "new added?, gone old, same kept");
	before = counts_new();
	after = counts_new();
	add_site(before, "old", "T", 7, 7);
	add_site(after, "added", "U", 8, 8);
	expect(before, after, &policy, "new added!, gone old");
	before = counts_new();
	after = counts_new();
	add_site(before, "old", "T", 7, 7);
	add_site(after, "added", "U", 1, 1);
	policy.strict = true;
	expect(before, after, &policy, "new added!, gone old");
}

static void each_benchmark_is_judged_by_its_own_sum(void **state)
{
	struct gate_counts *before = counts_new(), *after = counts_new();
	struct policy policy;
	struct error error;

	(void)state;
	policy_init(&policy);
	add_site(before, "a", "T", 100, 100)->benchmark = "BenchmarkA";
	add_site(before, "b", "T", 100, 100)->benchmark = "BenchmarkB";
	add_site(after, "a", "T", 50, 50)->benchmark = "BenchmarkA";
	add_site(after, "b", "T", 101, 101)->benchmark = "BenchmarkB";
	expect(before, after, &policy, "worse b!, better a");

	/* A package with its own rule is judged by it, however much is tolerated elsewhere. */
	assert_int_equal(policy_tolerance(&policy, "*:objects=100,bytes=1M", &error), 0);
	before = counts_new();
	after = counts_new();
	add_site(before, "p.f", "T", 100, 100);
	add_site(after, "p.f", "T", 101, 101);
	expect(before, after, &policy, "tolerated p.f");
	assert_int_equal(policy_tolerance(&policy, "p:0%", &error), 0);
	before = counts_new();
	after = counts_new();
	add_site(before, "p.f", "T", 100, 100);
	add_site(after, "p.f", "T", 101, 101);
	expect(before, after, &policy, "worse p.f!");
	policy_clear(&policy);
}

static void a_tolerance_is_kept_to_the_object(void **state)
{
	struct policy policy;
	struct error error;

	(void)state;
	policy_init(&policy);
	assert_int_equal(policy_tolerance(&policy, "10%", &error), 0);
	changes(&policy, 100, 100, 110, 110, "tolerated f");
	changes(&policy, 100, 100, 111, 111, "worse f!");
	assert_int_equal(policy_tolerance(&policy, "f:objects=20", &error), 0);
	/* The percentage still limits bytes: 160 of 1600. */
	changes(&policy, 100, 100, 111, 111, "worse f!");
	assert_int_equal(policy_tolerance(&policy, "f:bytes=320", &error), 0);
	changes(&policy, 100, 100, 120, 120, "tolerated f");
	changes(&policy, 100, 100, 121, 121, "worse f!");
	policy_clear(&policy);
}

static void runs_that_differ_fail_only_above_all_that_was_seen_unless_the_policy_minds(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	changes(&policy, 100, 110, 105, 120, "noisy f");
	changes(&policy, 100, 110, 111, 120, "worse f!");
	changes(&policy, 100, 110, 108, 108, "noisy f");
	changes(&policy, 100, 100, 100, 101, "noisy f");
	policy.noisy = NOISY_FAIL;
	changes(&policy, 100, 110, 105, 120, "noisy f!");
	changes(&policy, 100, 100, 100, 101, "noisy f!");
	policy.noisy = NOISY_IGNORE;
	changes(&policy, 100, 110, 111, 120, "noisy f");
	changes(&policy, 100, 110, 111, 111, "noisy f");
	changes(&policy, 100, 100, 101, 101, "worse f!");
}

static void a_renamed_function_with_the_same_counts_has_moved(void **state)
{
	struct gate_counts *before = counts_new(), *after = counts_new();
	struct gate *gate;
	struct policy policy;

	(void)state;
	policy_init(&policy);
	add_site(before, "old", "T", 42, 42);
	add_site(after, "renamed", "T", 42, 42);
	gate = gate_compare(finished(before), finished(after), &policy);
	assert_string_equal(rows_text(gate), "moved renamed");
	assert_string_equal(gate->rows[0].before->function, "old");
	assert_string_equal(gate->rows[0].how, "renamed");
	assert_false(gate->failed);
	gate_free(gate);
	gate_counts_free(before);
	gate_counts_free(after);
	/* A site with one object more, or with another type, has not moved. */
	before = counts_new();
	after = counts_new();
	add_site(before, "old", "T", 42, 42);
	add_site(after, "renamed", "T", 43, 43);
	expect(before, after, &policy, "new renamed!, gone old");
	before = counts_new();
	after = counts_new();
	add_site(before, "old", "T", 42, 42);
	add_site(after, "renamed", "U", 42, 42);
	expect(before, after, &policy, "new renamed?, gone old");
}

static void sites_of_one_key_are_summed_unless_both_sides_know_what_the_compiler_said(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	for (int annotated = 0; annotated < 2; annotated++) {
		struct gate_counts *before = counts_new(), *after = counts_new();
		struct gate_counts *sides[] = {before, after};
		static const int64_t objects[2][2] = {{10, 20}, {12, 18}};

		for (int side = 0; side < 2; side++) {
			for (int i = 0; i < 2; i++) {
				struct gate_site *site =
					add_site(sides[side], "f", "T", objects[side][i], objects[side][i]);

				if (annotated || side == 0)
					site->annotation = gate_counts_string(sides[side], i ? "moved to heap: y"
											     : "moved to heap: x");
			}
		}
		expect(before, after, &policy, annotated ? "worse f?, better f" : "same f");
	}
}

static void counts_of_iterations_are_compared_per_iteration(void **state)
{
	struct gate_counts *before = counts_new(), *after = counts_new();
	struct policy policy;

	(void)state;
	policy_init(&policy);
	before->normalize = gate_counts_string(before, "handle");
	after->normalize = gate_counts_string(after, "handle");
	before->iterations = 100;
	after->iterations = 50;
	add_site(before, "each", "T", 300, 300);
	add_site(after, "each", "T", 150, 150);
	add_site(before, "more", "T", 300, 300);
	add_site(after, "more", "T", 200, 200);
	add_site(before, "setup", "T", 7, 7); /* allocated once, not per iteration */
	add_site(after, "setup", "T", 7, 7);
	expect(before, after, &policy, "worse more!, same each, same setup");
}

static void what_was_lost_is_told_unless_the_gate_fails_anyway(void **state)
{
	struct gate_counts *before = counts_new(), *after = counts_new();
	struct policy policy;
	struct gate *gate;

	(void)state;
	policy_init(&policy);
	add_site(before, "f", "T", 5, 5);
	add_site(after, "f", "T", 5, 5);
	after->loss.events = 1;
	gate = gate_compare(finished(before), finished(after), &policy);
	assert_false(gate->failed);
	assert_int_equal(gate_status(gate), STATUS_LOST);
	gate_free(gate);
	after->sites[0].counts[VALUE_OBJECTS] = (struct gate_count){.least = 6, .most = 6};
	gate = gate_compare(before, finished(after), &policy);
	assert_int_equal(gate_status(gate), STATUS_FOUND);
	gate_free(gate);
	gate_counts_free(before);
	gate_counts_free(after);
}

static void a_gate_that_cannot_fail_does_not_pass_its_own_test(void **state)
{
	struct gate_counts *before = counts_new(), *after = counts_new();
	struct policy policy;
	char description[512];
	struct error error;

	(void)state;
	policy_init(&policy);
	add_site(before, "f", "T", 5, 5);
	add_site(after, "f", "T", 5, 5);
	finished(before);
	finished(after);
	assert_int_equal(gate_self_test(before, after, &policy, description, sizeof(description), &error), 0);
	assert_non_null(strstr(description, "f"));
	/* The self-test fails if noise is ignored and the count varies. */
	after->sites[0].counts[VALUE_OBJECTS].most = 50;
	policy.noisy = NOISY_IGNORE;
	assert_int_equal(gate_self_test(before, after, &policy, description, sizeof(description), &error), -1);
	assert_int_equal(after->sites[0].counts[VALUE_OBJECTS].least, 5);
	gate_counts_free(before);
	gate_counts_free(after);
}

static enum gate_change change_of_new(const char *via, int64_t objects, int64_t below)
{
	struct gate_counts *before = finished(counts_new()), *after = counts_new();
	struct gate_site *site = add_site(after, "main.main", "uint8", objects, objects);
	struct policy policy;
	enum gate_change change;
	struct gate *gate;

	site->via = gate_counts_string(after, via);
	site->counts[VALUE_OBJECTS].below = below;
	policy_init(&policy);
	gate = gate_compare(before, finished(after), &policy);
	change = gate->rows[0].change;
	assert_int_equal(gate->failed, change == GATE_NEW);
	gate_free(gate);
	policy_clear(&policy);
	gate_counts_free(before);
	gate_counts_free(after);
	return change;
}

static void a_library_s_site_that_could_be_none_by_chance_is_noise_where_there_was_none(void **state)
{
	(void)state;
	assert_int_equal(change_of_new("fmt.(*buffer).write", 3, 3), GATE_NOISY);
	/* not noise: a site that does not vary, a count above the random range, a site without a library */
	assert_int_equal(change_of_new("fmt.(*buffer).write", 3, 0), GATE_NEW);
	assert_int_equal(change_of_new("fmt.(*buffer).write", 100, 42), GATE_NEW);
	assert_int_equal(change_of_new(NULL, 3, 3), GATE_NEW);
}

static void a_site_that_could_have_been_none_is_not_gone(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	/* the range before began at 0, by its runs or by chance; or it did not */
	for (int i = 0; i < 3; i++) {
		struct gate_counts *before = counts_new(), *after = finished(counts_new());
		struct gate_site *site = add_site(before, "main.f", NULL, i, 4);
		struct gate *gate;

		site->counts[VALUE_OBJECTS].below = i == 1;
		gate = gate_compare(finished(before), after, &policy);
		assert_int_equal(gate->rows[0].change, i == 2 ? GATE_GONE : GATE_NOISY);
		assert_false(gate->failed);
		gate_free(gate);
		gate_counts_free(before);
		gate_counts_free(after);
	}
}

static void a_map_that_grew_many_times_is_gone_if_it_no_longer_grows(void **state)
{
	static const struct {
		const char *call;
		int64_t least, seen_least, seen_most;
		int change;
	} cases[] = {
		{"runtime.mapassign_faststr", 10, 10, 10, GATE_GONE},
		{"internal/runtime/maps.(*table).grow", 10, 0, 0, GATE_GONE}, /* a baseline's: its runs are unknown */
		{"runtime.mapassign_faststr", 9, 9, 9, GATE_NOISY},
		{"runtime.mapassign_faststr", 12, 12, 17, GATE_GONE},
		{"runtime.mapassign_faststr", 12, 12, 18, GATE_NOISY},
		{"runtime.newobject", 10, 10, 10, GATE_NOISY}, /* a pool's */
	};
	struct policy policy;

	(void)state;
	policy_init(&policy);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gate_counts *before = counts_new(), *after = finished(counts_new());
		struct gate_site *site = add_site(before, "main.f", NULL, cases[i].least, 40);
		struct gate *gate;

		site->runtime_call = gate_counts_string(before, cases[i].call);
		site->counts[VALUE_OBJECTS].below = cases[i].least;
		site->seen[VALUE_OBJECTS] =
			(struct gate_count){.least = cases[i].seen_least, .most = cases[i].seen_most};
		gate = gate_compare(finished(before), after, &policy);
		assert_int_equal(gate->rows[0].change, cases[i].change);
		gate_free(gate);
		gate_counts_free(before);
		gate_counts_free(after);
	}
}

static void a_site_without_objects_is_no_change(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	for (int side = 0; side < 2; side++) {
		struct gate_counts *counts[2] = {counts_new(), counts_new()};
		struct gate *gate;

		add_site(counts[side], "main.f", NULL, 0, 0);
		gate = gate_compare(finished(counts[0]), finished(counts[1]), &policy);
		assert_int_equal(gate->row_count, 1);
		assert_false(gate->failed);
		gate_free(gate);
		gate_counts_free(counts[0]);
		gate_counts_free(counts[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_object_more_fails_and_one_less_is_better),
		cmocka_unit_test(what_is_new_fails_and_what_is_gone_does_not),
		cmocka_unit_test(each_benchmark_is_judged_by_its_own_sum),
		cmocka_unit_test(a_tolerance_is_kept_to_the_object),
		cmocka_unit_test(runs_that_differ_fail_only_above_all_that_was_seen_unless_the_policy_minds),
		cmocka_unit_test(a_renamed_function_with_the_same_counts_has_moved),
		cmocka_unit_test(sites_of_one_key_are_summed_unless_both_sides_know_what_the_compiler_said),
		cmocka_unit_test(counts_of_iterations_are_compared_per_iteration),
		cmocka_unit_test(what_was_lost_is_told_unless_the_gate_fails_anyway),
		cmocka_unit_test(a_library_s_site_that_could_be_none_by_chance_is_noise_where_there_was_none),
		cmocka_unit_test(a_site_that_could_have_been_none_is_not_gone),
		cmocka_unit_test(a_map_that_grew_many_times_is_gone_if_it_no_longer_grows),
		cmocka_unit_test(a_site_without_objects_is_no_change),
		cmocka_unit_test(a_gate_that_cannot_fail_does_not_pass_its_own_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
