#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libgoalloc programs that record themselves: the same numbers as through their probes, without BPF or privileges."""
import os

import harness
from harness import contains, same, workload


def rows(report):
    """Rows by stack, without what addresses of different runs differ in."""
    def frames(row):
        return tuple((frame["function"], frame["file"], frame["line"]) for frame in row["stack"])
    return sorted((frames(row), *(row[value] for value in ("objects", "bytes", "refills", "central_grows", "heap_grows",
                                                           "heap_grow_bytes"))) for row in report["rows"])


def report(t, profile):
    return t.json("report", "--by", "stack", profile)


def test_rows_and_totals_are_those_of_a_recording_through_probes(t):
    harness.require_root()
    for program, threads in (("seeds", 1), ("seeds-shared", 1), ("seeds", 4)):
        command = (workload(program), "--rounds", 100, "--threads", threads)
        t.escapement("record", "--rate", 1, "-o", t.path("probes"), "--", *command)
        t.escapement("record", "--in-process", "-o", t.path("own"), "--", *command)
        probes, own = report(t, t.path("probes")), report(t, t.path("own"))
        for value in ("objects", "bytes"):
            same(own["totals"][value], probes["totals"][value], value)
        same(own["check"]["difference"], 0, "difference to the library's counters")
        if threads == 1:
            same(own["totals"], probes["totals"], "totals")
            same(rows(own), rows(probes), "rows by stack")


def test_a_gate_needs_no_privilege(t):
    t.directory.chmod(0o777)
    unprivileged = {"preexec_fn": lambda: (os.setgid(65534), os.setuid(65534))} if os.geteuid() == 0 else {}
    command = ("--in-process", "--baseline", t.path("b.json"), "--", workload("seeds"), "--rounds")
    t.escapement("gate", "--update", *command, 20, **unprivileged)
    t.escapement("gate", *command, 20, **unprivileged)
    t.escapement("gate", *command, 21, status=1, **unprivileged)


def test_both_ways_to_measure_agree_on_a_baseline(t):
    harness.require_root()
    command = ("--baseline", t.path("b.json"), "--runs", 1, "--", workload("seeds"), "--rounds", 20)
    t.escapement("gate", "--update", *command)
    t.escapement("gate", "--in-process", *command)


def test_a_file_written_elsewhere_is_imported(t):
    t.run(workload("seeds"), "--rounds", 10, env={**os.environ, "GOALLOC_PROFILE": str(t.path("raw"))})
    t.escapement("record", "--raw", t.path("raw"), "-o", t.path("own"))
    same(report(t, t.path("own"))["totals"]["objects"], 10060)
    text = t.path("raw").read_text()
    for broken, status, message in ((text[:text.index("row alloc") + 12], 2, "not a record"), ("", 3, "is not complete"),
                                    (text.replace("row alloc", "row other"), 2, "not a record of a raw profile"),
                                    ("hello\n", 2, "is no raw profile"),
                                    (text[:text.index("lost ")], 3, "is not complete")):
        t.path("raw").write_text(broken)
        contains(t.escapement("record", "--raw", t.path("raw"), "-o", t.path("x"), status=status).stderr, message)


def test_programs_that_cannot_record_themselves_are_exit_3(t):
    done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", "true", status=3)
    contains(done.stderr, "not on libgoalloc")
    done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", "sh", "-c",
                        f"{workload('seeds')} --rounds 0 & sleep 0.3; kill -9 $!; wait", status=3)
    contains(done.stderr, "is not complete")
    done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", "/no/such/program", status=2)
    contains(done.stderr, "cannot run '/no/such/program'")


if __name__ == "__main__":
    harness.main()
