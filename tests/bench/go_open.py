#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""go_open.py BUILD: how long it takes to open a stripped Go binary of 50,000 functions, built with -trimpath, with and
without build information; and how long to find what attaching needs. Medians in milliseconds."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
INSPECT = BUILD / "tests" / "tools" / "go_inspect"
FUNCTIONS, FILES, ROUNDS = 49000, 8, 15


def generate(directory):
    (directory / "go.mod").write_text("module example.org/large\n\ngo 1.19\n")
    for file in range(FILES):
        numbers = range(file * FUNCTIONS // FILES, (file + 1) * FUNCTIONS // FILES)
        (directory / f"part{file}.go").write_text("package main\n\n" + "".join(
            f"//go:noinline\nfunc f{i}(x int) int {{ return x + {i} }}\n" for i in numbers))
    (directory / "main.go").write_text(
        "package main\n\nvar table = [...]func(int) int{\n" + "".join(f"\tf{i},\n" for i in range(FUNCTIONS)) +
        "}\n\nfunc main() {\n\tsum := 0\n\tfor _, f := range table {\n\t\tsum += f(1)\n\t}\n\tprintln(sum)\n}\n")


def milliseconds(*command):
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.PIPE)
        times.append(1e3 * (time.perf_counter() - begin))
    return sorted(times)[ROUNDS // 2]


def main():
    print("| Go | build information | functions | open | open, find the probes' places, start and end of the tool |")
    print("|---|---|---:|---:|---:|")
    for version in ("1.19", "1.27"):
        goroot = subprocess.run([ROOT / "packaging" / "go-toolchain", version], check=True, capture_output=True, text=True)
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            generate(directory)
            program = directory / "large"
            subprocess.run([goroot.stdout.strip() + "/bin/go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "."],
                           cwd=directory, check=True, env=dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS=""))
            for bare in (False, True):
                if bare:
                    subprocess.run(["objcopy", "--remove-section=.go.buildinfo", "--remove-section=.note.go.buildid",
                                    program], check=True, capture_output=True)
                info = subprocess.run([INSPECT, "info", program], check=True, capture_output=True, text=True).stdout
                functions = int(dict(line.partition(" ")[::2] for line in info.splitlines())["functions"])
                opened = float(subprocess.run([INSPECT, "open", program, str(ROUNDS)], check=True, capture_output=True,
                                              text=True).stdout)
                print(f"| {version} | {'no' if bare else 'yes'} | {functions:,} | {opened:.2f} | "
                      f"{milliseconds(INSPECT, 'points', program):.1f} |", flush=True)


main()
