#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Audits end to end: the seed programs, recorded for real, beside what each Go release said about them."""
import csv
import io
import json
import re
import subprocess

import harness
from harness import contains, same

VERSIONS = ["1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"]


def output(version, flags="m2-l"):
    return harness.FIXTURES / "escape-output" / f"seeds.go{version}.{flags}.txt"


def recording(t, *arguments, name="seeds.pb.gz"):
    """A recording of the seed programs at rate 1; a profile of it and the workload's own counts."""
    harness.require_root()
    profile = t.path(name)
    printed = t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", harness.workload("seeds"),
                           "--print-counts", *arguments).stdout
    counts = [json.loads(line) for line in printed.splitlines()]
    return profile, {(c["file"], c["line"], c["column"]): c for c in counts}


def by_site(document):
    """Rows by file, line and column; at most one each."""
    rows = {}
    for row in document["rows"]:
        key = row["file"], row["line"], row["column"]
        assert key not in rows, f"two rows at {key}"
        rows[key] = row
    return rows


def test_every_seed_program_has_the_verdicts_and_the_exact_counts_of_its_lines(t):
    expected = {
        ("escapes", "escape/escape.go", 6, 6, "runtime.newobject", "x"),
        ("stack", "escape/escape.go", 11, 10, None, "new(int)"),
        ("stack", "add/main.go", 8, 13, None, "... argument"),
        ("escapes-unseen", "add/main.go", 8, 14, None, "ans"),
        ("escapes", "fmtptr/main.go", 10, 2, "runtime.newobject", "a"),
        ("stack", "fmtptr/main.go", 13, 12, None, "... argument"),
        ("stack", "fmtval/main.go", 13, 12, None, "... argument"),
        ("escapes-unseen", "fmtval/main.go", 13, 22, None, "a"),
        ("stack", "noescape/main.go", 8, 15, None, "p"),
        ("stack", "noescape/main.go", 20, 12, None, "... argument"),
        ("stack", "simple/main.go", 11, 17, None, "new(int)"),
        ("escapes", "simple/main.go", 17, 2, "runtime.newobject", "c"),
        ("escapes", "simple/main.go", 17, 5, "runtime.newobject", "d"),
        ("stack", "slice/main.go", 17, 15, None, "make([]int, 0, 4)"),
        ("escapes", "slice/main.go", 24, 6, "runtime.newobject", "s3"),
        ("escapes", "slice/main.go", 24, 15, "runtime.makeslice", "make([]int, 0, 4)"),
    }
    # Before 1.25 the compiler is silent about appends; since then it says of both that they do not escape, and the
    # one that grows allocates all the same.
    silent = {("unannotated", "slice/main.go", 12, 13, "runtime.growslice", None)}
    speaking = {("contradicted", "slice/main.go", 12, 13, "runtime.growslice", "append"),
                ("stack", "slice/main.go", 19, 13, None, "append")}
    # 1.19 puts a boxed argument elsewhere.
    at_call = {("escapes-unseen", "add/main.go", 8, 14): 13, ("escapes-unseen", "fmtval/main.go", 13, 22): 13}

    profile, counts = recording(t, "--rounds", "3", "--threads", "2")
    for version in VERSIONS:
        wanted = expected | (speaking if float(version) >= 1.25 else silent)
        if version == "1.19":
            wanted = {row[:3] + (at_call.get(row[:4], row[3]),) + row[4:] for row in wanted}
        document = t.json("audit", "--escape", output(version), profile)
        found = [(row["verdict"], row["file"], row["line"], row["column"], row["runtime_call"],
                  row["annotations"][0]["subject"] if row["annotations"] else None) for row in document["rows"]]
        same(sorted(found, key=str), sorted(wanted, key=str), f"verdicts with output of Go {version}")
        for row in document["rows"]:
            site = row["file"], row["line"], row["column"]
            count = counts[site] if row["runtime_call"] else {"objects": 0, "bytes": 0}
            same((row["objects"], row["bytes"]), (count["objects"], count["bytes"]), f"numbers of {site}")
        same(document["totals"]["objects"], sum(c["objects"] for c in counts.values()))
        same(document["lost"], {"events": 0, "stacks": 0})
        same(document["exact"], {"totals": True, "rows": True})


def test_the_append_that_grows_says_why_with_every_release(t):
    profile, _ = recording(t, "--program", "slice")
    for version, verdict, reason in (("1.24", "unannotated", "append growth"),
                                     ("1.27", "contradicted", "append outgrew its space on the stack")):
        rows = by_site(t.json("audit", "--escape", output(version), profile))
        row = rows["slice/main.go", 12, 13]
        same((row["verdict"], row["reason"]), (verdict, reason))


def test_a_program_is_audited_while_it_is_recorded_and_its_output_passes_through(t):
    harness.require_root()
    done = t.escapement("audit", "--escape", output("1.24"), "--rate", "1", "-o", t.path("audit.json"),
                        "--format", "json", "--", harness.workload("seeds"), "--print-counts", "--program", "escape")
    same(json.loads(done.stdout)["objects"], 1000)
    rows = by_site(json.loads(t.path("audit.json").read_text()))
    same(rows["escape/escape.go", 6, 6]["objects"], 1000)
    same(rows["simple/main.go", 17, 2]["verdict"], "escapes-unseen")


def test_text_fits_80_columns_shows_the_work_list_first_and_counts_the_rest(t):
    profile, _ = recording(t, "--rounds", "2")
    text = t.escapement("audit", "--escape", output("1.27"), profile).stdout
    for line in text.splitlines():
        assert len(line) <= 80, f"{len(line)} columns: {line}"
    contains(text, "moved to heap: x")
    contains(text, "because of return &x (return), line 7")
    contains(text, "the rest: 2 escapes-unseen, 9 stack")
    assert text.index("\nescapes: ") < text.index("escape/escape.go:6:6") < text.index("\ncontradicted: ")
    contains(t.escapement("audit", "--flow", "--escape", output("1.24"), profile).stdout,
             "flow: ~r0 = &x\n          from &x (address-of) at escape/escape.go:7:9\n")
    narrow = t.escapement("audit", "--escape", output("1.24"), profile, env={"COLUMNS": "40", "PATH": "/usr/bin"})
    contains(narrow.stdout, "moved to heap: x")


def test_estimates_carry_intervals(t):
    harness.require_root()
    profile = t.path("sampled.pb.gz")
    t.escapement("record", "-q", "--rate", "8k", "-o", profile, "--", harness.workload("seeds"), "--rounds", "200",
                 "--program", "escape")
    document = t.json("audit", "--escape", output("1.24"), profile)
    row = by_site(document)["escape/escape.go", 6, 6]
    same(document["exact"]["rows"], False)
    assert 0 < row["objects_low"] < row["objects"] < row["objects_high"], row
    unseen = by_site(document)["simple/main.go", 17, 2]
    same((unseen["objects"], unseen["objects_low"], unseen["objects_high"]), (0, 0, None))
    contains(t.escapement("audit", "--escape", output("1.24"), profile).stdout, "objects (95 %)")


def test_rows_are_filtered_and_sorted_as_asked(t):
    profile, _ = recording(t)

    def sites(*options):
        rows = t.json("audit", "--escape", output("1.24"), profile, *options)["rows"]
        return [f"{row['file'].split('/')[0]}:{row['line']}" for row in rows]

    same(sites("--verdict", "unannotated"), ["slice:12"])
    same(sites("--verdict", "unannotated", "--verdict", "escapes", "--top", "1"), ["escape:6", "slice:12"])
    same(sites("--min-objects", "2"), ["escape:6"])
    same(sites("--min-bytes", "24", "--verdict", "escapes", "--sort", "site"), ["escape:6", "slice:24", "slice:24"])
    same(sites("--package", "example.com/seeds/f*", "--verdict", "escapes"), ["fmtptr:10"])
    same(sites("--function", "main.boo"), ["simple:17", "simple:17"])


def test_thresholds_exit_1_and_name_themselves(t):
    profile, _ = recording(t)
    audit = ("audit", "--escape", output("1.24"), profile)
    contains(t.escapement(*audit, "--fail-on", "escapes:objects>999", status=1).stderr,
             "--fail-on escapes:objects>999: 1 row")
    t.escapement(*audit, "--fail-on", "escapes:objects>1000", status=0)
    t.escapement(*audit, "--fail-on", "contradicted", status=0)
    t.escapement(*audit, "--fail-on", "unannotated", status=1)
    # What is not shown fails all the same.
    t.escapement(*audit, "--fail-on", "unannotated", "--verdict", "escapes", "--top", "1", status=1)


def test_the_source_is_annotated(t):
    profile, _ = recording(t)
    source = harness.FIXTURES / "seed-programs" / "slice" / "main.go"
    text = t.escapement("audit", "--escape", output("1.24"), profile, "--annotate", source).stdout
    contains(text, "        1          24    12      s1 = append(s1, 1, 2, 3)\n")
    contains(text, "^ append growth")
    contains(text, "        2          56    24      var s3 = make([]int, 0, 4)\n")
    same([line for line in text.splitlines() if "moved to heap: s3" in line].__len__(), 1)
    source_lines = source.read_text().splitlines()
    numbered = [line for line in text.splitlines()[1:] if "^" not in line]
    same(len(numbered), len(source_lines))
    other = t.path("other.go")
    other.write_text("package other\n")
    contains(t.escapement("audit", "--escape", output("1.24"), profile, "--annotate", other, status=2).stderr,
             "nothing in the profile or the compiler output is about")


def test_other_formats_say_the_same(t):
    profile, _ = recording(t)
    audit = ("audit", "--escape", output("1.24"), profile, "--format")
    quickfix = t.escapement(*audit, "quickfix").stdout.splitlines()
    same(quickfix[0], "escape/escape.go:6:6: escapes: moved to heap: x (1000 objects, 8000 bytes)")
    for line in quickfix:
        assert re.match(r"[^:]+:\d+:\d+: (escapes|unannotated|escapes-unseen): ", line), line
    rows = list(csv.DictReader(io.StringIO(t.escapement(*audit, "csv").stdout)))
    same(len(rows), 17)
    same((rows[0]["verdict"], rows[0]["subject"], rows[0]["objects"]), ("escapes", "x", "1000"))
    markdown = t.escapement(*audit, "markdown").stdout
    contains(markdown, "| 1000 | 8000 | escape/escape.go:6:6 | main.foo | moved to heap: x |")
    contains(markdown, r"make(\[\]int, 0, 4) escapes to heap")


def test_what_is_wrong_is_said_with_exit_2(t):
    garbage = t.path("garbage")
    garbage.write_bytes(bytes(range(256)) * 16)
    empty = t.path("empty")
    empty.touch()
    profile = t.path("p.pb.gz")
    profile.write_bytes(b"\x1f\x8b")
    good = output("1.24")
    cases = [
        (("audit",), "no compiler output: give --escape FILE"),
        (("audit", "--escape", good), "nothing to audit"),
        (("audit", "--escape", good, "a", "b"), "unexpected argument 'b'"),
        (("audit", "--escape", t.path("none"), profile), "none"),
        (("audit", "--escape", garbage, profile), "garbage"),
        (("audit", "--escape", empty, profile), "empty"),
        (("audit", "--escape", good, t.path("none.pb.gz")), "none.pb.gz"),
        (("audit", "--escape", good, profile), "p.pb.gz"),
        (("audit", "--escape", good, garbage), "garbage"),
        (("audit", "--escape", good, "--verdict", "leaks", profile), "unknown verdict 'leaks'"),
        (("audit", "--escape", good, "--fail-on", "escapes:lines>3", profile), "cannot read the threshold"),
        (("audit", "--escape", good, "--path-map", "x", profile), "cannot read the path map 'x'"),
        (("audit", "--escape", good, "--format", "html", profile), "html"),
        (("audit", "--escape", good, "--colour", profile), "unknown option '--colour'"),
    ]
    for arguments, message in cases:
        done = t.escapement(*arguments, status=2)
        contains(done.stderr, message)
        same(done.stdout, "", f"standard output of {arguments}")


def test_a_full_disk_under_the_output_is_an_error_that_names_it(t):
    profile, _ = recording(t, "--program", "escape")
    done = t.escapement("audit", "--escape", output("1.24"), profile, "-o", "/dev/full", status=2)
    contains(done.stderr, "/dev/full")


def test_a_reader_that_leaves_early_does_no_harm(t):
    profile, _ = recording(t, "--program", "escape")
    command = f"{harness.ESCAPEMENT} audit --escape {output('1.24')} {profile} | head -n 1"
    done = subprocess.run(["bash", "-c", command + '; exit "${PIPESTATUS[1]}"'], capture_output=True, text=True,
                          timeout=30, check=False)
    same(done.returncode, 0)
    contains(done.stdout, "every allocation counted")


harness.main()
