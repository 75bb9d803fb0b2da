#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Longer runs of the tests in test_heap.py and test_when.py, on every Go release: `make test-long`, about half an hour."""
import os

os.environ["HEAP_RUNS"] = os.environ["GO_MATRIX"] = "all"  # before the modules read them

import harness  # noqa: E402
import test_heap as heap  # noqa: E402
import test_when as when  # noqa: E402

test_50_caches_that_breathe_do_not_grow = heap.test_a_cache_that_breathes_does_not_grow
test_ten_of_each_planted_leak_are_the_first_row = heap.test_each_planted_leak_is_the_first_row
test_1000_snapshots_of_a_busy_server_are_whole = heap.test_snapshots_of_a_busy_server_are_whole_and_leave_it_as_it_is
test_raw_counts_are_those_of_runtime_pprof_on_every_release = heap.test_raw_counts_are_those_of_runtime_pprof
test_heap_time_is_the_sum_on_every_release = heap.test_heap_time_is_the_sum_of_what_the_program_writes_at_each_collection
test_20_killed_processes_leave_snapshots_of_their_last_second = (
    when.test_a_process_that_the_kernel_kills_leaves_a_snapshot_of_its_last_second)

if __name__ == "__main__":
    harness.main()
