/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a file could not be written is said, whenever that happened. Names, links and owners are in integration/test_output.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/output.h"

static void a_full_device_is_named_after_any_number_of_bytes_in_any_pieces(void **state)
{
	static const size_t sizes[] = {1, 4095, 4096, 4097, 8192, 1 << 20};
	static char bytes[1 << 20];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t pieces = 1; pieces <= 3; pieces++) {
			struct error error = {0};
			struct output output;

			assert_int_equal(output_open(&output, "/dev/full", &error), 0);
			for (size_t piece = 0; piece < pieces; piece++)
				fwrite(bytes, 1, sizes[i], output.stream);
			assert_int_equal(output_commit(&output, &error), -1);
			assert_string_equal(error.text, "cannot write '/dev/full': No space left on device");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_device_is_named_after_any_number_of_bytes_in_any_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
