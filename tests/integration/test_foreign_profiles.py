#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""pprof files of other tools: values that they lack are not invented, and an error names what cannot be read."""
import gzip
import http.client
import json
import os
import pathlib
import shutil
import subprocess

import go_programs
import harness
import wire
from harness import contains, same

STRINGS, SAMPLE_TYPE, SAMPLE, LOCATION, FUNCTION, PERIOD_TYPE, PERIOD = 6, 1, 2, 4, 5, 11, 12


WRITER = "testing.(*M).writeProfiles"  # by its allocations a heap profile is known to have all that came before


def make(types, values, period=None, caller=None, work=("main.work", "main.go")):
    """A profile with one sample of these values; `types`: (name, unit) of each; `work`: the function and its file."""
    strings = [""]

    def text(value):
        if value not in strings:
            strings.append(value)
        return strings.index(value)

    def value_type(name, unit):
        return wire.number(1, text(name)) + wire.number(2, text(unit))

    out = b"".join(wire.nested(SAMPLE_TYPE, value_type(*pair)) for pair in types)
    if period:
        out += wire.nested(PERIOD_TYPE, value_type(*period[:2])) + wire.number(PERIOD, period[2])
    out += wire.nested(FUNCTION, wire.number(1, 1) + wire.number(2, text(work[0])) + wire.number(4, text(work[1])))
    out += wire.nested(LOCATION, wire.number(1, 1) + wire.nested(4, wire.number(1, 1) + wire.number(2, 7)))
    out += wire.nested(SAMPLE, wire.number(1, 1) + b"".join(wire.number(2, value) for value in values))
    if caller:
        out += wire.nested(FUNCTION, wire.number(1, 2) + wire.number(2, text(caller)) + wire.number(4, text("testing.go")))
        out += wire.nested(LOCATION, wire.number(1, 2) + wire.nested(4, wire.number(1, 2) + wire.number(2, 9)))
        out += wire.nested(SAMPLE, wire.number(1, 2) + b"".join(wire.number(2, value) for value in (1, 64, 0, 0)))
    return out + b"".join(wire.nested(STRINGS, string.encode()) for string in strings)


def read(t, data, *options):
    path = t.path("foreign.pb.gz")
    path.write_bytes(gzip.compress(data))
    return t.escapement("report", *options, path).stdout, json.loads(t.escapement("report", "--format", "json", path).stdout)


def refused(t, data):
    path = t.path("foreign.pb.gz")
    path.write_bytes(data)
    return " ".join(t.escapement("report", path, status=2).stderr.split())


BOTH = [("alloc_objects", "count"), ("alloc_space", "bytes")]


def test_a_period_that_is_not_said_is_not_a_rate_of_0(t):
    for period in (None, ("cpu", "nanoseconds", 10000000)):
        text, report = read(t, make(BOTH, [5, 640], period))
        same((report["rate"], report["exact"]), (None, {"totals": False, "rows": False}))
        same([(row["function"], row["objects"], row["bytes"]) for row in report["rows"]], [("main.work", 5, 640)])
        contains(text, "at a rate that the file does not say")
        contains(text, "estimates, as the file has them, without intervals")


def test_bytes_alone_are_bytes_and_no_objects(t):
    text, report = read(t, make([("alloc_space", "bytes")], [640], ("space", "bytes", 524288)))
    same((report["rate"], report["totals"]["bytes"], report["totals"]["objects"]), (524288, 640, None))
    same([(row["bytes"], row["objects"]) for row in report["rows"]], [(640, None)])
    contains(text, "how many objects they are was not measured")
    m2 = t.path("m.txt")
    m2.write_text("main.go:7:3: &T{} escapes to heap\n")
    audit = t.escapement("audit", "-e", m2, t.path("foreign.pb.gz")).stdout
    contains(audit, "640B, objects not measured")
    assert "refills" not in audit, audit


def test_objects_alone_are_objects_sorted_by_their_number(t):
    text, report = read(t, make([("alloc_objects", "count")], [5]))
    same([(row["objects"], row["bytes"]) for row in report["rows"]], [(5, None)])
    contains(" ".join(text.split()), "% OBJECTS 95% INTERVAL SITE 100.0 5 - main.work")


def test_units_are_those_of_pprof(t):
    for unit, factor in (("kilobytes", 1 << 10), ("kB", 1 << 10), ("megabytes", 1 << 20), ("GB", 1 << 30), ("b", 1),
                         ("MiB", 1 << 20), ("kbytes", 1 << 10)):
        _, report = read(t, make([BOTH[0], ("alloc_space", unit)], [5, 3], ("space", "kilobytes", 512)))
        same((report["rows"][0]["bytes"], report["rate"]), (3 * factor, 512 << 10), unit)
    contains(refused(t, make([(name, "") for name, _ in BOTH], [5, 640])), "has alloc_objects in '', which is no unit")
    for types in ([("alloc_space", "parsecs")], [BOTH[0], ("alloc_space", "parsecs")]):
        contains(refused(t, make(types, [3] * len(types))), "has alloc_space in 'parsecs', which is no unit that is known")


def test_of_tiny_objects_go_samples_the_blocks_that_they_share(t):
    """An object of 16 bytes may be the first of up to 16. Truth: a loop of 10,000 new(byte) and new([8]int), of which Go's profile at
    MemProfileRate=1 has 15,011 objects where MemStats counts 20,000 and more."""
    heap = [*BOTH, ("inuse_objects", "count"), ("inuse_space", "bytes")]
    said = t.path("m.txt")
    said.write_text("main.go:7:3: &T{} escapes to heap\n")
    for rate, size, exact in ((1, 16, False), (1, 64, True), (524288, 16, False), (524288, 64, False)):
        text, report = read(t, make(heap, [500, 500 * size, 0, 0], ("space", "bytes", rate), WRITER))
        row = report["rows"][0]
        same((report["exact"], row.get("tiny_objects", 0)), ({"totals": exact, "rows": exact}, 0 if exact else None), (rate, size))
        same("+TINY" in text, not exact, text)
        if not exact:
            same((report["totals"]["objects_high"], report["totals"]["bytes_high"] is None), (None, False))
            contains(text, "and tiny objects besides, if any")
        same("exact, but for tiny objects" in text, rate == 1 and not exact, text)
        audit = t.json("audit", "-e", said, t.path("foreign.pb.gz"))
        same(audit["exact"]["rows"], exact)
        head = t.escapement("audit", "-e", said, t.path("foreign.pb.gz")).stdout.splitlines()[0]
        same("every allocation counted" in head, exact, head)


def test_a_heap_profile_of_c_plus_plus_or_rust_is_not_taken_for_gos(t):
    """`pprof -proto` gives these types to the heap profiles of gperftools and jemalloc."""
    heap = [*BOTH, ("inuse_objects", "count"), ("inuse_space", "bytes")]
    for work in (("operator new(unsigned long)", ""), ("Parser::parse", "/src/parser.cc"), ("app::run", "src/main.rs"), ("load", "/src/go.c")):
        for rate in (1, 524288):
            text, report = read(t, make(heap, [500, 8000, 3, 48], ("space", "bytes", rate), work=work))
            same([(row["function"], row["objects"], row["bytes"]) for row in report["rows"]], [(work[0], 500, 8000)])
            assert "Go's heap profile" not in text and "+TINY" not in text, text
            # pprof writes the period 1 for files that do not say one, and for those of which every allocation was counted
            same((report["rate"], report["exact"]), (rate if rate > 1 else None, {"totals": False, "rows": False}))
            same("at a rate that the file does not say" in text, rate == 1, text)
    for work in (("main.work", "main.go"), ("main.work", "")):  # the second as a tool leaves it that drops files
        contains(read(t, make(heap, [500, 8000, 3, 48], ("space", "bytes", 1), work=work))[0], "Go's heap profile ends")


def test_a_few_blocks_of_tiny_objects_more_are_chance_and_other_objects_are_not(t):
    """Which site opens a block depends on who filled the one before: of an unchanged program, runs differ by some."""
    heap = [*BOTH, ("inuse_objects", "count"), ("inuse_space", "bytes")]

    def status(size, before, after):
        for name, objects in (("old.pb.gz", before), ("new.pb.gz", after)):
            t.path(name).write_bytes(make(heap, [objects, objects * size, 0, 0], ("space", "bytes", 1), WRITER))
        done = t.escapement("gate", "compare", t.path("old.pb.gz"), t.path("new.pb.gz"), status=None)
        same("tiny objects" in done.stderr, size == 16, done.stderr)
        compared = t.escapement("compare", "--fail-on", "worse", t.path("old.pb.gz"), t.path("new.pb.gz"), status=done.returncode)
        same("tiny objects" in compared.stderr, size == 16, compared.stderr)
        return done.returncode

    same([status(16, 400, after) for after in (400, 440, 401, 600)], [0, 0, 0, 1])
    same([status(64, 400, after) for after in (400, 401)], [0, 1])


OWN_PROFILE = """package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

type block struct{ a [20]int64 }

var sink *block

//go:noinline
func work(n int) {
	for i := 0; i < n; i++ {
		sink = new(block)
	}
}

func main() {
	runtime.MemProfileRate = 1
	work(1000)
	runtime.GC()
	if len(os.Args) > 2 {
		runtime.GC()
	}
	work(1000)
	file, _ := os.Create(os.Args[1])
	pprof.WriteHeapProfile(file)
}
"""


def test_what_came_after_the_last_collection_is_in_no_heap_profile_of_go_and_that_is_said(t):
    """The program makes 2,000 blocks, 1,000 of them after its last collection; whether there was one or two of them."""
    go = harness.go_toolchain("1.24")
    t.path("main.go").write_text(OWN_PROFILE)
    t.run(go, "build", "-o", t.path("program"), t.path("main.go"), env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off"})
    for name, collections in (("one.pb.gz", ()), ("two.pb.gz", ("twice",))):
        t.run(t.path("program"), t.path(name), *collections)
        report = t.json("report", "--format", "json", "--top", "0", t.path(name))
        same(report["exact"], {"totals": False, "rows": False})
        same([(row["objects"], row["objects_low"], row["objects_high"], row["bytes_high"]) for row in report["rows"]
              if row["function"] == "main.work"], [(1000, 1000, None, None)])
        same(report["totals"]["objects_high"], None)
        text = t.escapement("report", t.path(name)).stdout
        contains(text, "(lower bounds)")
        contains(" ".join(text.split()), "ends with the last collection that was over when it was written: what was allocated later")
    for command in (("gate", "compare"), ("compare",)):
        done = t.escapement(*command, t.path("one.pb.gz"), t.path("two.pb.gz"), status=2)
        contains(done.stderr, "lower bounds, because Go's heap profiles end with a collection")


def test_what_is_in_use_may_be_a_difference_but_not_what_was_allocated(t):
    heap = [*BOTH, ("inuse_objects", "count"), ("inuse_space", "bytes")]
    negative = (1 << 64) - 5
    _, report = read(t, make(heap, [5, 640, negative, negative], ("space", "bytes", 524288)))
    same([(row["objects"], row["bytes"]) for row in report["rows"]], [(5, 640)])
    contains(refused(t, make(heap, [negative, negative, 5, 640])), "it is the difference of two profiles")


def test_what_is_no_profile_is_called_what_it_is(t):
    one = make(BOTH, [5, 640])
    contains(refused(t, gzip.compress(gzip.compress(one))), "is compressed twice: gunzip it once")
    contains(refused(t, b"heap_v2/524288\n  t*: 1: 2 [0: 0]\n"), "is a heap profile of jemalloc")
    contains(refused(t, b'{"head":{"callFrame":{}}}'), "is a heap profile of V8")
    contains(refused(t, b"heap profile:  1: 2 [ 1: 2] @ heapprofile\n"), "as text")
    contains(refused(t, make([("objects", "count"), ("space", "bytes")], [5, 640])), "it has objects, space, but neither")
    contains(refused(t, b""), "is empty")
    for tool in ("zstd", "xz", "bzip2"):
        if shutil.which(tool):
            contains(refused(t, subprocess.run([tool, "-c"], input=one, capture_output=True, check=True).stdout), f"compressed by {tool}")
    contains(refused(t, pathlib.Path("/bin/true").read_bytes()), "is a program, not a profile")
    contains(refused(t, b"goroutine profile: total 4\n"), "is a goroutine profile as text")
    contains(refused(t, b"go 1.22 trace\0\0\0"), "is an execution trace of Go")
    contains(refused(t, b"# callgrind format\nversion: 1\n"), "is a profile of callgrind")
    contains(refused(t, b"# example.com/p\n./a.go:3:6: can inline f\n"), "'escapement escapes'")
    contains(refused(t, make([*BOTH, BOTH[1]], [5, 640, 7])), "has alloc_space twice")


def test_two_profiles_in_one_file_are_two(t):
    """Also concatenated, as by `cat a.pb.gz b.pb.gz`: the gzip members form one stream."""
    one, other = make(BOTH, [5, 640]), make(BOTH, [7, 896])
    processor = make([("samples", "count"), ("cpu", "nanoseconds"), ("wall", "nanoseconds")], [3, 30, 31])
    for data in (one + other, gzip.compress(one) + gzip.compress(other), one + processor, processor + one):
        words = refused(t, data)
        contains(words, "it is two profiles, one behind the other")
        assert "merge" not in words, words  # heap profiles are cumulative: added up they count twice


def test_heap_profiles_of_a_go_server_as_text_binary_and_difference(t):
    """Responses of net/http/pprof to each form of request."""
    server = t.start(go_programs.build(go_programs.versions()[-1], "plain", "jsonserver"), "serve")
    address = server.stdout.readline().strip()

    def fetch(path):
        connection = http.client.HTTPConnection(address)
        connection.request("GET", path)
        body = connection.getresponse().read()
        connection.close()
        return body

    contains(refused(t, fetch("/debug/pprof/heap?debug=1")), "is a heap profile as text: fetch it without ?debug=1, or convert it with "
             "'go tool pprof -proto PROGRAM FILE'")
    for path in ("/debug/pprof/allocs", "/debug/pprof/heap", "/debug/pprof/allocs?seconds=1",
                 "/debug/pprof/heap?seconds=1"):
        t.path("go.pb.gz").write_bytes(fetch(path))
        report = json.loads(t.escapement("report", "--format", "json", t.path("go.pb.gz")).stdout)
        assert report["rate"] and report["exact"] == {"totals": False, "rows": False}, (path, report)


harness.main()
