#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""when_cost.py BUILD: the CPU time that `escapement heap --when` needs while it waits, as a share of one CPU."""
import contextlib
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


CGROUP = pathlib.Path("/sys/fs/cgroup/memory") / f"escapement-bench-{os.getpid()}"  # version 1; without it: the machine
EXPRESSIONS = ["rss>2g", "rss+20%/10s", "oom", "rss>2g,rss+20%/10s,oom"]


@contextlib.contextmanager
def limited_cgroup():
    """Yields whether there is one, and removes it."""
    if not (CGROUP.parent / "memory.limit_in_bytes").exists() or os.geteuid() != 0:
        yield False
        return
    CGROUP.mkdir()
    try:
        (CGROUP / "memory.limit_in_bytes").write_text("1G")
        yield True
    finally:
        CGROUP.rmdir()


@contextlib.contextmanager
def running(*words, **options):
    process = subprocess.Popen(words, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def share_of_cpu(watcher):
    harness.wait_until_idle(watcher.pid, 1)
    begin, since = harness.cpu_seconds(watcher.pid), time.monotonic()
    time.sleep(SECONDS)
    return (harness.cpu_seconds(watcher.pid) - begin) / (time.monotonic() - since)


def main():
    climb = go_programs.build("1.24", "stripped", "climb")
    with tempfile.TemporaryDirectory() as directory, limited_cgroup() as limited, \
            running(climb, "1000", "20", stdin=subprocess.PIPE,
                    preexec_fn=lambda: limited and (CGROUP / "cgroup.procs").write_text(str(os.getpid()))) as program:
        program.stdin.write(b"g")
        program.stdin.flush()
        print("| expression | % of a CPU |")
        print("|---|---:|")
        for expression in [*EXPRESSIONS, *(["cgroup>90%"] if limited else [])]:
            with running(BUILD / "escapement", "heap", "-q", "-p", str(program.pid), "--when", expression,
                         "-o", f"{directory}/heap.pb.gz") as watcher:
                print(f"| `{expression}` | {100 * share_of_cpu(watcher):.3f} |", flush=True)


main()
