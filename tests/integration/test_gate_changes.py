#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Published changes of real projects: the gate's output for each one in every format, which must agree with a reviewer.

Each folder of tests/fixtures/changes is a module with its source before and after; its README names the change that it
reproduces. A case is a row of CASES: the first line of the result, the exit status, and the sites that make up the
difference. All other sites must be unchanged.
"""
import json
import os
import re
import shutil

import harness
from harness import contains, same

CHANGES = harness.FIXTURES / "changes"
ANY = None  # a count that varies between runs

# name: ("judged" or the name of a benchmark, as the first line of the output begins, (objects or allocs/op before,
# after),        exit status, {(change, function, via): (objects before, after)})
CASES = {
    # sync.Pool is one for each processor: the program's goroutine fills a second one where it is moved.
    "sscanf": ("judged", (ANY, 0), 0, {
        ("gone", "main.parse", "fmt.newScanState"): (500, 0), ("gone", "main.parse", None): (500, 0),
        ("gone", "main.parse", "fmt.(*ss).Read"): (ANY, 0), ("gone", "main.parse", "fmt.init.func2"): (ANY, 0)}),
    "iterator": ("judged", (12700, 700), 0, {
        ("better", "newestFirst", None): (6300, 700), ("gone", "newestFirst", None): (6400, 0)}),
    "boxing": ("judged", (401, 0), 0, {
        ("gone", "order", None): (200, 0), ("gone", "order", "sort.Slice"): (200, 0), ("gone", "main", None): (1, 0)}),
    "slice": ("judged", (2400, 300), 0, {
        ("gone", "prices", None): (2400, 0), ("new", "prices", None): (0, 300)}),
    "closure": ("judged", (5650, 550), 0, {
        ("gone", "count.func1", None): (5110, 0), ("gone", "count", None): (10, 0), ("new", "count", None): (0, 10)}),
    "escape": ("BenchmarkPath", (50, 0), 0, {("gone", "Middle", None): (5050, 0)}),
    "builder": ("BenchmarkJoin", (8, 4), 0, {
        ("gone", "Join", None): (808, 0), ("new", "Join", "strings.(*Builder).WriteString"): (0, 404)}),
    "format": ("BenchmarkKey", (3, 2), 0, {
        ("gone", "Key", None): (101, 0), ("new", "Key", None): (0, 101), ("new", "Key", "strconv.formatBits"): (0, 101),
        ("gone", "Key", "fmt.Sprintf"): (101, 0), ("gone", "Key", "fmt.newPrinter"): (ANY, 0),
        ("gone", "Key", "fmt.init.func1"): (ANY, 0), ("gone", "Key", "fmt.(*buffer).writeString"): (ANY, 0)}),
    "map": ("BenchmarkIndex", (ANY, 3), 0, {("gone", "Index", None): (ANY, 0), ("new", "Index", None): (0, 101)}),
    "pool": ("BenchmarkRender", (6, 0), 0, {("new", "init.func1", None): (0, ANY)}),
    # regressions
    "regexp": ("BenchmarkSlug", (4, 16), 1, {("new", "Slug", "regexp.compile"): (0, 101)}),
    "alias": ("BenchmarkAnswer", (1, 1), 1, {("gone", "Answer", None): (101, 0), ("new", "Answer", None): (0, 101)}),
}
COPIES = {"json": "gate.json", "markdown": "gate.md", "github": "gate.txt", "sarif": "gate.sarif"}
SCREEN = 24


def module(t, name):
    """Creates a module without its work.go. Returns options for commands in it, and the command to measure."""
    harness.require_root()
    go = harness.go_toolchain("1.24")
    directory = t.path("m")
    directory.mkdir()
    (directory / "go.mod").write_text(f"module example.com/{name}\n\ngo 1.23\n")
    driver, = [path for path in (CHANGES / name).iterdir() if path.name in ("main.go", "work_test.go")]
    shutil.copy(driver, directory)
    environment = {**os.environ, "PATH": f"{go.parent}:{os.environ['PATH']}",
                   "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "HOME": str(t.directory),
                   "GITHUB_WORKSPACE": str(directory)}
    program = ("./prog",) if driver.name == "main.go" else ("go", "test", "-run", "^$", "-bench", ".", ".")
    return {"cwd": directory, "env": environment}, program


def use(t, name, side, options, program):
    shutil.copy(CHANGES / name / side / "work.go", options["cwd"])
    if program[0] == "./prog":
        t.run("go", "build", "-o", "prog", ".", **options)


def local(function):
    return function.rsplit("/", 1)[-1].split(".", 1)[1]


def check_rows(document, expected):
    found = {}
    for row in document["rows"]:
        if row["change"] in ("same", "noisy", "tolerated") or not row["benchmark"] and "init" in row["function"]:
            continue
        key = row["change"], local(row["function"]), row["via"]
        found.setdefault(key, []).append((row["before"] or {"objects": 0}, row["after"] or {"objects": 0}))
    for (change, function, via), counts in expected.items():
        rows = found.get((change, function.removeprefix("main."), via))
        if rows is None:
            assert ANY in counts, ((change, function, via), list(found))
            continue
        assert any(all(count in (ANY, side["objects"]) for count, side in zip(counts, row)) for row in rows), \
            ((change, function, via), rows)
    return found


def check_text(text, first, status):
    lines = text.splitlines()
    assert re.match(first, lines[0]) or re.match(first, lines[1]), text
    contains(lines[-1], "gate failed: " if status else "gate passed: ")
    if status == 0:
        assert len(lines) < 20, text
    else:
        # The first screen shows what failed and where.
        assert re.search(r"^ *(new|worse): \S+", "\n".join(lines[:SCREEN]), re.M), text
        contains("\n".join(lines[:SCREEN]), "work.go:")


def check_copies(t, document, first, status):
    texts = {form: t.path("m").joinpath(name).read_text() for form, name in COPIES.items()}
    failing = [row for row in document["rows"] if row["fails"]]
    notes = [row for row in document["rows"] if row["note"]]
    same(bool(failing), status == 1, "failing rows")
    markdown = texts["markdown"].splitlines()
    same(markdown[0].split(": ")[1], "gate failed" if status else "gate passed")
    assert any(re.match(first, line) for line in markdown[:6]), texts["markdown"]
    for row in document["rows"]:
        if row["change"] != "same":
            mark = f"**{row['change']}**" if row["fails"] else row["how"] or row["change"]
            via = f" via {row['via']}" if row["via"] else ""
            contains(texts["markdown"].replace("\\", ""), f"| {mark} | {row['function']}{via}")
    # Each annotation is on a line of the changed source.
    commands = [line for line in texts["github"].splitlines() if re.match("::(error|notice|warning) ", line)]
    same(len(commands), min(10, len(failing) + len(notes)), "GitHub commands")
    source = len(t.path("m").joinpath("work.go").read_text().splitlines())
    for command in commands[:9]:
        kind, file, line = re.match(r"::(\w+) file=([\w.]+),line=(\d+),", command).groups()
        same((kind, file), ("error" if status else "notice", "work.go"))
        assert 0 < int(line) <= source, command
    results = json.loads(texts["sarif"])["runs"][0]["results"]
    same(sorted(result["level"] for result in results), ["error"] * len(failing) + ["note"] * len(notes), "SARIF levels")
    for result in results:
        same(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "work.go")


def make_check(name, subject, counts, status, expected):
    def check(t):
        options, program = module(t, name)
        use(t, name, "before", options, program)
        gate = ("gate", "--baseline", t.path("allocs.json"), *(word for copy in COPIES.items()
                                                              for word in ("--write", "=".join(copy))))
        t.escapement("gate", "--baseline", t.path("allocs.json"), "--update", "--", *program, **options)
        done = t.escapement(*gate, "--", *program, **options)
        contains(done.stdout.splitlines()[-1], "gate passed: ")
        use(t, name, "after", options, program)
        done = t.escapement(*gate, "--", *program, status=status, **options)
        document = json.loads(t.path("m").joinpath("gate.json").read_text())
        same(document["status"], status, "status in JSON")
        check_rows(document, expected)
        words = " -> ".join(r"[\d,]+" if count is ANY else f"{count:,}" for count in counts)
        words = f"{counts[0]}" if counts[0] == counts[1] else words
        first = rf"{subject} +{words} (allocs/op|objects) "
        check_text(done.stdout, first, status)
        check_copies(t, document, first, status)
    return check


for case, row in CASES.items():
    globals()[f"test_{case}"] = make_check(case, *row)


def test_each_change_is_a_case_and_has_its_origin(t):
    same(sorted(path.name for path in CHANGES.iterdir() if path.is_dir()), sorted(CASES))
    readme = (CHANGES / "README.md").read_text()
    for name in CASES:
        contains(readme, f"| `{name}` |")


if __name__ == "__main__":
    harness.main()
