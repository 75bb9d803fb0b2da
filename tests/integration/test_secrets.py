#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Data that must not get into files that users share: no output of any command contains secrets of a command line; with
--redact it contains no command line and no directory."""
import gzip
import json
import mmap
import os
import shutil
import signal
import struct

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


def test_a_core_file_whose_arguments_the_kernel_has_joined_has_none(t):
    if not shutil.which("gcore"):
        raise harness.Skip("gcore is not installed")
    alive = t.start(go_programs.build("1.24", "stripped", "alive"))
    harness.tell(alive, "rate 1", "hold a 1000 100")
    t.run("gcore", "-o", t.path("core"), alive.pid)
    core = t.path(f"core.{alive.pid}")
    with open(core, "r+b") as file, mmap.mmap(file.fileno(), 0) as contents:
        note = contents.find(struct.pack("<III", 5, 136, 3) + b"CORE\0")  # NT_PRPSINFO
        arguments = note + 20 + 56  # pr_psargs, into which gdb writes the program's name alone
        contents[arguments:arguments + 80] = b"./alive -H Authorization: Bearer hunter2 --api-key s3cr3t".ljust(80, b"\0")
    t.escapement("heap", "--core", core, "--format", "pprof", "-o", t.path("h"))
    for text in (unpacked(t.path("h")), t.escapement("heap", "--core", core).stdout):
        check(text, "heap --core")
        contains(text, "./alive -H Authorization:<hidden>")


def test_a_server_that_writes_over_its_arguments_has_none(t):
    harness.require_root()
    target = t.start("perl", "-e", "$0 = 'srv: running --db-password hunter2 --port 1'; <STDIN>", "x" * 80,
                     env={**os.environ, "LD_PRELOAD": str(harness.BUILD / "libgoalloc-preload.so")})
    harness.wait_for(lambda: open(f"/proc/{target.pid}/cmdline").read().startswith("srv:"), "the new arguments")
    recorder = t.attach(target.pid, "-o", t.path("p"))
    recorder.end()
    check(recorder.said() + unpacked(t.path("p")), "record -p")
    contains(unpacked(t.path("p")), "srv: running --db-password <hidden> --port 1")


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


def check_redacted(t, text, what):
    """It has neither arguments nor directories: of the program, its sources and its libraries."""
    for secret in ("--rounds", str(harness.ROOT), str(t.directory), "tests/workloads", "/usr/", "/lib/"):
        assert secret not in text, f"{what} has {secret}: {text[max(0, text.index(secret) - 300):][:600]}"


def test_a_redacted_gate_has_no_command_line_and_no_directory_in_any_format(t):
    harness.require_root()
    gate = ["gate", "--redact", "--baseline", t.path("b.json")]
    for rounds, status in ((3, 0), (4, 1)):
        command = ["--", workload("seeds"), "--rounds", rounds]
        if rounds == 3:
            t.escapement(*gate, "--update", *command)
            baseline = json.loads(t.path("b.json").read_text())
            same(baseline["command"], ["seeds"], "the baseline's command")
            check_redacted(t, t.path("b.json").read_text(), "the baseline")
        for form in ("text", "json", "markdown", "junit", "github", "sarif", "html"):
            shown = t.escapement(*gate, "--all", "--format", form, *command, status=status).stdout
            check_redacted(t, shown, f"gate --format {form}")
            assert "main.go" in shown or status == 0, shown


def test_redacted_comparisons_have_none(t):
    harness.require_root()
    for rounds in (3, 4):
        t.escapement("record", "--rate", "1", "-o", t.path(f"{rounds}.pb.gz"), "--", workload("seeds"), "--rounds", rounds)
    both = [t.path("3.pb.gz"), t.path("4.pb.gz")]
    for form in ("text", "json", "markdown", "junit", "github", "sarif", "html"):
        shown = t.escapement("gate", "compare", "--redact", "--all", "--format", form, *both, status=1).stdout
        check_redacted(t, shown, f"gate compare --format {form}")
    rows = {}
    for more in ([], ["--redact"]):
        for form in ("text", "markdown", "html", "json"):
            shown = t.escapement("compare", *more, "--all", "--format", form, *both).stdout
            if more:
                check_redacted(t, shown, f"compare --format {form}")
        rows[bool(more)] = [(row["function"], row["change"]) for row in json.loads(shown)["rows"]]
    same(rows[True], rows[False], "rows")


GO_MODULE = {"go.mod": "module example.com/kept\n\ngo 1.19\n", "deep/inside/main.go": """package main

var kept *[64]int

func main() {
	for i := 0; i < 100; i++ {
		kept = new([64]int)
	}
}
"""}


def test_redacted_builds_have_none(t):
    harness.require_root()
    for name, text in GO_MODULE.items():
        t.path(name).parent.mkdir(parents=True, exist_ok=True)
        t.path(name).write_text(text)
    patch = t.path("more.diff")
    patch.write_text("--- a/deep/inside/main.go\n+++ b/deep/inside/main.go\n@@ -6,3 +6,3 @@\n func main() {\n"
                     "-\tfor i := 0; i < 100; i++ {\n+\tfor i := 0; i < 200; i++ {\n \t\tkept = new([64]int)\n")
    go = harness.go_toolchain(harness.go_releases("everyday")[-1])
    environ = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "PATH": f"{go.parent}:{os.environ['PATH']}"}
    for form in ("text", "markdown", "html", "json"):
        shown = t.escapement("compare", "--redact", "--runs", "1", "--all", "--format", form, "--patch", patch, "--", "go",
                             "run", "./deep/inside", "--rounds", env=environ, timeout=300).stdout
        check_redacted(t, shown, f"compare --format {form}")
        assert "deep/inside" not in shown and "main.go" in shown, shown
        contains(shown, "more.diff")


def test_a_redacted_page_has_none(t):
    harness.require_root()
    t.escapement("record", "--rate", "1", "-o", t.path("p"), "--", workload("seeds"), "--rounds", "3")
    t.escapement("html", "-o", t.path("open.html"), t.path("p"))
    contains(t.path("open.html").read_text(), "--rounds 3")
    t.escapement("html", "--redact", "-o", t.path("closed.html"), t.path("p"))
    page = t.path("closed.html").read_text()
    check_redacted(t, page, "the page")
    contains(page, "main.go")
    done = t.escapement("html", "--redact", "--escape", t.path("m2"), "-o", t.path("closed.html"), t.path("p"), status=2)
    contains(done.stderr, "--redact shortens the paths by which --escape finds")


if __name__ == "__main__":
    harness.main()
