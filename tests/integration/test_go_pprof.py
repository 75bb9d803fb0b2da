#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`go tool pprof` on recordings of Go programs: its views show the program's functions and agree with
`escapement report`."""
import collections
import csv
import gzip
import io
import os
import re
import socket
import urllib.error
import urllib.request

import harness
from harness import contains, same

PROGRAM = """package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
)

type pair struct{ A, B string }

type line struct{ text string }

var keep *line
var kept any

//go:noinline
func label(p *pair) *line {
	l := line{text: fmt.Sprintf("%s %s", p.A, p.B)}
	return &l
}

//go:noinline
func deferred() {
	defer func() {
		recover()
		kept = make([]int64, 100)
	}()
	panic("x")
}

func called(n int) []byte { return make([]byte, n) }

func main() {
	body := []byte(`{"A":"one","B":"two"}`)
	for i := 0; i < 200; i++ {
		var v pair
		if json.Unmarshal(body, &v) != nil {
			os.Exit(1)
		}
		keep = label(&v)
		deferred()
		kept = reflect.ValueOf(called).Call([]reflect.Value{reflect.ValueOf(1000)})
	}
}
"""


ENVIRONMENT = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="", GO111MODULE="on", GOPROXY="off")


def recorded(t, version="1.24"):
    """Builds the program and records it at rate 1. Returns the go command."""
    harness.require_root()
    go = harness.go_toolchain(version)
    t.path("main.go").write_text(PROGRAM)
    t.path("go.mod").write_text("module example.com/pprof\n\ngo 1.21\n")
    t.run(go, "build", "-o", "program", ".", env=ENVIRONMENT)
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./program")
    return go


def pprof(t, go, *options):
    return t.run(go, "tool", "pprof", "-sample_index=alloc_space", *options, "./program", "p.pb.gz",
                 env=ENVIRONMENT)


def test_a_recording_that_pprof_has_filtered_or_added_up_is_not_called_exact(t):
    """pprof keeps the comments, which are about the whole recording."""
    go = recorded(t)
    t.path("p.pb.gz").rename(t.path("whole.pb.gz"))
    t.escapement("record", "-q", "--rate", "1", "-o", "other.pb.gz", "--", "./program")
    t.escapement("record", "-q", "--rate", "4k", "--enable-sampler", "-o", "sampled.pb.gz", "--", "./program")
    for output, options in (("same", ["whole"]), ("focus", ["-focus=main.label", "whole"]),
                            ("sampled-same", ["sampled"]), ("sampled-focus", ["-focus=main.called", "sampled"]), ("twice", ["whole", "whole"]),
                            ("merged", ["whole", "other"]), ("focus-twice", ["-focus=main.label", "whole", "whole"]), ("sampled-twice", ["sampled", "sampled"])):
        t.run(go, "tool", "pprof", "-proto", f"-output={output}.pb.gz",
              *(option if option.startswith("-") else f"{option}.pb.gz" for option in options), env=ENVIRONMENT)
    for whole, same_rows, some_rows in (("whole", "same", "focus"), ("sampled", "sampled-same", "sampled-focus")):
        same(*({key: t.json("report", f"{profile}.pb.gz")[key] for key in ("exact", "totals", "check")} for profile in (same_rows, whole)))
        focus = t.json("report", f"{some_rows}.pb.gz")
        same((focus["exact"], focus["totals"]["objects"], focus["check"]), ({"totals": False, "rows": False}, None, None))
        assert focus["rows"] and all(row["objects_high"] is None for row in focus["rows"]), focus
        contains(" ".join(t.escapement("report", f"{some_rows}.pb.gz").stdout.split()), "another tool has changed this profile")
        for command in ("gate", "compare"), ("compare",):
            contains(t.escapement(*command, f"{whole}.pb.gz", f"{some_rows}.pb.gz", status=2).stderr, "its totals incomplete")
    for output in ("twice", "merged", "focus-twice", "sampled-twice"):
        contains(t.escapement("report", f"{output}.pb.gz", status=2).stderr, "another tool has added up")
    for output in ("same", "focus", "twice"):  # of a recording that does not say what it was written with
        older = gzip.decompress(t.path(f"{output}.pb.gz").read_bytes()).replace(b"#sums: ", b"#none: ").replace(b"duration: ", b"timespan: ")
        t.path(f"older-{output}.pb.gz").write_bytes(gzip.compress(older))
    same(t.json("report", "older-same.pb.gz")["exact"], {"totals": True, "rows": True})
    same(t.json("report", "older-focus.pb.gz")["exact"], {"totals": False, "rows": False})
    contains(" ".join(t.escapement("report", "older-focus.pb.gz").stdout.split()), "another tool has changed this profile")
    contains(t.escapement("report", "older-twice.pb.gz", status=2).stderr, "another tool has added up")


def test_top_agrees_with_report_by_frame(t):
    go = recorded(t)
    done = pprof(t, go, "-top", "-unit=B", "-nodefraction=0", "-nodecount=100000")
    same(done.stderr, "", "complaints")
    shown = {}
    for flat, name in re.findall(r"^ *(\d+)B? +[\d.]+% +[\d.]+% +\d+B? +[\d.]+%  (.*?)(?: \(inline\))?$", done.stdout, re.M):
        shown[name] = shown.get(name, 0) + int(flat)
    text = t.escapement("report", "--by", "frame", "--format", "csv", "p.pb.gz").stdout
    counted = collections.Counter()
    for row in csv.DictReader(io.StringIO(text)):
        counted[row["function"]] += int(row["bytes"])
    same(sum(shown.values()), sum(counted.values()), "bytes")
    # pprof drops the frames of reflect and of the functions that it calls in sync and internal/abi, and counts their
    # allocations for reflect's caller. It must keep the frame of a function that is called by reflection.
    for name, value in counted.items():
        if name.startswith(("main.", "encoding/", "fmt.")) and name != "main.main":
            same(shown.get(name, 0), value, f"bytes of {name}")
    below_reflect = shown["main.main"] + shown["reflect.Value.call"] - counted["main.main"]
    assert 0 <= below_reflect < 2048, (shown, counted)
    same([name for name in ("runtime.gopanic", "runtime.deferreturn") if shown.get(name)], [], "allocations of panics")
    for name in ("main.label", "main.called", "main.deferred.func1", "encoding/json.Unmarshal"):
        assert shown.get(name), f"{name} is not in:\n{done.stdout}"
    same(shown.get("runtime.mallocgc", 0), counted["(runtime)"], "bytes of the runtime's own work")


def test_list_and_peek_find_the_programs_lines(t):
    go = recorded(t)
    listing = pprof(t, go, "-list=main.label")
    same(listing.stderr, "", "complaints")
    contains(listing.stdout, "ROUTINE ======================== main.label in " + str(t.path("main.go")))
    contains(listing.stdout, 'l := line{text: fmt.Sprintf("%s %s", p.A, p.B)}')
    peek = pprof(t, go, "-peek=main.called")
    assert re.search(r"runtime\.call\d+ *\n.*main\.called *$", peek.stdout, re.M), peek.stdout


def test_the_build_id_is_the_binarys_gnu_one(t):
    go = recorded(t)
    note = t.run("readelf", "-n", "./program").stdout
    found = re.search(r"Build ID: ([0-9a-f]{40})", note)
    assert found, note
    contains(pprof(t, go, "-top").stdout, f"Build ID: {found[1]}")


def test_pages_of_the_web_view_show_the_programs_functions(t):
    go = recorded(t)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    t.start(go, "tool", "pprof", "-sample_index=alloc_space", f"-http=localhost:{port}", "-no_browser", "./program", "p.pb.gz",
            env=ENVIRONMENT)

    def page(path):
        def fetch():
            try:
                return urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=60).read().decode()
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
                return None

        return harness.wait_for(fetch, f"pprof's page {path}")

    for path in ("/ui/top", "/ui/flamegraph", "/ui/source?f=main.label", "/ui/peek?f=main.label"):
        contains(page(path), "main.label")


harness.main()
