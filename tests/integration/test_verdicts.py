#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Verdicts for small Go programs, built with several releases: expressions that are lowered to unexpected calls, lines
that the compiler never mentions, generic functions, and modules beside the main one.

In the sources, "//= VERDICT WHAT N" states the row that the audit must have for a line: WHAT is the subject of the
compiler's message, or a part of the reason; N is the number of objects. "//= <1.25 ..." and "//= >=1.25 ..." only apply
to these releases."""
import json
import os
import re

import harness
from harness import contains, same

RELEASES = harness.go_releases("everyday")
RUNS = 100

CALLS = """package main

import "os"

type T struct{ a, b, c int }

func (t *T) M() int { return t.a }

type Bytes []byte

const named = "a named constant of some length"

var (
	bs    []byte
	rs    []rune
	any1  interface{}
	any2  interface{}
	ch    chan *int
	ints  []int
	ptrs  []*int
	fn    func() int
	tb    Bytes
	m     map[string]int
	gp    = &T{len(os.Args), 1, 2}
	src   = []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	text  = string(make([]byte, 39+len(os.Args)))
	funcs interface{} = [1]func(){}
	ready = make(chan int, 1) //= unannotated package-level 1
	table = map[string]int{"a": len(os.Args), "b": 2} //= escapes map[string]int{...} 1; unannotated package-level *
)

func toBytes(s string) []byte { return []byte(s) }

//go:noinline
func once(i int) {
	bs = []byte("a constant text of some length") //= escapes ([]byte)("a constant text of some length") 100
	bs = []byte(named) //= escapes ([]byte)( 100
	rs = []rune("a constant") //= escapes []rune{...} 100
	bs = toBytes("inlined constant text") //= escapes ([]byte)(s) 100
	tb = Bytes("typed bytes constant") //= escapes Bytes("typed bytes constant") 100
	bs = []byte(text + "abc") //= >=1.24 escapes ([]byte)(text + "abc") 100; <1.24 escapes ([]byte)(text + "abc") 100; <1.24 contradicted text + "abc" 100
	ch = make(chan *int, i) //= unannotated never mentions *
	d := make([]int, len(src)) //= escapes make([]int, len(src)) 100
	copy(d, src)
	ints = d
	p := make([]*int, len(ptrs)+1) //= escapes make([]*int, len(ptrs) + 1) 100
	copy(p, ptrs)
	ptrs = p[:0]
	fn = gp.M //= escapes gp.M 100
	m = map[string]int{text: 1} //= escapes map[string]int{...} 100; unannotated map growth 100
	any1 = T{i, i, i} //= escapes T{...} 100
	any1 = [2]int{i, i} //= escapes [2]int{...} 100
	ints = []int{i, i, i} //= escapes []int{...} 100
	any1, any2 = "a constant", ints[0] + 1000 //= escapes ints[0] + 1000 100
	any1, any2 = 12345, ints[0] + 1000 //= escapes ints[0] + 1000 100
}

//go:noinline
func index(i int) {
	defer func() { recover() }()
	ints[i+1000]++ //= unannotated run-time panic *
}

//go:noinline
func concrete(x interface{}) {
	defer func() { recover() }()
	_ = x.(string) //= unannotated run-time panic 100
}

//go:noinline
func abstract(x interface{}) {
	defer func() { recover() }()
	_ = x.(os.Signal) //= unannotated run-time panic 100
}

//go:noinline
func equal(x, y interface{}) {
	defer func() { recover() }()
	if x == y { //= unannotated run-time panic *
		ints = nil
	}
}

func main() {
	for i := 0; i < 100; i++ {
		once(i + 8)
		index(i)
		concrete(gp)
		abstract(gp)
		equal(funcs, funcs)
	}
}
"""

# One line with allocations of several kinds and types.
LINES = """package main

type A struct{ x [5]int }
type B struct{ x [9]int }

var (
	a  *A
	b  *B
	by *byte
	f  func() int
	s  []int
	u  []uint16
	l  []interface{}
)

//go:noinline
func two(n int) {
	a, b = new(A), new(B) //= escapes new(A) 100; escapes new(B) 100
	a, f = &A{}, func() int { return n } //= escapes &A{} 100; escapes func literal 100
	s, u = make([]int, n), make([]uint16, n) //= escapes make([]int, n) 100; escapes make([]uint16, n) 100
	s, a = []int{n, n}, &A{} //= escapes []int{...} 100; escapes &A{} 100
	l = []interface{}{n + 256} //= escapes {...} 100; escapes n + 256 100
}

func main() {
	for i := 0; i < 100; i++ {
		two(i + 40)
	}
}
"""

LIB = """package lib

type Stack[T any] struct{ items []*T }

//go:noinline
func (s *Stack[T]) Push(v T) { //= escapes lib.v 100
	s.items = append(s.items, &v) //= <1.25 unannotated append growth 8; >=1.25 escapes append 8
}

//go:noinline
func Map[T, U any](in []T, f func(T) U) []*U {
	out := make([]*U, 0, len(in)) //= escapes make([]* 100
	for _, v := range in {
		u := f(v) //= escapes lib.u 200
		out = append(out, &u)
	}
	return out
}

func Lazy[T any](v T) func() T {
	return func() T { return v } //= <1.24 escapes func literal 100
}

// inlined in Go 1.24 and 1.27: its parameter moves where it is called
func Box[T any](v T) *T { //= <1.24 escapes lib.v 100
	return &v
}

type Pair[K, V any] struct {
	k    K
	v    V
	more [3]int64
}

//go:noinline
func MakePair[K, V any](k K, v V) *Pair[K, V] {
	return &Pair[K, V]{k: k, v: v} //= escapes string 100; escapes [go.shape.string 200; escapes bool 300; escapes struct 400
}
"""

GENERIC = """package main

import "example.com/g/lib"

type T struct{ a, b, c int }

var (
	keep []*T
	st   lib.Stack[T]
	fn   func() T
	tp   *T
	any1 [4]interface{}
)

//go:noinline
func use(n int) {
	st.Push(T{n, n, n})
	keep = lib.Map([]int{n, n}, func(i int) T { return T{i, i, i} })
	fn = lib.Lazy(T{n, 1, 2}) //= >=1.24 escapes func literal 100
	tp = lib.Box(T{n, n, 1}) //= >=1.24 escapes lib.v 100
	any1[0] = lib.MakePair(n, "")
	for i := 0; i < 4; i++ {
		any1[1] = lib.MakePair("", T{n, n, n})
		if i < 3 {
			any1[2] = lib.MakePair(n, true)
		}
		if i < 2 {
			any1[3] = lib.MakePair("", n)
		}
	}
}

func main() {
	for i := 0; i < 100; i++ {
		use(i)
	}
}
"""

STANDARD = """package main

import (
	"iter"
	"runtime"
	"slices"
	"unique"
)

type T struct{ a, b, c int }

var (
	vals = []int{1, 2, 3}
	h    unique.Handle[T]
	any1 any
	ts   []T
)

//go:noinline
func insert() { ts = slices.Insert(ts[:3:3], 1, T{}) }

//go:noinline
func pull() {
	next, stop := iter.Pull(slices.Values(vals))
	any1, _ = next()
	stop()
}

//go:noinline
func canonical(i int) { h = unique.Make(T{i, i, i}) }

//go:noinline
func clean(t *T) { runtime.AddCleanup(t, func(int) {}, 3) }

func main() {
	ts = make([]T, 3)
	for i := 0; i < 100; i++ {
		insert()
		pull()
		canonical(i)
		clean(new(T))
	}
}
"""


def number(version):
    return tuple(map(int, version.split(".")))


def go(t, version, source, *arguments, status=0):
    environment = {"PATH": os.environ["PATH"], "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE,
                   "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOSUMDB": "off"}
    return t.run(harness.go_toolchain(version), *arguments, cwd=source, env=environment, status=status)


def module(directory, path, files, more="", language="1.18"):
    """Writes a module; returns its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "go.mod").write_text(f"module {path}\n\ngo {language}\n{more}")
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def audit(t, version, source, *patterns, flags="-gcflags=-m=2", options=()):
    """Builds the module's program, saves the compiler's output in m.txt, and returns the audit of a recording."""
    harness.require_root()
    (source / "m.txt").write_text(go(t, version, source, "build", flags, "-o", source / "program", *(patterns or ["."])).stderr)
    return t.json("audit", "-q", "--escape", source / "m.txt", "--rate", "1", *options, "--", source / "program", cwd=source)


def expectations(text, version):
    """{line number: [(verdict, what, objects)]} from the source's comments."""
    wanted = {}
    for line_number, line in enumerate(text.splitlines(), 1):
        for part in line.split("//= ")[1].split("; ") if "//= " in line else ():
            limits, rest = re.fullmatch(r"((?:[<>]=?[\d.]+ )?)(.*)", part).groups()
            if limits.startswith("<") and number(version) >= number(limits[1:].strip()):
                continue
            if limits.startswith(">") and number(version) < number(limits[2:].strip()):
                continue
            verdict, what, objects = re.fullmatch(r"(\S+) (.*) (\d+|\*)", rest).groups()
            wanted.setdefault(line_number, []).append((verdict, what, objects))
    return wanted


def check(document, name, text, version):
    """Checks that every line with such a comment has exactly these rows with objects. Rows of inlined functions belong
    to the line of the inlined call."""
    found = {}
    for row in document["rows"]:
        place = row["inlined_at"][-1] if row["inlined_at"] else row
        if (place["file"] or "").endswith(name) and row["verdict"] != "stack" and row["objects"]:
            what = row["annotations"][0]["subject"] if row["annotations"] else row["reason"]
            found.setdefault(place["line"], []).append((row["verdict"], what, row["objects"], row["shared"]))
    for line, wanted in expectations(text, version).items():
        rows = sorted(found.get(line, []), key=str)
        same(len(rows), len(wanted), f"rows of {name}:{line} with Go {version}: {rows}, wanted {wanted}; number")
        for verdict, what, objects in wanted:
            fits = [row for row in rows if row[0] == verdict and what in row[1] and objects in ("*", str(row[2]))]
            same(len(fits), 1, f"Go {version}, {name}:{line}: rows '{verdict} {what} {objects}' in {rows}; number")
            same(fits[0][3], False, f"{name}:{line} is shared")


def unseen(document):
    return sorted({(row["annotations"][0]["subject"], row["line"]) for row in document["rows"]
                   if row["verdict"] == "escapes-unseen"})


def test_each_lowering_has_the_verdict_of_its_expression_and_output_of_this_build_is_not_called_stale(t):
    for version in RELEASES:
        source = module(t.path(version), "example.com/calls", {"main.go": CALLS})
        document = audit(t, version, source)
        check(document, "main.go", CALLS, version)
        same(document["warnings"], [], f"warnings with Go {version}")
        same([what for what, _ in unseen(document)], ['"a constant"', "12345"], f"unseen with Go {version}")


def test_the_type_tells_apart_what_one_line_makes(t):
    for version in RELEASES:
        document = audit(t, version, module(t.path(version), "example.com/lines", {"main.go": LINES}))
        check(document, "main.go", LINES, version)
        same(document["warnings"], [], f"warnings with Go {version}")


def test_generic_functions_of_a_package_that_is_not_covered_are_covered_where_they_are_instantiated(t):
    for version in RELEASES:
        # Programs built before Go 1.20 do not record where functions begin, so with -m the function of a line without
        # annotations is unknown.
        for flags in ("-gcflags=-m=2", "-gcflags=-m")[:1 if version == "1.19" else 2]:
            source = module(t.path(version), "example.com/g", {"main.go": GENERIC, "lib/lib.go": LIB})
            document = audit(t, version, source, flags=flags)
            check(document, "lib/lib.go", LIB, version)
            check(document, "main.go", GENERIC, version)
            same(document["warnings"], [], f"warnings with Go {version}")
            # Only appends within their capacity did not allocate.
            assert all(subject == "append" for subject, _ in unseen(document)), (version, flags, unseen(document))


def test_generic_functions_of_the_standard_library_are_covered_in_the_same_way(t):
    for version in RELEASES[1:]:
        document = audit(t, version, module(t.path(version), "example.com/std", {"main.go": STANDARD}, language="1.24"))
        same(document["warnings"], [], f"warnings with Go {version}")
        rows = [((row["function"] or "").split("[")[0], row["verdict"], row["callee"], row["runtime_call"])
                for row in document["rows"] if row["objects"]]
        callees = {row[2] for row in rows if row[1] == "not-covered"}
        for function in ("slices.Insert", "iter.Pull", "unique.Make", "runtime.AddCleanup"):
            assert any(row[0] == function and row[1] in ("escapes", "unannotated") for row in rows), (function, rows)
            assert not any((callee or "").startswith(function + "[") for callee in callees), (function, callees)
        same([row[1] for row in rows if row[3] == "runtime.newcoro"], ["unannotated"])
        (insert,) = [row for row in document["rows"] if (row["function"] or "").startswith("slices.Insert") and row["objects"]]
        same((insert["verdict"], insert["objects"]),
             ("escapes" if number(version) >= (1, 25) else "unannotated", RUNS))


CGO = """package main

/*
#include <stdlib.h>
#include <string.h>
static char *copy(char *s, int n) { s[0] += n > 5; return strdup(s); }
static int sum(int a, int b, int c) { return a + b + c; }
static size_t size(const char *s) { return strlen(s); }
static void nothing(int a) { (void)a; }
*/
import "C"
import "unsafe"

var text string
var bytes []byte

func main() {
	for i := 0; i < 100; i++ {
		s := C.CString("hello")
		d := C.copy(s, C.int(i))
		text = C.GoString(d)
		bytes = C.GoBytes(unsafe.Pointer(d), C.sum(1, 1, C.int(C.size(d))))
		C.nothing(1)
		C.free(unsafe.Pointer(s))
		C.free(unsafe.Pointer(d))
	}
}
"""


def test_what_cgo_makes_is_in_the_program_and_copies_of_c_are_named(t):
    for version in (RELEASES[0], RELEASES[-1]):
        document = audit(t, version, module(t.path(version), "example.com/cgo", {"main.go": CGO}))
        same(document["warnings"], [], f"warnings with Go {version}")
        same(sorted((row["runtime_call"], row["objects"], row["verdict"]) for row in document["rows"]
                    if (row["runtime_call"] or "").startswith("runtime.go")),
             [("runtime.gobytes", RUNS, "unannotated"), ("runtime.gostring", RUNS, "unannotated")])
        assert all("C.GoString" in row["reason"] for row in document["rows"] if row["runtime_call"] == "runtime.gostring")


INSTANCES = {"gen/gen.go": """package gen

type Box[T any] struct{ V T }

var last *int

//go:noinline
func Make[T any](v T, keep func(*Box[T])) {
	b := &Box[T]{V: v}
	keep(b)
	last = new(int)
}
""", "a/a.go": """package a

import "example.com/g/gen"

var last *gen.Box[int]

//go:noinline
func Do(n int) { gen.Make(n, func(b *gen.Box[int]) { last = b }) }
""", "b/b.go": """package b

import "example.com/g/gen"

var last *gen.Box[[3]string]

//go:noinline
func Do(n int) { gen.Make([3]string{}, func(b *gen.Box[[3]string]) { last = b }) }
""", "main.go": """package main

import (
	"example.com/g/a"
	"example.com/g/b"
)

func main() {
	for i := 0; i < 100; i++ {
		a.Do(i)
		b.Do(i)
		b.Do(i)
	}
}
"""}


def test_an_instance_that_only_an_uncovered_package_makes_has_no_words_of_another(t):
    for version in RELEASES:
        source = module(t.path(version), "example.com/g", INSTANCES)
        document = audit(t, version, source, flags="-gcflags=example.com/g/a=-m=2")
        rows = [(row["line"], row["verdict"], row["objects"], row["reason"] or "") for row in document["rows"]
                if row["objects"] and (row["function"] or "").startswith("example.com/g/gen.Make")]
        # The type of what is allocated tells the instances apart, where it depends on theirs.
        same([row[:3] for row in sorted(rows)], [(9, "escapes", 100), (9, "not-covered", 200), (11, "escapes", 100),
                                                 (11, "escapes", 200)], f"Go {version}")
        same(sorted((objects, reason.split(":")[0]) for _, _, objects, reason in rows if reason),
             [(200, "said of one of several instances"),
              (200, "the compiler output says nothing about this instance of the generic function")], f"Go {version}")
        contains(t.escapement("audit", "-q", "--escape", source / "m.txt", "--rate", "1", "--", source / "program",
                              cwd=source).stdout, "says nothing about this instance")
        # With the words of both packages, each has its own.
        flags = "-gcflags=example.com/g/...=-m=2"
        same({row["verdict"] for row in audit(t, version, source, flags=flags)["rows"]
              if (row["function"] or "").startswith("example.com/g/gen.Make") and row["objects"]}, {"escapes"}, f"Go {version}")


REP = """package rep

type Y struct{ a [9]int }

//go:noinline
func New(n int) *Y { return &Y{[9]int{n}} }

//go:noinline
func Of[T any](v T) *T { return &v }
"""

APP = """package main

import "example.com/rep/v2"

var (
	b *rep.Y
	p *[3]int
)

func main() {
	for i := 0; i < 300; i++ {
		b = rep.New(i)
		p = rep.Of([3]int{i})
	}
}
"""


def check_beside(document):
    rows = [row for row in document["rows"] if row["file"] and row["file"].endswith("y.go")]
    same(sorted((row["verdict"], row["objects"], row["line"]) for row in rows if row["verdict"] != "stack"),
         [("escapes", 300, 6), ("escapes", 300, 9)])
    same(document["warnings"], [])


def test_modules_beside_the_main_one_are_joined_whatever_their_folder_is_called(t):
    replace = "\nrequire example.com/rep/v2 v2.0.0\n\nreplace example.com/rep/v2 => ../lib/y\n"
    for version in RELEASES:
        module(t.path(version) / "lib" / "y", "example.com/rep/v2", {"y.go": REP})
        source = module(t.path(version) / "app", "example.com/app", {"main.go": APP}, replace)
        document = audit(t, version, source, flags="-gcflags=example.com/...=-m=2")
        check_beside(document)
        # The same from another directory, with and without -C, and for a program built with -trimpath.
        record = ("record", "-q", "--rate", "1", "-o", t.path("p.pb.gz"), "--", source / "program")
        t.escapement(*record)
        check_beside(t.json("audit", "--escape", source / "m.txt", "-C", source, t.path("p.pb.gz")))
        check_beside(t.json("audit", "--escape", source / "m.txt", t.path("p.pb.gz")))
        go(t, version, source, "build", "-trimpath", "-o", source / "program", ".")
        t.escapement(*record)
        check_beside(t.json("audit", "--escape", source / "m.txt", t.path("p.pb.gz")))
    contains(t.escapement("audit", "--escape", source / "m.txt", "-C", t.path("none"), t.path("p.pb.gz"), status=2).stderr,
             "cannot find the directory")


def test_sites_of_a_line_that_differ_by_their_owner_alone_name_it(t):
    dep = "package dep\n\ntype Node struct{ a, b, c int }\n\n//go:noinline\nfunc New() *Node { return &Node{} }\n"
    main = """package main

import "example.com/dep"

var p, q *dep.Node

//go:noinline
func first() { p = dep.New() }

//go:noinline
func second() { q = dep.New() }

func main() {
	for i := 0; i < 100; i++ {
		first()
		second()
	}
}
"""
    module(t.path("dep"), "example.com/dep", {"dep.go": dep})
    source = module(t.path("app"), "example.com/app", {"main.go": main},
                    "\nrequire example.com/dep v1.0.0\n\nreplace example.com/dep => ../dep\n")
    document = audit(t, RELEASES[-1], source, flags="-gcflags=example.com/...=-m=2")
    same(sorted((row["owner"]["function"], row["owner"]["line"], row["objects"]) for row in document["rows"]
                if row["function"] == "example.com/dep.New"), [("main.first", 8, 100), ("main.second", 11, 100)])
    text = t.escapement("audit", "-q", "--escape", "m.txt", "--rate", "1", "--", "./program", cwd=source).stdout
    for function, line in (("first", 8), ("second", 11)):
        contains(text, f"100 objects, 2.34KiB:\n        for main.{function} at main.go:{line}\n        example.com/dep.New, newobject of dep.Node\n")


def test_modules_of_a_workspace_are_joined(t):
    for version in RELEASES[1:]:
        module(t.path(version) / "lib" / "y", "example.com/rep/v2", {"y.go": REP})
        source = module(t.path(version) / "app", "example.com/app", {"main.go": APP})
        (t.path(version) / "go.work").write_text("go 1.18\n\nuse ./app\nuse ./lib/y\n")
        environment = {"PATH": os.environ["PATH"], "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE,
                       "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": ""}
        harness.require_root()
        (source / "m.txt").write_text(t.run(harness.go_toolchain(version), "build", "-gcflags=example.com/...=-m=2", "-o",
                                            source / "program", ".", cwd=source, env=environment).stderr)
        check_beside(t.json("audit", "-q", "--escape", source / "m.txt", "--rate", "1", "--", source / "program"))


CALLEE = """package bl

func Grow(n int) []int {
	var s []int
	for i := 0; i < n; i++ {
		s = append(s, i)
	}
	return s
}
"""

BENCH = """package bl

import "testing"

func BenchmarkGrow(b *testing.B) {
	for i := 0; i < b.N; i++ {
		Grow(100)
	}
}
"""


def test_an_inlined_callee_has_the_calls_own_word_in_a_profile_of_go_too(t):
    """runtime/pprof hides the runtime's frames. Nevertheless the row of the inlined call must have the call's
    annotation "append does not escape", and Grow's own line must not be unseen, because its inlined copy allocates."""
    version = "1.27"
    source = module(t.path("bl"), "example.com/bl", {"bl.go": CALLEE, "bl_test.go": BENCH}, language="1.25")
    (source / "m.txt").write_text(go(t, version, source, "test", "-c", "-gcflags=-m=2", "-o", "t", ".").stderr)
    run = (source / "t", "-test.run", "X", "-test.bench", "Grow", "-test.benchtime", "2000x")
    t.run(*run, "-test.memprofile", "mem.pb.gz", "-test.memprofilerate", "512", cwd=source)
    documents = [t.json("audit", "--escape", "m.txt", "mem.pb.gz", cwd=source)]
    harness.require_root()
    t.escapement("record", "-q", "--rate", "1", "-o", "own.pb.gz", "--", *run, cwd=source)
    documents.append(t.json("audit", "--escape", "m.txt", "own.pb.gz", cwd=source))
    for document in documents:
        rows = [row for row in document["rows"] if row["function"].endswith("Grow")]
        same({row["verdict"] for row in rows if row["objects"]}, {"contradicted"})
        assert not any(row["verdict"] == "escapes-unseen" for row in rows), rows
        same({row["annotations"][0]["text"] for row in rows if row["objects"]}, {"append does not escape"})
        same(document["warnings"], [])


BESIDE = """package main

type big struct{ a [9]int }

var a, b *big

func leaf(n int) *big { return &big{[9]int{n}} }

//go:noinline
func run(n int) { a, b = leaf(n), &big{[9]int{n}} }

func main() {
	for i := 0; i < 100; i++ {
		run(i)
	}
}
"""


def test_what_a_line_allocates_itself_is_not_what_was_inlined_into_it(t):
    for version in RELEASES:
        document = audit(t, version, module(t.path(version), "example.com/beside", {"main.go": BESIDE}))
        rows = {row["function"]: row for row in document["rows"] if row["objects"] and row["verdict"] == "escapes"}
        for function in ("main.leaf", "main.run"):
            same((rows[function]["objects"], rows[function]["shared"]), (100, False), f"Go {version}: {function}")
        own, = rows["main.run"]["annotations"]
        same(BESIDE.splitlines()[own["line"] - 1][own["column"] - 1:][:5], "&big{", f"Go {version}")
        same([row["verdict"] for row in document["rows"] if row["verdict"] == "escapes-unseen"], [], f"Go {version}")


BOXED = """package main

import "math"

var sink []interface{}

func keep(values ...interface{}) { sink = values }

//go:noinline
func result(x, y float64) {
	keep(math.Sqrt(x), y)
}

//go:noinline
func argument(x, y float64) {
	var z interface{} = y; keep(x); sink[0] = z
}

func main() {
	for i := 0; i < 100; i++ {
		result(float64(i)+0.5, float64(i)+0.25)
		argument(float64(i)+0.5, float64(i)+0.25)
	}
}
"""


def test_arguments_and_results_of_inlined_calls_are_boxed_by_the_caller(t):
    """Go 1.19 says so at the call for arguments, every release for results."""
    for version in RELEASES:
        document = audit(t, version, module(t.path(version), "example.com/boxed", {"main.go": BOXED}))
        for function in ("main.result", "main.argument"):
            row, = [row for row in document["rows"] if row["function"] == function and row["runtime_call"] and
                    row["runtime_call"].startswith("runtime.conv")]
            same((row["verdict"], row["objects"], row["shared"], len(row["annotations"])), ("escapes", 200, True, 2),
                 f"Go {version}: {function}")
        same([row for row in document["rows"] if row["verdict"] == "escapes-unseen"], [], f"Go {version}")


MOVED = """package main

var global []int

type box struct{ s []int }

//go:noinline
func returned(n int) []byte {
	var out []byte
	for i := 0; i < n; i++ {
		out = append(out, byte(i))
	}
	return out // moves
}

//go:noinline
func stored(b *box, n int) {
	var first, second []int
	for i := 0; i < n; i++ {
		first = append(first, i)
		second = append(second, i)
	}
	b.s = first // moves, one of two
	global = second // moves, one of two
}

//go:noinline
func named(n int) (out []int) {
	for i := 0; i < n; i++ {
		out = append(out, i)
	}
	return out // moves
}

func main() {
	b := &box{}
	for i := 0; i < 100; i++ {
		bytes := returned(3)
		if i == 1000 {
			bytes = returned(40)
		}
		stored(b, len(bytes)-1)
		global = named(len(bytes) - 1)
	}
	returned(40) // the others allocate at their append only what does not fit on the stack
}
"""


def test_a_slice_that_moves_to_the_heap_has_the_words_of_its_append(t):
    """Since Go 1.26 it begins on the stack, and is allocated where it leaves the function."""
    version = RELEASES[-1]
    assert number(version) >= (1, 26), version
    for level in ("-m=2", "-m"):
        source = module(t.path(f"moved{level}"), "example.com/moved", {"main.go": MOVED})
        document = audit(t, version, source, flags=f"-gcflags={level}")
        rows = [row for row in document["rows"] if row["objects"] and "moveSlice" in (row["runtime_call"] or "")]
        # Only -m=2 says which of several slices of a function it is.
        same(sorted((row["line"], row["verdict"], row["objects"], row["shared"], row["words"][:6]) for row in rows),
             [(at, "escapes", 100, level == "-m" and "one of two" in line, "append") for at, line in enumerate(MOVED.splitlines(), 1)
              if "// moves" in line], level)
        same([what for what, _ in unseen(document) if what == "append"], [], f"unseen with {level}")


SHARED = """package main

type pair struct{ A, B string }

var a, b interface{}

//go:noinline
func label(p *pair) { a, b = p.A, p.B }

func main() {
	for i := 0; i < 100; i++ {
		label(&pair{string(rune('a' + i%3)), "b"})
	}
}
"""


def test_a_row_that_several_annotations_share_names_them_in_every_format(t):
    for version in RELEASES:
        source = module(t.path(version), "example.com/shared", {"main.go": SHARED})
        document = audit(t, version, source)
        row, = [row for row in document["rows"] if row["verdict"] == "escapes" and row["line"] == 8]
        same((row["shared"], sorted(a["subject"] for a in row["annotations"]), row["objects"]), (True, ["p.A", "p.B"], 200))
        t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", source / "program")
        text = t.escapement("audit", "-q", "--escape", source / "m.txt", "p.pb.gz").stdout
        contains(" ".join(text.split()), "it is unknown which: p.A escapes to heap p.B escapes to heap")
        for form, words in (("markdown", "p.A escapes to heap or p.B escapes to heap"),
                            ("quickfix", "p.A escapes to heap or p.B escapes to heap (200 objects"),
                            ("sarif", "p.A escapes to heap or p.B escapes to heap"), ("csv", 'p.A or p.B,,true,200')):
            contains(t.escapement("audit", "-q", "--escape", source / "m.txt", "--format", form, "p.pb.gz").stdout, words)


ALIKE = """package main

var kept []func() int

//go:noinline
func both(n int) (func() int, func() int) { return func() int { n++; return n }, func() int { n--; return n } }

func main() {
	for i := 0; i < 100; i++ {
		f, g := both(i)
		kept = append(kept[:0], f, g)
	}
}
"""


def test_lists_say_how_many_places_are_alike_and_sum_up_what_no_line_of_the_program_allocates(t):
    version = RELEASES[-1]
    source = module(t.path(version), "example.com/alike", {"main.go": ALIKE})
    audit(t, version, source)
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", source / "program")
    document = t.json("audit", "--escape", source / "m.txt", "p.pb.gz")
    row, = [row for row in document["rows"] if row["line"] == 6 and row["shared"]]
    same((row["words"], row["objects"]), ("func literal escapes to heap (2 places)", 200))

    def said(form):
        return t.escapement("audit", "-q", "--escape", source / "m.txt", "--format", form, "p.pb.gz").stdout

    contains(" ".join(said("text").split()), "one or more of 2 places, it is unknown which: func literal escapes to heap")
    quickfix = said("quickfix").splitlines()
    assert quickfix and all("main.go:" in line for line in quickfix), quickfix
    for result in json.loads(said("sarif"))["runs"][0]["results"]:
        contains(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "main.go")
    markdown = said("markdown")
    same(sum(line.startswith("| ") and "main.go" in line for line in markdown.splitlines()), len(quickfix))
    of_rows = sum(row["bytes"] for row in document["rows"] if row["owner"])
    share, = re.findall(r"no line of the program allocates it, ([0-9.]+) % of the bytes", markdown)
    all_bytes = document["totals"]["bytes"]
    assert abs(float(share) - 100 * (all_bytes - of_rows) / all_bytes) < 0.06, (share, of_rows, all_bytes)


THREE = """package main

type T struct{ a, b, c int }
type U struct{ x [5]int64 }

var t, s *T
var u *U
var x *int
var boxed interface{}
var called func() int

//go:noinline
func three() { t, u, x = &T{}, new(U), new(int) }

//go:noinline
func renamed(text string, n int) { boxed, called = text, func() int { n++; return n } }

//go:noinline
func generic[E any](list []E) interface{} { return append(list[:0:0], list...) }

//go:noinline
func two() { t, s = &T{}, new(T) }

func main() {
	for i := 0; i < 100; i++ {
		three()
		two()
		renamed(string(rune('a'+i%26))+"b", i)
		boxed = generic([]T{{}})
	}
}
"""


def test_a_gate_gives_each_type_of_a_line_its_own_words_and_says_what_else_it_may_be(t):
    for version in RELEASES:
        source = module(t.path(version), "example.com/three", {"main.go": THREE})
        audit(t, version, source)
        gate = ("gate", "--escape", source / "m.txt", "--baseline", source / "b.json")
        t.escapement(*gate, "--update", "--", source / "program")
        said = {(site["function"], site["type"]): site["annotation"]
                for site in json.loads((source / "b.json").read_text())["sites"]}
        same({place: words for place, words in said.items() if place[0] == "main.three"},
             {("main.three", "main.T"): "&T{} escapes to heap", ("main.three", "main.U"): "new(U) escapes to heap",
              ("main.three", "int"): "new(int) escapes to heap"})
        # types that people know by another name than the runtime's
        same({words for (function, _), words in said.items() if function == "main.renamed"},
             {"text escapes to heap", "func literal escapes to heap", "moved to heap: n"}, version)
        # in one release the compiler speaks of what is boxed, in another of the append
        generics = [words for (function, _), words in said.items() if function.startswith("main.generic")]
        assert any(generics), (version, said)
        audit(t, version, module(source, "example.com/three", {"main.go": THREE.replace("i < 100", "i < 200")}))
        contains(t.escapement(*gate, "--", source / "program", status=1).stdout,
                 "&T{} escapes to heap (or new(T) escapes to heap)")


harness.main()
