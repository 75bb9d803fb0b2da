#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rates above 1 for programs without the runtime's sampler: allocations are counted in bursts, and the estimates are
compared with the program's own counts."""
import json
import os
import re

import go_programs
import harness
from harness import contains, same


class Program:
    """The workload `phases`, which repeats a `kind` of work and reports how often it has called each site."""

    def __init__(self, t, version, kind):
        self.turns = {"phases": 6, "rhythm": 300, "steady": 40}[kind]  # about six seconds
        self.process = t.start(go_programs.build(version, "stripped", "phases"), kind)
        same(self.process.stdout.readline(), "ready\n", "the program's first line")

    def counts(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def record_turns(t, program, turns, options):
    """Records that many turns. Returns the report and {site: (least, most)}: calls while the recording certainly ran, and
    those from before its begin until after its end."""
    profile = t.path("profile.pb.gz")
    first = program.counts()
    recorder = t.attach(program.process.pid, *options, "-o", profile)
    before = program.counts()
    harness.wait_for(lambda: program.counts()["turns"] >= before["turns"] + turns, "turns of the program", harness.TIMEOUT)
    after = program.counts()
    recorder.end()
    last = program.counts()
    return t.json("report", "--by", "function", profile), {
        site: (after[site] - before[site], last[site] - first[site]) for site in after if site != "turns"}


def record(t, program, bursts, limit, *options):
    """record_turns() with at least that many bursts, near that overhead limit. On a fast machine counting everything costs
    less, so there are no bursts: the limit is then halved. On a busy one attaching costs more, so bursts are rare: the limit
    is then doubled, unless that is known to give none, and the recording is longer."""
    turns, too_high = program.turns, 80
    for _ in range(10):
        report, truth = record_turns(t, program, turns, ("--max-overhead", str(limit), *options))
        taken = report["target"]["processes"][0]["bursts"]
        if taken["count"] >= bursts:
            return report, truth
        tried = f"{taken} at a limit of {limit} %, {turns} turns"
        if taken["count"]:
            turns = min(2 * turns * bursts // taken["count"], 16 * program.turns)
            limit = 2 * limit if 2 * limit < too_high else limit
        else:
            too_high = limit
            limit /= 2
    raise AssertionError(f"too few bursts: {tried}")


def held(report, truth):
    """{site: whether its interval contains the program's count}."""
    rows = {row["function"]: row for row in report["rows"] if row["function"] in truth and row["objects"]}
    for site, row in rows.items():
        assert row["objects_low"] <= row["objects"] <= row["objects_high"], f"{site}: {row}"
        assert row["bytes_low"] <= row["bytes"] <= row["bytes_high"], f"{site}: {row}"
    return {site: row["objects_low"] <= truth[site][1] and truth[site][0] <= row["objects_high"] for site, row in rows.items()}


def check_holds(t, kind, limit):
    """In the long run 95 % of the intervals contain the truth (`make bench-bursts`); the chance that 3 or more of a
    dozen do not is 1 in 50."""
    outcomes = []
    for version in go_programs.versions():
        report, truth = record(t, Program(t, version, kind), 8, limit)
        same(report["exact"], {"totals": True, "rows": False}, f"{version}: exactness")
        assert abs(report["check"]["difference"]) <= report["check"]["bound"], report["check"]
        total = sum(row["objects"] or 0 for row in report["rows"])
        assert total <= 1.01 * report["totals"]["objects"] + 10, f"{version}: rows have {total} of {report['totals']}"
        outcomes += [(version, report["rows"], truth, held(report, truth))]
    missed = sum(not ok for *_, sites in outcomes for ok in sites.values())
    assert sum(len(sites) for *_, sites in outcomes) >= 3 * len(outcomes), f"too few rows: {outcomes}"
    assert missed <= 1 + len(outcomes), f"{missed} intervals do not contain the truth: {outcomes}"


def test_intervals_hold_on_a_program_with_phases(t):
    harness.require_root()
    check_holds(t, "phases", 20)


def test_intervals_hold_on_a_program_with_a_rhythm(t):
    harness.require_root()
    check_holds(t, "rhythm", 5)


def test_what_costs_little_is_counted_all_the_time(t):
    harness.require_root()
    program = Program(t, go_programs.versions()[-1], "steady")
    report, truth = record_turns(t, program, program.turns, ("--max-overhead", "0"))
    taken = report["target"]["processes"][0]["bursts"]
    same((taken["count"], taken["covered_ns"]), (0, taken["recorded_ns"]), "bursts and covered time")
    for row in report["rows"]:
        if row["function"] in truth:
            least, most = truth[row["function"]]
            assert least <= row["objects"] <= most, (row, truth)
            assert row["objects_high"] <= row["objects"] * 1.01 + 40, row


def test_the_report_says_how_much_of_the_time_is_covered_and_other_readers_get_it(t):
    harness.require_root()
    program = Program(t, go_programs.versions()[-1], "phases")
    report, _ = record(t, program, 8, 20)
    said = " ".join(t.escapement("report", t.path("profile.pb.gz")).stdout.split())
    taken = report["target"]["processes"][0]["bursts"]
    share = re.search(rf"every allocation in {taken['count']} bursts, ([0-9.]+) % of the time", said)
    assert share, said
    assert abs(float(share[1]) - 100 * taken["covered_ns"] / taken["recorded_ns"]) < 1, (share, taken)
    contains(said, "estimated from bursts, with 95 % intervals")
    rows = [row for row in report["rows"] if row["objects"]]
    assert all(row["objects_low"] <= row["objects"] <= row["objects_high"] for row in rows), rows
    again = t.path("again.pb.gz")
    again.write_bytes(t.path("profile.pb.gz").read_bytes())
    same(t.json("report", "--by", "function", again)["rows"], report["rows"], "rows, read once more")


def test_nobody_is_told_to_record_a_program_for_longer_that_has_ended_by_itself(t):
    harness.require_root()
    program = go_programs.build(go_programs.versions()[-1], "plain", "sites")
    done = t.escapement("record", "--max-overhead", "0.01", "-o", t.path("p"), "--", program, "-rounds", "20000")
    contains(done.stderr, "for which this recording was too short")
    contains(done.stderr, "are lower bounds; use --rate 1 --max-overhead 0 for exact rows, or --enable-sampler")
    endless = t.path("endless.go")
    endless.write_text("package main\n\nvar sink []byte\n\nfunc main() {\n\tfor {\n\t\tsink = make([]byte, 100)\n\t}\n}\n")
    t.run(harness.go_toolchain(go_programs.versions()[-1]), "build", "-o", t.path("endless"), endless,
          env={**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local"})
    done = t.escapement("record", "--max-overhead", "0.01", "--duration", "1", "-o", t.path("p"), "--", t.path("endless"))
    contains(done.stderr, "are lower bounds; record for ")


def test_the_help_says_whose_cost_is_limited(t):
    """A program that the command starts has a limit if it is a Go program without a sampler, see above; 100 is none."""
    said = " ".join(t.escapement("record", "--help").stdout.split())
    contains(said, "go on at a coarser rate (with -p only), or, in a Go program without a sampler, count in bursts")
    contains(said, "0 or 100: never (default: 10)")


def test_too_few_bursts_give_lower_bounds_and_one_sentence_with_the_switch(t):
    harness.require_root()
    program = Program(t, go_programs.versions()[-1], "phases")
    done = t.escapement("record", "--max-overhead", "0.01", "--duration", "2", "-o", t.path("p"), "-p", program.process.pid)
    contains(done.stderr, "for which this recording was too short")
    contains(done.stderr, "--max-overhead 0")
    assert re.search(r"; record for (\d+[05]s or )?longer, or ", done.stderr), done.stderr
    report = t.json("report", t.path("p"))
    counted = [row for row in report["rows"] if row["objects"]]
    assert counted, "no rows"
    # Size classes are the runtime's own counts all the same.
    said = " ".join(t.escapement("report", "--by", "size-class", t.path("p")).stdout.split())
    contains(said, "rows exact: the totals of each class; only rows of lines, functions and stacks are lower bounds")
    contains(said, "rows of lines have what was counted, and are lower bounds")
    classes = t.json("report", "--by", "size-class", t.path("p"))
    same((classes["exact"]["rows"], sum(row["objects"] for row in classes["rows"])), (True, report["totals"]["objects"]))
    same({row["objects_high"] for row in counted}, {None}, "upper ends")
    assert sum(row["objects"] for row in counted) <= report["totals"]["objects"], report["totals"]
    # An audit says how many objects there were, of how many lines are known, and, once more, what its reader should do.
    t.path("m2.txt").write_text("# example.com/x\n./x.go:1:2: moved to heap: x\n")
    audit = t.escapement("audit", "--escape", t.path("m2.txt"), t.path("p"))
    said = " ".join(audit.stdout.split())
    contains(said, f"{report['totals']['objects']} objects, ")
    known = sum(row["objects"] for row in t.json("report", "--by", "frame", t.path("p"))["rows"] if row["objects"])
    contains(said, f"; lines are known of {known} of them: lower bounds, see the warnings: ")
    # Shares are parts of all that was allocated: what is counted at the beginning is not what the program allocates.
    document = t.json("audit", "--escape", t.path("m2.txt"), t.path("p"))
    share = 100 * document["totals"]["bytes"] / report["totals"]["bytes"]
    shown = [float(line.split()[4].rstrip("%")) for line in audit.stdout.splitlines() if re.match(r"[a-z-]+ +[0-9-]+ +[0-9]", line)]
    assert abs(sum(shown) - share) <= 0.05 * len(shown) + 0.01, (shown, share)
    same("next: begin with" in audit.stdout, share >= 50, f"where to begin, {share} % are known")
    contains(audit.stderr, "for which this recording was too short")
    contains(t.json("audit", "--escape", t.path("m2.txt"), t.path("p"))["warnings"][0], "for which this recording was too short")
    for command in (("gate", "compare"), ("compare",)):  # an uncounted site must not be reported as gone
        contains(t.escapement(*command, t.path("p"), t.path("p"), status=2).stderr, "are lower bounds")


def test_the_brake_goes_on_in_bursts(t):
    """Rate 1 until the overhead limit is exceeded, bursts from then on: one process, and rows for the whole
    recording."""
    harness.require_root()
    program = Program(t, go_programs.versions()[0], "phases")
    report, truth = record(t, program, 8, 20, "--rate", "1")
    same(len(report["target"]["processes"]), 1, "processes")
    same(report["exact"], {"totals": True, "rows": False}, "exactness")
    outcomes = held(report, truth)
    assert sum(outcomes.values()) >= len(outcomes) - 2, f"{outcomes}: {report['rows']}, {truth}"


if __name__ == "__main__":
    harness.main()
