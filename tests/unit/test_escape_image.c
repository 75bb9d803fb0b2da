/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler output as bytes: an image has what the parser has found, and whatever is wrong with one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void same_output(const struct escape_output *a, const struct escape_output *b)
{
	char *before = escape_printed(a), *after = escape_printed(b);

	assert_string_equal(before, after);
	free(before);
	free(after);
	/* equal names are one: the join compares pointers */
	for (size_t i = 1; i < a->annotation_count; i++) {
		const struct escape_annotation *x = &a->annotations[i], *y = &b->annotations[i];

		assert_int_equal(x->file == x[-1].file, y->file == y[-1].file);
		assert_int_equal(x->package == x[-1].package, y->package == y[-1].package);
		assert_int_equal(x->subject == x[-1].subject, y->subject == y[-1].subject);
	}
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

enum { LARGE = 8, ALLOWED = 1 << 20, SPARE = 8 << 20 };

/* Many long texts, of which an image of a megabyte has room for none. */
static struct escape_output *large_output(void)
{
	static char line[ESCAPE_LINE_MAX];
	struct escape_parser *parser = escape_parser_new();

	for (int i = 0; i < LARGE; i++) {
		int head = snprintf(line, sizeof(line), "./a.go:%d:6: moved to heap: ", i + 1);

		memset(line + head, 'x', sizeof(line) - (size_t)head - 1);
		line[sizeof(line) - 1] = '\n';
		escape_parser_feed(parser, line, sizeof(line));
	}
	return escape_parser_finish(parser);
}

/* The data of this process, in bytes. */
static size_t data_size(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[200];
	size_t kib = 0;

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "VmData: %zu kB", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib << 10;
}

/* In a process of its own, which has no room for all of the texts. Returns what was not right. */
static int write_with_little_memory(const struct escape_output *output)
{
	const struct rlimit limit = {data_size() + SPARE, RLIM_INFINITY};
	FILE *stream = fopen("/dev/null", "w");

	if (!stream || limit.rlim_cur == SPARE || setrlimit(RLIMIT_DATA, &limit))
		return 2;
	return escape_image_write(stream, output, ALLOWED) == -1 ? 0 : 3;
}

static void making_one_that_is_refused_takes_no_more_memory_than_allowed(void **state)
{
	struct escape_output *output = large_output();
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(output->annotation_count, LARGE);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(write_with_little_memory(output));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
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
		cmocka_unit_test(making_one_that_is_refused_takes_no_more_memory_than_allowed),
		cmocka_unit_test(what_is_wrong_with_an_image_is_refused_or_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
