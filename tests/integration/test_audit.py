#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Audits end to end: real recordings of the seed programs, joined with the compiler output of each Go release."""
import csv
import io
import json
import os
import re
import subprocess

import go_programs
import harness
from harness import contains, same

VERSIONS = harness.go_releases("record")


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



def test_an_option_of_a_recording_is_refused_beside_a_recording_that_exists(t):
    t.path("m.txt").write_text("# p\n./a.go:1:2: moved to heap: x\n")
    for option in [("--rate", "1"), ("--duration", "1s"), ("--max-overhead", "0"), ("--no-stacks",), ("--no-follow",),
                   ("--enable-sampler",), ("--user", "root")]:
        for profile in ["p.pb.gz", "clickhouse://127.0.0.1/x"]:
            done = t.escapement("audit", "--escape", "m.txt", *option, profile, status=2)
            contains(done.stderr, f"{option[0]} is for a recording that is made now")

def by_site(document):
    """Rows by (file, line, column); fails if two rows have the same position."""
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
    # Before 1.25 the compiler prints nothing about appends. Since 1.25 it prints that neither escapes, although the one
    # that grows the slice allocates.
    silent = {("unannotated", "slice/main.go", 12, 13, "runtime.growslice", None)}
    speaking = {("contradicted", "slice/main.go", 12, 13, "runtime.growslice", "append"),
                ("stack", "slice/main.go", 19, 13, None, "append")}
    # Go 1.19 reports a boxed argument at the position of the call.
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
        same(document["warnings"], [])


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


def record_library_caller(t):
    """Makes whole.txt, the output that README asks for, main.txt, which covers main alone, and p.pb.gz, at rate 1."""
    harness.require_root()
    go = harness.go_toolchain(VERSIONS[-1])
    t.path("go.mod").write_text("module example.org/number\n\ngo 1.19\n")
    t.path("parse").mkdir()
    t.path("parse/parse.go").write_text("""package parse

import "regexp"

//go:noinline
func IsNumber(text string) bool {
	return regexp.MustCompile(`^-?[0-9]+([.][0-9]+)?$`).MatchString(text)
}
""")
    t.path("main.go").write_text("""package main

import "example.org/number/parse"

func main() {
	for i := 0; i < 1000; i++ {
		parse.IsNumber("12.5")
	}
}
""")
    environment = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="")
    for file, flags in (("whole.txt", "-gcflags=./...=-m=2"), ("main.txt", "-gcflags=-m=2")):
        t.path(file).write_text(t.run(go, "build", flags, "-o", "number", ".", env=environment).stderr)
    t.escapement("record", "-q", "--rate", "1", "--max-overhead", "0", "-o", "p.pb.gz", "--", "./number")


def test_a_line_that_calls_a_library_lists_the_costliest_of_its_functions(t):
    """The output that README asks for covers each package of the module; one that covers main alone names its caller."""
    record_library_caller(t)
    parts = r"^      (\d+) objects, \S+:$"
    rows = [row for row in t.json("audit", "--escape", "whole.txt", "p.pb.gz")["rows"]
            if row["verdict"] == "not-covered" and row["line"] == 7]
    same({row["file"] for row in rows}, {"parse/parse.go"})
    costs = sorted(((row["bytes"], row["objects"]) for row in rows), reverse=True)
    assert len(costs) > 5, rows
    text = t.escapement("audit", "--escape", "whole.txt", "p.pb.gz").stdout
    shown, hidden = text[text.index(f"parse/parse.go:7, {len(costs)} sites"):].split(f"{len(costs) - 3} more of this line, each")
    same([int(objects) for objects in re.findall(parts, shown, re.M)], [objects for _, objects in costs[:3]])
    contains(" ".join(hidden.split()), "--verdict not-covered lists them")
    every = t.escapement("audit", "--verdict", "not-covered", "--escape", "whole.txt", "p.pb.gz").stdout
    same(sorted(map(int, re.findall(parts, every[every.index("parse.go:7, "):], re.M))), sorted(n for _, n in costs))
    done = t.escapement("audit", "--escape", "main.txt", "p.pb.gz")
    contains(" ".join(done.stdout.split()), "example.org/number/parse.IsNumber, via regexp/syntax.(*parser).newRegexp, "
             "covered caller: main.main at main.go:7")
    contains(done.stderr, "nothing about example.org/number/parse; cover the whole module with: ")


def test_what_is_outside_is_a_sum_and_can_be_listed_as_rows(t):
    record_library_caller(t)
    audit = ("audit", "--escape", "whole.txt", "p.pb.gz")
    summed = int(re.search(r"^outside +- +(\d+) ", t.escapement(*audit).stdout, re.M)[1])
    rows = t.json(*audit, "--verdict", "outside")["rows"]
    same({row["owner"] for row in rows}, {None})
    same(sum(row["objects"] for row in rows), summed)
    text = t.escapement(*audit, "--verdict", "outside").stdout
    listed = text.partition("\noutside: no line of the program allocates it\n")[2]
    same(sum(int(n) for n in re.findall(r"^ +(\d+) +\S+ +[\d.]+% ", listed, re.M)), summed, "text")
    table = t.escapement(*audit, "--verdict", "outside", "--format", "markdown").stdout
    same(sum(int(n) for n in re.findall(r"^\| (\d+) \|", table, re.M)), summed, "markdown")
    t.escapement(*audit, "--fail-on", f"outside:objects>{max(row['objects'] for row in rows)}", status=0)
    t.escapement(*audit, "--fail-on", "outside", status=1)
    for form in "sarif", "quickfix":
        contains(t.escapement(*audit, "--verdict", "outside", "--format", form, status=2).stderr, "lists lines of the program")


def test_the_next_step_is_a_line(t):
    """Tiny objects are the greatest row, and nobody knows their lines: the next step is not to begin with them."""
    harness.require_root()
    go = harness.go_toolchain(VERSIONS[-1])
    t.path("go.mod").write_text("module tiny\n\ngo 1.19\n")
    t.path("main.go").write_text("""package main

import (
	"os"
	"runtime/pprof"
)

var small, large []byte

func main() {
	for i := 0; i < 4000000; i++ {
		small = make([]byte, 3)
		if i%1000000 == 0 {
			large = make([]byte, 4000)
		}
	}
	if len(os.Args) > 1 {
		pprof.Lookup("allocs").WriteTo(os.Stdout, 0)
	}
}
""")
    built = t.run(go, "build", "-gcflags=-m=2", "-o", "tiny", ".", env=dict(os.environ, GOTOOLCHAIN="local", GOFLAGS=""))
    t.path("m2.txt").write_text(built.stderr)
    t.escapement("record", "-q", "-o", "p.pb.gz", "--", "./tiny")
    text = t.escapement("audit", "--escape", "m2.txt", "p.pb.gz").stdout
    rows = [row for row in t.json("audit", "--escape", "m2.txt", "p.pb.gz")["rows"] if row["objects"]]
    tiny = max(rows, key=lambda row: row["bytes"])
    assert tiny["line"] is None and tiny["verdict"] == "unplaced", rows
    contains(text, "it allocates, at a line that nobody knows")
    assert "not-covered  " not in text, text
    contains(text, "(unknown)")
    assert "begin with (unknown)" not in text, text


def test_what_the_report_has_no_number_of_is_no_0_in_an_audit(t):
    """Tiny objects of which no block was sampled have no bytes, and a line that only made the heap grow has no objects."""
    harness.require_root()
    program = go_programs.build(go_programs.versions()[-1], "stripped", "sizes")
    for _ in range(5):
        t.escapement("record", "-q", "-o", "p.pb.gz", "--", program)
        reported, = [row for row in t.json("report", "p.pb.gz")["rows"] if row["function"] == "(tiny objects: split unknown)"]
        if reported["bytes"] is None:
            break
    same(reported["bytes"], None, "of five recordings each has a sample of 750 blocks")
    audit = t.json("audit", "--escape", output("1.27"), "p.pb.gz")
    tiny, = [row for row in audit["rows"] if row["verdict"] == "unplaced"]
    same({key: tiny[key] for key in ("objects", "bytes", "objects_low", "objects_high", "bytes_high")},
         {key: reported[key] for key in ("objects", "bytes", "objects_low", "objects_high", "bytes_high")})
    for row in audit["rows"]:
        assert row["verdict"] in ("escapes-unseen", "stack") or 0 not in (row["objects"], row["bytes"]), row
    text = t.escapement("audit", "--escape", output("1.27"), "p.pb.gz").stdout
    assert re.search(rf"^unplaced +1 +{tiny['objects']} +- +-$", text, re.M), text
    contains(t.escapement("audit", "--format", "csv", "--escape", output("1.27"), "p.pb.gz").stdout, f"false,{tiny['objects']},,")
    contains(t.escapement("audit", "--format", "quickfix", "--escape", output("1.27"), "p.pb.gz").stdout,
             f"({tiny['objects']} objects)")


def test_text_fits_80_columns_shows_the_work_list_first_and_every_verdict(t):
    profile, _ = recording(t, "--rounds", "2")
    text = t.escapement("audit", "--escape", output("1.27"), profile, env={**os.environ, "COLUMNS": "80"}).stdout
    for line in text.splitlines():
        assert len(line) <= 80, f"{len(line)} columns: {line}"
    contains(text, "moved to heap: x")
    contains(text, "x is returned by foo (return &x, line 7)")
    for verdict, count in (("escapes-unseen", 2), ("stack", 9)):
        assert re.search(rf"^{verdict} +{count} +- +- +-$", text, re.M), text
    contains(text, "\n\nnext: begin with escape/escape.go:6:6 (escapes, ")
    assert text.index("\nescapes: ") < text.index("escape/escape.go:6:6") < text.index("\ncontradicted: ")
    contains(t.escapement("audit", "--flow", "--escape", output("1.24"), profile).stdout,
             "flow: ~r0 = &x\n          from &x (address-of) at escape/escape.go:7:9\n")
    narrow = t.escapement("audit", "--escape", output("1.24"), profile, env={"COLUMNS": "40", "PATH": "/usr/bin"})
    contains(narrow.stdout, "moved to heap: x")


def test_the_sites_of_a_source_line_are_one_line_with_their_sum(t):
    profile, _ = recording(t, "--rounds", "2")
    lines = {}
    for row in t.json("audit", "--escape", output("1.24"), profile)["rows"]:
        if row["verdict"] == "escapes":
            lines.setdefault((row["file"], row["line"]), []).append(row["objects"])
    several = {place: objects for place, objects in lines.items() if len(objects) > 1}
    same(set(several), {("simple/main.go", 17), ("slice/main.go", 24)}, "lines with several sites")
    text = t.escapement("audit", "--verdict", "escapes", "--escape", output("1.24"), profile).stdout
    for (file, line), objects in several.items():
        found = re.search(rf"^ +(\d+) .*  {file}:{line}, {len(objects)} sites\n((?:      (?:  )?\S.*\n)+)", text, re.M)
        assert found, text
        same(int(found[1]), sum(objects), f"objects of line {line}")
        same(sorted(map(int, re.findall(r"^      (\d+) objects, \S+:$", found[2], re.M))), sorted(objects), "those of its sites")
    same(len(re.findall(r"^ +\d+ .*\.go:\d+", text, re.M)), len(lines), "lines")


def test_estimates_carry_intervals(t):
    harness.require_root()
    profile = t.path("sampled.pb.gz")
    t.escapement("record", "-q", "--rate", "8k", "-o", profile, "--", harness.workload("seeds"), "--rounds", "200",
                 "--program", "escape")
    document = t.json("audit", "--escape", output("1.24"), profile)
    row = by_site(document)["escape/escape.go", 6, 6]
    same(document["exact"]["rows"], False)
    # The exact total of the size class may limit both the upper bound and the estimate.
    assert 0 < row["objects_low"] <= row["objects"] <= row["objects_high"], row
    assert row["objects_low"] < row["objects_high"], row
    unseen = by_site(document)["simple/main.go", 17, 2]
    same((unseen["objects"], unseen["objects_low"], unseen["objects_high"]), (0, 0, None))
    text = t.escapement("audit", "--escape", output("1.24"), profile).stdout
    assert re.search(r"between [0-9]+ and [0-9]+ objects, \S+B and \S+B \(95 %\)", text), text
    total = t.json("report", profile)["totals"]["objects"]
    contains(" ".join(text.split()), f"{total} objects, ")
    contains(" ".join(text.split()), "; lines estimated from a sample every 8.00KiB: ")


def test_costs_alone_leave_objects_unmeasured_and_say_so(t):
    harness.require_root()
    profile = t.path("costs.pb.gz")
    t.escapement("record", "-q", "--rate", "0", "-o", profile, "--", harness.workload("seeds"), "--rounds", "200",
                 "--program", "escape")
    document = t.json("audit", "--escape", output("1.24"), profile)
    row = by_site({"rows": [row for row in document["rows"] if row["verdict"] == "escapes"]})["escape/escape.go", 6, 6]
    same((row["objects"], row["bytes"]), (None, None))
    assert row["refills"] > 100, row
    contains(document["warnings"][0], "does not measure objects by line")
    done = t.escapement("audit", "--escape", output("1.24"), profile)
    contains(done.stderr, "a line without refills may have allocated too")
    contains(done.stdout, "refills, objects by line not measured")


def test_rows_are_filtered_and_sorted_as_asked(t):
    profile, _ = recording(t)

    def sites(*options):
        rows = t.json("audit", "--escape", output("1.24"), profile, *options)["rows"]
        return [f"{row['file'].split('/')[0]}:{row['line']}" for row in rows]

    same(sites("--verdict", "unannotated"), ["slice:12"])
    same(sites("--verdict", "unannotated", "--verdict", "escapes", "--top", "1"), ["escape:6", "slice:12"])
    none = t.escapement("audit", "--escape", output("1.24"), profile, "--verdict", "not-covered").stdout
    same(none.splitlines()[-1], "no line to list has the verdict that was asked for")
    same(sites("--min-objects", "2"), ["escape:6"])
    same(sites("--min-bytes", "24", "--verdict", "escapes", "--sort", "site"), ["escape:6", "slice:24", "slice:24"])
    same(sites("--package", "example.com/seeds/f*", "--verdict", "escapes"), ["fmtptr:10"])
    same(sites("--function", "main.boo"), ["simple:17", "simple:17"])


def test_a_row_without_an_allocation_takes_little_memory(t):
    if harness.SANITIZED:
        raise harness.Skip("sanitizers take memory of their own")
    profile, _ = recording(t)
    said, rows = t.path("said.txt"), 200_000
    said.write_text("# example.com/p\n" + "".join(f"./p.go:{line}:2: moved to heap: x\n" for line in range(1, rows + 1)))

    def peak(form):
        command = [harness.ESCAPEMENT, "audit", "--format", form, "-e", said, "-o", os.devnull, profile]
        child = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        same(child.returncode, 0)
        return used.ru_maxrss * 1024

    text = peak("text")  # which only counts them
    for form in ("json", "csv", "markdown", "quickfix"):
        taken = (peak(form) - text) / rows
        assert taken < 200, f"{form}: {taken:.0f} bytes a row"


def test_thresholds_exit_1_and_name_themselves(t):
    profile, _ = recording(t)
    audit = ("audit", "--escape", output("1.24"), profile)
    contains(t.escapement(*audit, "--fail-on", "escapes:objects>999", status=1).stderr,
             "--fail-on escapes:objects>999: 1 row")
    t.escapement(*audit, "--fail-on", "escapes:objects>1000", status=0)
    t.escapement(*audit, "--fail-on", "contradicted", status=0)
    t.escapement(*audit, "--fail-on", "unannotated", status=1)
    # --fail-on also applies to rows that are not printed.
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
    document = t.json("audit", "--escape", output("1.24"), profile)
    for verdict, count in document["verdicts"].items():
        if count:
            section = markdown[markdown.index(f"### {verdict}\n"):].partition("\n### ")[0]
            contains(section, f": {count} row{'' if count == 1 else 's'}")
            allocates = verdict not in ("escapes-unseen", "stack")
            same(section.count("\n| ") - 1 if allocates else section.count("`--verdict"), count if allocates else 1, verdict)


# SARIF 2.1.0: the objects that we write; for each property, whether it is required.
TEXT = {"text": True}
LOCATION = {"id": False, "physicalLocation": False, "message": False}
SARIF = {
    "": {"$schema": False, "version": True, "runs": True},
    "runs": {"tool": True, "results": False, "invocations": False, "columnKind": False},
    "tool": {"driver": True},
    "driver": {"name": True, "semanticVersion": False, "rules": False},
    "rules": {"id": True, "shortDescription": False, "fullDescription": False, "defaultConfiguration": False},
    "shortDescription": TEXT, "fullDescription": TEXT, "message": TEXT, "defaultConfiguration": {"level": False},
    "invocations": {"executionSuccessful": True, "toolExecutionNotifications": False},
    "toolExecutionNotifications": {"message": True, "level": False},
    "results": {"message": True, "ruleId": False, "ruleIndex": False, "level": False, "locations": False,
                "relatedLocations": False, "codeFlows": False, "partialFingerprints": False, "properties": False},
    "locations": LOCATION, "relatedLocations": LOCATION, "location": LOCATION,
    "physicalLocation": {"artifactLocation": False, "region": False},
    "artifactLocation": {"uri": False, "uriBaseId": False},
    "region": {"startLine": True, "startColumn": False},
    "codeFlows": {"threadFlows": True}, "threadFlows": {"locations": True},
}


def check_sarif(value, name=""):
    if isinstance(value, list):
        for item in value:
            check_sarif(item, name)
    if not isinstance(value, dict) or name in ("properties", "partialFingerprints"):
        return
    if name == "locations" and "location" in value:  # an element of a thread flow
        check_sarif(value["location"], "location")
        return
    known = SARIF[name]
    for key, member in value.items():
        assert key in known, f"'{key}' in '{name}'"
        check_sarif(member, key)
    for key, required in known.items():
        assert not required or key in value, f"no '{key}' in '{name}': {value}"
    if name == "region":
        assert value["startLine"] >= 1 and value.get("startColumn", 1) >= 1, value
    if name == "artifactLocation":
        assert re.fullmatch(r"(file:///)?[A-Za-z0-9._~/%-]+", value["uri"]), value
        same("uriBaseId" in value, not value["uri"].startswith("file:"))
    if "level" in value:
        assert value["level"] in ("none", "note", "warning", "error"), value


def sarif(t, said, profile, *options):
    document = json.loads(t.escapement("audit", "--format", "sarif", "--escape", said, profile, *options).stdout)
    check_sarif(document)
    same(document["version"], "2.1.0")
    run, = document["runs"]
    for result in run["results"]:
        same(run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"], result["ruleId"])
        ids = [location["id"] for location in result["relatedLocations"]]
        same(len(set(ids)), len(ids))
    return run


def test_sarif_has_the_form_that_the_standard_asks_for(t):
    profile, _ = recording(t)
    run = sarif(t, output("1.24"), profile)
    first = run["results"][0]
    same((first["ruleId"], first["level"]), ("escapes", "warning"))
    same(first["locations"][0]["physicalLocation"],
         {"artifactLocation": {"uri": "escape/escape.go", "uriBaseId": "%SRCROOT%"},
          "region": {"startLine": 6, "startColumn": 6}})
    contains(first["message"]["text"], "main.foo allocated 1000 objects, 8000 bytes here")
    steps = first["codeFlows"][0]["threadFlows"][0]["locations"]
    same([step["location"]["message"]["text"] for step in steps], ["&x (address-of)", "return &x (return)"])
    same(len(run["results"]), 9)
    same(len(sarif(t, output("1.24"), profile, "--verdict", "stack")["results"]), 8)


def sarif_validator():
    """A validator for the SARIF schema of OASIS, which comes from an npm package."""
    try:
        import jsonschema
    except ImportError:
        raise harness.Skip("python3-jsonschema is not installed") from None
    packages = harness.npm_packages("npm-sarif", {"@microsoft/jest-sarif": "1.0.0-beta.0"})
    schema, = packages.rglob("sarif-2.1.0-rtm.5.json")
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text()))
    broken = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"ruleId": "y"}]}]}
    assert not validator.is_valid(broken), "the schema accepts a result without a message"
    return validator


def test_sarif_validates_against_the_published_schema(t):
    validator = sarif_validator()
    profile, _ = recording(t)
    more, _ = recording(t, "--rounds", "2", name="more.pb.gz")
    for version in VERSIONS:
        for options in ((), ("--verdict", "stack"), ("--verdict", "not-covered")):
            validator.validate(json.loads(t.escapement("audit", "--format", "sarif", "--escape", output(version), profile,
                                                       *options).stdout))
    for status, profiles in ((1, (profile, more)), (0, (more, profile))):
        document = json.loads(t.escapement("gate", "compare", *profiles, "--format", "sarif", status=status).stdout)
        validator.validate(document)
        same(bool(document["runs"][0]["results"]), status == 1)


def test_sarif_stays_within_the_limits_of_code_scanning_and_ranks_what_was_measured_first(t):
    profile, _ = recording(t)
    said = t.path("many.txt")
    said.write_text(output("1.24").read_text() +
                    "".join(f"escape/escape.go:{line}:2: moved to heap: v{line}\n" for line in range(100, 7000)))
    run = sarif(t, said, profile)
    same(len(run["results"]), 5000)
    same([result["ruleId"] for result in run["results"]][:8], ["escapes"] * 6 + ["unannotated", "escapes-unseen"])
    notification, = run["invocations"][0]["toolExecutionNotifications"]
    same(notification["message"]["text"], f"{9 + 6900 - 5000} results of lower rank are not in this file")


def test_sarif_fingerprints_stay_when_lines_move_and_tell_results_apart(t):
    profile, _ = recording(t, "--program", "add")
    said = output("1.24").read_text() + "escape/escape.go:30:2: moved to heap: x\n"
    moved = re.sub(r"(?m)(\.go:)(\d+)", lambda match: match[1] + str(int(match[2]) + 12), said)
    prints = []
    for name, text in (("said", said), ("moved", moved)):
        t.path(name).write_text(text)
        results = sarif(t, t.path(name), profile)["results"]
        prints.append([result["partialFingerprints"]["escapementSite/v1"] for result in results])
    same(prints[0], prints[1])
    same(len(set(prints[0])), len(prints[0]))
    same(len(prints[0]), 9)


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


def test_options_of_a_recording_or_of_the_comparison_are_refused_beside_the_verdicts_of_a_store(t):
    """No store is asked: nothing listens there."""
    nowhere = "clickhouse://127.0.0.1:1/none"
    for options in (("-p", os.getpid()), ("--name", "none")):
        contains(t.escapement("audit", *options, nowhere, status=2).stderr, "a store has recordings already")
        contains(t.escapement("audit", "--escape", output("1.24"), *options, nowhere, status=2).stderr, f"unexpected argument '{nowhere}'")
    for options in (("--module", "example.com/*"), ("--path-map", "/a=/b"), ("-C", t.directory)):
        contains(t.escapement("audit", *options, nowhere, status=2).stderr, "to compare the store's rows anew, give --escape FILE, too")
    contains(t.escapement("audit", nowhere, status=None).stderr, "127.0.0.1:1")


harness.main()
