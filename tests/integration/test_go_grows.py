#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Growth of mcentral, which the recorder counts without a probe, compared with a probe on mcentral.grow."""
import itertools
import json
import os
import re
import shutil
import signal

import go_programs
import harness
from harness import same
from test_go_record import CENTRAL_GROWS, dump

TOOLS = harness.BUILD / "tests" / "tools"
LOADS = (("-rounds", "300", "-gc"), ("-rounds", "300", "-parallel", "4", "-gc"), ("-rounds", "3000", "-parallel", "8"))


NUMBERS = itertools.count()


def combinations(*choices):
    """All combinations of the choices with each load in the long form. Else each combination with one load, the next one
    each time."""
    if os.environ.get("GO_MATRIX"):
        return [(*chosen, load) for chosen in itertools.product(*choices) for load in LOADS]
    return [(*chosen, LOADS[i % len(LOADS)]) for i, chosen in enumerate(itertools.product(*choices))]


class Probe:
    """Counts calls of mcentral.grow in all processes that run a program. Makes its own copy of the program, so that no
    other process hits the probe."""

    def __init__(self, t, version, variant="stripped", program="sites"):
        original = go_programs.build(version, variant, program)
        self.program = t.path(f"probed{next(NUMBERS)}")
        shutil.copy(original, self.program)
        points = t.run(TOOLS / "go_inspect", "points", self.program).stdout
        offset = re.search(r"^runtime\.\(\*mcentral\)\.grow .*offset (\d+)$", points, re.M)[1]
        self.process = t.start(TOOLS / "bare_probe", 0, self.program, offset, "count")
        same(self.process.stdout.readline(), "attached\n")

    def count(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def attach(t, pid, profile, rate):
    """Starts a recording. Returns its process once it has attached."""
    recorder = t.start(harness.ESCAPEMENT, "record", "-v", "--max-overhead", "0", "--rate", rate, "-o", profile, "-p", pid)
    while "attached process" not in recorder.stderr.readline():
        same(recorder.poll(), None, "record's exit status")
    return recorder


def check_grows(recording, wanted, what):
    process = recording["processes"][0]
    same(process["totals"][CENTRAL_GROWS], wanted, f"{what}: central grows")
    same(sum(row["values"][CENTRAL_GROWS] for row in recording["samples"]), wanted, f"{what}: grows of the rows")
    same(sum(values[CENTRAL_GROWS] for values in process["classes"]), wanted, f"{what}: grows of the classes")
    same(process["lost"], {"events": 0, "stacks": 0}, f"{what}: lost")


def test_started_programs_tell_each_span_that_came_fresh_from_mheap(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version, variant, rate, load in combinations(go_programs.versions(), go_programs.SHIPPED, ("0", "1")):
        probe = Probe(t, version, variant)
        t.escapement("record", "--rate", rate, "-o", profile, "--", probe.program, *load)
        grows = probe.count()
        assert grows > 200, grows
        check_grows(dump(t, profile), grows, f"{version} {variant} rate {rate} {load}")


def test_what_an_attached_program_took_before_does_not_count_and_what_it_still_holds_does(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version, rate, load in combinations(go_programs.versions(), ("0", "1")):
        probe = Probe(t, version)
        process = t.start(probe.program, "-wait", *load)
        pid = json.loads(process.stdout.readline())["pid"]
        before = probe.count()
        recorder = attach(t, pid, profile, rate)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline(), process.stdout.readline()
        recorder.send_signal(signal.SIGINT)
        same(recorder.communicate(timeout=harness.TIMEOUT) and recorder.returncode, 0)
        grows = probe.count() - before
        assert grows > 100, grows
        check_grows(dump(t, profile), grows, f"{version} attached, rate {rate} {load}")
        process.kill()


def test_a_killed_program_says_how_many_grows_may_be_missing(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    probe = Probe(t, go_programs.versions()[-1], program="loop")
    process = t.start(probe.program, 8, 64)
    process.stdout.readline()
    harness.stop(process.pid)
    before = probe.count()
    recorder = attach(t, process.pid, profile, "0")
    process.send_signal(signal.SIGCONT)
    for _ in range(100):
        process.stdout.readline()
    process.kill()
    messages = recorder.communicate(timeout=harness.TIMEOUT)[1]
    said = re.search(r"up to (\d+) central grows are missing", messages)
    missing = int(said[1]) if said else 0  # all mcaches were read before its memory was gone
    told, grows = dump(t, profile)["processes"][0]["totals"][CENTRAL_GROWS], probe.count() - before
    assert grows > 1000 and told <= grows <= told + missing, (told, grows, missing)


def test_without_stacks_the_totals_are_the_same(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    probe = Probe(t, go_programs.versions()[-1])
    t.escapement("record", "--rate", "0", "--no-stacks", "-o", profile, "--", probe.program, *LOADS[1])
    check_grows(dump(t, profile), probe.count(), "without stacks")


if __name__ == "__main__":
    harness.main()
