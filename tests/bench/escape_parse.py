#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast compiler output is parsed, and whether the cost grows linearly: 10^5, 10^6 and 10^7 lines of -m=2 output,
made of the seed programs' real output under new package names, so that no line repeats another; and, if one is
named on the command line, a real file (`escapement escapes --build --all --save FILE std cmd` makes one).

CPU seconds of one thread, reading from the page cache; medians of interleaved rounds. `cat`, which only moves the
bytes, runs in between as a measure of the machine's speed.
"""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
SEED = ROOT / "tests" / "fixtures" / "escape-output" / "seeds.go1.24.m2.txt"
SIZES = (10**5, 10**6, 10**7)
ROUNDS = int(os.environ.get("ROUNDS", "5"))


def write_lines(path, count):
    """Writes a block of lines repeatedly, each time with other names of packages and files."""
    block = SEED.read_text()
    lines = block.count("\n")
    names = ("escape", "add", "fmtptr", "fmtval", "simple", "noescape", "slice")
    with open(path, "w") as out:
        for copy in range(-(-count // lines)):
            text = block.replace("example.com/seeds/", f"example.com/m{copy}/")
            for name in names:
                text = text.replace(f"{name}/{'escape' if name == 'escape' else 'main'}.go", f"m{copy}/{name}/f.go")
            out.write(text)
    return path


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main():
    with tempfile.TemporaryDirectory(prefix="escapement-bench-") as directory:
        inputs = [write_lines(f"{directory}/{size}.txt", size) for size in SIZES] + sys.argv[1:]
        results = {path: [] for path in inputs}
        cats = {path: [] for path in inputs}
        for _ in range(ROUNDS):
            for path in inputs:
                before = children_cpu()
                subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
                cats[path].append(children_cpu() - before)
                done = subprocess.run([BUILD / "tests" / "bench" / "escape_parse", path], capture_output=True, text=True,
                                      check=True)
                results[path].append([float(field) for field in done.stdout.split()])
        print(f"{'lines':>10} {'MB':>7} {'annotations':>11} {'CPU s':>8} {'spread':>13} {'MB/s':>6} {'ns/line':>8} "
              f"{'RSS MB':>7} {'cat s':>6}")
        for path in inputs:
            lines, size, annotations, _, memory = results[path][0]
            times = sorted(result[3] for result in results[path])
            median = statistics.median(times)
            print(f"{lines:>10.0f} {size / 1e6:>7.0f} {annotations:>11.0f} {median:>8.3f} "
                  f"{times[0]:>6.3f}-{times[-1]:<6.3f} {size / 1e6 / median:>6.0f} {median * 1e9 / lines:>8.0f} "
                  f"{memory / 1024:>7.0f} {statistics.median(cats[path]):>6.3f}")


if __name__ == "__main__":
    main()
