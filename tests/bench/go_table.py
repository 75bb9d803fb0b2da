#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""go_table.py BUILD: the time to allocate and free an object on a warm heap of libgoalloc, compared with a Go program that
allocates and drops it, the work of Go's collector included. Nanoseconds an object, medians of ROUNDS (5) interleaved runs,
with one and two threads."""
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SIZES = (16, 64, 256, 1024, 4096, 8192)
PROGRAM = """package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

var sinks [2][8]*byte

func main() {
	threads, _ := strconv.Atoi(os.Args[1])
	n, _ := strconv.Atoi(os.Args[2])
	var wait sync.WaitGroup
	start := time.Now()
	for t := 0; t < threads; t++ {
		wait.Add(1)
		go func(sink *[8]*byte) {
			defer wait.Done()
			for i := 0; i < n; i++ {
				p := new([SIZE]byte)
				p[0] = 1
				sink[0] = &p[0]
			}
		}(&sinks[t])
	}
	wait.Wait()
	fmt.Println(float64(time.Since(start).Nanoseconds()) / float64(n))
}
"""


def newest_go():
    with open(f"{ROOT}/tests/releases") as releases:
        versions = [line.split()[0] for line in releases if " record" in line and not line.startswith("#")]
    for version in reversed(versions):
        done = subprocess.run([f"{ROOT}/packaging/go-toolchain", version], capture_output=True, text=True)
        if done.returncode == 0:
            return version, os.path.join(done.stdout.strip(), "bin", "go")
    return "the system's", "go"


def run(command, **environment):
    done = subprocess.run(command, env=dict(os.environ, **environment), check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def main():
    build, rounds = os.path.abspath(sys.argv[1]), int(os.environ.get("ROUNDS", "5"))
    version, go = newest_go()
    print(f"ns an object, libgoalloc beside Go {version}")
    print(f"{'bytes':<8}" + "".join(f"{h:>12}" for h in ("ours", "Go", "ratio", "ours, 2", "Go, 2", "ratio")))
    with tempfile.TemporaryDirectory(prefix="goalloc-bench-") as directory:
        for size in SIZES:
            source, program = f"{directory}/s{size}.go", f"{directory}/s{size}"
            with open(source, "w") as f:
                f.write(PROGRAM.replace("SIZE", str(size)))
            subprocess.run([go, "build", "-o", program, source], check=True,
                           env=dict(os.environ, GOFLAGS="", GO111MODULE="off", GOCACHE=f"{directory}/cache"))
            row = ""
            for threads, case in ((1, "pair"), (2, "pair2")):
                ours, theirs = [], []
                for _ in range(rounds):
                    n = str(3000000 if size <= 1024 else 600000)
                    ours.append(run([f"{build}/tests/bench/malloc_cases", case, str(size), n],
                                    LD_PRELOAD=f"{build}/libgoalloc-preload.so"))
                    theirs.append(run([program, str(threads), n]))
                a, b = statistics.median(ours), statistics.median(theirs)
                row += f"{a:>12.2f}{b:>12.2f}{a / b:>12.2f}"
            print(f"{size:<8}{row}", flush=True)


main()
