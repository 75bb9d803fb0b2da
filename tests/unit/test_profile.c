/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"
#include "profile/size_class.h"
#include "base/utf8.h"

static void equal_strings_are_one_pointer(void **state)
{
	struct profile *profile = profile_new();
	char text[] = "main.main";

	(void)state;
	const char *first = profile_string(profile, text);
	assert_ptr_not_equal(first, text);
	text[0] = 'x';
	assert_string_equal(first, "main.main");
	assert_ptr_equal(first, profile_string(profile, "main.main"));
	assert_ptr_equal(first, profile_format(profile, "%s.%s", "main", "main"));
	assert_ptr_not_equal(first, profile_string(profile, "main.mai"));
	assert_ptr_not_equal(first, profile_string(profile, ""));
	assert_null(profile_string(profile, NULL));
	profile_free(profile);
}

static void locations_and_stacks_are_one_pointer_only_when_equal(void **state)
{
	struct profile *profile = profile_new();
	struct profile_mapping mapping = {.start = 4096, .limit = 8192, .file = "/bin/a"};
	const struct profile_mapping *a = profile_mapping(profile, &mapping);
	struct profile_frame frames[2] = {{.function = "f", .file = "f.c", .line = 3, .column = 7},
					  {.function = "g", .file = "f.c", .line = 9}};

	(void)state;
	mapping.id = 77; /* the caller's id is ignored */
	assert_ptr_equal(a, profile_mapping(profile, &mapping));
	assert_int_equal(a->id, 1);
	mapping.file = "/bin/b";
	const struct profile_mapping *b = profile_mapping(profile, &mapping);
	assert_ptr_not_equal(a, b);
	assert_int_equal(b->id, 2);

	const struct profile_location *first = profile_location(profile, 4100, a, frames, 2);
	assert_ptr_equal(first, profile_location(profile, 4100, a, frames, 2));
	assert_int_equal(first->frame_count, 2);
	assert_int_equal(first->frames[0].column, 7);
	assert_string_equal(first->frames[1].function, "g");
	assert_ptr_not_equal(first, profile_location(profile, 4101, a, frames, 2));
	assert_ptr_not_equal(first, profile_location(profile, 4100, b, frames, 2));
	assert_ptr_not_equal(first, profile_location(profile, 4100, a, frames, 1));
	frames[0].column = 8;
	const struct profile_location *second = profile_location(profile, 4100, a, frames, 2);
	assert_ptr_not_equal(first, second);
	assert_int_not_equal(first->id, second->id);

	const struct profile_location *locations[] = {first, second};
	const struct profile_stack *stack = profile_stack(profile, locations, 2, false);
	assert_ptr_equal(stack, profile_stack(profile, locations, 2, false));
	assert_ptr_not_equal(stack, profile_stack(profile, locations, 2, true));
	assert_ptr_not_equal(stack, profile_stack(profile, locations, 1, false));
	locations[0] = second;
	assert_ptr_not_equal(stack, profile_stack(profile, locations, 2, false));
	assert_ptr_equal(profile_stack_at(stack, 0), first);
	profile_free(profile);
}

static void samples_of_one_key_are_added_up(void **state)
{
	struct profile *profile = profile_new();
	struct profile_key key = {.stack = profile_stack(profile, NULL, 0, false), .span_class = 11, .pid = 7};
	const int64_t values[VALUE_COUNT] = {1, 48, 1, 2, 3, 4, 5};
	char comm[] = "server";

	(void)state;
	key.comm = comm;
	struct profile_sample *sample = profile_add(profile, &key, values);
	const struct profile_stack *stack = key.stack;

	profile_settle(profile); /* the same things are found again */
	assert_ptr_equal(stack, profile_stack(profile, NULL, 0, false));
	assert_ptr_not_equal(sample->key.comm, comm);
	key.comm = "server";
	assert_ptr_equal(sample, profile_add(profile, &key, values));
	for (int i = 0; i < VALUE_COUNT; i++)
		assert_int_equal(sample->values[i], 2 * values[i]);
	key.span_class = 12;
	assert_ptr_not_equal(sample, profile_add(profile, &key, values));
	key.span_class = 11;
	key.type = "T";
	assert_ptr_not_equal(sample, profile_add(profile, &key, values));
	key.type = NULL;
	key.pid = 8;
	assert_ptr_not_equal(sample, profile_add(profile, &key, values));
	key.pid = 7;
	key.rate = 1;
	assert_ptr_not_equal(sample, profile_add(profile, &key, values));
	assert_int_equal(profile->sample_count, 5);
	assert_ptr_equal(profile->samples[0], sample);
	profile_free(profile);
}

static void sums_stop_at_the_greatest_number(void **state)
{
	struct profile *profile = profile_new();
	struct profile_key key = {.stack = profile_stack(profile, NULL, 0, false)};
	const int64_t values[VALUE_COUNT] = {INT64_MAX - 1, 1};

	(void)state;
	profile_add(profile, &key, values);
	struct profile_sample *sample = profile_add(profile, &key, values);
	assert_int_equal(sample->values[0], INT64_MAX);
	assert_int_equal(sample->values[1], 2);
	profile_free(profile);
}

static void totals_are_null_where_one_process_did_not_measure(void **state)
{
	struct profile *profile = profile_new();
	int64_t totals[VALUE_COUNT];

	(void)state;
	profile_totals(profile, totals);
	assert_int_equal(totals[VALUE_OBJECTS], VALUE_UNMEASURED);
	profile_process_add(profile, 1)->totals[VALUE_OBJECTS] = 5;
	profile->processes[0].totals[VALUE_BYTES] = 80;
	struct profile_process *second = profile_process_add(profile, 2);
	second->totals[VALUE_OBJECTS] = 6;
	second->lost_events = 3;
	profile->processes[0].lost_events = 4;
	profile->processes[0].lost_stacks = 1;
	profile_totals(profile, totals);
	assert_int_equal(totals[VALUE_OBJECTS], 11);
	assert_int_equal(totals[VALUE_BYTES], VALUE_UNMEASURED);
	assert_int_equal(second->class_totals[SPAN_CLASSES - 1][VALUE_COUNT - 1], VALUE_UNMEASURED);
	assert_int_equal(profile_lost_events(profile), 7);
	assert_int_equal(profile_lost_stacks(profile), 1);
	assert_ptr_equal(profile_process_find(profile, 2), &profile->processes[1]);
	assert_null(profile_process_find(profile, 3));
	profile_free(profile);
}

static void checks_add_up_unless_one_is_missing(void **state)
{
	struct profile *profile = profile_new();

	(void)state;
	assert_false(profile_check(profile).present);
	profile_process_add(profile, 1)->check =
		(struct profile_check){.present = true, .source = "a", .objects = 10, .difference = -1, .bound = 2};
	profile_process_add(profile, 2)->check =
		(struct profile_check){.present = true, .source = "a", .objects = 5, .difference = 3, .bound = 1};
	struct profile_check check = profile_check(profile);
	assert_true(check.present);
	assert_string_equal(check.source, "a");
	assert_int_equal(check.objects, 15);
	assert_int_equal(check.difference, 2);
	assert_int_equal(check.bound, 3);
	profile_process_add(profile, 3);
	assert_false(profile_check(profile).present);
	profile_free(profile);
}

static void many_stacks_intern_in_linear_time(void **state)
{
	/* With 200,000 stacks the test takes too long unless a lookup takes constant time. */
	enum { LOCATIONS = 1000, STACKS = 200000, DEPTH = 20 };
	struct profile *profile = profile_new();
	const struct profile_location *locations[LOCATIONS], *stack[DEPTH];
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < LOCATIONS; i++) {
		struct profile_frame frame = {.function = profile_format(profile, "f%d", i), .line = 1};

		locations[i] = profile_location(profile, (uint64_t)i, NULL, &frame, 1);
	}
	for (int i = 0; i < STACKS; i++) {
		for (int d = 0; d < DEPTH; d++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			stack[d] = locations[(seed >> 33) % LOCATIONS];
		}
		struct profile_key key = {.stack = profile_stack(profile, stack, DEPTH, false), .pid = 1};

		profile_add(profile, &key, (const int64_t[VALUE_COUNT]){1});
		profile_add(profile, &key, (const int64_t[VALUE_COUNT]){1});
	}
	assert_int_equal(profile->sample_count, STACKS);
	assert_int_equal(profile->samples[STACKS - 1]->values[0], 2);
	profile_free(profile);
}

struct sunk {
	size_t calls, samples;
	int64_t sums[2]; /* one per process */
};

static void sink(void *context, const struct profile *profile)
{
	struct sunk *sunk = context;

	sunk->calls++;
	sunk->samples += profile->sample_count;
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];

		assert_int_equal(sample->key.stack->depth, 1);
		assert_string_equal(profile_stack_at(sample->key.stack, 0)->frames[0].function, "f");
		sunk->sums[sample->key.pid - 1] += sample->values[VALUE_OBJECTS];
	}
}

static void samples_leave_by_the_sink_and_add_up(void **state)
{
	enum { LIMIT = 100, ADDED = 12345, KEYS = 150 };
	struct profile *profile = profile_new();
	struct profile_frame frame = {.function = "f"};
	struct sunk sunk = {0};

	(void)state;
	profile_set_sink(profile, sink, &sunk, LIMIT);
	for (uint64_t i = 0; i < ADDED; i++) {
		const struct profile_location *location = profile_location(profile, i % KEYS, NULL, &frame, 1);
		struct profile_key key = {.stack = profile_stack(profile, &location, 1, false), .pid = 1 + i % 2};

		profile_add(profile, &key, (const int64_t[VALUE_COUNT]){(int64_t)i});
		profile_drain(profile);
		assert_in_range(profile->sample_count, 0, LIMIT - 1);
	}
	assert_int_equal(sunk.calls, ADDED / LIMIT);
	assert_int_equal(sunk.samples, ADDED / LIMIT * LIMIT);
	sink(&sunk, profile); /* the remaining samples */
	assert_int_equal(sunk.samples, ADDED);
	assert_int_equal(sunk.sums[0], (int64_t)(ADDED / 2) * (ADDED / 2 + 1));
	assert_int_equal(sunk.sums[1], (int64_t)(ADDED / 2) * (ADDED / 2));
	profile_add_start(profile, profile->samples[0]->key.stack, "f", 1);
	profile_forget_samples(profile);
	assert_int_equal(profile->start_count, 0); /* its stack is gone */
	profile_free(profile);
}

static void size_classes_are_gos(void **state)
{
	(void)state;
	assert_int_equal(size_class_bytes(0), 0);
	assert_int_equal(size_class_bytes(1), 8);
	assert_int_equal(size_class_bytes(5), 48);
	assert_int_equal(size_class_bytes(67), 32768);
	assert_int_equal(size_class_bytes(68), 0);
	assert_int_equal(size_class_bytes(-1), 0);
	for (int i = 1; i < 67; i++)
		assert_true(size_class_bytes(i) < size_class_bytes(i + 1));
}

static void only_invalid_utf8_is_repaired(void **state)
{
	static const struct {
		const char *text, *repaired;
	} rows[] = {
		{"", NULL},
		{"plain", NULL},
		{"gr\xc3\xbc\xc3\x9f \xe4\xb8\x96 \xf0\x9f\x98\x80", NULL},
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"cut\xc3", "cut\xef\xbf\xbd"},
		{"\xe4\xb8", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"long \xc0\xaf", "long \xef\xbf\xbd\xef\xbf\xbd"},
		{"surrogate \xed\xa0\x80", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"beyond \xf4\x90\x80\x80", "beyond \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *repaired = utf8_repair(rows[i].text);

		if (rows[i].repaired) {
			assert_non_null(repaired);
			assert_string_equal(repaired, rows[i].repaired);
		} else {
			assert_null(repaired);
		}
		free(repaired);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_strings_are_one_pointer),
		cmocka_unit_test(locations_and_stacks_are_one_pointer_only_when_equal),
		cmocka_unit_test(samples_of_one_key_are_added_up),
		cmocka_unit_test(sums_stop_at_the_greatest_number),
		cmocka_unit_test(totals_are_null_where_one_process_did_not_measure),
		cmocka_unit_test(checks_add_up_unless_one_is_missing),
		cmocka_unit_test(many_stacks_intern_in_linear_time),
		cmocka_unit_test(samples_leave_by_the_sink_and_add_up),
		cmocka_unit_test(size_classes_are_gos),
		cmocka_unit_test(only_invalid_utf8_is_repaired),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
