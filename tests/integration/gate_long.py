#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Repeated gates: an unchanged multi-threaded program never fails, one more object in a million always does.

A few of each in everyday tests (test_gate.py); GATE_REPEATS=200 of each by `make test-gate-long`.
"""
import os

import harness
from harness import contains, same, workload

REPEATS = int(os.environ.get("GATE_REPEATS", "200"))
MILLION = "main.work main.go 10 5 newobject 24 1000\nmain.other main.go 20 5 makeslice 64 20\n"


def test_repeated_gates_of_an_unchanged_multi_threaded_program_give_no_false_alarm(t):
    harness.require_root()
    program = (workload("seeds"), "--rounds", 50, "--threads", 8)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program)
    before = t.path("b.json").read_bytes()
    for _ in range(REPEATS):
        done = t.escapement("gate", "--baseline", t.path("b.json"), "--", *program)
        contains(done.stdout, "gate passed: 5 unchanged sites")
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program)
    same(t.path("b.json").read_bytes(), before, "baseline after an update without a change")


def test_one_object_more_in_a_million_is_caught_every_time(t):
    harness.require_root()
    program = (workload("mutants"), "--plan", t.path("plan"), "--rounds", 250, "--threads", 4)
    t.path("plan").write_text(MILLION)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, "--", *program)
    t.escapement("gate", "--baseline", t.path("b.json"), "--runs", 1, "--", *program)
    t.path("plan").write_text(MILLION.replace("24 1000", "24 1000 1"))
    for _ in range(REPEATS):
        done = t.escapement("gate", "--baseline", t.path("b.json"), "--runs", 1, "--", *program, status=1)
        contains(done.stdout.replace(" ", ""), "objects10000001000001+1")


if __name__ == "__main__":
    harness.main()
