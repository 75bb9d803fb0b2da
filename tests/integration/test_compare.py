#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`compare` on two builds of a program (revisions, overlays, patches, toolchains), which leaves no files behind."""
import hashlib
import json
import os
import re
import signal
import subprocess

import harness
from harness import contains, same

POINT = """package main

import (
	"fmt"
	"os"
	"runtime"
)

type point struct{ x, y int }

//go:noinline
func sum(p *point) int { return p.x + p.y }

//go:noinline
func mk(i int) *point { return &point{i, i} }

//go:noinline
func work(n int) int {
	t := 0
	for i := 0; i < n; i++ {
		t += sum(mk(i))
	}
	return t
}

const side = "before"

func main() {
	fmt.Fprintln(os.Stderr, work(100000))
	if name := os.Getenv("NOTES"); name != "" {
		var statistics runtime.MemStats
		file, _ := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		churn()
		runtime.ReadMemStats(&statistics)
		fmt.Fprintln(file, side, statistics.NumGC)
		file.Close()
	}
}

var sink []byte

func churn() {
	for i := 0; i < rounds; i++ {
		sink = make([]byte, 1<<20)
	}
}

const rounds = 400
"""
VALUE = POINT.replace("func mk(i int) *point { return &point{i, i} }", "func mk(i int) point { return point{i, i} }") \
    .replace("t += sum(mk(i))", "p := mk(i)\n\t\tt += sum(&p)").replace('side = "before"', 'side = "after"') \
    .replace("rounds = 400", "rounds = 40")
CODEC = """package codec

type Box struct{ a, b int }

//go:noinline
func Parse(n int) *Box { return &Box{n, n} }
"""
CODEC_TEST = """package codec

import "testing"

var box *Box

func TestParse(t *testing.T) {
	if Parse(3).a != 3 {
		t.Fatal("not 3")
	}
}

func BenchmarkParse(b *testing.B) {
	for i := 0; i < b.N; i++ {
		box = Parse(i)
	}
}
"""
TWO = CODEC.replace("return &Box{n, n}", "spare = &Box{n, n}\n\treturn &Box{n, n}").replace("//go", "var spare *Box\n\n//go")


def environment(t, version="1.24", **more):
    go = harness.go_toolchain(version)
    return {**os.environ, "PATH": f"{go.parent}:{os.environ['PATH']}",
            "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "HOME": str(t.directory), "NO_COLOR": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null", "TMPDIR": str(t.directory / "tmp"), **more}


def files(t, **texts):
    harness.require_root()
    directory = t.path("m")
    (t.directory / "tmp").mkdir(exist_ok=True)
    directory.mkdir(exist_ok=True)
    (directory / "go.mod").write_text("module example.com/m\n\ngo 1.19\n")
    for name, text in texts.items():
        (directory / f"{name}.go").write_text(text)
    return directory


def git(directory, *words):
    return subprocess.run(["git", "-C", directory, "-c", "user.email=a@b", "-c", "user.name=a", *words], check=True,
                          capture_output=True, text=True).stdout


def commit(directory, message):
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", message)


def repository(t, **texts):
    directory = files(t, **texts)
    git(directory, "init", "-q", "-b", "main", ".")
    commit(directory, "first")
    return directory


def contents(directory):
    """{name: hash} of all files below the directory, including links and owners."""
    found = {}
    for root, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, directory)] = hashlib.sha256(file.read()).hexdigest()
    return found


def compare(t, directory, *words, status=0, **options):
    options.setdefault("env", environment(t))
    done = t.escapement("compare", *words, cwd=directory, status=status, **options)
    same(sorted(os.listdir(t.directory / "tmp")), [], "files left in the temporary directory")
    return done


def row(document, function):
    found = [row for row in document["rows"] if row["function"] == function and row["type"] != "string"]
    assert found, [row["function"] for row in document["rows"]]
    return found[0]


GROWS = """package main

var m map[int]int

//go:noinline
func fill(n int) {
	m = make(map[int]int)
	for i := 0; i < n; i++ {
		m[i] = i
	}
}

func main() { fill(2000) }
"""


def test_a_map_that_no_longer_grows_has_less(t):
    """Its tables double up to a thousand slots and split then: 14 times in all with the maps of Go 1.24 and newer."""
    directory = files(t, main=GROWS)
    t.path("sized.txt").write_text(GROWS.replace("(map[int]int)", "(map[int]int, n)"))
    t.path("o.json").write_text(json.dumps({"Replace": {str(directory / "main.go"): str(t.path("sized.txt"))}}))
    done = compare(t, directory, "--overlay", t.path("o.json"), "--format", "json", "--", "go", "run", ".",
                   env=environment(t, "1.27"))
    rows = [(row["change"], row["before"]["objects"]) for row in json.loads(done.stdout)["rows"]
            if row["function"] == "main.fill" and row["type"] == "map.group[int]int" and "mapassign" in row["runtime_call"]]
    same(rows, [("gone", 14)])


def test_a_fix_is_proven_by_an_overlay_before_it_is_made(t):
    directory = files(t, main=POINT)
    t.path("patched.txt").write_text(VALUE)
    t.path("o.json").write_text(json.dumps({"Replace": {str(directory / "main.go"): str(t.path("patched.txt"))}}))
    before = contents(directory)
    done = compare(t, directory, "--overlay", t.path("o.json"), "--runs", "1", "--", "go", "run", ".")
    same(contents(directory), before)
    contains(done.stdout, "`&point{...}` no longer escapes to the heap: 100,000 -> 0 objects")
    refills = re.search(r"allocator: refills (\d+) -> (\d+),", done.stdout)
    assert int(refills[1]) > int(refills[2]) + 150, done.stdout  # 100,000 objects of 16 bytes in spans of 512
    contains(" ".join(done.stdout.split()), ", in one run each collector: ")
    contains(done.stdout, "better: ")
    assert max(map(len, done.stdout.splitlines())) <= 80, done.stdout
    same(t.run("grep", "-c", "Replace", t.path("o.json")).stdout.strip(), "1")
    # An invalid overlay is rejected before anything is built.
    t.path("bad.json").write_text("[]")
    contains(compare(t, directory, "--overlay", t.path("bad.json"), "--", "go", "run", ".", status=2).stderr,
             "is not an overlay")
    # So is one that replaces nothing that there is: go would build the same twice.
    for replace, said in (({}, "replaces no file"), ({"/nowhere/main.go": str(t.path("patched.txt"))}, "is in no directory that exists"),
                          ({str(directory / "main.go"): "/nowhere.txt"}, "cannot read '/nowhere.txt'")):
        t.path("bad.json").write_text(json.dumps({"Replace": replace}))
        contains(compare(t, directory, "--overlay", t.path("bad.json"), "--", "go", "run", ".", status=2).stderr, said)


BOX = """package box

type Box struct{ a, b int }

var Spare Box

func Make(n int) *Box { return &Box{n, n} }

//go:noinline
func Two(n int) (*Box, *Box) { return Make(n), Make(n + 1) }
"""
BOXES = """package main

import "example.com/m/box"

var sink *box.Box

//go:noinline
func here(n int) { sink = box.Make(n) }

func there(n int) { sink = box.Make(n + 1) }

func main() {
	for i := 0; i < 100; i++ {
		here(i)
		there(i)
		sink, _ = box.Two(i)
	}
}
"""


COPIES = BOXES.replace('import "example.com/m/box"\n', BOX.removeprefix("package box\n")).replace("box.", "")
METHODS = COPIES.replace("Make(", "maker{}.Make(").replace("func maker{}.Make(", "type maker struct{}\n\nfunc (maker) Make(")


def test_what_the_compiler_says_of_inlined_copies_is_said_once(t):
    directory = repository(t, main=BOXES)
    sources = ("box", BOX), ("copies", COPIES), ("methods", METHODS)
    for name, text in sources:
        (directory / name).mkdir()
        (directory / name / "main.go").write_text(text)
    commit(directory, "boxes")
    for name, text in sources:
        (directory / name / "main.go").write_text(text.replace("return &Box{n, n}", "Spare = Box{n, n}; return &Spare"))
    # In Make itself; and where it is inlined: two calls in Two, one in here, one in there, which main inlines in turn.
    # The wrapper (*maker).Make, which the compiler makes, inlines the method as well.
    for package, function, copies in (("./copies", "Make", 5), ("./methods", "maker.Make", 6)):
        done = compare(t, directory, "--base", "HEAD", "--format", "json", "--", "go", "run", package)
        document = json.loads(done.stdout)
        same([(each["change"], each["function"], each["copies"], each["before"]["objects"], each["after"]["objects"])
              for each in document["words"]], [("gone", function, copies, 400, 0)])
        same(document["compiler"]["gone"], copies + 1)
        same(document["sides"][0]["runs"], 3)
    # The compiler is asked about all packages of the module that the program has, not only about its main package.
    done = compare(t, directory, "--base", "HEAD", "--", "go", "run", ".")
    contains(done.stdout, "`&Box{...}` no longer escapes to the heap: 400 -> 0 objects\n    box/main.go:7:32, Make, and 5 inlined copies\n")
    same(done.stdout.count("no longer escapes"), 1)
    contains(done.stdout, "(3 times each, in turns)")
    # What is the same on both sides in the first run is not run again.
    git(directory, "checkout", "-q", ".")
    done = compare(t, directory, "--base", "HEAD", "--", "go", "run", ".")
    contains(done.stdout, "(once each)")
    contains(done.stdout, "unchanged: ")
    contains(compare(t, directory, "--base", "HEAD", "--runs", "2", "--", "go", "run", ".").stdout, "(2 times each, in turns)")


# Go may start a thread meanwhile, and -benchmem counts its memory too. With this many iterations it is less than one
# byte per iteration.
MANY = ("-benchtime", "20000x")


def test_a_patch_is_applied_to_a_copy_and_its_tests_are_run(t):
    directory = repository(t, codec=TWO, codec_test=CODEC_TEST)
    (directory / "codec.go").write_text(CODEC)
    patch = t.path("fix.diff")
    patch.write_text(git(directory, "diff"))
    git(directory, "checkout", "-q", ".")
    words = ("--patch", patch, "--runs", "1", "--format", "json", "--", "go", "test", "-run", "^$", "-bench", ".", *MANY,
             ".")
    done = compare(t, directory, "--test", *words)
    contains(done.stderr, "go test ./... passes: with")
    document = json.loads(done.stdout)
    benchmark, = document["benchmarks"]
    same(benchmark, {"name": "BenchmarkParse", "package": "example.com/m", "before": {"allocs": 2, "bytes": 32}, "after": {"allocs": 1, "bytes": 16}})
    same(document["verdict"], "better")
    same([(entry["change"], entry["text"]) for entry in document["words"]], [("gone", "&Box{...} escapes to heap")])
    # A patch that breaks the tests fails.
    (directory / "codec.go").write_text(CODEC.replace("{n, n}", "{n + 1, n}"))
    patch.write_text(git(directory, "diff"))
    git(directory, "checkout", "-q", ".")
    done = compare(t, directory, "--test", *words, status=3)
    contains(done.stderr, "not 3")
    contains(done.stderr, "go test ./... failed")
    before = contents(directory)
    # A patch that does not apply is a usage error.
    patch.write_text(patch.read_text().replace("-func Parse", "-func Other"))
    contains(compare(t, directory, *words, status=2).stderr, "does not apply: ")
    patch.write_text("not a patch\n")
    contains(compare(t, directory, *words, status=2).stderr, "does not apply")
    same(contents(directory), before)


def test_two_revisions_are_built_outside_of_the_tree_which_stays_as_it_is(t):
    directory = repository(t, codec=CODEC, codec_test=CODEC_TEST)
    (directory / "codec.go").write_text("package codec // stashed\n")
    git(directory, "stash", "-q")
    (directory / "codec.go").write_text(TWO)
    (directory / "extra.go").write_text("package codec\n\nfunc untracked() *Box { return Parse(1) }\n")
    (directory / "codec_test.go").write_text(CODEC_TEST.replace("box = Parse(i)", "box = untracked()"))
    git(directory, "add", "codec.go")
    before = contents(directory)
    words = ("--runs", "1", "--", "go", "test", "-run", "^$", "-bench", ".", *MANY, ".")
    done = compare(t, directory, "--base", "main", "--fail-on", "worse", *words, status=1)
    same(contents(directory), before, "the working tree and the .git directory, with index and stash")
    contains(done.stdout, "the tree as it is, with changes that are not committed")
    assert re.search(r"^BenchmarkParse +1 -> 2 allocs/op +\+100 % +16 -> 32 B/op$", done.stdout, re.M), done.stdout
    contains(done.stdout, "worse: ")
    same(len(git(directory, "worktree", "list").splitlines()), 1)
    # A comparison of two revisions ignores the working tree.
    git(directory, "stash", "-q", "-u")
    done = compare(t, directory, "--base", "main", "--head", "main", "--format", "markdown", *words)
    contains(done.stdout, "### Allocations: unchanged")
    contains(compare(t, directory, "--base", "nonsense", *words, status=2).stderr, "no revision 'nonsense'")
    (directory / "codec.go").write_text(CODEC + "\nfunc broken() { return 1 }\n")
    done = compare(t, directory, "--base", "main", *words, status=3)
    contains(done.stderr, "too many return values")
    contains(done.stderr, "the tree as it is, with changes that are not committed does not build")
    same(len(git(directory, "worktree", "list").splitlines()), 1)


def test_a_benchmark_that_one_side_has_is_shown_and_not_judged(t):
    directory = repository(t, codec=CODEC, codec_test=CODEC_TEST)
    (directory / "codec_test.go").write_text(CODEC_TEST + CODEC_TEST[CODEC_TEST.index("func Bench"):]
                                             .replace("BenchmarkParse", "BenchmarkOther"))
    done = compare(t, directory, "--base", "main", "--fail-on", "worse", "--runs", "1", "--", "go", "test", "-run", "^$",
                   "-bench", ".", ".")
    assert re.search(r"^BenchmarkOther +none -> 1 allocs/op", done.stdout, re.M), done.stdout
    contains(done.stdout, "unchanged: ")
    done = compare(t, directory, "--base", "main", "--fail-on", "worse", "--module", "example.com/n", "--runs", "1", "--", "go",
                   "test", "-run", "^$", "-bench", ".", ".", status=2)
    contains(done.stderr, "--module 'example.com/n' matches no package on a stack of either side")


def test_an_interrupted_comparison_leaves_nothing(t):
    directory = repository(t, main="package main\n\nfunc main() {\n\tfor {\n\t\tprintln(1)\n\t\tselect {}\n\t}\n}\n")
    (directory / "main.go").write_text('package main\n\nimport "time"\n\nfunc main() {\n\tprintln("runs")\n'
                                       "\ttime.Sleep(time.Hour)\n}\n")
    commit(directory, "sleeps")
    before = contents(directory)
    running = t.start(harness.ESCAPEMENT, "compare", "--base", "HEAD", "--", "go", "run", ".", cwd=directory,
                      env=environment(t))
    for line in running.stderr:
        if line == "runs\n":
            break
    running.send_signal(signal.SIGINT)
    same(running.wait(harness.TIMEOUT), 3, "exit status")
    same(contents(directory), before)
    same(os.listdir(t.directory / "tmp"), [], "files left behind")


ATTEMPTS = """package main

import (
	"os"
	"os/exec"
)

func main() {
	said, err := exec.Command(os.Getenv("ATTEMPT")).Output()
	if err != nil {
		panic(err)
	}
	file, _ := os.OpenFile(os.Getenv("SAID"), os.O_APPEND|os.O_WRONLY, 0)
	file.WriteString("program: " + string(said))
	for i := range objects {
		objects[i] = new(int)
	}
}

var objects [3]*int
"""
WRAPPER = """#!/bin/sh
echo "{name}: $($ATTEMPT)" >> $SAID
exec {real} "$@"
"""


def test_what_compare_starts_has_no_privileges_and_gets_none(t):
    """Every command that it starts tries what needs one: git, go, what they start, and the measured program."""
    directory = repository(t, main=ATTEMPTS)
    folders = {name: t.path(name) for name in ("bin", "go", "cache", "gopath")}
    for path in (t.directory, t.directory / "tmp"):
        path.chmod(0o777)
    for path in folders.values():
        path.mkdir()
    go = harness.go_toolchain("1.24")
    usr = next(path for path in go.parents if path.name == "usr")  # its folders link to each other
    for name, real in (("git", "/usr/bin/git"), ("go", folders["go"] / go.relative_to(usr))):
        (folders["bin"] / name).write_text(WRAPPER.format(name=name, real=real))
        (folders["bin"] / name).chmod(0o755)
    (directory / "main.go").write_text(ATTEMPTS.replace("[3]", "[4]"))
    said = t.path("said")
    said.write_text("")
    for path in (directory, folders["cache"], folders["gopath"], said):
        t.run("chown", "-R", "65534:65534", path)
    # Another user cannot reach toolchains below /root. With what it inherits, root's first attempts succeed.
    attempt = t.copy(harness.BUILD / "tests" / "tools" / "attempt")
    contains(t.run(attempt).stdout, "'load a BPF program'")
    t.run("unshare", "--mount", "sh", "-c", f'mount --bind {usr} {folders["go"]} && exec "$@"', "sh", harness.ESCAPEMENT,
          "compare", "--base", "HEAD", "--runs", "1", "--user", "65534", "--", "go", "run", ".", cwd=directory, env=environment(
              t, PATH=f"{folders['bin']}:/usr/bin:/bin", GOCACHE=str(folders["cache"]), GOPATH=str(folders["gopath"]),
              ATTEMPT=str(attempt), SAID=str(said), ASAN_OPTIONS="detect_leaks=0"))  # which fails in what is traced
    lines = [line.partition(": ") for line in said.read_text().splitlines()]
    same({name for name, _, _ in lines}, {"git", "go", "program"}, "commands that tried")
    same({rest for _, _, rest in lines}, {"uid 65534 gid 65534 capabilities 0 0 0 0 descriptors succeeded"}, "what they had")


def test_under_sudo_nothing_of_the_users_becomes_roots(t):
    directory = repository(t, codec=CODEC, codec_test=CODEC_TEST)
    for path in (t.directory, t.directory / "tmp"):
        path.chmod(0o777)
    cache = t.path("cache")
    cache.mkdir()
    subprocess.run(["chown", "-R", "65534:65534", directory, cache], check=True)
    (directory / "codec.go").write_text(TWO)
    if not os.path.exists("/usr/bin/go"):
        raise harness.Skip("no Go that everybody may run: toolchains of the tests are below /root")
    sudo = environment(t, PATH="/usr/bin:/bin", SUDO_UID="65534", SUDO_GID="65534", SUDO_USER="nobody", GOCACHE=str(cache),
                       GOPATH=str(t.path("gopath")))
    (t.path("gopath")).mkdir()
    os.chown(t.path("gopath"), 65534, 65534)
    compare(t, directory, "--base", "main", "--runs", "1", "--", "go", "test", "-run", "^$", "-bench", ".", ".", env=sudo)
    roots = [os.path.join(root, name) for top in (directory, cache, t.path("gopath"))
             for root, folders, names in os.walk(top) for name in folders + names
             if os.lstat(os.path.join(root, name)).st_uid == 0]
    same(roots, [str(directory / "codec.go")][:len(roots)], "files owned by root")


def test_two_toolchains_are_compared_and_agree_with_the_runtimes_counters(t):
    directory = files(t, main="""package main

import (
	"fmt"
	"os"
	"runtime"
)

var sink []byte

func fill(n int) { sink = make([]byte, n) }

func main() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 0; i < 5000; i++ {
		fill(i%64 + 100)
	}
	runtime.ReadMemStats(&after)
	file, _ := os.OpenFile(os.Getenv("NOTES"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	fmt.Fprintln(file, runtime.Version(), after.Mallocs-before.Mallocs)
	file.Close()
}
""")
    old, new = harness.go_toolchain("1.19"), harness.go_toolchain("1.24")
    notes = t.path("notes")
    done = compare(t, directory, "--go", f"{old},{new.parent.parent}", "--runs", "1", "--format", "json", "--", "go", "run",
                   ".", env=environment(t, NOTES=str(notes)))
    document = json.loads(done.stdout)
    same([side["runtime"][:6] for side in document["sides"]], ["go1.19", "go1.24"])
    counted = {words.split()[0][:6]: int(words.split()[1]) for words in notes.read_text().splitlines()}
    fill = row(document, "main.fill")
    for side, version in (("before", "go1.19"), ("after", "go1.24")):
        same(fill[side]["objects"], 5000, version)
        assert 5000 <= counted[version] <= 5010, counted
    # Versions are searched where packaging/go-toolchain unpacks them.
    words = {"env": environment(t, ESCAPEMENT_CACHE=str(new.parents[6])), "status": 2}
    contains(compare(t, directory, "--go", "1.24,1.99", "--", "go", "run", ".", **words).stderr, "no Go 1.99 here")
    contains(compare(t, directory, "--go", "1.24", "--", "go", "run", ".", **words).stderr, "takes two toolchains")


def test_a_site_that_the_compiler_calls_otherwise_is_one(t):
    directory = files(t, main=POINT.replace("return &point{i, i}", "return &point{}"))
    t.path("patched.txt").write_text(POINT)
    t.path("o.json").write_text(json.dumps({"Replace": {str(directory / "main.go"): str(t.path("patched.txt"))}}))
    words = ("--overlay", t.path("o.json"), "--runs", "1", "--", "go", "run", ".")
    # This release's compiler names the file that is read instead; it is called as the source calls it.
    done = compare(t, directory, *words, env=environment(t, "1.19"))
    contains(done.stdout, "`&point{...}` escapes to the heap, as `&point{}` did: 100,000 -> 100,000 objects\n    main.go:15:")
    assert "patched" not in done.stdout, done.stdout
    contains(done.stdout, "reworded: main.mk")
    assert "no longer" not in done.stdout and " now escapes" not in done.stdout, done.stdout
    document = json.loads(compare(t, directory, "--format", "json", *words).stdout)
    same([(entry["change"], entry["was"]) for entry in document["words"]], [("reworded", "&point{} escapes to heap")])


def test_go_test_is_compared_without_privileges(t):
    directory = repository(t, codec=CODEC, codec_test=CODEC_TEST)
    (directory / "codec.go").write_text(TWO)
    words = ("--base", "main", "--in-process", "--runs", "1", "--", "go", "test", "-run", "^$", "-bench", ".", ".")
    done = t.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", harness.ESCAPEMENT, "compare", "--fail-on", "worse",
                 *words, status=1, cwd=directory, env=environment(t))
    sums = re.search(r"^BenchmarkParse +1 -> 2 allocs/op", done.stdout, re.M)
    assert sums, done.stdout
    # The output names the site and the compiler's reason.
    assert re.search(r"^BenchmarkParse  .*\n(SITE.*\n)?  worse: example.com/m.Parse(.*\n)+?    &Box\{...\} escapes to heap \(", done.stdout, re.M), \
        done.stdout
    contains(done.stderr, "tiny objects that share a block of 16 bytes are not in it")
    same(os.listdir(t.directory / "tmp"), [], "files left behind")
    contains(compare(t, directory, "--in-process", "a", "b", status=2).stderr, "--in-process is about running")


def test_each_site_of_a_benchmark_that_changed_has_the_compilers_reason(t):
    directory = repository(t, codec=CODEC, codec_test=CODEC_TEST)
    (directory / "codec.go").write_text(TWO)
    done = compare(t, directory, "--base", "main", "--runs", "1", "--format", "json", "--", "go", "test", "-run", "^$",
                   "-bench", ".", ".")
    document = json.loads(done.stdout)
    changed = [row for row in document["rows"] if row["change"] not in ("same", "noisy") and row["benchmark"]]
    # Two lines allocate the same number: the output shows the first one, with its own reason.
    same([(row["line"], row["annotation"], row["reason"]) for row in changed], [(8, "&Box{...} escapes to heap", "assign")],
         done.stdout)


def test_collections_are_those_that_the_runtime_counts(t):
    directory = files(t, main=POINT)
    t.path("patched.txt").write_text(VALUE)
    t.path("o.json").write_text(json.dumps({"Replace": {str(directory / "main.go"): str(t.path("patched.txt"))}}))
    notes = t.path("notes")
    done = compare(t, directory, "--overlay", t.path("o.json"), "--runs", "1", "--format", "json", "--", "go", "run", ".",
                   env=environment(t, NOTES=str(notes)))
    last = [line.split() for line in notes.read_text().splitlines()][-2:]  # the runs without probes come last
    same([word[0] for word in last], ["before", "after"])
    for side, (name, number) in zip(json.loads(done.stdout)["sides"], last):
        # A collection in progress when the program read its statistics may have ended later.
        assert 0 <= side["collections"] - int(number) <= 1, (name, side, number)
        assert 0 <= side["collections_cpu_percent"] <= 100, side


def test_two_recordings_are_compared(t):
    harness.require_root()
    (t.directory / "tmp").mkdir()
    seeds = harness.workload("seeds")
    for name, rounds in (("a", 10), ("b", 10), ("c", 20)):
        t.escapement("record", "--rate", "1", "-o", t.path(name), "--", seeds, "--rounds", str(rounds))
    same(compare(t, t.directory, t.path("a"), t.path("b")).stdout.splitlines()[-1].split(":")[0], "unchanged")
    done = compare(t, t.directory, t.path("a"), t.path("c"))
    contains(done.stdout.splitlines()[-1], "worse: ")
    compare(t, t.directory, "--fail-on", "worse", t.path("a"), t.path("c"), status=1)
    compare(t, t.directory, "--fail-on", "worse", t.path("c"), t.path("a"))
    compare(t, t.directory, t.path("a"), status=2)


def test_estimates_change_only_by_more_than_chance(t):
    harness.require_root()
    (t.directory / "tmp").mkdir()
    profiles = [t.path(f"p{number}") for number in range(5)]
    for number, profile in enumerate(profiles):
        t.escapement("record", "-q", "--rate", "16k", "-o", profile, "--", harness.workload("seeds"), "--rounds",
                     "500" if number < 4 else "650")
    differing = []  # intervals of 95 % miss now and then: of a hundred pairs, one may have a site whose two lie apart
    for old, new in zip(profiles[:3], profiles[1:4]):
        done = compare(t, t.directory, "--fail-on", "worse", old, new, status=None)
        if done.returncode or "SITE" in done.stdout:
            differing.append(done.stdout)
        else:
            contains(done.stdout.splitlines()[-1], "unchanged: ")
        # The sum of everything is exact, as in the report; what is judged are the rows, which are estimates.
        (sums,) = re.findall(r"^all +([\d,]+)(?: -> ([\d,]+))? objects", done.stdout, re.M)
        same([int(n.replace(",", "")) for n in (sums[0], sums[1] or sums[0])],
             [t.json("report", profile)["totals"]["objects"] for profile in (old, new)])
    assert len(differing) <= 1, differing
    # Equal estimates are no change, not even one that chance explains.
    document = json.loads(compare(t, t.directory, "--format", "json", profiles[0], profiles[0]).stdout)
    same({row["change"] for row in document["rows"]}, {"same"})
    contains(compare(t, t.directory, profiles[0], profiles[0]).stdout, " unchanged site")
    document = json.loads(compare(t, t.directory, "--fail-on", "worse", "--format", "json", profiles[0], profiles[4],
                                  status=1).stdout)
    # main.foo allocates 1,000 objects per round.
    foo = row(document, "main.foo")
    same(foo["change"], "worse")
    for side, exact in (("before", 500000), ("after", 650000)):
        assert foo[side]["objects_low"] <= foo[side]["objects"] <= foo[side]["objects_high"], foo
        assert abs(foo[side]["objects"] - exact) < 0.1 * exact, foo
    # per second
    seconds = t.json("report", profiles[0])["target"]["duration_seconds"]
    document = json.loads(compare(t, t.directory, "--normalize", "second", "--format", "json", *profiles[:2]).stdout)
    assert abs(row(document, "main.foo")["before"]["objects"] * seconds / foo["before"]["objects"] - 1) < 1e-3


SELDOM = """package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
)

type big struct{ a [2048]int64 }
type small struct{ a [2]int64 }

var bigSink *big
var smallSink *small

//go:noinline
func makeBig() { bigSink = &big{} }

//go:noinline
func makeSmall() { smallSink = &small{} }

func main() {
	smalls, _ := strconv.Atoi(os.Args[2])
	for i := 0; i < 1000; i++ {
		makeBig()
	}
	for i := 0; i < smalls; i++ {
		makeSmall() // 16 bytes: a sample hits one in 32,768
	}
	file, _ := os.Create(os.Args[1])
	runtime.GC()
	runtime.GC()
	pprof.Lookup("allocs").WriteTo(file, 0)
	file.Close()
}
"""


def test_what_no_sample_hit_is_not_0(t):
    """The program allocates big objects, which samples hit, and a million small ones or a single one."""
    directory = files(t, main=SELDOM)
    words = subprocess.run(["go", "build", "-gcflags=-m=2", "-o", t.path("prog"), "."], cwd=directory, env=environment(t), check=True,
                           capture_output=True, text=True).stderr
    (t.directory / "heap.txt").write_text(words)
    (t.directory / "stack.txt").write_text(re.sub(r"(?m)^.*&small.*\n(?:.*(?:flow:|from ).*\n)*", "", words))
    profiles = [t.path("often.pb.gz"), t.path("once.pb.gz")]
    for profile, smalls in zip(profiles, (1000000, 1)):
        subprocess.run([t.path("prog"), profile, str(smalls)], check=True)
    document = json.loads(compare(t, t.directory, "--format", "json", *profiles, "--escape",
                                  f"{t.path('heap.txt')},{t.path('stack.txt')}").stdout)
    small, big = row(document, "main.makeSmall"), row(document, "main.makeBig")
    assert small["before"]["objects"] > 0, small
    same(small["after"], None)
    said, = [each for each in document["words"] if "&small" in each["text"]]
    same((said["before"]["objects"], said["after"]), (small["before"]["objects"], None))
    same(said["rows_without"], {"before": {"objects": 0, "bytes": 0}, "after": {"objects": 1, "bytes": 1}})
    whole, = document["sums"]
    same((whole["after"]["objects"], whole["rows_without"]["after"]), (big["after"]["objects"], {"objects": 1, "bytes": 1}))
    printed = compare(t, t.directory, *profiles, "--escape", f"{t.path('heap.txt')},{t.path('stack.txt')}").stdout
    contains(printed, f"no longer escapes to the heap: {small['before']['objects']:,} -> - objects")
    contains(printed, "the sums of sites lack 0 before and 1 after, which no sample hit")
    for form in ("text", "markdown", "sarif", "junit", "github"):
        printed = t.escapement("gate", "compare", "-q", "--all", "--format", form, *profiles).stdout
        assert not re.search(r"(?m)before 0\b|\b0 (→|->)|makeSmall +objects .* 0$", printed), (form, printed)


def test_wrong_usage_is_said_before_anything_is_built(t):
    harness.require_root()
    (t.directory / "tmp").mkdir()
    for words, message in (
            (("--base", "a", "--go", "1,2", "--", "go", "run", "."), "give one of --base"),
            (("--", "go", "run", "."), "nothing to compare with"),
            (("--base", "a"), "nothing to run"),
            (("--base", "HEAD", "--", "./prog"), "it is unknown how to build './prog'"),
            (("--base", "HEAD", "--", "go", "run", "."), "--base compares revisions of a git repository"),
            (("--test", "--base", "HEAD", "--", "go", "run", "."), "--test needs --patch"),
            (("--escape", "one", "a", "b"), "--escape takes two files")):
        contains(compare(t, t.directory, *words, status=2).stderr, message)


if __name__ == "__main__":
    harness.main()
