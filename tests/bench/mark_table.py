#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Processor time of a search for lost objects beside LeakSanitizer's of the same objects, the least of interleaved rounds:
mark_table.py BUILD [MIB [ROUNDS]]. LeakSanitizer is given up after five minutes."""
import subprocess
import sys

ROUNDS, PATIENCE = 3, 300
build, size = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1024"
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
programs = [f"{build}/tests/bench/mark_cost", f"{build}/tests/bench/mark_cost_lsan"]


def measure(program, shape):
    try:
        done = subprocess.run([program, size, shape], capture_output=True, text=True, check=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return float("inf"), 0
    seconds, objects, lost = done.stdout.split()
    assert lost == "0", f"{program} {shape}: {lost} objects are lost"
    return float(seconds), int(objects)


print(f"{size} MiB of live objects, CPU seconds of a search\n")
print(f"{'':18} {'objects':>11} {'libgoalloc':>11} {'LeakSanitizer':>14} {'ratio':>7}")
for shape in subprocess.run([programs[0]], capture_output=True, text=True, check=True).stdout.splitlines():
    runs = [[measure(program, shape) for program in programs] for _ in range(rounds)]
    ours, theirs = (min(run[i][0] for run in runs) for i in (0, 1))
    print(f"{shape:18} {runs[0][0][1]:>11,} {ours:>11.2f} {theirs:>14.2f} {theirs / ours:>7.1f}", flush=True)
