#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""audit --advice on the programs of the documentation: it names the cause before the rewrite; after the rewrite the row
no longer exists."""
import os
import pathlib

import harness
from harness import contains, same

CACHE = os.environ.get("GOCACHE", str(pathlib.Path.home() / ".cache" / "go-build"))
PROGRAMS = harness.FIXTURES / "advice"
CAUSES = {"returned": "returned", "interface": "interface", "closure": "closure", "size": "unknown-size",
          "leaking": "leaking-parameter", "stored": "stored", "append": "append", "text": "conversion",
          "goroutine": "closure"}
OBJECTS = 900  # of 1000 calls: sites with fewer objects do not allocate at every call


def audit(t, name, version="1.27"):
    environment = {"PATH": os.environ["PATH"], "HOME": str(t.directory), "GOCACHE": CACHE, "GOTOOLCHAIN": "local",
                   "GOFLAGS": "", "GO111MODULE": "off"}
    done = t.run(harness.go_toolchain(version), "build", "-gcflags=-m=2", "-o", t.path(name), PROGRAMS / f"{name}.go",
                 env=environment)
    t.path("m.txt").write_text(done.stderr)
    document = t.json("audit", "-q", "--advice", "--escape", t.path("m.txt"), "--rate", "1", "--", t.path(name))
    return [row for row in document["rows"] if row["verdict"] in ("escapes", "contradicted", "unannotated") and
            row["objects"] >= OBJECTS]


def test_each_example_of_the_documentation_has_its_cause_before_and_nothing_after(t):
    harness.require_root()
    same(sorted(CAUSES), sorted({path.name.rsplit("-", 1)[0] for path in PROGRAMS.glob("*.go")}))
    page = (harness.ROOT / "docs" / "verdicts.md").read_text()
    for name, cause in CAUSES.items():
        contains(page, f"{name}-")
        rows = audit(t, f"{name}-before")
        assert cause in [row["advice"]["cause"] for row in rows if row["advice"]], (name, rows)
        for row in rows:
            assert row["advice"] and row["advice"]["rewrites"], (name, row)
            contains(page, f"**{row['advice']['cause']}**")
            same(row["advice"]["proof"], f"escapement compare --patch fix.diff --test -- go run {row['file']}")
        same(audit(t, f"{name}-after"), [], f"allocations of {name}-after")


def test_the_text_has_cause_rewrites_and_proof(t):
    harness.require_root()
    audit(t, "returned-before")
    text = t.escapement("audit", "-q", "--advice", "--escape", t.path("m.txt"), "--rate", "1", "--",
                        t.path("returned-before")).stdout
    words = " ".join(text.split())
    contains(words, "cause: returned: the function returns a pointer to it")
    contains(words, "try: return the value instead of a pointer")
    contains(words, "prove it, with the change as fix.diff: escapement compare --patch fix.diff --test -- go run ")


harness.main()
