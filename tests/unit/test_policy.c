/* SPDX-License-Identifier: BSD-2-Clause */
/* Policy files and --tolerance: what they allow, and error messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/policy.h"

/* Reads a policy from a file with that text. Returns the text of the error, "" if there is none. */
static const char *read_text(struct policy *policy, const char *text, size_t length)
{
	static struct error error;
	char path[] = "/tmp/escapement-policy-XXXXXX";
	int file = mkstemp(path);
	int result;

	assert_true(file >= 0);
	assert_int_equal(write(file, text, length), (ssize_t)length);
	close(file);
	result = policy_read(policy, path, &error);
	unlink(path);
	if (!result)
		return "";
	assert_int_equal(error.status, STATUS_USAGE);
	assert_non_null(strstr(error.text, path));
	return error.text;
}

static void read_well(struct policy *policy, const char *text)
{
	policy_init(policy);
	assert_string_equal(read_text(policy, text, strlen(text)), "");
}

static double objects(const struct policy *policy, const char *function, double before)
{
	return policy_allowed(policy, function, POLICY_OBJECTS, before);
}

static double bytes(const struct policy *policy, const char *function, double before)
{
	return policy_allowed(policy, function, POLICY_BYTES, before);
}

static void nothing_is_allowed_until_a_rule_says_so(void **state)
{
	struct policy policy;

	(void)state;
	policy_init(&policy);
	assert_int_equal(policy.noisy, NOISY_WARN);
	assert_int_equal(policy.runs, 3);
	assert_null(policy.normalize);
	assert_true(objects(&policy, "main.f", 1e6) == 0);
	assert_true(bytes(&policy, NULL, 1e6) == 0);
	policy_clear(&policy);
}

static void a_file_says_each_thing_on_a_line_of_its_own(void **state)
{
	struct policy policy;

	(void)state;
	read_well(&policy, "# what we allow\r\n\n noisy\tfail # strictly\nruns 7\nnormalize main.handle * 2\n"
			   "tolerance objects=1% bytes=4k\n");
	assert_int_equal(policy.noisy, NOISY_FAIL);
	assert_int_equal(policy.runs, 7);
	assert_string_equal(policy.normalize, "main.handle * 2");
	assert_int_equal(policy.rule_count, 1);
	assert_true(objects(&policy, "main.f", 300) == 3);
	assert_true(bytes(&policy, "main.f", 300) == 4096);
	policy_clear(&policy);
	assert_int_equal(policy.rule_count, 0);
}

static void for_each_value_the_last_rule_that_matches_and_speaks_of_it_is_in_force(void **state)
{
	struct policy policy;

	(void)state;
	read_well(&policy, "tolerance 10%\n"
			   "tolerance example.com/codec objects=2\n"
			   "tolerance fmt.* bytes=1M\n"
			   "tolerance example.com/codec.Fast objects=0\n");
	assert_true(objects(&policy, "main.f", 50) == 5);
	assert_true(objects(&policy, "example.com/codec.(*T).Put", 50) == 2);
	assert_true(bytes(&policy, "example.com/codec.(*T).Put", 50) == 5);
	assert_true(objects(&policy, "example.com/codec.Fast", 50) == 0);
	assert_true(objects(&policy, "example.com/codecs.F", 50) == 5);
	assert_true(objects(&policy, "fmt.Sprint", 50) == 5);
	assert_true(bytes(&policy, "fmt.Sprint", 50) == 1 << 20);
	/* A site without a function belongs to no package. */
	assert_true(objects(&policy, NULL, 50) == 5);
	policy_clear(&policy);
}

static void of_a_percentage_and_a_number_the_one_that_allows_more_counts(void **state)
{
	struct policy policy;

	(void)state;
	read_well(&policy, "tolerance objects=5% objects=3\n");
	assert_true(objects(&policy, "main.f", 20) == 3);
	assert_true(objects(&policy, "main.f", 100) == 5);
	policy_clear(&policy);
}

static void an_option_is_a_rule_too(void **state)
{
	struct policy policy;
	struct error error;

	(void)state;
	policy_init(&policy);
	assert_int_equal(policy_tolerance(&policy, "5%", &error), 0);
	assert_int_equal(policy_tolerance(&policy, "example.com/codec:objects=2,bytes=1k", &error), 0);
	assert_true(objects(&policy, "main.f", 100) == 5);
	assert_true(objects(&policy, "example.com/codec.F", 100) == 2);
	assert_true(bytes(&policy, "example.com/codec.F", 100) == 1024);
	assert_int_equal(policy_tolerance(&policy, "main.*:many", &error), -1);
	assert_int_equal(error.status, STATUS_USAGE);
	assert_non_null(strstr(error.text, "invalid tolerance 'main.*:many'"));
	assert_int_equal(policy_tolerance(&policy, "main.*:", &error), -1);
	assert_non_null(strstr(error.text, "no limit for 'main.*'"));
	assert_int_equal(policy_tolerance(&policy, "./...:5%", &error), -1);
	assert_non_null(strstr(error.text, "'./...' is of directories"));
	assert_int_equal(policy.rule_count, 2);
	policy_clear(&policy);
}

static void a_function_has_one_contract_however_many_texts_limit_it(void **state)
{
	struct policy policy;
	struct error error;
	const struct policy_contract *contract;

	(void)state;
	read_well(&policy, "under main.f objects=3\nunder main.g objects=0\n");
	assert_int_equal(policy_under(&policy, "main.f bytes/call=1k", &error), 0);
	assert_int_equal(policy.contract_count, 2);
	contract = &policy.contracts[0];
	assert_string_equal(contract->function, "main.f");
	assert_true(contract->limits[POLICY_OBJECTS].most == 3 && !contract->limits[POLICY_OBJECTS].per_call);
	assert_true(contract->limits[POLICY_BYTES].most == 1024 && contract->limits[POLICY_BYTES].per_call);
	assert_false(policy.contracts[1].limits[POLICY_BYTES].given);
	/* Of two limits of one thing neither is dropped silently, on one line or on two. */
	assert_int_equal(policy_under(&policy, "main.f objects=4", &error), -1);
	assert_int_equal(error.status, STATUS_USAGE);
	assert_string_equal(error.text, "two limits of objects for 'main.f': give one, objects=N or objects/call=N");
	assert_int_equal(policy_under(&policy, "main.h bytes=1 bytes/call=1", &error), -1);
	assert_int_equal(policy_under(&policy, "main.g bytes=1 objects=1", &error), -1);
	assert_int_equal(policy.contract_count, 2);
	assert_true(policy.contracts[0].limits[POLICY_OBJECTS].most == 3);
	assert_false(policy.contracts[1].limits[POLICY_BYTES].given);
	policy_clear(&policy);
}

static void mistakes_are_reported_by_line(void **state)
{
	static const struct {
		const char *text, *line, *words;
	} mistakes[] = {
		{"runs 3\nnoisy loud\n", ":2: ", "expected ignore, warn or fail"},
		{"runs 0\n", ":1: ", "expected a number from 1 to 1000"},
		{"runs three\n", ":1: ", "invalid value 'three' of runs"},
		{"runs\n", ":1: ", "invalid value '' of runs"},
		{"\n\ntolerate 5%\n", ":3: ", "unknown rule 'tolerate'"},
		{"tolerance\n", ":1: ", "no limit"},
		{"tolerance main.f\n", ":1: ", "no limit for 'main.f'"},
		{"tolerance main.f 5\n", ":1: ", "'5' needs a unit"},
		{"tolerance objects=-1\n", ":1: ", "invalid amount '-1' of objects"},
		{"tolerance objects=nan\n", ":1: ", "invalid amount 'nan' of objects"},
		{"tolerance objects=1k\n", ":1: ", "invalid amount '1k' of objects"},
		{"tolerance bytes=1X\n", ":1: ", "invalid amount '1X' of bytes"},
		{"tolerance bytes=1e99\n", ":1: ", "invalid amount '1e99' of bytes"},
		{"tolerance refills=1\n", ":1: ", "unknown limit 'refills=1'"},
		{"under main.f objects=0\nunder main.f objects=1\n", ":2: ", "two limits of objects for 'main.f'"},
		{"normalize # nothing\n", ":1: ", "normalize needs a site or an expression"},
	};
	struct policy policy;
	struct error error;

	(void)state;
	policy_init(&policy);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const char *text = read_text(&policy, mistakes[i].text, strlen(mistakes[i].text));

		if (!strstr(text, mistakes[i].line) || !strstr(text, mistakes[i].words))
			fail_msg("'%s': '%s'", mistakes[i].text, text);
	}
	assert_non_null(strstr(read_text(&policy, "runs 3\nru\0ns", 12), ":2: not a text file"));
	assert_int_equal(policy_read(&policy, "/nonexistent/policy", &error), -1);
	assert_non_null(strstr(error.text, "/nonexistent/policy"));
	assert_int_equal(policy.rule_count, 0);
	policy_clear(&policy);
}

static void globs_are_of_functions_and_of_packages(void **state)
{
	(void)state;
	assert_true(policy_glob("*", NULL));
	assert_false(policy_glob("main.*", NULL));
	assert_true(policy_glob("main.*", "main.f"));
	assert_true(policy_glob("main.(*T).M", "main.(*T).M"));
	assert_true(policy_glob("example.com/codec/...", "example.com/codec.Parse"));
	assert_true(policy_glob("example.com/codec/...", "example.com/codec/wire.(*T).Parse"));
	assert_true(policy_glob("*/codec/...", "example.com/codec/wire.(*T).Parse"));
	assert_false(policy_glob("example.com/codec/...", "example.com/codecs.Parse"));
	assert_false(policy_glob("/...", "example.com/codec.Parse"));
	assert_true(policy_glob("...", "example.com/codec.Parse"));
	assert_false(policy_glob("./...", "example.com/codec.Parse"));
	assert_true(policy_glob("example.com/a", "example.com/a.F"));
	assert_false(policy_glob("example.com/a", "example.com/a/b.F"));
	assert_true(policy_glob("example.com/a*", "example.com/a/b.F"));
	assert_true(policy_glob("gopkg.in/yaml.v3", "gopkg.in/yaml%2ev3.Marshal"));
	assert_false(policy_glob("main.g", "main.f"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allowed_until_a_rule_says_so),
		cmocka_unit_test(a_file_says_each_thing_on_a_line_of_its_own),
		cmocka_unit_test(for_each_value_the_last_rule_that_matches_and_speaks_of_it_is_in_force),
		cmocka_unit_test(of_a_percentage_and_a_number_the_one_that_allows_more_counts),
		cmocka_unit_test(an_option_is_a_rule_too),
		cmocka_unit_test(a_function_has_one_contract_however_many_texts_limit_it),
		cmocka_unit_test(mistakes_are_reported_by_line),
		cmocka_unit_test(globs_are_of_functions_and_of_packages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
