/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler output as bytes: an image has what the parser has found, and whatever is wrong with one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "escape/escape_image.h"
#include "escape/escape_parser.h"
#include "escape_fixture.h"

static void *image_of(const struct escape_output *output, size_t *size)
{
	char *bytes;
	FILE *stream = open_memstream(&bytes, size);

	assert_non_null(stream);
	assert_int_equal(escape_image_write(stream, output, SIZE_MAX), 0);
	assert_int_equal(fclose(stream), 0);
	return bytes;
}

static void same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

static void same_flows(const struct escape_annotation *a, const struct escape_annotation *b)
{
	assert_int_equal(a->flow_count, b->flow_count);
	for (uint32_t i = 0; i < a->flow_count; i++) {
		const struct escape_flow *x = &a->flows[i], *y = &b->flows[i];

		same_text(x->to, y->to);
		same_text(x->from, y->from);
		assert_int_equal(x->derefs, y->derefs);
		assert_int_equal(x->step_count, y->step_count);
		for (uint32_t j = 0; j < x->step_count; j++) {
			same_text(x->steps[j].expression, y->steps[j].expression);
			same_text(x->steps[j].reason, y->steps[j].reason);
			same_text(x->steps[j].file, y->steps[j].file);
			assert_int_equal(x->steps[j].line, y->steps[j].line);
			assert_int_equal(x->steps[j].column, y->steps[j].column);
		}
	}
}

static void same_annotation(const struct escape_annotation *a, const struct escape_annotation *b)
{
	same_text(a->package, b->package);
	same_text(a->file, b->file);
	same_text(a->function, b->function);
	same_text(a->subject, b->subject);
	same_text(a->detail, b->detail);
	same_text(a->text, b->text);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->column, b->column);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->explained_only, b->explained_only);
	assert_int_equal(a->truncated, b->truncated);
	same_flows(a, b);
}

static void same_output(const struct escape_output *a, const struct escape_output *b)
{
	assert_int_equal(a->annotation_count, b->annotation_count);
	for (size_t i = 0; i < a->annotation_count; i++) {
		same_annotation(&a->annotations[i], &b->annotations[i]);
		/* equal names are one: the join compares pointers */
		for (size_t j = 0; i && j < 2; j++) {
			const struct escape_annotation *x = &a->annotations[i - 1], *y = &b->annotations[i - 1];

			assert_int_equal(a->annotations[i].file == x->file, b->annotations[i].file == y->file);
			assert_int_equal(a->annotations[i].package == x->package,
					 b->annotations[i].package == y->package);
			assert_int_equal(a->annotations[i].subject == x->subject,
					 b->annotations[i].subject == y->subject);
		}
	}
	assert_memory_equal(a->counts, b->counts, sizeof(a->counts));
	assert_int_equal(a->unrecognized_count, b->unrecognized_count);
	for (size_t i = 0; i < a->unrecognized_count; i++) {
		assert_int_equal(a->unrecognized[i].line_number, b->unrecognized[i].line_number);
		same_text(a->unrecognized[i].text, b->unrecognized[i].text);
	}
	assert_int_equal(a->package_count, b->package_count);
	for (size_t i = 0; i < a->package_count; i++)
		same_text(a->packages[i], b->packages[i]);
	assert_int_equal(a->failure_count, b->failure_count);
	for (size_t i = 0; i < a->failure_count; i++) {
		same_text(a->failures[i].package, b->failures[i].package);
		same_text(a->failures[i].text, b->failures[i].text);
	}
	same_text(a->cut, b->cut);
	assert_int_equal(a->line_count, b->line_count);
	assert_int_equal(a->byte_count, b->byte_count);
}

static const char small[] = "# p\n"
			    "./a.go:5:6: can inline F with cost 4 as: func() *int { x := 0; return &x }\n"
			    "./a.go:6:2: x escapes to heap:\n"
			    "./a.go:6:2:   flow: ~r0 = &x:\n"
			    "./a.go:6:2:     from &x (address-of) at ./a.go:6:9\n"
			    "./a.go:6:2: moved to heap: x\n"
			    "what is this\n"
			    "# q\n"
			    "./b.go:1:1: undefined: y\n"
			    "output truncated";

static struct escape_output *parsed(void)
{
	struct escape_output *output = escape_parse(small, strlen(small), "small", NULL);

	assert_true(output && output->failure_count && output->cut && output->unrecognized_count);
	return output;
}

static void image_has_all_of(struct escape_output *output)
{
	size_t size;
	void *bytes = image_of(output, &size);
	struct escape_output *again = escape_image_read(bytes, size);

	assert_non_null(again);
	same_output(output, again);
	escape_free(again);
	escape_free(output);
	free(bytes);
}

static void an_image_has_all_of_an_output(void **state)
{
	glob_t found;

	(void)state;
	escape_fixtures("m2", &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		image_has_all_of(escape_read(found.gl_pathv[i], NULL));
	globfree(&found);
	image_has_all_of(parsed());
}

static void an_image_that_would_be_larger_than_allowed_is_not_made(void **state)
{
	struct escape_output *output = parsed();
	size_t size;
	void *bytes = image_of(output, &size);

	(void)state;
	for (size_t most = 0; most <= size; most++) {
		FILE *stream = fopen("/dev/null", "w");

		assert_int_equal(escape_image_write(stream, output, most), most < size ? -1 : 0);
		fclose(stream);
	}
	free(bytes);
	escape_free(output);
}

/* Looks at all that an output has: under sanitizers that says whether it is there. */
static void look_at(const struct escape_output *output)
{
	size_t length = 0;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		assert_true(*a->subject && printable_is(a->text, strlen(a->text)));
		length += strlen(a->file) + (a->package ? strlen(a->package) : 0);
		for (uint32_t j = 0; j < a->flow_count; j++) {
			length += strlen(a->flows[j].to) + strlen(a->flows[j].from);
			for (uint32_t k = 0; k < a->flows[j].step_count; k++)
				length += strlen(a->flows[j].steps[k].expression) + strlen(a->flows[j].steps[k].reason);
		}
	}
	for (size_t i = 0; i < output->package_count; i++)
		length += strlen(output->packages[i]);
	assert_true(length < 1 << 20);
}

static void what_is_wrong_with_an_image_is_refused_or_does_no_harm(void **state)
{
	struct escape_output *output = parsed(), *again;
	size_t size, refused = 0;
	uint8_t *bytes = image_of(output, &size);

	(void)state;
	for (size_t length = 0; length < size; length++) {
		uint8_t *part = memcpy(malloc(length + 1), bytes, length);

		again = escape_image_read(part, length);
		if (again)
			look_at(again);
		refused += !again;
		escape_free(again);
		free(part);
	}
	assert_true(refused > size / 2);
	for (size_t at = 0; at < size; at++) {
		static const uint8_t others[] = {0, 1, 0x1b, 0x7f, 0x80, 0xff};
		uint8_t before = bytes[at];

		for (size_t i = 0; i < sizeof(others); i++) {
			bytes[at] = others[i];
			again = escape_image_read(bytes, size);
			if (again)
				look_at(again);
			escape_free(again);
		}
		bytes[at] = before;
	}
	again = escape_image_read(bytes, size);
	assert_non_null(again);
	escape_free(again);
	free(bytes);
	escape_free(output);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_has_all_of_an_output),
		cmocka_unit_test(an_image_that_would_be_larger_than_allowed_is_not_made),
		cmocka_unit_test(what_is_wrong_with_an_image_is_refused_or_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
