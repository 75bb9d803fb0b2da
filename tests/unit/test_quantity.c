/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/quantity.h"
#include "base/suggest.h"

static void sizes_are_read_with_and_without_suffix(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes; /* -1: must be refused */
	} cases[] = {
		{"0", 0},
		{"4096", 4096},
		{"9223372036854775807", INT64_MAX},
		{"512k", 512 << 10},
		{"512K", 512 << 10},
		{"50M", 50 << 20},
		{"50m", 50 << 20},
		{"1.5MiB", 3 << 19},
		{"2GB", 2LL << 30},
		{"1T", 1LL << 40},
		{"9223372036854775808", -1},
		{"8589934592G", -1},
		{"", -1},
		{"k", -1},
		{".k", -1},
		{"-1", -1},
		{"+1", -1},
		{" 1", -1},
		{"1 k", -1},
		{"1e3k", -1},
		{"0x10", -1},
		{"1kk", -1},
		{"1P", -1},
		{"nan", -1},
		{"1.2.3k", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t bytes = -1;

		if (quantity_bytes(cases[i].text, &bytes) != (cases[i].bytes < 0 ? -1 : 0) || bytes != cases[i].bytes)
			fail_msg("'%s' is %lld", cases[i].text, (long long)bytes);
	}
}

static void times_are_read_in_seconds(void **state)
{
	static const struct {
		const char *text;
		double seconds; /* -1: must be refused */
	} cases[] = {
		{"10", 10}, {"10s", 10},  {"1m", 60},	{"1.5m", 90}, {"500ms", 0.5},	{"2h", 7200},
		{"0", 0},   {"1min", 60}, {"10 s", -1}, {"-1s", -1},  {"1d", -1},	{"", -1},
		{"s", -1},  {"1e9", -1},  {"inf", -1},	{"1s1", -1},  {"9999999h", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double seconds = -1;

		if (quantity_seconds(cases[i].text, &seconds) != (cases[i].seconds < 0 ? -1 : 0) ||
		    seconds != cases[i].seconds)
			fail_msg("'%s' is %g", cases[i].text, seconds);
	}
}

static void what_is_written_is_read_again(void **state)
{
	static const int64_t sizes[] = {0, 1, 1023, 1024, 512 << 10, 3 << 20, 5LL << 40, 5LL << 50, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char text[QUANTITY_SIZE];
		int64_t bytes;

		assert_int_equal(quantity_bytes(quantity_bytes_text(text, sizes[i]), &bytes), 0);
		assert_int_equal(bytes, sizes[i]);
	}
	{
		char text[QUANTITY_SIZE];

		assert_string_equal(quantity_bytes_text(text, 512 << 10), "512k");
	}
}

static void the_nearest_name_is_suggested(void **state)
{
	static const char *const names[] = {"record", "report", "audit",   "escapes",
					    "gate",   "doctor", "version", "help"};
	static const struct {
		const char *word, *name;
	} cases[] = {
		{"repotr", "report"},
		{"reprot", "report"},
		{"recrod", "record"},
		{"rec", "record"},
		{"escape", "escapes"},
		{"adit", "audit"},
		{"gaet", "gate"},
		{"docter", "doctor"},
		{"banana", NULL},
		{"x", NULL},
		{"", NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct suggestion best = {0};

		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			suggest(&best, cases[i].word, names[j]);
		if (!cases[i].name ? best.name != NULL : !best.name || strcmp(best.name, cases[i].name) != 0)
			fail_msg("'%s': %s", cases[i].word, best.name ? best.name : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read_with_and_without_suffix),
		cmocka_unit_test(times_are_read_in_seconds),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(the_nearest_name_is_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
