#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `escapement heap --unreachable` finds from outside, beside what the process's own search finds at its end."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import harness
import test_leaks as leaks
from harness import contains, same, workload

EACH = os.environ.get("UNREACHABLE") == "each"


def start(t, program, case, **more):
    process = t.start(program, case, t.path("plugin.so"), "wait", env=leaks.environment(**more))
    same(process.stdout.readline(), "ready\n")
    return process


def search(t, process, *arguments, status=0):
    done = t.escapement("heap", "-p", process.pid, "--unreachable", "--format", "json", *arguments, status=status)
    return json.loads(done.stdout) if not status else done.stderr


def its_own(program, process):
    """{(function, how): (objects, bytes)} that the process reports when it ends"""
    text = process.communicate()[1]
    sums = {}
    for how in "directly", "indirectly":
        reports = re.compile(leaks.OURS.pattern.replace("(directly|indirectly)", f"({how})"))
        sums.update({(name, how): count for name, count in leaks.by_function(program, reports, r"(?m)^        (\w+) \(", text).items()})
    return sums


def from_outside(program, document):
    own = set(re.findall(r" T (\w+)", subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout))
    sums = collections.defaultdict(lambda: (0, 0))
    for row in document["rows"]:
        function = next((frame["function"] for frame in row["stack"] if frame["function"] in own), None)
        for how, prefix in ("directly", ""), ("indirectly", "indirectly_"):
            objects, size = row[f"{prefix}lost_objects"], row[f"{prefix}lost_bytes"]
            before = sums[function, how]
            if objects:
                sums[function, how] = before[0] + objects, before[1] + size
    return {key: count for key, count in sums.items() if count[0]}


def test_what_is_found_from_outside_is_what_the_process_finds_itself(t):
    program, _ = leaks.programs(t)
    for case in leaks.cases(t, program) if EACH else ["all"]:
        process = start(t, program, case)
        document = search(t, process, "--by", "stack")
        found = from_outside(program, document)
        same(found, its_own(program, process), case)
        same(sum(objects for objects, _ in found.values()),
             document["totals"]["lost_objects"] + document["totals"]["indirectly_lost_objects"], "in all")
        same((document["rate"], document["exact"]["rows"], document["stopped_ns"] > 0), (1, True, True))


def test_what_no_libgoalloc_publishes_is_refused_or_searched_within_its_bounds(t):
    for lie in [(what, seed) for what in ("search", "spans", "random") for seed in range(20 if EACH else 3)]:
        liar = t.start(workload("liar"), *map(str, lie))
        same(liar.stdout.readline(), "ready\n", lie)
        done = t.escapement("heap", "-p", liar.pid, "--unreachable", "--max-stop", "5s", status=None)
        assert done.returncode in (0, 3) and "Sanitizer" not in done.stderr, (lie, done)
        assert not done.returncode or (str(liar.pid) in done.stderr and "has ended" not in done.stderr), (lie, done.stderr)
        liar.kill()


def test_the_process_goes_on_as_it_was(t):
    """It is searched while its threads allocate, while it is stopped, and refused while another traces it or it is Go's."""
    program, _ = leaks.programs(t)
    process = start(t, program, "many_threads")
    os.kill(process.pid, signal.SIGSTOP)
    harness.wait_for(lambda: state(process) == "T", "it has stopped")
    same(search(t, process)["totals"]["lost_objects"], 20)
    same(state(process), "T")
    os.kill(process.pid, signal.SIGCONT)
    contains(search(t, process, "--max-stop", "0.000000001s", status=3), "--max-stop")
    same(search(t, process)["totals"]["lost_objects"], 20)
    same(process.communicate()[1].count("lost directly"), 1)
    same(process.returncode, 0)
    if shutil.which("strace"):
        process = start(t, program, "single")
        tracer = t.start("strace", "-o", t.path("trace"), "-p", process.pid)
        contains(tracer.stderr.readline(), "attached")
        contains(search(t, process, status=3), "(strace) traces it")


def state(process):
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]


def test_a_search_written_as_a_profile_is_read_back(t):
    program, _ = leaks.programs(t)
    process = start(t, program, "cycle_with_tail")
    search(t, process)
    t.escapement("heap", "-p", process.pid, "--unreachable", "--format", "pprof", "-o", t.path("lost.pb.gz"))
    document = t.json("report", "--format", "json", t.path("lost.pb.gz"))
    totals = search(t, process)["totals"]
    same((document["schema"], document["totals"]), ("escapement.unreachable/1", totals))
    same((totals["lost_objects"], totals["indirectly_lost_objects"]), (1, 3))
    text = t.escapement("report", t.path("lost.pb.gz")).stdout
    contains(text, "1 object lost directly")
    contains(text, "stopped for")


if __name__ == "__main__":
    harness.main()
