#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Estimates for Go programs at the default rate, which come from the runtime's own sampler: the intervals contain the
truth as often as promised."""
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import go_programs
import harness
import intervals
import test_go_record as records
from harness import same

INSPECT = harness.BUILD / "tests" / "tools" / "go_inspect"
RUNS = int(os.environ.get("GO_RUNS", "14"))
PERIODS = 60000


def wanted():
    """{line: objects} from the `// want` comments in the workload's source."""
    source = harness.ROOT / "tests" / "workloads" / "go" / "rhythm" / "main.go"
    lines = {}
    for number, line in enumerate(source.read_text().splitlines(), 1):
        match = re.search(r"// want (\d+)(?:/(\d+))?$", line)
        if match:
            every = int(match[2] or 1)
            lines[number] = int(match[1]) * ((PERIODS + every - 1) // every)
    return lines


def test_intervals_contain_the_truth_about_95_times_in_100_whatever_the_rhythm(t):
    harness.require_root()
    truth, profile = wanted(), t.path("profile.pb.gz")
    inside, checked, sums = 0, 0, dict.fromkeys(truth, 0)
    for run in range(RUNS):
        version = go_programs.versions()[run % len(go_programs.versions())]
        program = go_programs.build(version, "stripped", "rhythm")
        t.escapement("record", "-q", "-o", profile, "--", program, PERIODS)
        report = t.json("report", profile)
        same(report["exact"], {"totals": True, "rows": False})
        same((report["check"]["difference"], report["check"]["bound"]), (0, 0), f"{version}: difference and bound")
        rows = {row["line"]: row for row in report["rows"] if (row["file"] or "").endswith("rhythm/main.go")}
        for line, objects in truth.items():
            row = rows.get(line)
            if row and row["objects"] is not None:
                checked += 1
                inside += row["objects_low"] <= objects <= row["objects_high"]
                sums[line] += row["objects"]
    same(checked > 0.9 * RUNS * len(truth), True, f"{checked} rows of {RUNS} runs seen")
    # three standard deviations of a proportion of 0.95, and 1 % for the method of the interval
    spread = 3 * (0.95 * 0.05 / checked) ** 0.5 + 0.01
    assert abs(inside / checked - 0.95) < spread, f"{inside} of {checked} intervals contain the truth"
    # The estimates are unbiased: the mean of all runs is closer to the truth than a single run.
    for line, objects in truth.items():
        mean = sums[line] / RUNS
        assert abs(mean / objects - 1) < 0.12 + 0.9 / RUNS ** 0.5, f"line {line}: {mean} on average, not {objects}"


def test_a_line_of_two_sizes_is_held_though_samples_hit_the_larger_one(t):
    """One line allocates 27,000 objects, of which 3,000 are large: one of five recordings has no sample of a small
    one."""
    harness.require_root()
    profile, held = t.path("profile.pb.gz"), 0
    program = go_programs.build(go_programs.versions()[-1], "stripped", "sizes")
    for _ in range(8):
        t.escapement("record", "-q", "-o", profile, "--", program)
        report = t.json("report", "--by", "function", profile)
        row = next(row for row in report["rows"] if row["function"] == "main.mixed")
        held += row["objects_low"] <= 27000 <= row["objects_high"]
        for value in ("objects", "bytes"):
            assert row[value + "_low"] <= row[value] <= row[value + "_high"], row
            # a row that no sample hit (it made the heap grow) has no number
            assert sum(row[value] or 0 for row in report["rows"]) <= report["totals"][value], "shares above 100 %"
    assert held >= 6, f"{held} of 8 intervals contain 27000 objects"


def test_what_was_allocated_just_before_an_exec_is_in_its_row_and_no_share_exceeds_the_whole(t):
    """The counters of the first program were last read before it allocated most; its samples know."""
    harness.require_root()
    profile, held = t.path("profile.pb.gz"), 0
    program = go_programs.build(go_programs.versions()[-1], "stripped", "successor")
    for _ in range(4):
        t.escapement("record", "-q", "-o", profile, "--", program)
        report = t.json("report", "--by", "function", profile)
        row = next(row for row in report["rows"] if row["function"] == "main.late")
        held += row["objects_low"] <= 60000 <= row["objects_high"]
        same(report["exact"]["totals"], False)
        same("objects_low" in report["totals"], False, "an interval of totals of which a part was counted")
        table = t.escapement("report", "--by", "function", "--top", "0", profile).stdout.split("SITE")[-1].split("FUNCTION")[-1]
        shares = [float(line.split()[0]) for line in table.splitlines() if re.match(r" *[0-9.]+ ", line)]
        assert len(shares) >= 3 and 99 < sum(shares) < 101, table
    assert held >= 3, f"{held} of 4 intervals contain 60000 objects"


def test_intervals_of_a_bundler_hold_what_was_counted_in_the_same_run(t):
    """The short form of `make bench-intervals`: counts every allocation in the same run in which the sampler is
    recorded."""
    harness.require_root()
    rows = [row for _ in range(4) for row in intervals.rows_of("bundler")]
    assert len(rows) >= 80, f"{len(rows)} rows of four runs"
    # Rows of a run miss together, as one of them has what another lacks: their outcomes vary as those of half as many would.
    spread = 3 * (0.95 * 0.05 / (len(rows) / 2)) ** 0.5 + 0.01
    for value in ("objects", "bytes"):
        held = sum(intervals.outcome(row, value) == "held" for row in rows)
        assert abs(held / len(rows) - 0.95) < spread, f"{held} of {len(rows)} intervals of {value} contain the truth"


def test_a_samples_type_is_that_of_its_own_allocation(t):
    """Whatever earlier calls have left where a function that mallocgc calls might have kept its arguments."""
    harness.require_root()
    profile, objects = t.path("profile.pb.gz"), 100000
    for version in go_programs.versions():
        t.escapement("record", "-q", "-o", profile, "--", go_programs.build(version, "stripped", "stale"), objects)
        rows = {row["type"]: row["objects"] for row in t.json("report", "--by", "type", profile)["rows"]}
        # each sample stands for 512 of them; a few of the rest are the runtime's
        assert rows["uint8"] > 0.95 * objects, (version, rows)


def test_size_classes_at_the_default_rate_are_not_split_by_what_nobody_counted(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version in go_programs.versions():
        program = go_programs.build(version, "stripped", "sizes")
        t.escapement("record", "-q", "-o", profile, "--", program)
        report = t.json("report", "--by", "size-class", profile)
        rows = [row for row in report["rows"] if row["size_class"] == 64]
        same([row["span_class"] for row in rows], [None], f"{version}: span classes of 64 bytes")
        assert 3000 <= rows[0]["objects"] < 3200, (version, rows)
        same(sum(row["objects"] for row in report["rows"]), report["totals"]["objects"], f"{version}: all classes together")
        assert not re.search(r"noscan|scan$", t.escapement("report", "--by", "size-class", profile).stdout, re.M), version
        t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
        report = t.json("report", "--by", "size-class", profile)
        noscan = next(row for row in report["rows"] if row["span_class"] == 13)
        assert 3000 <= noscan["objects"] < 3100, (version, noscan)


def test_rows_that_may_have_tiny_objects_say_that_these_are_not_in_them(t):
    """Pointers are never tiny. Who has samples of pointers may have allocated tiny objects besides."""
    harness.require_root()
    profile = t.path("profile.pb.gz")
    program = go_programs.build(go_programs.versions()[-1], "stripped", "sizes")
    t.escapement("record", "-q", "-o", profile, "--", program)
    report = t.json("report", profile)
    for by, key, name, tiny in (("site", "function", "main.mixed", None), ("function", "function", "main.mixed", None),
                                ("type", "type", "*int", 0)):
        row, = [row for row in t.json("report", "--by", by, profile)["rows"] if row[key] == name]
        same(row["tiny_objects"], tiny, by)
    tiny = next(row for row in report["rows"] if row["function"] == "(tiny objects: split unknown)")
    assert tiny["objects"] >= 2000, tiny
    harness.contains(t.escapement("report", profile).stdout, "+TINY")


def test_tiny_objects_are_within_their_interval_of_one_process_and_of_several(t):
    """The runtime counts the objects that share a block, and those of 16 bytes, of which some are the blocks."""
    harness.require_root()
    profile, program = t.path("profile.pb.gz"), go_programs.build(go_programs.versions()[-1], "stripped", "sizes")
    for processes in (1, 3):
        t.escapement("record", "-q", "-o", profile, "--", "sh", "-c", processes * f"{program};")
        row, = [row for row in t.json("report", profile)["rows"] if row["function"] == "(tiny objects: split unknown)"]
        assert row["objects_low"] <= row["objects"] <= row["objects_high"], row
        assert row["objects_low"] < 3000 * processes <= row["objects_high"], (processes, row)
        # 4 bytes each: 750 blocks of 16; without a sample of one they are in no number
        assert row["bytes_high"] >= 12000 * processes and row["bytes"] != 0, (processes, row)
        compared = json.loads(t.escapement("gate", "compare", "--format", "json", profile, profile).stdout)
        site, = [site for site in compared["rows"] if site["function"] == row["function"]]
        for side in ("before", "after"):
            same({key: site[side][key] for key in ("bytes", "bytes_low", "bytes_high")},
                 {key: row[key] for key in ("bytes", "bytes_low", "bytes_high")}, side)


def test_stacks_that_were_cut_are_marked_everywhere(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    program = go_programs.build(go_programs.versions()[-1], "stripped", "recursion")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    rows = [row for row in t.json("report", "--by", "stack", profile)["rows"]
            if row["objects"] and any(frame["function"] == "main.leaf" for frame in row["stack"])]
    same(sorted((row["truncated"], row["objects"]) for row in rows), [(False, 50), (True, 50), (True, 50), (True, 50)], "stacks")
    harness.contains(t.escapement("report", profile).stdout, "of each stack 127 frames are kept")
    folded = t.escapement("report", "--by", "stack", "--format", "folded", "--sort", "objects", profile).stdout
    lines = [line for line in folded.splitlines() if "main.leaf" in line]
    roots = sorted(";".join(line.split(";")[:4]) for line in lines)
    same([root.split(";")[0] for root in roots], ["(callers cut off)", *3 * ["runtime.goexit"]], "folded stacks")
    for name in ("left", "right"):
        same(sum(root == f"runtime.goexit;runtime.main;main.main;main.{name}" for root in roots), 1, roots)
    same(sorted(line.count("(callers cut off)") for line in lines), [0, 1, 1, 1], "gaps")


def test_totals_are_exact_at_the_default_rate(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version in go_programs.versions():
        program = go_programs.build(version, "stripped", "rhythm")
        t.escapement("record", "-q", "-o", profile, "--", program, 1000)
        report = t.json("report", profile)
        same(report["exact"]["totals"], True, f"{version}: totals are exact")
        totals = report["totals"]
        objects = 6 * 1000 + 16
        # and allocations of the runtime during its start
        assert objects <= totals["objects"] < objects + 2000, f"{version}: {totals}"
        same((totals["refills"], totals["central_grows"]), (None, None), f"{version}: unmeasured values")


def test_the_rate_that_a_program_has_set_itself_is_the_one_that_is_told(t):
    harness.require_root()
    profile, version = t.path("profile.pb.gz"), go_programs.versions()[-1]
    program = go_programs.build(version, "stripped", "rhythm")
    done = t.escapement("record", "-o", profile, "--", program, PERIODS, env=dict(os.environ, GODEBUG="memprofilerate=8192"))
    harness.contains(done.stderr, "this Go program samples one object per 8192 bytes: using that rate")
    report, truth = t.json("report", profile), wanted()
    same(report["rate"], 8192, "rate")
    rows = {row["line"]: row for row in report["rows"] if (row["file"] or "").endswith("rhythm/main.go")}
    for line, objects in truth.items():
        assert abs(rows[line]["objects"] / objects - 1) < 0.2, f"line {line}: {rows[line]}, not {objects}"


CHANGES_RATE = """package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
)

type object struct{ words [8]int64 }

var sink *object

//go:noinline
func first() {
	for i := number(2); i > 0; i-- {
		sink = &object{}
	}
}

//go:noinline
func second() {
	for i := number(3); i > 0; i-- {
		sink = &object{}
	}
}

func number(argument int) int {
	value, _ := strconv.Atoi(os.Args[argument])
	return value
}

func main() {
	before := runtime.MemProfileRate
	first()
	runtime.MemProfileRate = number(1)
	second()
	if len(os.Args) > 4 {
		runtime.MemProfileRate = before
		first()
	}
	if len(os.Args) > 5 {
		pprof.Lookup("heap").WriteTo(os.Stdout, 0) // links the profiler in
	}
}
"""


def changes_rate(t, version):
    """The program that allocates ARGS[2] objects of 64 bytes, sets its rate to ARGS[1], and allocates ARGS[3] others. With a
    fourth argument, it then sets the former rate and allocates ARGS[2] once more."""
    module, program = t.path("m"), t.path(f"rates-{version}")
    module.mkdir(exist_ok=True)
    (module / "main.go").write_text(CHANGES_RATE)
    (module / "go.mod").write_text("module example.com/rates\n\ngo 1.19\n")
    t.run(harness.go_toolchain(version), "build", "-o", program, ".", cwd=module,
          env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"})
    return program


def test_a_profiler_that_was_off_for_a_time_and_on_again_is_told(t):
    """Samples stand for half of what the counters have. Rows of what had samples are lower bounds, and no interval is false. Of an ordinary
    recording, short or long, of tiny objects or of goroutines, nothing of the kind is said."""
    harness.require_root()
    profile, warning = t.path("profile.pb.gz"), "Go's memory profiler was turned off, or its MemProfileRate much coarser, for a part"
    for version in go_programs.versions():
        program = changes_rate(t, version)
        done = t.escapement("record", "-o", profile, "--", program, 0, 1000000, 2000000, "again")
        harness.contains(done.stderr, warning)
        document = t.json("report", "--by", "function", profile)
        same([warning in said for said in document["warnings"]], [True])
        same(document["exact"], {"totals": True, "rows": False})
        row, = [row for row in document["rows"] if row["function"] == "main.first"]
        assert row["objects"] <= 2000000 and row["objects_high"] is None, row
        for arguments in ((512 * 1024, 1000000, 2000000, "again"), (4096, 1000000, 2000000, "again"), (0, 1000, 1000, "again")):
            done = t.escapement("record", "-o", profile, "--", program, *arguments)
            assert warning not in done.stderr, done.stderr


def rows_of_changed_rate(t, profile, program, *arguments):
    warning = "changed its MemProfileRate while it was recorded"
    harness.contains(t.escapement("record", "-o", profile, "--", program, *arguments).stderr, warning)
    document = t.json("report", "--by", "function", profile)
    same([warning in said for said in document["warnings"]], [True])
    return {row["function"]: row for row in document["rows"]}


def test_samples_stand_for_what_they_did_at_the_rate_of_their_time(t):
    """Both loops allocate a million objects of 64 bytes. At one rate for all, one of them had 98 % of them. The interval of one tells that
    of the other, as their sum is exact. Of 12 intervals of 95 %, five or more miss in one case of 5,000."""
    harness.require_root()
    misses = []
    for version in ("1.19", "1.27"):
        program, profile = changes_rate(t, version), t.path("profile.pb.gz")
        for rate in ("8192", "4194304") * 3:
            row = rows_of_changed_rate(t, profile, program, rate, 1000000, 1000000)["main.first"]
            assert 500000 < row["objects"] < 1500000, row
            if not row["objects_low"] <= 1000000 <= row["objects_high"]:
                misses.append((version, rate, row))
        harness.contains(t.escapement("record", "-o", profile, "--", program, 0, 1000000, 1000000).stderr,
                         "Go's memory profiler was turned off in process")
        document = t.json("report", profile)
        row, = [row for row in document["rows"] if row["function"] == "main.first"]
        assert row["objects"] <= 1000000 and row["objects_high"] is None, row
        refusal = t.escapement("compare", profile, profile, status=2).stderr
        harness.contains(refusal, "are lower bounds; record with --rate 1 --max-overhead 0")
        assert "longer" not in refusal, refusal
    assert len(misses) < 5, misses


def test_few_samples_of_a_coarse_rate_are_no_more_certain_beside_many_of_a_fine_one(t):
    """About 12 samples of main.first, at one in 512 KiB, beside 40,000 of main.second, at one in 8 KiB. Their sum is exact, so the second
    is as uncertain as the first."""
    harness.require_root()
    program, profile = changes_rate(t, "1.24"), t.path("profile.pb.gz")
    held = dict.fromkeys(("main.first", "main.second"), 0)
    for _ in range(8):
        rows = rows_of_changed_rate(t, profile, program, 8192, 100000, 5000000)
        for name, objects in zip(held, (100000, 5000000)):
            held[name] += rows[name]["objects_low"] <= objects <= rows[name]["objects_high"]
    assert min(held.values()) >= 5, f"{held} of 8 intervals hold"


def test_a_killed_program_without_the_sampler_is_told_once_and_nothing_else(t):
    """The totals of the killed program are unknown, so there must be no warning that compares them."""
    harness.require_root()
    process = t.start(go_programs.build(go_programs.versions()[-1], "stripped", "small"), 10 ** 10)
    recorder, _ = records.start_recording(t, process.pid)
    process.kill()  # before the first reading of counters, a second after the start
    warnings = [line for line in recorder.ended().splitlines() if "warning: " in line]
    same(len([line for line in warnings if "ended before its counters could be read" in line]), 1, f"warnings: {warnings}")
    assert len(warnings) <= 2, f"warnings: {warnings}"  # the other one may say that there were too few bursts


def test_programs_with_and_without_the_sampler_started_together_have_rows(t):
    """Programs without the sampler are counted in bursts; without an overhead limit, all the time."""
    harness.require_root()
    profile, version = t.path("profile.pb.gz"), go_programs.versions()[-1]
    sampled, unsampled = (go_programs.build(version, "stripped", name) for name in ("rhythm", "small"))
    alone = "\n".join(f"{unsampled} {count} &" for count in (20000, 30000)) + f"\n{sampled} {PERIODS}\nwait"
    t.escapement("record", "-o", profile, "--max-overhead", "0", "--", "sh", "-c", alone)
    report, truth = t.json("report", profile), wanted()
    rows = {row["line"]: row for row in report["rows"] if (row["file"] or "").endswith("rhythm/main.go")}
    for line in (line for line in truth if line in rows and rows[line]["objects"] is not None):
        assert rows[line]["objects"] < 3 * truth[line], f"line {line}: {rows[line]}, not {truth[line]}"
    same(sum(1 for row in rows.values() if row["objects"]) > len(truth) / 2, True, f"rows with objects: {rows}")
    small = sum(row["objects"] or 0 for row in report["rows"] if (row["file"] or "").endswith("small/main.go"))
    assert 50000 <= small < 51000, f"{small} objects of the programs without the sampler"
    assert report["totals"]["objects"] > 6 * PERIODS + 50000, report["totals"]


def profile_rate(t, process):
    return json.loads(t.run(INSPECT, "statistics", process.pid).stdout)["profile_rate"]


def test_the_sampler_is_turned_on_only_when_asked_and_put_back(t):
    harness.require_root()
    profile, rounds = t.path("profile.pb.gz"), 10000
    for version in go_programs.versions():
        process = t.start(go_programs.build(version, "pie-stripped"), "-wait", "-rounds", rounds)
        process.stdout.readline()
        t.escapement("record", "-q", "--duration", "0.3", "-o", profile, "-p", process.pid)
        same(profile_rate(t, process), 0, f"{version}: MemProfileRate after a recording without --enable-sampler")
        recorder = t.attach(process.pid, "--enable-sampler", "--rate", "256k", "-o", profile)
        same(profile_rate(t, process), 256 * 1024, f"{version}: MemProfileRate while recording")
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.readline()
        recorder.end()
        same(profile_rate(t, process), 0, f"{version}: MemProfileRate afterwards")
        rows = [row for row in t.json("report", profile)["rows"] if row["function"] == "main.large"]
        assert rows and 0.7 < rows[0]["objects"] / (rounds / 16) < 1.3, f"{version}: {rows}"
        process.kill()


def test_the_sampler_of_a_program_that_we_start_is_on_before_its_first_line(t):
    harness.require_root()
    profile, count = t.path("profile.pb.gz"), 200000
    for version in go_programs.versions():
        for variant in ("stripped", "pie"):
            t.escapement("record", "-q", "--enable-sampler", "--rate", "2k", "-o", profile, "--",
                         go_programs.build(version, variant, "small"), count)
            rows = [row for row in t.json("report", profile)["rows"] if row["line"] == 29]
            assert rows and 0.9 < rows[0]["objects"] / count < 1.1, f"{version} {variant}: {rows}"


def test_samples_that_are_due_because_the_sampler_was_turned_on_are_told(t):
    """Up to Go 1.23, one forced sample per P; later releases draw a new sampling distance."""
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version in go_programs.versions():
        process = t.start(go_programs.build(version, "pie-stripped"), "-wait", env=dict(os.environ, GOMAXPROCS="8"))
        process.stdout.readline()
        done = t.escapement("record", "--enable-sampler", "--duration", "0.3", "-o", profile, "-p", process.pid)
        told = re.search(r"up to ([78]) samples of process \d+ were forced by turning its sampler on: .* by up to \1 times 512k", done.stderr)
        same(told is not None, int(version.split(".")[1]) < 24, f"{version}: {done.stderr}")
        process.kill()


def test_a_sampler_that_somebody_else_turned_off_is_told(t):
    harness.require_root()
    process = t.start(go_programs.build(go_programs.versions()[-1], "pie-stripped"), "-wait")
    process.stdout.readline()
    recorders = []
    for name in ("one", "other"):
        recorders.append(t.attach(process.pid, "--enable-sampler", "-o", t.path(name)))
    for recorder in recorders:
        messages = recorder.end()
    harness.contains(messages, f"Go's memory profiler was turned off in process {process.pid} while it was recorded")
    same(profile_rate(t, process), 0, "MemProfileRate afterwards")


if __name__ == "__main__":
    harness.main()
