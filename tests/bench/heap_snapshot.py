#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""heap_snapshot.py BUILD: the time and memory that `escapement heap` needs for a heap of 1 GiB and 100,000 stacks."""
import os
import pathlib
import subprocess
import sys
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ.setdefault("BUILD", str(BUILD))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import go_programs  # noqa: E402

STACKS, ROUNDS = 100000, 5
WORK = ["rate 1", f"stacks {STACKS}", "rate 524288", "hold a 240000 4096", "gc 3"]
FORMS = {"text": [], "JSON": ["--format", "json"], "pprof": ["--format", "pprof"], "memory alone": ["--memory"]}


def measure(pid, arguments):
    """Seconds of wall clock and of CPU, and peak memory in MiB; the median of the rounds."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.monotonic()
        process = subprocess.Popen([BUILD / "escapement", "heap", "-p", str(pid), *arguments], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        taken.append((time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
        assert status == 0, status
    return sorted(taken)[ROUNDS // 2]


def main():
    print("| Go | form | wall s | CPU s | MiB |")
    print("|---|---|---:|---:|---:|")
    for version in ("1.24", "1.27"):
        program = subprocess.Popen([go_programs.build(version, "stripped", "alive")], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        for command in WORK:
            program.stdin.write(command + "\n")
            program.stdin.flush()
            program.stdout.readline()
        for form, arguments in FORMS.items():
            print("| {} | {} | {:.2f} | {:.2f} | {:.0f} |".format(version, form, *measure(program.pid, arguments)))
        program.kill()
        program.wait()


main()
