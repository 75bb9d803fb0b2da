#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Go releases that are not in the version table, simulated by changing the version in a program's file. If the code of
the allocator agrees with a known release, everything works; otherwise a message says what still works."""
import json
import pathlib
import re

import go_programs
import harness
import test_go_record as records
from harness import contains, same

INSPECT = harness.BUILD / "tests" / "tools" / "go_inspect"
# the version written into the program; the known release with the same layouts
EDITS = [("1.19", "go1.20", "1.19"), ("1.21", "go1.20", "1.21"), ("1.24", "go1.20", "1.24"), ("1.23", "go1.29", "1.23"),
         ("1.24", "go1.99", "1.24"), ("1.27", "go1.99", "1.27"), ("1.27", "goX.Y?", "1.27"), ("1.24", "goX.Y?", "1.24")]

TEXT = 0x400000  # address at which the start of the file is mapped


def edited(t, version, text, change=lambda t, data: data):
    """Copies the program and changes the version in its build information and in runtime.buildVersion."""
    data = go_programs.build(version, "stripped").read_bytes()
    name = re.search(rb"go1\.\d\d\.\d+", data)[0]
    assert name.startswith(f"go{version}".encode()), name
    program = t.path("edited")
    program.write_bytes(change(t, data.replace(name, text.encode().ljust(6) + name[6:])))
    program.chmod(0o755)
    return program


def record(t, program, rate, status=0):
    profile = t.path("profile.pb.gz")
    done = t.escapement("record", "--rate", rate, "-o", profile, "--", program, "-rounds", records.ROUNDS, status=status)
    return done, None if status else records.dump(t, profile)


def test_an_unknown_version_works_where_the_code_agrees_with_a_known_one(t):
    harness.require_root()
    for version, text, row in EDITS:
        if not go_programs.EVERYTHING and version not in (*go_programs.versions(), "1.21"):
            continue
        program, what = edited(t, version, text), f"{version} as {text}"
        info = dict(line.partition(" ")[::2] for line in t.run(INSPECT, "info", program).stdout.splitlines())
        same(info["known"], "0", f"{what}: known")
        for rate in ("0", "1", "512k"):
            done, recording = record(t, program, rate)
            stats, process = json.loads(done.stdout.splitlines()[-1]), recording["processes"][0]
            records.check_exact(process, f"{what} rate {rate}")
            same(process["totals"][records.OBJECTS], stats["mallocs"], f"{what} rate {rate}: Mallocs")
            if rate == "1":
                records.check_sites(recording, (1, records.ROUNDS), 1, what)
            else:
                same(process["totals"][records.BYTES], stats["total_alloc"], f"{what} rate {rate}: TotalAlloc")


def moved_field(t, data):
    """Changes the offset at which refill clears mspan.allocCountBeforeCache, as if the field had moved."""
    names = t.run(INSPECT, "names", go_programs.build("1.27", "stripped")).stdout
    start, end = re.search(r"^(\w+) (\w+) runtime\.\(\*mcache\)\.refill$", names, re.M).groups()
    start, end = int(start, 16) - TEXT, int(end, 16) - TEXT
    code, count = re.subn(rb"(\x66\xc7[\x40-\x47])\x66(\x00\x00)", lambda found: found[1] + b"\x65" + found[2],
                          data[start:end])
    same(count, 1, "fields cleared")
    return data[:start] + code + data[end:]


def test_what_no_release_agrees_with_is_told_and_every_allocation_still_counted(t):
    harness.require_root()
    program = edited(t, "1.27", "go1.99", moved_field)
    for rate in ("0", "512k"):
        done, _ = record(t, program, rate, status=3)
        contains(done.stderr, "has a layout that no known Go release has: slow-path events and totals cannot be read; --rate 1 "
                              "still counts every allocation")
    done, recording = record(t, program, "1")
    contains(done.stderr, "has a layout that no known Go release has: there is no check")
    assert "ended before" not in done.stderr, done.stderr
    process = recording["processes"][0]
    same((process["check"], process["lost"]), (None, {"events": 0, "stacks": 0}), "check and lost")
    records.check_sites(recording, (1, records.ROUNDS), 1, "unknown layout")


def test_the_table_has_the_first_elements_of_all_paths_of_the_standard_library(t):
    known = set(t.run(INSPECT, "packages", "-").stdout.split())
    found = set()
    for version in harness.go_releases("record"):
        root = pathlib.Path(t.run(harness.go_toolchain(version), "env", "GOROOT").stdout.strip()) / "src"
        first = {path.relative_to(root).parts[0] for path in root.glob("*/**/*.go")} - {"builtin"}  # documentation
        same(first - known, set(), f"Go {version}: packages that are in no row")
        found |= first
    same(known - found, set(), "packages that are in no release")


if __name__ == "__main__":
    harness.main()
