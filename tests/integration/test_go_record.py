#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Recordings of unmodified Go programs, compared with the programs' own counts and with their source."""
import contextlib
import json
import os
import re
import signal

import go_programs
import harness
from harness import contains, same

DUMP = harness.BUILD / "tests" / "tools" / "profile_dump"
OBJECTS, BYTES, SAMPLES, REFILLS, CENTRAL_GROWS, HEAP_GROWS, HEAP_GROW_BYTES = range(7)
RUNTIME = re.compile(r"(runtime|reflect|internal/reflectlite)\.|internal/runtime/|runtime/internal/")
ROUNDS = 300
CODEC_TEST = """package codec

import "testing"

var kept [][]byte

func TestKeep(t *testing.T) {
	for i := 0; i < 1000; i++ {
		kept = append(kept, make([]byte, 100))
	}
}
"""
ATTACHMENTS = int(os.environ.get("GO_ATTACHMENTS", "6"))


def dump(t, profile):
    return json.loads(t.run(DUMP, profile).stdout)


def start_recording(t, pid, *options):
    """Starts a recording. Returns its Recorder once it has begun, and the profile's path."""
    profile = t.path("profile.pb.gz")
    return t.attach(pid, "--max-overhead", "0", *options, "-o", profile), profile


def start_waiting(t, *command):
    """Starts a program that waits before its phase and after it; `process.ready` is its state."""
    process = t.start(*command, "-wait")
    process.ready = json.loads(process.stdout.readline())
    return process


def record_quiet(t, version, variant, *options, arguments=()):
    """record_phase() for a program that is started for it."""
    process = start_waiting(t, go_programs.build(version, variant), "-rounds", ROUNDS, *arguments)
    return record_phase(t, process, process.ready["pid"], *options)


def record_phase(t, process, pid, *options):
    """Records the phase of a program that start_waiting() has started and that is idle when the recording begins and ends.
    `pid`: its PID in our namespace. Returns the Phase and the profile."""
    recorder, profile = start_recording(t, pid, *options)
    process.stdin.write("\n")
    process.stdin.flush()
    before, after = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
    recorder.end()
    process.stdin.write("\n")
    process.stdin.flush()
    end = json.loads(process.stdout.readline())
    same(process.wait(harness.TIMEOUT), 0, "the program's exit status")
    return Phase(process.ready, before, after, end), dump(t, profile)


class Phase:
    """What a program allocated in its phase, by its own counters. The recording began between the states `ready` and
    `before` and ended between `after` and `end`. Between these the program allocates nothing, but its runtime may, as for a
    thread that the scheduler starts on a busy machine."""
    RUNTIME_MOST = 64

    def __init__(self, ready, before, after, end):
        self.least, self.most = delta(before, after), delta(ready, end)
        idle = self.most["mallocs"] - self.least["mallocs"]
        assert 0 <= idle <= self.RUNTIME_MOST, f"{idle} objects while the program waited"

    def equals(self, actual, name, what):
        equals(actual, self.least[name], self.most[name], what)


def equals(actual, least, most, what):
    """For what is one number on all but few runs."""
    if least == most:
        same(actual, least, what)
    assert least <= actual <= most, f"{what}: {actual}, not {least} to {most}"


def record_started(t, version, variant, *options, arguments=()):
    profile = t.path("profile.pb.gz")
    done = t.escapement("record", *options, "-o", profile, "--", go_programs.build(version, variant), "-rounds", ROUNDS,
                        *arguments)
    return [json.loads(line) for line in done.stdout.splitlines()][-1], dump(t, profile)


def check_exact(process, what):
    same(process["check"]["source"], "go heap statistics", f"{what}: source of the check")
    same((process["check"]["difference"], process["check"]["bound"]), (0, 0), f"{what}: difference and bound")
    same(process["lost"], {"events": 0, "stacks": 0}, f"{what}: lost")


OWN_WORK = {"runtime.gcStart", "runtime.gcAssistAlloc", "runtime.startm", "runtime.newm",
            "runtime.startTheWorldWithSema", "runtime.stopTheWorldWithSema"}


def site_of(stack):
    """(file, line) of the innermost frame outside of the runtime; (None, 0) if the runtime allocated for itself."""
    for function, file, line in stack:
        if function in OWN_WORK:
            break
        if not RUNTIME.match(function):
            return file, line
    return None, 0


def objects_by_line(recording, file):
    """{line: objects} for one source file; an allocation belongs to its innermost line outside of the runtime."""
    lines = {}
    for sample in recording["samples"]:
        name, line = site_of(sample["stack"])
        if name and name.endswith(file) and sample["values"][OBJECTS]:
            lines[line] = lines.get(line, 0) + sample["values"][OBJECTS]
    return lines


def wanted_by_line(rounds):
    """{line: objects} from the `// want` comments in the source."""
    wanted = {}
    source = harness.ROOT / "tests" / "workloads" / "go" / "sites" / "sites.go"
    for number, line in enumerate(source.read_text().splitlines(), 1):
        match = re.search(r"// want (\d+)(?:/(\d+))?$", line)
        if match:
            every = int(match[2] or 1)
            wanted[number] = int(match[1]) * ((rounds + every - 1) // every)
    return wanted


def check_sites(recording, rounds_of_phases, goroutines, what):
    lines = objects_by_line(recording, "sites.go")
    wanted = {}
    for rounds in rounds_of_phases:
        for line, objects in wanted_by_line(rounds).items():
            wanted[line] = wanted.get(line, 0) + objects * (goroutines if rounds > 1 else 1)
    same({line: lines.get(line, 0) for line in wanted}, wanted, f"{what}: objects by line")


def check_classes(process, stats, what, most=None):
    """Compares the objects of each size class with MemStats.BySize, which counts blocks of tiny objects as objects. They lie
    between those of `stats` and of `most`."""
    sizes = sorted(int(size) for size in stats["by_size"])
    for index, size in enumerate(sizes[1:], 1):
        told = process["classes"][2 * index][OBJECTS] + process["classes"][2 * index + 1][BYTES] // size
        equals(told, stats["by_size"][str(size)], (most or stats)["by_size"][str(size)], f"{what}: objects of {size} bytes")


def delta(before, after):
    return {"mallocs": after["mallocs"] - before["mallocs"], "total_alloc": after["total_alloc"] - before["total_alloc"],
            "by_size": {size: after["by_size"][size] - before["by_size"][size] for size in after["by_size"]}}


def test_every_slow_path_event_adds_up_to_MemStats_from_the_first_allocation_on(t):
    harness.require_root()
    for version in go_programs.versions():
        for variant in go_programs.SHIPPED:
            stats, recording = record_started(t, version, variant, "--rate", "0")
            process, what = recording["processes"][0], f"{version} {variant}"
            check_exact(process, what)
            same(process["totals"][OBJECTS], stats["mallocs"], f"{what}: Mallocs")
            same(process["totals"][BYTES], stats["total_alloc"], f"{what}: TotalAlloc")
            check_classes(process, stats, what)
            refills = sum(sample["values"][REFILLS] for sample in recording["samples"])
            same(refills, process["totals"][REFILLS], f"{what}: the rows' refills")
            assert refills > 100 and process["totals"][CENTRAL_GROWS] > 50, process["totals"]
            assert process["totals"][HEAP_GROWS] > 0, process["totals"]


def test_every_allocation_is_counted_once_with_its_line_from_the_first_on(t):
    harness.require_root()
    for version in go_programs.versions():
        for variant in go_programs.SHIPPED:
            stats, recording = record_started(t, version, variant, "--rate", "1")
            process, what = recording["processes"][0], f"{version} {variant}"
            check_exact(process, what)
            same(process["totals"][OBJECTS], stats["mallocs"], f"{what}: Mallocs")
            same(sum(s["values"][OBJECTS] for s in recording["samples"]), stats["mallocs"], f"{what}: sum of the rows")
            check_sites(recording, (1, ROUNDS), 1, what)


def test_attaching_to_a_quiet_process_is_exact_at_both_rates(t):
    harness.require_root()
    for version in go_programs.versions():
        for variant in go_programs.SHIPPED[1:]:
            for rate in ("0", "1"):
                phase, recording = record_quiet(t, version, variant, "--rate", rate)
                process, what = recording["processes"][0], f"{version} {variant} rate {rate}"
                check_exact(process, what)
                phase.equals(process["totals"][OBJECTS], "mallocs", f"{what}: Mallocs")
                if rate == "0":
                    phase.equals(process["totals"][BYTES], "total_alloc", f"{what}: TotalAlloc")
                    check_classes(process, phase.least, what, phase.most)
                else:
                    check_sites(recording, (ROUNDS,), 1, what)


def test_threads_collections_and_growing_stacks_do_not_count_twice(t):
    harness.require_root()
    for version in go_programs.versions():
        for rate in ("0", "1"):
            stats, recording = record_started(t, version, "stripped", "--rate", rate,
                                              arguments=("-parallel", "4", "-gc"))
            process, what = recording["processes"][0], f"{version} rate {rate}"
            same(process["totals"][OBJECTS], stats["mallocs"], f"{what}: Mallocs")
            same(process["check"]["difference"], 0, f"{what}: difference")
            if rate == "1":
                check_sites(recording, (1, ROUNDS), 4, what)


def test_cgo_and_race_builds_are_exact_too(t):
    harness.require_root()
    for version in go_programs.versions():
        for variant in ("cgo", "race"):
            for rate in ("0", "1"):
                stats, recording = record_started(t, version, variant, "--rate", rate)
                process, what = recording["processes"][0], f"{version} {variant} rate {rate}"
                same(process["totals"][OBJECTS], stats["mallocs"], f"{what}: Mallocs")
                same(process["check"]["difference"], 0, f"{what}: difference")


def test_a_program_that_links_little_of_the_runtime_is_exact(t):
    harness.require_root()
    profile, count = t.path("profile.pb.gz"), 20000
    for version in go_programs.versions():
        for rate in ("0", "1"):
            program = go_programs.build(version, "stripped", "small")
            t.escapement("record", "--rate", rate, "-o", profile, "--", program, count)
            recording = dump(t, profile)
            check_exact(recording["processes"][0], f"{version} rate {rate}")
            assert recording["processes"][0]["totals"][OBJECTS] > count
            if rate == "1":
                same(objects_by_line(recording, "small/main.go")[29], count, f"{version}: nodes")


def test_more_stacks_than_the_kernels_maps_hold_are_all_kept(t):
    harness.require_root()
    profile, depth, times = t.path("profile.pb.gz"), 16, 2
    program = go_programs.build(go_programs.versions()[-1], "stripped", "branches")
    t.escapement("record", "--rate", "1", "-o", profile, "--", program, depth, times)
    recording = dump(t, profile)
    check_exact(recording["processes"][0], "branches")
    leaves = [sample for sample in recording["samples"] if sample["type"] == "main.leaf"]
    same({sample["values"][OBJECTS] for sample in leaves}, {times}, "objects of each stack")
    same(len({json.dumps(sample["stack"]) for sample in leaves}), 2 ** depth, "stacks")
    same(sum(s["values"][OBJECTS] for s in recording["samples"]), recording["processes"][0]["totals"][OBJECTS],
         "sum of the rows")


def test_ending_with_busy_threads_stays_within_the_bound(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version in go_programs.versions():
        for rate in ("0", "1"):
            program = go_programs.build(version, "stripped", "small")
            for _ in range(3):
                t.escapement("record", "--rate", rate, "-o", profile, "--", program, 20000, "-busy")
                check = dump(t, profile)["processes"][0]["check"]
                assert check, f"{version} rate {rate}: no check"
                assert abs(check["difference"]) <= check["bound"] <= 5000, f"{version} rate {rate}: {check}"


def named(pids, program):
    """The one of these processes that runs the program, None if none does."""
    for pid in pids:
        with contextlib.suppress(OSError):
            if os.path.samefile(f"/proc/{pid}/exe", program):
                return pid
    return None


def test_a_program_that_is_killed_in_the_middle_of_an_allocation_stays_within_the_bound(t):
    harness.require_root()
    profile, version = t.path("profile.pb.gz"), go_programs.versions()[-1]
    program = go_programs.build(version, "stripped", "small")
    for _ in range(10):
        for rate in ("0", "1"):
            recorder = t.start(harness.ESCAPEMENT, "record", "--rate", rate, "-o", profile, "--", "sh", "-c",
                               f"{program} 1{9 * '0'} & wait")
            pid = harness.wait_for(lambda: named(harness.descendants(recorder.pid), program), "the program")
            harness.wait_until_run(pid)
            os.kill(pid, signal.SIGKILL)
            _, messages = recorder.communicate(timeout=harness.TIMEOUT)
            same(recorder.returncode, 0, f"record's exit status: {messages}")
            check = dump(t, profile)["processes"][0]["check"]
            assert abs(check["difference"]) <= check["bound"] < 2048, f"rate {rate}: {check}"  # one or two spans


def record_braked(t, version, variant):
    """Records at rate 1 until the overhead limit switches to sampling. Returns the program's counts and the profile's
    path."""
    process = t.start(go_programs.build(version, variant), "-wait", "-rounds", "50000")
    pid = json.loads(process.stdout.readline())["pid"]
    recorder, profile = start_recording(t, pid, "--rate", "1", "--max-overhead", "10")
    process.stdin.write("\n")
    process.stdin.flush()
    stats = delta(json.loads(process.stdout.readline()), json.loads(process.stdout.readline()))
    messages = recorder.end()
    process.kill()
    contains(messages, "the recording went on at --rate 512k")
    return stats, profile


def test_totals_are_exact_across_the_brake(t):
    """The overhead limit changes how rows are measured, but totals stay exact. They equal the program's own count plus
    the objects that it allocates to print that count."""
    harness.require_root()
    for version in go_programs.versions():
        for variant in ("profiled", "stripped"):
            stats, profile = record_braked(t, version, variant)
            report = t.json("report", profile)
            what = f"{version} {variant}: {report['totals']}, {report['check']}, the program: {stats}"
            same((len(report["target"]["processes"]), report["exact"]["totals"]), (1, True), what)
            check = report["check"]
            assert -check["bound"] <= report["totals"]["objects"] - stats["mallocs"] < 2000, what
            assert abs(check["difference"]) <= check["bound"], what
            difference = report["totals"]["objects"] - check["objects"] - check["outside"]
            assert abs(difference) <= check["bound"], what


def test_totals_rows_and_check_of_a_busy_program_are_of_the_same_instants(t):
    """What came between the two readings is told; no row's number is outside of its own interval."""
    harness.require_root()
    profile = t.path("profile.pb.gz")
    for version in go_programs.versions():
        process = t.start(go_programs.build(version, "stripped", "storm"), 2000)
        same(process.stdout.readline(), "ready\n")
        for rate in ("0", "1", "512k"):
            # a busy machine may not let the program allocate anything in the shortest time
            for duration in ("0.2", "2", "20"):
                t.escapement("record", "-q", "--max-overhead", "0", "--rate", rate, "--duration", duration, "-o", profile, "-p",
                             process.pid)
                report = t.json("report", profile)
                if report["totals"]["objects"]:
                    break
            check, what = report["check"], f"{version} rate {rate}: {report['check']}, {report['totals']}"
            assert check["objects"] > 0 and abs(check["difference"]) <= check["bound"], what
            same(sum(check[key] for key in ("objects", "difference", "outside")), report["totals"]["objects"], what)
            for row in report["rows"]:
                if "objects_low" in row and row["objects"] is not None:
                    assert row["objects_low"] <= row["objects"], (what, row)
                    assert row["objects_high"] is None or row["objects"] <= row["objects_high"], (what, row)
            same(any("objects_low" in row for row in report["rows"]), rate == "512k", f"{what}: rows with intervals")
            if rate == "1":
                same(sum(row["objects"] for row in report["rows"]), report["totals"]["objects"], what)
        process.kill()


def attach_again_and_again(t, version, times):
    """Attaches to a program under stress and detaches, that many times. The program verifies its own results, and must
    end normally."""
    process = t.start(go_programs.build(version, "stripped", "storm"), 2000)
    same(process.stdout.readline(), "ready\n")
    profile, objects = t.path("profile.pb.gz"), 0
    for i in range(times):
        rate = ("0", "1", "512k")[i % 3]
        t.escapement("record", "--max-overhead", "0", "--rate", rate, "--duration", "0.05", "-o", profile, "-p",
                     process.pid)
        same(process.poll(), None, f"{version}: the program's exit status after {i} attachments")
        recorded = dump(t, profile)["processes"][0]
        check = recorded["check"]
        assert abs(check["difference"]) <= check["bound"], f"{version} rate {rate}: {check}"
        objects += check["objects"]
    assert objects > 1000 * times, f"{version}: {objects} objects in {times} recordings"
    output = process.communicate("\n", timeout=harness.TIMEOUT)[0]
    same(process.returncode, 0, f"{version}: exit status; {output}")
    assert re.fullmatch(r"[1-9]\d* rounds right\n", output), f"{version}: {output}"


def test_a_busy_program_survives_attaching_again_and_again_and_is_counted_within_the_bound(t):
    harness.require_root()
    for version in go_programs.versions():
        attach_again_and_again(t, version, ATTACHMENTS)


def test_what_the_scheduler_allocates_without_a_goroutine_is_in_the_bound(t):
    """Recordings begin and end while the scheduler allocates what a new thread needs, and no goroutine runs."""
    harness.require_root()
    for version in go_programs.versions():
        process = t.start(go_programs.build(version, "stripped", "threads"))
        same(process.stdout.readline(), "ready\n")
        for i in range(2 * ATTACHMENTS):
            t.escapement("record", "--max-overhead", "0", "--rate", "1", "--duration", "0.02", "-o", t.path("profile"), "-p",
                         process.pid)
            check = dump(t, t.path("profile"))["processes"][0]["check"]
            assert abs(check["difference"]) <= check["bound"] < 2048, f"{version}, recording {i}: {check}"
        process.communicate("\n", timeout=harness.TIMEOUT)
        same(process.returncode, 0, f"{version}: exit status")


def test_profile_guided_builds_are_told_and_stay_exact(t):
    """Recent releases build the compiler itself with profile-guided optimization."""
    harness.require_root()
    profile = t.path("profile.pb.gz")
    go = harness.go_toolchain("1.24")
    compiler = go.parent.parent / "pkg" / "tool" / "linux_amd64" / "compile"
    for rate in ("0", "1"):
        done = t.escapement("record", "--rate", rate, "-o", profile, "--", compiler, "-V")
        contains(done.stderr, "inlined runtime.(*mcache).refill")
        recording = dump(t, profile)
        process = recording["processes"][0]
        check_exact(process, f"rate {rate}")
        assert process["totals"][OBJECTS] > 1000 and process["totals"][REFILLS] > 50, process["totals"]


MCACHE = [f"runtime.(*mcache).{name}" for name in ("refill", "releaseAll", "allocLarge")]
GUIDED = {"refill": MCACHE[:1], "mcache": MCACHE, "large": MCACHE[1:], "central": ["runtime.(*mcentral).cacheSpan"]}


def test_what_a_profile_inlined_of_the_allocator_is_told_and_done_without(t):
    harness.require_root()
    for version in ("1.21", go_programs.EVERYDAY[-1]) if go_programs.EVERYTHING else go_programs.versions()[-1:]:
        for name in GUIDED if go_programs.EVERYTHING else ("mcache",):
            program, profile = go_programs.build_guided(version, name, GUIDED[name]), t.path("profile.pb.gz")
            for rate in ("0", "1", "512k"):
                done = t.escapement("record", "--rate", rate, "-o", profile, "--", program, "-rounds", ROUNDS)
                stats, recording = json.loads(done.stdout.splitlines()[-1]), dump(t, profile)
                process, what = recording["processes"][0], f"{version} {name} rate {rate}"
                check_exact(process, what)
                same(process["totals"][OBJECTS], stats["mallocs"], f"{what}: Mallocs")
                for function in GUIDED[name]:
                    told = f"inlined {function}, which cannot be probed" in done.stderr
                    same(told, function in MCACHE and (rate == "0" or (rate == "1" and function == MCACHE[0])),
                         f"{what}: warning about {function}")
                if rate == "0":
                    same(process["totals"][BYTES], stats["total_alloc"], f"{what}: TotalAlloc")
                if rate == "1":
                    check_sites(recording, (1, ROUNDS), 1, what)
                if rate == "512k":  # the program is counted in bursts, which do not count refills
                    continue
                # cacheSpan counts the refills if refill is inlined.
                assert process["totals"][REFILLS] > 100, f"{what}: {process['totals']}"
                same(sum(sample["values"][REFILLS] for sample in recording["samples"]), process["totals"][REFILLS],
                     f"{what}: the rows' refills")


ALLGS_USERS = ("allgadd", "forEachG", "oneNewExtraM", "newproc1")  # their code contains the address of runtime.allgs


def test_goroutines_are_found_where_a_profile_inlined_who_lists_them(t):
    harness.require_root()
    guides = [("lists", ["runtime.allgadd", "runtime.forEachG"]), ("list", ["runtime.allgadd"])]
    for version in [version for version in go_programs.versions() if version != "1.19"]:
        for name, functions in guides if go_programs.EVERYTHING else guides[:1]:
            program, profile = go_programs.build_guided(version, name, functions), t.path("profile.pb.gz")
            names = t.run(harness.BUILD / "tests/tools/go_inspect", "names", program).stdout
            for function in functions:
                assert not re.search(rf" {function}$", names, re.M), f"{version}: {function} was not inlined"
            done = t.escapement("record", "--rate", "1", "-o", profile, "--", program, "-rounds", ROUNDS)
            check_exact(dump(t, profile)["processes"][0], f"{version} {name}")
            assert "no check" not in done.stderr, done.stderr


def test_where_goroutines_cannot_be_found_there_is_no_check_and_that_is_said(t):
    """A copy of the program with renamed runtime functions, as a later release may have."""
    harness.require_root()
    code = go_programs.build(go_programs.versions()[-1], "stripped").read_bytes()
    for function in ALLGS_USERS:
        assert f"\0runtime.{function}\0".encode() in code, f"no {function}"
        code = code.replace(f"\0runtime.{function}\0".encode(), f"\0runtime.{'x' * len(function)}\0".encode())
    program, profile = t.path("renamed"), t.path("profile.pb.gz")
    program.write_bytes(code)
    program.chmod(0o755)
    for rate in ("0", "1"):
        done = t.escapement("record", "--rate", rate, "-o", profile, "--", program, "-rounds", ROUNDS)
        process = dump(t, profile)["processes"][0]
        same(process["totals"][OBJECTS], json.loads(done.stdout.splitlines()[-1])["mallocs"], f"rate {rate}: Mallocs")
        if rate == "0":
            check_exact(process, f"rate {rate}")
        else:
            contains(done.stderr, "so allocations in flight are unknown: there is no check")
            same(process["check"], None, "check")


def test_pprof_shows_what_the_programs_own_profile_shows(t):
    """Compares a recording with Go's own profiler at MemProfileRate=1: the same functions and counts, except for tiny
    objects."""
    harness.require_root()
    for version in go_programs.versions():
        ours, theirs = t.path("ours.pb.gz"), t.path("theirs.pb.gz")
        program = go_programs.build(version, "plain", "selfprofile")
        t.escapement("record", "-q", "--rate", "1", "-o", ours, "--", program, theirs)
        go = harness.go_toolchain("1.24")
        tables = []
        for path in (ours, theirs):
            top = t.run(go, "tool", "pprof", "-sample_index=alloc_objects", "-top", "-nodecount=1000", "-focus=main.work",
                        path).stdout
            rows = re.findall(r"^ *(\d+) +[\d.]+% +[\d.]+% +(\d+) +[\d.]+% +(main\.\S+)(?: \(inline\))?$", top, re.M)
            tables.append({name: int(cumulative) for _, cumulative, name in rows})
        same(tables[0], tables[1], f"{version}: pprof -top")
        same(tables[0]["main.work"], 4 * 1000 + 8 * 1000, f"{version}: objects of main.work")


def test_types_carry_the_names_of_the_source(t):
    harness.require_root()
    for version in go_programs.versions():
        _, recording = record_started(t, version, "stripped", "--rate", "1")
        types = {}
        for sample in recording["samples"]:
            if sample["type"]:
                types[sample["type"]] = types.get(sample["type"], 0) + sample["values"][OBJECTS]
        for name in ("main.record", "main.point", "int", "uint8", "main.scaler"):
            assert types.get(name, 0) >= ROUNDS or name == "uint8", f"{version}: {name}: {types.get(name)}"
        # Per round: one literal, two inlined copies, one by reflect.New, one by the generic function. In every 16th
        # round also that of deepen.
        points = sum(-(-rounds // 16) for rounds in (1, ROUNDS)) + 5 * (ROUNDS + 1)
        # In old releases the type of a generic function's object is only known by its shape.
        told = types["main.point"] + sum(types[name] for name in types if "shape" in name and "main.x int" in name)
        # In some releases reflect.TypeOf boxes its argument on the heap.
        assert told - points in (0, 2), f"{version}: main.point: {told}, not {points}"


def test_without_stacks_every_allocation_is_counted_by_type(t):
    harness.require_root()
    for version in go_programs.versions():
        _, with_stacks = record_started(t, version, "stripped", "--rate", "1")
        last, without = record_started(t, version, "stripped", "--rate", "1", "--no-stacks")
        check_exact(without["processes"][0], f"{version} without stacks")
        counted = {}
        for recording, sign in ((with_stacks, 1), (without, -1)):
            for sample in recording["samples"]:
                same(sample["stack"] == [], sign < 0, f"{version}: no stack")
                if (sample["type"] or "").startswith(("main.", "*main.", "[]main.")):
                    counted[sample["type"]] = counted.get(sample["type"], 0) + sign * sample["values"][OBJECTS]
        assert len(counted) > 3 and not any(counted.values()), f"{version}: {counted}"


def test_stacks_are_complete_from_mallocgc_to_main(t):
    harness.require_root()
    for version in go_programs.versions():
        _, recording = record_started(t, version, "pie-stripped", "--rate", "1")
        stacks = [[frame[0] for frame in sample["stack"]] for sample in recording["samples"]
                  if sample["values"][OBJECTS]]
        literal = [stack for stack in stacks if "main.literal" in stack]
        assert literal, f"{version}: no stack of main.literal"
        for stack in literal:
            at = stack.index("main.literal")
            same(stack[at:], ["main.literal", "main.runSites", "main.phase", "main.main", "runtime.main",
                              "runtime.goexit"], f"{version}: callers")
            contains(stack[0], "runtime.mallocgc")
        deep = [stack for stack in stacks if stack.count("main.deepen") > 1]
        same([stack.count("main.deepen") for stack in deep], [41] * len(deep), f"{version}: recursion")


def test_stacks_of_the_program_reach_the_start_of_their_goroutine(t):
    """Goroutine stacks that grew or shrank may lie anywhere, even next to pages that were never touched."""
    harness.require_root()
    for version in go_programs.versions():
        for rate in ("0", "1"):
            _, recording = record_started(t, version, "stripped", "--rate", rate, arguments=("-parallel", "4", "-gc"))
            stacks = [[frame[0] for frame in sample["stack"]] for sample in recording["samples"]]
            ends = [stack[-1] for stack in stacks if any(name.startswith("main.") for name in stack)]
            assert len(ends) > 20, f"{version} rate {rate}: {len(ends)} stacks"
            same(set(ends), {"runtime.goexit"}, f"{version} rate {rate}: outermost frames")


def line_of(program, file, text):
    """Number of the line in a Go workload's source that contains this text."""
    source = (harness.ROOT / "tests" / "workloads" / "go" / program / file).read_text().splitlines()
    found = [number for number, line in enumerate(source, 1) if text in line]
    assert found, f"{text!r} is not in {file}"
    return found[0]


def test_stacks_on_the_system_stack_go_on_with_the_caller_on_the_goroutines(t):
    harness.require_root()
    statement = ("main.goroutine", line_of("sites", "sites.go", "go func() {"))
    for version in go_programs.versions():
        for variant, rate in (("pie-stripped", "1"), ("stripped", "0")):
            _, recording = record_started(t, version, variant, "--rate", rate, arguments=("-parallel", "16"))
            stacks = [[(name, line) for name, _, line in sample["stack"]] for sample in recording["samples"]]
            what = f"{version} rate {rate}"
            switches = 0
            for stack in stacks:
                names = [name for name, _ in stack]
                assert "runtime.mstart" not in names[:-1], f"{what}: behind where a thread begins: {names}"
                if "runtime.systemstack" not in names:
                    continue
                at = names.index("runtime.systemstack")
                closure = re.fullmatch(r"(.*)\.func\d+", names[at - 1])
                assert closure, f"{what}: {names}"
                caller, outer = names[at + 1:at + 3]
                if caller != closure[1]:  # the caller is inlined: the closure's name contains both functions, or, for one
                    # with a //go:linkname, "_" for the package
                    inlined = caller.removeprefix("runtime.")
                    caller = f"_.{inlined}" if closure[1].startswith("_.") else f"{outer}.{inlined}"
                same(caller, closure[1], f"{what}: caller of systemstack in {names}")
                switches += 1
            assert switches, f"{what}: no stack contains systemstack"
            started = [stack for stack in stacks if statement in stack and "runtime.newproc1" in dict(stack)]
            if rate == "1":
                assert started, f"{what}: no allocation of a go statement"
            for stack in started:
                same(stack[stack.index(statement) - 1][0], "runtime.newproc", f"{what}: {stack}")


def test_a_heap_that_grew_for_a_stack_shows_whose_stack_it_is(t):
    harness.require_root()
    check, call, start = (line_of("deep", "main.go", f"// {text}") for text in ("stack check", "recursion", "start"))
    for version in go_programs.versions():
        for variant in ("stripped", "pie"):
            program, profile = go_programs.build(version, variant, "deep"), t.path("profile.pb.gz")
            t.escapement("record", "--rate", "0", "-o", profile, "--", program)
            grown = [[(name, line) for name, _, line in sample["stack"]] for sample in dump(t, profile)["samples"]
                     if sample["values"][HEAP_GROWS] and any(name == "main.down" for name, _, _ in sample["stack"])]
            assert grown, f"{version} {variant}: no heap growth below main.down"
            for stack in grown:
                names = [name for name, _ in stack]
                at = names.index("runtime.morestack") + 1
                same(stack[at], ("main.down", check), f"{version} {variant}: function of the stack check")
                depth = names.count("main.down") - 1
                same(stack[at + 1:], [("main.down", call)] * depth + [("main.main", start)] + stack[-2:],
                     f"{version} {variant}: its callers")
                same(names[-2:], ["runtime.main", "runtime.goexit"], f"{version} {variant}: outermost frames")


def test_a_go_command_that_compiles_is_warned_of_with_a_remedy_that_works(t):
    harness.require_root()
    go, warning = harness.go_toolchain(go_programs.versions()[-1]), "most of what is recorded will be the compiler's"
    environment = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    for name, text in (("go.mod", "module example.com/codec\n\ngo 1.19\n"), ("codec.go", "package codec\n"), ("codec_test.go", CODEC_TEST)):
        t.path(name).write_text(text)

    def recorded(*command, status=0):
        return t.escapement("record", "--rate", "1", "-o", t.path("p.pb.gz"), "--", *command, status=status, env=environment).stderr

    contains(recorded(go, "test", "./none", status=3),
             "go test compiles, and " + warning + ": build the tests with 'go test -c', then record the test binary")
    for command, count in ((("env", "A=1", go, "test", "./none"), 1), ((go, "run", "./none"), 1), ((go, "build", "./none"), 1),
                           ((go, "-C", ".", "list", "./none"), 0), ((go, "test", "-exec", "env", "./none"), 0)):
        same(recorded(*command, status=3).count(warning), count, f"warnings of {command}")
    t.run(go, "test", "-c", "-o", t.path("codec.test"), ".", env=environment)
    same(recorded(t.path("codec.test")).count(warning), 0, "warnings of the remedy")
    rows = t.json("report", t.path("p.pb.gz"), "--by", "function", "--focus", "codec.TestKeep")["rows"]
    assert sum(row["objects"] for row in rows) >= 1000, rows


if __name__ == "__main__":
    harness.main()
