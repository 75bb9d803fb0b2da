#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What listening costs a program on libgoalloc.

One process allocates all the time; observers come and go in turn, so that all cases see the same machine. Two tables,
both of medians over the rounds:

  an event at rate 1, by stack depth: nanoseconds an allocation with nobody listening, a bare probe hit (a program that
  does nothing, on a nop), and what recording adds to an allocation, as a multiple of that;

  the default rate and rate 0, by size: nanoseconds an allocation and the ratio to nobody listening.

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
TARGET = BUILD / "tests/bench/probe_target"


class Target:
    def __init__(self, depth, size):
        self.process = subprocess.Popen([TARGET, str(depth), str(size)], stdout=subprocess.PIPE)
        self.bare_offset = self.process.stdout.readline().decode().strip()
        os.set_blocking(self.process.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def sample(self):
        """Medians of (ns an allocation, ns a bare call) in a window; what was printed before is left out."""
        self.process.stdout.read()
        time.sleep(WINDOW)
        lines = self.process.stdout.read().decode().splitlines()[1:]
        pairs = [tuple(map(float, line.split())) for line in lines if line.count(" ") == 1]
        return tuple(map(statistics.median, zip(*pairs)))

    def nobody(self):
        return self.sample()

    def bare(self):
        observer = subprocess.Popen([BUILD / "tests/bench/bare_probe", str(self.process.pid), TARGET, self.bare_offset],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        observer.stdout.readline()
        values = self.sample()
        observer.communicate("\n")
        return values

    def recorded(self, *options):
        with tempfile.TemporaryDirectory() as directory:
            observer = subprocess.Popen([BUILD / "escapement", "record", "-q", *options, "-o", f"{directory}/p.pb.gz",
                                         "-p", str(self.process.pid)])
            time.sleep(0.6)  # attached by then
            values = self.sample()
            observer.send_signal(signal.SIGINT)
            observer.wait()
        return values


def interleaved(target, cases, rounds):
    """{name: median (allocation, bare call)} of cases {name: function}, run in turn."""
    values = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            values[name].append(case(target))
    return {name: tuple(map(statistics.median, zip(*rows))) for name, rows in values.items()}


def events(rounds):
    print("rate 1, 64-byte objects: an event beside a bare probe hit\n"
          "frames  nobody ns  bare hit ns  counts ns  stacks ns  counts/bare  stacks/bare")
    cases = {"nobody": Target.nobody, "bare": Target.bare,
             "counts": lambda target: target.recorded("--rate", "1", "--no-stacks"),
             "stacks": lambda target: target.recorded("--rate", "1")}
    for depth in (2, 10, 26):
        with Target(depth, 64) as target:
            median = interleaved(target, cases, rounds)
        base, hit = median["nobody"][0], median["bare"][1] - median["nobody"][1]
        cost = {name: median[name][0] - base for name in ("counts", "stacks")}
        # below the recursion: measure, main, two frames of libc and _start
        print(f"{depth + 6:6}{base:11.1f}{hit:13.0f}{cost['counts']:11.0f}{cost['stacks']:11.0f}"
              f"{cost['counts'] / hit:13.2f}{cost['stacks'] / hit:13.2f}", flush=True)


def listening(rounds):
    print("\nlistening all the time: ns an allocation, and the ratio to nobody\n"
          "  size  nobody ns  default ns   rate 0 ns  default  rate 0")
    cases = {"nobody": Target.nobody, "default": Target.recorded,
             "rate 0": lambda target: target.recorded("--rate", "0")}
    for size in (16, 64, 256, 1024, 8192):
        with Target(2, size) as target:
            median = interleaved(target, cases, rounds)
        base = median["nobody"][0]
        print(f"{size:6}{base:11.2f}{median['default'][0]:12.2f}{median['rate 0'][0]:12.2f}"
              f"{median['default'][0] / base:9.3f}{median['rate 0'][0] / base:8.2f}", flush=True)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    events(count)
    listening(count)
