#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How many of the 95 % intervals of real programs contain what was counted in the same run.

    intervals.py [--pairs N] [--keep FILE] [PROGRAM...]

Each program runs again until it has N rows (400). A row has a site's estimate and its true number. The table says for all
rows, and for those with 1, 2 to 4, 5 to 15 and 16 or more samples: how many there were; in what percentage the interval
contained the true number; how many numbers were above and below it; the median width of the intervals, as a multiple of the
estimate, with and without the allowance for size classes in which the site has no sample; and "ok" if 95 % intervals should
behave like that. FILE keeps the rows, so that a later call continues where this one ended.
"""
import argparse
import collections
import csv
import http.client
import io
import math
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import go_programs  # noqa: E402
import go_servers  # noqa: E402
import harness  # noqa: E402

ORACLE = harness.BUILD / "tests" / "tools" / "estimate_oracle"
BINS = ((1, 1, "1"), (2, 4, "2-4"), (5, 15, "5-15"), (16, 10 ** 9, "16 and more"))
LEAST_HELD, MOST_WIDTH, ENOUGH = 90, 1.3, 100  # ENOUGH: in fewer rows, less than LEAST_HELD may be chance


def bundler(directory):
    cache = harness.npm_packages("bundler", {"@esbuild/linux-x64": "latest", "lodash-es": "latest"})
    (directory / "entry.js").write_text("import * as all from 'lodash-es'; console.log(all);\n")
    (directory / "node_modules").symlink_to(cache / "node_modules")
    return [cache / "node_modules/@esbuild/linux-x64/bin/esbuild", "entry.js", "--bundle", "--outfile=out.js",
            "--log-level=error"]


def type_checker(directory):
    """A project with a random number of files."""
    cache = harness.npm_packages("checker", {"@typescript/native-preview-linux-x64": "latest"})
    (directory / "tsconfig.json").write_text('{"compilerOptions": {"strict": true, "noEmit": true, "types": []}}\n')
    for number in range(random.randint(2, 12)):
        (directory / f"part{number}.ts").write_text(
            f"export interface Part{number}<T> {{ id: string; value: T; next?: Part{number}<T>[] }}\n"
            f"export const some{number}: Partial<Record<keyof HTMLElement, string>> = {{id: 'a'}};\n"
            f"export function map{number}<T, U>(part: Part{number}<T>, f: (value: T) => U): Part{number}<U> {{\n"
            f"  return {{...part, value: f(part.value), next: part.next?.map(each => map{number}(each, f))}};\n}}\n")
    return [cache / "node_modules/@typescript/native-preview-linux-x64/lib/tsgo", "--project", "tsconfig.json"]


def known_shares(directory):
    version = random.choice(go_programs.versions())
    if random.random() < 0.2:
        return [go_programs.build(version, "stripped", "sizes")]
    return [go_programs.build(version, "stripped", "rhythm"), str(random.randint(5000, 120000))]


def json_server(directory):
    server = go_programs.build(go_programs.versions()[-1], "plain", "jsonserver")
    return ["sh", "-c", f"{server} serve > address & p=$!; while ! [ -s address ]; do sleep 0.1; done; "
            f"{server} load $(cat address) 4 {random.randint(1000, 3000)}; kill $p; wait"]


def compiler(directory):
    """Compiles a package from Debian, whose dependencies are built beforehand. The first flag makes each build a new one for
    Go's build cache. The second keeps the compiler's sampler on: without a memory profile the compiler turns it off
    (MemProfileRate)."""
    go = harness.go_toolchain(go_programs.versions()[-1])
    debian, package = random.choice([("golang-github-burntsushi-toml-dev", "github.com/BurntSushi/toml"),
                                     ("golang-gopkg-yaml.v3-dev", "gopkg.in/yaml.v3"),
                                     ("golang-github-spf13-pflag-dev", "github.com/spf13/pflag")])
    os.environ.update(GO111MODULE="off",
                      GOPATH=str(go_servers.unpack("bookworm", debian) / "usr/share/gocode"))
    (directory / "mem").mkdir()
    subprocess.run([go, "build", "-o", directory / "built.a", package], check=True)  # its dependencies
    flags = f"-gcflags=-trimpath=/{random.random()} -memprofile={directory / 'mem'}"
    return [go, "build", flags, "-o", directory / "built.a", package]


def prometheus(directory):
    """Prometheus, which scrapes itself each second, and is queried."""
    port, asked = go_servers.free_port(), random.randint(200, 800)
    command, ready, _, query, _ = go_servers.SERVERS["prometheus"]
    queries = (ready, query[1], "/metrics", "/api/v1/query?query=rate(go_memstats_alloc_bytes_total[10s])",
               "/api/v1/query?query=sum+by+(__name__)({__name__%3D~%22.%2B%22})", "/api/v1/label/__name__/values")

    def during(oracle):
        def answers():
            try:
                return go_servers.ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), ("GET", ready, None))
            except (OSError, AssertionError, http.client.HTTPException):
                return None

        harness.wait_for(lambda: answers() or oracle.poll() is not None, "prometheus", 300)
        for number in range(asked):
            go_servers.ask(http.client.HTTPConnection("127.0.0.1", port, timeout=300),
                           ("GET", queries[number % len(queries)], None))
        for child in harness.children(oracle.pid):
            os.kill(child, signal.SIGTERM)

    return command(directory, port), during


PROGRAMS = {"bundler": bundler, "type checker": type_checker, "json server": json_server, "go build": compiler,
            "prometheus": prometheus, "known shares": known_shares}


def rows_of(program):
    """The rows of one run."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        command = PROGRAMS[program](directory)
        command, during = command if isinstance(command, tuple) else (command, None)
        with open(directory / "rows", "w+") as table:
            oracle = subprocess.Popen([ORACLE, "rows", "0", *map(str, command)], cwd=directory, stdout=table,
                                      stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                      env={**os.environ, "NO_COLOR": "1"})
            if during:
                during(oracle)
            oracle.wait()
            table.seek(0)
            lines = [line for line in table if line.startswith("samples\t") or line.count("\t") >= 10]
    return [{"program": program, **row} for row in csv.DictReader(io.StringIO("".join(lines)), delimiter="\t")]


def ends(row, value, kind=""):
    """(lower end, true number, upper end). The number includes tiny objects if the interval does."""
    prefix = kind + ("bytes_" if value == "bytes" else "")
    true = int(row[f"true_{value}"])
    if row["tiny_unknown"] == "0":
        true += int(row["true_tiny_bytes" if value == "bytes" else "true_tiny"])
    return int(row[prefix + "low"]), true, int(row[prefix + "high"])


def outcome(row, value):
    low, true, high = ends(row, value)
    return "above" if true > high else "below" if true < low else "held"


def width(rows, value, kind=""):
    """Median width of the intervals, as multiples of their rows' estimates."""
    return statistics.median((high - low) / max(1, int(row[value]))
                             for row, (low, _, high) in ((row, ends(row, value, kind)) for row in rows))


def faults(rows, value, samples):
    """The outcomes counted, the percentage that held, and the requirements that these rows do not meet."""
    counts = collections.Counter(outcome(row, value) for row in rows)
    held, spread = 100 * counts["held"] / len(rows), 300 * math.sqrt(0.95 * 0.05 / len(rows))
    found = []
    if samples == "all" and abs(held - 95) > spread:
        found.append(f"not 95 +- {spread:.1f}")
    if samples != "all" and held < LEAST_HELD and len(rows) >= ENOUGH:
        found.append(f"below {LEAST_HELD}")
    if samples == "16 and more" and abs(counts["above"] - counts["below"]) > 3 * math.sqrt(len(rows) * 0.05):
        found.append("misses do not balance")
    if samples == "all" and width(rows, value) > MOST_WIDTH * width(rows, value, "seen_"):
        found.append("too wide")
    return counts, held, found


def print_table(name, rows):
    for value in ("objects", "bytes"):
        for least, most, samples in ((1, 10 ** 9, "all"), *BINS):
            some = [row for row in rows if least <= int(row["samples"]) <= most]
            if not some:
                continue
            counts, held, found = faults(some, value, samples)
            print(f"{name:12} {value:7} {samples:11} {len(some):5} {held:6.1f}  above {counts['above']:3}  below "
                  f"{counts['below']:3}  width {width(some, value):5.2f}  seen {width(some, value, 'seen_'):5.2f}  "
                  f"{', '.join(found) or 'ok'}", flush=True)


def kept(path):
    if not path or not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def keep(path, rows, all_rows):
    if not path or not rows:
        return
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter="\t")
        if len(all_rows) == len(rows):
            writer.writeheader()
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    arguments = parser.parse_args()
    programs, everything = arguments.programs or list(PROGRAMS), kept(arguments.keep)
    unfinished = list(programs)
    while unfinished:  # in turn, so that an interrupted run has rows of every program
        for program in list(unfinished):
            rows = rows_of(program)
            everything += rows
            keep(arguments.keep, rows, everything)
            if not rows or sum(row["program"] == program for row in everything) >= arguments.pairs:
                unfinished.remove(program)
            if not rows:
                print(f"{program}: no row", flush=True)
    for program in programs:
        print_table(program, [row for row in everything if row["program"] == program])
    print_table("together", [row for row in everything if row["program"] in programs])


if __name__ == "__main__":
    main()
