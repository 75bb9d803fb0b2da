#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an event costs the target at rate 1, beside the kernel's bare probe hit and beside nobody listening.

One process allocates all the time; observers come and go in turn, so that all cases see the same machine. Prints a
line a stack depth: medians in nanoseconds an allocation, and the ratio to the bare hit.

    tests/bench/probe_cost.py [ROUNDS]
"""
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
WINDOW = 0.4


class Target:
    def __init__(self, depth):
        self.path = BUILD / "tests/bench/probe_target"
        self.process = subprocess.Popen([self.path, str(depth)], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)

    def sample(self):
        """Median of what the target prints during a window, what it printed before left out."""
        self.process.stdout.read()
        time.sleep(WINDOW)
        lines = self.process.stdout.read().split()
        return statistics.median(map(float, lines[1:]))


def nobody(target):
    return target.sample()


def bare(target):
    observer = subprocess.Popen([BUILD / "tests/bench/bare_probe", str(target.process.pid), target.path, "alloc_sample"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    observer.stdout.readline()
    value = target.sample()
    observer.communicate("\n")
    return value


def recorded(target, *options):
    with tempfile.TemporaryDirectory() as directory:
        observer = subprocess.Popen([BUILD / "escapement", "record", "-q", "--rate", "1", *options, "-o",
                                     f"{directory}/p.pb.gz", "-p", str(target.process.pid)])
        time.sleep(0.5)
        value = target.sample()
        observer.send_signal(signal.SIGINT)
        observer.wait()
    return value


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    cases = {"nobody": nobody, "bare hit": bare, "counts": lambda target: recorded(target, "--no-stacks"),
             "stacks": recorded}
    print("depth  " + "".join(f"{name:>12}" for name in cases) + "   counts/bare  stacks/bare")
    for depth in (2, 5, 12, 25):
        target = Target(depth)
        values = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                values[name].append(case(target))
        target.process.kill()
        target.process.wait()
        median = {name: statistics.median(values[name]) for name in cases}
        cost = {name: median[name] - median["nobody"] for name in cases}
        # main, its two callers in libc, _start and the loop itself stand below the recursion
        print(f"{depth + 6:5}  " + "".join(f"{median[name]:12.0f}" for name in cases) +
              f"{cost['counts'] / cost['bare hit']:14.2f}{cost['stacks'] / cost['bare hit']:13.2f}", flush=True)


if __name__ == "__main__":
    main()
