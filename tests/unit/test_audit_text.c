/* SPDX-License-Identifier: BSD-2-Clause */
/* Audits as text: the several sites of one line. */
#include "audit_fixture.h"
#include "render/render_audit.h"

#define P	    "example.com/p"
#define MEASURED(v) (1U << (v))

/* The audit of the profile and the compiler's output, both of which are freed, as text. */
static char *rendered(struct profile *profile, struct escape_output *output, const struct render_audit_options *options)
{
	struct audit *audit = audit_of(profile, output);
	struct audit_filter filter = {0};
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	audit_filter(audit, &filter, VALUE_BYTES);
	render_audit(audit, AUDIT_TEXT, options, stream);
	fclose(stream);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
	return text;
}

/* An audit of a line with two sites, and of another, of the values of a profile that has only those of `measured`, with `rows` lines. */
static char *text_of(unsigned measured, size_t rows)
{
	static const struct said said[] = {MOVED(P, "p.go", 1, 2, "x"), ESCAPES(P, "p.go", 1, 9, "make([]int, n)"),
					   MOVED(P, "p.go", 3, 2, "y")};
	struct escape_output *output = output_of(said, 3);
	struct render_audit_options options = {.rows = rows, .sort = VALUE_BYTES};
	struct profile *profile = exact_profile();

	profile->row_measured = measured;
	measure(profile, "runtime.makeslice < example.com/p.F /w/p/p.go:1", 5, 5 << 10);
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 1, 16);
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:3", 1, 8);
	return rendered(profile, output, &options);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void sites_of_a_line_have_the_values_that_were_measured(void **state)
{
	char *text = text_of(MEASURED(VALUE_OBJECTS) | MEASURED(VALUE_BYTES), 0);

	has(text, " 5 objects, 5.00KiB:\n");
	has(text, " 1 object, 16B:\n");
	free(text);
	text = text_of(MEASURED(VALUE_BYTES), 0);
	has(text, "      5.00KiB:\n");
	has(text, "      16B:\n");
	assert_null(strstr(text, "- object"));
	free(text);
	text = text_of(MEASURED(VALUE_OBJECTS), 0);
	has(text, " 5 objects:\n");
	has(text, " 1 object:\n");
	free(text);
	(void)state;
}

static void sites_of_a_line_that_are_omitted_name_the_option_that_lists_them(void **state)
{
	char *text = text_of(MEASURED(VALUE_OBJECTS) | MEASURED(VALUE_BYTES), 1);

	has(text, "1 more of this line, each at most 16B, together 16B: --verdict escapes\n");
	free(text);
	(void)state;
}

/* Samples of two lines, and none of the heaviest: the runtime counted `counted` bytes in all. */
static char *text_of_samples(int64_t counted)
{
	static const struct said said[] = {MOVED(P, "p.go", 1, 2, "x"), MOVED(P, "p.go", 5, 2, "z")};
	struct escape_output *output = output_of(said, 2);
	struct render_audit_options options = {.sort = VALUE_BYTES,
					       .verdicts = 1U << AUDIT_ESCAPES | 1U << AUDIT_ESCAPES_UNSEEN};
	struct profile *profile = exact_profile();
	struct profile_process *process = profile_process_add(profile, 1);

	profile->rate = 524288;
	profile->rows_exact = false;
	process->totals[VALUE_OBJECTS] = counted / 1024;
	process->totals[VALUE_BYTES] = counted;
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 100, 100 << 10);
	return rendered(profile, output, &options);
}

static void what_no_sample_hit_is_said_and_not_taken_for_nothing(void **state)
{
	char *text = text_of_samples(100 << 10);

	has(text, " 100.0%");
	has(text, "\nnext: begin with p.go:1");
	assert_null(strstr(text, "in no row"));
	has(text, "escapes-unseen: the compiler moves it to the heap, and no sample hit it");
	assert_null(strstr(text, "no allocation was seen"));
	free(text);
	text = text_of_samples(400 << 10);
	has(text, "; 300 objects are\nin no row\n");
	has(text, " 25.0%");
	assert_null(strstr(text, "next:"));
	free(text);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_of_a_line_have_the_values_that_were_measured),
		cmocka_unit_test(sites_of_a_line_that_are_omitted_name_the_option_that_lists_them),
		cmocka_unit_test(what_no_sample_hit_is_said_and_not_taken_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
