#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""soak.py BUILD [MINUTES]: real programs on libgoalloc-preload.so for at least ten minutes.

A redis server is under load all the time, and at the end its resident memory must be what it was after the first quarter (a
fifth more is allowed). Meanwhile the other programs run again and again, and must print the same each time."""
import os
import subprocess
import sys
import tempfile
import time

from programs_table import PROGRAMS

STRESS = ["stress-ng", "--quiet", "--malloc", "2", "--malloc-ops", "20000", "--bigheap", "1", "--bigheap-ops", "200",
          "--verify", "--timeout", "60"]


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def churn(socket):
    subprocess.run(["redis-benchmark", "-s", socket, "-q", "-n", "40000", "-c", "20", "-P", "8", "-r", "20000", "-d",
                    "300", "-t", "set,get,incr,sadd,hset,zadd"], check=True, stdout=subprocess.DEVNULL)


def main():
    library = os.path.abspath(f"{sys.argv[1]}/libgoalloc-preload.so")
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    environment = dict(os.environ, LC_ALL="C", LD_PRELOAD=library)
    outputs, memory, rounds = {}, [], 0
    with tempfile.TemporaryDirectory(prefix="goalloc-soak-") as directory:
        with open(os.path.join(directory, "data"), "wb") as data:
            data.write(b"".join(b"%d\n" % (i * 7919 % 1000003) for i in range(600000)))
        socket = os.path.join(directory, "socket")
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--daemonize", "no"],
                                  env=environment, stdout=subprocess.DEVNULL)
        try:
            while not os.path.exists(socket) and server.poll() is None:
                time.sleep(0.05)
            end = time.monotonic() + 60 * minutes
            while time.monotonic() < end:
                churn(socket)
                memory.append(resident_kib(server.pid))
                for name, command in [*PROGRAMS.items(), ("stress-ng", STRESS)]:
                    if name == "redis":
                        continue
                    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True)
                    if done.returncode != 0:
                        sys.exit(f"soak: {name}: exit status {done.returncode}: {done.stderr[-500:]}")
                    if outputs.setdefault(name, done.stdout) != done.stdout:
                        sys.exit(f"soak: {name} printed something else in round {rounds + 1}")
                    churn(socket)
                    memory.append(resident_kib(server.pid))
                    if time.monotonic() >= end:
                        break
                rounds += 1
                print(f"round {rounds}: redis-server {memory[-1]} KiB", flush=True)
        finally:
            server.terminate()
            server.wait()
    early, late = max(memory[: max(1, len(memory) // 4)]), memory[-1]
    print(f"redis-server: {early} KiB after the first quarter, {late} KiB at the end, {max(memory)} KiB at most")
    if late > early * 1.2:
        sys.exit("soak: memory grows")


main()
