#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Data that must not get into files that users share: no output of any command contains secrets of a command line; with
--redact it contains no command line and no directory."""
import gzip
import json
import os
import signal

import go_programs
import harness
from harness import contains, same, workload

SECRETS = ["hunter2", "s3cr3t", "AKIAIOSFODNN7EXAMPLE", "topsecret"]
ARGUMENTS = ["--password=hunter2", "--api-key", "s3cr3t", "--id=AKIAIOSFODNN7EXAMPLE", "postgres://me:topsecret@db/x"]
SHOWN = "--password=<hidden> --api-key <hidden> --id=<hidden> postgres://me:<hidden>@db/x"


def check(text, what):
    for secret in SECRETS:
        assert secret not in text, f"{what} has {secret}: {text[-2000:]}"


def unpacked(path):
    return gzip.decompress(path.read_bytes()).decode(errors="replace")


def program(rounds):
    return ["sh", "-c", f"exec {workload('seeds')} --rounds {rounds}", "sh", *ARGUMENTS]


def test_a_recording_and_all_that_is_made_of_it_have_no_secrets(t):
    harness.require_root()
    for name, more in (("a", []), ("b", ["--in-process"])):
        done = t.escapement("record", *more, *([] if more else ["--rate", "1"]), "-o", t.path(name), "--", *program(3))
        check(done.stdout + done.stderr + unpacked(t.path(name)), f"record {more}")
        contains(unpacked(t.path(name)), SHOWN)
        for form in ("text", "json", "csv", "folded", "speedscope"):
            by = ["--by", "stack"] if form in ("folded", "speedscope") else []
            check(t.escapement("report", *by, "--format", form, t.path(name)).stdout, f"report --format {form}")
        t.escapement("html", "-o", t.path("page.html"), t.path(name))
        check(t.path("page.html").read_text(), "html")
    check(t.escapement("compare", "--format", "json", t.path("a"), t.path("b"), status=None).stdout, "compare")


def test_attaching_and_heap_snapshots_have_none(t):
    harness.require_root()
    target = t.start("perl", "-e", "while (<STDIN>) { push @kept, [1 .. 100]; }", "--", *ARGUMENTS,
                     env={**os.environ, "LD_PRELOAD": str(harness.BUILD / "libgoalloc-preload.so")})
    harness.wait_for(lambda: "perl" in open(f"/proc/{target.pid}/cmdline").read(), "perl")
    harness.wait_until_idle(target.pid)
    recorder = t.attach(target.pid, "-o", t.path("p"))
    recorder.end()
    check(recorder.said() + unpacked(t.path("p")), "record -p")
    contains(unpacked(t.path("p")), SHOWN)
    alive = t.start(go_programs.build("1.24", "stripped", "alive"), *ARGUMENTS)
    alive.stdin.write("rate 1\nhold a 1000 100\n")
    alive.stdin.flush()
    alive.stdout.readline(), alive.stdout.readline()
    t.escapement("heap", "--format", "pprof", "-o", t.path("h"), "-p", alive.pid)
    check(unpacked(t.path("h")), "heap")
    contains(unpacked(t.path("h")), SHOWN)
    check(json.dumps(t.json("heap", "-p", alive.pid)), "heap --format json")


def test_baselines_have_none_and_fit_again(t):
    harness.require_root()
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program(3))
    check(t.path("b.json").read_text(), "the baseline")
    for form in ("text", "json", "markdown"):
        done = t.escapement("gate", "--baseline", t.path("b.json"), "--format", form, "--", *program(3))
        check(done.stdout + done.stderr, f"gate --format {form}")


def test_a_redacted_profile_has_no_command_line_and_no_directory(t):
    harness.require_root()
    folder = str(harness.BUILD)
    t.escapement("record", "--rate", "1", "-o", t.path("open"), "--", workload("seeds"), "--rounds", "3")
    t.escapement("record", "--rate", "1", "--redact", "-o", t.path("closed"), "--", workload("seeds"), "--rounds", "3")
    contains(unpacked(t.path("open")), "--rounds 3")
    contains(unpacked(t.path("open")), folder)
    text = unpacked(t.path("closed"))
    assert "--rounds" not in text and folder not in text and "/usr/" not in text, text[-3000:]
    whole, short = t.json("report", t.path("open")), t.json("report", t.path("closed"))
    same(short["target"]["command"], "seeds", "command")
    same([(row["function"], row["objects"]) for row in short["rows"]],
         [(row["function"], row["objects"]) for row in whole["rows"]], "rows")
    assert all("/" not in row["file"] for row in short["rows"] if row["file"]), short["rows"]
    alive = t.start(go_programs.build("1.24", "stripped", "alive"), *ARGUMENTS)
    alive.stdin.write("rate 1\nhold a 1000 100\n")
    alive.stdin.flush()
    alive.stdout.readline(), alive.stdout.readline()
    report = t.json("heap", "--redact", "-p", alive.pid)
    same("/" in report["target"]["command"], False, f"a directory in {report['target']['command']}")
    assert all("/" not in row["file"] for row in report["rows"] if row["file"]), report["rows"]


if __name__ == "__main__":
    harness.main()
