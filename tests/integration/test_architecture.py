#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ARCHITECTURE.md has a row for every source file, and no row for a file that does not exist; rules for all tests."""
import re

import harness

ROOMS = ("bpf", "user", "cli", "alloc-runtime")


def sources():
    """Paths of all sources and headers of the product."""
    return {path.relative_to(harness.ROOT) for room in ROOMS for pattern in ("*.c", "*.h", "*.proto")
            for path in (harness.ROOT / room).rglob(pattern)}


def rows():
    """(folder, name) of each file in the tables below '## Every file'; a name without suffix stands for .c and .h."""
    folder = None
    text = (harness.ROOT / "ARCHITECTURE.md").read_text()
    for line in text[text.index("## Every file"):].splitlines():
        if line.startswith("### "):
            folder = line[4:].strip().rstrip("/")
        elif line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                yield folder, name


def test_every_file_has_its_row_and_every_row_its_file(t):
    named = set()
    for folder, name in rows():
        candidates = [name] if "." in name else [f"{name}.c", f"{name}.h"]
        found = [path for path in (harness.ROOT / folder / candidate for candidate in candidates) if path.exists()]
        assert found, f"ARCHITECTURE.md names {folder}/{name}, which does not exist"
        named.update(path.relative_to(harness.ROOT) for path in found)
    missing = sorted(map(str, sources() - named))
    assert not missing, f"files without a row in ARCHITECTURE.md: {missing}"


FOLDERS = {*ROOMS, "docs", "packaging", "tests"}
PAGES = {"ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md"}


def test_the_root_has_the_rooms_and_what_people_read_first(t):
    if not (harness.ROOT / ".git").exists():
        raise harness.Skip("not a checkout")
    files = t.run("git", "-C", harness.ROOT, "ls-files").stdout.splitlines()
    top = {file.split("/")[0] for file in files}
    harness.same({name for name in top if not name.startswith(".")}, FOLDERS | PAGES)


def test_tests_wait_for_events_and_never_for_an_amount_of_time(t):
    """harness.wait_for() looks for the event again and again; nothing else sleeps."""
    sleeping = re.compile(r"^[^\"'#]*\b(time\.)?sleep\(", re.M)  # not in a text, which is another program's
    found = [path.name for path in sorted((harness.ROOT / "tests" / "integration").glob("*.py"))
             if sleeping.search(path.read_text())]
    harness.same(found, ["harness.py"], "files that sleep")


harness.main()
