/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit_fixture.h"
#include "audit/audit_calls.h"
#include "audit/audit_instance.h"
#include "audit/audit_join.h"
#include "audit/audit_lines.h"
#include "audit/audit_place.h"
#include "profile/profile_part.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define P	     "example.com/p"

static void each_verdict_follows_from_what_was_said_and_measured(void **state)
{
	static const struct said said[] = {
		MOVED(P, "p.go", 1, 6, "x"),
		ESCAPES(P, "p.go", 2, 9, "v"),
		STAYS(P, "p.go", 3, 9, "make([]byte, n)"),
		STAYS(P, "p.go", 4, 9, "new(int)"),
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	const struct audit_row *row;
	struct audit *audit;

	(void)state;
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 7, 56);
	measure(profile, "runtime.makeslice < example.com/p.F /w/p/p.go:3", 2, 9000);
	measure(profile, "runtime.growslice < example.com/p.F /w/p/p.go:5", 3, 300);
	measure(profile,
		"runtime.makeslice < fmt.Sprint /go/src/fmt/print.go:9 < example.com/p.F /w/p/p.go:6 < "
		"example.com/p.G /w/p/p.go:8",
		5, 80);
	measure(profile, NULL, 1, 8);
	audit = audit_of(profile, output);
	assert_int_equal(audit->row_count, 7);
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++)
		assert_int_equal(audit->verdicts[i], 1);

	row = row_at(audit, AUDIT_ESCAPES, 1);
	assert_int_equal(row->values[VALUE_OBJECTS], 7);
	assert_int_equal(row->values[VALUE_BYTES], 56);
	assert_int_equal(row->objects_low, 7);
	assert_int_equal(row->objects_high, 7);
	assert_string_equal(row->annotations[0]->subject, "x");
	assert_string_equal(row->file, "p.go");
	assert_string_equal(row->runtime_call, "runtime.newobject");
	assert_false(row->shared);
	assert_null(row->reason);

	row = row_at(audit, AUDIT_CONTRADICTED, 3);
	assert_string_equal(row->reason, "a make of variable size, too large for the stack");
	row = row_at(audit, AUDIT_UNANNOTATED, 5);
	assert_string_equal(row->reason, "append growth");
	assert_int_equal(row->annotation_count, 0);
	row = row_at(audit, AUDIT_NOT_COVERED, 6);
	assert_string_equal(row->site.function, "example.com/p.F");
	assert_string_equal(row->callee, "fmt.Sprint");
	assert_null(row->runtime_call);
	row = row_at(audit, AUDIT_UNPLACED, 0);
	assert_string_equal(row->reason, "its stack was lost");
	row = row_at(audit, AUDIT_ESCAPES_UNSEEN, 2);
	assert_int_equal(row->values[VALUE_OBJECTS], 0);
	assert_int_equal(row->objects_high, 0);
	row_at(audit, AUDIT_STACK, 4);

	assert_int_equal(audit->totals[VALUE_OBJECTS], 18);
	assert_int_equal(audit->totals[VALUE_BYTES], 9444);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void rows_that_nobody_reads_are_counted_all_the_same(void **state)
{
	static const struct said said[] = {
		MOVED(P, "p.go", 1, 6, "x"),
		ESCAPES(P, "p.go", 2, 9, "v"),
		STAYS(P, "p.go", 3, 9, "new(int)"),
		STAYS(P, "p.go", 4, 9, "new(int)"),
	};
	const struct audit_options options = {.unread = 1U << AUDIT_STACK};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 7, 56);
	audit = audit_new(profile, output, &options);
	assert_int_equal(audit->row_count, 2);
	row_at(audit, AUDIT_ESCAPES, 1);
	row_at(audit, AUDIT_ESCAPES_UNSEEN, 2);
	assert_int_equal(audit->verdicts[AUDIT_STACK], 2);
	assert_int_equal(audit->sums[AUDIT_STACK].rows, 2);
	assert_int_equal(audit->sums[AUDIT_STACK].values[VALUE_OBJECTS], 0);
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES_UNSEEN], 1);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

/* Two processes of a build, whose audits share that of both, have the rows that they would have alone. */
static void audits_of_the_processes_of_a_build_may_share_what_they_have_in_common(void **state)
{
	static const struct said said[] = {
		MOVED(P, "p.go", 1, 6, "x"),
		ESCAPES(P, "p.go", 2, 9, "make([]int, n)"),
		STAYS(P, "p.go", 3, 9, "new(int)"),
		ESCAPES(P, "q.go", 3, 9, "new(int)"),
	};
	static const char *const stacks[] = {
		"runtime.newobject < example.com/p.F /w/p/p.go:1",
		"runtime.makeslice < example.com/p.F /w/p/p.go:2",
		"runtime.newobject < example.com/p.G /w/p/q.go:3",
		"runtime.newobject < example.com/other.F /w/other/p.go:1",
	};
	const struct audit_options all = {.uncounted = true, .exemplary = true};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *example;

	(void)state;
	for (int pid = 1; pid <= 3; pid++) {
		profile_process_add(profile, pid)->build_id = profile_string(profile, pid == 3 ? "other" : "build");
		for (int i = pid - 1; i < (int)COUNT(stacks); i++) {
			struct profile_key key = {
				.pid = pid, .stack = stack_of(profile, stacks[i]), .span_class = SPAN_CLASS_UNKNOWN};
			int64_t values[VALUE_COUNT] = {[VALUE_OBJECTS] = 10 * pid + i, [VALUE_SAMPLES] = 10 * pid + i};

			profile_add(profile, &key, values);
		}
	}
	struct profile *build = profile_part_of_build(profile, "build");

	assert_int_equal(build->process_count, 2);
	assert_int_equal(build->sample_count, 7);
	example = audit_new(build, output, &all);
	for (int pid = 1; pid <= 2; pid++) {
		const struct audit_options apart = {.unread = 1U << AUDIT_ESCAPES_UNSEEN | 1U << AUDIT_STACK};
		const struct audit_options like = {.unread = apart.unread, .uncounted = true, .like = example};
		struct profile *part = profile_part_new(profile, pid);
		struct audit *alone = audit_new(part, output, &apart), *shared = audit_new(part, output, &like);

		assert_int_equal(alone->row_count, 5 - pid);
		assert_int_equal(shared->row_count, alone->row_count);
		assert_int_equal(shared->stale, alone->stale);
		for (size_t i = 0; i < alone->row_count; i++) {
			const struct audit_row *a = &alone->rows[i], *b = &shared->rows[i];

			assert_int_equal(a->verdict, b->verdict);
			assert_string_equal(audit_row_words(a), audit_row_words(b));
			assert_true(a->site.line == b->site.line && a->file == b->file && a->owner == b->owner);
			assert_memory_equal(a->values, b->values, sizeof(a->values));
		}
		audit_free(shared);
		audit_free(alone);
		profile_part_free(part);
	}
	audit_free(example);
	profile_part_free(build);
	profile_free(profile);
	output_free(output);
}

/* One source line with several annotations, each of which belongs to another runtime call. */
static void the_runtime_call_tells_which_annotation_of_a_line_is_meant(void **state)
{
	static const struct said said[] = {
		MOVED(P, "p.go", 1, 2, "moved"),
		ESCAPES(P, "p.go", 1, 3, "make([]int, n)"),
		ESCAPES(P, "p.go", 1, 4, "make(map[int]int)"),
		ESCAPES(P, "p.go", 1, 5, "make(chan int)"),
		ESCAPES(P, "p.go", 1, 6, "boxed"),
		ESCAPES(P, "p.go", 1, 7, "a + \"b\""),
		ESCAPES(P, "p.go", 1, 8, "string(bytes)"),
		ESCAPES(P, "p.go", 1, 9, "([]byte)(text)"),
		ESCAPES(P, "p.go", 1, 10, "append"),
		STAYS(P, "p.go", 1, 11, "... argument"),
	};
	static const struct {
		const char *call, *subject;
	} cases[] = {
		{"runtime.newobject", "moved"},
		{"runtime.mallocgcSmallNoScanSC4", "moved"},
		{"runtime.makeslice", "make([]int, n)"},
		{"runtime.makemap_small", "make(map[int]int)"},
		{"runtime.makechan", "make(chan int)"},
		{"runtime.concatstring2", "a + \"b\""},
		{"runtime.slicebytetostring", "string(bytes)"},
		{"runtime.stringtoslicebyte", "([]byte)(text)"},
		{"runtime.growslice", "append"},
	};
	struct escape_output *output = output_of(said, COUNT(said));

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct profile *profile = exact_profile();
		const struct audit_row *row;
		struct audit *audit;
		char stack[256];

		snprintf(stack, sizeof(stack), "runtime.mallocgc < %s < example.com/p.F /w/p/p.go:1", cases[i].call);
		measure(profile, stack, 1, 8);
		audit = audit_of(profile, output);
		row = row_at(audit, AUDIT_ESCAPES, 1);
		assert_string_equal(row->annotations[0]->subject, cases[i].subject);
		assert_int_equal(row->annotation_count, 1);
		assert_false(row->shared);
		/* No allocation was measured for the other escaping annotations ("... argument" is not one of them). */
		assert_int_equal(audit->verdicts[AUDIT_ESCAPES_UNSEEN], COUNT(said) - 2);
		assert_int_equal(audit->verdicts[AUDIT_STACK], 1);
		audit_free(audit);
		profile_free(profile);
	}
	output_free(output);
}

static void what_cannot_be_told_apart_is_shared(void **state)
{
	static const struct said said[] = {MOVED(P, "p.go", 1, 2, "c"), MOVED(P, "p.go", 1, 5, "d")};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	const struct audit_row *row;
	struct audit *audit;

	(void)state;
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 4, 32);
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 6, 48); /* another call instruction */
	audit = audit_of(profile, output);
	assert_int_equal(audit->row_count, 1);
	row = row_at(audit, AUDIT_ESCAPES, 1);
	assert_true(row->shared);
	assert_int_equal(row->annotation_count, 2);
	assert_int_equal(row->values[VALUE_OBJECTS], 10);
	audit_free(audit);
	profile_free(profile);

	/* With columns there are two rows. */
	profile = exact_profile();
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1:2", 4, 32);
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1:5", 6, 48);
	audit = audit_of(profile, output);
	assert_int_equal(audit->row_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_false(audit->rows[i].shared);
		assert_int_equal(audit->rows[i].annotation_count, 1);
		assert_int_equal(audit->rows[i].annotations[0]->column, audit->rows[i].site.column);
	}
	assert_int_equal(audit->rows[0].values[VALUE_OBJECTS], 6); /* sorted by bytes, descending */
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void the_type_tells_annotations_apart_where_it_is_known(void **state)
{
	static const struct said said[] = {
		ESCAPES(P, "p.go", 1, 2, "&sub.A{...}"),
		ESCAPES(P, "p.go", 1, 9, "new(B)"),
		ESCAPES(P, "p.go", 2, 2, "&sub.S[go.shape.int]{...}"),
		ESCAPES(P, "p.go", 2, 9, "&sub.S[go.shape.string]{...}"),
		ESCAPES(P, "p.go", 3, 2, "&sub.S[go.shape.struct { p.a int }_0]{...}"),
		ESCAPES(P, "p.go", 3, 9, "&sub.S[go.shape.string_0]{...}"),
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure_typed(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", "sub.A", 1, 8);
	measure_typed(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", "p.B", 1, 16);
	measure_typed(profile, "runtime.newobject < example.com/p.F /w/p/p.go:2", "sub.S[string]", 1, 32);
	measure_typed(profile, "runtime.newobject < example.com/p.F /w/p/p.go:3", "sub.S[string]", 1, 4);
	measure_typed(profile, "runtime.newobject < example.com/p.F /w/p/p.go:3", "sub.S[struct { p.a int }]", 1, 2);
	audit = audit_of(profile, output);
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES], 5);
	assert_string_equal(audit->rows[0].annotations[0]->subject, "&sub.S[go.shape.string]{...}");
	assert_string_equal(audit->rows[1].annotations[0]->subject, "new(B)");
	assert_string_equal(audit->rows[1].type, "p.B");
	assert_string_equal(audit->rows[2].annotations[0]->subject, "&sub.A{...}");
	assert_string_equal(audit->rows[3].annotations[0]->subject, "&sub.S[go.shape.string_0]{...}");
	assert_string_equal(audit->rows[4].annotations[0]->subject, "&sub.S[go.shape.struct { p.a int }_0]{...}");
	for (int i = 0; i < 5; i++)
		assert_false(audit->rows[i].shared);
	assert_string_equal(row_at(audit, AUDIT_ESCAPES_UNSEEN, 2)->annotations[0]->subject,
			    "&sub.S[go.shape.int]{...}");
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

/* Heap profiles of Go have no types, but the names of functions with the shapes of their type arguments. */
static void the_shape_in_a_functions_name_tells_annotations_apart_too(void **state)
{
	static const struct said said[] = {
		ESCAPES(P, "p.go", 1, 2, "make([]go.shape.int, n)"),
		ESCAPES(P, "p.go", 1, 2, "make([]go.shape.int32, n)"),
		ESCAPES(P, "p.go", 1, 2, "make([]go.shape.[]string, n)"),
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure(profile, "example.com/p.F[go.shape.int32] /w/p/p.go:1", 1, 8);
	measure(profile, "example.com/p.F[go.shape.int,go.shape.bool] /w/p/p.go:1", 1, 4);
	measure(profile, "example.com/p.F[go.shape.bool,go.shape.[]string] /w/p/p.go:1", 1, 2);
	measure(profile, "example.com/p.F[...] /w/p/p.go:1", 1, 1);
	audit = audit_of(profile, output);
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES], 4);
	assert_string_equal(audit->rows[0].annotations[0]->subject, "make([]go.shape.int32, n)");
	assert_string_equal(audit->rows[1].annotations[0]->subject, "make([]go.shape.int, n)");
	assert_string_equal(audit->rows[2].annotations[0]->subject, "make([]go.shape.[]string, n)");
	for (int i = 0; i < 4; i++)
		assert_int_equal(audit->rows[i].shared, i == 3);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void the_words_of_another_instance_are_no_words_of_this_one(void **state)
{
	static const struct said said[] = {
		ESCAPES(P, "p.go", 1, 2, "make([]go.shape.int, n)"),
		ESCAPES(P, "p.go", 2, 2, "make([]go.shape.func(int), n)"),
		ESCAPES(P, "p.go", 2, 2, "make([]go.shape.func(int) string, n)"),
		ESCAPES(P, "p.go", 3, 2, "make([]go.shape.int8, n)"),
		ESCAPES(P, "p.go", 3, 2, "make([]go.shape.struct { X int }, n)"),
		ESCAPES(P, "p.go", 4, 2, "&bitmap[go.shape.int,go.shape.string]{}"),
		ESCAPES(P, "p.go", 5, 2, "make([]go.shape.[]go.shape.int, n)"),
		ESCAPES(P, "p.go", 6, 2, "make(map[go.shape.int]node[go.shape.string])"),
		STAYS(P, "p.go", 7, 2, "make([]go.shape.int, 8)"),
		ESCAPES(P, "p.go", 7, 2, "make([]go.shape.[9000]int, 8)"),
	};
	static const struct {
		const char *function, *said; /* NULL: nothing */
		uint32_t line;
	} cases[] = {
		{"F[go.shape.int32]", NULL, 1},
		{"F[go.shape.int_0]", NULL, 1},
		{"(*T[go.shape.string,go.shape.int]).F", "make([]go.shape.int, n)", 1},
		{"F[go.shape.func(int)]", "make([]go.shape.func(int), n)", 2},
		{"F[go.shape.func(int)~string]", "make([]go.shape.func(int) string, n)", 2},
		{"F[go.shape.func]", "make([]go.shape.func(int), n)", 2}, /* pprof wrote it: either of two */
		{"F[go.shape.int8,go.shape.struct~{~X~int~}].G[go.shape.struct~{~X~int~}].func2",
		 "make([]go.shape.struct { X int }, n)", 3},
		{"F[go.shape.int8,go.shape.struct~{~X~int~}].G[go.shape.int8].func2", "make([]go.shape.int8, n)", 3},
		{"F[go.shape.struct~{~Y~string~\"a]\\\"\"~}].func1", NULL, 3},
		{"F[go.shape.int]", "&bitmap[go.shape.int,go.shape.string]{}", 4},
		{"F[go.shape.int32]", "&bitmap[go.shape.int,go.shape.string]{}", 4},
		{"F[go.shape.[]go.shape.int]", "make([]go.shape.[]go.shape.int, n)", 5},
		{"F[go.shape.[]go.shape.int32]", NULL, 5},
		{"F[go.shape.int]", "make(map[go.shape.int]node[go.shape.string])", 6},
		{"F[go.shape.string]", NULL, 6},
		{"F[go.shape.int]", "make([]go.shape.int, 8)", 7},
	};
	struct escape_output *output = output_of(said, COUNT(said));

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct profile *profile = exact_profile();
		struct audit *audit;
		char stack[256];

		snprintf(stack, sizeof(stack), "example.com/p.%s /w/p/p.go:%u", cases[i].function, cases[i].line);
		measure(profile, stack, 1, 8);
		audit = audit_of(profile, output);
		assert_int_equal(audit->rows[0].annotation_count > 0, cases[i].said != NULL);
		if (cases[i].said)
			assert_string_equal(audit->rows[0].annotations[0]->subject, cases[i].said);
		else
			row_at(audit, AUDIT_UNANNOTATED, cases[i].line);
		audit_free(audit);
		profile_free(profile);
	}
	output_free(output);
}

/* Of a hostile name and expression, each shape was compared with each. */
static void shapes_are_compared_in_linear_time(void **state)
{
	enum { SHAPES = 200000 };
	static char text[SHAPES * 10 + 16];
	char *end = text + sprintf(text, "F");

	(void)state;
	for (int i = 0; i < SHAPES; i++)
		end = stpcpy(end, "[go.shape.");
	assert_int_equal(audit_instance_fits(text, audit_instance(text)), 2);
	assert_int_equal(audit_instance_fits(text, "go.shape.int]"), 1);
}

static void a_row_has_the_type_of_its_objects_whatever_else_it_cost(void **state)
{
	static const struct said said[] = {
		ESCAPES(P, "p.go", 1, 2, "&A{...}"),
		ESCAPES(P, "p.go", 1, 9, "new(<node DYNAMICTYPE>)"),
	};
	static const char line[] = "runtime.newobject < example.com/p.F /w/p/p.go:1";
	struct escape_output *output = output_of(said, COUNT(said));

	(void)state;
	for (int costs_first = 0; costs_first <= 1; costs_first++) {
		struct profile *profile = exact_profile();
		const struct profile_key costs = {.stack = stack_of(profile, line), .span_class = SPAN_CLASS_UNKNOWN};
		const int64_t refills[VALUE_COUNT] = {[VALUE_REFILLS] = 3};
		struct audit *audit;

		if (costs_first)
			profile_add(profile, &costs, refills);
		measure_typed(profile, line, "p.A", 4, 64);
		measure_typed(profile, line, "p.B", 2, 16);
		if (!costs_first)
			profile_add(profile, &costs, refills);
		audit = audit_of(profile, output);
		assert_int_equal(audit->verdicts[AUDIT_ESCAPES], 2);
		assert_string_equal(audit->rows[0].type, "p.A");
		assert_true(audit->rows[0].shared);
		assert_int_equal(audit->rows[0].values[VALUE_REFILLS], 3);
		assert_string_equal(audit->rows[1].type, "p.B");
		audit_free(audit);
		profile_free(profile);
	}
	output_free(output);
}

static void costs_go_to_the_type_that_was_measured_in_their_span_class(void **state)
{
	static const struct said said[] = {
		ESCAPES(P, "p.go", 1, 2, "&A{...}"),
		ESCAPES(P, "p.go", 1, 9, "&B{...}"),
	};
	static const char line[] = "runtime.newobject < example.com/p.F /w/p/p.go:1";
	static const struct {
		const char *type;
		int span_class;
		int64_t objects, refills;
	} samples[] = {{NULL, 8, 0, 3}, {"p.A", 8, 4, 0}, {"p.B", 5, 2, 0}, {NULL, 5, 0, 1}};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const struct profile_key key = {
			.stack = stack_of(profile, line), .type = samples[i].type, .span_class = samples[i].span_class};
		const int64_t values[VALUE_COUNT] = {[VALUE_OBJECTS] = samples[i].objects,
						     [VALUE_BYTES] = 16 * samples[i].objects,
						     [VALUE_REFILLS] = samples[i].refills};

		profile_add(profile, &key, values);
	}
	audit = audit_of(profile, output);
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES], 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(audit->rows[i].type, samples[i + 1].type);
		assert_int_equal(audit->rows[i].values[VALUE_REFILLS], i ? 1 : 3);
		assert_false(audit->rows[i].shared);
	}
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void a_box_has_no_value_that_cannot_be_of_its_type(void **state)
{
	static const char string[] = "runtime.stringInterfacePtr", number[] = "runtime.uint64InterfacePtr",
			  slice[] = "runtime.sliceInterfacePtr";
	static const struct {
		const char *subject, *type;
		bool excluded;
	} cases[] = {
		{"i + 1000", string, true},
		{"i + 1000", number, false},
		{"c + 'a'", string, true},
		{"T{}", string, true},
		{"T{...}", string, true},
		{"T{...}", number, false},
		{"T{}", number, true},
		{"x + \"a\"", number, true},
		{"x + \"a\"", string, false},
		{"x == \"a\"", number, true},
		{"x + \"a + 1\"", string, false},
		{"x + \"}\"", string, false},
		{"f(x + 1)", string, false},
		{"m[x + 1]", string, false},
		{"m[x + \"a\"]", number, false},
		{"x", string, false},
		{"x", number, false},
		{"i * 3", string, true},
		{"i * 3", number, false},
		{"i << uint(4)", slice, true},
		{"s << 2", number, false},
		{"-i", slice, true},
		{"i == 3", number, true},
		{"!ok && f(a + \"b\")", string, true},
		{"len(s) * 1000", string, true},
		{"len(s)", number, false},
		{"len(s).String()", string, false},
		{"float64(i)", string, true},
		{"float64(i)", number, false},
		{"string(b)", number, true},
		{"string(b)", slice, true},
		{"string(b)", string, false},
		{"([]byte)(s)", string, true},
		{"([]byte)(s)", slice, false},
		{"[]byte(s)", number, true},
		{"s[1:]", number, true},
		{"s[1:]", string, false},
		{"s[1:]", slice, false},
		{"a[f(\":\")]", number, false},
		{"a[i:j][0]", number, false},
		{"[]T{...}", string, true},
		{"[]T{...}", slice, false},
		{"T{...}", slice, false},
		{"[2]int{...}", slice, true},
		{"[2]int{...}", "[2]int", false},
		{"[2]int{...}", number, false},
		{"&T{...}", number, true},
		{"x - y", string, true},
		{"x + y", string, false},
		{"x + string(b)", number, true},
		{"S(x)", string, false},
		{"S(x)", number, false},
		{"(interface {})(s)", number, false},
		{"x.(T)", slice, false},
		{"*p", slice, false},
		{"<-c", string, false},
		{"i == 3", NULL, true},
		{"T{...}", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct call call = {CALL_BOX, cases[i].type};
		const struct escape_annotation annotation = {.kind = ESCAPE_ESCAPES, .subject = cases[i].subject};

		if (call_excludes(&call, &annotation) != cases[i].excluded)
			fail_msg("%s of %s", cases[i].subject, cases[i].type);
	}
}

static void the_call_decides_where_the_profile_has_no_type(void **state)
{
	static const struct {
		const char *call, *subject;
		bool excluded;
	} cases[] = {
		{"runtime.convTstring", "i + 1000", true},
		{"runtime.convTstring", "s + \"x\"", false},
		{"runtime.convTslice", "-i", true},
		{"runtime.convT64", "string(b)", true},
		{"runtime.convT64", "i + 1000", false},
		{"runtime.convTnoptr", "s[1:]", false},
		{"runtime.convT", "i == 3", true},
		{"runtime.concatstring2", "i + 1000", true},
		{"runtime.concatstring2", "s + t", false},
		{"runtime.stringtoslicebyte", "([]byte)(s)", false},
		{"runtime.stringtoslicebyte", "string(b)", true},
		{"runtime.slicebytetostring", "string(b)", false},
		{"runtime.slicebytetostring", "([]byte)(s)", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct call call = call_of(cases[i].call, NULL);
		const struct escape_annotation annotation = {.kind = ESCAPE_ESCAPES, .subject = cases[i].subject};

		if (call_excludes(&call, &annotation) != cases[i].excluded)
			fail_msg("%s of %s", cases[i].subject, cases[i].call);
	}
}

static void an_object_is_of_no_expression_whose_type_has_another_name(void **state)
{
	static const struct {
		const char *subject, *type;
		bool excluded;
	} cases[] = {
		{"&list[go.shape.*uint8]{}", "main.sq", true},
		{"&list[go.shape.*uint8]{}", "main.list[pointer]", false},
		{"&list[go.shape.*uint8]{}", "main.list[*example.com/p.T]", false},
		{"&list[go.shape.struct { main.a int }]{}", "main.pair[struct { main.a int }]", true},
		{"new(list[go.shape.int_0])", "main.pair[int]", true},
		{"new(sub.list[go.shape.int_0])", "sub.list[int]", false},
		{"new(any)", "interface {}", false},
		{"new(any)", "string", true},
		{"new(chan any)", "chan interface {}", false},
		{"new(chan any)", "struct { a interface {} }", true},
		{"new(func(any) any)", "func(interface {}) interface {}", false},
		{"new([]any)", "[]string", true},
		{"new(struct { a any })", "chan interface {}", true},
		{"new(struct { a any })", "struct { a interface {} }", false},
		{"new(T)", "struct { a interface {} }", true},
		{"new(\"example.com/a/sub\".T)", "sub.T", false},
		{"&\"example.com/a/sub\".T{...}", "sub.U", true},
		{"new(rune)", "int32", false},
		{"new(map[string]any)", "map[string]interface {}", false},
		{"new(<node DYNAMICTYPE>)", "main.sq", false},
		{"&[3]list[go.shape.int]{...}", "[3]main.list[int]", false},
		{"&[3]list[go.shape.string]{...}", "[3]main.list[int]", true},
		{"new(map[string]list[go.shape.int_0])", "map[string]main.list[int]", false},
		{"new(map[string]list[go.shape.string_0])", "map[string]main.list[int]", true},
		{"[]any{...}", "[3]interface {}", false},
		{"[]any{...}", "[3]main.sq", true},
		{"[]list[go.shape.*uint8]{...}", "[3]main.sq", true},
		{"[]list[go.shape.*uint8]{...}", "[3]main.list[pointer]", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct call call = {CALL_OBJECT, cases[i].type};
		const struct escape_annotation annotation = {.kind = ESCAPE_ESCAPES, .subject = cases[i].subject};

		if (call_excludes(&call, &annotation) != cases[i].excluded)
			fail_msg("%s of %s", cases[i].subject, cases[i].type);
	}
}

static void the_state_of_a_loop_over_a_function_is_an_int(void **state)
{
	static const struct said said[] = {MOVED(P, "p.go", 1, 2, "slices.#state1"),
					   MOVED(P, "p.go", 1, 2, "slices.s")};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure_typed(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", "[]int", 1, 24);
	audit = audit_of(profile, output);
	assert_string_equal(row_at(audit, AUDIT_ESCAPES, 1)->annotations[0]->subject, "slices.s");
	assert_false(row_at(audit, AUDIT_ESCAPES, 1)->shared);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void an_inlined_allocation_belongs_to_the_call_site_and_is_linked_to_the_callee(void **state)
{
	static const struct said said[] = {
		MOVED(P "/sub", "sub/s.go", 8, 2, "x"), /* Ptr's own body */
		MOVED(P, "p.go", 20, 7, "sub.x"),
		ESCAPES(P, "p.go", 20, 3, "new(int)"),	 /* esc, which inlines Ptr */
		MOVED(P "/sub", "sub/s.go", 12, 5, "x"), /* Two, which inlines it too */
		STAYS(P, "p.go", 30, 7, "new(int)"),
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	const struct audit_row *row;
	struct audit *audit;

	(void)state;
	measure(profile,
		"runtime.newobject < example.com/p/sub.Ptr /w/p/sub/s.go:8 | example.com/p.esc /w/p/p.go:20 < "
		"example.com/p.G /w/p/p.go:99",
		5, 40);
	audit = audit_of(profile, output);
	row = row_at(audit, AUDIT_ESCAPES, 8);
	assert_string_equal(row->site.function, "example.com/p/sub.Ptr");
	assert_int_equal(row->inlined_count, 1);
	assert_string_equal(row->inlined_at[0].function, "example.com/p.esc");
	assert_int_equal(row->inlined_at[0].line, 20);
	assert_int_equal(row->annotation_count, 2);
	assert_int_equal(row->linked_count, 1);
	assert_string_equal(row->annotations[0]->subject, "sub.x");
	assert_int_equal(row->annotations[1]->line, 8);
	assert_false(row->shared);
	/* new(int) in line 20 and Two's copy are unseen. Ptr's own line is not, because its inlined copy allocated. */
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES_UNSEEN], 2);
	row_at(audit, AUDIT_ESCAPES_UNSEEN, 12);
	row_at(audit, AUDIT_ESCAPES_UNSEEN, 20);
	assert_int_equal(audit->totals[VALUE_OBJECTS], 5);
	audit_free(audit);
	profile_free(profile);

	/* Inlined through two levels: the lines of both callees are linked. */
	profile = exact_profile();
	measure(profile,
		"runtime.newobject < example.com/p/sub.Ptr /w/p/sub/s.go:8 | example.com/p/sub.Two /w/p/sub/s.go:12 | "
		"example.com/p.esc /w/p/p.go:20",
		5, 40);
	audit = audit_of(profile, output);
	row = row_at(audit, AUDIT_ESCAPES, 8);
	assert_int_equal(row->linked_count, 2);
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES_UNSEEN], 1);
	audit_free(audit);
	profile_free(profile);

	/* The same function, not inlined: the row has its own annotation, and the copy at the call site is unseen. */
	profile = exact_profile();
	measure(profile, "runtime.newobject < example.com/p/sub.Ptr /w/p/sub/s.go:8 < example.com/p.esc /w/p/p.go:20",
		5, 40);
	audit = audit_of(profile, output);
	row = row_at(audit, AUDIT_ESCAPES, 8);
	assert_int_equal(row->annotation_count, 1);
	assert_int_equal(row->annotations[0]->line, 8);
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES_UNSEEN], 3);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

/* Add calls New, whose literal escapes, in its own append; both are inlined. Go's own profiles do not have the runtime's frames. */
static void what_was_inlined_into_the_callees_line_is_not_the_callees_own(void **state)
{
	static const char add[] = "example.com/p.Add /w/p/p.go:23 | example.com/p.F /w/p/p.go:40";
	static const struct said said[] = {
		{P, "p.go", 23, 70, ESCAPE_INLINED_CALL, "New"},
		ESCAPES(P, "p.go", 23, 70, "&B{...}"),
		{P, "p.go", 40, 8, ESCAPE_INLINED_CALL, "Add"},
		ESCAPES(P, "p.go", 40, 8, "&B{...}"),
		ESCAPES(P, "p.go", 40, 8, "append"),
		ESCAPES(P, "p.go", 23, 50, "append"),
	};

	(void)state;
	for (size_t count = COUNT(said) - 2; count <= COUNT(said);
	     count += 2) { /* before Go 1.25 it says nothing of appends */
		struct escape_output *output = output_of(said, count);
		struct profile *profile = exact_profile();
		const struct audit_row *row;
		struct audit *audit;

		measure(profile, add, 3, 72);
		audit = audit_of(profile, output);
		row = row_at(audit, count < COUNT(said) ? AUDIT_UNANNOTATED : AUDIT_ESCAPES, 23);
		assert_false(row->shared);
		if (row->annotation_count)
			assert_string_equal(row->annotations[0]->subject, "append");
		audit_free(audit);
		profile_free(profile);
		output_free(output);
	}
}

static void one_of_two_callers_of_an_inlined_callee_escapes(void **state)
{
	static const struct said said[] = {
		ESCAPES(P, "p.go", 3, 20, "make([]byte, n)"),
		ESCAPES(P, "p.go", 10, 4, "make([]byte, n)"),
		STAYS(P, "p.go", 20, 4, "make([]byte, n)"),
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure(profile, "runtime.makeslice < example.com/p.Buf /w/p/p.go:3 | example.com/p.esc /w/p/p.go:10", 5, 40);
	measure(profile, "runtime.makeslice < example.com/p.Buf /w/p/p.go:3 | example.com/p.not /w/p/p.go:20", 1,
		80000);
	audit = audit_of(profile, output);
	assert_int_equal(audit->row_count, 2);
	assert_int_equal(row_at(audit, AUDIT_ESCAPES, 3)->inlined_at[0].line, 10);
	assert_int_equal(row_at(audit, AUDIT_CONTRADICTED, 3)->inlined_at[0].line, 20);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void output_of_a_build_without_inlining_still_explains_inlined_allocations(void **state)
{
	static const struct said said[] = {MOVED(P, "p.go", 3, 2, "x"), STAYS(P, "p.go", 10, 9, "... argument")};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure(profile, "runtime.newobject < example.com/p.New /w/p/p.go:3 | example.com/p.F /w/p/p.go:11", 5, 40);
	audit = audit_of(profile, output);
	assert_string_equal(row_at(audit, AUDIT_ESCAPES, 3)->annotations[0]->subject, "x");
	assert_int_equal(audit->verdicts[AUDIT_ESCAPES_UNSEEN], 0);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void stacks_without_a_site_are_apart_and_nothing_is_dropped(void **state)
{
	static const struct said said[] = {MOVED(P, "p.go", 3, 2, "x")};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;
	int64_t objects = 0;

	(void)state;
	measure(profile, NULL, 1, 8);
	measure(profile, "runtime.malg < runtime.newproc1 < runtime.goexit", 2, 16);
	measure(profile, "runtime.newobject < other.F /o/o.go:3 < other.G /o/o.go:4", 4, 32);
	measure(profile, "runtime.newproc < example.com/p.F p.go:9", 8, 64);
	audit = audit_of(profile, output);
	assert_int_equal(audit->verdicts[AUDIT_NOT_COVERED], 2);
	assert_int_equal(audit->verdicts[AUDIT_UNPLACED], 1);
	assert_string_equal(row_at(audit, AUDIT_NOT_COVERED, 3)->site.function, "other.F");
	assert_null(row_at(audit, AUDIT_NOT_COVERED, 3)->callee);
	assert_string_equal(row_at(audit, AUDIT_UNANNOTATED, 9)->reason, "goroutine start");
	for (size_t i = 0; i < audit->row_count; i++)
		objects += audit->rows[i].values[VALUE_OBJECTS];
	assert_int_equal(objects, 15);
	assert_int_equal(audit->totals[VALUE_OBJECTS], 15);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void estimates_carry_intervals_and_what_was_not_measured_is_not_zero(void **state)
{
	static const struct said said[] = {MOVED(P, "p.go", 1, 2, "x"), MOVED(P, "p.go", 2, 2, "y")};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct profile_key key = {.span_class = SPAN_CLASS_UNKNOWN};
	int64_t values[VALUE_COUNT] = {[VALUE_OBJECTS] = 10000, [VALUE_BYTES] = 80000, [VALUE_SAMPLES] = 100};
	const struct audit_row *row;
	struct audit *audit;

	(void)state;
	profile->rows_exact = false;
	profile->row_measured = 1U << VALUE_OBJECTS | 1U << VALUE_BYTES | 1U << VALUE_SAMPLES;
	key.stack = stack_of(profile, "runtime.newobject < example.com/p.F /w/p.go:1");
	profile_add(profile, &key, values);
	audit = audit_of(profile, output);
	row = row_at(audit, AUDIT_ESCAPES, 1);
	assert_int_equal(row->values[VALUE_OBJECTS], 10000);
	assert_in_range(row->objects_low, 7500, 9000);
	assert_in_range(row->objects_high, 11000, 13000);
	assert_int_equal(row->values[VALUE_REFILLS], VALUE_UNMEASURED);
	assert_int_equal(audit->totals[VALUE_REFILLS], VALUE_UNMEASURED);
	row = row_at(audit, AUDIT_ESCAPES_UNSEEN, 2);
	assert_int_equal(row->values[VALUE_OBJECTS], 0);
	assert_int_equal(row->objects_high, VALUE_UNMEASURED);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void filters_and_orders_rows(void **state)
{
	static const struct said said[] = {
		MOVED(P, "p.go", 1, 2, "a"),
		MOVED(P, "p.go", 2, 2, "b"),
		MOVED(P "/q", "q/q.go", 1, 2, "c"),
		STAYS(P, "p.go", 9, 2, "new(int)"),
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;
	static const struct {
		struct audit_filter filter;
		int sort;
		const char *subjects;
	} cases[] = {
		{{0}, VALUE_BYTES, "b c a new(int) "},	    {{0}, VALUE_OBJECTS, "c b a new(int) "},
		{{0}, AUDIT_BY_SITE, "a b c new(int) "},    {{.verdicts = 1U << AUDIT_STACK}, VALUE_BYTES, "new(int) "},
		{{.min_objects = 5}, VALUE_BYTES, "b c "},  {{.min_bytes = 100}, VALUE_BYTES, "b "},
		{{.package = P "/q"}, VALUE_BYTES, "c "},   {{.package = P "*"}, VALUE_BYTES, "b c a new(int) "},
		{{.function = "*.F"}, VALUE_BYTES, "b a "}, {{.top = 1}, VALUE_BYTES, "b new(int) "},
	};

	(void)state;
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 1, 8);
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:2", 5, 500);
	measure(profile, "runtime.newobject < example.com/p/q.G /w/p/q/q.go:1", 9, 72);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char subjects[256] = "";

		audit = audit_of(profile, output);
		audit_filter(audit, &cases[i].filter, cases[i].sort);
		for (size_t j = 0; j < audit->row_count; j++) {
			strcat(subjects, audit->rows[j].annotations[0]->subject);
			strcat(subjects, " ");
		}
		assert_string_equal(subjects, cases[i].subjects);
		assert_int_equal(audit->verdicts[AUDIT_ESCAPES], 3);
		audit_free(audit);
	}
	profile_free(profile);
	output_free(output);
}

static void a_slice_that_moves_has_the_words_of_few_appends_or_none(void **state)
{
	enum { FEW = 64, MANY, SAID = 4 + FEW + MANY };
	static const struct escape_step steps[] = {{"out", "return", "p.go", 20, 2}, {"out", "return", "p.go", 20, 2}};
	static const struct escape_step other_file[] = {{"out", "return", "q.go", 20, 2}};
	static const struct escape_flow flow = {.to = "{heap}", .from = "out", .step_count = 2, .steps = steps};
	static const struct escape_flow elsewhere = {
		.to = "{heap}", .from = "out", .step_count = 1, .steps = other_file};
	static struct said said[SAID] = {
		ESCAPES(P, "p.go", 10, 9, "append"),
		ESCAPES(P, "p.go", 11, 9, "append"),
		ESCAPES(P, "p.go", 12, 9, "make([]int, 0, n)"),
		ESCAPES(P, "p.go", 13, 9, "new(int)"),
	};
	static const char *const functions[SAID] = {"f", "f", "pkg.(*T[...]).M", "(*T).M"};
	struct profile *profile = exact_profile();
	struct escape_output *output;
	const struct audit_row *row;
	struct audit *audit;

	(void)state;
	for (uint32_t i = 4; i < SAID; i++)
		said[i] = (struct said)ESCAPES(P, "p.go", 100 + i, 9, "append");
	output = output_of(said, SAID);
	for (size_t i = 0; i < SAID; i++)
		output->annotations[i].function = i < 4 ? functions[i] : i < 4 + FEW ? "few" : "many";
	output->annotations[0].flows = &flow;
	output->annotations[1].flows = &elsewhere;
	output->annotations[0].flow_count = output->annotations[1].flow_count = 1;
	measure(profile, "runtime.moveSlice < example.com/p.f /w/p/p.go:20", 1, 8);
	measure(profile, "runtime.moveSlice < example.com/p.f /w/p/p.go:21", 1, 8);
	measure(profile, "runtime.moveSlice < example.com/p.(*T[go.shape.int]).M /w/p/p.go:22", 1, 8);
	measure(profile, "runtime.moveSlice < example.com/p.M /w/p/p.go:23", 1, 8);
	measure(profile, "runtime.moveSlice < example.com/p.few /w/p/p.go:24", 1, 8);
	measure(profile, "runtime.moveSlice < example.com/p.many /w/p/p.go:25", 1, 8);
	audit = audit_of(profile, output);
	row = row_at(audit, AUDIT_ESCAPES, 20);
	assert_int_equal(row->annotation_count, 1);
	assert_int_equal(row->annotations[0]->line, 10);
	row = row_at(audit, AUDIT_ESCAPES, 21); /* nothing says which of the function's it is */
	assert_int_equal(row->annotation_count, 2);
	row = row_at(audit, AUDIT_ESCAPES, 22);
	assert_int_equal(row->annotation_count, 1);
	assert_int_equal(row->annotations[0]->line, 12);
	row_at(audit, AUDIT_UNANNOTATED, 23);
	row = row_at(audit, AUDIT_ESCAPES, 24);
	assert_int_equal(row->annotation_count, FEW);
	row = row_at(audit, AUDIT_UNANNOTATED, 25);
	assert_string_equal(row->reason, "a slice that began on the stack moves to the heap");
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

static void a_line_is_one_whether_it_allocates_itself_or_another_package_for_it(void **state)
{
	const struct said said[] = {
		STAYS("example.com/m", "main.go", 40, 2, "x"),
		STAYS("strings", "/go/src/strings/strings.go", 8, 2, "y"),
	};
	struct escape_output *output = output_of(said, 2);
	struct profile *profile = exact_profile();
	struct audit_lines lines;
	struct audit *audit;

	measure(profile, "runtime.mapassign < main.f /home/u/m/main.go:41 < main.main /home/u/m/main.go:9", 3, 48);
	measure(profile,
		"runtime.growslice < strings.Fill /go/src/strings/strings.go:9 < main.f /home/u/m/main.go:41 < "
		"main.main /home/u/m/main.go:9",
		4, 64);
	audit = audit_of(profile, output);
	audit_lines_collect(&lines, audit, 1U << AUDIT_UNANNOTATED, VALUE_BYTES);
	assert_int_equal(audit->row_count - audit->verdicts[AUDIT_STACK], 2);
	assert_int_equal(lines.count, 1);
	assert_int_equal(lines.list[0].count, 2);
	assert_int_equal(lines.list[0].values[VALUE_BYTES], 112);
	for (size_t i = 0; i < lines.list[0].count; i++)
		assert_string_equal(audit_shown_place(&audit->rows[lines.rows[i]], NULL, NULL), "main.go");
	audit_lines_free(&lines);
	audit_free(audit);
	profile_free(profile);
	output_free(output);
	(void)state;
}

static void thresholds_are_read_and_applied(void **state)
{
	static const struct said said[] = {MOVED(P, "p.go", 1, 2, "a"), MOVED(P, "p.go", 2, 2, "b")};
	static const struct {
		const char *text;
		int rows; /* -1: not a threshold */
	} cases[] = {
		{"escapes", 1},
		{"escapes:objects>4", 1},
		{"escapes:objects>5", 0},
		{"escapes:bytes>39", 1},
		{"escapes-unseen", 1},
		{"stack", 0},
		{"escapes:objects>", -1},
		{"escapes:refills>1", -1},
		{"escape", -1},
		{"escapes:", -1},
		{"escapes:objects>-1", -1},
		{"escapes:objects>1x", -1},
		{"", -1},
	};
	struct escape_output *output = output_of(said, COUNT(said));
	struct profile *profile = exact_profile();
	struct audit *audit;

	(void)state;
	measure(profile, "runtime.newobject < example.com/p.F /w/p/p.go:1", 5, 40);
	audit = audit_of(profile, output);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct audit_threshold threshold;
		struct error error;
		int status = audit_threshold_parse(cases[i].text, &threshold, &error);

		assert_int_equal(status, cases[i].rows < 0 ? -1 : 0);
		if (status)
			assert_int_equal(error.status, STATUS_USAGE);
		else
			assert_int_equal(audit_threshold_rows(audit, &threshold), cases[i].rows);
	}
	audit_free(audit);
	profile_free(profile);
	output_free(output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verdict_follows_from_what_was_said_and_measured),
		cmocka_unit_test(rows_that_nobody_reads_are_counted_all_the_same),
		cmocka_unit_test(audits_of_the_processes_of_a_build_may_share_what_they_have_in_common),
		cmocka_unit_test(the_runtime_call_tells_which_annotation_of_a_line_is_meant),
		cmocka_unit_test(what_cannot_be_told_apart_is_shared),
		cmocka_unit_test(the_type_tells_annotations_apart_where_it_is_known),
		cmocka_unit_test(the_shape_in_a_functions_name_tells_annotations_apart_too),
		cmocka_unit_test(the_words_of_another_instance_are_no_words_of_this_one),
		cmocka_unit_test(shapes_are_compared_in_linear_time),
		cmocka_unit_test(a_row_has_the_type_of_its_objects_whatever_else_it_cost),
		cmocka_unit_test(costs_go_to_the_type_that_was_measured_in_their_span_class),
		cmocka_unit_test(a_box_has_no_value_that_cannot_be_of_its_type),
		cmocka_unit_test(the_call_decides_where_the_profile_has_no_type),
		cmocka_unit_test(an_object_is_of_no_expression_whose_type_has_another_name),
		cmocka_unit_test(the_state_of_a_loop_over_a_function_is_an_int),
		cmocka_unit_test(an_inlined_allocation_belongs_to_the_call_site_and_is_linked_to_the_callee),
		cmocka_unit_test(what_was_inlined_into_the_callees_line_is_not_the_callees_own),
		cmocka_unit_test(one_of_two_callers_of_an_inlined_callee_escapes),
		cmocka_unit_test(output_of_a_build_without_inlining_still_explains_inlined_allocations),
		cmocka_unit_test(stacks_without_a_site_are_apart_and_nothing_is_dropped),
		cmocka_unit_test(estimates_carry_intervals_and_what_was_not_measured_is_not_zero),
		cmocka_unit_test(filters_and_orders_rows),
		cmocka_unit_test(a_slice_that_moves_has_the_words_of_few_appends_or_none),
		cmocka_unit_test(a_line_is_one_whether_it_allocates_itself_or_another_package_for_it),
		cmocka_unit_test(thresholds_are_read_and_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
