#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Repeated gates: a gate on an unchanged multi-threaded program never fails; one more object in a million always fails
it.

The everyday suite runs a few of each (test_gate.py). `make test-gate-long` sets GATE_REPEATS=200: 200 gates of each
kind, a tenth as many baseline updates and a quarter as many comparisons of recordings.
"""
import json
import os
import re

import go_programs
import harness
from harness import contains, same, workload

REPEATS = int(os.environ.get("GATE_REPEATS", "200"))
MILLION = "main.work main.go 10 5 newobject 24 1000\nmain.other main.go 20 5 makeslice 64 20\n"


def test_repeated_gates_of_an_unchanged_multi_threaded_program_give_no_false_alarm(t):
    harness.require_root()
    program = (workload("seeds"), "--rounds", 50, "--threads", 8)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program)
    before = t.path("b.json").read_bytes()
    for _ in range(REPEATS):
        done = t.escapement("gate", "--baseline", t.path("b.json"), "--", *program)
        contains(done.stdout, "gate passed: 5 unchanged sites")
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program)
    same(t.path("b.json").read_bytes(), before, "baseline after an update without a change")


def test_one_object_more_in_a_million_is_caught_every_time(t):
    harness.require_root()
    program = (workload("mutants"), "--plan", t.path("plan"), "--rounds", 250, "--threads", 4)
    t.path("plan").write_text(MILLION)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, "--", *program)
    t.escapement("gate", "--baseline", t.path("b.json"), "--runs", 1, "--", *program)
    t.path("plan").write_text(MILLION.replace("24 1000", "24 1000 1"))
    for _ in range(REPEATS):
        done = t.escapement("gate", "--baseline", t.path("b.json"), "--runs", 1, "--", *program, status=1)
        contains(done.stdout.replace(" ", ""), "objects10000001000001+1")


# Sites whose counts differ between runs: a map grows depending on its hash seed, the collector may have emptied a pool,
# and goroutine descriptors may be new or reused. The linker sets `extra`: the one additional object to allocate, once
# in the whole run.
SERVER = """package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
)

type request struct {
	number int
	path   string
}

var (
	pool  = sync.Pool{New: func() interface{} { return new([512]byte) }}
	sinks [8]*request
	extra string
)

//go:noinline
func parse(n int) *request { return &request{number: n} }

//go:noinline
func answer(worker, n int, words map[string]int) {
	buffer := pool.Get().(*[512]byte)
	sinks[worker] = parse(n)
	if n == 777 && extra != "" {
		more(worker, n)
	}
	words[fmt.Sprint("key", n)] = n
	buffer[0] = byte(n)
	pool.Put(buffer)
}

//go:noinline
func more(worker, n int) {
	switch extra {
	case "again":
		sinks[worker] = parse(n)
	case "new":
		sinks[worker] = &request{number: n}
	case "library":
		sinks[worker].path = strconv.Itoa(n * 1000)
	}
}

func serve(worker, n int, done *sync.WaitGroup) {
	words := map[string]int{}
	for i := 0; i < 200; i++ {
		answer(worker, n*200+i, words)
	}
	done.Done()
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	var done sync.WaitGroup
	for round := 0; round < rounds; round++ {
		for n := 0; n < 8; n++ {
			done.Add(1)
			go serve(n, round*8+n, &done)
		}
		done.Wait()
		if round%10 == 0 {
			runtime.GC()
		}
	}
}
"""
SHORT, A_MILLION = 20, 205  # rounds; A_MILLION rounds allocate slightly more than a million objects


def server(t, version, extra=""):
    harness.require_root()
    go = harness.go_toolchain(version)
    t.path("go.mod").write_text("module example.com/server\n\ngo 1.19\n")
    t.path("main.go").write_text(SERVER)
    program = t.path(f"server{extra}")
    t.run(go, "build", "-ldflags", f"-X main.extra={extra}", "-o", program, ".", env={
        **os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
        "GOPROXY": "off", "HOME": str(t.directory)})
    return program


def test_an_unchanged_server_raises_no_alarm(t):
    program, failed = server(t, "1.24"), []
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", program, SHORT)
    for _ in range(REPEATS):
        done = t.escapement("gate", "--baseline", t.path("b.json"), "--", program, SHORT, status=None)
        failed += [done.stdout + done.stderr] if done.returncode else []
    same(len(failed), 0, f"false alarms in {REPEATS} gates: {failed[:1]}")


def test_one_object_more_of_a_server_in_a_million_is_caught_every_time(t):
    baseline, kinds = t.path("b.json"), ("again", "new", "library")
    t.escapement("gate", "--baseline", baseline, "--update", "--runs", 1, "--", server(t, "1.24"), A_MILLION)
    assert json.loads(baseline.read_text())["totals"]["objects"] > 1000000
    programs, missed = [server(t, "1.24", extra) for extra in kinds], []
    for number in range(REPEATS):
        done = t.escapement("gate", "--baseline", baseline, "--runs", 1, "--", programs[number % 3], A_MILLION, status=None)
        missed += [done.stdout + done.stderr] if done.returncode != 1 or "+1\n" not in done.stdout else []
    same(len(missed), 0, f"objects that were missed in {REPEATS} gates: {missed[:1]}")


def check_updates(version):
    def check(t):
        program = server(t, version)
        t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", program, SHORT)
        before, changed = t.path("b.json").read_bytes(), 0
        for _ in range(max(1, REPEATS // 10)):
            t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", program, SHORT)
            changed += t.path("b.json").read_bytes() != before
        same(changed, 0, f"updates of {max(1, REPEATS // 10)} that changed a baseline of the same program")
    return check


for release in go_programs.EVERYDAY:
    globals()[f"test_an_update_of_an_unchanged_go_{release.replace('.', '_')}_program_changes_no_byte"] = check_updates(release)


def test_two_recordings_of_one_binary_pass_every_time(t):
    program = server(t, "1.24")
    failed = []
    for _ in range(max(1, REPEATS // 4)):
        for side in ("old", "new"):
            t.escapement("record", "-q", "--rate", 1, "-o", t.path(side), "--", program, SHORT)
        done = t.escapement("gate", "compare", t.path("old"), t.path("new"), status=None)
        failed += [done.stdout] if done.returncode else []
    same(len(failed), 0, f"comparisons of {max(1, REPEATS // 4)} that failed: {failed[:1]}")


# Benchmarks of the standard library whose counts are the same in five runs, and what -benchmem prints for them. Not those of
# regexp that use a machine: the collection before each benchmark may have emptied the pool of them (37 KB).
STANDARD = {
    "strings": "ToUpper|ToLower|BuildString_WriteString|Join", "strconv": "Quote|QuoteRune",
    "sort": "SortString1K_Slice|StableInt1K|StableInt1K_Slice", "encoding/hex": "Dump|DecodeString",
    "net/url": "QueryEscape|PathEscape|QueryUnescape|String", "encoding/base64": "DecodeString|EncodeToString",
    "encoding/json": "UnmarshalString", "time": "Format|FormatRFC3339|FormatNow",
    "fmt": "SprintfTruncateString|SprintfFloat|SprintfInt|SprintfString",
    "bufio": "ReaderEmpty|WriterEmpty|ReaderReadString|WriterFlush|ReaderWriteToOptimal",
    "bytes": "ToUpper|ToLower|Repeat|ToValidUTF8|BufferNotEmptyWriteRead|BufferFullSmallReads|WriteByte",
    "regexp": "CompileOnepass|QuoteMetaAll",
    "unicode/utf16": "EncodeValidASCII|EncodeValidJapaneseChars|DecodeValidASCII|DecodeValidJapaneseChars",
}
# A pool that the collector empties, or goroutines that share the iterations, add some bytes; over so many they are less than one.
TIMES = {"fmt": "20000x", "encoding/json": "20000x", "time": "20000x"}
PLAIN_RUNS = 5
LINE = re.compile(r"^(Benchmark\S+?)(?:-\d+)?\s+\d+\s.*?(\d+) B/op\s+(\d+) allocs/op", re.M)


def test_benchmarks_of_the_standard_library_have_the_numbers_of_benchmem(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    if not (go.parents[1] / "src" / "strings" / "builder_test.go").exists():
        raise harness.Skip("the toolchain does not contain the standard library's tests")
    options = {"env": {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "",
                       "GOPROXY": "off", "HOME": str(t.directory)}, "timeout": 600}
    compared = {}
    for package, names in STANDARD.items():
        command = (go, "test", "-run", "^$", "-bench", f"^Benchmark({names})$", "-benchtime", TIMES.get(package, "100x"))
        runs = [{name: (int(allocs), int(size)) for name, size, allocs in
                 LINE.findall(t.run(*command, "-benchmem", "-count=1", package, **options).stdout)} for _ in range(PLAIN_RUNS)]
        baseline = t.path("b.json")
        t.escapement("gate", "--baseline", baseline, "--update", "--", *command, package, **options)
        found = {each["name"]: (each["allocs_per_op"], each["bytes_per_op"]) for each in json.loads(baseline.read_text())["benchmarks"]}
        same(sorted(found), sorted(runs[0]), f"benchmarks of {package}")
        repeated = {name: numbers for name, numbers in runs[0].items() if numbers[0] and all(run[name] == numbers for run in runs)}
        same({name: found[name] for name in repeated}, repeated, f"allocs/op and B/op in {package}")
        compared[package] = len(repeated)
        baseline.unlink()
    print(f"# {sum(compared.values())} benchmarks: {compared}")
    assert sum(compared.values()) >= 30 and all(compared.values()), compared


if __name__ == "__main__":
    harness.main()
