#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The parser recognises every line that the compiler prints about Go's own code.

The everyday suite takes a few packages of two releases. ESCAPE_CORPUS="1.15 1.19 ..." takes the whole standard library
and all commands, including the compiler, of these releases (`make test-escape-corpus`: all releases; about two minutes
each, one at a time).
"""
import os
import re

import harness

EVERYDAY = harness.go_releases("everyday")[1:]
PACKAGES = ("fmt", "strconv", "reflect", "slices", "encoding/json")


def check(t, version, packages, least, *options):
    go = harness.go_toolchain(version)
    environment = dict(os.environ, GOFLAGS="", GOTOOLCHAIN="local", GOROOT=str(go.parent.parent))
    if "--all" in options:
        environment["GOCACHE"] = str(t.path(f"cache-{version}"))
    # Run in the source directory, so that positions are short relative paths and the parser finds the functions.
    done = t.run("nice", harness.ESCAPEMENT, "escapes", "--build", "--go", go, "--build-flag=-p=2", *options,
                 "-C", go.parent.parent / "src", "--counts", *packages, env=environment, timeout=3600)
    if "unrecognised" in done.stdout:
        raise AssertionError(f"Go {version}: {done.stdout}")
    total = sum(int(count) for count in re.findall(r"^\S+ +(\d+)$", done.stdout, re.M))
    if total < least:
        raise AssertionError(f"Go {version}: only {total} annotations: {done.stdout}")
    print(f"# Go {version}: {total} annotations", flush=True)


def test_no_line_about_gos_own_code_is_unrecognised(t):
    whole = os.environ.get("ESCAPE_CORPUS", "").split()
    for version in whole:
        check(t, version, ("std", "cmd"), 150_000, "--all")
        t.run("rm", "-rf", t.path(f"cache-{version}"))
    if not whole:
        for version in EVERYDAY:
            check(t, version, PACKAGES, 5_000)


if __name__ == "__main__":
    harness.main()
