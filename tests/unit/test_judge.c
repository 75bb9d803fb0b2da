/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <unistd.h>

#include "audit_fixture.h"
#include "fleet/judge.h"
#include "profile/profile_part.h"

enum { BUILDS = 8, LINES = 20000, SMALL = 32 << 10 };

static size_t memory_in_use(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void output_write(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("# example.com/p\n", file);
	for (int line = 0; line < LINES; line++)
		fprintf(file, "./p.go:%d:6: moved to heap: x\n", 100 + line);
	fclose(file);
}

/* Two processes of each build; the output speaks of line 100, and not of line 1. */
static struct profile *window_new(int line)
{
	struct profile *profile = exact_profile();
	char text[100];

	snprintf(text, sizeof(text), "runtime.newobject < example.com/p.F /w/p/p.go:%d", line);
	for (int pid = 1; pid <= 2 * BUILDS; pid++) {
		struct profile_key key = {.pid = pid, .span_class = SPAN_CLASS_UNKNOWN};
		int64_t values[VALUE_COUNT] = {[VALUE_OBJECTS] = 1000, [VALUE_SAMPLES] = 1000};
		char build[20];

		snprintf(build, sizeof(build), "build %d", (pid - 1) / 2);
		profile_process_add(profile, pid)->build_id = profile_string(profile, build);
		key.stack = stack_of(profile, text);
		profile_add(profile, &key, values);
	}
	return profile;
}

static struct audit *judge(struct judge *judge, const struct agent_watch *watch, const struct profile *window, int pid,
			   struct error *error)
{
	struct profile *part = profile_part_new(window, pid);
	struct audit *audit = judge_process(judge, watch, part, error);

	if (audit)
		assert_int_equal(audit->rows[0].values[VALUE_OBJECTS], 1000);
	audit_free(audit);
	profile_part_free(part);
	return audit;
}

static void of_a_build_that_the_output_is_not_of_only_the_warning_is_kept(void **state)
{
	char path[] = "/tmp/test_judge.XXXXXX";
	const struct agent_watch watch = {.service = "p", .escape = path};

	(void)state;
	close(mkstemp(path));
	output_write(path);
	for (int fits = 0; fits <= 1; fits++) {
		struct profile *window = window_new(fits ? 100 : 1);
		struct judge *judges = judge_new(window, NULL);
		struct error error = {0};
		size_t before = 0;

		for (int pid = 1; pid <= 2 * BUILDS; pid++) {
			bool judged = judge(judges, &watch, window, pid, &error) != NULL;

			assert_int_equal(judged, fits);
			assert_int_equal(strstr(error.text, "does not match the program") != NULL, !fits);
			before = pid == 2 ? memory_in_use() : before;
		}
		if (!fits)
			assert_true(memory_in_use() < before + SMALL);
		judge_free(judges);
		profile_free(window);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_build_that_the_output_is_not_of_only_the_warning_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
