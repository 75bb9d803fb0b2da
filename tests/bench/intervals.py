#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How many of the 95 % intervals of real programs contain what was counted in the same run.

`intervals.py [RUNS [PROGRAM...]]` prints a table: of all rows and of those with 1, 2 to 4, 5 to 15 and 16 or more
samples, how many there were, and in how many hundredths the true number lay inside, above and below.
"""
import collections
import csv
import io
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import go_programs  # noqa: E402
import harness  # noqa: E402

ORACLE = harness.BUILD / "tests" / "tools" / "estimate_oracle"
BINS = ((1, 1, "1"), (2, 4, "2-4"), (5, 15, "5-15"), (16, 10 ** 9, "16 and more"))


def bundler(directory):
    cache = harness.npm_packages("bundler", {"@esbuild/linux-x64": "latest", "lodash-es": "latest"})
    (directory / "entry.js").write_text("import * as all from 'lodash-es'; console.log(all);\n")
    (directory / "node_modules").symlink_to(cache / "node_modules")
    return [cache / "node_modules/@esbuild/linux-x64/bin/esbuild", "entry.js", "--bundle", "--outfile=out.js",
            "--log-level=error"]


def type_checker(directory):
    cache = harness.npm_packages("checker", {"@typescript/native-preview-linux-x64": "latest"})
    (directory / "a.ts").write_text("const e: Partial<Record<keyof HTMLElement, string>> = {id: 'a'}; console.log(e);\n")
    return [cache / "node_modules/@typescript/native-preview-linux-x64/lib/tsgo", "--noEmit", "--types", "", "a.ts"]


def known_shares(directory):
    return [go_programs.build(go_programs.versions()[-1], "stripped", "rhythm"), "60000"]


def two_sizes(directory):
    return [go_programs.build(go_programs.versions()[-1], "stripped", "sizes")]


def json_server(directory):
    server = go_programs.build(go_programs.versions()[-1], "plain", "jsonserver")
    return ["sh", "-c", f"{server} serve > address & p=$!; while ! [ -s address ]; do sleep 0.1; done; "
            f"{server} load $(cat address) 4 {random.randint(2000, 4000)}; kill $p; wait"]


def compiler(directory):
    """A package of Debian's golang-src, whose dependencies are built: a small one, for every allocation of its compiler is
    counted. The first flag makes the build another one each time. The second keeps the compiler's sampler on, which turns it
    off (MemProfileRate) unless it is asked for a profile."""
    go = harness.go_toolchain(go_programs.versions()[-1])
    os.environ["GOCACHE"] = str(harness.BUILD / "go" / "cache")
    package = random.choice(["encoding/csv", "text/tabwriter", "go/scanner", "encoding/pem"])
    (directory / "mem").mkdir()
    subprocess.run([go, "build", "-o", directory / "built.a", package], check=True)  # its dependencies
    flags = f"-gcflags=-trimpath=/{random.random()} -memprofile={directory / 'mem'}"
    return [go, "build", flags, "-o", directory / "built.a", package]


PROGRAMS = {"bundler": bundler, "type checker": type_checker, "json server": json_server, "go build": compiler,
            "known shares": known_shares, "two sizes": two_sizes}


def rows_of(command, directory):
    done = subprocess.run([ORACLE, "rows", "0", *map(str, command)], cwd=directory, capture_output=True, text=True,
                          env={**os.environ, "NO_COLOR": "1"})
    lines = done.stdout.splitlines(keepends=True)
    table = [line for line in lines if line.startswith("samples\t") or line.count("\t") >= 10]
    return list(csv.DictReader(io.StringIO("".join(table)), delimiter="\t"))


def outcome(row, value):
    truth = int(row[f"true_{value}"])
    if value == "objects" and row["tiny_unknown"] == "0":
        truth += int(row["true_tiny"])
    low, high = (row["low"], row["high"]) if value == "objects" else (row["bytes_low"], row["bytes_high"])
    return "above" if truth > int(high) else "below" if truth < int(low) else "held"


def print_table(name, rows):
    for value in ("objects", "bytes"):
        for least, most, label in ((1, 10 ** 9, "all"), *BINS):
            some = [row for row in rows if least <= int(row["samples"]) <= most]
            if not some:
                continue
            counts = collections.Counter(outcome(row, value) for row in some)
            held = 100 * counts["held"] / len(some)
            spread = 300 * math.sqrt(0.95 * 0.05 / len(some))
            print(f"{name:14} {value:8} {label:12} {len(some):6} {held:6.1f}  above {counts['above']:3}  "
                  f"below {counts['below']:3}  95 +- {spread:.1f}", flush=True)


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    everything = []
    for name in sys.argv[2:] or PROGRAMS:
        rows = []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as directory:
                rows += rows_of(PROGRAMS[name](pathlib.Path(directory)), directory)
        print_table(name, rows)
        everything += rows
    print_table("together", everything)


if __name__ == "__main__":
    main()
