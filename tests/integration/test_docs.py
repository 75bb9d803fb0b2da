#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The commands of README.md and docs/ work as written. In these pages a block that begins with ```LANGUAGE FILE is the
content of that file, and a block ```sh is run by a shell, in the order of the page; ```sh exit=N ends with that status.
Blocks of other kinds (```, ```text) are shown and not run."""
import os
import re

import harness

BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)


def environment(t, prefix):
    go = harness.go_toolchain("1.24")
    return dict(os.environ, PATH=f"{prefix}/bin:{go.parent}:{os.environ['PATH']}", HOME=os.environ.get("HOME", "/root"),
                PKG_CONFIG_PATH=f"{prefix}/lib/pkgconfig", LD_LIBRARY_PATH=f"{prefix}/lib", GOTOOLCHAIN="local", GOFLAGS="",
                NO_COLOR="1")


def follow(t, page):
    """Follows the page, and returns how many blocks it ran."""
    prefix = t.path("prefix")
    t.run("make", "-s", "-C", harness.ROOT, "install", f"PREFIX={prefix}", f"B={harness.BUILD.relative_to(harness.ROOT)}")
    work, ran = t.path("work"), 0
    work.mkdir()
    for info, text in BLOCK.findall((harness.ROOT / page).read_text()):
        words = info.split()
        if len(words) == 2 and words[0] != "sh":
            (work / words[1]).parent.mkdir(parents=True, exist_ok=True)
            (work / words[1]).write_text(text)
        elif words[:1] == ["sh"]:
            status = int(words[1].removeprefix("exit=")) if len(words) > 1 else 0
            t.run("sh", "-euc", text, status=status, cwd=work, env=environment(t, prefix), timeout=600)
            ran += 1
    return ran


def test_the_tutorial_of_a_go_server_works_as_written(t):
    harness.require_root()
    assert follow(t, "docs/tutorial-go.md") >= 6


def test_the_tutorial_of_a_c_program_works_as_written(t):
    harness.require_root()
    assert follow(t, "docs/tutorial-c.md") >= 3


def test_the_page_on_stacks_works_as_written(t):
    assert follow(t, "docs/stacks.md") == 1


harness.main()
