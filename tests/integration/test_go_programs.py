#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Third-party Go programs: stripped ones from npm, and the go command during a build. A recording does not change their
output, and its events add up to their own heap statistics."""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import subprocess

import go_programs
import harness
from harness import same

DUMP = harness.BUILD / "tests" / "tools" / "profile_dump"
PACKAGES = {"@esbuild/linux-x64": "0.28.2", "@typescript/native-preview-linux-x64": "7.0.0-dev.20260707.2",
            "react": "19.3.1", "react-dom": "19.3.1", "scheduler": "0.28.0"}
PAGE = """import { createElement } from "react";
import { renderToString } from "react-dom/server";
console.log(renderToString(createElement("h1", null, "x")));
"""
TYPED = """interface A { x: number; y?: string }
function f<T extends A>(a: T): T { return { ...a, x: a.x + 1 }; }
export const r = f({ x: 1, y: "q" });
"""


def check(recording, what, share=0):
    for process in recording["processes"]:
        checked, objects = process["check"], process["totals"][0]
        assert checked, f"{what}: no check of {process['comm']}"
        assert abs(checked["difference"]) <= checked["bound"], f"{what}: {checked}"
        assert checked["bound"] <= max(share * objects, 1000 * bool(share)), f"{what}: {checked} of {objects} objects"
        same(process["lost"], {"events": 0, "stacks": 0}, f"{what}: lost")


def record(t, rate, *command, status=0, **options):
    profile = t.path("profile.pb.gz")
    done = t.escapement("record", "--rate", rate, "-o", profile, "--", *command, status=status, **options)
    return done, json.loads(t.run(DUMP, profile).stdout)


def test_a_JavaScript_bundler_bundles_the_same_and_adds_up(t):
    harness.require_root()
    packages = harness.npm_packages("npm", PACKAGES)
    page = packages / "page.js"
    page.write_text(PAGE)
    bundler = packages / "node_modules" / "@esbuild" / "linux-x64" / "bin" / "esbuild"
    command = [bundler, page, "--bundle", "--minify"]
    plain = t.run(*command).stdout
    assert len(plain) > 100000, len(plain)
    for rate in ("0", "1", "512k"):
        done, recording = record(t, rate, *command)
        same(hashlib.sha256(done.stdout.encode()).hexdigest(), hashlib.sha256(plain.encode()).hexdigest(),
             f"rate {rate}: the bundle")
        check(recording, f"rate {rate}", 0.0001)
        assert recording["processes"][0]["totals"][0] > 50000, recording["processes"][0]["totals"]


def test_a_TypeScript_compiler_says_the_same_and_adds_up(t):
    harness.require_root()
    packages = harness.npm_packages("npm", PACKAGES)
    source = t.path("typed.ts")
    source.write_text(TYPED + "const s: string = r.x;\n")
    compiler = packages / "node_modules" / "@typescript" / "native-preview-linux-x64" / "lib" / "tsgo"
    command = [compiler, "--noEmit", "--strict", source]
    plain = t.run(*command, status=None)
    assert plain.returncode != 0 and "TS2322" in plain.stdout, plain.stdout
    for rate in ("0", "1"):
        done, recording = record(t, rate, *command, status=3)
        same(done.stdout, plain.stdout, f"rate {rate}: the compiler's messages")
        check(recording, f"rate {rate}", 0.0001)
        assert recording["processes"][0]["totals"][0] > 50000, recording["processes"][0]["totals"]


def test_the_go_command_and_all_that_it_starts_are_recorded_apart(t):
    harness.require_root()
    go = harness.go_toolchain(go_programs.versions()[-1])
    source = harness.ROOT / "tests" / "workloads" / "go" / "small"
    environment = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="", GOPATH=str(t.path("path")))
    # With a warm build cache go compiles only the package itself and links it.
    t.run(go, "build", "-o", t.path("first"), ".", cwd=source, env=environment)
    done, recording = record(t, "0", go, "build", "-ldflags=-s", "-gcflags=-e", "-o", t.path("small"), ".", cwd=source,
                             env=environment)
    check(recording, "go build", 0.0001)
    names = {process["comm"] for process in recording["processes"]}
    assert {"go", "compile", "link"} <= names, names
    same(len({process["pid"] for process in recording["processes"]}), len(recording["processes"]), "PIDs")
    for process in recording["processes"]:
        refills = sum(s["values"][3] for s in recording["samples"] if s["pid"] == process["pid"])
        same(refills, process["totals"][3], f"refills of {process['comm']} {process['pid']}")
    same(t.run(t.path("small"), "5").returncode, 0)


def watched(t, *command, **options):
    """Runs an escapement command. Returns what it printed to stderr, and its own peak memory in MiB, from /proc because
    its resource usage would include its children."""
    said, peak = t.path("said"), 0
    with open(said, "w", encoding="utf-8") as file:
        process = t.start(harness.ESCAPEMENT, *command, stderr=file, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, **options)

        def ended():
            nonlocal peak
            with contextlib.suppress(OSError):
                status = pathlib.Path("/proc", str(process.pid), "status").read_text(encoding="utf-8")
                peak = max([peak, *map(int, re.findall(r"VmHWM:\s*(\d+)", status))])
            return process.poll() is not None

        harness.wait_for(ended, f"the end of {command}", 600)
    same(process.returncode, 0, f"exit status of {command}, which said {said.read_text()[-2000:]}")
    return said.read_text(), peak / 1024


def build_cold(t, packages, limit_mib):
    """Records every allocation of a go build with an empty cache, including all compilers that it starts. Returns
    objects, bytes and rows."""
    go = harness.go_toolchain("1.24")
    environment = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="", GOCACHE=str(t.path("cache")))
    # Status 0 means that no event was lost, and that each process differs from its heap statistics by no more than its
    # bound. There are too many rows to check each one here.
    said, peak = watched(t, "record", "--rate", "1", "-o", t.path("cold.pb.gz"), "--", go, "build", packages,
                         env=environment)
    for words in ("without their stack", "were lost", "missing or too many", "ended before"):
        assert words not in said, said
    assert peak < limit_mib, f"the recorder took {peak:.0f} MiB"
    same(t.run(go, "build", "-v", packages, env=environment).stderr, "", "packages that a second build compiles")
    objects, size, rows = map(int, re.search(r"(\d+) objects, (\d+) bytes in (\d+) rows written", said).groups())
    return objects, size, rows


if os.environ.get("GO_PROGRAMS") == "all":
    def test_a_cold_build_is_recorded_whole_in_little_memory(t):
        harness.require_root()
        # If all samples stayed in memory, it would take a gigabyte. The peak is due to the largest process, which compiles
        # package runtime.
        objects, size, rows = build_cold(t, "errors", 400)
        assert rows > 500000, rows
        # record writes the rows in many parts while it still counts. Their sums must equal the totals, which it counts
        # separately.
        report = t.json("report", "--by", "function", t.path("cold.pb.gz"))
        same((report["totals"]["objects"], report["totals"]["bytes"]), (objects, size), "totals")
        same(sum(row["objects"] for row in report["rows"]), objects, "objects of all rows")
        same(sum(row["bytes"] for row in report["rows"]), size, "bytes of all rows")
        assert len(report["target"]["processes"]) > 20, report["target"]["processes"]

    def test_a_cold_build_of_the_standard_library_loses_nothing(t):
        harness.require_root()
        # About 600 processes: ten times the rows of the build above, in almost the same memory.
        _, _, rows = build_cold(t, "std", 500)
        assert rows > 10000000, rows


if __name__ == "__main__":
    harness.main()
