#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Malicious names in every command and every format: terminal escape sequences, bidirectional and invisible characters,
line ends, spreadsheet formulas, markup, workflow commands, invalid UTF-8, very long names."""
import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import harness
import wire
from harness import same

NAMES = [b"\x1b]0;pwned\x07\x1b[31mred\x1b[2J", b"line1\nline2\r\nINJECTED,1,2", b'=HYPERLINK("http://x","y")', b"+1+cmd|calc",
         b"-2+3", b"@SUM(1)", b"<script>alert(1)</script><img src=x>", b"a|b`c`](http://evil)",
         "\u202eevil\u2066x\u200b\u061c\ufeff".encode(), b"\xff\xfe\xc0\x80bad", b"::error file=x::pwn", b"%0A::stop", b"a;b c",
         b"\"quote',\\", b"]]>&amp;", b"C1:\x9b31m \xc2\x9b31m", b"\t=1", "\u2028x\u2029y\u0085z".encode(), b"x" * 5000,
         "\U000e0041\U000e007f".encode()]
# One name of each kind that can reach a terminal, for tests that start a process per name.
SHORT = [b"\x1b]0;p\x07\x1b[2J\r\xff\xc2\x9b31m", "\u202e\u2066\u200b\u2028\u0085".encode(), b"=1+1,\"a\"\nb", b"x" * 5000]
FORBIDDEN = ([chr(code) for code in range(32) if chr(code) not in "\n\t"] + [chr(code) for code in range(0x7f, 0xa0)] +
             list("\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff") +
             [chr(code) for code in range(0xe0000, 0xe0080)])


def clean(output, what, allowed=""):
    """Checks that the bytes are valid UTF-8 and contain nothing that a terminal would interpret."""
    text = output.decode() if isinstance(output, bytes) else output
    for character in FORBIDDEN:
        if character in text and character not in allowed:
            at = text.index(character)
            raise AssertionError(f"{what}: U+{ord(character):04X} in {text[max(at - 60, 0):at + 60]!r}")
    return text


def run(t, *arguments, allowed=""):
    """Runs a command and checks what it prints to either stream. Returns its standard output."""
    done = subprocess.run([harness.ESCAPEMENT, *map(str, arguments)], capture_output=True, stdin=subprocess.DEVNULL,
                          cwd=t.directory, timeout=harness.TIMEOUT)
    assert 0 <= done.returncode <= 4, f"{arguments}: exit status {done.returncode}"
    clean(done.stderr, f"messages of {arguments}")
    return clean(done.stdout, f"output of {arguments}", allowed)


def profile(t, name="hostile.pb.gz", scale=1):
    """A profile in which every name is hostile, as another tool might write it."""
    strings = [b""]

    def text(value):
        if value not in strings:
            strings.append(value)
        return strings.index(value)

    def message(number, *fields):
        return wire.nested(number, b"".join(fields))

    def integer(number, value):
        return wire.number(number, value)

    types = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("samples", "count"), ("refills", "count"),
             ("central_grows", "count"), ("heap_grows", "count"), ("heap_grow_space", "bytes")]
    body = [message(1, integer(1, text(kind.encode())), integer(2, text(unit.encode()))) for kind, unit in types]
    for i, hostile in enumerate(NAMES, 1):
        values = b"".join(wire.varint(value) for value in (5 * i * scale, 50 * i * scale, 5 * i * scale, 1, 0, 0, 0))
        body.append(message(2, wire.nested(1, wire.varint(i)), wire.nested(2, values),
                            message(3, integer(1, text(b"type")), integer(2, text(hostile))),
                            message(3, integer(1, text(b"comm")), integer(2, text(hostile[:15]))),
                            message(3, integer(1, text(b"pid")), integer(3, 1000 + i))))
        body.append(message(4, integer(1, i), integer(3, 0x1000 + i), message(4, integer(1, i), integer(2, 7))))
        function = text(b"main." + hostile if i % 2 else hostile)
        file = text(b"/src/" + hostile + b".go" if i % 3 else hostile)
        body.append(message(5, integer(1, i), integer(2, function), integer(3, function), integer(4, file)))
    comments = [b"tool: escapement 0.1.0", b"target: " + NAMES[0] + NAMES[8], b"rate: 1", b"runtime: go1.24 " + NAMES[0],
                b"exact: totals rows", b"measured: alloc_objects alloc_space samples",
                b"warning: " + NAMES[8]]
    body += [integer(13, text(comment)) for comment in comments]
    body += [message(11, integer(1, text(b"space")), integer(2, text(b"bytes"))), integer(12, 1)]
    body += [wire.nested(6, value) for value in strings]
    t.path(name).write_bytes(gzip.compress(b"".join(body)))
    return t.path(name)


def compiler_output(t):
    lines = b"# example.com/" + NAMES[0].replace(b"\n", b"") + b"\n"
    for i, name in enumerate(NAMES, 1):
        name = name.replace(b"\n", b" ")
        lines += b"/src/" + name + b".go:%d:2: moved to heap: " % i + name + b"\n"
        lines += b"./x.go:%d:2: " % i + name + b" escapes to heap\n" + name + b"\n"
    t.path("escape.txt").write_bytes(lines)
    return t.path("escape.txt")


def test_a_report_is_safe_in_every_format(t):
    hostile, older = profile(t), profile(t, "old.pb.gz", 2)
    for by in ("site", "frame", "function", "type", "stack", "size-class"):
        table = run(t, "report", "--by", by, "--color", "never", hostile)
        assert "\\x5c" not in table and (by in ("stack", "size-class") or "\\x1b[31mred" in table), table
        json.loads(run(t, "report", "--by", by, "--format", "json", hostile))
        rows = list(csv.reader(io.StringIO(run(t, "report", "--by", by, "--format", "csv", hostile), newline="")))
        same({len(row) for row in rows}, {len(rows[0])}, "cells in a row")
        for row in rows:
            for cell in row:
                assert not cell or cell[0] not in "=+-@\t\r", f"formula: {cell[:80]!r}"
    for line in run(t, "report", "--format", "folded", hostile).splitlines():
        assert line.rsplit(" ", 1)[1].isdigit(), line
    run(t, "report", "--diff", older, hostile)


def test_an_audit_is_safe_in_every_format(t):
    hostile, said = profile(t), compiler_output(t)
    for form in ("text", "quickfix"):
        run(t, "audit", "--format", form, "--escape", said, hostile)
    for form in ("json", "sarif"):
        json.loads(run(t, "audit", "--format", form, "--escape", said, hostile))
    markdown = run(t, "audit", "--format", "markdown", "--escape", said, hostile)
    assert "<script" not in markdown and "<img" not in markdown
    for row in csv.reader(io.StringIO(run(t, "audit", "--format", "csv", "--escape", said, hostile, allowed="\r"), newline="")):
        for cell in row:
            assert not cell or cell[0] not in "=+-@\t\r", f"formula: {cell[:80]!r}"


def test_compiler_output_is_safe_in_every_format(t):
    said = compiler_output(t)
    run(t, "escapes", said)
    run(t, "escapes", "--diff", said, said)
    json.loads(run(t, "escapes", "--format", "json", said))


def check_gate(form, text):
    if form in ("json", "sarif"):
        json.loads(text)
    elif form == "junit":
        xml.etree.ElementTree.fromstring(text)
    elif form == "html":
        same([text.count(word) for word in ("<script", "</script>", "<img")], [3, 3, 0])
    elif form == "markdown":
        assert "<script" not in text and "<img" not in text
    elif form == "github":
        before, word, rest = re.fullmatch(r"(.*)^::stop-commands::([0-9a-f]{32})\n(.*)", text, re.DOTALL | re.MULTILINE).groups()
        assert rest.endswith(f"::{word}::\n") and rest.count(word) == 1
        commands = [line for line in before.splitlines() if line.lstrip().startswith("::")]
        assert commands and all(line.startswith(("::error ", "::warning ")) for line in commands), commands


def test_a_gate_is_safe_in_every_format(t):
    hostile, worse = profile(t), profile(t, "worse.pb.gz", 3)
    for form in ("text", "json", "sarif", "junit", "markdown", "github", "html"):
        text = run(t, "gate", "compare", "--format", form, hostile, worse)
        assert len(text) > 1000, text
        check_gate(form, text)


def test_a_comparison_and_a_page_are_safe_in_every_format(t):
    hostile, worse, said = profile(t), profile(t, "worse.pb.gz", 3), compiler_output(t)
    for form in ("text", "json", "markdown", "html"):
        for more in ([], ["--escape", f"{said},{said}"]):
            text = run(t, "compare", "--format", form, *more, hostile, worse)
            assert len(text) > 1000, text
            check_gate(form, text)
    for more in ([], ["--escape", said], ["--diff", hostile]):
        check_gate("html", run(t, "html", "-o", "-", *more, worse))
    check_gate("html", run(t, "escapes", "--format", "html", "--diff", said, said))


def test_a_hostile_baseline_and_a_hostile_policy_are_named_safely(t):
    baseline, policy = t.path("baseline.json"), t.path("policy")
    gate = ("gate", "--in-process", "--runs", "1", "--baseline", baseline)
    program = ("--", harness.workload("seeds"), "--rounds", "1")
    run(t, *gate, "--update", *program)
    document = json.loads(baseline.read_text())
    for i, site in enumerate(document["sites"]):
        for key in ("function", "file", "type", "via"):
            if site.get(key):
                site[key] = NAMES[i % len(NAMES)].decode("utf-8", "replace")
    document["command"] = [name.decode("utf-8", "replace") for name in NAMES]
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        baseline.write_text(text)
        for form in ("text", "json", "markdown", "junit", "html"):
            told = run(t, *gate, "--format", form, *program)
            if told:
                check_gate(form, told)
    for text in ("\x1b[31m{", '{"schema":"\u202e\\u001b[2J"}'):
        baseline.write_text(text)
        run(t, *gate, *program)
    for name in SHORT:
        policy.write_bytes(name + b" = " + name + b"\n[" + name + b"]\n")
        run(t, *gate, "--policy", policy, *program)


def test_names_of_files_and_options_are_named_safely(t):
    for name in SHORT:
        word = os.fsdecode(name[:200].replace(b"\0", b"").replace(b"/", b"_"))
        for arguments in (("report", t.path(word)), ("report", "--" + word), (word,), ("report", "--by", word),
                          ("record", "--name", word), ("record", "-o", t.path("none") / word, "--", word),
                          ("record", "--", t.path(word)), ("escapes", t.path(word)), ("audit", t.path(word)),
                          ("gate", "--baseline", t.path(word), t.path(word)), ("html", t.path(word))):
            run(t, *arguments)


def test_names_of_processes_are_shown_safely(t):
    code = ("import ctypes, sys, time\n"
            "ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)\nprint('ready', flush=True)\ntime.sleep(600)")
    for name in SHORT[:2]:
        process = t.start(sys.executable, "-c", code, name.hex(), os.fsdecode(name[:200]))
        same(process.stdout.readline(), "ready\n")
        run(t, "doctor", "-p", process.pid)
        json.loads(run(t, "doctor", "--format", "json", "-p", process.pid))
        run(t, "record", "-p", process.pid)
        process.kill()


def test_arguments_of_a_program_are_stored_and_shown_safely(t):
    for name in SHORT:
        word = os.fsdecode(name[:200])
        run(t, "record", "--in-process", "-o", t.path("p"), "--", harness.workload("seeds"), "--rounds", "1", word)
        if t.path("p").exists():
            run(t, "report", t.path("p"))
            json.loads(run(t, "report", "--format", "json", t.path("p")))


def test_no_message_goes_around_the_function_that_makes_it_safe(t):
    """Only cli_say() and cli_warn(), which escape names, print messages; other output to stderr contains no names."""
    around = [f"{path.name}: {line.strip()}" for folder in ("cli", "user") for path in (harness.ROOT / folder).rglob("*.c")
              for line in path.read_text().splitlines() if re.search(r'fprintf\(stderr, "escapement: (?!%s%s)', line)]
    same(around, [])


if __name__ == "__main__":
    harness.main()
