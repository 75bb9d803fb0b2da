#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""when_cost.py BUILD: the CPU time that `escapement heap --when` needs while it waits, as a share of one CPU."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ.setdefault("BUILD", str(BUILD))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import go_programs  # noqa: E402
import harness  # noqa: E402

SECONDS = 10


def cpu_seconds(pid):
    """From the scheduler, in nanoseconds: clock ticks are as coarse as what is measured."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


CGROUP = pathlib.Path("/sys/fs/cgroup/memory") / f"escapement-bench-{os.getpid()}"  # version 1; without it: the machine
EXPRESSIONS = ["rss>2g", "rss+20%/10s", "oom", "rss>2g,rss+20%/10s,oom"]


def main():
    limited = (CGROUP.parent / "memory.limit_in_bytes").exists() and os.geteuid() == 0
    if limited:
        CGROUP.mkdir()
        (CGROUP / "memory.limit_in_bytes").write_text("1G")
    program = subprocess.Popen([go_programs.build("1.24", "stripped", "climb"), "1000", "20"], stdin=subprocess.PIPE,
                               preexec_fn=lambda: limited and (CGROUP / "cgroup.procs").write_text(str(os.getpid())))
    program.stdin.write(b"g")
    program.stdin.flush()
    print("| expression | % of a CPU |")
    print("|---|---:|")
    with tempfile.TemporaryDirectory() as directory:
        for expression in [*EXPRESSIONS, *(["cgroup>90%"] if limited else [])]:
            watcher = subprocess.Popen([BUILD / "escapement", "heap", "-q", "-p", str(program.pid), "--when", expression,
                                        "-o", f"{directory}/heap.pb.gz"])
            harness.wait_until_idle(watcher.pid, 1)
            begin, since = cpu_seconds(watcher.pid), time.monotonic()
            time.sleep(SECONDS)
            share = (cpu_seconds(watcher.pid) - begin) / (time.monotonic() - since)
            print(f"| `{expression}` | {100 * share:.3f} |", flush=True)
            watcher.terminate()
            watcher.wait()
    program.kill()
    program.wait()
    if limited:
        CGROUP.rmdir()


main()
