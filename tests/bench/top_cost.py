#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""top_cost.py BUILD [SECONDS]: the cost of `escapement top` itself while it observes a Go server under load, a Go program
with many stacks and a C program: its share of a CPU after the first view, and its memory. It runs on a terminal (tmux) with
the default interval of one second."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 20
ROOT = pathlib.Path(__file__).resolve().parents[2]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return {key: int(lines[key].split()[0]) / 1024 for key in ("VmHWM", "RssAnon", "RssFile", "RssShmem")}


def measure(target, options):
    with tempfile.TemporaryDirectory() as directory:
        tmux = ["tmux", "-S", f"{directory}/tmux", "-f", "/dev/null"]
        subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "40", BUILD / "escapement", "top", *options,
                        "-p", str(target)], check=True, env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        try:
            pid = int(subprocess.run([*tmux, "display-message", "-p", "#{pane_pid}"], check=True, capture_output=True,
                                     text=True).stdout)
            while "/s" not in subprocess.run([*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout:
                time.sleep(0.1)
            began, before = time.monotonic(), cpu_seconds(pid)
            time.sleep(SECONDS)
            return (cpu_seconds(pid) - before) / (time.monotonic() - began), memory(pid)
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)


def row(name, process, *options):
    share, sizes = measure(process.pid, options)
    print(f"| {name} | {100 * share:.2f} | {sizes['VmHWM']:.0f} | {sizes['RssAnon']:.0f} |", flush=True)


def start(*command, **options):
    return subprocess.Popen(list(map(str, command)), **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options})


def go_build(directory, workload):
    program = pathlib.Path(directory) / workload
    subprocess.run(["go", "build", "-o", program, "."], cwd=ROOT / "tests" / "workloads" / "go" / workload, check=True,
                   env={**os.environ, "GOFLAGS": "", "CGO_ENABLED": "0"})
    return program


def main():
    print("| target | % of a CPU | MiB, most | MiB of its own |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as directory:
        started = []
        try:
            started.append(start(BUILD / "tests" / "workloads" / "seeds", "--rounds", "0", "--sleep-us", "100"))
            row("a C program on libgoalloc", started[-1])
            started.pop().kill()
            started.append(start(go_build(directory, "branches"), "12", "1000000000"))
            row("a Go program of 4,096 stacks, in bursts", started[-1])
            row("the same, every allocation counted", started[-1], "--max-overhead", "0")
            started.pop().kill()
            server = go_build(directory, "jsonserver")
            started.append(start(server, "serve", stdout=subprocess.PIPE, text=True))
            started.append(start(server, "load", started[0].stdout.readline().strip(), "4", "100000000"))
            row("a Go server that answers JSON", started[0])
        finally:
            for process in started:
                process.kill()


main()
