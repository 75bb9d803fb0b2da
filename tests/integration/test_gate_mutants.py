#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program and its mutants: for each change, the gate's verdict, exit status and output in each format.

A case is a row of CASES: changes to the plan of the program (tests/workloads/mutants), the exit status, and every site
that differs, by function and runtime call. All other sites must be unchanged.
"""
import json
import xml.etree.ElementTree

import harness
from harness import contains, same, workload

# FUNCTION FILE LINE COLUMN CALL SIZE COUNT [ONCE]
BASE = {
    "parse": "main.parse main.go 10 5 newobject 24 10",
    "buffer": "main.parse main.go 12 11 makeslice 64 10",
    "left": "main.pair main.go 20 3 newobject 16 5",
    "right": "main.pair main.go 20 9 newobject 32 5",
    "grow": "main.collect main.go 31 10 growslice 48 4",
    "box": "main.show main.go 40 14 convT64 8 6",
    "encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 96 8",
    "flush": "example.com/codec.(*Writer).Flush codec/codec.go 50 2 makeslice 128 2",
    "helper": "main.helper util.go 7 3 newobject 40 10",
    "rare": "main.setup main.go 3 3 newobject 2048 0 1",
}

PARSE, BUFFER = ("main.parse", "newobject"), ("main.parse", "makeslice")
PAIR, GROW, BOX = ("main.pair", "newobject"), ("main.collect", "growslice"), ("main.show", "convT64")
ENCODE, FLUSH = ("example.com/codec.Encode", "newobject"), ("example.com/codec.(*Writer).Flush", "makeslice")
HELPER, RARE = ("main.helper", "newobject"), ("main.setup", "newobject")

# name: (lines of the plan that change, or None for removed ones, exit status, {site: change}, options)
CASES = {
    "nothing": ({}, 0, {}),
    # one extra object
    "one extra object in the whole run": ({"parse": "main.parse main.go 10 5 newobject 24 10 1"}, 1, {PARSE: "worse"}),
    "one extra object in a round": ({"parse": "main.parse main.go 10 5 newobject 24 11"}, 1, {PARSE: "worse"}),
    "one extra object of a slice": ({"buffer": "main.parse main.go 12 11 makeslice 64 10 1"}, 1, {BUFFER: "worse"}),
    "one extra object by append": ({"grow": "main.collect main.go 31 10 growslice 48 4 1"}, 1, {GROW: "worse"}),
    "one extra object by boxing": ({"box": "main.show main.go 40 14 convT64 8 6 1"}, 1, {BOX: "worse"}),
    "one extra object in a method": ({"flush": "example.com/codec.(*Writer).Flush codec/codec.go 50 2 makeslice 128 2 1"},
                                     1, {FLUSH: "worse"}),
    "one extra object at a rare site": ({"rare": "main.setup main.go 3 3 newobject 2048 0 2"}, 1, {RARE: "worse"}),
    "one extra large object": ({"large": "main.load main.go 60 2 newobject 40000 0 1"}, 1,
                               {("main.load", "newobject"): "new"}),
    "a new site": ({"new": "main.fresh main.go 70 2 newobject 24 1"}, 1, {("main.fresh", "newobject"): "new"}),
    "a new site with one object": ({"new": "main.fresh main.go 70 2 newobject 24 0 1"}, 1,
                                   {("main.fresh", "newobject"): "new"}),
    "a new call in an old function": ({"new": "main.parse main.go 13 2 growslice 24 1"}, 1,
                                      {("main.parse", "growslice"): "new"}),
    # the next size class
    "one size class more": ({"parse": "main.parse main.go 10 5 newobject 32 10"}, 1, {PARSE: "worse"}),
    "one size class more of a slice": ({"buffer": "main.parse main.go 12 11 makeslice 72 10"}, 1, {BUFFER: "worse"}),
    "more bytes in the same size class": ({"flush": "example.com/codec.(*Writer).Flush codec/codec.go 50 2 makeslice 120 2"},
                                          0, {}),
    "one size class more, one object fewer": ({"encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 112 7"},
                                              1, {ENCODE: "worse"}),
    # one object fewer
    "one object fewer": ({"parse": "main.parse main.go 10 5 newobject 24 9"}, 0, {PARSE: "better"}),
    "one size class less": ({"encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 80 8"}, 0,
                            {ENCODE: "better"}),
    "a site less": ({"box": None}, 0, {BOX: "gone"}),
    "one better, one worse": ({"parse": "main.parse main.go 10 5 newobject 24 9",
                               "box": "main.show main.go 40 14 convT64 8 7"}, 1, {PARSE: "better", BOX: "worse"}),
    "a site less does not pay for another": ({"box": None, "flush":
                                              "example.com/codec.(*Writer).Flush codec/codec.go 50 2 makeslice 128 3"},
                                             1, {BOX: "gone", FLUSH: "worse"}),
    # moved
    "other lines": ({"parse": "main.parse main.go 110 5 newobject 24 10",
                     "buffer": "main.parse main.go 112 11 makeslice 64 10"}, 0, {}),
    "other columns": ({"parse": "main.parse main.go 10 6 newobject 24 10"}, 0, {}),
    "a function moved to another file": ({"helper": "main.helper other.go 9 3 newobject 40 10"}, 0, {HELPER: "moved"}),
    "a function moved to another package":
        ({"encode": "example.com/wire.Encode wire/wire.go 15 7 newobject 96 8"}, 0,
         {("example.com/wire.Encode", "newobject"): "moved"}),
    "a function moved, and one object more":
        ({"encode": "example.com/wire.Encode wire/wire.go 15 7 newobject 96 9"}, 1,
         {("example.com/wire.Encode", "newobject"): "new", ENCODE: "gone"}),
    "a function moved, and a size class more":
        ({"encode": "example.com/wire.Encode wire/wire.go 15 7 newobject 112 8"}, 1,
         {("example.com/wire.Encode", "newobject"): "new", ENCODE: "gone"}),
    "a site moved to a call of another kind is none":
        ({"helper": "main.helper util.go 7 3 makeslice 40 10"}, 1,
         {("main.helper", "makeslice"): "new", HELPER: "gone"}),
    # renamed
    "a renamed function": ({"helper": "main.assist util.go 7 3 newobject 40 10"}, 0,
                           {("main.assist", "newobject"): "renamed"}),
    "a renamed method": ({"flush": "example.com/codec.(*Writer).Sync codec/codec.go 50 2 makeslice 128 2"}, 0,
                         {("example.com/codec.(*Writer).Sync", "makeslice"): "renamed"}),
    "two renamed functions of one size":
        ({"parse": "main.read main.go 10 5 newobject 24 10", "buffer": "main.read main.go 12 11 makeslice 64 10"}, 0,
         {("main.read", "newobject"): "renamed", ("main.read", "makeslice"): "renamed"}),
    "a renamed function with an object more":
        ({"helper": "main.assist util.go 7 3 newobject 40 10 1"}, 1,
         {("main.assist", "newobject"): "new", HELPER: "gone"}),
    # inlined
    "a callee inlined, its frames kept": ({"helper": "main.helper util.go 7 3 newobject 40 10"}, 0, {}),
    "a callee inlined into a caller that allocates":
        ({"helper": "main.parse util.go 7 3 newobject 40 10"}, 0, {PARSE: "merged", HELPER: "merged"}),
    "a callee inlined, and one object more":
        ({"helper": "main.parse util.go 7 3 newobject 40 10 1"}, 1, {PARSE: "worse", HELPER: "gone"}),
    "a callee inlined into two callers":
        ({"helper": "main.one main.go 80 3 newobject 40 4", "copy": "main.two main.go 90 3 newobject 40 6"}, 0,
         {("main.one", "newobject"): "split", ("main.two", "newobject"): "split", HELPER: "split"}),
    "a callee inlined into two callers, with an object more":
        ({"helper": "main.one main.go 80 3 newobject 40 4 1", "copy": "main.two main.go 90 3 newobject 40 6"}, 1,
         {("main.one", "newobject"): "new", ("main.two", "newobject"): "new", HELPER: "gone"}),
    "a callee taken out of a function":
        ({"left": "main.pair main.go 20 3 newobject 16 5", "right": "main.second main.go 20 9 newobject 32 5"}, 0,
         {PAIR: "split", ("main.second", "newobject"): "split"}),
    # executed more often
    "a site executed twice as often": ({"encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 96 16"}, 1,
                                       {ENCODE: "worse"}),
    "a site executed half as often": ({"encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 96 4"}, 0,
                                      {ENCODE: "better"}),
    # two sites on one line
    "one of two sites on a line allocates more": ({"right": "main.pair main.go 20 9 newobject 32 6"}, 1, {PAIR: "worse"}),
    "two sites on a line change places": ({"left": "main.pair main.go 20 3 newobject 32 5",
                                           "right": "main.pair main.go 20 9 newobject 16 5"}, 0, {}),
    # tolerance
    "more within a percentage": ({"parse": "main.parse main.go 10 5 newobject 24 11"}, 0, {PARSE: "tolerated"},
                                 "--tolerance", "10%"),
    "more than a percentage": ({"parse": "main.parse main.go 10 5 newobject 24 11"}, 1, {PARSE: "worse"},
                               "--tolerance", "9%"),
    "more within a number": ({"parse": "main.parse main.go 10 5 newobject 24 10 3"}, 0, {PARSE: "tolerated"},
                             "--tolerance", "objects=3,bytes=72"),
    "more objects than tolerated, bytes within": ({"parse": "main.parse main.go 10 5 newobject 24 10 3"}, 1,
                                                  {PARSE: "worse"}, "--tolerance", "objects=2,bytes=1k"),
    "a tolerance for a package": ({"encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 96 16"}, 0,
                                  {ENCODE: "tolerated"}, "--tolerance", "example.com/codec:100%"),
    "a tolerance for another package": ({"encode": "example.com/codec.Encode codec/codec.go 15 7 newobject 96 16"}, 1,
                                        {ENCODE: "worse"}, "--tolerance", "example.com/wire:100%"),
    "a tolerance for functions, the last in force": ({"parse": "main.parse main.go 10 5 newobject 24 11"}, 1,
                                                     {PARSE: "worse"}, "--tolerance", "main.*:50%", "--tolerance",
                                                     "main.parse:0%"),
    "a new site within a number": ({"new": "main.fresh main.go 70 2 newobject 24 0 1"}, 0,
                                   {("main.fresh", "newobject"): "tolerated"}, "--tolerance", "objects=1,bytes=24"),
}
# Compiler output for --escape.
ESCAPE = "# example.com/m\n./main.go:20:3: moved to heap: left\n./main.go:20:9: moved to heap: right\n"
FORMATS = ("text", "json", "markdown", "sarif", "junit", "github")
ROUNDS = 10
# Each site is judged separately, and text lists every row, so a mutation's effect is visible at its site.
SITES = ("--strict", "--all")


def plan(t, changes, name):
    sites = {**BASE, **changes}
    path = t.path(name)
    path.write_text("".join(f"{line}\n" for line in sites.values() if line))
    return path


def program(path):
    return (workload("mutants"), "--plan", path, "--rounds", ROUNDS, "--threads", 2)


def key(row):
    return row["function"], row["runtime_call"].removeprefix("runtime.")


def changed(document):
    return {key(row): row["how"] or row["change"] for row in document["rows"] if row["change"] != "same"}


def check_formats(outputs, status, changes):
    """Checks that all formats agree on one result. `outputs`: {format: text}."""
    document = json.loads(outputs["json"])
    same(changed(document), changes, "changes")
    same(document["status"], status, "status in JSON")
    failing = [row for row in document["rows"] if row["fails"]]
    same(bool(failing), status == 1, "failing rows")
    verdict = "gate failed" if status else "gate passed"
    for form in ("text", "markdown", "junit", "github"):
        contains(outputs[form], verdict)
    for (function, _), change in changes.items():
        contains(outputs["text"].replace("\n", " "), change + ": ")
        contains(outputs["markdown"].replace("\\", ""), f"{change}{'**' if change in ('worse', 'new') else ''} | {function}")
    results = json.loads(outputs["sarif"])["runs"][0]["results"]
    same(sorted(result["ruleId"] for result in results),
         sorted({"worse": "more-allocations", "new": "new-allocation-site"}[row["change"]] for row in failing),
         "SARIF results")
    suite = xml.etree.ElementTree.fromstring(outputs["junit"])
    same(int(suite.get("failures")), len(failing), "JUnit failures")
    same(len(suite.findall(".//failure")), len(failing), "JUnit failure elements")
    same(len(suite.findall(".//testcase")), len(document["rows"]), "JUnit test cases")
    commands = [line for line in outputs["github"].splitlines() if line.startswith("::error ")]
    same(len(commands), len(failing), "GitHub commands")
    for command, row in zip(commands, failing):
        contains(command, f"::error file={row['file']},line={row['line']},col={row['column']},title=")


def make_check(changes, status, expected, *options):
    def check(t):
        harness.require_root()
        old, new = plan(t, {}, "old.plan"), plan(t, changes, "new.plan")
        baseline = t.path("allocs.json")
        # Writes the changed plan to the same file, so that the arguments do not change, about which the gate would
        # warn.
        target = program(t.path("plan"))
        t.path("plan").write_text(old.read_text())
        t.escapement("gate", "--baseline", baseline, "--update", "--runs", 1, "--", *target)
        t.path("plan").write_text(new.read_text())
        t.escapement("record", "-q", "--rate", 1, "-o", t.path("new.pb.gz"), "--", *target)
        done = t.escapement("gate", "--baseline", baseline, "--runs", 1, "--format", "json", *SITES, *options, "--",
                            *target,
                            status=status)
        same(changed(json.loads(done.stdout)), expected, "changes of the measured gate")
        outputs = {form: t.escapement("gate", "compare", "--format", form, *SITES, *options, baseline, t.path("new.pb.gz"),
                                      status=status).stdout for form in FORMATS}
        check_formats(outputs, status, expected)
    return check


for case, row in CASES.items():
    globals()["test_" + case.replace(" ", "_").replace(",", "")] = make_check(*row)


def gate_with_annotations(t, changes, before, after, status, expected):
    harness.require_root()
    target = program(t.path("plan"))
    t.path("plan").write_text(plan(t, {}, "old.plan").read_text())
    t.path("before.txt").write_text(before)
    t.path("after.txt").write_text(after)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, "--escape", t.path("before.txt"), "--",
                 *target)
    t.path("plan").write_text(plan(t, changes, "new.plan").read_text())
    outputs = {form: t.escapement("gate", "--baseline", t.path("b.json"), "--runs", 1, "--escape", t.path("after.txt"),
                                  "--format", form, *SITES, "--", *target, status=status).stdout for form in FORMATS}
    check_formats(outputs, status, expected)
    return json.loads(outputs["json"])


def test_annotations_tell_two_sites_on_one_line_apart(t):
    document = gate_with_annotations(t, {"right": "main.pair main.go 20 9 newobject 32 6"}, ESCAPE, ESCAPE, 1,
                                     {PAIR: "worse"})
    pair = {row["annotation"]: row["change"] for row in document["rows"] if key(row) == PAIR}
    same(pair, {"moved to heap: left": "same", "moved to heap: right": "worse"})


def test_a_baseline_without_annotations_is_compared_by_sums(t):
    changes = {"left": "main.pair main.go 20 3 newobject 32 5", "right": "main.pair main.go 20 9 newobject 16 5"}
    gate_with_annotations(t, changes, "# example.com/m\n./main.go:99:3: moved to heap: other\n", ESCAPE, 0, {})


def test_a_new_escape_that_is_never_executed_passes(t):
    gate_with_annotations(t, {}, ESCAPE, ESCAPE + "./main.go:33:2: moved to heap: unused\n", 0, {})


def test_a_variable_that_gets_another_name_is_no_regression(t):
    gate_with_annotations(t, {}, ESCAPE, ESCAPE.replace("right", "second"), 0, {PAIR: "reworded"})


if __name__ == "__main__":
    harness.main()
