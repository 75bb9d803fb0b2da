#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A new machine: on a base system with only git and make, README's two commands do everything; then the packages that are
built there are installed on a second one, where the README is followed; `make test-bare`.

Needs root and debootstrap. Each suite takes as long as `make demo` and `make test`, and what they install.
"""
import re
import subprocess

import harness
from harness import BUILD, ROOT, contains, same

FRESH = {key: value for key, value in harness.FRESH.items() if key != "TEST_TIMEOUT"}
INSTALLED = "dpkg-query -W; ls -l --time-style=full-iso /var/log/dpkg.log"


def on(t, suite, name, command):
    """Runs a command in a base system of this test, in a clone of the tree; its output goes to a file in the build folder."""
    path = BUILD / f"bare-{suite}.log"
    with path.open("a") as log:
        print(f"$ {command}", file=log, flush=True)
        begin = log.tell()
        done = t.start(ROOT / "packaging" / "bare", suite, t.path(name), "sh", "-euc", command, env=FRESH, stdin=subprocess.DEVNULL,
                       stdout=log, stderr=subprocess.STDOUT)
        status = done.wait(harness.TIMEOUT)
    said = path.read_bytes()[begin:].decode(errors="replace")
    same(status, 0, f"exit status of {command} on {suite}, see {path}: {said[-3000:]}")
    return said


def check(t, suite):
    harness.require_root()
    (BUILD / f"bare-{suite}.log").unlink(missing_ok=True)
    contains(on(t, suite, "source", "make demo"), "every allocation counted")
    before = on(t, suite, "source", INSTALLED)
    on(t, suite, "source", "make deps")
    same(on(t, suite, "source", INSTALLED), before, "a second run installs nothing")
    print(f"# {suite}: demo")
    on(t, suite, "source", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install debhelper lintian")
    on(t, suite, "source", "make deb")
    check_packages(t, suite)
    # last, because it takes longest
    passed, skipped = re.search(r"^(\d+) passed, 0 failed, (\d+) skipped$", on(t, suite, "source", "make test"), re.M).groups()
    assert int(passed) > 800, passed
    print(f"# {suite}: {passed} tests passed, {skipped} skipped")
    on(t, suite, "source", "make static && tests/integration/release.py test_the_static_binary_prints_what_the_shared_one_prints")
    print(f"# {suite}: the static binary prints what the shared one prints")


def check_packages(t, suite):
    """Follows the README on a system that has Go, and of this project only the packages."""
    on(t, suite, "user", "true")
    packages = [path for path in (t.path("source") / "src" / "build" / "deb").glob("*.deb") if "dbgsym" not in path.name]
    for path in packages:
        (t.path("user") / "tmp" / path.name).write_bytes(path.read_bytes())
    on(t, suite, "user", "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; "
       "apt-get -qq -y --no-install-recommends install /tmp/*.deb python3 xz-utils; man -w escapement || true")
    on(t, suite, "user", "INSTALLED=/usr tests/integration/test_docs.py test_the_readme_works_as_written")
    print(f"# {suite}: {len(packages)} packages installed, README followed")


def test_bookworm(t):
    check(t, "bookworm")


def test_trixie(t):
    check(t, "trixie")


harness.main()
