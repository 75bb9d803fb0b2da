/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "record/top_model.h"

/* A recording with two sites. The tests set how much they have allocated before each view. */
struct recording {
	struct profile *profile;
	struct profile_sample *growing, *steady;
};

static struct profile_sample *add_site(struct profile *profile, uint64_t address, const char *function,
				       const char *file, uint32_t line, const char *type, int span_class)
{
	struct profile_frame site = {.function = function, .file = file, .line = line};
	struct profile_frame call = {.function = "runtime.newobject", .file = "/go/malloc.go", .line = 1};
	const struct profile_location *locations[] = {profile_location(profile, 0x1000, NULL, &call, 1),
						      profile_location(profile, address, NULL, &site, 1)};
	struct profile_key key = {
		.stack = profile_stack(profile, locations, 2, false), .span_class = span_class, .type = type, .pid = 7};

	return profile_add(profile, &key, (const int64_t[VALUE_COUNT]){0});
}

static struct recording recording_new(void)
{
	struct recording recording = {.profile = profile_new()};
	struct profile *profile = recording.profile;
	struct profile_process *process = profile_process_add(profile, 7);

	profile->rate = 1;
	profile->rows_exact = profile->totals_exact = true;
	profile->row_measured = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_REFILLS;
	process->comm = profile_string(profile, "server");
	process->runtime = profile_string(profile, "go1.24.4");
	recording.growing = add_site(profile, 0x2000, "main.grow", "/src/grow.go", 10, "[]byte", 12);
	recording.steady = add_site(profile, 0x3000, "main.steady", "/src/steady.go", 20, "main.T", 9);
	return recording;
}

static void set(struct recording *recording, int64_t growing, int64_t steady)
{
	struct profile_process *process = &recording->profile->processes[0];

	recording->growing->values[VALUE_OBJECTS] = growing;
	recording->growing->values[VALUE_BYTES] = 64 * growing;
	recording->steady->values[VALUE_OBJECTS] = steady;
	recording->steady->values[VALUE_BYTES] = 32 * steady;
	process->totals[VALUE_OBJECTS] = growing + steady;
	process->totals[VALUE_BYTES] = 64 * growing + 32 * steady;
	for (int class = 0; class < SPAN_CLASSES; class ++)
		process->class_totals[class][VALUE_OBJECTS] = process->class_totals[class][VALUE_BYTES] = 0;
	process->class_totals[12][VALUE_OBJECTS] = growing;
	process->class_totals[12][VALUE_BYTES] = 64 * growing;
	process->class_totals[9][VALUE_OBJECTS] = steady;
	process->class_totals[9][VALUE_BYTES] = 32 * steady;
}

static void view(struct top_model *model, const struct recording *recording, double seconds, int64_t collections)
{
	top_model_add(model, &(struct session_view){recording->profile, collections, seconds, 1});
}

static void rates_are_changes_over_the_last_views_and_totals_are_all(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_SITE, .sort = VALUE_OBJECTS};
	const struct top_row *rows;
	size_t count;

	(void)state;
	set(&recording, 1000, 5000);
	view(model, &recording, 1, 3);
	rows = top_model_rows(model, &question, &count);
	assert_int_equal(count, 2);
	assert_int_equal(rows[0].rates[VALUE_OBJECTS], VALUE_UNMEASURED); /* a single view has no rate */
	for (int second = 2; second <= 12; second++) {
		set(&recording, 1000 * second, 5000);
		view(model, &recording, second, 3 * second);
	}
	rows = top_model_rows(model, &question, &count);
	assert_string_equal(rows[0].row.function, "main.grow");
	assert_int_equal(rows[0].rates[VALUE_OBJECTS], 1000);
	assert_int_equal(rows[0].rates[VALUE_BYTES], 64000);
	assert_int_equal(rows[0].row.values[VALUE_OBJECTS], 12000);
	assert_int_equal(rows[1].rates[VALUE_OBJECTS], 0);
	assert_int_equal(rows[1].row.values[VALUE_OBJECTS], 5000);
	assert_int_equal(rows[0].row.values[VALUE_CENTRAL_GROWS], VALUE_UNMEASURED);
	assert_int_equal(rows[0].rates[VALUE_CENTRAL_GROWS], VALUE_UNMEASURED);
	assert_true(top_model_rate(model, VALUE_OBJECTS, 0, 1) == 1000);
	assert_true(top_model_rate(model, VALUE_COUNT, 0, TOP_WINDOW) == 3);
	assert_true(top_model_rate(model, VALUE_HEAP_GROWS, 0, 1) == -1);
	assert_null(top_model_sums(model, 12));
	top_model_free(model);
	profile_free(recording.profile);
}

static void a_site_that_came_during_the_window_counts_from_nothing(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_FUNCTION, .sort = VALUE_OBJECTS};
	struct profile_sample *late;
	const struct top_row *rows;
	size_t count;

	(void)state;
	for (int second = 1; second <= 8; second++) {
		set(&recording, 100, 100);
		view(model, &recording, second, VALUE_UNMEASURED);
	}
	late = add_site(recording.profile, 0x4000, "main.late", "/src/late.go", 30, NULL, 9);
	late->values[VALUE_OBJECTS] = 50;
	view(model, &recording, 9, VALUE_UNMEASURED);
	late->values[VALUE_OBJECTS] = 100;
	view(model, &recording, 10, VALUE_UNMEASURED);
	rows = top_model_rows(model, &question, &count);
	assert_int_equal(count, 3);
	assert_string_equal(rows[0].row.function, "main.late");
	assert_int_equal(rows[0].rates[VALUE_OBJECTS], 20); /* 100 in five seconds */
	top_model_free(model);
	profile_free(recording.profile);
}

static void an_estimate_that_falls_has_no_negative_rate(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_SITE, .sort = VALUE_OBJECTS, .by_total = true};
	const struct top_row *rows;
	size_t count;

	(void)state;
	set(&recording, 1000, 10);
	view(model, &recording, 1, 0);
	set(&recording, 900, 10);
	view(model, &recording, 2, 0);
	rows = top_model_rows(model, &question, &count);
	assert_int_equal(rows[0].rates[VALUE_OBJECTS], 0);
	assert_int_equal(rows[0].row.values[VALUE_OBJECTS], 900);
	top_model_free(model);
	profile_free(recording.profile);
}

static size_t count_of(struct top_model *model, enum report_by by, const char *filter)
{
	struct top_question question = {.by = by, .sort = VALUE_BYTES, .filter = filter};
	size_t count;

	top_model_rows(model, &question, &count);
	return count;
}

static void a_filter_looks_into_every_name_whatever_the_case(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();

	(void)state;
	set(&recording, 1, 1);
	view(model, &recording, 1, 0);
	assert_int_equal(count_of(model, BY_SITE, NULL), 2);
	assert_int_equal(count_of(model, BY_SITE, ""), 2);
	assert_int_equal(count_of(model, BY_SITE, "GROW.go"), 1);
	assert_int_equal(count_of(model, BY_SITE, ":20"), 1);
	assert_int_equal(count_of(model, BY_FUNCTION, "main."), 2);
	assert_int_equal(count_of(model, BY_TYPE, "[]byte"), 1);
	assert_int_equal(count_of(model, BY_SIZE_CLASS, "64"), 1);
	assert_int_equal(count_of(model, BY_SITE, "nothing like it"), 0);
	top_model_free(model);
	profile_free(recording.profile);
}

static void size_classes_have_the_exact_totals_and_their_rates(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_SIZE_CLASS, .sort = VALUE_OBJECTS};
	const struct top_row *rows;
	size_t count;

	(void)state;
	set(&recording, 10, 0);
	view(model, &recording, 1, 0);
	set(&recording, 110, 0);
	recording.growing->values[VALUE_OBJECTS] = 1; /* the samples show less than the counters */
	view(model, &recording, 3, 0);
	rows = top_model_rows(model, &question, &count);
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].row.span_class, 12);
	assert_int_equal(rows[0].row.values[VALUE_OBJECTS], 110);
	assert_int_equal(rows[0].rates[VALUE_OBJECTS], 50);
	top_model_free(model);
	profile_free(recording.profile);
}

static void a_row_has_its_stacks_and_no_others(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_SITE, .sort = VALUE_BYTES, .by_total = true};
	const struct report *stacks;
	const struct top_row *rows;
	size_t count;

	(void)state;
	set(&recording, 100, 1);
	view(model, &recording, 1, 0);
	rows = top_model_rows(model, &question, &count);
	stacks = top_model_stacks(model, &rows[0], 5);
	assert_int_equal(stacks->row_count, 1);
	assert_ptr_equal(stacks->rows[0].stack, recording.growing->key.stack);
	stacks = top_model_stacks(model, &rows[1], 5);
	assert_ptr_equal(stacks->rows[0].stack, recording.steady->key.stack);
	top_model_free(model);
	profile_free(recording.profile);
}

static void the_view_may_change_after_it_was_taken(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_SITE, .sort = VALUE_OBJECTS, .by_total = true};
	const struct top_row *rows;
	size_t count;

	(void)state;
	set(&recording, 100, 1);
	view(model, &recording, 1, 0);
	set(&recording, 999, 999);
	rows = top_model_rows(model, &question, &count);
	assert_int_equal(rows[0].row.values[VALUE_OBJECTS], 100);
	assert_int_equal(top_model_profile(model)->samples[0]->values[VALUE_OBJECTS], 100);
	top_model_free(model);
	profile_free(recording.profile);
}

static void the_recording_may_learn_of_locations_after_a_view(void **state)
{
	struct recording recording = recording_new();
	struct top_model *model = top_model_new();
	struct top_question question = {.by = BY_SITE, .sort = VALUE_OBJECTS, .by_total = true};
	size_t count;

	(void)state;
	set(&recording, 100, 1);
	view(model, &recording, 1, 0);
	for (uint64_t i = 0; i < 100000; i++)
		profile_location(recording.profile, 0x10000 + i, NULL, NULL, 0);
	assert_string_equal(top_model_rows(model, &question, &count)[0].row.function, "main.grow");
	assert_int_equal(top_model_profile(model)->locations->count, recording.profile->locations->count);
	top_model_free(model);
	profile_free(recording.profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_changes_over_the_last_views_and_totals_are_all),
		cmocka_unit_test(a_site_that_came_during_the_window_counts_from_nothing),
		cmocka_unit_test(an_estimate_that_falls_has_no_negative_rate),
		cmocka_unit_test(a_filter_looks_into_every_name_whatever_the_case),
		cmocka_unit_test(size_classes_have_the_exact_totals_and_their_rates),
		cmocka_unit_test(a_row_has_its_stacks_and_no_others),
		cmocka_unit_test(the_view_may_change_after_it_was_taken),
		cmocka_unit_test(the_recording_may_learn_of_locations_after_a_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
