#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The JSON documents that other programs read: every documented key is present with its type, and there is no other
key. Units are checked by the known counts of the seed programs."""
import json
import re

import harness
from harness import contains, same

SAID = harness.FIXTURES / "escape-output" / "seeds.go1.24.m2.txt"
OTHER = harness.FIXTURES / "escape-output" / "seeds.go1.27.m2.txt"


class Optional:
    """An optional key."""

    def __init__(self, shape):
        self.shape = shape


def one_of(*words):
    return lambda value: value in words


def text(value):
    return isinstance(value, str)


def maybe_text(value):
    return value is None or text(value)


def boolean(value):
    return isinstance(value, bool)


def integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def count(value):
    return integer(value) and value >= 0


def maybe_count(value):
    return value is None or count(value)


def position(value):
    return value is None or (integer(value) and value >= 1)


def number(value):
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)


def check(value, shape, where):
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{where}: {value!r} is not an object"
        for key, inner in shape.items():
            if isinstance(inner, Optional):
                if key in value:
                    check(value[key], inner.shape, f"{where}.{key}")
                continue
            assert key in value, f"{where}: no '{key}'"
            check(value[key], inner, f"{where}.{key}")
        for key in value:
            assert key in shape, f"{where}: '{key}' is not documented"
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where}: {value!r} is not a list"
        for i, item in enumerate(value):
            check(item, shape[0], f"{where}[{i}]")
    else:
        assert shape(value), f"{where}: {value!r}"


NUMBERS = {"objects": maybe_count, "bytes": maybe_count, "refills": maybe_count, "central_grows": maybe_count,
           "heap_grows": maybe_count, "heap_grow_bytes": maybe_count}
BOUNDS = {"objects_low": maybe_count, "objects_high": maybe_count, "bytes_low": maybe_count,
          "bytes_high": maybe_count}
ROW_BOUNDS = {**BOUNDS, "tiny_objects": maybe_count}
LOST = {"events": count, "stacks": count}
PROCESS = {"pid": maybe_count, "comm": maybe_text, "executable": maybe_text, "build_id": maybe_text, "runtime": maybe_text,
           "bursts": lambda value: value is None or check(
               value, {"count": count, "full_ns": count, "covered_ns": count, "recorded_ns": count}, "bursts") is None,
           "lost": LOST}
EXACT = {"totals": boolean, "rows": boolean}
# `address` is only present if the function is unknown
FRAME = {"function": maybe_text, "file": maybe_text, "line": position, "column": position, "address": Optional(text)}
REPORT = {
    "schema": one_of("escapement.report/2"),
    "target": {"command": maybe_text, "kernel": maybe_text, "start": maybe_text, "duration_seconds": number,
               "processes": [PROCESS]},
    "exact": EXACT, "rate": maybe_count, "totals": NUMBERS,
    "check": lambda value: value is None or check(
        value, {"source": text, "objects": count, "difference": integer, "bound": count, "outside": integer}, "check") is None,
    "lost": LOST, "forked_processes": maybe_count, "warnings": [text],
    "heap_growth": lambda value: value is None or check(value, {"interval_ns": count, "bytes": [count]}, "heap_growth") is None,
}
REPORT_KEYS = {
    "site": {"file": maybe_text, "line": position, "function": maybe_text, "via": maybe_text},
    "frame": {"file": maybe_text, "line": position, "function": maybe_text},
    "function": {"function": maybe_text},
    "type": {"type": maybe_text},
    "size-class": {"size_class": maybe_count, "span_class": maybe_count},
    "stack": {"stack": [FRAME], "truncated": boolean},
}
STEP = {"expression": text, "reason": text, "file": text, "line": position, "column": position}
KINDS = ("moved-to-heap", "escapes", "does-not-escape", "leaking-param", "leaking-param-content",
         "leaking-param-to-result", "can-inline", "cannot-inline", "inlined-call", "zero-copy-conversion",
         "self-assignment-ignored", "unsafe-uintptr", "captured", "devirtualized", "bounds-check-elided", "mutation", "note")
ANNOTATION = {
    "package": maybe_text, "file": text, "line": position, "column": position, "function": maybe_text,
    "kind": one_of(*KINDS), "subject": text, "detail": maybe_text, "text": text,
    "cause": one_of(None, "unknown", "heap-pointer", "outlives-frame", "size"), "story": maybe_text,
    "explained_only": boolean, "truncated": boolean,
    "flow": [{"to": text, "from": text, "derefs": lambda value: integer(value) and value >= -1, "steps": [STEP]}],
}
ESCAPES = {
    "schema": one_of("escapement.escapes/1"), "annotations": [ANNOTATION],
    "counts": {kind: Optional(count) for kind in KINDS}, "unrecognized": [{"line_number": position, "text": text}],
}
SIDE = {**ANNOTATION, "count": count}
DIFF = {
    "schema": one_of("escapement.escapes-diff/1"), "compared_by": one_of("function", "file"),
    "totals": {"new": count, "gone": count, "changed": maybe_count},
    "changes": [{"change": one_of("new", "gone", "changed"),
                 "before": lambda value: value is None or check(value, SIDE, "before") is None,
                 "after": lambda value: value is None or check(value, SIDE, "after") is None}],
}
VERDICTS = ("escapes", "contradicted", "unannotated", "not-covered", "unplaced", "escapes-unseen", "stack")
AUDIT_ROW = {
    "file": maybe_text, "line": position, "column": position, "function": maybe_text, "runtime_call": maybe_text,
    "owner": lambda value: value is None or check(
        value, {"function": maybe_text, "file": maybe_text, "line": position}, "owner") is None, "via": maybe_text,
    "type": maybe_text, "callee": maybe_text, "verdict": one_of(*VERDICTS), "reason": maybe_text, "words": text, "shared": boolean,
    "annotations": [{**ANNOTATION, "callee": boolean}],
    "inlined_at": [{"function": maybe_text, "file": maybe_text, "line": position}], **NUMBERS,
}
AUDIT = {
    "schema": one_of("escapement.audit/2"), "target": {"command": maybe_text, "processes": [PROCESS]}, "exact": EXACT,
    "rate": maybe_count, "totals": NUMBERS, "rows_without": {key: count for key in NUMBERS}, "whole": NUMBERS,
    "rows": [AUDIT_ROW], "verdicts": {verdict: count for verdict in VERDICTS},
    "lost": LOST, "forked_processes": maybe_count, "warnings": [text],
}
CHANGES = ("worse", "new", "noisy", "tolerated", "moved", "better", "gone", "same")
GATE_NUMBERS = {key: number for key in NUMBERS}
GATE_SIDE = {**GATE_NUMBERS, **{f"{key}_{end}": Optional(number) for key in NUMBERS for end in ("max", "low", "high")}}
PAIR = {"objects": number, "bytes": number}
COUNTS = {"objects": count, "bytes": count}
ROWS_WITHOUT = {"before": COUNTS, "after": COUNTS}
GATE = {
    "schema": one_of("escapement.gate/2"), "passed": boolean, "status": count, "advisory": boolean, "command": [text],
    "runtime": maybe_text, "normalize": maybe_text, "runs": position,
    "rows": [{
        "change": one_of(*CHANGES), "fails": boolean, "note": boolean, "how": maybe_text, "function": maybe_text,
        "via": maybe_text, "file": maybe_text,
        "line": position, "column": position, "runtime_call": maybe_text, "type": maybe_text, "benchmark": maybe_text,
        "benchmark_package": maybe_text,
        "annotation": maybe_text, "reason": maybe_text, "accepted": maybe_text, "moved_from": maybe_text,
        "before": lambda value: value is None or check(value, GATE_SIDE, "before") is None,
        "after": lambda value: value is None or check(value, GATE_SIDE, "after") is None,
        "allowed": {"objects": number, "bytes": number},
    }],
    "changes": {change: count for change in CHANGES}, "totals": {"before": GATE_NUMBERS, "after": GATE_NUMBERS},
    "contracts": [{"function": text, "broken": boolean, "calls": count, "objects": count, "bytes": count,
                   "allowed": {each: lambda value: value is None or check(value, {"most": number, "per_call": boolean}, "allowed") is None
                               for each in ("objects", "bytes")},
                   "started": [{"in": maybe_text, "file": maybe_text, "line": position, "function": maybe_text, "times": count,
                                "objects": maybe_count, "bytes": maybe_count, "elsewhere": boolean}]}],
    "sums": [{"benchmark": maybe_text, "benchmark_package": maybe_text, "worse": boolean, "before": PAIR, "after": PAIR,
              "rows_without": ROWS_WITHOUT}], "rows_without": ROWS_WITHOUT, "outside": PAIR,
    "bookkeeping": PAIR, "lost": {**LOST, "unexplained_objects": count},
}
COMPARE_SIDE = {"name": text, "runtime": maybe_text, "runs": count, "rate": count, "totals": NUMBERS, "collections": maybe_count,
                "collections_per_second": lambda value: value is None or number(value),
                "collections_cpu_percent": lambda value: value is None or number(value)}
COMPARE = {
    "schema": one_of("escapement.compare/1"), "verdict": one_of("worse", "better", "unchanged"), "command": [text],
    "sides": [COMPARE_SIDE], "benchmarks": [{"name": text, "package": maybe_text, "before": lambda value: True, "after": lambda value: True}],
    "compiler": lambda value: value is None or check(value, {"new": count, "gone": count, "changed": count}, "compiler") is None,
    "words": [{"change": one_of("new", "gone", "changed", "reworded"), "text": text, "was": maybe_text, "file": text,
               "line": position, "column": position, "function": maybe_text, "times_before": count, "times_after": count, "copies": count,
               "rows_without": ROWS_WITHOUT,
               "before": lambda value: value is None or check(value, PAIR, "before") is None,
               "after": lambda value: value is None or check(value, PAIR, "after") is None}],
    "sums": GATE["sums"], "rows": GATE["rows"], "lost": GATE["lost"],
}
BASELINE = {
    "schema": one_of("escapement.baseline/2"), "command": [text], "runtime": maybe_text, "rate": count,
    "normalize": Optional(text), "iterations": Optional(count),
    "module": maybe_text, "package": maybe_text, "outside": PAIR, "bookkeeping": PAIR,
    "benchmarks": Optional([{"name": text, "package": maybe_text, "allocs_per_op": count, "bytes_per_op": count}]),
    "sites": [{"function": maybe_text, "via": maybe_text, "file": maybe_text, "runtime_call": maybe_text, "type": maybe_text,
               "annotation": maybe_text, "objects": count, "bytes": count, "refills": maybe_count,
               "heap_grow_bytes": maybe_count, "benchmark": Optional(text), "benchmark_package": Optional(text), "accepted": Optional(text),
               "objects_max": Optional(count), "bytes_max": Optional(count), "objects_min": Optional(count),
               "bytes_min": Optional(count)}],
    "totals": NUMBERS,
}


def names_of(shape):
    """All members that a document of that shape may have."""
    if isinstance(shape, Optional):
        return names_of(shape.shape)
    if isinstance(shape, list):
        return names_of(shape[0])
    if not isinstance(shape, dict):
        return set()
    return set(shape).union(*(names_of(inner) for inner in shape.values()))


def test_every_member_of_a_document_is_in_the_documentation(t):
    words = set(re.findall(r"[a-z_-]+", (harness.ROOT / "docs" / "json.md").read_text()))
    for shape in (REPORT, *REPORT_KEYS.values(), ROW_BOUNDS, ESCAPES, DIFF, SIDE, AUDIT, GATE, GATE_SIDE, COMPARE, BASELINE):
        missing = {name for name in names_of(shape) if name not in words and not re.search("_(min|max|low|high)$", name)}
        assert not missing, f"docs/json.md has no {sorted(missing)}"


def record(t, name, *arguments):
    """The seed programs at a rate, `--rounds` times."""
    harness.require_root()
    rate, rounds = arguments
    profile = t.path(f"{name}.pb.gz")
    t.escapement("record", "-q", "--rate", rate, "-o", profile, "--", harness.workload("seeds"), "--rounds", rounds)
    return profile


def test_every_key_of_a_report_is_promised_and_there(t):
    profiles = {"exact": record(t, "exact", "1", "2"), "sampled": record(t, "sampled", "8k", "200"),
                "costs": record(t, "costs", "0", "200")}
    for name, profile in profiles.items():
        for by, key in REPORT_KEYS.items():
            document = t.json("report", "--by", by, profile)
            bounds = {} if document["exact"]["rows"] or name == "costs" else ROW_BOUNDS
            check(document, {**REPORT, "rows": [{**key, **NUMBERS, **bounds}]}, f"{name} by {by}")
            assert document["rows"], f"{name} by {by}: no rows"
    exact = t.json("report", profiles["exact"])
    row = next(row for row in exact["rows"] if row["file"] == "escape/escape.go")
    same((row["line"], row["function"], row["objects"], row["bytes"]), (6, "main.foo", 2000, 16000), "objects and bytes")
    same((exact["rate"], exact["exact"]), (1, {"totals": True, "rows": True}))
    same(exact["totals"]["heap_grow_bytes"] % 4096, 0, "heap_grow_bytes, in bytes")
    assert 0 < exact["target"]["duration_seconds"] < 60, exact["target"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", exact["target"]["start"]), exact["target"]
    sampled = t.json("report", profiles["sampled"])
    same((sampled["rate"], sampled["exact"]), (8192, {"totals": True, "rows": False}))
    classes = {row["size_class"]: row["span_class"] for row in t.json("report", "--by", "size-class", profiles["exact"])["rows"]}
    same((classes[32], classes[24] // 2), (9, 3), "span class of 32 bytes without pointers, size class of 24 bytes")


def test_every_key_of_an_audit_is_promised_and_there(t):
    for name, rate, rounds in (("exact", "1", "2"), ("sampled", "8k", "200"), ("costs", "0", "200")):
        document = t.json("audit", "--escape", SAID, record(t, name, rate, rounds))
        row = {**AUDIT_ROW, **({} if document["exact"]["rows"] else ROW_BOUNDS)}
        check(document, {**AUDIT, "rows": [row]}, name)
        same(sum(document["verdicts"].values()), len(document["rows"]), f"{name}: verdicts and rows")
        first = document["rows"][0]
        same((first["file"], first["line"], first["column"], first["function"], first["runtime_call"], first["verdict"]),
             ("escape/escape.go", 6, 6, "main.foo", "runtime.newobject", "escapes"), name)
        if name == "exact":
            same((first["objects"], first["bytes"]), (2000, 16000))
        for value in NUMBERS:
            values = [row[value] for row in document["rows"] if row[value] is not None]
            same(document["totals"][value], sum(values) if values else None, f"{name}: the total of {value}")


def test_every_key_of_escapes_is_promised_and_there(t):
    mixed = t.path("mixed.txt")
    mixed.write_text(SAID.read_text() + "what the program printed\n")
    document = t.json("escapes", mixed)
    check(document, ESCAPES, "escapes")
    same(sum(document["counts"].values()), len(document["annotations"]))
    same(document["unrecognized"], [{"line_number": len(mixed.read_text().splitlines()), "text": "what the program printed"}])
    x = next(a for a in document["annotations"] if a["kind"] == "moved-to-heap")
    same((x["package"], x["file"], x["line"], x["column"], x["function"], x["subject"], x["flow"][0]["derefs"]),
         ("example.com/seeds/escape", "escape/escape.go", 6, 6, "foo", "x", -1))
    for old, new in ((SAID, OTHER), (OTHER, SAID), (SAID, SAID)):
        check(json.loads(t.escapement("escapes", "--diff", old, new, "--format", "json", status=None).stdout), DIFF, "diff")
    changed = t.path("changed.txt")
    changed.write_text(SAID.read_text().replace("moved to heap: c", "moved to heap: other"))
    for old, new, change in ((SAID, changed, "new"), (changed, SAID, "gone")):
        document = json.loads(t.escapement("escapes", "--diff", old, new, "--format", "json", status=None).stdout)
        check(document, DIFF, "diff")
        same([row["change"] for row in document["changes"]], [change])


def test_every_key_of_a_gate_and_its_baseline_is_promised_and_there(t):
    harness.require_root()
    baseline = t.path("baseline.json")
    seeds = harness.workload("seeds")
    t.escapement("gate", "--baseline", baseline, "--update", "--escape", SAID, "--", seeds)
    document = json.loads(baseline.read_text())
    check(document, BASELINE, "baseline")
    site = next(site for site in document["sites"] if site["annotation"] == "moved to heap: x")
    same((site["function"], site["file"], site["objects"], site["bytes"]), ("main.foo", "escape/escape.go", 1000, 8000))
    gate = json.loads(t.escapement("gate", "--baseline", baseline, "--escape", SAID, "--format", "json", "--", seeds).stdout)
    check(gate, GATE, "gate")
    same((gate["passed"], gate["status"], gate["runs"], {row["change"] for row in gate["rows"]}), (True, 0, 1, {"same"}))
    profiles = record(t, "one", "1", "1"), record(t, "two", "1", "2"), record(t, "sampled", "8k", "200")
    for old, new, status in ((0, 1, 1), (1, 0, 0), (0, 2, 1)):
        gate = json.loads(t.escapement("gate", "compare", profiles[old], profiles[new], "--format", "json",
                                       status=status).stdout)
        check(gate, GATE, f"gate compare {old} {new}")
        same((gate["status"], gate["passed"]), (status, not status))
        compared = json.loads(t.escapement("compare", profiles[old], profiles[new], "--format", "json", "--escape",
                                           f"{SAID},{SAID}").stdout)
        check(compared, COMPARE, f"compare {old} {new}")
        same(compared["verdict"], {(0, 1): "worse", (1, 0): "better", (0, 2): "worse"}[old, new])
    foo = next(row for row in json.loads(t.escapement("gate", "compare", *profiles[:2], "--format", "json", status=1).stdout)
               ["rows"] if row["function"] == "main.foo")
    same((foo["before"]["objects"], foo["after"]["objects"], foo["after"]["bytes"], foo["allowed"]),
         (1001, 2002, 16016, {"objects": 0, "bytes": 0}))


def test_the_check_of_contracts_can_fail(t):
    document = {"events": 0, "stacks": 0}
    check(document, LOST, "lost")
    for broken, words in (({"events": 0}, "no 'stacks'"), ({**document, "more": 1}, "is not documented"),
                          ({**document, "events": "0"}, "'0'"), ({**document, "events": True}, "True")):
        try:
            check(broken, LOST, "lost")
        except AssertionError as error:
            contains(str(error), words)
        else:
            raise AssertionError(f"{broken} was accepted")


if __name__ == "__main__":
    harness.main()
