#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Recordings of libgoalloc programs, compared with the programs' own counts and libgoalloc's own counters."""
import ctypes
import errno
import html
import json
import os
import pathlib
import re
import signal
import struct
import subprocess

import harness
from harness import contains, same, workload

VALUES = ("objects", "bytes", "refills", "central_grows", "heap_grows", "heap_grow_bytes")
COSTS = VALUES[2:]
DUMP = harness.BUILD / "tests/tools/profile_dump"
BYTES, SAMPLES = 1, 2  # indices of values in the output of profile_dump


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def program_sites(path):
    """The program's own counts: {(file, line, function): (objects, bytes)}."""
    sites = {}
    for site in lines(path):
        if site["objects"]:
            key = (site["file"], site["line"], site["function"])
            before = sites.get(key, (0, 0))
            sites[key] = (before[0] + site["objects"], before[1] + site["bytes"])
    return sites


def check_estimate(row, truth, what):
    """Checks that three times the 95 % interval contains the truth; the chance that sampling misses it is 1 in 100
    million."""
    low, high = (3 * (row[bound] - row["objects"]) for bound in ("objects_low", "objects_high"))
    assert row["objects"] + low <= truth <= row["objects"] + high, f"{what}: {truth} objects, estimated {row}"


def recorded_sites(report):
    """The same from a report by site, without rows that have no Go file (memory of the threads themselves)."""
    return {(row["file"], row["line"], row["function"]): (row["objects"], row["bytes"])
            for row in report["rows"] if row["objects"] and (row["file"] or "").endswith(".go")}


def quiet_run(t, program, *arguments, record=(), rounds="200", threads="1", beside=None, during=None):
    """Records a workload that is idle when we attach and detach. Returns paths of its own counts and of libgoalloc's
    counters, and the report. `beside`: (options, file) of another recording at the same time; `during`: called while
    the workload runs."""
    counts, stats, profile = t.path("counts"), t.path("stats"), t.path("profile.pb.gz")
    process = t.start(workload(program), "--wait-start", "--rounds", rounds, "--threads", threads,
                      f"--print-counts={counts}", "--print-stats", stats, *arguments)
    same(process.stdout.readline(), "ready\n")
    recorders = []
    for options, path in [(record, profile)] + ([beside] if beside else []):
        recorders.append(t.attach(process.pid, "--max-overhead", "0", "-o", path, *options))
    process.stdin.write("\n")
    process.stdin.flush()
    if during:
        during(process)
    same(process.stdout.readline(), "done\n")
    for recorder in recorders:
        recorder.end()
    process.stdin.write("\n")
    process.stdin.flush()
    same(process.wait(harness.TIMEOUT), 0, "the workload's exit status")
    return counts, stats, t.json("report", profile)


def started(t, program, threads):
    counts, stats, profile = t.path("counts"), t.path("stats"), t.path("profile.pb.gz")
    t.escapement("record", "--rate", "1", "-o", profile, "--", workload(program), "--rounds", "300", "--threads",
                 threads, f"--print-counts={counts}", "--print-stats", stats)
    return counts, stats, t.json("report", profile)


def check_started(t, program, threads):
    harness.require_root()
    counts, stats, report = started(t, program, threads)
    truth = program_sites(counts)
    assert truth, "the workload allocated nothing"
    same(recorded_sites(report), truth, "objects and bytes by site")
    last = lines(stats)[-1]
    totals = report["totals"]
    for value in COSTS:
        same(totals[value], last[value], value)
        same(sum(row[value] or 0 for row in report["rows"]), totals[value], f"sum of the rows' {value}")
    assert last["refills"] and last["central_grows"] and last["heap_grows"], "the allocator never left its cache"
    same(report["exact"], {"totals": True, "rows": True})
    same(report["lost"], {"events": 0, "stacks": 0})
    same((report["check"]["difference"], report["check"]["bound"]), (0, 0), "difference and bound of the check")
    same(report["check"]["objects"], totals["objects"])


def test_started_program_with_1_thread_is_recorded_exactly_at_rate_1(t):
    check_started(t, "seeds", "1")


def test_started_program_with_2_threads_is_recorded_exactly_at_rate_1(t):
    check_started(t, "seeds", "2")


def test_started_program_with_8_threads_is_recorded_exactly_at_rate_1(t):
    check_started(t, "seeds", "8")


def test_started_program_on_the_shared_library_is_recorded_exactly_at_rate_1(t):
    check_started(t, "seeds-shared", "2")


def test_quiet_running_process_is_recorded_exactly_at_rate_1(t):
    harness.require_root()
    counts, stats, report = quiet_run(t, "seeds", record=("--rate", "1"), threads="4")
    same(recorded_sites(report), program_sites(counts), "objects and bytes by site")
    before, after = lines(stats)
    for value in VALUES:
        same(report["totals"][value], after[value] - before[value], value)
    same(report["check"]["difference"], 0, "difference of the check")
    # On a busy machine the recorder may find a cache in the middle of a refill, for which it allows a bound of one
    # object.
    assert report["check"]["bound"] <= 1, report["check"]


def test_attaching_to_a_busy_process_is_exact_within_a_few_objects_a_thread(t):
    harness.require_root()
    for threads in (1, 2, 8):
        process = t.start(workload("seeds"), "--rounds", "0", "--threads", threads)
        harness.wait_until_run(process.pid)
        check = t.closely(process.pid, 64 * threads, "--rate", "1", "--max-overhead", "0", "--duration", "1")["check"]
        process.terminate()
        same(process.wait(harness.TIMEOUT), 0)
        assert check["objects"] > 1000, check


def test_totals_by_size_class_are_exact_at_every_rate(t):
    harness.require_root()
    for rate in ("0", "8k", "64k", "512k"):
        _, stats, report = quiet_run(t, "seeds", record=("--rate", rate), rounds="2000", threads="2")
        before, after = lines(stats)
        for value in VALUES:
            same(report["totals"][value], after[value] - before[value], f"{value} at rate {rate}")
        check = report["check"]
        same((check["difference"], check["bound"]), (0, 0), f"difference and bound of the check at rate {rate}")
        same(report["exact"]["totals"], True)


def test_recordings_at_different_rates_at_once_are_each_exact(t):
    harness.require_root()
    others = (("--rate", "8k"), ("--rate", "0", "--no-stacks"), ("--rate", "64k"), ("--rate", "1", "--no-stacks"),
              ("--rate", "512k"))

    def come_and_go(process):
        for options in others:
            t.escapement("record", *options, "--max-overhead", "0", "--duration", "0.3", "-o", t.path("other"), "-p",
                         process.pid)
            check = t.json("report", t.path("other"))["check"]
            assert abs(check["difference"]) <= check["bound"], f"{check} with {options}"
            busy.append(check["objects"] > 100)  # on a slow machine the workload ends before the last one attaches

    for rate in ("512k", "64k"):
        busy = []
        counts, stats, report = quiet_run(t, "seeds", "--sleep-us", "200", record=("--rate", rate), rounds="12000",
                                          threads="2", during=come_and_go)
        assert any(busy), "nothing was allocated while others recorded"
        before, after = lines(stats)
        for value in VALUES:
            same(report["totals"][value], after[value] - before[value], f"{value} at rate {rate}")
        check = report["check"]
        same((check["difference"], check["bound"]), (0, 0), f"difference and bound of the check at rate {rate}")
        first = max(report["rows"], key=lambda row: row["objects"] or 0)
        truth = program_sites(counts)[first["file"], first["line"], first["function"]]
        check_estimate(first, truth[0], f"at rate {rate} beside others")


def test_a_sample_stands_for_as_much_while_others_listen_at_finer_rates(t):
    """libgoalloc sends samples at the finest requested rate to all observers. If a coarser recording took them
    unscaled, a site seen only at that time would get an interval as narrow as at the finer rate, although the rest of
    its time was sampled at the coarser one."""
    harness.require_root()
    for finer, rate, distance in (("1", "8k", 8192), ("8k", "64k", 65536)):
        process = t.start(workload("seeds"), "--rounds", "0", "--threads", "2")
        other = t.attach(process.pid, "--rate", finer, "--max-overhead", "0", "-o", t.path("other"))
        t.escapement("record", "--rate", rate, "--max-overhead", "0", "--duration", "3", "-o", t.path("profile"), "-p",
                     process.pid)
        other.end()
        process.terminate()
        process.wait(harness.TIMEOUT)
        rows = [row["values"] for row in json.loads(t.run(DUMP, t.path("profile")).stdout)["samples"]]
        samples, data = sum(row[SAMPLES] for row in rows), sum(row[BYTES] for row in rows)
        wanted = data / distance  # expected number, because the objects are small
        assert wanted > 10, f"{wanted} samples"
        assert abs(samples - wanted) < 6 * wanted ** 0.5, f"{samples} samples beside rate {finer}, not {wanted:.0f}"


def test_recordings_with_and_without_stacks_at_once_are_both_exact(t):
    harness.require_root()
    plain = t.path("plain.pb.gz")
    counts, _, report = quiet_run(t, "seeds", record=("--rate", "1"), threads="2",
                                  beside=(("--rate", "1", "--no-stacks"), plain))
    truth = program_sites(counts)
    for each in (report, t.json("report", plain)):
        same(recorded_sites(each), truth, "objects and bytes by site")
        same((each["check"]["difference"], each["check"]["bound"], each["lost"]), (0, 0, {"events": 0, "stacks": 0}))
    depths = [{len(row["stack"]) for row in t.json("report", "--by", "stack", path)["rows"] if row["objects"]}
              for path in (t.path("profile.pb.gz"), plain)]
    assert min(depths[0]) > 3 and max(depths[1]) < 3, f"depths of the recordings with and without stacks: {depths}"


def test_estimates_of_tiny_and_other_objects_are_right_together(t):
    harness.require_root()
    counts, _, report = quiet_run(t, "seeds", record=("--rate", "8k"), rounds="3000")
    truth = sum(objects for objects, _ in program_sites(counts).values())
    estimate = sum(objects for objects, _ in recorded_sites(report).values())
    assert abs(estimate / truth - 1) < 0.1, f"estimated {estimate} of {truth} objects"


def test_rate_0_measures_costs_and_leaves_objects_of_rows_unmeasured(t):
    harness.require_root()
    _, _, report = quiet_run(t, "seeds", record=("--rate", "0"), rounds="2000")
    same({row["objects"] for row in report["rows"]}, {None})
    assert any(row["refills"] for row in report["rows"])


def test_perf_uprobes_give_the_same_numbers_where_uprobe_multi_is_missing(t):
    harness.require_root()
    os.environ["ESCAPEMENT_ATTACH"] = "perf"
    try:
        check_started(t, "seeds", "2")
    finally:
        del os.environ["ESCAPEMENT_ATTACH"]


def test_the_brake_goes_to_a_coarser_depth_and_says_when_and_why(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    process = t.start(workload("seeds"), "--rounds", "0", f"--print-counts={t.path('counts')}")
    done = t.escapement("record", "--rate", "1", "--duration", "2", "-o", profile, "-p", process.pid)
    contains(done.stderr, "more than --max-overhead 10: the recording went on at --rate 512k")
    report = t.json("report", profile)
    same((report["rate"], report["exact"]), (524288, {"totals": True, "rows": False}))
    same([entry["pid"] for entry in report["target"]["processes"]], [process.pid], "the processes of the report")
    assert abs(report["check"]["difference"]) <= report["check"]["bound"], report["check"]
    done = t.escapement("record", "--rate", "0", "--duration", "1", "--max-overhead", "99", "-o", t.path("other"), "-p",
                        process.pid)
    assert "max-overhead" not in done.stderr, done.stderr
    process.terminate()
    same(process.wait(harness.TIMEOUT), 0)
    # Every round allocates the same, so a site has the same share of the total at any time.
    sites = program_sites(t.path("counts"))
    first = max(report["rows"], key=lambda row: row["objects"] or 0)
    share = sites[first["file"], first["line"], first["function"]][0] / sum(objects for objects, _ in sites.values())
    same(sum(report["check"][key] for key in ("objects", "difference", "outside")), report["totals"]["objects"],
         "sum of the check's objects, its difference, and the objects outside of it")
    check_estimate(first, share * report["totals"]["objects"], "after the brake")
    # The exact part must not widen the interval beyond that of a recording that was sampled at the coarser rate
    # throughout.
    weight = report["rate"] / (first["bytes"] / first["objects"])
    widest = 2 * 1.96 * (first["objects"] * weight) ** 0.5
    assert first["objects_high"] - first["objects_low"] <= 1.3 * widest, f"{first}, limit {widest}"


def test_after_rate_0_the_brake_says_what_is_in_no_row_and_which_switch_measures_it(t):
    """Each reader of the recording says the same: totals are exact, rows lower bounds, and why."""
    harness.require_root()
    profile, notes = t.path("profile.pb.gz"), t.path("m2.txt")
    notes.write_text("# example.com/x\n./x.go:1:2: moved to heap: x\n")
    process = t.start(workload("seeds"), "--rounds", "0")
    done = t.escapement("record", "--rate", "0", "--max-overhead", "0.001", "--duration", "3", "-o", profile, "-p", process.pid)
    lacking = ("until then, at --rate 0, the objects of no line were counted: they are in the totals, and in no row. Rows have "
               "only what came since, and are lower bounds; record without --rate for estimates of the whole time, or with "
               "--rate 1 --max-overhead 0 for exact rows")
    t.escapement("html", "-q", "-o", t.path("page.html"), profile)
    text, audit = t.escapement("report", profile).stdout, t.escapement("audit", "--escape", notes, profile)
    for said in (done.stderr, text, audit.stderr, html.unescape(t.path("page.html").read_text()),
                 t.escapement("compare", profile, profile, status=2).stderr):
        said = " ".join(said.split())
        contains(said, lacking)
        assert "with estimates" not in said and "for longer" not in said, said
    report = t.json("report", profile)
    same(report["exact"], {"totals": True, "rows": False})
    contains(report["warnings"], lacking)
    contains(t.json("audit", "--escape", notes, profile)["warnings"], lacking)
    same({row["objects_high"] for row in report["rows"]}, {None}, "upper ends")
    contains(" ".join(text.split()), "(exact) rows lower bounds: the warnings say what is in no row")


def test_few_hits_are_above_a_limit_that_is_lower_still(t):
    """A limit of 0.1 % also applies to a program whose few allocations cost almost nothing."""
    harness.require_root()
    profile = t.path("profile.pb.gz")
    process = t.start(workload("seeds"), "--rounds", "0", "--sleep-us", "20000")
    done = t.escapement("record", "--rate", "1", "--max-overhead", "0.1", "--duration", "4", "-o", profile, "-p", process.pid)
    contains(done.stderr, "more than --max-overhead 0.1: the recording went on at --rate 512k")
    report = t.json("report", profile)
    same(report["exact"], {"totals": True, "rows": False})
    for row in report["rows"]:  # sites with a thousand objects per round, and with one
        assert row["objects_low"] <= row["objects"] <= row["objects_high"], row
    text = t.escapement("report", profile).stdout
    same(text.count(f"{process.pid} seeds"), 1, "lines of the process")


def test_perf_uprobes_count_one_process_even_where_others_run_the_same_file(t):
    harness.require_root()
    t.start(workload("seeds"), "--rounds", "0", "--sleep-us", "100")
    test_perf_uprobes_give_the_same_numbers_where_uprobe_multi_is_missing(t)


def test_perf_uprobes_record_a_process_of_another_pid_namespace(t):
    harness.require_root()
    outer = t.start("unshare", "--pid", "--fork", "--kill-child", workload("seeds"), "--rounds", "0", "--sleep-us", "100")
    pid, = harness.wait_for(lambda: harness.children(outer.pid), "the program")
    harness.wait_until_run(pid)
    t.escapement("record", "--rate", "1", "--duration", "1", "-o", t.path("p"), "-p", pid,
                 env={**os.environ, "ESCAPEMENT_ATTACH": "perf"})
    report = t.json("report", t.path("p"))
    assert report["check"]["objects"] > 1000, report["check"]
    assert abs(report["check"]["difference"]) <= report["check"]["bound"], report["check"]


def probe_sites(program, *names):
    """Offsets of probe sites in the file, which equal their offsets from the load address."""
    notes = subprocess.run(["readelf", "--notes", "--wide", program], capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"Name: (\w+)\n\s+Location: (0x[0-9a-f]+)", notes))
    return [found[name] for name in names]


def test_events_of_a_span_class_that_is_none_are_counted_as_lost(t):
    harness.require_root()
    program = workload("strays")
    for rate, names in (("1", ("alloc_sample", "mcache_refill", "mcentral_grow")), ("0", ("mcache_refill",)),
                        ("8k", ("alloc_sample_8k", "mcentral_grow_8k"))):
        process = t.start(program, 1000, *probe_sites(program, *names))
        same(process.stdout.readline(), "ready\n")
        recorder = t.attach(process.pid, "--max-overhead", "0", "--rate", rate, "-o", t.path("p"))
        process.stdin.write("\n")
        process.stdin.flush()
        same(process.stdout.readline(), "done\n")
        recorder.end(status=4)
        process.stdin.write("\n")
        process.stdin.flush()
        same(process.wait(harness.TIMEOUT), 0, "the program's exit status")
        report = t.json("report", t.path("p"))
        same(report["lost"], {"events": 1000 * len(names), "stacks": 0}, f"lost at rate {rate}")
        same(report["exact"]["rows"], False, f"rows at rate {rate} do not include lost events")
        same((report["check"]["difference"], report["totals"]["objects"]), (0, 0), f"check and objects at rate {rate}")


def refuse_batches():
    """Makes the kernel refuse batched map lookups of this process (bpf command 24), by a seccomp filter."""
    instructions = ((0x20, 0, 0, 0), (0x15, 0, 3, 321), (0x20, 0, 0, 16), (0x15, 0, 1, 24),  # number, bpf? command
                    (0x06, 0, 0, 0x00050000 | errno.ENOMEM), (0x06, 0, 0, 0x7fff0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(38, 1, 0, 0, 0) or prctl(22, 2, program, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "cannot set a seccomp filter")


def test_rows_that_the_kernel_does_not_give_are_lost_and_that_is_said(t):
    harness.require_root()
    done = t.escapement("record", "--rate", "1", "-o", t.path("p"), "--", workload("seeds"), "--rounds", "10", status=4,
                        preexec_fn=refuse_batches)
    contains(done.stderr, "the kernel did not give all rows of process")
    contains(done.stderr, "Cannot allocate memory")
    report = t.json("report", t.path("p"))
    assert report["lost"]["events"] > 0 and report["totals"]["objects"] > 0 and not report["rows"], report


def test_a_process_that_is_killed_keeps_what_was_recorded(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    process = t.start(workload("seeds"), "--rounds", "0", "--sleep-us", "100")
    recorder = t.attach(process.pid, "--rate", "1", "--max-overhead", "0", "-o", profile)
    harness.wait_until_run(process.pid)
    process.kill()
    process.wait(harness.TIMEOUT)
    contains(recorder.ended(), "no check")
    report = t.json("report", profile)
    same(report["check"], None)
    assert report["totals"]["objects"] > 1000, report["totals"]
    same(sum(row["objects"] or 0 for row in report["rows"]), report["totals"]["objects"], "sum of the rows")
    # The Go file of a site is only in the process's memory, so it is lost if the site was first seen after the last
    # reading. The function is in the program's file.
    assert any(row["function"] == "main.foo" and row["objects"] for row in report["rows"]), report["rows"]


def test_totals_of_a_killed_process_hold_all_that_its_events_told(t):
    harness.require_root()
    for rate in ("0", "8k"):
        process = t.start(workload("seeds"), "--rounds", "0", "--threads", "2")
        recorder = t.attach(process.pid, "--rate", rate, "--max-overhead", "0", "-o", t.path("p"))
        harness.wait_until_run(process.pid, 1)
        process.kill()
        recorder.ended()
        report = t.json("report", t.path("p"))
        same(report["exact"]["totals"], False)
        rows = sum(row["refills"] for row in report["rows"])
        assert report["totals"]["refills"] >= rows, f"{report['totals']} beside {rows} refills in rows at rate {rate}"
        if rate != "0":
            rows = sum(row["bytes"] for row in report["rows"])
            assert report["totals"]["bytes"] > 0.9 * rows, f"{report['totals']} beside {rows} bytes in rows"


def test_a_program_that_will_not_end_is_killed_and_that_is_said(t):
    harness.require_root()
    pid = t.path("pid")
    done = t.escapement("record", "--duration", "0.5", "-o", t.path("p"), "--", "/bin/sh", "-c",
                        f"trap '' TERM; echo $$ > {pid}; {workload('seeds')}; exec sleep 30", stdin=subprocess.DEVNULL)
    contains(done.stderr, "did not end within 3.0 s of being asked to, so it was killed")
    assert not os.path.exists(f"/proc/{pid.read_text().strip()}"), "the program still runs"


def test_ctrl_c_writes_what_was_measured_and_reaches_the_program(t):
    harness.require_root()
    counts, profile = t.path("counts"), t.path("profile.pb.gz")
    recorder = t.start(harness.ESCAPEMENT, "record", "--rate", "1", "-o", profile, "--", workload("seeds"), "--rounds",
                       "0", "--sleep-us", "100", "--wait-start", f"--print-counts={counts}")
    same(recorder.stdout.readline(), "ready\n")
    program, = harness.children(recorder.pid)
    recorder.stdin.write("\n")
    recorder.stdin.flush()
    harness.wait_until_run(program)
    recorder.send_signal(signal.SIGINT)
    _, messages = recorder.communicate(timeout=harness.TIMEOUT)
    same(recorder.returncode, 0, messages)
    truth = program_sites(counts)
    assert sum(objects for objects, _ in truth.values()) > 1000, truth
    same(recorded_sites(t.json("report", profile)), truth, "objects and bytes by site")


def test_duration_ends_the_program_that_was_started(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    t.escapement("record", "--rate", "1", "--duration", "1", "-o", profile, "--", workload("seeds"), "--rounds", "0",
                 "--sleep-us", "100")
    same(t.json("report", profile)["check"]["difference"], 0)


def test_the_programs_own_output_passes_through(t):
    harness.require_root()
    done = t.escapement("record", "-o", t.path("p"), "--", workload("seeds"), "--rounds", "5", "--print-counts")
    same(len(done.stdout.splitlines()) > 3, True)
    json.loads(done.stdout.splitlines()[0])


def test_a_failing_program_is_exit_3_and_the_recording_is_kept(t):
    harness.require_root()
    profile = t.path("p.pb.gz")
    done = t.escapement("record", "-o", profile, "--", "/bin/sh", "-c", f"{workload('seeds')} --rounds 5; exit 7",
                        status=3)
    contains(done.stderr, "the program exited with status 7")
    assert t.json("report", profile)["totals"]["objects"] > 0


def test_children_of_the_program_are_followed_and_counted_apart(t):
    harness.require_root()
    profile, counts = t.path("p.pb.gz"), [t.path("a"), t.path("b")]
    script = " && ".join(f"{workload('seeds')} --rounds 50 --print-counts={path}" for path in counts)
    t.escapement("record", "--rate", "1", "-o", profile, "--", "/bin/sh", "-c", script)
    report = t.json("report", profile)
    one = program_sites(counts[0])
    same(recorded_sites(report), {site: (2 * value[0], 2 * value[1]) for site, value in one.items()})
    t.escapement("record", "--rate", "1", "--no-follow", "-o", profile, "--", "/bin/sh", "-c", script + "; true",
                 status=3)
    t.escapement("record", "--rate", "1", "--no-follow", "-o", profile, "--", "/bin/sh", "-c",
                 f"exec {script.split(' && ', maxsplit=1)[0]}")
    same(recorded_sites(t.json("report", profile)), one, "of a program that is not followed")


def test_errors_say_what_to_do(t):
    for arguments, status, text in (
            (("-p", "999999999"), 3, "no process with PID 999999999"),
            (("-p", "2"), 3, "kernel thread"),
            (("--name", "no-such-name-here"), 3, "there is no process named 'no-such-name-here'"),
            (("-p", "0x1"), 2, "invalid value '0x1' for --pid"),
            (("-p", "1", "2"), 2, "-p takes one process, but '2' is a second one"),
            (("-p", "1 2"), 2, "--pid takes one process, but '1 2' is several PIDs; give one of them"),
            (("--bogus",), 2, "unknown option '--bogus'"),
            (("--rate",), 2, "option '--rate' needs a value"),
            ((), 2, "nothing to record"),
            (("--",), 2, "no program after '--'"),
            (("-p", "1", "--", "true"), 2, "give only one of"),
            (("--", "/no/such/program"), 2, "cannot run '/no/such/program'")):
        done = t.escapement("record", *arguments, status=status)
        contains(done.stderr, text)
    for command in ("heap", "doctor"):
        contains(t.escapement(command, "-p", "1", "2", status=2).stderr, "-p takes one process, but '2' is a second one")


def test_a_program_of_another_machine_is_no_script(t):
    """execvp() has a shell read what the kernel cannot execute."""
    harness.require_root()
    foreign, script = t.path("foreign"), t.path("script")
    image = bytearray(pathlib.Path(workload("seeds")).read_bytes())
    image[18:20] = (0xffff).to_bytes(2, "little")  # e_machine
    foreign.write_bytes(image)
    script.write_text(f"{workload('seeds')} --rounds 1\n")
    found = {**os.environ, "PATH": f"{t.directory}:{os.environ['PATH']}"}
    for path in (foreign, script):
        path.chmod(0o755)
    for way in ([], ["--in-process"]):
        for name in (foreign, "foreign"):
            done = t.escapement("record", *way, "-o", t.path("p"), "--", name, env=found, status=3)
            contains(done.stderr, f"cannot run '{name}': Exec format error")
        for name in (script, "script"):
            t.escapement("record", *way, "-o", t.path("p"), "--", name, env=found)


def test_a_process_without_probes_is_exit_3(t):
    harness.require_root()
    process = t.start("sleep", "60")
    done = t.escapement("record", "-p", process.pid, status=3)
    contains(done.stderr, "has no probes")
    done = t.escapement("record", "--", "true", status=3)
    contains(done.stderr, "has no probes")


def test_without_root_the_missing_capabilities_are_named(t):
    harness.require_root()
    process = t.start("sleep", "60")
    done = t.run(t.copy(harness.ESCAPEMENT), "record", "-o", t.path("p"), "-p", process.pid, status=3,
                 preexec_fn=lambda: (os.setgid(65534), os.setuid(65534)))
    contains(done.stderr, "CAP_BPF")


def test_an_output_that_cannot_be_written_is_known_before_the_program_runs(t):
    harness.require_root()
    ran = t.path("ran")
    for output in (t.directory, t.path("no-such-directory") / "p.pb.gz", "/proc/p.pb.gz"):
        done = t.escapement("record", "-o", output, "--", "/usr/bin/touch", ran, status=2)
        contains(done.stderr, f"cannot write '{output}'")
        assert not ran.exists(), "the program ran, for nothing"


def test_a_full_disk_under_the_output_is_an_error_that_names_it(t):
    harness.require_root()
    done = t.escapement("record", "-o", "/dev/full", "--", workload("seeds"), "--rounds", "5", status=2)
    contains(done.stderr, "/dev/full")


def test_help_names_every_option_and_has_examples(t):
    text = t.escapement("record", "--help").stdout
    for word in ("--pid", "--name", "--rate", "--duration", "--no-follow", "--output", "examples:"):
        contains(text, word)
    assert max(map(len, text.splitlines())) <= 80, "wider than 80 columns"


if __name__ == "__main__":
    harness.main()
