#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The commands of README.md and docs/ work as written. The info string of every code block says how to treat it:

    ```LANGUAGE FILE           the block is written to that file
    ```sh                      a shell runs it, in the order of the page; ```sh exit=N expects that exit status
    ```LANGUAGE not-run: WHY   not run, for that reason
    ```text, ```c, ```go       not run: output of a command, or part of a program
    <!-- sh … -->              run but not shown: sets up what the reader already has
"""
import os
import pathlib
import re

import clickhouse
import harness
import receiver

BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$|^<!-- (sh)\n(.*?)^-->$", re.M | re.S)
SHOWN = ("text", "c", "go")
COMMAND = re.compile(r"^(\$ )?(sudo )?(escapement|go|make|git|cc|docker|apt-get) ", re.M)


def pages():
    return sorted([harness.ROOT / "README.md", harness.ROOT / "SECURITY.md", *(harness.ROOT / "docs").glob("*.md")])


def blocks(page):
    """(info string, text) of each block."""
    return [(shown or hidden, text or commands) for shown, text, hidden, commands in BLOCK.findall(page.read_text())]


def environment(t, prefix):
    go = harness.go_toolchain("1.24")
    return dict(os.environ, PATH=f"{prefix}/bin:{go.parent}:{os.environ['PATH']}", HOME=os.environ.get("HOME", "/root"),
                PKG_CONFIG_PATH=f"{prefix}/lib/pkgconfig", LD_LIBRARY_PATH=f"{prefix}/lib", GOTOOLCHAIN="local", GOFLAGS="",
                NO_COLOR="1", FIXTURES=str(harness.FIXTURES))


def installed(t):
    """The prefix of what is installed: INSTALLED, or else this build."""
    if "INSTALLED" in os.environ:
        return pathlib.Path(os.environ["INSTALLED"])
    prefix = t.path("prefix")
    t.run("make", "-s", "-C", harness.ROOT, "install", f"PREFIX={prefix}", f"B={harness.BUILD.relative_to(harness.ROOT)}")
    return prefix


def follow(t, page, **variables):
    """Runs the blocks of the page in order, with these variables in the environment. Returns how many it ran. Pages name ports and
    processes, of which there is one on a machine."""
    prefix, work = installed(t), t.path("work")
    work.mkdir()
    with harness.alone_on_the_machine("escapement-docs"):
        return run_blocks(t, page, work, prefix, variables)


def run_blocks(t, page, work, prefix, variables):
    ran = 0
    for info, text in blocks(harness.ROOT / page):
        words = info.split()
        if "not-run:" in words:
            continue
        if len(words) == 2 and words[0] != "sh":
            (work / words[1]).parent.mkdir(parents=True, exist_ok=True)
            (work / words[1]).write_text(text)
        elif words[:1] == ["sh"]:
            status = int(words[1].removeprefix("exit=")) if len(words) > 1 else 0
            t.run("sh", "-euc", text, status=status, cwd=work, env={**environment(t, prefix), **variables}, timeout=600)
            ran += 1
    return ran


def test_the_tutorial_of_a_go_server_works_as_written(t):
    harness.require_root()
    assert follow(t, "docs/tutorial-go.md") >= 6


def test_the_page_on_growing_memory_works_as_written(t):
    assert follow(t, "docs/heap.md") >= 4


def test_the_tutorial_of_a_c_program_works_as_written(t):
    harness.require_root()
    harness.require_library_for_others()
    assert follow(t, "docs/tutorial-c.md") >= 3


def test_the_page_on_stacks_works_as_written(t):
    harness.require_library_for_others()
    assert follow(t, "docs/stacks.md") == 1


def test_the_readme_works_as_written(t):
    harness.require_root()
    assert follow(t, "README.md") >= 7


def test_a_gate_in_ci_works_as_written(t):
    harness.require_root()
    assert follow(t, "docs/ci.md") >= 5


def test_the_page_of_the_gate_works_as_written(t):
    harness.require_root()
    assert follow(t, "docs/gate.md") >= 4


def test_the_page_of_the_allocator_works_as_written(t):
    harness.require_root()
    harness.require_library_for_others()
    assert follow(t, "docs/libgoalloc.md") >= 1


def test_the_page_of_top_works_as_written(t):
    harness.require_root()
    assert follow(t, "docs/top.md") >= 3


def test_the_page_of_the_agent_works_as_written(t):
    harness.require_root()
    server, profiles = clickhouse.ClickHouse(t).start(), receiver.Receiver(t)
    assert follow(t, "docs/fleet.md", CLICKHOUSE=server.url, PYROSCOPE=profiles.url, OTLP=profiles.url) >= 6
    for path in ("/push.v1.PusherService/Push", "/v1development/profiles"):
        harness.same(len(profiles.requests(path)), 1, f"requests to {path}")


def test_every_command_line_of_every_page_is_run_or_says_why_not(t):
    source = pathlib.Path(__file__).read_text()
    for page in pages():
        for info, text in blocks(page):
            words = info.split()
            name = page.relative_to(harness.ROOT)
            if words[:1] == ["sh"] and "not-run:" not in words:
                assert f'follow(t, "{name}"' in source, f"{name}: no test runs {text!r}"
            elif "not-run:" in words:
                assert len(words) > words.index("not-run:") + 2, f"{name}: not-run without a reason: {info!r}"
            else:
                assert words and (words[0] in SHOWN or len(words) == 2), f"{name}: unknown info string of {text[:60]!r}"
                assert len(words) == 2 or not COMMAND.search(text), f"{name}: commands in a block of {info!r}: {text!r}"
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


harness.main()
