#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Go runtimes outside of the executable: C programs with a library of -buildmode=c-shared, and plugins."""
import json
import os
import shutil

import go_programs
import harness
from harness import contains, same

LIBRARY = """package main

import "C"

type node struct {
	next  *node
	words [5]int
}

var kept *node

//go:noinline
func grown(n int) *node { return &node{words: [5]int{n}} }

//export Grow
func Grow(n C.int) {
	for i := 0; i < int(n); i++ {
		kept = grown(i)
	}
}

func main() {}
"""

HOST = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

void Grow(int);

int main(int argc, char **argv)
{
	char line[8];
	void (*grow)(int) = LINKED;

	if (!grow && !(grow = (void (*)(int))dlsym(dlopen(argv[1], RTLD_NOW), "Grow")))
		return 1;
	grow(1);
	puts("ready");
	fflush(stdout);
	while (argc > 2 && fgets(line, sizeof(line), stdin))
		grow(atoi(argv[2]));
	if (argc <= 2)
		grow(1000);
	return 0;
}
"""

PLUGIN = """package main

type node struct {
	next  *node
	words [5]int
}

var kept *node

func Grow(n int) {
	for i := 0; i < n; i++ {
		kept = &node{words: [5]int{i}}
	}
}
"""

LOADER = """package main

import (
	"bufio"
	"fmt"
	"os"
	"plugin"
)

func main() {
	opened, err := plugin.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	grow, _ := opened.Lookup("Grow")
	fmt.Println("ready")
	if len(os.Args) > 2 {
		bufio.NewReader(os.Stdin).ReadString(10)
	}
	grow.(func(int))(1000)
	for len(os.Args) > 3 {
		grow.(func(int))(1000)
	}
}
"""


def build(t, version, output, source, mode):
    folder = t.path(output + ".d")
    folder.mkdir()
    (folder / "source.go").write_text(source)
    go = harness.go_toolchain(version)
    environment = dict(os.environ, CGO_ENABLED="1", GOTOOLCHAIN="local", GOFLAGS="", GO111MODULE="off")
    t.run(go, "build", f"-buildmode={mode}", "-o", t.path(output), ".", env=environment, cwd=folder)


def build_host(t, version):
    build(t, version, "libgrow.so", LIBRARY, "c-shared")
    t.path("host.c").write_text(HOST)
    t.run("gcc", "-DLINKED=Grow", "-o", t.path("linked"), t.path("host.c"), t.path("libgrow.so"), "-Wl,-rpath,$ORIGIN")
    t.run("gcc", "-DLINKED=0", "-o", t.path("loading"), t.path("host.c"), "-ldl")


def grown(report):
    return sum(row["objects"] for row in report["rows"] if row["function"] == "main.grown")


def test_a_c_program_with_a_go_library_is_observed(t):
    harness.require_root()
    for version in go_programs.versions():
        shutil.rmtree(t.path("libgrow.so.d"), ignore_errors=True)
        build_host(t, version)
        t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./linked")
        report = t.json("report", "p.pb.gz")
        same((grown(report), report["exact"]), (1001, {"totals": True, "rows": True}), version)
        assert abs(report["check"]["difference"]) <= report["check"]["bound"], (version, report["check"])
        same(report["target"]["processes"][0]["executable"], str(t.path("libgrow.so")), version)


def test_a_process_that_has_loaded_a_go_library_is_attached_to(t):
    harness.require_root()
    build_host(t, go_programs.versions()[-1])
    process = t.start("./loading", t.path("libgrow.so"), "500")
    same(process.stdout.readline(), "ready\n")
    contains(t.escapement("doctor", "-p", process.pid, status=None).stdout, f"in {t.path('libgrow.so')}")
    recorder = t.start(harness.ESCAPEMENT, "record", "-v", "--rate", "1", "--max-overhead", "0", "-o", t.path("p.pb.gz"),
                       "-p", process.pid)
    while "attached" not in recorder.stderr.readline():
        assert recorder.poll() is None, "record ended"
    contains(t.escapement("heap", "--memory", "-p", process.pid).stdout, "heap in use: objects")
    process.stdin.write("\n")
    process.stdin.close()
    recorder.communicate(timeout=harness.TIMEOUT)
    same(recorder.returncode, 0)
    same(grown(t.json("report", "p.pb.gz")), 500)


def test_a_go_library_that_is_loaded_on_the_way_is_observed(t):
    harness.require_root()
    build_host(t, go_programs.versions()[-1])
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./loading", t.path("libgrow.so"))
    report = t.json("report", "p.pb.gz")
    same((grown(report), report["exact"]), (1001, {"totals": True, "rows": True}))
    assert abs(report["check"]["difference"]) <= report["check"]["bound"], report["check"]


def test_a_second_library_is_in_no_row_and_no_total_and_that_is_said(t):
    """Each library for C programs has a heap and counters of its own; those of one are observed."""
    harness.require_root()
    version = go_programs.versions()[-1]
    for name in ("one", "two", "three"):
        build(t, version, f"lib{name}.so", LIBRARY.replace("Grow", f"Grow{name}"), "c-shared")
    t.path("host.c").write_text("void Growone(int), Growtwo(int), Growthree(int);\n"
                                "int main(void) { Growone(1000); Growtwo(1000); Growthree(1000); return 0; }\n")
    t.run("gcc", "-o", t.path("host"), t.path("host.c"), *[t.path(f"lib{name}.so") for name in ("one", "two", "three")], "-Wl,-rpath,$ORIGIN")
    for rate in ("1", "512k"):
        done = t.escapement("record", "--rate", rate, "-o", "p.pb.gz", "--", "./host")
        contains(done.stderr, " and 1 more, a Go library with an allocator and a heap of its own, which is not observed")
        contains(done.stderr, "in no row of a line, and not in the totals")
        same(t.json("report", "p.pb.gz")["exact"], {"totals": False, "rows": False}, f"rate {rate}")


def test_a_plugin_is_named_and_rows_are_lower_bounds(t):
    """A plugin has its own copy of the allocator's code but shares the program's heap and counters. The program's
    probes therefore miss its allocations: rows are lower bounds, totals are exact."""
    harness.require_root()
    version = go_programs.versions()[-1]
    build(t, version, "grow.so", PLUGIN, "plugin")
    build(t, version, "loader", LOADER, "exe")
    for rate, status in (("1", 4), ("512k", 0)):
        done = t.escapement("record", "--rate", rate, "-o", "p.pb.gz", "--", "./loader", t.path("grow.so"), status=status)
        contains(done.stderr, f"has loaded {t.path('grow.so')}, a Go plugin")
        report = t.json("report", "p.pb.gz")
        same(report["exact"], {"totals": rate != "1", "rows": False}, f"rate {rate}")
        same({row["objects_high"] for row in report["rows"] if row["objects"]} - {None}, set(), f"rate {rate}")
    process = t.start("./loader", t.path("grow.so"), "wait")
    same(process.stdout.readline(), "ready\n")
    done = t.escapement("doctor", "--format", "json", "-p", process.pid, status=None)
    found = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    same(found["runtime"]["state"], "degraded")
    contains(found["runtime"]["advice"], str(t.path("grow.so")))
    same(found["rows"]["state"], "ok")  # counted in bursts
    contains(found["rows"]["advice"], "--max-overhead 0")


def test_every_command_that_measures_names_a_plugin(t):
    """top, gate, compare and heap as record and doctor: nothing that a plugin allocates is left out in silence."""
    harness.require_root()
    version = go_programs.versions()[-1]
    build(t, version, "grow.so", PLUGIN, "plugin")
    build(t, version, "loader", LOADER, "exe")
    named, run = f"has loaded {t.path('grow.so')}, a Go plugin", ("--", "./loader", t.path("grow.so"))
    gate = t.escapement("gate", "--rate", "1", "--runs", "2", "--baseline", "base.json", "--update", *run, status=4)
    contains(gate.stderr, named)
    contains(gate.stderr, "2000 objects are missing: no baseline was written")
    assert not t.path("base.json").exists()
    for rate, status, words in (("1", 4, "objects are missing"), ("512k", 2, "are lower bounds")):
        t.escapement("record", "-q", "--rate", rate, "-o", "p.pb.gz", *run, status=4 if rate == "1" else 0)
        for command in (("compare",), ("gate", "compare")):
            contains(t.escapement(*command, "p.pb.gz", "p.pb.gz", status=status).stderr, words)
    process = t.start("./loader", t.path("grow.so"), "wait", "on")
    same(process.stdout.readline(), "ready\n")
    process.stdin.write("\n")
    process.stdin.flush()
    for rate, status in (("1", 4), ("512k", 0)):
        top = t.escapement("top", "--batch", "--rate", rate, "--duration", "1", "-p", process.pid, status=status)
        contains(top.stderr, named)
        assert "nothing was allocated" not in top.stderr, top.stderr
    # The runtime's own samples have its objects, wherever one of them is alive.
    place = f"{t.path('grow.so.d')}/source.go:12"
    harness.wait_for(lambda: place in t.escapement("heap", "-p", process.pid).stdout, place)


def test_every_command_that_measures_observes_a_library(t):
    harness.require_root()
    build_host(t, go_programs.versions()[-1])
    gate = ("gate", "--rate", "1", "--runs", "2", "--baseline", "base.json")
    t.escapement(*gate, "--update", "--", "./linked")
    contains(t.escapement(*gate, "--", "./linked").stdout, "gate passed")
    site, = [site for site in json.loads(t.path("base.json").read_text())["sites"] if site["function"] == "main.grown"]
    same(site["objects"], 1001)
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./linked")
    contains(t.escapement("compare", "p.pb.gz", "p.pb.gz").stdout, "unchanged")
    process = t.start("./loading", t.path("libgrow.so"), "500")
    same(process.stdout.readline(), "ready\n")
    top = t.start(harness.ESCAPEMENT, "top", "--batch", "--rate", "1", "--max-overhead", "0", "--interval", "0.5", "-p",
                  process.pid)
    while "nothing allocated yet" not in top.stdout.readline():
        assert top.poll() is None, "top ended"
    process.stdin.write("\n")
    process.stdin.flush()
    while "main.grown" not in (line := top.stdout.readline()):
        assert top.poll() is None, "top ended"
    contains(line, "500")


harness.main()
