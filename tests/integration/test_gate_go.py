#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Gates on `go test`: only the test binary is measured, and benchmarks are counted separately."""
import json
import os
import re
import signal

import go_programs
import harness
from harness import contains, same

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
    """Creates a module. Returns the go command and options for running it there."""
    harness.require_root()
    go = harness.go_toolchain(version)
    for name, text in (("go.mod", MODULE), ("codec.go", CODEC), ("codec_test.go", TESTS)):
        t.path(name).write_text(text)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                   "GOPROXY": "off", "HOME": str(t.directory)}
    return go, {"env": environment}


def sites(document):
    """{(function, benchmark): objects} for the sites of the package under test."""
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
    # Go's hash tables have a new seed in each run, so the counts outside of the package vary.
    done = t.escapement("gate", "--format", "json", "--tolerance", "*:objects=100,bytes=1M", "--tolerance",
                        "example.com/codec:0%", *command, status=1, **options)
    failing = [(row["function"], row["after"]["objects"]) for row in json.loads(done.stdout)["rows"] if row["fails"]]
    same(failing, [("example.com/codec.Parse", 200)])
    # With a glob that chooses nothing, the regression would not be judged.
    done = t.escapement("gate", "--module", "example.com/codex/...", *command, status=2, **options)
    contains(done.stderr, "--module 'example.com/codex/...' matches no package on a stack of what ")


def test_benchmarks_are_told_apart(t):
    go, options = module(t)
    command = ("--baseline", t.path("b.json"), "--runs", 2, "--", go, "test", "-run", "^$", "-bench", ".", "-benchtime", "500x", ".")
    t.escapement("gate", "--update", *command, **options)
    # testing runs a benchmark once to check it, then 500 times.
    same(sites(json.loads(t.path("b.json").read_text())),
         {("Parse", "BenchmarkParse"): 501, ("Parse", "BenchmarkBoth"): 501, ("Encode", "BenchmarkBoth"): 501})
    t.path("codec_test.go").write_text(TESTS.replace("bytes = Encode(64)", "bytes = Encode(64)\n\t\tbox = Parse(i)"))
    # The allocations of package testing differ between runs, so only the package under test has no tolerance.
    done = t.escapement("gate", "--format", "json", "--tolerance", "*:objects=100,bytes=1M", "--tolerance",
                        "example.com/codec:0%", *command, status=1, **options)
    failing = [(row["function"], row["benchmark"]) for row in json.loads(done.stdout)["rows"] if row["fails"]]
    same(failing, [("example.com/codec.Parse", "BenchmarkBoth")])
    # A benchmark that the baseline does not have is not judged, and its page says that.
    t.path("codec_test.go").write_text(TESTS + TESTS[TESTS.index("func BenchmarkParse"):TESTS.index("func BenchmarkBoth")].replace("Parse(b", "Other(b"))
    t.escapement("gate", "--format", "html", "-o", "out", "--tolerance", "*:objects=100,bytes=1M", *command, **options)
    contains(t.path("out").read_text(), " 1 site in benchmarks that only one side has")


def test_scripts_that_run_other_go_commands_as_well_and_go_under_other_names_measure_the_test_binary_alone(t):
    go, options = module(t)
    benchmark = "test -run '^$' -bench Parse -benchtime 100x ."
    for name, text in (("gate.sh", f"'{go}' vet . && '{go}' build ./... && '{go}' {benchmark}\n"), ("ci", f"'{go}' {benchmark}\n"),
                       ("go1.27rc1", f"'{go}' \"$@\"\n"), ("mygo", f"'{go}' \"$@\"\n")):
        t.path(name).write_text("#!/bin/sh\n" + text)
        t.path(name).chmod(0o755)
    baseline = ("--baseline", t.path("b.json"), "--runs", 1)
    words = ("test", "-run", "^$", "-bench", "Parse", "-benchtime", "100x", ".")
    t.escapement("gate", *baseline, "--update", "--", go, *words, **options)
    same(sites(json.loads(t.path("b.json").read_text())), {("Parse", "BenchmarkParse"): 101})
    for command in ((t.path("gate.sh"),), (t.path("ci"),), (t.path("go1.27rc1"), *words), (t.path("mygo"), *words),
                    ("sh", "-c", f"'{go}' vet . && '{go}' {benchmark}"), ("env", "A=1", "nice", go, "-C", t.directory, *words)):
        done = t.escapement("gate", *baseline, "--", *command, **options)
        contains(done.stdout, "BenchmarkParse  1 allocs/op")
        contains(done.stdout, "gate passed: 1 unchanged site")
    # The gate measures the program that `go run` starts, not go.
    t.path("main").mkdir()
    t.path("main/main.go").write_text("package main\n\nimport \"example.com/codec\"\n\nfunc main() { for i := 0; i < 7; i++ { codec.Parse(i) } }\n")
    t.escapement("gate", "--baseline", t.path("run.json"), "--runs", 1, "--update", "--", go, "run", "./main", **options)
    document = json.loads(t.path("run.json").read_text())
    same([(site["function"], site["objects"]) for site in document["sites"]], [("example.com/codec.Parse", 7)])


def test_a_signal_before_go_test_has_started_a_test_is_exit_3(t):
    go, options = module(t)
    t.path("wait.sh").write_text(f"#!/bin/sh\ntouch {t.path('started')}\nexec sleep 100\n")
    t.path("wait.sh").chmod(0o755)
    gate = t.start(harness.ESCAPEMENT, "gate", "--baseline", t.path("b.json"), "--update", "--", go, "test", "-exec", t.path("wait.sh"),
                   ".", **options)
    harness.wait_for(t.path("started").exists, "go test to start what it was told to")
    gate.send_signal(signal.SIGINT)
    said = gate.communicate(timeout=harness.TIMEOUT)[1]
    same(gate.returncode, 3)
    contains(said, "escapement: interrupted before there was a process to observe\n")
    assert not t.path("b.json").exists()


def check_patterns(version):
    def check(t):
        go, options = module(t, version)
        (t.path("example_test.go")).write_text('package codec\n\nimport "fmt"\n\nfunc ExampleParse() {\n\tfmt.Println(len("x"))\n'
                                               "\t// Output: 1\n}\n")
        baseline = ("--baseline", t.path("b.json"), "--runs", 1, "--update", "--", go, "test")
        # Whatever the pattern is: what counts is whether a test ran.
        for run in ("^$", "NONE", "-", "Parsee", "TestParse$^", "^Test$"):
            done = t.escapement("gate", *baseline, f"-run={run}", "-bench=Nothing", ".", status=3, **options)
            contains(done.stderr, f"nothing was tested: no benchmark matches -bench 'Nothing', and -run '{run}' runs no test")
            assert not t.path("b.json").exists()
        warning = "warning: go test ran no benchmark: what its tests allocated is compared"
        for run in (("-run", "ExampleParse"), ("-run", ""), ("-run", "none|TestP"), ("-run", "TestParse"), ()):
            contains(t.escapement("gate", *baseline, *run, "-bench", "Nothing", ".", **options).stderr, warning)
        assert ("Parse", None) in sites(json.loads(t.path("b.json").read_text()))
        for words in (("-run", "TestParse", "."), ("-run", "^$", "-bench", "Parse", ".")):
            assert warning not in t.escapement("gate", *baseline, *words, **options).stderr, words
    return check


for release in go_programs.EVERYDAY:
    globals()[f"test_a_pattern_that_matches_no_benchmark_is_told_go_{release.replace('.', '_')}"] = check_patterns(release)


def two_packages(t):
    """Creates two packages with the same benchmarks. Returns the go command, its options, and the gate's arguments for
    both packages."""
    go, options = module(t)
    tests = TESTS.replace("func BenchmarkBoth(b *testing.B) {", """func BenchmarkSizes(b *testing.B) {
	for _, name := range []string{"small", "large-with-a-name-that-takes-more-than-half-of-a-line"} {
		b.Run(name, func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				box = Parse(i)
			}
		})
	}
}

func BenchmarkBoth(b *testing.B) {""")
    for name in ("text", "wire"):
        t.path(name).mkdir()
        t.path(name).joinpath("codec.go").write_text(CODEC)
        t.path(name).joinpath("codec_test.go").write_text(tests)
    t.path("codec.go").unlink()
    t.path("codec_test.go").unlink()
    return go, options, ("--baseline", t.path("b.json"), "--runs", 2, "--", go, "test", "-run", "^$", "-bench", ".", "./...")


def test_benchmarks_of_one_name_in_two_packages_are_two(t):
    _, options, command = two_packages(t)
    t.escapement("gate", "--update", *command, **options)
    document = json.loads(t.path("b.json").read_text())
    # Allocations of package testing for running and printing sub-benchmarks count for no benchmark.
    same({(site["function"], site["benchmark"], site["benchmark_package"]): site["objects"] for site in document["sites"]},
         {(f"example.com/codec/{name}.{function}", f"Benchmark{benchmark}", f"example.com/codec/{name}"): objects
          for name in ("text", "wire")
          for function, benchmark, objects in (("Parse", "Parse", 101), ("Parse", "Both", 101), ("Encode", "Both", 101),
                                               ("Parse", "Sizes", 202))})
    same([(each["name"], each["package"], each["allocs_per_op"]) for each in document["benchmarks"] if each["name"] == "BenchmarkParse"],
         [("BenchmarkParse", "example.com/codec/text", 1), ("BenchmarkParse", "example.com/codec/wire", 1)])
    # One package gets worse by as much as the other gets better: the gate must still fail.
    t.path("text").joinpath("codec.go").write_text(CODEC.replace("return &Box", "spare = &Box{}; return &Box") + "\nvar spare *Box\n")
    tests = t.path("wire").joinpath("codec_test.go")
    tests.write_text(tests.read_text().replace("box = Parse(i)", "box = nil"))
    done = t.escapement("gate", "--format", "json", *command, status=1, **options)
    document = json.loads(done.stdout)
    same({row["benchmark_package"] for row in document["rows"] if row["fails"]}, {"example.com/codec/text"})
    same({(each["benchmark"], each["benchmark_package"]) for each in document["sums"] if each["worse"]},
         {(f"Benchmark{name}", "example.com/codec/text") for name in ("Parse", "Both", "Sizes")})
    for format, expected in (("github", "in text.BenchmarkParse"), ("sarif", "in text.BenchmarkParse"), ("junit", "in text.BenchmarkParse"),
                             ("markdown", "text.BenchmarkParse "), ("text", "wire.BenchmarkParse ")):
        contains(t.escapement("gate", "--format", format, *command, status=1, **options).stdout, expected)


def check_sibling(version):
    """An external test package `codec_test` in codec/, and a package in a directory codec_test/: both have the functions
    example.com/codec_test.BenchmarkParse, and go test prints two packages."""
    def check(t):
        go, options = module(t, version)
        t.path("codec_test.go").unlink()
        t.path("codec.go").unlink()
        for name in ("codec", "codec_test"):
            t.path(name).mkdir()
        t.path("codec/codec.go").write_text(CODEC)
        t.path("codec/codec_test.go").write_text(OUTSIDE)
        t.path("codec_test/helper_test.go").write_text(
            OUTSIDE.replace("package codec_test", "package helper").replace("box = ", "box = codec.Parse(i)\n\t\tbox = "))
        for in_process in ((), ("--in-process",)):
            for packages in (("./codec",), ("./codec_test",)) if in_process else (("./...",), ("./codec_test",)):
                t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, *in_process, "--", go, "test", "-run",
                             "^$", "-bench", ".", *packages, **options)
                document = json.loads(t.path("b.json").read_text())
                expected = [("example.com/codec/codec", 1), ("example.com/codec/codec_test", 2)]
                expected = expected if packages == ("./...",) else [each for each in expected if each[0].endswith(packages[0][2:])]
                same([(each["package"], each["allocs_per_op"]) for each in document["benchmarks"]], expected)
                same([(site["benchmark_package"], site["objects"] // 100) for site in document["sites"] if site.get("benchmark")],
                     expected)
                t.path("b.json").unlink()
    return check


OUTSIDE = """package codec_test

import (
	"testing"

	"example.com/codec/codec"
)

var box *codec.Box

func BenchmarkParse(b *testing.B) {
	for i := 0; i < b.N; i++ {
		box = codec.Parse(i)
	}
}
"""
for release in go_programs.EVERYDAY:
    globals()[f"test_a_package_whose_directory_ends_in_test_is_no_external_test_package_go_{release.replace('.', '_')}"] = check_sibling(release)


def test_baselines_without_packages_are_read_or_refused_with_the_command_that_writes_them(t):
    go, options, command = two_packages(t)
    one = (*command[:-1], "./text")
    t.escapement("gate", "--update", *one, **options)
    text = re.sub(r'"(benchmark_)?package":"example.com/codec/text",', "", t.path("b.json").read_text())
    assert "example.com/codec/text\"," not in text, text
    t.path("b.json").write_text(text)
    contains(t.escapement("gate", *one, **options).stdout, "gate passed: 4 unchanged sites")
    t.escapement("gate", "--update", *one, **options)
    same(t.path("b.json").read_text(), text, "a baseline that is still valid")
    done = t.escapement("gate", *command, status=2, **options)
    contains(done.stderr, f"write it anew: escapement gate --baseline {t.path('b.json')} --update -- {go} test")


def test_the_sites_of_each_benchmark_stand_below_its_line(t):
    _, options, command = two_packages(t)
    t.escapement("gate", "--update", *command, **options)
    t.path("text").joinpath("codec.go").write_text(CODEC.replace("return &Box", "spare = &Box{}; return &Box") + "\nvar spare *Box\n")
    options["env"]["COLUMNS"] = "80"
    lines = t.escapement("gate", *command, status=1, **options).stdout.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    places = [(line.split()[0], line.split()[-1]) for line in lines if line.startswith(("text.", "wire.")) or "worse: " in line]
    same([name for name, _ in places],
         ["text.BenchmarkBoth", "worse:", "text.BenchmarkParse", "worse:",
          "text.BenchmarkSizes/large-with-a-name-that-takes-more-than-half-of-a-line", "text.BenchmarkSizes/small", "worse:",
          "wire.BenchmarkBoth", "wire.BenchmarkParse", "wire.BenchmarkSizes/large-with-a-name-that-takes-more-than-half-of-a-line",
          "wire.BenchmarkSizes/small"])
    page = t.escapement("gate", "--format", "markdown", *command, status=1, **options).stdout
    assert re.search(r"text\.BenchmarkParse .*\n```\n\n\| \| site .*\n.*\n\| \*\*worse\*\* \| example\.com/codec/text\.Parse<br>", page), page


def test_an_object_in_each_iteration_is_never_noise(t):
    """The gate distinguishes allocations of each iteration from one-time set-up and from random variation."""
    go, options = module(t)
    command = ("--baseline", t.path("b.json"), "--runs", 2, "--", go, "test", "-run", "^$", "-bench", "Parse", ".")
    t.path("codec.go").write_text(CODEC + "\nfunc hidden(i int) {}\n")
    t.path("codec_test.go").write_text(TESTS.replace("box = Parse(i)", "box = Parse(i)\n\t\thidden(i)"))
    t.escapement("gate", "--update", *command, **options)
    for body in ("numbers.Store(i, i)", "words = map[int]int{}; for j := 0; j < 9; j++ { words[j] = j }"):
        t.path("codec.go").write_text(CODEC.replace("package codec", 'package codec\n\nimport "sync"') +
                                      f"\nvar numbers sync.Map\nvar words map[int]int\n\nfunc hidden(i int) {{ {body} }}\n")
        done = t.escapement("gate", *command, status=1, **options)
        contains(done.stdout, "new: example.com/codec.hidden")
    # A single call, whose set-up allocates once per run, is no regression.
    t.path("codec.go").write_text(CODEC.replace("package codec", 'package codec\n\nimport "sync"') +
                                  "\nvar numbers sync.Map\n\nfunc hidden(i int) { if i == 50 { numbers.Load(i) } }\n")
    contains(t.escapement("gate", *command, **options).stdout, "gate passed")


def test_a_gate_on_many_benchmarks_that_passes_takes_less_than_20_lines(t):
    go, options = module(t)
    loop = TESTS[TESTS.index("func BenchmarkParse"):TESTS.index("func BenchmarkBoth")]
    head = TESTS[:TESTS.index("func TestParse")].replace("var bytes []byte\n", "")
    many = head + "".join(loop.replace("BenchmarkParse", f"BenchmarkParse{number}") for number in range(30))
    t.path("codec_test.go").write_text(many)
    command = ("--baseline", t.path("b.json"), "--runs", 1, "--", go, "test", "-run", "^$", "-bench", ".", ".")
    t.escapement("gate", "--update", *command, **options)
    done = t.escapement("gate", *command, **options)
    contains(done.stdout, "30 benchmarks are unchanged\n")
    assert len(done.stdout.splitlines()) < 20, done.stdout
    # All benchmarks improve: one line for each that is shown.
    t.path("codec_test.go").write_text(many.replace("box = Parse(i)", "box = nil"))
    done = t.escapement("gate", *command, **options)
    contains(done.stdout, "22 more benchmarks changed; --all shows them\n")
    assert len(done.stdout.splitlines()) < 20, done.stdout
    # a benchmark that got worse is never left out
    t.path("codec_test.go").write_text(many.replace("box = Parse(i)", "box = Parse(i)\n\t\tbox = Parse(i)"))
    done = t.escapement("gate", *command, status=1, **options)
    same(done.stdout.count("1 -> 2 allocs/op"), 30)


def test_a_failing_go_test_is_exit_3(t):
    go, options = module(t)
    t.path("codec_test.go").write_text(TESTS.replace("func TestParse(t *testing.T) {", "func TestParse(t *testing.T) {\n\tdefer t.Fatal()"))
    t.escapement("gate", "--self-test", "--", go, "test", ".", status=3, **options)


def test_go_test_is_gated_without_privileges_by_its_own_memory_profile(t):
    go, options = module(t)
    command = ("--baseline", t.path("b.json"), "--runs", 2, "--", go, "test", "-run", "^$", "-bench", ".", ".")
    # Without any capability no BPF program can be loaded.
    plain = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", harness.ESCAPEMENT)
    done = t.run(*plain, "gate", "--in-process", "--update", *command, **options)
    contains(done.stderr, "tiny objects that share a block of 16 bytes are not in it, nor are refills")
    document = json.loads(t.path("b.json").read_text())
    same((document["module"], document["runtime"][:6]), ("example.com/codec", "go1.24"))
    # The same counts as by probes: one object more than b.N, from the first run with b.N = 1.
    same(sites(document), {("Parse", "BenchmarkParse"): 101, ("Parse", "BenchmarkBoth"): 101, ("Encode", "BenchmarkBoth"): 101})
    same(sorted(path.name for path in t.directory.iterdir() if path.name.endswith((".test", ".pb.gz"))), [])
    contains(t.run(*plain, "gate", "--in-process", *command, **options).stdout, "gate passed")
    t.path("codec.go").write_text(CODEC.replace("return &Box", "spare = &Box{}; return &Box") + "\nvar spare *Box\n")
    done = t.run(*plain, "gate", "--in-process", *command, status=1, **options)
    contains(done.stdout, "BenchmarkParse  1 -> 2 allocs/op")
    # compare also reads the profiles that `go test -memprofile` writes.
    for name in ("old", "new"):
        t.run(go, "test", "-run", "^$", "-bench", "Parse", "-benchtime", "100x", "-memprofile", t.path(name),
              "-memprofilerate=1", "-o", t.path("binary"), ".", **options)
        t.path("codec.go").write_text(CODEC)
    t.escapement("compare", "--fail-on", "worse", t.path("new"), t.path("old"), status=1)
    done = t.escapement("compare", "--fail-on", "worse", t.path("old"), t.path("new"))
    contains(done.stdout, "better: ")
    t.path("codec.go").write_text("package codec\n\nfunc broken() { return 1 }\n")
    done = t.run(*plain, "gate", "--in-process", *command, status=3, **options)
    contains(done.stderr, "go test failed")


def test_a_baseline_of_another_program_is_refused_before_the_program_runs(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                   "GOPROXY": "off", "HOME": str(t.directory)}
    source = 'package main\n\nimport "os"\n\nvar sink []byte\n\nfunc main() {\n\tsink = make([]byte, len(os.Args)*100)\n' \
        '\tos.WriteFile("ran", nil, 0o644)\n}\n'
    for name in ("one", "two"):
        (t.path(name + ".d")).mkdir()
        (t.path(name + ".d") / "go.mod").write_text(f"module example.com/{name}\n\ngo 1.19\n")
        (t.path(name + ".d") / "main.go").write_text(source)
        t.run(go, "build", "-o", t.path(name), ".", cwd=t.path(name + ".d"), env=environment)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", t.path("one"))
    # Another name of the program file is no reason to refuse the baseline.
    t.path("renamed").write_bytes(t.path("one").read_bytes())
    t.path("renamed").chmod(0o755)
    t.escapement("gate", "--baseline", t.path("b.json"), "--", t.path("renamed"))
    t.path("ran").unlink()
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--", t.path("two"), status=2)
    contains(done.stderr, "the baseline is for the program 'example.com/one'")
    t.escapement("gate", "--baseline", t.path("b.json"), "--rate", "64k", "--", t.path("one"), status=2)
    t.escapement("gate", "--baseline", t.path("b.json"), "--normalize", "500", "--", t.path("one"), status=2)
    assert not t.path("ran").exists(), "the program has run"


if __name__ == "__main__":
    harness.main()
