#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each planted leak of test_leaks.py under memcheck, too: `make test-long`, about two minutes."""
import os

os.environ["LEAKS"] = "memcheck"  # before the module reads it

import harness  # noqa: E402
import test_leaks as leaks  # noqa: E402

test_what_is_lost_directly_and_indirectly_is_what_memcheck_says_of_every_case = (
    leaks.test_what_is_lost_directly_and_indirectly_is_what_memcheck_says)

if __name__ == "__main__":
    harness.main()
