#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Attribution and judgement of the gate: sites belong to lines of the program itself, sums are judged, and contracts
are enforced."""
import json
import os
import re
import xml.etree.ElementTree

import go_programs
import harness
from harness import contains, same
from test_json_contract import GATE, check

PARSE = """package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

type pair struct{ a, b int }

func parse(s string) pair {
	%s
}

func main() {
	n := 0
	for i := 0; i < 500; i++ {
		n += parse("10 20").b
	}
	fmt.Fprintln(os.Stderr, n, strings.Contains("a", "b"), strconv.Itoa(1))
}
"""
SSCANF = PARSE % 'var p pair\n\tfmt.Sscanf(s, "%d %d", &p.a, &p.b)\n\treturn p'
CUT = PARSE % ('left, right, _ := strings.Cut(s, " ")\n\ta, _ := strconv.Atoi(left)\n\tb, _ := strconv.Atoi(right)\n'
               '\treturn pair{a, b}')
RANGE = """package main

%s
var keep []int64

//go:noinline
func collect(src []int64) []int64 {
	var out []int64
	%s
	return out
}

func main() {
	src := make([]int64, 64)
	for i := 0; i < 100; i++ {
		keep = collect(src)
	}
}
"""
PREPEND = RANGE % ("", "for i := len(src) - 1; i >= 0; i-- {\n\t\tout = append([]int64{src[i]}, out...)\n\t}")
ITERATOR = RANGE % ('import "slices"', "for _, v := range slices.Backward(src) {\n\t\tout = append(out, v)\n\t}")
POLLUTED = """package main

import (
	"os"
	"time"
)

var sink []byte

type server struct{ n int }

//go:noinline
func (s *server) handle(n int) {
	for i := 0; i < n; i++ {
		s.n += i
	}
}

//go:noinline
func (s *server) build() { sink = make([]byte, 100) }

func small(n int) []byte { return make([]byte, n) }

func background() {
	for {
		sink = make([]byte, 64)
		time.Sleep(20 * time.Microsecond)
	}
}

func main() {
	s := &server{}
	go background()
	time.Sleep(5 * time.Millisecond)
	for i := 0; i < 20; i++ {
		s.handle(1000000)
	}
	for i := 0; i < 7; i++ {
		s.build()
	}
	sink = small(s.n&255 + 1)
	os.Exit(len(os.Args) & 0)
}
"""

QUIET = """package main

import "os"

var sink *int

//go:noinline
func give(n int) { %s }

func main() {
	for i := 0; i < 100; i++ {
		give(i)
	}
	os.Exit(0)
}
"""
SILENT, GENEROUS = QUIET % "if n < 0 { sink = nil }", QUIET % "sink = &n"


def build(t, source, name="prog", version="1.24", module="example.com/owner"):
    harness.require_root()
    go = harness.go_toolchain(version)
    directory = t.path(f"{name}-{version}.d")
    directory.mkdir()
    (directory / "go.mod").write_text(f"module {module}\n\ngo 1.{'19' if version == '1.19' else '23'}\n")
    (directory / "main.go").write_text(source)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                   "GOPROXY": "off", "HOME": str(t.directory)}
    t.run(go, "build", "-o", t.path(name), ".", cwd=directory, env=environment)
    return t.path(name)


def update(t, program, *options):
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", *options, "--", program)
    return json.loads(t.path("b.json").read_text())


def test_what_a_library_allocates_belongs_to_the_line_that_called_it(t):
    document = update(t, build(t, SSCANF))
    same((document["module"], document["package"]), ("example.com/owner", "example.com/owner"))
    same({site["function"] for site in document["sites"]} - {"main.main"}, {"main.parse"})
    assert any(site["via"] == "fmt.newScanState" for site in document["sites"]), document["sites"]
    assert document["outside"]["objects"] > 0
    # A library call that allocates less is better, although its sites are new.
    better = build(t, CUT, "better")
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--", better)
    contains(done.stdout, "gate passed")
    assert len(done.stdout.splitlines()) < 20, done.stdout
    first = done.stdout.splitlines()[0]
    assert re.match(r"all +[\d,]+ -> [\d,]+ objects +-\d+ %", first), first
    # The reverse change is worse, at a line of the program.
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", better)
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--format", "json", "--", t.path("prog"), status=1)
    failing = [row for row in json.loads(done.stdout)["rows"] if row["fails"]]
    assert failing and all(row["function"] == "main.parse" for row in failing), failing


def test_recordings_of_code_that_allocates_nothing_are_compared(t):
    for name, source in (("silent", SILENT), ("generous", GENEROUS)):
        t.escapement("record", "--rate", "1", "-o", t.path(name + ".pb.gz"), "--", build(t, source, name))
    silent, generous = t.path("silent.pb.gz"), t.path("generous.pb.gz")
    contains(t.escapement("gate", "compare", silent, silent).stdout, "gate passed")
    contains(t.escapement("gate", "compare", generous, silent).stdout, "gone: main.give")
    contains(t.escapement("gate", "compare", silent, generous, status=1).stdout, "new: main.give")
    # A recording at rate 0 has no objects by site, so it cannot be compared.
    t.escapement("record", "--rate", "0", "-o", t.path("slow.pb.gz"), "--", t.path("generous"))
    contains(t.escapement("gate", "compare", silent, t.path("slow.pb.gz"), status=2).stderr,
             "has no objects by site: it was recorded at rate 0")


def test_a_loop_rewritten_to_an_iterator_is_the_same_site(t):
    update(t, build(t, PREPEND))
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--format", "json", "--", build(t, ITERATOR, "iterator"))
    rows = {(row["function"], row["runtime_call"]): row for row in json.loads(done.stdout)["rows"]}
    growth = rows["main.collect", "runtime.growslice"]
    same(growth["change"], "better")
    same(growth["before"]["objects"], 6300)


def test_the_report_shows_owners_and_on_demand_the_allocating_frames(t):
    t.escapement("record", "-q", "--rate", 1, "-o", t.path("p.pb.gz"), "--", build(t, SSCANF))

    def rows(*options):
        return json.loads(t.escapement("report", "--format", "json", *options, t.path("p.pb.gz")).stdout)["rows"]

    sites = [row for row in rows() if row["via"] == "fmt.newScanState"]
    # One object for each call, and occasionally one of the runtime's cache for type assertions.
    assert [row["function"] for row in sites] == ["main.parse"] and 500 <= sites[0]["objects"] <= 505, sites
    for options in (("--by", "frame"), ("--module", "fmt")):
        found = [row["objects"] for row in rows(*options) if row["function"] == "fmt.newScanState"]
        assert 500 <= sum(found) <= 510, found
    assert any(row["function"] == "(outside)" for row in rows())


def test_a_module_that_the_program_has_not_is_an_error_and_no_gate_that_passes(t):
    program, profile, baseline = build(t, SSCANF), t.path("p.pb.gz"), t.path("b.json")
    t.escapement("record", "-q", "--rate", 1, "-o", profile, "--", program)
    for arguments in (("gate", "--baseline", baseline, "--update"), ("gate", "--under", "main.main", "objects=9999999")):
        done = t.escapement(*arguments, "--runs", "1", "--module", "example.com/onwer/...", "--", program, status=2)
        contains(done.stderr, f"--module 'example.com/onwer/...' matches no package of '{program}'")
    # What a shell runs is not known before: its stacks show that a glob chooses nothing, or one of two.
    own = ("--module", "example.com/owner/...")
    for arguments, globs in ((("--update",), ()), (("--update",), own), (("--under", "main.main", "objects=9999999"), ())):
        baselined = ("--baseline", baseline) if "--update" in arguments else ()
        done = t.escapement("gate", *baselined, *arguments, "--runs", "1", *globs, "--module", "example.com/onwer/...", "--",
                            "sh", "-c", f"{program}; true", status=2)
        contains(done.stderr, "--module 'example.com/onwer/...' matches no package on a stack of what 'sh' ran")
    assert not baseline.exists()
    done = t.escapement("gate", "--under", "main.main", "objects=9999999", "--runs", "1", *own, "--module", "example.com/onwer/...",
                        "--", "sh", "-c", f"{program}; true")
    contains(done.stderr, "--module 'example.com/onwer/...' matches no package on a stack: nothing of it was judged")
    contains(t.escapement("compare", "--module", "nothing", profile, profile, status=2).stderr, "matches no package on a stack")
    # Of a module that was renamed, each side has one name.
    renamed = build(t, SSCANF, "renamed", module="example.com/renamed")
    t.escapement("record", "-q", "--rate", 1, "-o", t.path("q.pb.gz"), "--", renamed)
    both = ("compare", *own, "--module", "example.com/renamed/...")
    contains(t.escapement(*both, profile, t.path("q.pb.gz")).stdout, "judged ")
    contains(t.escapement(*both, "--module", "nothing", profile, t.path("q.pb.gz"), status=2).stderr,
             "--module 'nothing' matches no package on a stack of either side")
    contains(t.escapement(*both, profile, profile, status=2).stderr, "--module 'example.com/renamed/...' matches no package")
    contains(t.escapement("report", "--module", "nothing", profile).stderr, "matches no package on a stack")
    # What is judged of two recordings is what the module allocates.
    contains(t.escapement("compare", "--module", "fmt", profile, profile).stdout, "judged ")
    for arguments in (("report", "--module", "./...", profile), ("gate", "--tolerance", "./...:5%", "--baseline", baseline, "--", program),
                      ("escapes", "--package", "./pkg", profile)):
        contains(t.escapement(*arguments, status=2).stderr, "directories")


def test_annotations_are_on_files_of_the_repository_by_their_path_from_its_root(t):
    build(t, PREPEND.replace("for i := 0; i < 100", "for i := 0; i < 10"), "old")
    new = build(t, PREPEND, "new")
    for name in ("old", "new"):
        t.escapement("record", "-q", "--rate", 1, "-o", t.path(f"{name}.pb.gz"), "--", t.path(name))
    environment = {**os.environ, "GITHUB_WORKSPACE": str(t.directory)}
    done = t.escapement("gate", "compare", "--format", "github", t.path("old.pb.gz"), t.path("new.pb.gz"), status=1,
                        env=environment, cwd=t.path("new-1.24.d"))
    commands = [line for line in done.stdout.splitlines() if line.startswith("::error ")]
    assert commands and all("file=new-1.24.d/main.go," in line for line in commands), commands
    environment["GITHUB_WORKSPACE"] = str(t.path("old-1.24.d"))
    done = t.escapement("gate", "compare", "--format", "github", t.path("old.pb.gz"), t.path("new.pb.gz"), status=1,
                        env=environment, cwd=t.path("new-1.24.d"))
    assert "file=" not in done.stdout.split("SITE")[0], done.stdout
    assert new.exists()


def test_a_contract_counts_what_one_function_allocates_whatever_others_do(t):
    program = build(t, POLLUTED)
    done = t.escapement("gate", "--runs", 1, "--under", "main.(*server).handle", "objects=0", "--", program)
    contains(done.stdout, "contract kept: main.(*server).handle: 0 objects, 0 bytes in 20 calls")
    done = t.escapement("gate", "--under", "main.(*server).handle", "objects=0", "--format", "json", "--", program)
    same(json.loads(done.stdout)["runs"], 1, "runs of a contract that holds")
    done = t.escapement("gate", "--under", "main.(*server).build", "objects=6", "--format", "json", "--", program, status=1)
    document = json.loads(done.stdout)
    same(document["runs"], 3, "runs of a contract that is broken")
    # The sites are those of one run, as they were counted: nothing is a range, and no benchmark is beside them.
    below = [row["after"] for row in document["rows"] if row["function"] != "main.(*server).build" or row["type"] != "everything below it"]
    same(sum(values["objects"] for values in below), 7)
    assert not any("objects_max" in values for values in below), below
    # The contract's row has the sum, once; bytes have no limit, so there is nothing before them.
    limits, = (row["before"] for row in document["rows"] if row["type"] == "everything below it")
    same((limits["objects"], limits["bytes"]), (6, None))
    same([(group["before"], group["after"]) for group in document["sums"]],
         [({"objects": 6, "bytes": None}, {"objects": 7, "bytes": 784})])
    same({change: count for change, count in document["changes"].items() if count}, {"worse": 1})
    done = t.escapement("gate", "--runs", 1, "--under", "main.(*server).build", "objects/call=1", "bytes/call=112", "--",
                        program)
    contains(done.stdout, "7 objects, 784 bytes in 7 calls")
    done = t.escapement("gate", "--runs", 1, "--under", "main.(*server).build", "objects=6", "--", program, status=1)
    contains(done.stdout, "contract broken")
    contains(done.stdout, "main.go:20")
    assert re.search(r"bytes +no limit +784 *$", done.stdout, re.M), done.stdout
    assert re.search(r"below it: main\.\S+ +objects +7 *$", done.stdout, re.M), done.stdout
    # What is allowed is not shown as if it had been measured, neither here nor where other formats have it.
    assert re.search(r"^SITE +ALLOWED COUNTED OVER$", done.stdout, re.M), done.stdout
    assert re.search(r"broken: main\.\S+ +objects +at most 6 +7 +\+1$", done.stdout, re.M), done.stdout
    contains(done.stdout, "gate failed: 1 broken contract\n")
    for form, said in (("markdown", "| 7 (at most 6 allowed) | 784 (no limit) |"), ("github", "(broken): 7 objects, at most 6 allowed")):
        done = t.escapement("gate", "--runs", 1, "--under", "main.(*server).build", "objects=6", "--format", form, "--", program,
                            status=1)
        contains(done.stdout, said)
    # Beside a baseline, it has a table of its own.
    update(t, program)
    baseline = json.loads(t.path("b.json").read_text())
    for value, few in (("objects", 1), ("bytes", 8)):
        baseline["totals"][value] -= baseline["sites"][0][value] - few
        baseline["sites"][0][value] = few
    t.path("b.json").write_text(json.dumps(baseline))
    done = t.escapement("gate", "--runs", 1, "--baseline", t.path("b.json"), "--under", "main.(*server).build", "objects=6", "--",
                        program, status=1)
    tables = re.split(r"^SITE .*$", done.stdout, flags=re.M)
    # What other goroutines have allocated until then may be more, too.
    found = [{each.strip() for each in re.findall("at most 6 .*|^ *worse: |^ *broken: ", table, re.M)} for table in tables]
    same(found, [set(), {"worse:"}, {"broken:", "at most 6       7   +1"}])
    same(re.findall("^SITE.*", done.stdout, re.M)[0].split()[1:], ["BEFORE", "AFTER", "CHANGE"])
    # A contract is a limit, not a baseline: no tolerance makes a broken one hold.
    t.path("policy").write_text("tolerance 50%\nunder main.(*server).build objects=6\n")
    done = t.escapement("gate", "--runs", 1, "--policy", t.path("policy"), "--", program, status=1)
    contains(done.stdout, "contract broken")
    t.path("policy").write_text("under main.(*server).handle objects=0\nunder main.(*server).build objects=0\n")
    done = t.escapement("gate", "--runs", 1, "--policy", t.path("policy"), "--format", "json", "--", program, status=1)
    failing = [row for row in json.loads(done.stdout)["rows"] if row["fails"]]
    same({row["benchmark"] for row in failing}, {"contract main.(*server).build"})


# Two go statements below main.spawn, and one in main.handle that starts the same function as one in main. Each
# goroutine allocates.
STARTS = """package main

import "sync"

type box struct{ a, b int }

var sinks [4]*box
var done sync.WaitGroup

//go:noinline
func worker(i int) {
	sinks[i] = &box{i, i}
	done.Done()
}

//go:noinline
func shared() {
	sinks[3] = &box{}
	done.Done()
}

//go:noinline
func spawn(i int) {
	done.Add(2)
	go worker(i)
	go func() {
		sinks[i] = &box{i, 1}
		sinks[i] = &box{i, 2}
		done.Done()
	}()
}

//go:noinline
func handle(i int) {
	spawn(i)
	done.Add(1)
	go shared()
	done.Wait()
}

//go:noinline
func quiet() {}

func main() {
	for i := 0; i < 20; i++ {
		handle(i % 2)
		done.Add(1)
		go shared()
		done.Wait()
		quiet()
	}
}
"""


def check_starts(version):
    def check(t):
        harness.require_root()
        go = harness.go_toolchain(version)
        t.path("go.mod").write_text("module example.com/starts\n\ngo 1.19\n")
        t.path("main.go").write_text(STARTS)
        t.run(go, "build", "-o", t.path("prog"), ".", env={
            **os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
            "GOPROXY": "off", "HOME": str(t.directory)})
        # The same in each format, of one measurement.
        copies = {name: t.path(f"copy.{name}") for name in ("json", "markdown", "sarif", "junit")}
        done = t.escapement("gate", "--runs", 1, "--under", "main.handle", "objects=1000", "--under", "main.quiet", "objects=0",
                            *[f"--write={name}={path}" for name, path in copies.items()], "--", t.path("prog"),
                            env={**os.environ, "GITHUB_WORKSPACE": str(t.directory)})
        text = done.stdout
        found = re.findall(r"^  go in (\S+) \(main\.go:(\d+)\) started (\S+) 20 times:\n    (.*)\n", text, re.M)
        closure, wrapped = ("func1", "func2") if version == "1.19" else ("func1", "gowrap1")
        line = 1 + STARTS[:STARTS.index("go worker")].count("\n")
        same(sorted(found), sorted([
            ("main.spawn", str(line), f"main.spawn.{wrapped}", "20 objects, 320 bytes, not counted"),
            ("main.spawn", str(line + 1), f"main.spawn.{closure}", "40 objects, 640 bytes, not counted"),
            ("main.handle", str(1 + STARTS[:STARTS.index("go shared")].count("\n")), "main.shared",
             "at most 40 objects, 640 bytes, not counted (also started elsewhere)")]))
        # Two closures per call, and no objects of the other goroutines.
        contains(text, "contract kept: main.handle: 40 objects, 640 bytes in 20 calls")
        contains(text, "contract kept: main.quiet: 0 objects, 0 bytes in 20 calls (allowed: objects=0)\ngate passed")
        assert max(len(line) for line in text.splitlines() if line.startswith("  ")) <= 80, text
        same_starts(t, copies, found)
    return check


def same_starts(t, copies, found):
    """Compares the go statements in other formats with those of the text."""
    document = json.loads(copies["json"].read_text())
    check(document, GATE, "gate")
    handle, quiet = document["contracts"]
    same((handle["function"], handle["broken"], handle["calls"], handle["objects"], handle["bytes"], handle["allowed"]),
         ("main.handle", False, 20, 40, 640, {"objects": {"most": 1000, "per_call": False}, "bytes": None}))
    same((quiet["function"], quiet["started"]), ("main.quiet", []))
    same({each["file"] for each in handle["started"]}, {str(t.path("main.go"))})
    same({each["times"] for each in handle["started"]}, {20})
    words = [(each["in"], str(each["line"]), each["function"],
              f"{'at most ' * each['elsewhere']}{each['objects']} objects, {each['bytes']} bytes, not counted"
              f"{' (also started elsewhere)' * each['elsewhere']}") for each in handle["started"]]
    same(words, found)
    sentences = [f"go in {where} started {what} 20 times: {rest}" for where, _, what, rest in found]
    page = copies["markdown"].read_text().replace("\\", "")
    contains(page, "- contract kept: main.handle: 40 objects, 640 bytes in 20 calls (allowed: objects=1,000)\n")
    same(re.findall(r"^  - (.*)<br>.*main\.go:\d+$", page, re.M), sentences)
    notes = json.loads(copies["sarif"].read_text())["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    same([(note["level"], note["message"]["text"]) for note in notes], [("note", sentence) for sentence in sentences])
    suite = xml.etree.ElementTree.parse(copies["junit"]).getroot().find("testsuite/system-out").text
    contains(suite, "contract kept: main.handle: 40 objects, 640 bytes in 20 calls (allowed: objects=1,000)\n")
    same(re.findall(r"^  go in (\S+) \(main\.go:(\d+)\) started (\S+) 20 times:\n    (.*)\n", suite, re.M), found)
    places = [note["locations"][0]["physicalLocation"] for note in notes]
    same([(place["artifactLocation"]["uri"], str(place["region"]["startLine"])) for place in places],
         [("main.go", line) for _, line, _, _ in found])


for release in go_programs.EVERYDAY:
    globals()[f"test_go_statements_below_a_contract_are_listed_with_what_they_started_go_{release.replace('.', '_')}"] = check_starts(release)


PROBED = """package main

import "fmt"

var sink []byte

//go:noinline
func handle(n int) { sink = make([]byte, n) }

//go:noinline
func never(n int) { sink = make([]byte, n) }

func small(n int) []byte { return make([]byte, n) }

//go:noinline
func outer(n int) { sink = small(n) }

//go:noinline
func deep(n, size int) {
	if n > 0 {
		deep(n-1, size)
		return
	}
	sink = make([]byte, size)
}

//go:noinline
func dive() { deep(300, 64) }

// the outermost frames of a deep stack are kept: far from these, too
//go:noinline
func descend(n int) {
	if n > 0 {
		descend(n - 1)
		return
	}
	dive()
}

func main() {
	for i := 0; i < 13; i++ {
		handle(100)
		outer(50)
	}
	for i := 0; i < DIVES; i++ {
		descend(40)
	}
	if len(sink) > 1000 {
		never(1)
	}
	fmt.Sprint()
}
"""


def contract(t, program, function, *limits, status=0):
    return t.escapement("gate", "--runs", 1, "--under", function, *limits, "--", program, status=status)


def test_calls_are_counted_and_a_contract_that_tests_nothing_is_exit_3(t):
    program = build(t, PROBED.replace("DIVES", "len(sink) - len(sink)"))
    # The counts follow from the source.
    done = contract(t, program, "main.handle", "objects/call=1")
    contains(done.stdout, "contract kept: main.handle: 13 objects, 1,456 bytes in 13 calls (allowed: objects/call=1)")
    # Function names without the directories of the import path.
    for function, message in (("main.none", "the program has no function 'main.none'"),
                              ("main.never", "'main.never' was never called"),
                              ("main.small", "'main.small' is inlined everywhere")):
        done = contract(t, program, function, "objects=0", status=3)
        contains(done.stderr, "nothing was tested: ")
        contains(done.stderr, message)
        same(done.stdout, "", "standard output")
    # The message names the caller that the function is inlined into, which works instead.
    contains(done.stderr, "use its caller main.outer")
    contains(contract(t, program, "main.outer", "objects/call=1").stdout, "13 objects, 832 bytes in 13 calls")
    # One run is enough to know it; none, if the program lacks the function: this one could not even be started.
    runs = t.path("runs")
    for function, count, status in (("main.none", 1, 3), ("main.never", 1, 3), ("main.small", 1, 3), ("main.outer", 2, 0)):
        runs.write_text("")
        t.escapement("gate", "--runs", 2, "--under", function, "objects=99", "--", "sh", "-c",
                     f"echo >> {runs}; exec {program}", status=status)
        same(len(runs.read_text()), count, f"runs for {function}")
    t.path("file").write_bytes(program.read_bytes())
    contains(contract(t, t.path("file"), "main.none", "objects=0", status=3).stderr, "the program has no function 'main.none'")
    contains(contract(t, t.path("file"), "main.small", "objects=0", status=3).stderr, "ermission denied")
    for limits, message in (((), "under needs a function and a limit"), (("objects=x",), "invalid amount"),
                            (("bytes/run=1",), "unknown limit")):
        contains(contract(t, program, "main.none", *limits, status=2).stderr, message)


def test_a_contract_above_which_stacks_are_cut_is_exit_4(t):
    program = build(t, PROBED.replace("DIVES", "5"))
    done = contract(t, program, "main.dive", "objects=0", status=4)
    contains(done.stderr, "the stacks of 5 objects were cut or lost, so 'main.dive' may be above them")
    # A function that is found in the stacks is judged in spite of the cut, whichever end of the stack it is at.
    contains(contract(t, program, "main.main", "objects=1", status=1).stdout, "contract broken: main.main")
    contains(contract(t, program, "main.handle", "objects=12", status=1).stdout, "contract broken: main.handle: 13 objects")


def test_allocs_per_run_counts_what_another_goroutine_does_and_a_contract_does_not(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                   "GOPROXY": "off", "HOME": str(t.directory)}
    t.path("go.mod").write_text("module example.com/m\n\ngo 1.19\n")
    t.path("m_test.go").write_text("""package m

import (
	"testing"
	"time"
)

var sink []byte

//go:noinline
func work() {
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
	}
}

func TestNone(t *testing.T) {
	stop := make(chan bool)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				sink = make([]byte, 64)
			}
		}
	}()
	t.Log(testing.AllocsPerRun(5, work))
	close(stop)
}
""")
    # testing.AllocsPerRun counts the other goroutine's objects too.
    done = t.run(go, "test", "-v", ".", env=environment)
    assert float(re.search(r"m_test.go:\d+: (\S+)", done.stdout)[1]) >= 1, done.stdout
    done = t.escapement("gate", "--runs", 1, "--under", "m.work", "objects=0", "--", go, "test", ".", env=environment)
    contains(done.stdout, "contract kept: m.work: 0 objects, 0 bytes in 6 calls")


if __name__ == "__main__":
    harness.main()
