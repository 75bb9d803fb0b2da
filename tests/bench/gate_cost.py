#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gate_cost.py BUILD: what a passing gate, and a comparison with a git revision, take beyond the program's own builds and
runs, in seconds of wall-clock time and of processor time; medians of interleaved rounds.

The program is a benchmark of 100 iterations, 4,000 objects each. The gate also runs one iteration: the difference is what each
allocation adds, which the last line has. Beside each command, what it does for the program is done without it: as many
runs as the gate made (one, if the first was as in the baseline); of a comparison, two builds in folders that the go command's
cache does not know, with the compiler's messages, and of each as many runs as were counted, and one for the collector's own
messages."""
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BENCHMARK = """package work

import (
	"fmt"
	"testing"
)

var out string

func BenchmarkWork(b *testing.B) {
	for i := 0; i < b.N; i++ {
		for j := 0; j < 2000; j++ {
			out = fmt.Sprint("key", j)
		}
	}
}
"""


def go_test(iterations):
    """Arguments of the go command."""
    return "test", "-run", "^$", "-bench", ".", "-benchmem", "-count=1", "-benchtime", f"{iterations}x", "."


def measured(work):
    """Seconds of wall-clock and processor time of what `work` does."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    escapement = pathlib.Path(sys.argv[1]).resolve() / "escapement"
    toolchain = subprocess.run([ROOT / "packaging" / "go-toolchain", "1.24"], check=True, capture_output=True, text=True)
    go = pathlib.Path(toolchain.stdout.strip()) / "bin" / "go"
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        tree = top / "tree"
        tree.mkdir()
        (tree / "go.mod").write_text("module example.com/work\n\ngo 1.19\n")
        (tree / "work_test.go").write_text(BENCHMARK)
        (tree / "work.go").write_text("package work\n")
        environment = {**os.environ, "PATH": f"{go.parent}:{os.environ['PATH']}", "GOCACHE": os.environ.get("GOCACHE", str(top / "cache")), "GOFLAGS": "",
                       "GOTOOLCHAIN": "local", "GOPROXY": "off", "HOME": folder}

        def run(*words, cwd=tree):
            done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{words}: exit status {done.returncode}\n{done.stdout}{done.stderr}")

        def alone_gate(runs, iterations):
            for _ in range(runs):
                run(go, *go_test(iterations))

        def alone_compare(runs, iterations):
            for _ in range(2):
                copy = top / f"copy{time.monotonic_ns()}"
                shutil.copytree(tree, copy)
                run(go, "test", "-c", "-gcflags=-m=2", "-o", top / "built", ".", cwd=copy)
                for _ in range(runs + 1):
                    run(go, *go_test(iterations), cwd=copy)

        result = top / "result.json"

        def gate(iterations, *update):
            run(escapement, "gate", "--format", "json", "-o", result, "--baseline", top / f"{iterations}.json", *update, "--",
                "go", *go_test(iterations))

        def compare(iterations):
            run(escapement, "compare", "--format", "json", "-o", result, "--base", "HEAD", "--", "go", *go_test(iterations))

        run("git", "init", "-q", ".")
        run("git", "add", ".")
        run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "base")
        alone_compare(1, 1)
        cases = {"gate, 1 iteration": (gate, alone_gate, 1), "gate, 100 iterations": (gate, alone_gate, 100),
                 "compare --base, 100 iterations": (compare, alone_compare, 100)}
        for iterations in 1, 100:
            gate(iterations, "--update")
        rows, objects = {name: [] for name in cases}, {}
        for _ in range(ROUNDS):
            for name, (command, alone, iterations) in cases.items():
                whole = measured(lambda: command(iterations))
                document = json.loads(result.read_text())
                runs = document["runs"] if command is gate else document["sides"][0]["runs"]
                objects[name] = document["totals"]["after"]["objects"] if command is gate else None
                own = measured(lambda: alone(runs, iterations))
                rows[name].append((runs, *own, *whole, whole[0] - own[0], whole[1] - own[1]))
    print("| command | runs | alone: wall s | CPU s | whole: wall s | CPU s | more: wall s | CPU s |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    medians = {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in rows.items()}
    for name, (runs, *numbers) in medians.items():
        print(f"| {name} | {runs:g} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    few, many = "gate, 1 iteration", "gate, 100 iterations"
    more = objects[many] - objects[few]
    print(f"\n{more:,} more allocations: {(medians[many][-1] - medians[few][-1]) / more * 1e6:.2f} µs of CPU each")


main()
