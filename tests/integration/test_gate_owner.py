#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a reviewer expects of the gate: sites belong to the program's own lines, sums are judged, contracts are
enforced."""
import json
import os
import re

import harness
from harness import contains, same

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


def build(t, source, name="prog", version="1.24", module="example.com/owner"):
    harness.require_root()
    go = harness.go_toolchain(version)
    directory = t.path(f"{name}-{version}.d")
    directory.mkdir()
    (directory / "go.mod").write_text(f"module {module}\n\ngo 1.{'19' if version == '1.19' else '23'}\n")
    (directory / "main.go").write_text(source)
    environment = {**os.environ, "GOCACHE": str(harness.BUILD / "go-cache"), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
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
    # a lighter library call is better, although its sites are new
    better = build(t, CUT, "better")
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--", better)
    contains(done.stdout, "gate passed")
    assert len(done.stdout.splitlines()) < 20, done.stdout
    first = done.stdout.splitlines()[0]
    assert re.match(r"all +[\d,]+ -> [\d,]+ objects +-\d+ %", first), first
    # and back it is worse, at a line of the program
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", better)
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--format", "json", "--", t.path("prog"), status=1)
    failing = [row for row in json.loads(done.stdout)["rows"] if row["fails"]]
    assert failing and all(row["function"] == "main.parse" for row in failing), failing


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
    # one for each call, and now and then one of the runtime's cache of type assertions
    assert [row["function"] for row in sites] == ["main.parse"] and 500 <= sites[0]["objects"] <= 505, sites
    for options in (("--by", "frame"), ("--module", "fmt")):
        found = [row["objects"] for row in rows(*options) if row["function"] == "fmt.newScanState"]
        assert 500 <= sum(found) <= 510, found
    assert any(row["function"] == "(outside)" for row in rows())


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
    done = t.escapement("gate", "--runs", 1, "--under", "main.(*server).build", "objects/call=1", "bytes/call=112", "--",
                        program)
    contains(done.stdout, "7 objects, 784 bytes in 7 calls")
    done = t.escapement("gate", "--runs", 1, "--under", "main.(*server).build", "objects=6", "--", program, status=1)
    contains(done.stdout, "contract broken")
    contains(done.stdout, "main.go:20")
    t.path("policy").write_text("under main.(*server).handle objects=0\nunder main.(*server).build objects=0\n")
    done = t.escapement("gate", "--runs", 1, "--policy", t.path("policy"), "--format", "json", "--", program, status=1)
    failing = [row for row in json.loads(done.stdout)["rows"] if row["fails"]]
    same({row["benchmark"] for row in failing}, {"contract main.(*server).build"})


def test_a_contract_that_tests_nothing_is_exit_3(t):
    program = build(t, POLLUTED)
    for function, message in (("main.none", "no function 'main.none'"), ("main.small", "inlined everywhere")):
        done = t.escapement("gate", "--runs", 1, "--under", function, "objects=0", "--", program, status=3)
        contains(done.stderr, message)
    contains(done.stderr, "main.main")
    for limits, message in (((), "under needs a function and a limit"), (("objects=x",), "invalid amount"), (("bytes/run=1",), "unknown limit")):
        done = t.escapement("gate", "--runs", 1, "--under", "main.none", *limits, "--", program, status=2)
        contains(done.stderr, message)


if __name__ == "__main__":
    harness.main()
