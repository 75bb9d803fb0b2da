#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stripped Go servers from Debian under load: a recording does not change their answers and exit status, and equals
their own heap statistics."""
import json
import os
import signal

import go_servers
import harness
from harness import same

DUMP = harness.BUILD / "tests" / "tools" / "profile_dump"
OBJECTS = 0
EVERYDAY = ["etcd 3.5", "prometheus"]  # built with two different Go releases
LONG = os.environ.get("GO_PROGRAMS") == "all"
NAMES = list(go_servers.SERVERS) if LONG else EVERYDAY
ROUNDS = 5 if LONG else 1
REQUESTS = 5000 if LONG else 500


def check(process, what, most):
    """Checks that the difference is within its bound, and the bound at most one object in `most`."""
    checked, objects = process["check"], process["totals"][OBJECTS]
    assert checked, f"{what}: no check"
    same(checked["source"], "go heap statistics", what)
    assert abs(checked["difference"]) <= checked["bound"] <= objects / most, f"{what}: {checked} of {objects} objects"
    same(process["lost"], {"events": 0, "stacks": 0}, f"{what}: lost")


def dump(t, profile):
    return json.loads(t.run(DUMP, profile).stdout)


def record_attached(t, server, load, rate):
    profile = t.path("attached.pb.gz")
    recorder = t.attach(server.process.pid, "--max-overhead", "0", "--rate", rate, "-o", profile)
    load.wait_for(REQUESTS)
    recorder.end()
    recording = dump(t, profile)
    if rate == "1":
        same(sum(sample["values"][OBJECTS] for sample in recording["samples"]),
             recording["processes"][0]["totals"][OBJECTS], "sum of the rows")
    return recording["processes"][0]


def test_a_server_under_load_is_counted_as_its_heap_statistics_say(t):
    harness.require_root()
    for name in NAMES:
        server = go_servers.Server(t, name)
        answer = server.answer()
        with server.load() as load:
            for _ in range(ROUNDS):
                for rate in ("0", "1"):
                    for _ in range(10):  # delays of the recorder while it attaches or detaches widen the bound
                        process = record_attached(t, server, load, rate)
                        check(process, f"{name} rate {rate}", 100)
                        if process["check"]["bound"] <= process["totals"][OBJECTS] / 10000:
                            break
                    check(process, f"{name} rate {rate}", 10000)
                    assert process["totals"][OBJECTS] > 20000, f"{name} rate {rate}: {process['totals']}"
        same(load.answers, {answer}, f"{name}: what it answered")
        same(server.process.poll(), None, f"{name}: exit status")


def test_a_server_that_is_left_alone_at_both_ends_is_counted_exactly(t):
    harness.require_root()
    for name in NAMES if LONG else NAMES[:1]:
        server = go_servers.Server(t, name)
        for rate in ("0", "1"):
            profile = t.path("quiet.pb.gz")
            harness.wait_until_idle(server.process.pid)
            recorder = t.attach(server.process.pid, "--max-overhead", "0", "--rate", rate, "-o", profile)
            for _ in range(50):
                server.answer()
            harness.wait_until_idle(server.process.pid)
            recorder.end()
            process = dump(t, profile)["processes"][0]
            assert process["totals"][OBJECTS] > 1000, process["totals"]
            same(process["check"]["difference"], 0, f"{name} rate {rate}: difference")
            check(process, f"{name} rate {rate}", 100)


def end_of(t, name, rate=None):
    """Puts a server under load, then sends it SIGTERM. Returns its answers, its exit status, its messages and the
    recording (None without a rate)."""
    profile = t.path("started.pb.gz")
    under = [harness.ESCAPEMENT, "record", "-q", "--rate", rate, "-o", profile, "--"] if rate else []
    server = go_servers.Server(t, name, *under)
    with server.load() as load:
        load.wait_for(REQUESTS)
    pid = server.process.pid
    if rate:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pid = int(children.read())
    os.kill(pid, signal.SIGTERM)
    status = server.process.wait(harness.TIMEOUT)
    return load.answers, status, server.errors.read_text(), dump(t, profile)["processes"][0] if rate else None


def test_a_server_that_is_started_answers_and_ends_as_without_us(t):
    harness.require_root()
    for name in NAMES if LONG else NAMES[-1:]:
        answers, status, _, _ = end_of(t, name)
        for rate in ("0", "1"):
            observed, recorders, messages, process = end_of(t, name, rate)
            same(observed, answers, f"{name} rate {rate}: what it answered")
            # If the program fails, record exits with 3 and says so.
            same(recorders, 3 if status else 0, f"{name} rate {rate}: status; {messages[-500:]}")
            if status < 0:
                harness.contains(messages, f"the program was killed by {signal.Signals(-status).name}")
            elif status > 0:
                harness.contains(messages, f"the program exited with status {status}")
            if status >= 0:  # the counters of a program that dies from a signal cannot be read at its end
                check(process, f"{name} rate {rate}", 10000)


if __name__ == "__main__":
    harness.main()
