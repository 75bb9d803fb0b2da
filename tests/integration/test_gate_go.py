#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Gates on `go test`: only the test binary is measured, and benchmarks are counted separately."""
import json
import os

import harness
from harness import same

MODULE = "module example.com/codec\n\ngo 1.19\n"
CODEC = """package codec

type Box struct{ a, b int }

//go:noinline
func Parse(n int) *Box { return &Box{n, n} }

//go:noinline
func Encode(n int) []byte { return make([]byte, n) }
"""
TESTS = """package codec

import "testing"

var box *Box
var bytes []byte

func TestParse(t *testing.T) {
	for i := 0; i < 100; i++ {
		box = Parse(i)
	}
}

func BenchmarkParse(b *testing.B) {
	for i := 0; i < b.N; i++ {
		box = Parse(i)
	}
}

func BenchmarkBoth(b *testing.B) {
	for i := 0; i < b.N; i++ {
		box = Parse(i)
		bytes = Encode(64)
	}
}
"""


def module(t, version="1.24"):
    """A module and how to run go in it."""
    harness.require_root()
    go = harness.go_toolchain(version)
    for name, text in (("go.mod", MODULE), ("codec.go", CODEC), ("codec_test.go", TESTS)):
        t.path(name).write_text(text)
    environment = {**os.environ, "GOCACHE": str(harness.BUILD / "go-cache"), "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                   "GOPROXY": "off", "HOME": str(t.directory)}
    return go, {"env": environment}


def sites(document):
    """{(function, benchmark): objects} of the package itself."""
    return {(site["function"].removeprefix("example.com/codec."), site.get("benchmark")): site["objects"]
            for site in document["sites"] if (site["function"] or "").startswith("example.com/codec.")}


def test_a_go_test_measures_the_test_binary_and_a_regression_in_it_fails(t):
    go, options = module(t)
    command = ("--baseline", t.path("b.json"), "--runs", 2, "--", go, "test", "-run", "TestParse", ".")
    t.escapement("gate", "--update", *command, **options)
    document = json.loads(t.path("b.json").read_text())
    same(sites(document), {("Parse", None): 100})
    assert not [site for site in document["sites"] if (site["function"] or "").startswith("cmd/")], "go itself was measured"
    t.path("codec.go").write_text(CODEC.replace("return &Box", "spare = &Box{}; return &Box") + "\nvar spare *Box\n")
    # Go's own hash tables are seeded anew in each run
    done = t.escapement("gate", "--format", "json", "--tolerance", "*:objects=100,bytes=1M", "--tolerance",
                        "example.com/codec:0%", *command, status=1, **options)
    failing = [(row["function"], row["after"]["objects"]) for row in json.loads(done.stdout)["rows"] if row["fails"]]
    same(failing, [("example.com/codec.Parse", 200)])


def test_benchmarks_are_told_apart(t):
    go, options = module(t)
    command = ("--baseline", t.path("b.json"), "--runs", 2, "--", go, "test", "-run", "^$", "-bench", ".", "-benchtime", "500x", ".")
    t.escapement("gate", "--update", *command, **options)
    # a benchmark is run once to see that it works, then 500 times
    same(sites(json.loads(t.path("b.json").read_text())),
         {("Parse", "BenchmarkParse"): 501, ("Parse", "BenchmarkBoth"): 501, ("Encode", "BenchmarkBoth"): 501})
    t.path("codec_test.go").write_text(TESTS.replace("bytes = Encode(64)", "bytes = Encode(64)\n\t\tbox = Parse(i)"))
    # the test framework's own allocations differ between runs: only the package is judged
    done = t.escapement("gate", "--format", "json", "--tolerance", "*:objects=100,bytes=1M", "--tolerance",
                        "example.com/codec:0%", *command, status=1, **options)
    failing = [(row["function"], row["benchmark"]) for row in json.loads(done.stdout)["rows"] if row["fails"]]
    same(failing, [("example.com/codec.Parse", "BenchmarkBoth")])


def test_a_failing_go_test_is_exit_3(t):
    go, options = module(t)
    t.path("codec_test.go").write_text(TESTS.replace("func TestParse(t *testing.T) {", "func TestParse(t *testing.T) {\n\tdefer t.Fatal()"))
    t.escapement("gate", "--self-test", "--", go, "test", ".", status=3, **options)


if __name__ == "__main__":
    harness.main()
