#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Out of memory: every command says what it was doing and exits with 3; a recording keeps the data that it has.

The tool under test is a build of the command line tool that counts its allocations and fails the Nth one
(tests/memory)."""
import os
import re
import resource

import harness
from harness import same

TOOL = harness.BUILD / "tests" / "memory" / "escapement"
SEEDS = harness.workload("seeds")
ESCAPE = harness.FIXTURES / "escape-output"


def run(t, allocation, command, status=None):
    return t.run(TOOL, *command, status=status, env={**os.environ, "FAIL_ALLOCATION": str(allocation), "TMPDIR": str(t.directory)})


def count(t, command):
    done = run(t, 0, command)
    assert done.returncode in (0, 1), done.stderr
    return int(re.search(r"allocations: (\d+)", done.stderr).group(1))


EVERY = bool(os.environ.get("EVERY_ALLOCATION"))


def chosen(total, step=1):
    """Numbers of the allocations to fail: the first 12, about 12 evenly spaced ones, and the last, and each `step`th of these; all
    of them if EVERY_ALLOCATION is set."""
    if EVERY:
        return list(range(1, total + 1))
    return sorted({*range(1, min(total, 12) + 1), *range(1, total + 1, max(1, total // 12)), total})[::step]


def fails_everywhere(t, command):
    total = count(t, command)
    assert total > 0
    for n in chosen(total):
        done = run(t, f"{n}+", command)
        assert done.returncode == 3, f"allocation {n} of {total}: status {done.returncode}: {done.stderr}"
        assert "out of memory while running 'escapement " + command[0] + "'" in done.stderr, done.stderr


def recorded(t):
    profile = t.path("seeds.pb.gz")
    t.run(harness.ESCAPEMENT, "record", "-q", "--in-process", "-o", profile, "--", SEEDS)
    return profile


def test_reading_compiler_output_without_memory(t):
    output = sorted(path for path in ESCAPE.rglob("*") if path.is_file() and "m2" in path.name)[0]
    fails_everywhere(t, ["escapes", output])
    fails_everywhere(t, ["escapes", "--format", "json", output])


def test_reports_without_memory(t):
    profile = recorded(t)
    for form in "text", "json", "csv", "folded":
        fails_everywhere(t, ["report", "--format", form, profile])


def test_gates_without_memory(t):
    profile = recorded(t)
    for form in "text", "json", "sarif", "markdown":
        fails_everywhere(t, ["gate", "compare", "--format", form, profile, profile])


def test_a_file_with_a_line_that_memory_has_no_room_for_is_not_taken_for_shorter(t):
    if harness.SANITIZED:
        raise harness.Skip("AddressSanitizer needs terabytes of addresses")
    profile, lines = recorded(t), t.path("lines")
    with open(lines, "w") as file:
        file.write("#" * (96 << 20) + "\nnonsense\n")
    for command in (["gate", "compare", "--policy", lines, profile, profile], ["agent", "--config", lines]):
        done = t.escapement(*command, status=3,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (128 << 20, 128 << 20)))
        same(done.stderr, f"escapement: out of memory while running 'escapement {command[0]}'\n")


def test_audits_without_memory(t):
    profile = recorded(t)
    output = ESCAPE / "seeds.go1.24.m2.txt"
    for form in "text", "json", "sarif", "csv":
        fails_everywhere(t, ["audit", "--escape", output, "--format", form, profile])


def test_pages_without_memory(t):
    fails_everywhere(t, ["html", "-o", t.path("page.html"), recorded(t)])


def test_a_gate_of_a_program_without_memory_is_ended_with_a_message(t):
    baseline = t.path("allocs.json")
    gate = ["gate", "--in-process", "--baseline", baseline]
    t.run(harness.ESCAPEMENT, *gate, "--update", "--", SEEDS)
    kept = baseline.read_bytes()
    command = [*gate, "--", SEEDS]
    total = count(t, command)
    for n in chosen(total, 2):
        done = run(t, f"{n}+", command)
        assert done.returncode == 3, f"allocation {n} of {total}: status {done.returncode}: {done.stderr}"
        assert "out of memory while " in done.stderr, done.stderr
        assert baseline.read_bytes() == kept


def test_a_gate_that_probes_a_program_without_memory_judges_nothing(t):
    """A single failed allocation ends the recording early, so its counts are too small to be compared or kept. The gate
    may only go on if the allocation fails after the end of the run; then it must print the usual result."""
    harness.require_root()
    baseline = t.path("allocs.json")
    gate = ["gate", "--runs", "1", "--baseline", baseline]
    t.run(harness.ESCAPEMENT, *gate, "--update", "--", SEEDS)
    kept = baseline.read_bytes()
    for command in [*gate, "--", SEEDS], [*gate, "--update", "--", SEEDS]:
        total = count(t, command)
        whole = t.run(harness.ESCAPEMENT, *command).stdout
        refused = 0
        for n in [*chosen(total, 4), f"{total // 2}+"]:
            done = run(t, n, command)
            said = "out of memory while" in done.stderr or "Cannot allocate memory" in done.stderr
            refused += done.returncode == 3 and said
            assert (done.returncode == 3 and said) or (done.returncode == 0 and done.stdout == whole), \
                f"allocation {n} of {total}: status {done.returncode}: {done.stdout}{done.stderr}"
            assert baseline.read_bytes() == kept
        assert refused > 1, "hardly any failed allocation belonged to the recording"


def test_a_recording_without_memory_is_ended_and_kept(t):
    """libbpf does without the source lines of BPF programs if there is no memory for them: then the recording is whole."""
    harness.require_root()
    command = ["record", "--rate", "1", "-o", t.path("out.pb.gz"), "--", SEEDS]
    total = count(t, command)
    whole = t.json("report", t.path("out.pb.gz"))["totals"]["objects"]
    kept = refused = 0
    numbers = chosen(total, 3)
    for n in numbers:
        t.path("out.pb.gz").unlink(missing_ok=True)
        done = run(t, n, command)
        if done.returncode == 0:
            same(t.json("report", t.path("out.pb.gz"))["totals"]["objects"], whole, f"allocation {n} of {total}: objects")
            continue
        refused += 1
        # The BPF skeleton's code allocates too; such a failure is reported as an error while loading.
        said = "out of memory while" in done.stderr or "Cannot allocate memory" in done.stderr
        assert done.returncode == 3 and said, \
            f"allocation {n} of {total}: status {done.returncode}: {done.stderr}"
        if "what was measured until then was kept" in done.stderr:
            kept += 1
            t.run(harness.ESCAPEMENT, "report", t.path("out.pb.gz"))
    assert kept, "no recording had data to keep"
    assert refused > len(numbers) / 2, f"{refused} of {len(numbers)} failed allocations were told"


harness.main()
