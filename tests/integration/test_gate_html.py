#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The pages of `gate` and `compare`: their numbers are those of the JSON, with scripts and without, and they work in a
browser."""
import json
import os
import re
import shutil

import harness
import test_html as pages
from harness import contains, same

SOURCE = "package main\n\n" + "".join(f"// line {number}\n" for number in range(3, 40))
ROOT = ("main.main", "main.go", 30)


def two_profiles(t, hostile=True):
    """Recordings of a program before and after a change, in which each kind of change occurs."""
    steady = [(((f"main.same{number}", "main.go", 20), ROOT), 10 + number, 1600 + number) for number in range(9)]
    names = [((pages.HOSTILE, pages.HOSTILE + ".go", 7), ROOT)] if hostile else []
    t.path("main.go").write_text(SOURCE)
    old = [((("main.worse", "main.go", 5), ROOT), 1200, 24000), ((("main.worse", "main.go", 5), ("main.f", "main.go", 31), ROOT), 34, 5600),
           ((("main.better", "main.go", 9), ROOT), 300, 4800), ((("main.gone", "main.go", 11), ROOT), 7, 1234567)]
    new = [((("main.worse", "main.go", 5), ROOT), 2400, 24100), ((("main.worse", "main.go", 5), ("main.f", "main.go", 31), ROOT), 35, 1205601),
           ((("main.better", "main.go", 9), ROOT), 299, 4784), ((("main.new", "main.go", 13), ROOT), 3, 96)]
    return (pages.profile_of(t, old + [(stack, 5, 80) for stack in names] + steady, "old.pb.gz"),
            pages.profile_of(t, new + [(stack, 6, 96) for stack in names] + steady, "new.pb.gz"))


def cells(page, section):
    """The rows of the tables of a section as they stand without scripts: lists of (column, text)."""
    part = re.search(rf'<section id="{section}">(.*?)</section>', page, re.S).group(1)
    return [re.findall(r'<td role="cell" class="[^"]*" data-column="([^"]*)">([^<]*)</td>', row)
            for row in re.findall(r'<tr role="row">(<td.*?)</tr>', part, re.S)]


def numbers_of(row):
    """(before, after) of objects and of bytes in a row of a table without scripts."""
    numbers = [text.replace(",", "") for name, text in row if re.match("objects|bytes|allocs|B/op", name)]
    return [tuple(numbers[0:2]), tuple(numbers[2:4])]


def check_static(page, result):
    """Each row of the JSON is in a table that needs no script, with its numbers."""
    shown = {}
    for section in re.findall(r'<section id="(\w+)">', page):
        for row in cells(page, section) if section in ("fails", "better", "allowed", "same", "noisy", "moved") else []:
            shown.setdefault(dict(row)["Site"].split(" ", 1)[-1], []).append((section, numbers_of(row)))
    wanted = 0
    for row in result["rows"]:
        name = row["function"] + (f" via {row['via']}" if row["via"] else "")
        sides = [[row[side][key] if row[side] else 0 for side in ("before", "after")] for key in ("objects", "bytes")]
        if name not in shown:
            continue  # a name that HTML escapes
        assert any(number == [tuple(map(str, side)) for side in sides] for _, number in shown[name]), (name, shown[name], sides)
        assert not row["fails"] or "fails" in [section for section, _ in shown[name]], (name, shown[name])
        wanted += 1
    assert wanted >= len(result["rows"]) - 1, (wanted, len(result["rows"]))


def in_browser(t, result, *names):
    if not os.access("/usr/bin/chromium", os.X_OK) or not shutil.which("node"):
        raise harness.Skip("/usr/bin/chromium or node is not installed")
    packages = harness.npm_packages("npm-page", harness.PAGE_PACKAGES)
    done = t.run("node", harness.ROOT / "tests" / "browser" / "gate.mjs", packages, t.path(result), *map(t.path, names), status=None)
    failures = [line for line in done.stdout.splitlines() if line.startswith(("not ok", "#"))]
    assert done.returncode == 0 and "ok 1 " in done.stdout, "\n".join(failures) or done.stderr[-2000:]


def test_pages_of_two_recordings_have_the_numbers_of_the_json_and_work_in_a_browser(t):
    old, new = two_profiles(t)
    result = json.loads(t.escapement("gate", "compare", "--format", "json", "--write", "html=gate.html", old, new, status=1).stdout)
    t.path("gate.json").write_text(json.dumps(result))
    for name, words in (("m2-old.txt", "new(int) escapes to heap"), ("m2-new.txt", "moved to heap: kept")):
        t.path(name).write_text(f"./main.go:15:2: {words}\n")
    t.escapement("compare", "--escape", "m2-old.txt,m2-new.txt", "--format", "html", "-o", "compare.html", old, new)
    gate, compare = (t.path(name).read_text() for name in ("gate.html", "compare.html"))
    for page in (gate, compare):
        check_static(page, result)
        same(page.count("<script"), 3)
        assert "<img" not in page and "\x1b" not in page
        sums = dict(cells(page, "sums")[0])
        same(numbers_of(cells(page, "sums")[0]),
             [tuple(str(result["totals"][side][key]) for side in ("before", "after")) for key in ("objects", "bytes")], sums)
    contains(gate, "Failed: 3 sites have more than before; the first is main.worse, main.go:5: 2,435 objects (1,234 before), "
             "1,229,701 bytes (29,600 before).")
    contains(compare, "After allocates more than before: 2 worse, 1 new, 1 better, 1 gone, 9 unchanged sites.")
    words = [tuple(text for _, text in row) for row in cells(compare, "compiler")]
    same([what for what, _ in words], ["`kept` now moves to the heap", "`new(int)` no longer escapes to the heap"])
    assert all(place.startswith("main.go:15:2") for _, place in words), words
    in_browser(t, "gate.json", "gate.html", "compare.html")


def test_a_page_leaves_source_out_when_told_and_has_the_exit_status_of_every_format(t):
    old, new = two_profiles(t, hostile=False)
    for words, status in ((("gate", "compare"), 1), (("gate", "compare", "--advisory"), 0), (("compare",), 0),
                          (("compare", "--fail-on", "worse"), 1)):
        for form in ("text", "html"):
            t.escapement(*words, "--format", form, "-o", "out", old, new, status=status)
        data = pages.page_data(t.path("out").read_text())
        same(sorted(data["sources"]), ["main.go"])
        facts = {row["function"]: row["facts"] for row in data["rows"]}
        same((facts["main.new"][-1], facts["main.gone"][-1]), ("There was no such site before.", "There is no such site any more."))
        t.escapement(*words, "--format", "html", "--no-source", "-o", "out", old, new, status=status)
        data = pages.page_data(t.path("out").read_text())
        same((data["sources"], data["sources_before"], data["sources_left_out"]), ({}, {}, True))
        t.escapement(*words, "--format", "html", "--redact", "-o", "out", t.path("old.pb.gz"), t.path("new.pb.gz"), status=status)
        same(pages.page_data(t.path("out").read_text())["sources"], {})
    t.escapement("gate", "compare", "--format", "html", "-o", "out", new, new)
    contains(t.path("out").read_text(), "Passed: no site that is judged has more than before; 12 unchanged sites.</p>")


def counts_of(page):
    return dict(re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))["counts"]


def test_a_page_says_what_grew_without_failing_and_how_it_was_counted(t):
    def compared(before, after, *options, periods=(1, 1), go_heap=False):
        sides = [pages.profile_of(t, [((("main.f", "main.go", 5), ROOT), *count)], f"{name}.pb.gz", period, go_heap)
                 for name, count, period in zip("ab", (before, after), periods)]
        t.escapement("gate", "compare", *options, "--format", "html", "-o", "out", *sides)
        return t.path("out").read_text()

    page = compared((100, 1600), (101, 1616), "--tolerance", "5%")
    contains(page, "Passed: no site that is judged has more than is allowed; 1 worse within tolerance site. "
             "There is more than before, which does not fail: 1 site within the tolerance.</p>")
    page = compared((10000, 160000), (12000, 192000), periods=(1 << 15, 1 << 15), go_heap=True)
    contains(page, "There is more than before, which does not fail: 1 site by what chance may explain.</p>")
    contains(counts_of(page), "estimates from samples, with 95 % intervals; what chance explains is no change")
    for periods, said in (((1, 1), "exact: every allocation was counted"), ((0, 0), "as the profiles have them"),
                          ((1, 0), "as the profiles have them"), ((0, 1), "as the profiles have them"),
                          ((512, 512), "without intervals: a change may be chance")):
        contains(counts_of(compared((100, 1600), (100, 1600), periods=periods)), said)


def test_a_page_of_what_was_lost_says_what_would_have_been_too_much(t):
    gate = ("gate", "--in-process", "--runs", 1, "--baseline", "b.json")
    t.escapement(*gate, "--update", "--", harness.workload("forks"), 100, 5000, "exit")
    for options, said in (((), "before"), (("--tolerance", "5%"), "is allowed")):
        t.escapement(*gate, *options, "--format", "html", "-o", "out", "--", harness.workload("forks"), 100, 5000, "_exit", status=4)
        contains(t.path("out").read_text(), f"what was counted is not more than {said}, but 1 events")


PROGRAM = """package main

type node struct{ next *node }

var kept *node

//go:noinline
func handle(times int) {
	for i := 0; i < times; i++ {
		kept = &node{kept}
	}
}

func main() {
	for i := 0; i < 20; i++ {
		handle(TIMES)
	}
}
"""


def built(t, times):
    go = harness.go_toolchain("1.24")
    environment = dict(os.environ, GOFLAGS="", GO111MODULE="off", GOTOOLCHAIN="local")
    t.path("main.go").write_text(PROGRAM.replace("TIMES", str(times)))
    t.path("m2.txt").write_text(t.run(go, "build", "-gcflags=-m=2", "-o", "program", "main.go", env=environment).stderr)


def test_a_gates_page_says_what_was_run_and_what_to_do(t):
    harness.require_root()
    built(t, 5)
    t.escapement("gate", "--baseline", "base.json", "--escape", "m2.txt", "--update", "--", "./program")
    built(t, 6)
    gate = ("gate", "--baseline", "base.json", "--escape", "m2.txt")
    result = t.json(*gate, "--format", "json", "--write", "html=gate.html", "--", "./program", status=1)
    page = t.path("gate.html").read_text()
    check_static(page, result)
    contains(page, "Failed: 1 site has more than before: main.handle, main.go:10: 120 objects (100 before), 960 bytes (800 before).")
    contains(page, "write the baseline anew: run the same command with <code>--update</code>.")
    facts = dict(re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    same([facts[name] for name in ("run", "baseline", "counts", "allowed to grow")],
         ["./program", "base.json", "exact: every allocation was counted", "by nothing"])
    contains(facts["how often"], f"{result['runs']} times")
    data = pages.page_data(page)
    row = data["rows"][0]
    same((row["values"], row["before"], row["line"]), ([120, 960], [100, 800], 10))
    contains(row["words"], "&node{...} escapes to heap")
    assert row["annotations"][0]["flow"], row
    contains(row["facts"][0], "Grew by 20 objects, 160 bytes; allowed to grow by: nothing.")
    contains(dict(data["sources"]["main.go"])[10], "kept = &node{kept}")
    # the stacks are those of one run, whole: what is judged of it, and what is not
    result = t.json(*gate, "--runs", 1, "--format", "json", "--write", "html=gate.html", "--", "./program", status=1)
    leaves = pages.page_leaves(pages.page_data(t.path("gate.html").read_text()))
    same([sum(column) for column in leaves][:2],
         [result["totals"]["after"][key] + result["outside"][key] + result["bookkeeping"][key] for key in ("objects", "bytes")])
    # the same command with --update is the remedy
    t.escapement(*gate, "--runs", 1, "--update", "--", "./program")
    t.escapement(*gate, "--runs", 1, "--", "./program")
    # a sum of a benchmark is of everything, and only its sites are judged
    shell = ("sh", "-c", "./program; cat bench.txt")
    for update, allocs in ((["--update"], 1), (["--format", "html", "-o", "gate.html"], 2)):
        t.path("bench.txt").write_text(f"pkg: main\nBenchmarkF-2 100 50 ns/op 16 B/op {allocs} allocs/op\n")
        t.escapement("gate", "--baseline", "bench.json", "--runs", 1, *update, "--", *shell)
    contains(t.path("gate.html").read_text(),
             "There is more than before, which does not fail: the sum of 1 benchmark, which has what is not judged, too.</p>")
    t.escapement("gate", "--under", "main.handle", "objects=1000", "--module", "...", "--module", "nope", "--format", "html",
                 "-o", "gate.html", "--", *shell)
    contains(t.path("gate.html").read_text(), "--module &#39;nope&#39; matches no package on a stack: nothing of it was judged.")
    # limits of one function are one contract: what is below it is shown and counted once, in every format
    under = ("gate", "--runs", 1, "--under", "main.handle", "objects=0", "--under", "main.handle", "bytes=0")
    result = t.json(*under, "--format", "json", "--write", "html=gate.html", "--write", "text=gate.txt", "--", "./program", status=1)
    same([(row["type"] == "everything below it", row["after"]["objects"], row["after"]["bytes"]) for row in result["rows"]],
         [(True, 120, 960), (False, 120, 960)])
    same([row["values"] for row in pages.page_data(t.path("gate.html").read_text())["rows"]], [[120, 960]] * 2)
    assert re.search(r"below it: main\.handle +objects +120 *$", t.path("gate.txt").read_text(), re.M), t.path("gate.txt").read_text()
    t.escapement("gate", "--under", "main.handle", "objects/call=5", "--format", "html", "-o", "gate.html", "--", "./program", status=1)
    page = t.path("gate.html").read_text()
    contains(page, "Failed: 1 contract is broken: main.handle: 120 objects (100 allowed)")
    broken, below = pages.page_data(page)["rows"][:2]
    same((broken["verdict"], broken["values"], broken["before"], below["verdict"], below["values"]),
         ("broken", [120, 960], [100, None], "below it", [120, 960]))
    assert broken["below"] and below["allocating"], (broken, below)


if __name__ == "__main__":
    harness.main()
