/* SPDX-License-Identifier: BSD-2-Clause */
/* Baselines: counts are read back as written, unchanged counts do not change the file, and all damage is detected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/baseline.h"
#include "gate/gate_enough.h"
#include "gate_fixture.h"

static char path[] = "/tmp/escapement-baseline-XXXXXX";

static struct gate_counts *example(void)
{
	struct gate_counts *counts = counts_new();
	struct gate_site *site = add_site(counts, "main.f", "main.T", 100, 100);

	site->annotation = gate_counts_string(counts, "moved to heap: x");
	site->counts[VALUE_REFILLS] = (struct gate_count){.least = 2, .most = 2};
	site->line = 7;
	site->column = 2;
	site = add_site(counts, "main.(*Größe).\"M\"\n", NULL, 5, 9);
	site->accepted = gate_counts_string(counts, "a cache");
	site->benchmark = gate_counts_string(counts, "BenchmarkParse");
	site = add_site(counts, NULL, NULL, 1, 1);
	site->runtime_call = site->file = NULL;
	counts->totals[VALUE_REFILLS] = 2;
	return finished(counts);
}

static void same_text(const char *a, const char *b)
{
	assert_int_equal(a != NULL, b != NULL);
	if (a)
		assert_string_equal(a, b);
}

static struct gate_counts *written_and_read(const struct gate_counts *counts)
{
	struct error error;
	struct gate_counts *again;

	if (baseline_write(counts, path, &error))
		fail_msg("%s", error.text);
	again = baseline_read(path, &error);
	if (!again)
		fail_msg("%s", error.text);
	return again;
}

static void what_is_written_is_read_again(void **state)
{
	struct gate_counts *counts = example(), *again = written_and_read(counts);

	(void)state;
	assert_int_equal(again->site_count, 3);
	assert_string_equal(again->command[0], "./prog");
	assert_string_equal(again->command[1], "-v");
	assert_null(again->command[2]);
	assert_string_equal(again->runtime, "go1.24.4");
	assert_int_equal(again->rate, 1);
	for (size_t i = 0; i < 3; i++) {
		const struct gate_site *a = &counts->sites[i], *b = &again->sites[i];

		same_text(a->function, b->function);
		same_text(a->runtime_call, b->runtime_call);
		same_text(a->type, b->type);
		same_text(a->benchmark, b->benchmark);
		same_text(a->annotation, b->annotation);
		same_text(a->file, b->file);
		same_text(a->accepted, b->accepted);
		assert_int_equal(b->line, 0); /* a baseline has no line numbers */
		for (int j = 0; j < VALUE_COUNT; j++) {
			if (j == VALUE_SAMPLES || j == VALUE_CENTRAL_GROWS || j == VALUE_HEAP_GROWS ||
			    profile_values[j].kinds & (VALUE_LIVE | VALUE_LOST))
				continue; /* a baseline does not store these for sites */
			assert_int_equal(a->counts[j].least, b->counts[j].least);
			assert_int_equal(a->counts[j].most, b->counts[j].most);
		}
	}
	for (int j = 0; j < VALUE_COUNT; j++)
		assert_true(j == VALUE_SAMPLES || counts->totals[j] == again->totals[j]);
	assert_true(baseline_covers(counts, again));
	gate_counts_free(counts);
	gate_counts_free(again);
}

static void a_normalized_baseline_keeps_its_iterations(void **state)
{
	static const struct {
		const char *normalize;
		double iterations;
	} cases[] = {{"main.handle", 500}, {"second", 0.1834921}, {"second", 1.734}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gate_counts *counts = example(), *again;

		counts->normalize = gate_counts_string(counts, cases[i].normalize);
		counts->iterations = cases[i].iterations;
		again = written_and_read(counts);
		assert_string_equal(again->normalize, cases[i].normalize);
		assert_true(again->iterations == cases[i].iterations);
		gate_counts_free(counts);
		gate_counts_free(again);
	}
}

static void counts_that_differ_are_not_the_same(void **state)
{
	struct gate_counts *a = example(), *b = example();

	(void)state;
	b->sites[0].counts[VALUE_REFILLS].least++; /* refills are a cost, which is not compared */
	assert_true(baseline_covers(a, b));
	b->sites[0].counts[VALUE_OBJECTS].least++;
	b->sites[0].counts[VALUE_OBJECTS].most++;
	assert_false(baseline_covers(a, b));
	gate_counts_free(b);
	/* The new count is within the range of a site that varies randomly. */
	a->sites[0].counts[VALUE_OBJECTS].below = a->sites[0].counts[VALUE_BYTES].below = 1;
	b = example();
	b->sites[0].counts[VALUE_OBJECTS].least--;
	assert_true(baseline_covers(a, b));
	b->sites[0].counts[VALUE_OBJECTS].least--;
	assert_false(baseline_covers(a, b));
	gate_counts_free(b);
	b = example();
	b->runtime = gate_counts_string(b, "go1.25.0");
	assert_false(baseline_covers(a, b));
	gate_counts_free(b);
	b = example();
	add_site(b, "main.more", NULL, 1, 1);
	assert_false(baseline_covers(a, finished(b)));
	gate_counts_free(b);
	gate_counts_free(a);
}

static void one_run_is_enough_if_all_that_it_counted_is_as_before(void **state)
{
	struct policy policy;
	struct gate_counts *a = example(), *b = example();

	(void)state;
	policy_init(&policy);
	b->sites[0].file = gate_counts_string(b, "moved.go"); /* a path is no difference */
	b->runtime = NULL;
	assert_true(gate_enough(a, b, &policy));
	policy.noisy = NOISY_FAIL;
	assert_false(gate_enough(a, b, &policy));
	policy.noisy = NOISY_WARN;
	b->loss.events = 1;
	assert_false(gate_enough(a, b, &policy));
	b->loss.events = 0;
	b->rate = 8192;
	assert_false(gate_enough(a, b, &policy));
	b->rate = 1;
	/* neither more nor fewer, neither a site more nor one fewer */
	for (int by = -1; by <= 1; by += 2) {
		b->sites[0].counts[VALUE_OBJECTS].least += by;
		b->sites[0].counts[VALUE_OBJECTS].most += by;
		assert_false(gate_enough(a, b, &policy));
		b->sites[0].counts[VALUE_OBJECTS] = a->sites[0].counts[VALUE_OBJECTS];
	}
	assert_true(gate_enough(a, b, &policy));
	add_site(b, "main.more", NULL, 1, 1);
	assert_false(gate_enough(a, finished(b), &policy));
	assert_false(gate_enough(b, a, &policy));
	gate_counts_free(a);
	gate_counts_free(b);
}

static void only_the_same_program_and_runtime_can_be_compared(void **state)
{
	static const char *const other_arguments[] = {"./prog", "-q", NULL}, *const other_program[] = {"./other", NULL};
	struct gate_counts *a = example(), *b = example();
	char warning[512];
	struct error error;

	(void)state;
	assert_int_equal(baseline_comparable(a, b, warning, sizeof(warning), &error), 0);
	assert_string_equal(warning, "");
	gate_counts_command(b, other_arguments);
	assert_int_equal(baseline_comparable(a, b, warning, sizeof(warning), &error), 0);
	assert_string_not_equal(warning, "");
	gate_counts_command(b, other_program);
	assert_int_equal(baseline_comparable(a, b, warning, sizeof(warning), &error), -1);
	assert_non_null(strstr(error.text, "not for 'other'"));
	gate_counts_free(b);
	b = example();
	b->runtime = gate_counts_string(b, "go1.25.0");
	assert_int_equal(baseline_comparable(a, b, warning, sizeof(warning), &error), -1);
	assert_non_null(strstr(error.text, "go1.25.0"));
	gate_counts_free(b);
	gate_counts_free(a);
}

static char *contents(size_t *length)
{
	FILE *stream = fopen(path, "r");
	char *text = calloc(1, 1 << 16);

	assert_non_null(stream);
	assert_non_null(text);
	*length = fread(text, 1, (1 << 16) - 1, stream);
	fclose(stream);
	return text;
}

static void put(const char *text, size_t length)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(text, 1, length, stream), length);
	fclose(stream);
}

/* The file without the estimates, as a version that did not store them wrote it: its totals are sums of the lower ends. */
static void forget_estimates(int64_t objects)
{
	size_t length;
	char *text = contents(&length), *at, *rest, *changed;

	while ((at = strstr(text, "\"objects_estimate\"")) || (at = strstr(text, "\"bytes_estimate\""))) {
		rest = strchr(at, ',') + 1;
		memmove(at, rest, strlen(rest) + 1);
	}
	at = strstr(text, "\"totals\"");
	assert_non_null(at);
	assert_true(asprintf(&changed,
			     "%.*s\"totals\":{\"objects\":%lld,\"bytes\":%lld,\"refills\":null,"
			     "\"central_grows\":null,\"heap_grows\":null,\"heap_grow_bytes\":null}}",
			     (int)(at - text), text, (long long)objects, 16 * (long long)objects) > 0);
	put(changed, strlen(changed));
	free(changed);
	free(text);
}

static void an_estimate_is_kept_beside_its_interval(void **state)
{
	struct gate_counts *counts = counts_new(), *again;
	struct gate_site *site = add_site(counts, "main.f", "main.T", 100, 500);
	struct error error;

	(void)state;
	counts->rate = 524288;
	counts->estimated = true;
	site->counts[VALUE_OBJECTS].estimate = 130;
	site->counts[VALUE_BYTES].estimate = 16 * 130;
	add_site(counts, "main.g", "main.T", 7, 7)->counts[VALUE_OBJECTS].estimate = 7;
	again = written_and_read(finished(counts));
	assert_true(again->estimated);
	assert_int_equal(again->sites[0].counts[VALUE_OBJECTS].estimate, 130);
	assert_int_equal(again->sites[0].counts[VALUE_BYTES].estimate, 16 * 130);
	assert_int_equal(again->totals[VALUE_OBJECTS], 137);
	gate_counts_free(again);
	forget_estimates(107);
	again = baseline_read(path, &error);
	if (!again)
		fail_msg("%s", error.text);
	assert_true(again->estimated);
	assert_int_equal(again->sites[0].counts[VALUE_OBJECTS].estimate, 300);
	assert_int_equal(again->totals[VALUE_OBJECTS], 307);
	gate_counts_free(again);
	site = &counts->sites[0];
	site->counts[VALUE_OBJECTS].estimate = 501;
	assert_int_equal(baseline_write(finished(counts), path, &error), 0);
	assert_null(baseline_read(path, &error));
	assert_non_null(strstr(error.text, "an estimate outside of its interval"));
	gate_counts_free(counts);
}

/* A truncated file is rejected with its name, unless only the last newline is missing. */
static void a_file_that_was_cut_is_refused_wherever_it_was_cut(void **state)
{
	struct gate_counts *counts = example(), *again = written_and_read(counts);
	struct error error;
	size_t length;
	char *text = contents(&length);

	(void)state;
	gate_counts_free(again);
	for (size_t cut = 0; cut + 1 < length; cut++) {
		put(text, cut);
		again = baseline_read(path, &error);
		if (again)
			fail_msg("read after %zu of %zu bytes", cut, length);
		assert_int_equal(error.status, STATUS_USAGE);
		assert_non_null(strstr(error.text, path));
	}
	free(text);
	gate_counts_free(counts);
}

static void replaced(const char *from, const char *to, const char *words)
{
	struct gate_counts *counts = example(), *again = written_and_read(counts);
	struct error error;
	size_t length;
	char *text = contents(&length), *at = strstr(text, from), *changed;

	gate_counts_free(again);
	assert_non_null(at);
	assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	put(changed, strlen(changed));
	again = baseline_read(path, &error);
	if (again)
		fail_msg("read with '%s'", to);
	if (!strstr(error.text, words))
		fail_msg("'%s' for '%s', expected '%s'", error.text, to, words);
	free(changed);
	free(text);
	gate_counts_free(counts);
}

static void damage_is_refused_with_what_is_wrong(void **state)
{
	(void)state;
	replaced("baseline/2", "baseline/1", "write it anew: escapement gate --baseline");
	replaced("escapement.baseline/2", "cake/1", "it has no \"schema\" of ours");
	replaced("\"objects\":5", "\"objects\":-5", "objects");
	replaced("\"objects\":5", "\"objects\":5.5", "objects");
	replaced("\"objects\":5", "\"objects\":6", "objects"); /* the totals do not agree with the sites any more */
	replaced("\"objects_max\":9", "\"objects_max\":3", ":9: a maximum below the minimum");
	replaced("\"accepted\"", "\"excepted\"", "excepted");
	replaced("\"function\":\"main.f\",", "", "function");
	replaced("\"rate\":1", "\"rate\":\"1\"", "rate");
	replaced("\"sites\":[", "\"sites\":{", "not JSON");
}

static int create(void **state)
{
	(void)state;
	return mkstemp(path) < 0;
}

static int delete (void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_normalized_baseline_keeps_its_iterations),
		cmocka_unit_test(counts_that_differ_are_not_the_same),
		cmocka_unit_test(one_run_is_enough_if_all_that_it_counted_is_as_before),
		cmocka_unit_test(only_the_same_program_and_runtime_can_be_compared),
		cmocka_unit_test(an_estimate_is_kept_beside_its_interval),
		cmocka_unit_test(a_file_that_was_cut_is_refused_wherever_it_was_cut),
		cmocka_unit_test(damage_is_refused_with_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, create, delete);
}
