#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""version_cost.py BUILD: milliseconds of `escapement version`, of the static file and of the build with shared libraries, beside
those of /bin/true: processor time (user and system) and duration, from interleaved runs. The goal of the static file is 5 ms."""
import os
import pathlib
import statistics
import sys
import time

RUNS = 200


def run(*command):
    """Milliseconds of processor time of a command, and of its duration."""
    began = time.monotonic()
    null = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=null)
    _, status, used = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)}: status {status}")
    return (used.ru_utime + used.ru_stime) * 1e3, (time.monotonic() - began) * 1e3


def main():
    build = pathlib.Path(sys.argv[1])
    commands = {"/bin/true": ("/bin/true",), "static": (str(build / "static" / "escapement"), "version"),
                "shared": (str(build / "escapement"), "version")}
    taken = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            taken[name].append(run(*command))
    print(f"{'':10} {'CPU, median':>12} {'95 % below':>12} {'duration, median':>17} {'least':>7}")
    for name, rows in taken.items():
        processor, duration = (sorted(column) for column in zip(*rows))
        print(f"{name:10} {statistics.median(processor):12.2f} {processor[RUNS * 95 // 100]:12.2f} {statistics.median(duration):17.2f} "
              f"{duration[0]:7.2f}")


main()
