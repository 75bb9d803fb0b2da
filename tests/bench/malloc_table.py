#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""malloc_table.py BUILD [CASE...]: libgoalloc beside other allocators, interleaved, as ratios of the least times, since
other work on the machine only adds, and of median peaks of memory.

ROUNDS (5) and MILLIONS (operations a run, 4) come from the environment. The peers are Debian's packages; missing ones
are left out with a message."""
import glob
import math
import os
import statistics
import subprocess
import sys

PEERS = [
    ("goalloc", None),
    ("glibc", ""),
    ("jemalloc", "/usr/lib/*/libjemalloc.so.2"),
    ("tcmalloc", "/usr/lib/*/libtcmalloc_minimal.so.4"),
    ("mimalloc", "/usr/lib/*/libmimalloc.so.2*"),
]
CASES = (
    [("pair", s) for s in (16, 64, 256, 1024, 8192)]
    + [("pair2", s) for s in (64, 1024)]
    + [("lifo", s) for s in (64, 1024, 8192)]
    + [("random", s) for s in (16, 64, 256, 1024, 8192)]
    + [("mixed", 0)]
    + [("producer-consumer", s) for s in (64, 1024)]
    + [("larson", 1000)]
    + [("reuse", s) for s in (16, 64, 1024)]
    # mimalloc-bench's
    + [("xmalloc", 512), ("cache-scratch", 8), ("cache-thrash", 8), ("sh6", 1000), ("sh8", 1000), ("alloc-test", 0),
       ("mstress", 512), ("rptest", 8000), ("malloc-large", 0)]
    # realloc
    + [("grow", 64), ("grow4", 64), ("append", 4096)]
)


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def allocators(build):
    """The allocators that are installed: their names, and what is preloaded for each."""
    found = []
    for name, pattern in PEERS:
        library = os.path.abspath(f"{build}/libgoalloc-preload.so") if pattern is None else (glob.glob(pattern) or [pattern])[0]
        if library and not os.path.exists(library):
            print(f"malloc_table: '{name}' is not installed, left out", file=sys.stderr)
        else:
            found.append((name, library))
    return found


def main():
    build = sys.argv[1]
    wanted = sys.argv[2:]
    rounds = int(os.environ.get("ROUNDS", "5"))
    operations = int(float(os.environ.get("MILLIONS", "4")) * 1e6)
    peers = allocators(build)
    cases = [c for c in CASES if not wanted or c[0] in wanted or f"{c[0]}-{c[1]}" in wanted]
    times = {(case, name): [] for case in cases for name, _ in peers}
    memory = {key: [] for key in times}
    refills_of = {}
    for _ in range(rounds):
        for case in cases:
            for name, library in peers:
                environment = dict(os.environ, **({"LD_PRELOAD": library} if library else {}))
                command = [f"{build}/tests/bench/malloc_cases", case[0], str(case[1]), str(operations)]
                out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
                nanoseconds, kib, refills = out.split()
                times[case, name].append(float(nanoseconds))
                memory[case, name].append(int(kib))
                if name == "goalloc":
                    refills_of[case] = float(refills)
    names = [name for name, _ in peers]
    print(f"ns an allocation and free, the least of {rounds} interleaved runs of {operations:,} operations; refills an allocation")
    print(f"{'case':<24}" + "".join(f"{n:>13}" for n in names) + f"{'ours/best':>11}{'refills':>9}")
    ratios = {n: [] for n in names}
    memory_ratios = {n: [] for n in names}
    best_memory, peaks = [], []
    for case in cases:
        t = {n: min(times[case, n]) for n in names}
        m = {n: statistics.median(memory[case, n]) for n in names}
        best = min(v for n, v in t.items() if n != "goalloc")
        label = f"{case[0]} {case[1] or ''}"
        print(f"{label:<24}" + "".join(f"{t[n]:>13.2f}" for n in names) + f"{t['goalloc'] / best:>11.2f}{refills_of[case]:>9.4f}")
        for n in names:
            ratios[n].append(t["goalloc"] / t[n])
            memory_ratios[n].append(m["goalloc"] / m[n])
        best = min(v for n, v in m.items() if n != "goalloc")
        best_memory.append(m["goalloc"] / best)
        peaks.append(f"{label:<24}" + "".join(f"{m[n]:>13.0f}" for n in names) + f"{best_memory[-1]:>11.2f}")
    print(f"{'time, ours to theirs':<24}" + "".join(f"{geometric_mean(ratios[n]):>13.3f}" for n in names))
    print("\nKiB of peak memory, the median")
    print("\n".join(peaks))
    print(f"{'ours to theirs':<24}" + "".join(f"{geometric_mean(memory_ratios[n]):>13.3f}" for n in names)
          + f"{geometric_mean(best_memory):>11.3f}")


if __name__ == "__main__":
    main()
