#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each planted leak of test_leaks.py under memcheck, too, and searched from outside: `make test-long`, about three minutes."""
import os

os.environ.update(LEAKS="memcheck", UNREACHABLE="each")  # before the modules read them

import harness  # noqa: E402
import test_leaks as leaks  # noqa: E402
import test_unreachable as unreachable  # noqa: E402

test_what_is_lost_directly_and_indirectly_is_what_memcheck_says_of_every_case = (
    leaks.test_what_is_lost_directly_and_indirectly_is_what_memcheck_says)
test_what_is_found_from_outside_is_what_the_process_finds_itself_in_every_case = (
    unreachable.test_what_is_found_from_outside_is_what_the_process_finds_itself)
test_what_no_libgoalloc_publishes_is_refused_or_searched_within_its_bounds_in_more_cases = (
    unreachable.test_what_no_libgoalloc_publishes_is_refused_or_searched_within_its_bounds)

if __name__ == "__main__":
    harness.main()
