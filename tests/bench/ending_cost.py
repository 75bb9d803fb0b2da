#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ending_cost.py BUILD: how long it takes after SIGINT until a recording's probes are gone and until it has ended, while all
threads of its target compete for the CPU. The benchmark itself has real-time priority; otherwise it would wait for the CPU,
too."""
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS, THREADS, RATES = 3, (1, 100, 1000), ("512k", "0", "1")


def ending(build, path, threads, rate):
    """Seconds from the signal until the recorder says that the probes are gone, and until its end."""
    target = subprocess.Popen([build / "tests" / "workloads" / "seeds", "--threads", str(threads), "--rounds", "0"],
                              stdout=subprocess.DEVNULL)
    recorder = subprocess.Popen([build / "escapement", "record", "-v", "--rate", rate, "--max-overhead", "0", "-o", path,
                                 "-p", str(target.pid)], stderr=subprocess.PIPE, text=True)
    try:
        for line in recorder.stderr:
            if "attached process" in line:
                break
        time.sleep(1)
        begin, gone = time.monotonic(), None
        recorder.send_signal(signal.SIGINT)
        for line in recorder.stderr:
            if "detached process" in line:
                gone = time.monotonic() - begin
        if recorder.wait():
            sys.exit(f"record ended with {recorder.returncode}")
        return gone, time.monotonic() - begin
    finally:
        for process in (target, recorder):
            process.kill()
            process.wait()


def main():
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(2))
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        for threads in THREADS:
            for rate in RATES:
                times = [ending(build, pathlib.Path(folder, "p"), threads, rate) for _ in range(ROUNDS)]
                gone, end = (statistics.median(column) for column in zip(*times))
                print(f"{threads:>4} threads at --rate {rate:>4}: probes gone after {gone:.2f} s, end after {end:.2f} s, "
                      f"at most {max(end for _, end in times):.2f} s")


if __name__ == "__main__":
    main()
