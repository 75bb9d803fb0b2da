#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What observation costs a program on libgoalloc, as ratios of CPU time.

One process allocates all the time; observers come and go in turn, so that all cases see the same machine. There are three
tables, with medians of the rounds, or for `programs` the least of them:

  events     an event at rate 1 and at rate 0, by stack depth: what recording adds to an allocation (at rate 0, to a
             refill), as a multiple of a bare probe hit, that is, of a BPF program that does nothing, on a nop;

  listening  the default rate and rate 0, by size: nanoseconds an allocation, and the ratio to no observer;

  programs   Debian's programs on libgoalloc-preload, recorded at the default rate from start to end, as a multiple of the
             same programs without recording.

Every recording is checked: the benchmark ends if one has no events, lost some, or has changed its rate.

    tests/bench/probe_cost.py [ROUNDS [TABLE...]]
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from programs_table import PROGRAMS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
WINDOW = 0.4
TARGET = BUILD / "tests/bench/probe_target"
PRELOAD = BUILD / "libgoalloc-preload.so"
ESCAPEMENT = BUILD / "escapement"
DEFAULT_RATE = 512 << 10
RECORDED_PROGRAMS = ("python3", "perl", "sqlite3", "git")


def read_report(path, rate):
    """Returns a recording's report after checking that it is of the right kind."""
    report = json.loads(subprocess.run([ESCAPEMENT, "report", "--format", "json", path], check=True,
                                       stdout=subprocess.PIPE).stdout)
    if report["rate"] != rate:
        sys.exit(f"probe_cost: the recording went from rate {rate} to {report['rate']}: nothing was measured")
    if report["lost"] != {"events": 0, "stacks": 0}:
        sys.exit(f"probe_cost: a recording at rate {rate} lost {report['lost']}")
    if not report["totals"]["objects"] or (rate and not any(row["objects"] for row in report["rows"])):
        sys.exit(f"probe_cost: a recording at rate {rate} saw no events")
    return report


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
        pairs = []
        while len(pairs) < 3:
            time.sleep(WINDOW)
            lines = (self.process.stdout.read() or b"").decode().splitlines()[1:-1]
            pairs += [tuple(map(float, line.split())) for line in lines if line.count(" ") == 1]
        return tuple(map(statistics.median, zip(*pairs)))

    def nobody(self):
        return (*self.sample(), 0)

    def bare(self):
        observer = subprocess.Popen([BUILD / "tests/tools/bare_probe", str(self.process.pid), TARGET, self.bare_offset],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        observer.stdout.readline()
        values = self.sample()
        observer.communicate("\n")
        return (*values, 0)

    def recorded(self, rate, *options):
        """The same two, and refills an allocation."""
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/p.pb.gz"
            observer = subprocess.Popen([ESCAPEMENT, "record", "-q", "--max-overhead", "0", "--rate", str(rate), *options,
                                         "-o", path, "-p", str(self.process.pid)])
            time.sleep(0.8)  # attached by then
            values = self.sample()
            observer.send_signal(signal.SIGINT)
            if observer.wait() != 0:
                sys.exit(f"probe_cost: a recording at rate {rate} ended with status {observer.returncode}")
            totals = read_report(path, rate)["totals"]
        return (*values, totals["refills"] / totals["objects"])


def interleaved(target, cases, rounds):
    """{name: medians of (allocation, bare call, refills an allocation)} of cases {name: function}, run in turn."""
    values = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            values[name].append(case(target))
    return {name: tuple(map(statistics.median, zip(*rows))) for name, rows in values.items()}


def events(rounds):
    print("64-byte objects: an event compared with a bare probe hit\n"
          "  rate  frames  nobody ns  bare hit ns  counts ns  stacks ns  counts/bare  stacks/bare")
    for rate in (1, 0):
        cases = {"nobody": Target.nobody, "bare": Target.bare,
                 "counts": lambda target: target.recorded(rate, "--no-stacks"),
                 "stacks": lambda target: target.recorded(rate)}
        for depth in (2, 10, 26):
            with Target(depth, 64) as target:
                median = interleaved(target, cases, rounds)
            base, hit = median["nobody"][0], median["bare"][1] - median["nobody"][1]
            if rate == 0 and not median["counts"][2]:
                sys.exit("probe_cost: a recording at rate 0 saw no events")
            cost = {name: (median[name][0] - base) / (1 if rate == 1 else median[name][2])
                    for name in ("counts", "stacks")}
            # below the recursion: measure, main, two frames of libc and _start
            print(f"{rate:6}{depth + 6:8}{base:11.1f}{hit:13.0f}{cost['counts']:11.0f}{cost['stacks']:11.0f}"
                  f"{cost['counts'] / hit:13.2f}{cost['stacks'] / hit:13.2f}", flush=True)


def listening(rounds):
    print("\nlistening all the time: ns an allocation, and the ratio to nobody; rate 0 tells refills, of which pairs of\n"
          "large objects make none\n"
          "  size  nobody ns  default ns   rate 0 ns  default  rate 0  refills")
    cases = {"nobody": Target.nobody, "default": lambda target: target.recorded(DEFAULT_RATE),
             "rate 0": lambda target: target.recorded(0)}
    for size in (16, 64, 256, 1024, 8192):
        with Target(2, size) as target:
            median = interleaved(target, cases, rounds)
        base = median["nobody"][0]
        print(f"{size:6}{base:11.2f}{median['default'][0]:12.2f}{median['rate 0'][0]:12.2f}"
              f"{median['default'][0] / base:9.3f}{median['rate 0'][0] / base:8.2f}"
              f"{median['rate 0'][2]:9.4f}", flush=True)


def run_child(path, command):
    """Runs a program on the preloaded library and leaves the CPU seconds of it and its children in a file."""
    pid = os.posix_spawnp(command[0], command, {**os.environ, "LC_ALL": "C", "LD_PRELOAD": str(PRELOAD)})
    _, status, usage = os.wait4(pid, 0)
    pathlib.Path(path).write_text(str(usage.ru_utime + usage.ru_stime))
    sys.exit(os.waitstatus_to_exitcode(status))


def program_seconds(command, directory, observer=()):
    path = f"{directory}/seconds"
    subprocess.run([*observer, sys.executable, __file__, "--child", path, *command], check=True, cwd=directory,
                   stdout=subprocess.DEVNULL)
    return float(pathlib.Path(path).read_text())


def programs(rounds):
    print("\nprograms recorded at the default rate: CPU seconds, and the ratio to not recorded\n"
          "   program  not recorded  recorded  ratio")
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/p.pb.gz"
        for name in RECORDED_PROGRAMS:
            quiet, recorded = [], []
            for _ in range(rounds):
                quiet.append(program_seconds(PROGRAMS[name], directory))
                recorded.append(program_seconds(PROGRAMS[name], directory,
                                                (ESCAPEMENT, "record", "-q", "-o", path, "--")))
                read_report(path, DEFAULT_RATE)
            # a ratio of the least times, because other work on the machine only adds to them
            print(f"{name:>10}{min(quiet):14.3f}{min(recorded):10.3f}{min(recorded) / min(quiet):7.3f}", flush=True)


TABLES = {"events": events, "listening": listening, "programs": programs}


def main():
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2], sys.argv[3:])
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    for name in sys.argv[2:] or TABLES:
        TABLES[name](rounds)


if __name__ == "__main__":
    main()
