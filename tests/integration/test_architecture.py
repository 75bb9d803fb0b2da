#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ARCHITECTURE.md has a row for every source file, and no row for a file that does not exist."""
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


harness.main()
