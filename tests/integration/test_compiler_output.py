#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compiler output in the forms that users have: events of `go build -json`, CI logs, truncated logs, output of failed
and of partial builds. Each is read, or rejected with a reason; no gate passes on output that is missing."""
import json
import os
import pathlib
import platform
import re

import harness
from harness import contains, same


MAIN = """package main

import "example.com/out/shop"

var p *int

//go:noinline
func f(n int) *int { return &n }

func main() {
	for i := 0; i < 50; i++ {
		p = f(i)
		shop.Add(i)
	}
}
"""
SHOP = """package shop

var last *[4]int

//go:noinline
func Add(n int) { last = &[4]int{n} }
"""
# The words before "go build" in the command that a warning ends with, for a program of this machine.
NATIVE = f"GOARCH={dict(x86_64='amd64', aarch64='arm64').get(platform.machine())} GOOS=linux"
NEW = "\nvar q *int\n\n//go:noinline\nfunc g(n int) { q = &n }\n"


def environment(t, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(t.directory), "GOCACHE": harness.GO_CACHE, "GOTOOLCHAIN": "local",
            "GOFLAGS": "", "GOPROXY": "off", **more}


def go(t, source, *arguments, version="1.27", status=0):
    return t.run(harness.go_toolchain(version), *arguments, cwd=source, env=environment(t), status=status)


def module(t, name="out"):
    source = t.path(name)
    (source / "shop").mkdir(parents=True)
    (source / "go.mod").write_text("module example.com/out\n\ngo 1.18\n")
    (source / "main.go").write_text(MAIN)
    (source / "shop" / "shop.go").write_text(SHOP)
    return source


def said(t, source, *arguments, version="1.27", status=0):
    done = go(t, source, "build", "-gcflags=-m=2", *(arguments or ["./..."]), version=version, status=status)
    return done.stdout + done.stderr


def moves(t, source, name):
    document = t.json("escapes", name, cwd=source)
    return sorted((a["package"].rsplit("/")[-1], pathlib.Path(a["file"]).name, a["line"], a["column"], a["kind"], a["subject"],
                   len(a["flow"])) for a in document["annotations"] if a["kind"] in ("escapes", "moved-to-heap"))


# Prefixes of log lines; their digits differ from line to line.
PREFIXES = {
    "time stamp": lambda n: f"2026-01-02T03:04:{n % 60:02}.{1234567 + n}Z ",
    "GitHub's download": lambda n: f"build\tRun go build\t2026-01-02T03:04:{n % 60:02}.12{n}Z ",
    "compose": lambda n: "app_1  | ",
    "buildkit": lambda n: f"#12 {n}.{n % 10} ",
    "step": lambda n: "[build] ",
    "Jenkins": lambda n: f"[2026-01-02T03:04:{n % 60:02}.123Z] ",
    "syslog": lambda n: f"{('Jan', 'Feb', 'Mar')[n % 3]} {n % 28:2} 03:04:05 host go[{n}]: ",
    "containers": lambda n: f"{n * 7919 % 16 ** 6:06x}a1b | ",
    "processes": lambda n: ("api-1     | ", "worker-1  | ")[n % 2],
    "levels": lambda n: ("INFO  ", "DEBUG ", "WARN  ")[n % 3] + "go build: ",
    "colour": lambda n: "\x1b[36mgo build |\x1b[0m ",
    "cleared": lambda n: "\x1b[0K",
    "line numbers": lambda n: f"{n + 1}:",
    "grep": lambda n: f"build.log:{n + 1}:",
    "TeamCity": lambda n: f"[03:04:{n % 60:02}] :\t [Step 1/3] ",
    "cat -n": lambda n: f"{n + 1:6}\t",
    "Azure": lambda n: f"2026-01-02T03:04:05.12{n}Z " + ("##[debug]" if n % 3 else ""),
}


def test_lines_with_something_before_them_are_read_as_if_it_were_not_there(t):
    source = module(t)
    plain = said(t, source)
    (source / "m.txt").write_text(plain)
    wanted = moves(t, source, "m.txt")
    same(len(wanted), 2)
    for what, prefix in PREFIXES.items():
        for ending in ("\n", "\r\n"):
            log = "".join(prefix(n) + line + ending for n, line in enumerate(plain.splitlines()))
            log = prefix(0) + "Run go build" + ending + log + prefix(0) + "done" + ending
            (source / "ci.txt").write_text(log)
            same(moves(t, source, "ci.txt"), wanted, what)
        done = t.escapement("escapes", "--diff", "m.txt", "ci.txt", cwd=source)
        contains(done.stdout, "0 new, 0 gone")
    # messages without a header
    (source / "ci.txt").write_text("".join("app_1  | " + line + "\n" for line in plain.splitlines() if line[0] != "#"))
    same(len(t.json("escapes", "--kind", "heap", "ci.txt", cwd=source)["annotations"]), 2)


def test_colours_and_objects_of_logs_are_taken_off(t):
    source = module(t)
    plain = said(t, source)
    (source / "m.txt").write_text(plain)
    wanted = moves(t, source, "m.txt")
    forms = {
        "colour of the line": lambda line: f"\x1b[0;33m{line}\x1b[0m",
        "colour of the position": lambda line: "\x1b[1m" + line.replace(": ", ":\x1b[39;49m ", 1),
        "coloured container": lambda line: f"\x1b[36mweb-1  |\x1b[0m {line}",
        "Docker's json-file": lambda line: json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-01-02T03:04:05Z"}),
        "journalctl -o json": lambda line: json.dumps({"PRIORITY": "6", "MESSAGE": line, "_PID": "12"}),
        "a collector": lambda line: json.dumps({"timestamp": "2026-01-02T03:04:05Z", "message": line}),
        "logfmt": lambda line: f'time="2026-01-02T03:04:05Z" level=info msg={json.dumps(line)} caller="x.go:1"',
        "links": lambda line: "\x1b]8;;file://h/a.go\x1b\\" + line.replace(": ", "\x1b]8;;\x07: ", 1),
    }
    for what, form in forms.items():
        (source / "ci.txt").write_text("".join(form(line) + "\n" for line in plain.splitlines()))
        same(moves(t, source, "ci.txt"), wanted, what)
        contains(t.escapement("escapes", "--diff", "m.txt", "ci.txt", cwd=source).stdout, "0 new, 0 gone")


def test_a_log_that_two_outputs_went_to_has_the_explanations_once(t):
    source = module(t)
    plain = said(t, source)
    (source / "m.txt").write_text(plain)
    (source / "ci.txt").write_text("".join(2 * line for line in plain.splitlines(keepends=True)))
    documents = [t.json("escapes", name, cwd=source)["annotations"] for name in ("m.txt", "ci.txt")]
    same(documents[1], documents[0])
    assert any(len(flow["steps"]) > 1 for a in documents[0] for flow in a["flow"]), documents[0]


# Two packages whose files have the same names: each moves something at a line where the other does not, and both do at line 8.
PAIR = {"left": """package left

var last *int

//go:noinline
func Add(n int) {
	sum := n + 1
	last, n = &sum, 2
	other := make([]int, 1)
	copy(other, []int{n})
}
""", "right": """package right

var last *int

//go:noinline
func Put(n int) {
	var sum int
	last = new(int)
	other := n
	last = &other
	_ = sum
}

// Of these, the compiler makes methods that no source has.
type Sink interface{ Keep(p *int) }
type outer struct{ Sink }
type inner struct{ last *int }

func (i *inner) Keep(p *int) { i.last = p }

//go:noinline
func New() Sink { return outer{&inner{}} }
"""}
PAIR_MAIN = """package main

import (
	"example.com/out/left"
	"example.com/out/right"
)

func main() {
	for i := 0; i < 50; i++ {
		left.Add(i)
		right.Put(i)
	}
}
"""


def pair(t, name):
    """A module with both packages; what the compiler says of each, run in the package's own directory."""
    source = t.path(name)
    for package, text in PAIR.items():
        (source / package).mkdir(parents=True)
        (source / package / "a.go").write_text(text)
    (source / "go.mod").write_text("module example.com/out\n\ngo 1.18\n")
    (source / "a.go").write_text(PAIR_MAIN)
    return source


def own(t, source, flags, version="1.27"):
    outputs = []
    for package in ("left", "right", "."):
        outputs.append(go(t, source / package, "build", f"-gcflags={flags}", ".", version=version).stderr)
    return outputs


def heap_lines(t, source, output, text=None):
    """The audited lines with the words that they have."""
    if text is not None:
        (source / output).write_text(text)
    document = t.json("audit", "--escape", output, "p.pb.gz", cwd=source)
    return sorted((pathlib.Path(row["file"]).parent.name, row["line"], row["verdict"], row["words"])
                  for row in document["rows"] if row["objects"] and row["verdict"] != "not-covered")


def test_files_of_one_name_are_told_apart_by_their_packages(t):
    harness.require_root()
    for version in harness.go_releases("everyday"):
        source = pair(t, f"pair{version}")
        go(t, source, "build", "-o", "prog", ".", version=version)
        t.escapement("record", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
        for flags in ("-m", "-m=2", "-m -l"):
            (source / "whole.txt").write_text(go(t, source, "build", f"-gcflags={flags}", "./...", version=version).stderr)
            wanted = heap_lines(t, source, "whole.txt")
            same([row[1:3] for row in sorted(wanted, key=lambda row: row[1])], [(7, "escapes"), (8, "escapes"), (9, "escapes")])
            outputs = own(t, source, flags, version)
            for order in (outputs, outputs[::-1]):
                same(heap_lines(t, source, "m.txt", "".join(order)), wanted, f"Go {version}, {flags}")
            # only the other's is there
            same([row for row in heap_lines(t, source, "m.txt", outputs[0]) if row[0] == "right" and row[2] == "escapes"], [])


def interleaved(outputs, *prefixes):
    """The outputs line by line, each with a prefix of its own."""
    rest = [[prefix(n) + line for n, line in enumerate(text.splitlines(True))] for prefix, text in zip(prefixes, outputs)]
    lines = []
    while any(rest):
        lines += [lines_of.pop(0) for lines_of in rest if lines_of]
    return "".join(lines)


def test_outputs_that_are_mixed_line_by_line_are_separated_or_refused(t):
    harness.require_root()
    source = pair(t, "pair")
    outputs = own(t, source, "-m=2")
    (source / "m.txt").write_text("".join(outputs))
    wanted = t.json("escapes", "m.txt", cwd=source)["annotations"]

    def position(annotation):
        return annotation["package"], annotation["line"], annotation["column"], annotation["text"]

    forms = {
        "steps of BuildKit": [lambda n, i=i: f"#{i + 11} {n // 7}.{n:03} " for i in range(3)],
        "services": [lambda n, i=i: ("api-1     | ", "worker-1  | ", "worker-2  | ")[i] for i in range(3)],
        "pods and times": [lambda n, i=i: f"[pod/build-{i}/go] 2026-01-{n % 28 + 1:02}T03:04:05.12{n}Z " for i in range(3)],
        "processes in syslog": [lambda n, i=i: f"Jan {n % 28:2} 03:04:05 host go[{i + 70}]: " for i in range(3)],
    }
    for what, prefixes in forms.items():
        (source / "ci.txt").write_text(interleaved(outputs, *prefixes))
        annotations = t.json("escapes", "ci.txt", cwd=source)["annotations"]
        same(sorted(annotations, key=position), sorted(wanted, key=position), what)
    for key, values in (("_PID", ("7", "8", "9")), ("container_name", ("a", "b", "c"))):
        lines = interleaved(outputs, *[lambda n, value=value: value + "|" for value in values]).splitlines()
        (source / "ci.txt").write_text("".join(json.dumps({"MESSAGE": line[2:], key: line[0], "time": n}) + "\n"
                                               for n, line in enumerate(lines)))
        same(sorted(t.json("escapes", "ci.txt", cwd=source)["annotations"], key=position), sorted(wanted, key=position), key)
    # Events name the package of each line.
    events = [go(t, source / package, "build", "-json", "-gcflags=-m=2", ".").stdout for package in ("left", "right", ".")]
    (source / "ci.txt").write_text(interleaved(events, *[lambda n: ""] * 3))
    same(sorted(t.json("escapes", "ci.txt", cwd=source)["annotations"], key=position), sorted(wanted, key=position), "events")
    # Nothing tells these apart.
    for order in (outputs[:2], outputs[1::-1], [outputs[0], outputs[1].replace("6:6", "5:6")]):
        (source / "ci.txt").write_text(interleaved(order, *[lambda n: ""] * 2))
        for command in (("escapes",), ("escapes", "--diff", "m.txt")):
            contains(t.escapement(*command, "ci.txt", cwd=source, status=2).stderr, "so nobody knows which lines are about which file")
    go(t, source, "build", "-o", "prog", ".")
    t.escapement("record", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
    for flags in ("-m", "-m -l"):
        (source / "ci.txt").write_text(interleaved(own(t, source, flags)[:2], *[lambda n: ""] * 2))
        contains(t.escapement("audit", "--escape", "ci.txt", "p.pb.gz", cwd=source).stderr,
                 "has the header of example.com/out/left without a message")


def many(t):
    """What the compiler says of 70 packages, and of the standard library's that they need: by package."""
    source = t.path("many")
    for n in range(70):
        (source / f"p{n}").mkdir(parents=True)
        (source / f"p{n}" / "a.go").write_text(f"package p{n}\n\nvar last *[{n + 1}]int\n\n//go:noinline\n"
                                               f"func Add(n int) {{ last = &[{n + 1}]int{{n}} }}\n")
    (source / "go.mod").write_text("module example.com/many\n\ngo 1.18\n")
    (source / "main.go").write_text("package main\n\nimport (\n" + "".join(f'\t"example.com/many/p{n}"\n' for n in range(70)) +
                                    ")\n\nfunc main() {\n" + "".join(f"\tp{n}.Add({n})\n" for n in range(70)) + "}\n")
    plain = go(t, source, "build", "-o", "prog", "-gcflags=all=-m=2", ".").stderr
    (source / "m.txt").write_text(plain)
    outputs = ["# " + text for text in re.split("^# ", plain, flags=re.M)[1:]]
    assert len(outputs) > 80, len(outputs)
    return source, outputs


def service(n):
    return "svc-" + "".join(chr(ord("a") + n // 26 ** k % 26) for k in range(2)) + "  | "


def one_after_the_other(outputs, prefix):
    lines = [(n, line) for n, text in enumerate(outputs) for line in text.splitlines(True)]
    return "".join(prefix(n, number) + line for number, (n, line) in enumerate(lines))


# Lines that look like headers, but are text, and other lines of a log.
TALK = ["case # 12", "step 3 # done", "ok", "    md_test.go:55: # docs/intro", "+ ./build.sh # x", "web | # started"]
MUCH = "".join(f"Get:{n} http://deb.example.org/debian bookworm/main amd64 package-{n} all 1.0-1\n" for n in range(4500))


def test_what_more_commands_wrote_at_once_than_are_told_apart_is_refused(t):
    harness.require_root()
    source, outputs = many(t)
    wanted = moves(t, source, "m.txt")
    assert len(wanted) > 200
    few = [f"# example.com/p{n}\n./a{n}.go:3:6: can inline F{n}\n./a{n}.go:{n + 4}:2: moved to heap: x\n" for n in range(4096)]
    more = [*few, *[few[0].replace("p0", f"p{n}").replace("a0", f"a{n}") for n in (4096, 4097)]]
    (source / "few.txt").write_text("".join(few))
    forms = {
        "steps of BuildKit": lambda i: lambda n: f"#{i + 11} {n // 7}.{n:03} ",
        "pods": lambda i: lambda n: f"[pod/build-{i}/go] 2026-01-{n % 28 + 1:02}T03:04:05.12{n}Z ",
    }
    for what, form in forms.items():
        (source / "ci.txt").write_text(interleaved(outputs, *map(form, range(len(outputs)))))
        same(moves(t, source, "ci.txt"), wanted, what)
        (source / "ci.txt").write_text(interleaved(few, *map(form, range(len(few)))))
        same(moves(t, source, "ci.txt"), moves(t, source, "few.txt"), what)
        (source / "ci.txt").write_text(interleaved(more, *map(form, range(len(more)))))
        for command in (("escapes",), ("escapes", "--diff", "m.txt")):
            contains(t.escapement(*command, "ci.txt", cwd=source, status=2).stderr,
                     "has lines of more commands that wrote at the same time than are told apart")
    # One after the other they are in order, as are lines that each have a number of their own, and events of one command.
    for what, prefix in {"steps": lambda n, number: f"#{n + 11} {number / 10:.3f} ",
                         "numbered lines": lambda n, number: f"[seq={number}] ",
                         "containers": lambda n, number: f"{number * 7919 % 16 ** 6:06x}a1b | "}.items():
        (source / "ci.txt").write_text(one_after_the_other(outputs, prefix))
        same(moves(t, source, "ci.txt"), wanted, what)
    (source / "ci.txt").write_text(go(t, source, "build", "-json", "-o", "prog", "-gcflags=all=-m=2", ".").stdout)
    same(moves(t, source, "ci.txt"), wanted, "events")


def test_prefixes_that_begin_late_or_are_too_many_are_refused(t):
    harness.require_root()
    source, outputs = many(t)
    wanted = moves(t, source, "m.txt")
    go(t, source, "build", "-o", "prog", ".")
    t.escapement("record", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
    plain = "".join(outputs)
    stamped = "".join(f"2026-01-02T03:04:05.{n}Z " + line for n, line in enumerate(plain.splitlines(True)))
    web = "".join("web-1  | " + line for line in plain.splitlines(True))
    logs = {
        "late": MUCH + web,
        "late, of several": MUCH + interleaved(outputs, *[lambda n, i=i: service(i) for i in range(len(outputs))]),
        "another one, late": "".join("api-1  | " + line for line in MUCH.splitlines(True)) + "api-1  | # m/p\n" + web,
        "behind a message without one": outputs[0] + web,
        "more names than are told apart": one_after_the_other(outputs, lambda n, number: service(n)),
        "more names, in turn": interleaved(outputs, *[lambda n, i=i: service(i) for i in range(len(outputs))]),
        "too long": "".join("/".join(["longer"] * 40) + " | " + line for line in plain.splitlines(True)),
        "logfmt, late": MUCH + "".join(f"level=info msg={json.dumps(line)}\n" for line in plain.splitlines()),
        "events, late": MUCH + "".join("web-1  | " + json.dumps({"ImportPath": "m", "Action": "build-output", "Output": line}) + "\n"
                                       for line in plain.splitlines(True)),
        "lines of a logger": MUCH + "".join("main.go:12: " + line for line in plain.splitlines(True)),
        "numbered, late": outputs[0] + "".join(f"{n:6}\t{line}" for n, line in enumerate(plain.splitlines(True))),
        "in objects": MUCH + "".join(json.dumps({"message": "web-1  | " + line}) + "\n" for line in plain.splitlines()),
    }
    for what, log in logs.items():
        (source / "ci.txt").write_text(log)
        for command in (("escapes",), ("escapes", "--diff", "m.txt"), ("audit", "p.pb.gz", "--escape")):
            done = t.escapement(*command, "ci.txt", cwd=source, status=2)
            contains(done.stderr, "has compiler output behind something that is not recognised")
    # These have been read all the time.
    for what, log in {"text": "\n".join(TALK) + "\n" + plain, "text between": ("\n".join(TALK) + "\n").join(outputs),
                      "much": MUCH + plain, "a prefix": stamped, "a prefix behind some": MUCH[:100000] + stamped,
                      "a prefix and none": web + plain, "what a test quotes": plain + "    # m/p\n    ./a.go:3:2: y escapes to heap\n",
                      "a command's path": "./build.sh\n/usr/bin/docker build .\n" + web}.items():
        (source / "ci.txt").write_text(log)
        same([move for move in moves(t, source, "ci.txt") if move[5] != "y"], wanted, what)


def test_lines_that_two_commands_have_cut_are_refused(t):
    """`make -j` into a pipe that is full: the kernel writes page by page."""
    text = "# m/p\n" + "".join(f"./a.go:{n}:6: moved to heap: value\n" for n in range(1, 50))
    other = text.replace("m/p", "m/q").replace("a.go", "b.go")
    for at in range(len(text) // 2, len(text) // 2 + 36):
        if text[at - 1] == "\n":
            continue
        t.path("m.txt").write_text(text[:at] + other + text[at:])
        done = t.escapement("escapes", t.path("m.txt"), status=2)
        contains(done.stderr, "make --output-sync")
    # What looks like it in a literal is none.
    t.path("m.txt").write_text("# m/p\n./a.go:3:6: \"./b.go:5:6: x\" escapes to heap\n./a.go:4:6: \"a# m/q\" escapes to heap\n"
                               "./a.go:5:6: \"'\" + x + `# m/q` escapes to heap\n"
                               "./a.go:6:6: can inline f with cost 3 as: func() { x := \"# m/q\" }\n")
    same(len(t.json("escapes", t.path("m.txt"))["annotations"]), 4)
    for line in ("    md_test.go:55: # docs/intro", "    esc_test.go:12: ./b.go:3:4: moved to heap: y",
                 "    fmt_test.go:9: got x.go:4: error: \"a\" escapes to heap", "a.go:12: x.go:3: value does not escape",
                 "./a.go # generated", "a.go:5:10: warning: unused variable # include/x", "./a.go:2:3: " + "x.go:1: " * 60000):
        t.path("m.txt").write_text(f"# m/p\n./a.go:3:6: moved to heap: x\n{line}\n")
        contains(t.escapement("escapes", t.path("m.txt")).stdout, "moved to heap: x")
    # What tests and loggers print may begin with a position, and be about another.
    t.path("m.txt").write_text("# m/p\n./a.go:3:6: moved to heap: x\n    parser_test.go:55: input.go:3:7: unexpected token\n"
                               "log.go:12: main.go:4: started\nparser_test.go:55: case # 3\nparser_test.go:55: input.go:3: unexpected token\n")
    same(len(t.json("escapes", t.path("m.txt"))["annotations"]), 1)


def test_what_is_filtered_or_has_numbers_of_lines_is_read(t):
    t.path("m.txt").write_text("# internal/byteorder\n# internal/itoa\n"
                               "/go/src/internal/itoa/itoa.go:15:6: cannot inline Itoa: function too complex: cost 100 exceeds budget 80\n"
                               "# m/p\n./main.go:9:6: cannot inline main: function too complex: cost 100 exceeds budget 80\n"
                               "./main.go:4:2: x escapes to heap in grow:\n./main.go:4:2:   flow: ~r0 = &x:\n"
                               "./main.go:4:2:     from &x (address-of) at ./main.go:5:9\n./main.go:4:2: moved to heap: x\n")
    contains(t.escapement("escapes", t.path("m.txt")).stdout, "moved to heap: x")
    lines = ["# m/left", "./a.go:7:2: moved to heap: x", "# m/right", "./b.go:9:15: inlining call to sub.Of", "./b.go:9:15: moved to heap: sub.w"]
    for prefix in (lambda n: f"{n} ", lambda n: f"03:04:05 {(n * 7 + 120) % 4 + 100} | ", lambda n: f"[build:{n}] "):
        t.path("m.txt").write_text("".join(prefix(n) + line + "\n" for n, line in enumerate(lines, 1)))
        same([(a["package"], a["file"]) for a in t.json("escapes", t.path("m.txt"))["annotations"] if "moved" in a["text"]],
             [("m/left", "a.go"), ("m/right", "b.go")])
    t.path("m.txt").write_text("".join(f"[10.0.0.{n % 2 + 5}] out: {line}\n" for n, line in enumerate(
        ("# m/left", "# m/load_test", "./a.go:7:2: moved to heap: x", "./a.go:9:2: moved to heap: y"))))
    same([(a["package"], a["file"]) for a in t.json("escapes", t.path("m.txt"))["annotations"]],
         [("m/left", "m/left/a.go"), ("m/load_test", "m/load_test/a.go")])


def test_two_versions_of_one_file_are_refused(t):
    source = module(t)
    old = said(t, source)
    (source / "shop" / "shop.go").write_text("// more\n" + SHOP)
    (source / "m.txt").write_text(old + said(t, source))
    contains(t.escapement("escapes", "m.txt", cwd=source, status=2).stderr, "two versions of shop/shop.go (example.com/out/shop): Add "
             "begins at line 6 and at line 7")
    (source / "m.txt").write_text(old + old)
    t.json("escapes", "m.txt", cwd=source)


def test_a_path_with_blanks_is_no_prefix(t):
    (t.path("m.txt")).write_text("# example.com/x\n./my dir/a b.go:3:2: moved to heap: x\n"
                                 "/home/me/my project/c.go:4:2: moved to heap: y\n")
    same([a["file"] for a in t.json("escapes", t.path("m.txt"))["annotations"]],
         ["my dir/a b.go", "/home/me/my project/c.go"])


def test_events_of_the_go_command_are_read(t):
    source = module(t)
    (source / "main_test.go").write_text("package main\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { println(*f(1)) }\n")
    (source / "m.txt").write_text(said(t, source))
    wanted = moves(t, source, "m.txt")
    done = go(t, source, "build", "-json", "-gcflags=-m=2", "./...")
    (source / "build.json").write_text(done.stdout + done.stderr)
    same(moves(t, source, "build.json"), wanted)
    for prefix in (PREFIXES["time stamp"], PREFIXES["compose"], PREFIXES["grep"]):
        (source / "ci.json").write_text("".join(prefix(n) + line + "\n" for n, line in enumerate(done.stdout.splitlines())))
        same(moves(t, source, "ci.json"), wanted, "events with something before them")
    done = go(t, source, "test", "-json", "-gcflags=-m=2", "./...")
    (source / "test.json").write_text(done.stdout + done.stderr)
    assert set(wanted) <= set(moves(t, source, "test.json")), moves(t, source, "test.json")
    # A new "moved to heap" in it fails the gate.
    (source / "main.go").write_text(MAIN + NEW)
    (source / "new.json").write_text(go(t, source, "build", "-json", "-gcflags=-m=2", "./...").stdout)
    contains(t.escapement("escapes", "--diff", "build.json", "new.json", cwd=source, status=1).stdout, "moved to heap: n")
    # A truncated line is reported.
    (source / "cut.json").write_text((source / "new.json").read_text()[:-40])
    contains(t.escapement("escapes", "--diff", "build.json", "cut.json", cwd=source, status=2).stderr, "is cut off")


def test_the_optimisation_log_is_read(t):
    for version in harness.go_releases("everyday"):
        source = module(t, f"log{version}")
        done = go(t, source, "build", "-gcflags=-m=2", "./...", version=version)
        (source / "m.txt").write_text(done.stderr)
        go(t, source, "build", f"-gcflags=-json=0,{source}/log", "./...", version=version)
        wanted = [move[1:] for move in moves(t, source, "m.txt")]
        same([move[1:] for move in moves(t, source, "log")], wanted, f"heap moves of Go {version}")
        if version == "1.27":
            harness.require_root()
            go(t, source, "build", "-o", "prog", ".", version=version)
            document = t.json("audit", "-q", "--escape", "log", "--rate", "1", "--", "./prog", cwd=source)
            same(sorted((row["verdict"], row["objects"], row["line"]) for row in document["rows"]
                        if row["verdict"].startswith("escapes")), [("escapes", 50, 6), ("escapes", 50, 8)])
            same(document["warnings"], [])
    empty = t.path("empty")
    empty.mkdir()
    contains(t.escapement("escapes", empty, status=2).stderr, "-gcflags=-json=0,DIR")


def test_a_build_that_failed_is_not_compared_and_is_named(t):
    source = module(t)
    (source / "old.txt").write_text(said(t, source))
    (source / "shop" / "shop.go").write_text(SHOP + "func B() { nothing() }\n")
    (source / "new.txt").write_text(said(t, source, status=1))
    (source / "new.json").write_text(go(t, source, "build", "-json", "-gcflags=-m=2", "./...", status=1).stdout)
    for sides in (("old.txt", "new.txt"), ("new.txt", "old.txt"), ("old.txt", "new.json")):
        for options in ((), ("--format", "json"), ("--format", "github")):
            done = t.escapement("escapes", *options, "--diff", *sides, cwd=source, status=2)
            contains(done.stderr, "is from a build that failed: example.com/out/shop did not compile")
            contains(done.stderr, "undefined: nothing")
            same(done.stdout, "")


def test_what_vet_says_is_no_failed_build(t):
    t.path("m.txt").write_text("# example.com/x\n./x.go:3:2: moved to heap: x\n# example.com/y\n# [example.com/y]\n"
                               "./y.go:4:2: fmt.Printf format %d has arg x of wrong type string\n")
    t.escapement("escapes", "--diff", t.path("m.txt"), t.path("m.txt"), status=0)


def test_a_log_that_was_cut_is_not_compared(t):
    source = module(t)
    whole = said(t, source)
    (source / "old.txt").write_text(whole)
    t.escapement("escapes", "--diff", "old.txt", "old.txt", cwd=source)
    for cut in (whole[:-12], whole + "Job's log exceeded limit of 4194304 bytes.\n",
                "[output clipped, log limit 2MiB reached]\n" + whole):
        (source / "new.txt").write_text(cut)
        contains(t.escapement("escapes", "--diff", "old.txt", "new.txt", cwd=source, status=2).stderr, "is cut off")
        contains(t.escapement("escapes", "new.txt", cwd=source).stderr, "is cut off")
    # The last newline is missing, as some editors leave it: the output is complete.
    (source / "new.txt").write_text(whole.rstrip("\n"))
    t.escapement("escapes", "--diff", "old.txt", "new.txt", cwd=source)


def test_a_log_that_was_cut_at_the_end_of_a_line_or_wrapped_is_not_compared(t):
    """Nothing of a line may be missing, and nothing of the last explanation; what other tools print behind the output is no such line."""
    source = module(t)
    whole = said(t, source)
    lines = whole.splitlines(keepends=True)
    (source / "old.txt").write_text(whole)
    heading = max(number for number, line in enumerate(lines) if re.search(r": .* escapes to heap.*:$", line))
    message = lines[-1]
    position = message[:message.index(": ") + 2]
    for cut in ("".join(lines[:heading + 1]), "".join(lines[:heading + 1]) + "make: *** [all] Terminated\n",
                whole + message[:6] + "\n", whole + position[:-4] + "\n", whole + message[:-6] + "\n",
                whole + position + "x escapes to h\n", whole + position + "  flow: ~r0\n",
                "".join(line if len(line) <= 40 else line[:40] + "\n" + line[40:] for line in lines)):
        (source / "new.txt").write_text(cut)
        done = t.escapement("escapes", "--diff", "old.txt", "new.txt", cwd=source, status=None)
        same((done.returncode, "is cut off" in done.stderr), (2, True), cut[-300:] + done.stderr)
    (source / "new.txt").write_text("".join(lines[heading + 1:]))  # the last part of a log
    contains(t.escapement("escapes", "new.txt", cwd=source).stderr, "is cut off")
    t.escapement("escapes", "--diff", "old.txt", "new.txt", cwd=source, status=2)
    t.escapement("escapes", "--diff", "new.txt", "old.txt", cwd=source, status=2)
    for more in ("./...\n", "main\n", "./main.go:12:3: func unused is unused (U1000)\n", "real 0m1.2s\n", "".join(lines[:-1])):
        (source / "new.txt").write_text(whole + more)
        assert "is cut off" not in t.escapement("escapes", "new.txt", cwd=source).stderr, more
    # `go build -v` prints the paths of packages, also of some about which nothing is said
    verbose = whole.replace("\n# ", "\nexample.org/none\n# ") + "# example.org/none/inner\n" + lines[-1] + "example.org/none\n"
    (source / "new.txt").write_text(verbose + "example.org/none/inner\n")
    assert "is cut off" not in t.escapement("escapes", "new.txt", cwd=source).stderr
    (source / "new.txt").write_text(verbose)
    assert "is cut off" not in t.escapement("escapes", "new.txt", cwd=source).stderr
    (source / "new.txt").write_text("".join(line for line in lines[:heading + 1] if re.search("^#| escapes to heap", line)))
    assert "is cut off" not in t.escapement("escapes", "new.txt", cwd=source).stderr


def test_a_whole_log_that_begins_with_a_line_of_an_explanation_is_not_cut(t):
    """Lines that were sorted, and a line of another tool; what is left of the same logs without their beginnings is cut."""
    source = module(t)
    lines = said(t, source).splitlines(keepends=True)
    bare = [line for line in lines if not line.startswith("#")]
    within = next(number for number, line in enumerate(lines) if ":   flow: " in line)
    other = "./pipeline.yml:3:5:   flow: build = test:\n"
    for name, text in (("sorted", sorted(bare)), ("sorted once", sorted(set(bare))), ("sorted with headers", sorted(lines)),
                       ("up to a heading", sorted(lines)[:1 + max(number for number, line in enumerate(sorted(lines))
                                                                  if re.search(r"escapes to heap.*:$", line))]),
                       ("other tool", [other, *lines]), ("other tool, without headers", [other, *bare]),
                       ("tool without a position", ["\tflow: build = test:\n", *lines]),
                       ("other file", [other.replace("yml", "go"), *lines])):
        (source / "new.txt").write_text("".join(text))
        assert "is cut off" not in t.escapement("escapes", "new.txt", cwd=source).stderr, name
    for name, text in (("flow", lines[within:]), ("from", lines[within + 1:]), ("without headers", bare[bare.index(lines[within]):]),
                       ("and an end", lines[within:] + ["make: *** [all] Error 1\n"])):
        (source / "new.txt").write_text("".join(text))
        assert "is cut off" in t.escapement("escapes", "new.txt", cwd=source).stderr, name


def test_a_package_that_was_not_built_is_not_gone_and_one_that_was_removed_is(t):
    source = module(t)
    (source / "old.txt").write_text(said(t, source))
    (source / "main.go").write_text(MAIN.replace("shop.Add(i)", "").replace('import "example.com/out/shop"', ""))
    (source / "new.txt").write_text(said(t, source, "."))
    contains(t.escapement("escapes", "--diff", "old.txt", "new.txt", cwd=source, status=2).stderr,
             "has no output for example.com/out/shop, which the old output has and whose files still exist")
    # Only the compared packages have to be complete.
    t.escapement("escapes", "--package", "example.com/out", "--diff", "old.txt", "new.txt", cwd=source)
    contains(t.escapement("escapes", "--diff", source / "old.txt", source / "new.txt", status=2).stderr,
             "was it removed, or not built?")
    (source / "shop" / "shop.go").unlink()
    contains(t.escapement("escapes", "--diff", "old.txt", "new.txt", cwd=source).stdout, "0 new, 1 gone")


def test_an_audit_says_which_packages_of_the_module_the_output_lacks(t):
    harness.require_root()
    for version in harness.go_releases("everyday"):
        source = module(t, f"out{version}")
        (source / "m.txt").write_text(said(t, source, "-o", "prog", ".", version=version))
        (source / "all.txt").write_text(said(t, source, version=version))
        t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
        done = t.escapement("audit", "--escape", "m.txt", "p.pb.gz", cwd=source)
        warning, = done.stderr.splitlines()
        contains(warning, "covers only some packages of the program: nothing about example.com/out/shop; ")
        contains(" ".join(done.stdout.split()), "the compiler's output lacks its package: 'go build -gcflags=-m=2 ./...'")
        contains(warning, "go build -gcflags=-m=2 ./... 2> FILE")
        done = t.escapement("gate", "--rate", "1", "--runs", "2", "--baseline", "base.json", "--update", "--escape", "m.txt",
                            "--", "./prog", cwd=source)
        contains(done.stderr, "covers only some packages of the program: nothing about example.com/out/shop; ")
        same(t.escapement("audit", "--escape", "all.txt", "p.pb.gz", cwd=source).stderr, "", f"Go {version}")
    (source / "cut.txt").write_text((source / "all.txt").read_text() + "[truncated 3 lines]\n")
    contains(t.escapement("audit", "--escape", "cut.txt", "p.pb.gz", cwd=source).stderr, "the compiler output is cut off")


def test_modules_beside_the_main_one_are_covered_by_the_command_that_is_named(t):
    """Vendored, and in a workspace: ./... is the main module alone, so that it would be named again and again."""
    harness.require_root()
    library = "package lib\n\nvar kept *[4]int\n\n//go:noinline\nfunc Make(n int) { kept = &[4]int{n} }\n"
    program = "package main\n\nimport \"example.com/lib\"\n\nfunc main() {\n\tfor i := range 100 {\n\t\tlib.Make(i)\n\t}\n}\n"
    modules = "# example.com/lib v1.2.3\n## explicit; go 1.22\nexample.com/lib\n"
    required = "module example.com/app\n\ngo 1.22\n\nrequire example.com/lib v1.2.3\n"
    for name, files in (("vendored", {"app/go.mod": required, "app/main.go": program, "app/vendor/modules.txt": modules,
                                      "app/vendor/example.com/lib/lib.go": library}),
                        ("workspace", {"go.work": "go 1.22\n\nuse (\n\t./app\n\t./lib\n)\n", "app/go.mod": required,
                                       "app/main.go": program, "lib/go.mod": "module example.com/lib\n\ngo 1.22\n", "lib/lib.go": library})):
        for path, text in files.items():
            t.path(f"{name}/{path}").parent.mkdir(parents=True, exist_ok=True)
            t.path(f"{name}/{path}").write_text(text)
        source, version = t.path(f"{name}/app"), harness.go_releases("everyday")[-1]
        (source / "m.txt").write_text(go(t, source, "build", "-gcflags=-m=2", "-o", "prog", ".", version=version).stderr)
        t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
        audit = ("audit", "--escape", "m.txt", "-C", ".", "--module", "example.com/*", "p.pb.gz")
        warning, = t.escapement(*audit, cwd=source).stderr.splitlines()
        contains(warning, f"nothing about example.com/lib; cover all modules with: {NATIVE} go build -gcflags=all=-m=2 ./... 2> FILE")
        command = warning.rsplit(": ", 1)[1].split(" 2> ")[0]
        (source / "m.txt").write_text(go(t, source, *command.partition(" go ")[2].split(), version=version).stderr)
        same(t.escapement(*audit, cwd=source).stderr, "", name)
        made = [row for row in t.json(*audit, cwd=source)["rows"] if row["function"] == "example.com/lib.Make"]
        same([(row["verdict"], row["line"], row["objects"]) for row in made], [("escapes", 6, 100)], name)


def test_output_of_other_build_tags_is_named_with_the_command_that_has_the_programs(t):
    """Files that only one set of tags selects: a function that each set has, a package that one set imports."""
    harness.require_root()
    for version in harness.go_releases("everyday"):
        source = module(t, f"tags{version}")
        (source / "extra").mkdir()
        (source / "extra" / "extra.go").write_text("//go:build extra\n\n" + SHOP.replace("shop", "extra"))
        (source / "hook_yes.go").write_text(
            "//go:build extra\n\npackage main\n\nimport \"example.com/out/extra\"\n\nfunc init() { extra.Add(1) }\n")
        go(t, source, "build", "-tags", "extra", "-o", "prog", ".", version=version)
        t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
        (source / "m.txt").write_text(go(t, source, "build", "-gcflags=-m=2", "./...", version=version).stderr)
        warning, = t.escapement("audit", "-e", "m.txt", "p.pb.gz", cwd=source).stderr.splitlines()
        contains(warning, "nothing about example.com/out/extra; cover the whole module, built with the program's tags, with: "
                          f"{NATIVE} go build -tags=extra -gcflags=-m=2 ./... 2> FILE")
        for tag, name in (("extra", "more_yes.go"), ("!extra", "more_no.go")):
            (source / "shop" / name).write_text(f"//go:build {tag}\n\npackage shop\n\nvar kept *[5]int\n\n"
                                                "//go:noinline\nfunc more(n int) { kept = &[5]int{n} }\n")
        (source / "shop" / "shop.go").write_text(SHOP.replace("int{n} }", "int{n}; more(n) }"))
        go(t, source, "build", "-tags", "extra", "-o", "prog", ".", version=version)
        t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
        (source / "m.txt").write_text(go(t, source, "build", "-gcflags=-m=2", "./...", version=version).stderr)
        warning, = t.escapement("audit", "-e", "m.txt", "p.pb.gz", cwd=source).stderr.splitlines()
        contains(warning, "does not match the program: ")
        contains(warning, "1 function is in another file, as with other build tags (example.com/out/shop.more: more_yes.go "
                          "in the program, more_no.go in the output)")
        contains(warning, "it says nothing about example.com/out/extra; ")
        assert "covers only some packages" not in warning, warning
        command = warning.rsplit(": ", 1)[1].split(" 2> ")[0]
        same(command, f"{NATIVE} go build -tags=extra -gcflags=-m=2 ./...")
        (source / "m.txt").write_text(go(t, source, *command.partition(" go ")[2].split(), version=version).stderr)
        same(t.escapement("audit", "-e", "m.txt", "p.pb.gz", cwd=source).stderr, "", f"Go {version}, the right output")


def test_the_command_has_the_constraints_of_the_environment_and_tags_of_any_length(t):
    """The program was built without cgo, with 2,000 bytes of tags; the command, run as it is printed, has its words."""
    harness.require_root()
    tags = ",".join(f"tag{n:03}" for n in range(290)) + ",extra"
    source = module(t, "constraints")
    for constraint, file in (("cgo || !extra", "more_cgo.go"), ("!cgo && extra", "more_pure.go")):
        (source / "shop" / file).write_text(f"//go:build {constraint}\n\npackage shop\n\nvar kept *[5]int\n\n"
                                            "//go:noinline\nfunc more(n int) { kept = &[5]int{n} }\n")
    (source / "shop" / "shop.go").write_text(SHOP.replace("int{n} }", "int{n}; more(n) }"))
    shell = environment(t, CGO_ENABLED="1", PATH=f"{harness.go_toolchain('1.27').parent}:{os.environ['PATH']}")
    t.run("sh", "-c", f"CGO_ENABLED=0 go build -tags={tags} -o prog .", cwd=source, env=shell)
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./prog", cwd=source)
    t.run("sh", "-c", "go build -gcflags=-m=2 ./... 2> m.txt", cwd=source, env=shell)
    warning, = t.escapement("audit", "-e", "m.txt", "p.pb.gz", cwd=source).stderr.splitlines()
    contains(warning, "more_pure.go in the program, more_cgo.go in the output")
    command = warning.rsplit(": ", 1)[1]
    contains(command, "CGO_ENABLED=0 GOARCH=")
    contains(command, f" go build -tags={tags} -gcflags=-m=2 ./... 2> FILE")
    t.run("sh", "-c", command.replace("FILE", "m.txt"), cwd=source, env=shell)
    same(t.escapement("audit", "-e", "m.txt", "p.pb.gz", cwd=source).stderr, "")


def test_a_gate_says_that_the_output_is_of_another_build(t):
    harness.require_root()
    gate = ("gate", "--rate", "1", "--runs", "2", "--baseline", "base.json", "--update", "--escape")
    for version in harness.go_releases("everyday"):
        source = module(t, f"out{version}")
        (source / "m.txt").write_text(said(t, source, version=version))
        go(t, source, "build", "-o", "prog", ".", version=version)
        done = t.escapement(*gate, "m.txt", "--", "./prog", cwd=source)
        same([line for line in done.stderr.splitlines() if "warning" in line], [], f"Go {version}")
        (source / "main.go").write_text("// one\n// two\n" + MAIN)
        (source / "old.txt").write_text(said(t, source, version=version))
        done = t.escapement(*gate, "old.txt", "--", "./prog", cwd=source)
        warning, = [line for line in done.stderr.splitlines() if "warning" in line]
        contains(warning, "the compiler output does not match the program")


harness.main()
