#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Several allocators in one process: one is observed, and what the others allocate is never left out in silence."""
import json
import os

import go_programs
import harness
from harness import contains, same

INCLUDE = harness.ROOT / "alloc-runtime" / "include"
ARCHIVE, SHARED, PRELOAD = (harness.BUILD / name for name in ("libgoalloc.a", "libgoalloc.so", "libgoalloc-preload.so"))
LACKS = "with a libgoalloc and a heap of its own, which is not observed: what its code allocates is in no row of a line, and not in " \
        "the totals"

# Allocates in C as often as its first argument says.
MIXED = """package main

// #cgo CFLAGS: -I%s
// #cgo LDFLAGS: %s -lpthread
// #include <goalloc.h>
// static void *kept;
// static void in_c(int n) { for (int i = 0; i < n; i++) kept = goalloc_noscan(100); }
import "C"
import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

var kept []byte

//go:noinline
func grow(n int) {
	for i := 0; i < n; i++ {
		kept = make([]byte, 200)
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString(10)
	grow(1000)
	if n > 0 {
		C.in_c(C.int(n))
	}
}
"""

HOST = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <goalloc.h>
#include <stdio.h>
#include <string.h>

static void *volatile kept;

int main(int argc, char **argv)
{
	void *library = dlmopen(strcmp(argv[2], "again") == 0 ? LM_ID_NEWLM : LM_ID_BASE, argv[1], RTLD_NOW);
	void (*grow)(void) = (void (*)(void))dlsym(library, "grow");

	for (int i = 0; i < 1000; i++)
		kept = goalloc_noscan(200);
	if (argc > 3)
		grow();
	puts("ready");
	fflush(stdout);
	getchar();
	return 0;
}
"""

PLUGIN = r"""
#include <goalloc.h>

static void *volatile kept;

void grow(void)
{
	for (int i = 0; i < 500; i++)
		kept = goalloc_noscan(100);
}
"""


def build_go(t):
    folder = t.path("mixed.d")
    folder.mkdir()
    (folder / "source.go").write_text(MIXED % (INCLUDE, ARCHIVE.resolve()))
    environment = dict(os.environ, CGO_ENABLED="1", GOTOOLCHAIN="local", GOFLAGS="", GO111MODULE="off")
    t.run(harness.go_toolchain(go_programs.versions()[-1]), "build", "-o", t.path("mixed"), ".", env=environment, cwd=folder)


def record(t, *command):
    done = t.escapement("record", "--rate", "1", "-o", "p.pb.gz", "--", *command)
    report = t.json("report", "p.pb.gz")
    return done.stderr, report["exact"], sum(row["objects"] for row in report["rows"] if row["function"] == "main.grow")


def runtime_of(t, pid):
    done = t.escapement("doctor", "--format", "json", "-p", pid, status=None)
    return next(finding for finding in json.loads(done.stdout)["findings"] if finding["subject"] == "runtime")


def started(t, *command, **options):
    process = t.start(*command, **options)
    same(process.stdout.readline(), "ready\n")
    return process


def test_what_c_code_allocates_in_a_go_program_is_named(t):
    harness.require_root()
    harness.require_library_for_others()
    build_go(t)
    said, exact, objects = record(t, "./mixed", "3000")
    contains(said, f"has loaded {t.path('mixed')}, {LACKS}")
    same((exact, objects), ({"totals": False, "rows": False}, 1000))
    said, exact, objects = record(t, "./mixed", "0")
    same((exact, objects), ({"totals": True, "rows": True}, 1000), "a libgoalloc that nothing calls")
    assert "libgoalloc" not in said, said
    finding = runtime_of(t, started(t, "./mixed", "0").pid)
    same(finding["state"], "ok")


def test_a_go_program_on_a_preloaded_libgoalloc_is_observed_as_one(t):
    harness.require_root()
    harness.require_library_for_others()
    build_go(t)
    environment = dict(os.environ, LD_PRELOAD=str(PRELOAD))
    said, exact, objects = record(t, "env", f"LD_PRELOAD={PRELOAD}", "./mixed", "0")
    contains(said, LACKS)
    same((exact["rows"], objects), (False, 1000))
    process = started(t, "./mixed", "0", env=environment)
    finding = runtime_of(t, process.pid)
    same(finding["state"], "degraded")
    contains(finding["advice"], f"{PRELOAD.resolve()}, with a libgoalloc and a heap of its own, is not observed")
    recorder = t.attach(process.pid, "--rate", "1", "--max-overhead", "0", "-o", t.path("p.pb.gz"))
    process.stdin.write("\n")
    process.stdin.close()
    contains(recorder.ended(), LACKS)
    report = t.json("report", t.path("p.pb.gz"))
    same(report["exact"], {"totals": False, "rows": False})
    same(sum(row["objects"] for row in report["rows"] if row["function"] == "main.grow"), 1000)


def test_a_c_program_on_libgoalloc_is_observed_as_one_though_it_has_a_go_library(t):
    harness.require_root()
    harness.require_library_for_others()
    t.path("library.go").write_text('package main\n\nimport "C"\n\n//export Idle\nfunc Idle() {}\n\nfunc main() {}\n')
    environment = dict(os.environ, CGO_ENABLED="1", GOTOOLCHAIN="local", GOFLAGS="", GO111MODULE="off")
    t.run(harness.go_toolchain(go_programs.versions()[-1]), "build", "-buildmode=c-shared", "-o", t.path("libidle.so"), "library.go",
          env=environment, cwd=t.directory)
    t.path("host.c").write_text("#include <stdlib.h>\nvoid Idle(void);\nstatic void *volatile kept;\nvoid work(void)\n{\n"
                                "\tfor (int i = 0; i < 3000; i++)\n\t\tkept = malloc(100);\n}\n"
                                "int main(void)\n{\n\tIdle();\n\twork();\n\treturn 0;\n}\n")
    t.run("gcc", "-g", "-fno-builtin", "-o", "host", "host.c", "./libidle.so")
    done = t.escapement("record", "--rate", "1", "-o", "p.pb.gz", "--", "env", f"LD_PRELOAD={PRELOAD}", "./host")
    contains(done.stderr, "libidle.so, a Go library with an allocator and a heap of its own, which is not observed")
    report = t.json("report", "p.pb.gz")
    same(([row["objects"] for row in report["rows"] if row["function"] == "work"], report["exact"]["rows"]), ([3000], False))


def test_a_second_libgoalloc_is_named(t):
    """A plugin with its own static copy, and the same library once more in another namespace (dlmopen)."""
    harness.require_root()
    harness.require_library_for_others()
    for name, source in (("host.c", HOST), ("plugin.c", PLUGIN)):
        t.path(name).write_text(source)
    for how, link in (("once", (ARCHIVE,)), ("again", (SHARED, f"-Wl,-rpath,{harness.BUILD.resolve()}"))):
        t.run("gcc", "-I", INCLUDE, "-o", t.path("host"), "host.c", *link, "-lpthread", "-ldl")
        t.run("gcc", "-shared", "-fPIC", "-I", INCLUDE, "-o", t.path("plugin.so"), "plugin.c", *link, "-lpthread")
        second = t.path("plugin.so") if how == "once" else SHARED.resolve()
        for rate in ("1", "512k"):
            done = t.escapement("record", "--rate", rate, "-o", "p.pb.gz", "--", "./host", "./plugin.so", how, "grow")
            contains(done.stderr, f"has loaded {second}, {LACKS}")
            same(t.json("report", "p.pb.gz")["exact"], {"totals": False, "rows": False}, f"{how}, rate {rate}")
        done = t.escapement("record", "--rate", "1", "-o", "p.pb.gz", "--", "./host", "./plugin.so", how)
        same(t.json("report", "p.pb.gz")["exact"], {"totals": True, "rows": True}, f"{how}, unused")
        finding = runtime_of(t, started(t, "./host", "./plugin.so", how, "grow").pid)
        same(finding["state"], "degraded")
        contains(finding["advice"], f"{second}, with a libgoalloc and a heap of its own, is not observed")


harness.main()
