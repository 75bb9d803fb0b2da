#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Longer runs of the tests in test_faults.py: `make test-long`, about 15 minutes."""
import os
import signal

import harness
import test_faults as faults
import test_record as records
from harness import same, workload

KILLS = 200
ATTACHMENTS = 500
EVENTS = 10_000_000


def test_200_killed_profilers_leave_the_target_as_it_was(t):
    harness.require_root()
    faults.kill_recorders(t, KILLS)


def test_500_attachments_are_each_within_the_bound(t):
    harness.require_root()
    target = faults.endless(t, "--threads", "2")
    for number in range(ATTACHMENTS):
        t.escapement("record", "--rate", ("0", "1", "64k")[number % 3], "--max-overhead", "0", "--duration", "0.02", "-o",
                     t.path("p"), "-p", target.pid)
        check = t.json("report", t.path("p"))["check"]
        assert abs(check["difference"]) <= check["bound"], f"attachment {number}: {check}"
        same(faults.changed_text(target.pid), [], f"attachment {number}: modified code in the target")
    same(target.poll(), None, "the target's exit status")
    target.send_signal(signal.SIGTERM)
    same(target.wait(harness.TIMEOUT), 0, "the target's exit status at its end")


def test_every_signal_in_every_phase_leaves_the_target_as_it_was(t):
    harness.require_root()
    faults.check_signals(t, sorted(signal.valid_signals() & set(signal.Signals) - {signal.SIGKILL, signal.SIGRTMIN,
                                                                                    signal.SIGRTMAX}))


def test_10_million_events_are_counted_exactly(t):
    harness.require_root()
    counts, profile = t.path("counts"), t.path("p")
    t.run(workload("seeds"), "--rounds", "100", f"--print-counts={counts}")
    rounds = EVENTS * 100 // sum(objects for objects, _ in records.program_sites(counts).values()) + 1
    t.escapement("record", "--rate", "1", "-o", profile, "--", workload("seeds"), "--rounds", rounds,
                 f"--print-counts={counts}")
    report, truth = t.json("report", profile), records.program_sites(counts)
    assert report["totals"]["objects"] >= EVENTS, report["totals"]
    same(records.recorded_sites(report), truth, "objects and bytes by site")
    same((report["lost"], report["check"]["difference"]), ({"events": 0, "stacks": 0}, 0), "lost and difference")


def test_a_file_that_its_owner_writes_all_the_time_ends_none_of_12000_readers(t):
    harness.require_root()
    t.run(harness.BUILD / "tests" / "unit" / "test_changing_files", env=dict(os.environ, ESCAPEMENT_TRIES="12000"), timeout=1200)


if __name__ == "__main__":
    harness.main()
