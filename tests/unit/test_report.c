/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/render_report.h"
#include "profile/report.h"
#include "profile/size_class.h"
#include "text/shorten.h"
#include "text/wrap.h"

static const struct profile_location *locate(struct profile *profile, uint64_t address, const char *function,
					     const char *file, uint32_t line)
{
	struct profile_frame frame = {.function = function, .file = file, .line = line};

	return profile_location(profile, address, NULL, &frame, function || file ? 1 : 0);
}

/* Adds a sample with the stack runtime.mallocgc, `site`, main.main; without a site, runtime.mallocgc alone. */
static void add(struct profile *profile, const struct profile_location *site, int span_class, const char *type, int pid,
		const int64_t values[VALUE_COUNT])
{
	const struct profile_location *locations[] = {locate(profile, 0x1000, "runtime.mallocgc", "/go/malloc.go", 900),
						      site, locate(profile, 0x3000, "main.main", "/src/main.go", 90)};
	struct profile_key key = {.stack = profile_stack(profile, locations, site ? 3 : 1, false),
				  .span_class = span_class,
				  .type = type,
				  .pid = pid};

	profile_add(profile, &key, values);
}

enum { ALL_MEASURED = (1 << VALUE_COUNT) - 1 };

/* A profile with exact rows: two sites, one of them at two addresses and in two processes. */
static struct profile *exact_profile(void)
{
	struct profile *profile = profile_new();
	const struct profile_location *foo = locate(profile, 0x2000, "main.foo", "/src/foo.go", 6);
	const struct profile_location *foo_again = locate(profile, 0x2010, "main.foo", "/src/foo.go", 6);
	const struct profile_location *bar = locate(profile, 0x2100, "main.bar", "/src/bar.go", 7);

	profile->target = profile_string(profile, "/usr/bin/prog --flag");
	profile->rate = 1;
	profile->start_ns = 1764000000123456789;
	profile->duration_ns = 2500000000;
	profile->rows_exact = profile->totals_exact = true;
	profile->row_measured = ALL_MEASURED;
	for (int pid = 1; pid <= 2; pid++) {
		struct profile_process *process = profile_process_add(profile, pid);

		for (int value = 0; value < VALUE_COUNT; value++)
			process->totals[value] = 100 * pid;
		process->check = (struct profile_check){.present = true,
							.source = "goalloc counters",
							.objects = 100 * pid,
							.difference = 1,
							.bound = 2};
	}
	add(profile, foo, 11, "int", 1, (const int64_t[VALUE_COUNT]){10, 480, 0, 1, 0, 0, 0});
	add(profile, foo_again, 11, "int", 2, (const int64_t[VALUE_COUNT]){20, 960, 0, 2, 0, 0, 0});
	add(profile, bar, 4, NULL, 1, (const int64_t[VALUE_COUNT]){300, 4800, 0, 0, 1, 1, 4194304});
	add(profile, NULL, 5, NULL, 1, (const int64_t[VALUE_COUNT]){1, 16, 0, 0, 0, 0, 0});
	return profile;
}

static void sites_are_summed_over_addresses_and_processes(void **state)
{
	struct profile *profile = exact_profile();
	struct report *report = report_new(profile, BY_SITE, VALUE_BYTES, 0);

	(void)state;
	assert_int_equal(report->row_count, 3);
	assert_string_equal(report->rows[0].function, "main.bar");
	assert_string_equal(report->rows[1].function, "main.foo");
	assert_string_equal(report->rows[1].file, "/src/foo.go");
	assert_int_equal(report->rows[1].line, 6);
	assert_int_equal(report->rows[1].values[VALUE_OBJECTS], 30);
	assert_int_equal(report->rows[1].values[VALUE_BYTES], 1440);
	assert_int_equal(report->rows[1].values[VALUE_REFILLS], 3);
	assert_false(report->rows[1].has_bounds);
	assert_string_equal(report->rows[2].function, report_outside);
	assert_null(report->rows[2].file);
	assert_int_equal(report->totals[VALUE_OBJECTS], 300);
	report_free(report);
	profile_free(profile);
}

static void every_grouping_keeps_the_sum(void **state)
{
	struct profile *profile = exact_profile();

	(void)state;
	for (int by = BY_SITE; by <= BY_STACK; by++) {
		struct report *report = report_new(profile, by, VALUE_OBJECTS, 0);
		int64_t sum = 0;

		for (size_t i = 0; i < report->row_count; i++) {
			sum += report->rows[i].values[VALUE_OBJECTS];
			assert_true(i == 0 ||
				    report->rows[i].values[VALUE_OBJECTS] <= report->rows[i - 1].values[VALUE_OBJECTS]);
		}
		assert_int_equal(sum, 331);
		report_free(report);
	}
	profile_free(profile);
}

static void stacks_are_grouped_by_source_not_by_address(void **state)
{
	struct profile *profile = exact_profile();
	struct report *report = report_new(profile, BY_STACK, VALUE_BYTES, 0);

	(void)state;
	assert_int_equal(report->row_count, 3);
	assert_int_equal(report->rows[1].values[VALUE_OBJECTS], 30);
	report_free(report);
	/* Stacks of unknown functions only differ in their addresses, so they must have separate rows. */
	add(profile, locate(profile, 0x5000, NULL, NULL, 0), 4, NULL, 1, (const int64_t[VALUE_COUNT]){1, 8});
	add(profile, locate(profile, 0x6000, NULL, NULL, 0), 4, NULL, 1, (const int64_t[VALUE_COUNT]){1, 8});
	report = report_new(profile, BY_STACK, VALUE_BYTES, 0);
	assert_int_equal(report->row_count, 5);
	report_free(report);
	profile_free(profile);
}

static void top_keeps_the_greatest_and_the_totals(void **state)
{
	struct profile *profile = exact_profile();
	struct report *report = report_new(profile, BY_SITE, VALUE_REFILLS, 1);

	(void)state;
	assert_int_equal(report->row_count, 1);
	assert_int_equal(report->row_total, 3);
	assert_string_equal(report->rows[0].function, "main.foo");
	assert_int_equal(report->totals[VALUE_BYTES], 300);
	report_free(report);
	profile_free(profile);
}

/* A profile with sampled rows and exact totals by class, as at --rate 512k; its rows do not measure heap growth. */
static struct profile *estimated_profile(void)
{
	struct profile *profile = profile_new();
	const struct profile_location *foo = locate(profile, 0x2000, "main.foo", "/src/foo.go", 6);
	const struct profile_location *bar = locate(profile, 0x2100, "main.bar", "/src/bar.go", 7);
	struct profile_process *process = profile_process_add(profile, 1);

	profile->rate = 524288;
	profile->totals_exact = true;
	profile->row_measured = ALL_MEASURED & ~(1u << VALUE_HEAP_GROWS);
	for (int class = 0; class < SPAN_CLASSES; class ++)
		process->class_totals[class][VALUE_OBJECTS] = class == 11 ? 100000 : class == 12 ? 77 : 0;
	process->totals[VALUE_OBJECTS] = 100077;
	add(profile, foo, 11, NULL, 1, (const int64_t[VALUE_COUNT]){109227, 5242896, 10, 500, 0, 0, 0});
	add(profile, bar, 11, NULL, 1, (const int64_t[VALUE_COUNT]){0, 0, 0, 3, 0, 0, 0});
	return profile;
}

static void estimates_carry_their_interval(void **state)
{
	struct profile *profile = estimated_profile();
	struct report *report = report_new(profile, BY_SITE, VALUE_BYTES, 0);
	const struct report_row *foo = &report->rows[0], *bar = &report->rows[1];

	(void)state;
	assert_false(report->rows_exact);
	assert_true(foo->has_bounds && bar->has_bounds);
	assert_in_range(foo->bounds.objects_low, 45000, 65000);
	assert_in_range(foo->bounds.objects_high, 180000, 210000);
	/* A site with refills but no sampled object: from none to 3.7 times the weight of one event. */
	assert_int_equal(bar->bounds.objects_low, 0);
	assert_in_range(bar->bounds.objects_high, 40000, 40600);
	assert_int_equal(foo->values[VALUE_HEAP_GROWS], VALUE_UNMEASURED);
	assert_false(report->totals_have_bounds);
	report_free(report);
	profile_free(profile);
}

static void growth_of_the_heap_alone_tells_nothing_of_objects(void **state)
{
	struct profile *profile = estimated_profile();
	const struct profile_location *grower = locate(profile, 0x2200, "main.grower", "/src/grower.go", 8);
	const struct report_row *row;
	struct report *report;

	(void)state;
	profile->row_measured = ALL_MEASURED;
	add(profile, grower, SPAN_CLASS_UNKNOWN, NULL, 1, (const int64_t[VALUE_COUNT]){0, 0, 0, 0, 0, 2, 8 << 20});
	report = report_new(profile, BY_SITE, VALUE_BYTES, 0);
	assert_int_equal(report->row_count, 3);
	row = &report->rows[2];
	assert_string_equal(row->function, "main.grower");
	assert_int_equal(row->values[VALUE_OBJECTS], VALUE_UNMEASURED);
	assert_int_equal(row->values[VALUE_BYTES], VALUE_UNMEASURED);
	assert_int_equal(row->values[VALUE_HEAP_GROWS], 2);
	assert_false(row->has_bounds);
	report_free(report);
	profile_free(profile);
}

/* Tiny objects have no sample: what a line's samples are of says nothing of its other calls. */
static void only_a_type_or_a_size_says_that_a_row_has_no_tiny_objects(void **state)
{
	enum { SCAN_16 = 4, SCAN_64 = 12 };
	static const struct {
		enum report_by by;
		bool typed, unknown;
	} cases[] = {
		{BY_SITE, false, true},	 {BY_SITE, true, false},  {BY_FRAME, false, true},
		{BY_STACK, false, true}, {BY_TYPE, false, false}, {BY_FUNCTION, false, true},
	};
	const struct report_selection focused = {.focus = "main.foo"};
	struct profile *profile = profile_new();
	struct profile_process *process = profile_process_add(profile, 1);
	const struct profile_location *foo = locate(profile, 0x2000, "main.foo", "/src/foo.go", 6);
	const char *type = profile_string(profile, "*int");
	struct report *report;

	(void)state;
	profile->rate = 524288;
	profile->totals_exact = true;
	profile->row_measured = ALL_MEASURED & ~(1u << VALUE_HEAP_GROWS);
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		bool counted = class % 2 == 0 || class == TINY_SPAN_CLASS;

		process->class_totals[class][VALUE_OBJECTS] = counted ? 50000 : VALUE_UNMEASURED;
		process->class_totals[class][VALUE_BYTES] = counted ? 50000 * 64 : VALUE_UNMEASURED;
	}
	add(profile, foo, SCAN_64, type, 1, (const int64_t[VALUE_COUNT]){8192, 524288, 1, 0, 0, 0, 0});
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct report_selection selection = {.typed = cases[i].typed};

		report = report_new_selected(profile, cases[i].by, VALUE_BYTES, 0, &selection);
		assert_int_equal(report->row_count, 1);
		assert_int_equal(report->rows[0].tiny_unknown, cases[i].unknown);
		report_free(report);
	}
	/* beside them: the type of another call on the line is unknown, and one of 16 bytes has the size of the blocks */
	add(profile, foo, SCAN_16, NULL, 1, (const int64_t[VALUE_COUNT]){32768, 524288, 1, 0, 0, 0, 0});
	report = report_new_selected(profile, BY_SITE, VALUE_BYTES, 0, &(struct report_selection){.typed = true});
	assert_int_equal(report->row_count, 2);
	assert_int_equal(report->rows[0].tiny_unknown, report->rows[0].type == NULL);
	assert_int_equal(report->rows[1].tiny_unknown, report->rows[1].type == NULL);
	report_free(report);
	report = report_new_selected(profile, BY_SIZE_CLASS, VALUE_OBJECTS, 0, &focused);
	assert_int_equal(report->row_count, 2);
	assert_int_equal(report->rows[0].span_class, SCAN_16);
	assert_true(report->rows[0].tiny_unknown);
	assert_false(report->rows[1].tiny_unknown);
	report_free(report);
	profile_free(profile);
}

static void totals_by_size_class_stay_exact(void **state)
{
	struct profile *profile = estimated_profile();
	struct report *report = report_new(profile, BY_SIZE_CLASS, VALUE_OBJECTS, 0);

	(void)state;
	assert_true(report->rows_exact);
	assert_int_equal(report->row_count, 2);
	assert_int_equal(report->rows[0].span_class, 11);
	assert_int_equal(report->rows[0].values[VALUE_OBJECTS], 100000);
	assert_int_equal(report->rows[0].values[VALUE_REFILLS], 503);
	assert_false(report->rows[0].has_bounds);
	assert_int_equal(report->rows[1].span_class, 12);
	assert_int_equal(report->rows[1].values[VALUE_OBJECTS], 77);
	report_free(report);
	profile_free(profile);
}

/* --- renderers --- */

static char *render(const struct profile *profile, enum report_by by, const char *format, int width)
{
	struct report *report = report_new(profile, by, VALUE_BYTES, 0);
	const struct report_style style = {.width = width, .color = strcmp(format, "color") == 0};
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int which = REPORT_TEXT;

	for (int i = 0; report_format_names[i]; i++) {
		if (strcmp(format, report_format_names[i]) == 0)
			which = i;
	}
	render_report(stream, report, (enum report_format)which, &style);
	fclose(stream);
	report_free(report);
	return text;
}

static void what_the_totals_of_classes_are_of_is_said(void **state)
{
	static const char *const forms[][2] = {
		{"exact: the totals of each class", "exact, of the process that was observed"},
		{"exact, of the process that was observed: the totals of each class", "exact: the totals"}};

	for (int forked = 0; forked < 2; forked++) {
		struct profile *profile = estimated_profile();
		char *text;

		profile->rows_least = true;
		profile->processes[0].forked = forked;
		text = render(profile, BY_SIZE_CLASS, "text", 200);
		if (!strstr(text, forms[forked][0]))
			fail_msg("no '%s' in:\n%s", forms[forked][0], text);
		assert_null(strstr(text, forms[forked][1]));
		free(text);
		profile_free(profile);
	}
	(void)state;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!item)
		fail_msg("no member '%s'", name);
	return item;
}

static void json_has_what_the_contract_says(void **state)
{
	static const char *const values[] = {"objects",	      "bytes",	    "refills",
					     "central_grows", "heap_grows", "heap_grow_bytes"};
	static const char *const keys[][4] = {{"file", "line", "function", "via"},
					      {"file", "line", "function"},
					      {"function"},
					      {"type"},
					      {"size_class", "span_class"},
					      {"stack"}};
	struct profile *profile = exact_profile();

	(void)state;
	for (int by = BY_SITE; by <= BY_STACK; by++) {
		char *text = render(profile, by, "json", 0);
		cJSON *document = cJSON_Parse(text);
		const cJSON *row;

		assert_non_null(document);
		assert_string_equal(member(document, "schema")->valuestring, "escapement.report/2");
		assert_true(cJSON_IsTrue(member(member(document, "exact"), "totals")));
		assert_true(cJSON_IsTrue(member(member(document, "exact"), "rows")));
		assert_int_equal(member(document, "rate")->valueint, 1);
		assert_string_equal(member(member(document, "target"), "command")->valuestring, "/usr/bin/prog --flag");
		assert_int_equal(member(member(document, "check"), "objects")->valueint, 300);
		assert_int_equal(member(member(document, "check"), "difference")->valueint, 2);
		assert_int_equal(member(member(document, "check"), "bound")->valueint, 4);
		assert_string_equal(member(member(document, "check"), "source")->valuestring, "goalloc counters");
		assert_int_equal(member(member(document, "lost"), "events")->valueint, 0);
		assert_int_equal(member(member(document, "lost"), "stacks")->valueint, 0);
		for (size_t i = 0; i < 6; i++)
			assert_true(cJSON_IsNumber(member(member(document, "totals"), values[i])));
		cJSON_ArrayForEach(row, member(document, "rows"))
		{
			for (size_t i = 0; i < 6; i++)
				assert_true(cJSON_IsNumber(member(row, values[i])));
			for (size_t i = 0; i < 4 && keys[by][i]; i++)
				member(row, keys[by][i]);
			assert_null(cJSON_GetObjectItem(row, "objects_low"));
		}
		cJSON_Delete(document);
		free(text);
	}
	profile_free(profile);
}

static void json_of_what_was_not_measured_is_null(void **state)
{
	struct profile *profile = estimated_profile();
	char *text = render(profile, BY_SITE, "json", 0);
	cJSON *document = cJSON_Parse(text);
	const cJSON *row = cJSON_GetArrayItem(member(document, "rows"), 0);

	(void)state;
	assert_true(cJSON_IsNull(member(row, "heap_grows")));
	assert_true(cJSON_IsNumber(member(row, "objects_low")));
	assert_true(cJSON_IsNumber(member(row, "objects_high")));
	assert_true(cJSON_IsNull(member(member(document, "totals"), "refills")));
	assert_true(cJSON_IsNull(member(document, "check")));
	cJSON_Delete(document);
	free(text);
	profile_free(profile);
}

static void json_integers_keep_all_their_digits(void **state)
{
	struct profile *profile = exact_profile();
	char *text;

	(void)state;
	add(profile, locate(profile, 1, "big", "big.go", 1), 2, NULL, 1,
	    (const int64_t[VALUE_COUNT]){9007199254740993, INT64_MAX});
	text = render(profile, BY_FUNCTION, "json", 0);
	assert_non_null(
		strstr(text, "{\"function\":\"big\",\"objects\":9007199254740993,\"bytes\":9223372036854775807,"));
	free(text);
	profile_free(profile);
}

/* A profile with malicious names. */
static struct profile *hostile_profile(void)
{
	struct profile *profile = exact_profile();
	char *name = malloc(3000);

	memset(name, 'x', 2999);
	name[2999] = 0;
	profile->target = profile_string(profile, name);
	profile_warn(profile, "\033[31mred\033[0m and %s", name);
	profile->rows_exact = false;
	add(profile, locate(profile, 1, name, name, 4000000000), 3, name, 1,
	    (const int64_t[VALUE_COUNT]){INT64_MAX / 4, INT64_MAX / 4, 1, INT64_MAX / 4, 1, 1, INT64_MAX / 4});
	add(profile, locate(profile, 2, "evil\033]0;title\007\n\"quoted\",;", "a\tb,c\xff.go", 1), 3, "T\033[2J", 1,
	    (const int64_t[VALUE_COUNT]){1, 1, 1});
	add(profile,
	    locate(profile, 3, "github.com/very/long/path/to/some/package%2ev3.(*Type[go.shape.int]).Method.func1",
		   "/home/somebody/go/pkg/mod/github.com/very/long/path/to/some/package@v3.1.0/file.go", 12345),
	    3, "map.bucket[string]github.com/very/long/path/to.Some", 1, (const int64_t[VALUE_COUNT]){2, 2, 2});
	free(name);
	return profile;
}

static void text_fits_its_width_whatever_the_names(void **state)
{
	static const int widths[] = {80, 132, 100, 60};
	struct profile *profile = hostile_profile();

	(void)state;
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		for (int by = BY_SITE; by <= BY_STACK; by++) {
			char *text = render(profile, by, "text", widths[w]), *rest, *line;

			assert_null(strchr(text, '\033'));
			assert_null(strchr(text, '\007'));
			for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
				if (strlen(line) > (size_t)widths[w])
					fail_msg("%zu columns of %d: %s", strlen(line), widths[w], line);
			}
			free(text);
		}
	}
	profile_free(profile);
}

static void text_uses_the_width_there_is(void **state)
{
	struct profile *profile = hostile_profile();
	char *narrow = render(profile, BY_SITE, "text", 80), *wide = render(profile, BY_SITE, "text", 300);

	(void)state;
	assert_null(strstr(narrow, "/home/somebody/go/pkg"));
	assert_non_null(strstr(narrow, "file.go:12345"));
	assert_non_null(strstr(wide,
			       "github.com/very/long/path/to/some/package%2ev3.(*Type[go.shape.int]).Method.func1 "
			       "/home/somebody/go/pkg/mod/github.com/very/long/path/to/some/package@v3.1.0/"
			       "file.go:12345"));
	assert_null(strstr(narrow, "HEAP BYTES"));
	assert_non_null(strstr(wide, "HEAP BYTES"));
	free(narrow);
	free(wide);
	profile_free(profile);
}

static void text_says_how_far_to_trust_it(void **state)
{
	struct profile *profile = exact_profile();
	char *text = render(profile, BY_SITE, "text", 80);

	(void)state;
	assert_non_null(strstr(text, "rows      exact\n"));
	assert_non_null(strstr(text, "(exact)\n"));
	assert_non_null(strstr(text, "check     goalloc counters: 300 objects, difference 2, bound 4\n"));
	assert_non_null(strstr(text, "lost      nothing\n"));
	free(text);
	profile->processes[1].lost_events = 5;
	profile->processes[1].check.present = false;
	profile->rows_exact = profile->totals_exact = false;
	profile->rate = 524288;
	text = render(profile, BY_SITE, "text", 80);
	assert_non_null(strstr(text, "rows      estimated from samples"));
	assert_non_null(strstr(text, "(estimated)\n"));
	assert_non_null(strstr(text, "95% INTERVAL"));
	assert_non_null(strstr(text, "check     none"));
	assert_non_null(strstr(text, "lost      5 events (the numbers are a lower bound), 0 stacks\n"));
	free(text);
	text = render(profile, BY_SITE, "color", 80);
	assert_non_null(strstr(text, "\033[31m5 events"));
	free(text);
	profile_free(profile);
}

static void csv_quotes_and_leaves_the_unmeasured_empty(void **state)
{
	struct profile *profile = hostile_profile();
	char *text = render(profile, BY_FUNCTION, "csv", 0);

	(void)state;
	assert_ptr_equal(strstr(text, "function,objects,bytes,refills,central_grows,heap_grows,heap_grow_bytes,"
				      "objects_low,objects_high,bytes_low,bytes_high,tiny_objects\n"),
			 text);
	assert_non_null(strstr(text, "\"evil\\x1b]0;title\\x07\\x0a\"\"quoted\"\",;\",1,1,0,0,0,0,1,1,1,1,0\n"));
	free(text);
	profile_free(profile);
	profile = estimated_profile();
	text = render(profile, BY_SITE, "csv", 0);
	assert_non_null(strstr(text, "\n/src/foo.go,6,main.foo,,109227,5242896,500,0,,0,"));
	free(text);
	profile_free(profile);
}

static void folded_stacks_go_from_root_to_leaf(void **state)
{
	struct profile *profile = exact_profile();
	char *text;

	(void)state;
	add(profile, locate(profile, 0x77, NULL, NULL, 0), 3, NULL, 1, (const int64_t[VALUE_COUNT]){1, 3});
	add(profile, locate(profile, 0x78, "a;b c", "f", 1), 3, NULL, 1, (const int64_t[VALUE_COUNT]){1, 2});
	text = render(profile, BY_STACK, "folded", 0);
	assert_string_equal(text, "main.main;main.bar;runtime.mallocgc 4800\n"
				  "main.main;main.foo;runtime.mallocgc 1440\n"
				  "runtime.mallocgc 16\n"
				  "main.main;0x77;runtime.mallocgc 3\n"
				  "main.main;a:b c;runtime.mallocgc 2\n");
	free(text);
	profile_free(profile);
}

static void positions_lose_what_says_least_first(void **state)
{
	static const char function[] = "github.com/a/b.(*T).Do", file[] = "/home/me/src/b/do.go";
	static const struct {
		size_t width;
		const char *text;
	} rows[] = {
		{80, "github.com/a/b.(*T).Do /home/me/src/b/do.go:12"},
		{43, "github.com/a/b.(*T).Do me/src/b/do.go:12"},
		{35, "github.com/a/b.(*T).Do b/do.go:12"},
		{32, "github.com/a/b.(*T).Do do.go:12"},
		{24, "b.(*T).Do src/b/do.go:12"},
		{18, "b.(*T).Do do.go:12"},
	};
	char text[256], command[SHORTEN_COMMAND_SIZE], line[512] = "./prog";

	(void)state;
	assert_string_equal(shorten_command(command, "./prog -a 'b c'"), "./prog -a 'b c'");
	while (strlen(line) < 400)
		strcat(line, " argument");
	shorten_command(command, line);
	assert_int_equal(strlen(command), strlen("./prog") + 21 * strlen(" argument") + strlen(" ..."));
	assert_memory_equal(command, line, strlen(command) - 4);
	assert_string_equal(command + strlen(command) - 13, " argument ...");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(shorten_position(text, sizeof(text), function, file, 12, rows[i].width),
				    rows[i].text);
	assert_string_equal(shorten_site(text, sizeof(text), "main.F", "/a/b/c.go", 7, "strings.(*Builder).grow", 80),
			    "main.F /a/b/c.go:7  via strings.(*Builder).grow");
	assert_string_equal(shorten_site(text, sizeof(text), "main.F", "/a/b/c.go", 7, "strings.(*Builder).grow", 42),
			    "main.F c.go:7  via strings.(*Builder).grow");
	/* The position is never truncated, however narrow the column. */
	assert_string_equal(shorten_site(text, sizeof(text), "main.parse", "/tmp/main.go", 21, "fmt.Sprintf", 36),
			    "main.parse main.go:21  via fmt.Spr..");
	assert_string_equal(shorten_site(text, sizeof(text), "main.parse", "/tmp/main.go", 21, "fmt.Sprintf", 29),
			    "main.go:21  via fmt.Sprintf");
	assert_string_equal(shorten_site(text, sizeof(text), "main.parse", "/tmp/main.go", 21, "fmt.Sprintf", 23),
			    "main.parse main.go:21");
	/* Rows of one line differ by "via" alone. */
	assert_string_equal(shorten_site(text, sizeof(text), "lib/http/serve.(*Directory).Serve", "/s/serve/dir.go",
					 233, "text/template.safeCall", 35),
			    "dir.go:233  via template.safeCall");
	assert_string_equal(
		shorten_site(text, sizeof(text), "main.(*Dispatcher).Dispatch", "/t/m.go", 7, "fmt.Sprintf", 38),
		"main.(*Dispa.. m.go:7  via fmt.Sprintf");
	assert_string_equal(shorten_position(text, sizeof(text), NULL, NULL, 0, 80), "(unknown)");
	assert_string_equal(shorten_position(text, sizeof(text), NULL, "a.go", 3, 80), "a.go:3");
	assert_string_equal(shorten_position(text, sizeof(text), "main.main", NULL, 0, 80), "main.main");
	assert_string_equal(shorten_position(text, sizeof(text), "gr\xc3\xbc\xc3\x9f und Welt", NULL, 0, 8),
			    "gr\xc3\xbc\xc3\x9f..");
	assert_string_equal(shorten_position(text, sizeof(text), "gr\xc3\xbc\xc3\x9f", NULL, 0, 5), "gr\xc3\xbc");
	/* Prose keeps a number and its per cent sign on one line. */
	assert_int_equal(wrap_line("about 95 % of it", 8, WRAP_WORDS), strlen("about"));
	assert_int_equal(wrap_line("about 95 % of it", 10, WRAP_WORDS), strlen("about 95 %"));
	for (size_t width = 1; width < 60; width++) {
		shorten_position(text, sizeof(text), function, file, 12, width);
		assert_true(strlen(text) <= width && strlen(text) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_are_summed_over_addresses_and_processes),
		cmocka_unit_test(every_grouping_keeps_the_sum),
		cmocka_unit_test(stacks_are_grouped_by_source_not_by_address),
		cmocka_unit_test(top_keeps_the_greatest_and_the_totals),
		cmocka_unit_test(estimates_carry_their_interval),
		cmocka_unit_test(growth_of_the_heap_alone_tells_nothing_of_objects),
		cmocka_unit_test(only_a_type_or_a_size_says_that_a_row_has_no_tiny_objects),
		cmocka_unit_test(totals_by_size_class_stay_exact),
		cmocka_unit_test(what_the_totals_of_classes_are_of_is_said),
		cmocka_unit_test(json_has_what_the_contract_says),
		cmocka_unit_test(json_of_what_was_not_measured_is_null),
		cmocka_unit_test(json_integers_keep_all_their_digits),
		cmocka_unit_test(text_fits_its_width_whatever_the_names),
		cmocka_unit_test(text_uses_the_width_there_is),
		cmocka_unit_test(text_says_how_far_to_trust_it),
		cmocka_unit_test(csv_quotes_and_leaves_the_unmeasured_empty),
		cmocka_unit_test(folded_stacks_go_from_root_to_leaf),
		cmocka_unit_test(positions_lose_what_says_least_first),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
