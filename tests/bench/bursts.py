#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How many intervals of recordings in bursts contain what the program counts itself.

`bursts.py [RUNS [VERSION...]]` prints for each kind of program (tests/workloads/go/phases) and each limit how much of the
time was covered, how many of the sites' intervals contained the program's own count, how many counts were above and below
their interval, and the intervals' median width as a multiple of the estimate.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import go_programs  # noqa: E402
import harness  # noqa: E402

SLACK = 40  # the recording begins a moment before the first count and ends a moment after the second
SECONDS = 6


def counts(program):
    program.stdin.write("\n")
    program.stdin.flush()
    return json.loads(program.stdout.readline())


def record(directory, version, kind, limit):
    """The rows by function of one recording, what the program counted, and the part of the time that was covered."""
    program = subprocess.Popen([go_programs.build(version, "stripped", "phases"), kind], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        program.stdout.readline()
        recorder = subprocess.Popen([harness.ESCAPEMENT, "record", "-v", "--max-overhead", limit, "-o", directory / "p",
                                     "-p", str(program.pid)], stderr=subprocess.PIPE, text=True)
        while "attached process" not in recorder.stderr.readline():
            pass
        before = counts(program)
        time.sleep(SECONDS)
        after = counts(program)
        recorder.send_signal(2)
        recorder.communicate()
    finally:
        program.kill()
        program.wait()
    report = json.loads(subprocess.run([harness.ESCAPEMENT, "report", "--format", "json", "--by", "function",
                                        directory / "p"], capture_output=True, text=True, check=True).stdout)
    bursts = report["target"]["processes"][0]["bursts"]
    truth = {site: after[site] - before[site] for site in after if site != "turns"}
    return report["rows"], truth, bursts["covered_ns"] / bursts["recorded_ns"]


def measure(version, kind, limit, runs):
    held = above = below = 0
    widths, covered = [], []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(runs):
            rows, truth, part = record(pathlib.Path(directory), version, kind, limit)
            covered.append(part)
            for row in rows:
                if row["function"] not in truth or row["objects_high"] is None:
                    continue
                real = truth[row["function"]]
                above += real - SLACK > row["objects_high"]
                below += real + SLACK < row["objects_low"]
                held += row["objects_low"] <= real + SLACK and real - SLACK <= row["objects_high"]
                widths.append((row["objects_high"] - row["objects_low"]) / max(1, row["objects"]))
    total = held + above + below
    print(f"{version:7} {kind:7} {limit:>4} % {100 * statistics.mean(covered):7.1f} % {total:5} "
          f"{100 * held / max(1, total):6.1f} {above:6} {below:6} {statistics.median(widths) if widths else 0:8.2f}",
          flush=True)


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("release kind     limit  covered   rows   held  above  below    width")
    for version in sys.argv[2:] or go_programs.versions():
        for kind in ("phases", "rhythm", "steady"):
            for limit in ("5", "10"):
                measure(version, kind, limit, runs)


if __name__ == "__main__":
    main()
