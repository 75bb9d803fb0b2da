#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A Go process's own counters, read from its memory without any probe, equal those that the program prints."""
import json

import go_programs
import harness
from harness import same
from test_go_record import equals

INSPECT = harness.BUILD / "tests" / "tools" / "go_inspect"


def compare(t, version, variant, *arguments):
    process = t.start(go_programs.build(version, variant), "-wait", *arguments)
    for marks in (("ready", "before"), ("after", "end")):  # it waits between the two
        said = json.loads(process.stdout.readline())
        read = json.loads(t.run(INSPECT, "statistics", process.pid).stdout)
        process.stdin.write("\n")
        process.stdin.flush()
        later = json.loads(process.stdout.readline())
        what = f"{version} {variant} {' '.join(arguments)} {marks[0]}"
        same((said["mark"], later["mark"]), marks)
        same(read["unsettled"], 0, f"{what}: unsettled")
        equals(read["mallocs"], said["mallocs"], later["mallocs"], f"{what}: Mallocs")
        equals(read["total_alloc"], said["total_alloc"], later["total_alloc"], f"{what}: TotalAlloc")
        for size, count in said["by_size"].items():
            if size != "0":
                equals(read[size], count, later["by_size"][size], f"{what}: objects of {size} bytes")


def test_they_equal_MemStats_in_every_variant(t):
    for version in go_programs.versions():
        for variant in go_programs.variants(version):
            compare(t, version, variant, "-rounds", "200")


def test_they_equal_MemStats_with_threads_and_collections(t):
    for version in go_programs.versions():
        compare(t, version, "stripped", "-rounds", "300", "-parallel", "8", "-gc")


def test_the_rate_of_the_runtimes_sampler_is_found(t):
    for version in go_programs.versions():
        for variant, rate in (("profiled", 512 * 1024), ("stripped", 0), ("pie-stripped", 0)):
            process = t.start(go_programs.build(version, variant), "-wait")
            process.stdout.readline()
            read = json.loads(t.run(INSPECT, "statistics", process.pid).stdout)
            same(read["profile_rate"], rate, f"{version} {variant}: MemProfileRate")


if __name__ == "__main__":
    harness.main()
