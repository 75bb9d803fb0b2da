#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Audits of real Go programs: compares the rows for each line of tests/fixtures/inlining, built by several Go releases,
with the expectation in the line's comment."""
import json
import os
import pathlib
import re
import shutil

import harness
from harness import contains, same

CORPUS = harness.FIXTURES / "inlining"
RUNS = 1000
GROWTHS = {False: 8, True: 5}  # of an append of 100 ints; since Go 1.25 the first four fit the stack


def newer(version):
    return tuple(map(int, version.split("."))) >= (1, 25)


def expectation(text, version):
    """Parses "VERDICT SUBJECT OBJECTS in FUNCTION" to (verdict, subject or reason, objects, function)."""
    if text == "append in a loop":
        what = ("contradicted", "append") if newer(version) else ("unannotated", "append growth")
        return *what, RUNS * GROWTHS[newer(version)], None
    if text == "make of variable size":
        return "contradicted" if newer(version) else "escapes", "make([]int, n)", RUNS, None
    parts = re.fullmatch(r"(\S+) (.*?)(?: (\d+))?(?: in (\S+))?", text)
    verdict, subject, objects, function = parts.groups()
    if verdict == "not-covered":
        objects = RUNS
    if subject == "map growth":
        return verdict, subject, None, None
    if version == "1.19" and subject == "&Box{...}":
        function = None  # generic functions are not inlined there
    return verdict, subject, int(objects or 0), function


def expectations(version):
    wanted = {}
    for path in sorted(CORPUS.rglob("*.go")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "//= " in line and "//= VERDICT" not in line:
                texts = line.split("//= ")[1].split("; ")
                key = str(path.relative_to(CORPUS)), number
                wanted[key] = sorted((expectation(text, version) for text in texts), key=str)
    return wanted


def plain(subject):
    """The subject without package qualifiers, type arguments and conversions of constants, which vary between
    releases."""
    return re.sub(r"int\((\d+)\)", r"\1", re.sub(r"\bbox\.|\[go\.shape\.[^\]]*\]", "", subject))


def summary(row):
    if row["annotations"]:
        calls = [a for a in row["annotations"] if not a["callee"]]
        what = " ".join(dict.fromkeys(plain(a["subject"]) for a in (calls if row["shared"] else calls[:1])))
    else:
        what = row["callee"] or row["reason"]
    objects = None if what == "map growth" else row["objects"]
    return row["verdict"], what, objects, row["inlined_at"][-1]["function"] if row["inlined_at"] else None


def go_build(t, version, source, *arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE,
                   "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    return t.run(harness.go_toolchain(version), "build", *arguments, cwd=source, env=environment).stderr


def build(t, version):
    """Builds the corpus in the test's directory. Returns the paths of the program and of the compiler's output."""
    source = t.path(version)
    shutil.copytree(CORPUS, source)
    said = source / "m2.txt"
    said.write_text(go_build(t, version, source, "-gcflags=-m=2", "./..."))
    go_build(t, version, source, "-o", source / "program", ".")
    return source / "program", said


def check(document, version):
    found = {}
    for row in document["rows"]:
        found.setdefault((row["file"], row["line"]), []).append(row)
    for key, wanted in expectations(version).items():
        rows = [summary(row) for row in found.get(key, [])
                # the record of a deferred call comes from a pool, and from the heap only if the pool is empty
                if row["reason"] != "deferred call in a loop"
                # refills have no type, so on a line with several types they may have a row of their own
                and not (row["objects"] == 0 and row["refills"])]
        same(sorted(rows, key=str), wanted, f"rows of {key[0]}:{key[1]} with Go {version}")


def recorded(t, version):
    harness.require_root()
    program, said = build(t, version)
    profile = t.path("recorded.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    document = t.json("audit", "--escape", said, profile)
    check(document, version)
    same(document["warnings"], [])


def test_every_line_of_the_corpus_has_its_verdict_with_go_1_19(t):
    recorded(t, "1.19")


def test_every_line_of_the_corpus_has_its_verdict_with_go_1_24(t):
    recorded(t, "1.24")


def test_every_line_of_the_corpus_has_its_verdict_with_go_1_27(t):
    recorded(t, "1.27")


def test_annotated_source_has_the_objects_of_callees_of_other_files_at_their_calls(t):
    harness.require_root()
    program, said = build(t, "1.24")
    profile = t.path("recorded.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    source = program.parent / "main.go"
    text = t.escapement("audit", "--escape", said, profile, "--annotate", source).stdout
    line, = [line for line in text.splitlines() if "box.Pointer(1)" in line]
    same(line.split()[:2], [str(RUNS), str(RUNS * 32)], line)


def test_what_leads_to_the_source_leads_to_files_that_the_output_has(t):
    """If the allocation is in an inlined dependency, the position is that of the call, with the dependency's own line
    as related location."""
    harness.require_root()
    program, said = build(t, "1.24")
    own = t.path("own.txt")
    own.write_text("".join(line for line in said.read_text().splitlines(True) if "box.go" not in line and "/box" not in line))
    profile = t.path("recorded.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    call = next(n for n, line in enumerate((CORPUS / "main.go").read_text().splitlines(), 1) if "box.Pointer(1)" in line)
    quickfix = t.escapement("audit", "--escape", own, "--format", "quickfix", profile).stdout
    contains(quickfix, f"main.go:{call}: escapes: moved to heap: box.x ({RUNS} objects")
    document = t.json("audit", "--escape", own, "--format", "sarif", profile)
    result, = [result for result in document["runs"][0]["results"] if result["ruleId"] == "escapes" and
               result["locations"][0]["physicalLocation"].get("region", {}).get("startLine") == call]
    same(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "main.go")
    first = result["relatedLocations"][0]
    contains(first["physicalLocation"]["artifactLocation"]["uri"], "/box/box.go")
    contains(first["message"]["text"], "allocated by example.com/inlining/box.Pointer")


def test_a_heap_profile_of_runtime_pprof_is_audited_without_any_privilege(t):
    """A heap profile has no runtime frames, so a line with several runtime calls has a shared row; everything else is
    exact."""
    program, said = build(t, "1.24")
    profile = t.path("heap.pb.gz")
    t.run(program, "-heap", profile, env={"GODEBUG": "memprofilerate=1"})
    document = t.json("audit", "--escape", said, profile)
    found = {}
    for row in document["rows"]:
        found.setdefault((row["file"], row["line"]), []).append(row)
        same((row["runtime_call"], row["refills"], row["heap_grow_bytes"]), (None, None, None))
    checked = 0
    for key, wanted in expectations("1.24").items():
        verdicts = {verdict for verdict, *_ in wanted}
        objects = [count for _, _, count, _ in wanted if count]
        if verdicts != {"escapes"} or None in objects:
            continue
        rows = [row for row in found[key] if row["verdict"] == "escapes"]
        # Writing the profile, and goroutines that start on a line, add a few objects.
        assert 0 <= sum(row["objects"] for row in rows) - sum(objects) < 20, (key, rows)
        checked += 1
    assert checked >= 15, checked


def test_output_of_a_trimpath_build_elsewhere_still_fits(t):
    harness.require_root()
    program, said = build(t, "1.24")
    source = program.parent
    trimmed = source / "trimmed"
    go_build(t, "1.24", source, "-trimpath", "-o", trimmed, ".")
    profile = t.path("trimmed.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", trimmed)
    check(t.json("audit", "--escape", said, profile), "1.24")
    # Likewise for compiler output with absolute paths of another machine and a profile with paths of this one.
    moved = pathlib.Path(t.path("moved.txt"))
    moved.write_text(re.sub(r"(?m)^((?:box/)?\w+\.go:)", r"/ci/job/7/\1", said.read_text().replace("./", "")))
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    document = t.json("audit", "--escape", moved, "--path-map", f"{source}=/ci/job/7", profile)
    for row in document["rows"]:
        row["file"] = (row["file"] or "").removeprefix("/ci/job/7/")
    check(document, "1.24")


def test_functions_that_only_one_side_has_show_that_the_output_is_of_other_sources(t):
    """Renames a function between two builds, without changing any other line."""
    harness.require_root()
    program, said = build(t, "1.24")
    source = program.parent
    everything, verdicts = t.path("all.txt"), t.path("m1.txt")
    everything.write_text(go_build(t, "1.24", source, "-gcflags=all=-m=2", "-o", t.path("unused"), "."))
    verdicts.write_text(go_build(t, "1.24", source, "-gcflags=-m", "./..."))
    profile = t.path("same.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    for output in (said, everything, verdicts):
        same(t.escapement("audit", "--escape", output, profile).stderr, "", f"warnings of {output.name}")
    main = source / "main.go"
    main.write_text(re.sub(r"\bkeep\b", "hold", main.read_text()))
    go_build(t, "1.24", source, "-o", program, ".")
    # The program file was rebuilt after the recording, so its functions are not compared.
    same(t.escapement("audit", "--escape", said, profile).stderr, "")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    for output in (said, everything):
        warning, = t.escapement("audit", "--escape", output, profile).stderr.splitlines()
        contains(warning, "1 function of the program is not in it (example.com/inlining.hold)")
        contains(warning, "functions in it that move something to the heap is not in the program "
                          "(example.com/inlining.keep)")
        contains(warning, "create it again from the same sources")
    heap = t.path("heap.pb.gz")
    t.run(program, "-heap", heap, env={"GODEBUG": "memprofilerate=1"})
    contains(t.escapement("audit", "--escape", said, heap).stderr, "is not in it (example.com/inlining.hold)")
    other = t.path("other.txt")
    other.write_text("# example.com/elsewhere\n./main.go:3:6: cannot inline f: recursive\n./main.go:4:2: moved to heap: x\n")
    contains(t.escapement("audit", "--escape", other, profile).stderr, "none of its packages is in the program")


def test_output_of_another_build_is_warned_of_once_with_what_to_do(t):
    harness.require_root()
    program, said = build(t, "1.24")
    _, newer_said = build(t, "1.27")
    profile = t.path("recorded.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    moved = t.path("moved.txt")
    moved.write_text(re.sub(r"(main\.go:)(\d+)", lambda match: match[1] + str(int(match[2]) + 3), said.read_text()))
    uninlined = t.path("uninlined.txt")
    uninlined.write_text(go_build(t, "1.24", program.parent, "-gcflags=-m=2 -l", "./..."))
    for other, words in ((newer_said, "Go 1.24 built the program and the output is from Go 1.27"),
                         (moved, "functions begin at another line"),
                         (uninlined, "inlined in the program and not in the output (was it made with -l?)")):
        warnings = t.escapement("audit", "--escape", other, profile).stderr.splitlines()
        same(len(warnings), 1, "warnings")
        contains(warnings[0], "warning: the compiler output does not match the program")
        contains(warnings[0], words)
        contains(warnings[0], "go build -gcflags=-m=2")
    same(t.escapement("audit", "--escape", said, profile).stderr, "")


PROMOTED = """package main

type block struct{ next *block }

func newBlock() *block { return &block{} }

type base struct{}

func (*base) Block() *block {
	return newBlock()
}

type item struct{ base }

type blocker interface{ Block() *block }

var all = []blocker{&item{}}
var kept *block

func main() {
	for i := 0; i < 100; i++ {
		kept = all[i%len(all)].Block()
	}
}
"""


def test_output_matches_its_program_where_a_wrapper_has_inlined_a_promoted_method(t):
    """The compiler says "<autogenerated>:1: &block{} escapes to heap" then, once for each wrapper."""
    harness.require_root()
    source = t.path("promoted")
    source.mkdir()
    (source / "go.mod").write_text("module example.com/promoted\n\ngo 1.21\n")
    (source / "main.go").write_text(PROMOTED)
    for version in ("1.21", "1.24", "1.27"):
        said = t.path(f"{version}.txt")
        said.write_text(go_build(t, version, source, "-gcflags=-m=2", "-o", f"p{version}", "."))
        profile = t.path(f"{version}.pb.gz")
        t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", source / f"p{version}")
        done = t.escapement("audit", "--escape", said, "--format", "json", profile)
        same(done.stderr, "", version)
        same([(row["verdict"], row["function"], row["line"]) for row in json.loads(done.stdout)["rows"] if row["objects"] >= 100],
             [("escapes", "main.newBlock", 5)], version)


C_SOURCE = """#include <goalloc.h>
struct point { long x, y, z; };
static inline struct point *make_point(long x)
{
	struct point *p = goalloc_noscan(sizeof(*p));
	p->x = x;
	return p;
}
struct point *kept;
long sum;
__attribute__((noinline)) void keep(long x)
{
	kept = make_point(x);
}
__attribute__((noinline)) void drop(long x)
{
	struct point *p = make_point(x), *q = make_point(p->x);
	sum += p->x + q->x;
	goalloc_free(p);
	goalloc_free(q);
}
int main(void)
{
	for (long i = 0; i < 700; i++)
		keep(i);
	for (long i = 0; i < 300; i++)
		drop(i);
	return 0;
}
"""


def test_a_c_callee_inlined_into_two_callers_is_told_apart_by_dwarfs_inline_frames_and_columns(t):
    harness.require_root()
    source, program, profile, said = t.path("inlined.c"), t.path("inlined"), t.path("c.pb.gz"), t.path("c.txt")
    source.write_text(C_SOURCE)
    t.run("gcc", "-O2", "-g", "-I", harness.ROOT / "alloc-runtime" / "include", "inlined.c", "-o", program,
          harness.BUILD / "libgoalloc.a", "-lpthread")
    lines = C_SOURCE.splitlines()

    def place(text, which=0):
        number, line = next((n, line) for n, line in enumerate(lines, 1) if text in line)
        column = -1
        for _ in range(which + 1):
            column = line.index(text.split(" = ")[-1], column + 1)
        return number, column + 1

    callee, kept = place("p = goalloc_noscan"), place("kept = make_point")
    first, second = place("*p = make_point"), place("*p = make_point", 1)
    same((callee[0], kept[0], first[0], second[0]), (5, 13, 17, 17))
    said.write_text("".join(f"inlined.c:{line}:{column}: {words}\n" for (line, column), words in (
        (callee, "&point{...} escapes to heap"), (kept, "&point{...} escapes to heap"),
        (first, "&point{...} escapes to heap"), (second, "&point{...} does not escape"))))
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", program)
    document = t.json("audit", "--escape", said, profile)
    found = sorted((row["inlined_at"][-1]["function"], row["verdict"], row["objects"],
                    [(a["line"], a["column"]) for a in row["annotations"]]) for row in document["rows"])
    same(found, [("drop", "contradicted", 300, [second, callee]), ("drop", "escapes", 300, [first, callee]),
                 ("keep", "escapes", 700, [kept, callee])])
    for row in document["rows"]:
        same((row["file"], row["line"], row["function"], row["shared"]), ("inlined.c", 5, "make_point", False))
        same([frame["line"] for frame in row["inlined_at"]], [13 if row["objects"] == 700 else 17])
    same(document["warnings"], [])


harness.main()
