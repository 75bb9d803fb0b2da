#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The seed programs lowered to C allocate as Go 1.24's code does, and print their own counts."""
import json
import re
import shutil

import harness

ALLOCATING = {"newobject", "makeslice", "growslice", "convT", "convT16", "convT32", "convT64", "convTstring",
              "convTslice", "makemap", "makemap_small", "makechan", "newproc", "mallocgc", "concatstrings"}
# Objects and bytes that the Go programs allocate in their own functions in one round.
ONE_ROUND = {
    ("escape/escape.go", 6, 6): (1000, 8000),
    ("add/main.go", 8, 14): (0, 0),
    ("fmtptr/main.go", 10, 2): (1, 8),
    ("fmtval/main.go", 13, 22): (0, 0),
    ("simple/main.go", 17, 2): (1, 8),
    ("simple/main.go", 17, 5): (1, 8),
    ("slice/main.go", 12, 13): (1, 24),
    ("slice/main.go", 19, 13): (0, 0),
    ("slice/main.go", 24, 6): (1, 24),
    ("slice/main.go", 24, 15): (1, 32),
}


def sites(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def counts(text):
    return {(s["file"], s["line"], s["column"]): (s["objects"], s["bytes"]) for s in sites(text)}


def test_every_site_is_a_runtime_call_of_the_compiled_go_program_and_no_other_is(t):
    go = harness.go_toolchain("1.24")
    shutil.copytree(harness.FIXTURES / "seed-programs", t.path("seeds"))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE,
                   "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    compiled = []
    for program in sorted(path.name for path in t.path("seeds").iterdir() if path.is_dir()):
        t.run(go, "build", "-gcflags=-l", "-o", t.path(program + ".exe"), "./" + program, cwd=t.path("seeds"),
              env=environment)
        function = None
        for line in t.run(go, "tool", "objdump", "-s", "^main\\.", t.path(program + ".exe"),
                          env=environment).stdout.splitlines():
            if line.startswith("TEXT "):
                function = line.split()[1].removesuffix("(SB)")
            call = re.match(r"\s+(\S+):(\d+)\s.*CALL runtime\.(\w+)\(SB\)", line)
            if call and call[3] in ALLOCATING:
                compiled.append((f"{program}/{call[1]}", int(call[2]), function, "runtime." + call[3]))
    ours = sites(t.run(harness.workload("seeds"), "--print-counts").stdout)
    harness.same(sorted((s["file"], s["line"], s["function"], s["runtime_call"]) for s in ours), sorted(compiled),
                 "sites")


def test_one_round_allocates_what_the_go_programs_do(t):
    harness.same(counts(t.run(harness.workload("seeds"), "--print-counts").stdout), ONE_ROUND, "counts")


def test_counts_are_rounds_times_threads(t):
    for name in ("seeds", "seeds-shared"):
        output = t.run(harness.workload(name), "--print-counts", "--threads", 8, "--rounds", 25).stdout
        expected = {site: (200 * objects, 200 * size) for site, (objects, size) in ONE_ROUND.items()}
        harness.same(counts(output), expected, name)


def test_a_waiting_workload_is_quiet_at_both_ends(t):
    process = t.start(harness.workload("seeds"), "--wait-start", "--program", "simple", "--print-counts",
                      "--threads", 3)
    harness.same(process.stdout.readline(), "ready\n")
    process.stdin.write("go\n")
    process.stdin.flush()
    harness.same(process.stdout.readline(), "done\n")
    rest, _ = process.communicate("go\n", timeout=harness.TIMEOUT)
    harness.same([s["objects"] for s in sites(rest)], [3, 3])
    harness.same(process.returncode, 0)


def test_an_endless_run_stops_at_a_signal_and_prints_whole_rounds(t):
    process = t.start(harness.workload("seeds"), "--rounds", 0, "--sleep-us", 1000, "--wait-start", "--print-counts")
    harness.same(process.stdout.readline(), "ready\n")
    process.stdin.write("go\n")
    process.stdin.flush()
    process.terminate()
    rest, _ = process.communicate(timeout=harness.TIMEOUT)
    rounds = counts(rest)[("simple/main.go", 17, 2)][0]
    harness.same(counts(rest), {site: (rounds * objects, rounds * size)
                                for site, (objects, size) in ONE_ROUND.items()})


def test_rhythm_shares_are_those_of_its_pattern(t):
    output = t.run(harness.workload("rhythm"), "--pattern", "AABAC", "--repeat", 1000, "--rounds", 3, "--threads", 2,
                   "--print-counts").stdout
    harness.same([s["objects"] for s in sites(output)], [18000, 6000, 6000, 0, 0, 0, 0, 0])


harness.main()
