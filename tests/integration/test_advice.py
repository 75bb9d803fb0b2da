#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""audit --advice on the programs of the documentation: it names the cause before the rewrite; after the rewrite the row
no longer exists."""
import difflib
import os
import shlex

import harness
from harness import contains, same

PROGRAMS = harness.FIXTURES / "advice"
CAUSES = {"returned": "returned", "interface": "interface", "closure": "closure", "size": "unknown-size",
          "leaking": "leaking-parameter", "stored": "stored", "append": "append", "text": "conversion",
          "goroutine": "closure", "channel": "channel", "buffer": "leaking-parameter"}
OBJECTS = 900  # of 1000 calls: sites with fewer objects do not allocate at every call


def audit(t, name, version="1.27"):
    environment = {"PATH": os.environ["PATH"], "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE, "GOTOOLCHAIN": "local",
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
            # a slice has no value to pass instead of a pointer
            assert name != "buffer" or row["advice"]["rewrites"][0].startswith("reuse one"), row
            same(row["advice"]["proof"], f"escapement compare --patch fix.diff -- go run {row['file']}")
        same(audit(t, f"{name}-after"), [], f"allocations of {name}-after")


def test_the_text_has_cause_rewrites_and_proof(t):
    harness.require_root()
    audit(t, "returned-before")
    text = t.escapement("audit", "-q", "--advice", "--escape", t.path("m.txt"), "--rate", "1", "--",
                        t.path("returned-before")).stdout
    words = " ".join(text.split())
    contains(words, "cause: returned: the function returns a pointer to it")
    contains(words, "try: return the value instead of a pointer")
    contains(words.rpartition("next: begin with ")[2], "the function returns a pointer to it, so it must outlive the call; "
             "return the value instead of a pointer")
    contains(words, "prove it, with the change as fix.diff: escapement compare --patch fix.diff -- go run ")


def test_a_proof_that_all_rows_share_is_printed_once(t):
    harness.require_root()
    audit(t, "goroutine-before")
    text = t.escapement("audit", "-q", "--advice", "--escape", t.path("m.txt"), "--rate", "1", "--",
                        t.path("goroutine-before")).stdout
    assert text.count("cause: ") > 1 and text.count("prove it") == 1, text


def test_each_command_that_proves_a_rewrite_runs_as_it_is_printed(t):
    harness.require_root()
    go = harness.go_toolchain("1.27")
    environment = {"PATH": f"{go.parent}:{os.environ['PATH']}", "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE, "GOTOOLCHAIN": "local",
                   "GOFLAGS": ""}
    for name in CAUSES:
        before, after = ((PROGRAMS / f"{name}-{side}.go").read_text().splitlines(True) for side in ("before", "after"))
        directory = t.path(name)
        directory.mkdir()
        (directory / "main.go").write_text("".join(before))
        (directory / "fix.diff").write_text("".join(difflib.unified_diff(before, after, "a/main.go", "b/main.go")))
        done = t.run(go, "build", "-gcflags=-m=2", "-o", directory / "prog", "main.go", env=environment, cwd=directory)
        (directory / "m.txt").write_text(done.stderr)
        document = t.json("audit", "-q", "--advice", "--escape", directory / "m.txt", "--rate", "1", "--", directory / "prog")
        proofs = {row["advice"]["proof"] for row in document["rows"] if row.get("advice") and row["objects"] >= OBJECTS}
        assert proofs, document["rows"]
        for proof in proofs:
            done = t.escapement(*shlex.split(proof)[1:], env=environment, cwd=directory)
            contains(done.stdout, "better: ")


harness.main()
