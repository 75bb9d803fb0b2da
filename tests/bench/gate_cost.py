#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gate_cost.py BUILD: what a passing gate, and a comparison with a git revision, take beyond the program's own builds and
runs, in seconds of wall-clock time and of processor time; medians of interleaved rounds.

The program is a benchmark of 400,000 allocations. Beside each command, what it does for the program is done without it: as many
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
RUN = ("test", "-run", "^$", "-bench", ".", "-benchmem", "-count=1", "-benchtime", "100x", ".")


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

        def alone_gate(runs):
            for _ in range(runs):
                run(go, *RUN)

        def alone_compare(runs):
            for _ in range(2):
                copy = top / f"copy{time.monotonic_ns()}"
                shutil.copytree(tree, copy)
                run(go, "test", "-c", "-gcflags=-m=2", "-o", top / "built", ".", cwd=copy)
                for _ in range(runs + 1):
                    run(go, *RUN, cwd=copy)

        run("git", "init", "-q", ".")
        run("git", "add", ".")
        run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "base")
        baseline = ("--baseline", top / "b.json")
        run(escapement, "gate", *baseline, "--update", "--", "go", *RUN)
        alone_compare(1)
        result = top / "result.json"
        output = ("--format", "json", "-o", result)
        commands = {"gate": (alone_gate, lambda: run(escapement, "gate", *output, *baseline, "--", "go", *RUN),
                             lambda document: document["runs"]),
                    "compare --base": (alone_compare, lambda: run(escapement, "compare", *output, "--base", "HEAD", "--", "go", *RUN),
                                       lambda document: document["sides"][0]["runs"])}
        rows = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, (alone, whole, runs_of) in commands.items():
                taken = measured(whole)
                runs = runs_of(json.loads(result.read_text()))
                rows[name].append((runs, measured(lambda: alone(runs)), taken))
    print("| command | runs | alone: wall s | CPU s | whole: wall s | CPU s | more: wall s | CPU s |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, rounds in rows.items():
        numbers = [statistics.median(values) for values in zip(*((*alone, *whole, whole[0] - alone[0], whole[1] - alone[1])
                                                                 for _, alone, whole in rounds))]
        print(f"| {name} | {statistics.median(runs for runs, _, _ in rounds):g} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")


main()
