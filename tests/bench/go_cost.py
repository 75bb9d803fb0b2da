#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What recording costs Go programs: `go_cost.py [TABLE...]`, each table from one run in which all cases take turns.

    loop       a loop that does nothing but allocate 64-byte objects, beside what people use today
    event      one allocation at --rate 1 and one refill at --rate 0, beside bare probe hits at the same instructions
    programs   the go command compiling, a JSON server under load
    phases     attaching and detaching; memory and CPU time of the profiler itself

CPU time of the target, because others use the machine. A ratio is made in each round from cases that ran within a
second of each other; printed are the median of the rounds' ratios and an interval that holds the true median with a
probability of 95 %. A recording that did not go on at the rate asked for, or lost events, ends the run.

Environment: ROUNDS (of each table), BENCH_GO (release, 1.24), BUILD.
"""
import json
import math
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import go_programs  # noqa: E402
import harness  # noqa: E402

BUILD = harness.BUILD
VERSION = os.environ.get("BENCH_GO", "1.24")
WINDOW = 0.3  # seconds of CPU time a measurement
DEPTH = 8


# ---- ratios ----

def interval(values):
    """Median, and the order statistics that hold the true median with a probability of at least 95 %."""
    values = sorted(values)
    count = len(values)
    below, rank = 0.0, 0
    while rank < count // 2:
        below += math.comb(count, rank) / 2 ** count
        if below > 0.025:
            break
        rank += 1
    low, high = (values[rank - 1], values[count - rank]) if rank else (values[0], values[-1])
    return statistics.median(values), low, high


def verdict(low, high, limit):
    if limit is None:
        return ""
    return "met" if high <= limit else "missed" if low > limit else "undecided"


def print_ratio(name, values, limit, digits=3, extra=""):
    median, low, high = interval(values)
    wanted = "" if limit is None else f"{limit:.{2 if limit >= 1.1 else 3}f}"
    print(f"  {name:<44}{median:8.{digits}f}  [{low:.{digits}f}, {high:.{digits}f}]".ljust(76)
          + f"{wanted:>6} {verdict(low, high, limit)} {extra}".rstrip(), flush=True)


def rounds_of(default):
    return int(os.environ.get("ROUNDS", default))


# ---- observers ----

class Observer:
    """A process that looks at a target; `line` is what it says when it has attached."""

    def __init__(self, command, line, **options):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", **options)
        self.said = ""
        for text in self.process.stdout:
            self.said += text
            if line in text:
                return
        raise SystemExit(f"go_cost: {' '.join(map(str, command))}: {self.said}")

    def end(self, stop=signal.SIGINT):
        if stop:
            self.process.send_signal(stop)
        self.said += self.process.communicate()[0]
        return self.process.returncode


def bare(pid, program, function, frames=0):
    observer = Observer([BUILD / "tests/bench/bare_probe", pid, program, offset_of(program, function),
                         *([frames] if frames else [])], "attached")
    return lambda: observer.end(None)


def bpftrace(pid, program):
    observer = Observer(["bpftrace", "-p", pid, "-e",
                         f'BEGIN {{ printf("attached\\n"); }} uprobe:{program}:"runtime.mallocgc" {{ @[ustack] = count(); }}'],
                        "attached")
    time.sleep(1)  # BEGIN runs before the others are attached
    return observer.end


def check_profile(path, rate, said):
    """The recording is what was asked for, or the measurement is of something else."""
    report = json.loads(subprocess.run([BUILD / "escapement", "report", "--format", "json", path], check=True,
                                       capture_output=True).stdout)
    wrong = [key for key in ("events", "stacks") if report["lost"][key]]
    if rate in (0, 1) and report["rate"] != rate:
        wrong.append(f"rate {report['rate']}")
    if "max-overhead" in said or wrong:
        raise SystemExit(f"go_cost: recording at rate {rate}: {wrong} {said}")
    return report


class Recording:
    def __init__(self, pid, directory, *options):
        self.path = pathlib.Path(directory) / "profile.pb.gz"
        self.rate = int(options[options.index("--rate") + 1]) if "--rate" in options else None
        self.observer = Observer([BUILD / "escapement", "record", "-v", "--max-overhead", "0", *options, "-o", self.path,
                                  "-p", pid], "attached process")

    def end(self):
        status = self.observer.end()
        if status not in (0, 4):
            raise SystemExit(f"go_cost: escapement record: {self.observer.said}")
        self.report = check_profile(self.path, self.rate, self.observer.said)
        return self.report


# ---- a program that allocates for ever ----

def offset_of(program, function, cache={}):
    if program not in cache:
        text = subprocess.run([BUILD / "tests/tools/go_inspect", "points", program], check=True, capture_output=True,
                              text=True).stdout
        cache[program] = dict(re.findall(r"^(\S+) .*offset (\d+)$", text, re.M))
    return cache[program][function]


class Loop:
    """tests/workloads/go/loop; stopped while nobody measures it."""

    def __init__(self, variant="profiled", depth=DEPTH, size=64, **environment):
        self.program = go_programs.build(VERSION, variant, "loop")
        self.process = subprocess.Popen([self.program, str(depth), str(size)], stdout=subprocess.PIPE,
                                        env=dict(os.environ, **environment))
        self.pid = self.process.pid
        self.sample()
        self.pause()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def sample(self):
        return go_programs.loop_sample(self.process.stdout, WINDOW)

    def measure(self, attach=None):
        self.resume()
        end = attach(self) if attach else None
        value = self.sample()
        if end:
            end()
        self.pause()
        return value

    def close(self):
        self.resume()
        self.process.kill()
        self.process.wait()


def turns(cases, rounds):
    """{name: [value of each round]} of {name: function}; the order changes so that no case always follows another."""
    values = {name: [] for name in cases}
    for _ in range(rounds):
        for name in random.sample(list(cases), len(cases)):
            values[name].append(cases[name]())
    return values


def recorded(directory, *options):
    return lambda loop: Recording(loop.pid, directory, *options).end


def difference(a, b):
    return [x - y for x, y in zip(a, b)]


def quotient(a, b):
    return [x / y for x, y in zip(a, b)]


def table_event(directory):
    """--rate 1 beside a bare hit at mallocgc, --rate 0 beside a bare hit with a stack at refill."""
    loop = Loop("plain")
    program = loop.program
    malloc, refill = "runtime.mallocgc", "runtime.(*mcache).refill"
    cases = {"nobody": lambda: loop.measure(),
             "bare": lambda: loop.measure(lambda l: bare(l.pid, program, malloc)),
             "bare stack": lambda: loop.measure(lambda l: bare(l.pid, program, malloc, DEPTH)),
             "counts": lambda: loop.measure(recorded(directory, "--rate", "1", "--no-stacks")),
             "stacks": lambda: loop.measure(recorded(directory, "--rate", "1"))}
    try:
        values = turns(cases, rounds_of(9))
    finally:
        loop.close()
    cost = {name: difference(values[name], values["nobody"]) for name in values}
    print(f"\none allocation of 64 bytes, {DEPTH} frames: nanoseconds more than with nobody "
          f"({statistics.median(values['nobody']):.1f})")
    for name in ("bare", "bare stack", "counts", "stacks"):
        print_ratio(name, cost[name], None, 0)
    print("in units of a bare hit")
    print_ratio("--rate 1 --no-stacks", quotient(cost["counts"], cost["bare"]), 1.15)
    print_ratio("--rate 1", quotient(cost["stacks"], cost["bare"]), 3)
    print_ratio("a hit that takes the stack, keeps nothing", quotient(cost["bare stack"], cost["bare"]), None)


TABLES = {"event": table_event}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="escapement-bench-") as scratch:
        for table in sys.argv[1:] or TABLES:
            TABLES[table](scratch)
