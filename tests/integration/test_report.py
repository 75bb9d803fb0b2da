#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`escapement report`: its examples, its formats, its errors and exit statuses."""
import csv
import gzip
import html
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import fcntl
import termios

import harness
import test_html
from harness import contains, same

GO_PROGRAM = """package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

var sink []byte

//go:noinline
func allocate(n int) {
	for i := 0; i < n; i++ {
		sink = make([]byte, 1000)
	}
}

func main() {
	// The distance to the first sample was drawn at the old rate: get past it.
	runtime.MemProfileRate = 4096
	for i := 0; i < 64; i++ {
		sink = make([]byte, 1<<20)
	}
	allocate(20000)
	runtime.GC()
	file, _ := os.Create(os.Args[1])
	pprof.Lookup("allocs").WriteTo(file, 0)
	file.Close()
}
"""


def go_profile(t, name="escapement.pb.gz"):
    """A heap profile of Go's runtime/pprof: 20,000 objects of 1,024 bytes at main.go:14, and others."""
    if not os.access("/usr/bin/go", os.X_OK):
        raise harness.Skip("no /usr/bin/go")
    t.path("main.go").write_text(GO_PROGRAM)
    environment = dict(os.environ, GO111MODULE="off", GOFLAGS="")
    t.run("/usr/bin/go", "build", "-o", "program", "main.go", env=environment)
    t.run("./program", t.path(name))
    return t.path(name)


def refused(t, *arguments, message, status=2):
    done = t.escapement("report", *arguments, status=status)
    contains(done.stderr, message)
    same(done.stdout, "", "standard output")
    return done


def test_a_go_heap_profile_is_reported_with_its_intervals(t):
    report = t.json("report", go_profile(t))
    same(report["schema"], "escapement.report/2")
    same(report["exact"], {"totals": False, "rows": False})
    same(report["rate"], 4096)
    same(report["check"], None)
    row = next(row for row in report["rows"] if row["function"] == "main.allocate")
    same(row["line"], 14)
    # Go's sampler has no fixed seed. Allows six standard deviations; the interval spans four.
    margin = (row["objects_high"] - row["objects_low"]) / 2
    if not row["objects_low"] - margin <= 20000 <= row["objects_high"] + margin:
        raise AssertionError(f"20000 objects are far from {row}")
    same(row["refills"], None)
    totals = report["totals"]
    if not totals["bytes_low"] <= totals["bytes"] <= totals["bytes_high"] or totals["objects_low"] > totals["objects"]:
        raise AssertionError(f"totals: {totals}")
    same((totals["objects_high"], row["tiny_objects"]), (None, None), "tiny objects that share blocks have no sample")


def text_of(value):
    """A value as text in CSV: empty if unknown, as in rows that only contain heap growth."""
    return "" if value is None else str(value)


LOOP = """package main

import (
	"os"
	"runtime/pprof"
	"strconv"
)

var sink []byte

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	for i := 0; i < n; i++ {
		switch i %% 8 {
%s		}
	}
	if len(os.Args) > 4 {
		pprof.Lookup("allocs").WriteTo(os.Stdout, 0)
	}
}
""" % "".join(f"\t\tcase {i}:\n\t\t\tsink = make([]byte, 1000)\n" for i in range(8))


IDLE = """package main

import (
	"os"
	"os/signal"
)

func main() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt)
	os.Stdout.WriteString("ready\\n")
	<-asked
}
"""


def test_a_program_that_allocates_nothing_has_a_sentence_in_the_place_of_each_table(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    t.path("main.go").write_text(IDLE)
    t.path("go.mod").write_text("module idle\n\ngo 1.19\n")
    built = t.run(go, "build", "-gcflags=-m=2", "-o", "idle", ".", env=dict(os.environ, GOTOOLCHAIN="local", GOFLAGS=""))
    t.path("m2.txt").write_text(built.stderr)
    process = t.start(t.path("idle"))
    same(process.stdout.readline(), "ready\n")
    sentence = "no rows: nothing was allocated while it was recorded; record for longer, or while the program works"
    for rate in ("512k", "1", "0"):
        t.escapement("record", "-q", "--rate", rate, "--duration", "0.3s", "-p", process.pid, "-o", "p.pb.gz")
        for command in (*(("report", "--by", by) for by in ("site", "frame", "function", "type", "size-class", "stack")),
                        ("audit", "--escape", "m2.txt")):
            done = t.escapement(*command, "p.pb.gz")
            contains(" ".join(done.stdout.split()), sentence)
            assert max(map(len, done.stdout.splitlines())) <= 80, done.stdout
            assert not re.search(r"\bSITE$", done.stdout, re.M), done.stdout  # the last column's head
    done = t.escapement("top", "--batch", "--rate", 1, "--interval", "0.1s", "--duration", "0.3s", "-p", process.pid)
    contains(done.stdout, "\n  nothing allocated yet\n")
    assert "SITE" not in done.stdout, done.stdout
    process.send_signal(signal.SIGINT)
    same(process.wait(harness.TIMEOUT), 0)


def test_too_few_samples_are_told_with_the_command_that_tells_more(t):
    harness.require_root()
    go = harness.go_toolchain(harness.go_releases("record")[-1])
    t.path("main.go").write_text(LOOP)
    t.path("go.mod").write_text("module loop\n\ngo 1.19\n")
    built = t.run(go, "build", "-gcflags=-m=2", "-o", "loop", ".", env=dict(os.environ, GOTOOLCHAIN="local", GOFLAGS=""))
    t.path("m2.txt").write_text(built.stderr)

    def advice(count, *record):
        """Records `count` allocations. Returns, for each command that reads the recording, the match of its advice
        about too few samples, or None. The program has ended: recording it for longer would tell no more."""
        t.escapement(*(record or ("record", "-q")), "-o", "p.pb.gz", "--", "./loop", count, "a b", "--token=secret")
        t.escapement("html", "-q", "-o", "page.html", "p.pb.gz")
        texts = [t.escapement("report", "p.pb.gz").stdout, t.escapement("report", "--by", "stack", "p.pb.gz").stdout,
                 t.escapement("audit", "--escape", "m2.txt", "p.pb.gz").stdout, t.path("page.html").read_text()]
        return [re.search(r"too few samples: [^(]*\. Count every allocation \([^)]*\): escapement (record [^(]*) -- ./loop "
                          f"{count} 'a b' '--token=<hidden>'", " ".join(html.unescape(text).split())) for text in texts]

    # Five samples are expected in all, so that there is one. An estimate within a factor of two needs more than five on one of the eight
    # lines.
    few = advice(2500)
    assert all(few), few
    for options in (("--by", "size-class"), ("--callers", "main.main"), ("--focus", "main.main")):
        assert "too few samples" not in t.escapement("report", *options, "p.pb.gz").stdout, options
    commands = {match[1] for match in few}
    same(len(commands), 1, f"advice of each command: {commands}")
    same(advice(400000), [None] * 4, "advice although there are enough samples")
    filtered = t.escapement("audit", "--escape", "m2.txt", "--function", "no.such", "p.pb.gz").stdout
    assert "too few samples" not in filtered, filtered
    same(advice(1000, *commands.pop().split()), [None] * 4, "advice on the recording that was recommended")
    lines = {row["line"]: row["objects"] for row in t.json("report", "p.pb.gz")["rows"] if row["function"] == "main.main"}
    same({line: lines.get(line) for line in range(16, 32, 2)}, dict.fromkeys(range(16, 32, 2), 125), "objects of the lines")


def test_bytes_have_intervals_wherever_objects_have_them(t):
    """In a pipe as numbers, on a narrow terminal in percent, outwards; in an audit's text beside those of objects."""
    profile = go_profile(t)
    document = t.json("report", profile)
    row = next(row for row in document["rows"] if row["function"] == "main.allocate")
    line, = [line for line in t.escapement("report", profile).stdout.splitlines() if "main.allocate" in line]
    contains(line, f" {row['bytes']} {row['bytes_low']}..{row['bytes_high']} ")
    narrow = t.escapement("report", profile, env={**os.environ, "COLUMNS": "80"}).stdout
    less, more = re.search(rf" {row['bytes']} +-(\d+)\+(\d+)% main.allocate", narrow).groups()
    assert row["bytes_low"] >= row["bytes"] * (1 - int(less) / 100) and row["bytes_high"] <= row["bytes"] * (1 + int(more) / 100)
    assert row["bytes_low"] < row["bytes"] * (1.01 - int(less) / 100) and row["bytes_high"] > row["bytes"] * (0.99 + int(more) / 100)
    totals = document["totals"]
    contains(" ".join(narrow.split()), f"between {totals['bytes_low']} and {totals['bytes_high']} bytes (95 % interval)")
    t.path("m2.txt").write_text("# example.com/x\n./x.go:1:2: moved to heap: x\n")
    audit = t.escapement("audit", "--escape", t.path("m2.txt"), profile).stdout
    assert re.search(r"(between|at least) .* objects, .*B", audit), audit


def test_all_formats_agree(t):
    profile = go_profile(t)
    for by in ("site", "function", "type", "size-class", "stack"):
        rows = t.json("report", "--by", by, profile)["rows"]
        text = t.escapement("report", "--by", by, "--format", "csv", profile).stdout
        table = list(csv.DictReader(io.StringIO(text)))
        same([(row["objects"], row["bytes"], row["refills"]) for row in table],
             [(text_of(row["objects"]), text_of(row["bytes"]), "") for row in rows], f"--by {by}: numbers in CSV")
    folded = t.escapement("report", "--format", "folded", profile).stdout
    same(sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()),
         sum(row["bytes"] or 0 for row in rows), "bytes of folded stacks")


def test_top_and_sort(t):
    profile = go_profile(t)
    everything = t.json("report", "--sort", "objects", profile)["rows"]
    objects = [-1 if row["objects"] is None else row["objects"] for row in everything]
    same(objects, sorted(objects, reverse=True))
    first = t.json("report", "--sort", "objects", "--top", "1", profile)
    same(first["rows"], everything[:1])
    text = t.escapement("report", "--by", "stack", "--top", "1", profile).stdout
    contains(text, " more rows; --top 0 shows all\n")


def read_terminal(main):
    """All that is written to the other end of a terminal until that is closed."""
    shown = b""
    while select.select([main], [], [], harness.TIMEOUT)[0]:
        try:
            part = os.read(main, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(main)
    return shown


def test_text_is_whole_in_a_pipe_and_as_wide_as_a_terminal_or_columns_say(t):
    profile = go_profile(t)
    without = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    for by in ("site", "stack"):
        narrow = t.escapement("report", "--by", by, profile, env={**without, "COLUMNS": "80"}).stdout
        contains(narrow, "main.allocate")
        same([line for line in narrow.splitlines() if len(line) > 80], [], "lines of more than 80 columns")
        text = t.escapement("report", "--by", by, profile, env=without).stdout
        contains(text, f"main.allocate {t.path('main.go')}:14")
        if "\033" in text:
            raise AssertionError("colours in a pipe")
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS")}
    environment["TERM"] = "xterm"
    child = subprocess.Popen([harness.ESCAPEMENT, "report", "--by", "stack", profile], stdout=terminal,
                             env=environment)
    os.close(terminal)
    shown = read_terminal(main)
    same(child.wait(harness.TIMEOUT), 0, "exit status")
    text = re.sub(r"\033\[[0-9;]*m", "", shown.decode())
    contains(text, f"main.allocate {t.path('main.go')}:14")
    if b"\033[1m" not in shown:
        raise AssertionError("no colours on a terminal")
    if not any(80 < len(line.rstrip()) <= 150 for line in text.splitlines()):
        raise AssertionError(f"does not use the terminal's width: {text}")


def test_messages_are_as_wide_as_a_terminal_and_one_line_elsewhere(t):
    t.path("m2.txt").write_text("./a.go:4:2: moved to heap: x\n")
    words = ("audit", "--escape", t.path("m2.txt"), "--no-follow", "p.pb.gz")
    whole = t.escapement(*words, status=2).stderr
    same(whole.count("\n"), 1)
    assert len(whole) > 100, whole
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    child = subprocess.Popen([harness.ESCAPEMENT, *words], stderr=terminal, env=environment)
    os.close(terminal)
    shown = read_terminal(main).decode().splitlines()
    same(child.wait(harness.TIMEOUT), 2, "exit status")
    assert len(shown) > 1 and max(map(len, shown)) <= 80, shown
    same(" ".join(line.strip() for line in shown), whole.strip())


def test_standard_input_and_output_files(t):
    profile = go_profile(t)
    direct = t.escapement("report", "--format", "json", profile).stdout
    with open(profile, "rb") as stream:
        same(t.escapement("report", "--format", "json", "-", stdin=stream).stdout, direct, "report of stdin")
    output = t.path("out.json")
    same(t.escapement("report", "--format", "json", "-o", output, profile).stdout, "")
    same(output.read_text(), direct, "report in a file")
    with open(t.path("redirected"), "w") as stream:
        subprocess.run([harness.ESCAPEMENT, "report", "--format", "json", "-o", "/dev/stdout", profile], stdout=stream,
                       check=True)
        same(os.fstat(stream.fileno()).st_ino, t.path("redirected").stat().st_ino, "the shell's file")
    same(t.path("redirected").read_text(), direct, "report to /dev/stdout")
    same(sorted(path.name for path in t.directory.iterdir()),
         ["escapement.pb.gz", "main.go", "out.json", "program", "redirected"], "files left")


def test_wrong_input_is_named_and_exits_2(t):
    profile = go_profile(t)
    data = profile.read_bytes()
    refused(t, t.path("missing"), message=f"cannot open profile '{t.path('missing')}': No such file")
    refused(t, t.directory, message="Is a directory")
    for name, content, message in (
            ("empty", b"", "is empty"),
            ("text", b"hello, this is no profile\n", "is not a pprof profile"),
            ("truncated", data[:len(data) // 2], "is truncated"),
            ("short", gzip.compress(gzip.decompress(data)[:300]), "truncated or corrupt"),
            ("flipped", data[:-6] + bytes([data[-6] ^ 1]) + data[-5:], "is corrupt")):
        t.path(name).write_bytes(content)
        contains(refused(t, t.path(name), message=message).stderr, f"'{t.path(name)}'")
    refused(t, profile, profile, message="one profile at a time")


def test_wrong_usage_exits_2(t):
    refused(t, "--nonsense", message="unknown option '--nonsense'")
    refused(t, "--by", "colour", message="invalid value 'colour' for --by: expected one of site, frame, function")
    refused(t, "--top", "-1", message="invalid value '-1' for --top")
    refused(t, "--format", "folded", "--by", "site", message="--format folded shows stacks")
    refused(t, "--sort", "refills", go_profile(t), message="does not measure them")


def test_a_full_disk_is_an_error(t):
    profile = go_profile(t)
    refused(t, "-o", "/dev/full", profile, message="cannot write '/dev/full': No space left on device")
    with open("/dev/full", "w") as full:
        done = subprocess.run([harness.ESCAPEMENT, "report", profile], stdout=full, stderr=subprocess.PIPE, text=True)
    same(done.returncode, 2, "exit status with a full standard output")
    contains(done.stderr, "No space left on device")
    refused(t, "-o", t.path("no/such/file"), profile, message="cannot write")


def recording(t, *options):
    """A recording of the seed programs: every allocation of 50 rounds."""
    harness.require_root()
    counts, profile = t.path("counts"), t.path("escapement.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, *options, "--", harness.workload("seeds"), "--rounds", "50",
                 f"--print-counts={counts}")
    return profile, [json.loads(line) for line in counts.read_text().splitlines()]


def test_the_examples_of_help_work_as_written(t):
    recording(t)
    text = t.escapement("report", "--help").stdout
    examples = [line.strip() for line in text.split("examples:\n")[1].splitlines() if line.strip()]
    if len(examples) < 4:
        raise AssertionError(f"examples: {examples}")
    environment = dict(os.environ, PATH=f"{harness.ESCAPEMENT.parent}:{os.environ['PATH']}")
    for example in examples:
        t.run("sh", "-c", example, env=environment)
    contains(t.path("stacks.folded").read_text(), ";main.foo;runtime.newobject;runtime.mallocgc ")
    json.loads(t.path("report.json").read_text())


def test_sites_of_a_recording_are_the_programs_own_counts(t):
    profile, counts = recording(t)
    expected = {}
    for site in counts:
        key = (site["file"], site["line"], site["function"])
        if site["objects"]:
            objects, size = expected.get(key, (0, 0))
            expected[key] = (objects + site["objects"], size + site["bytes"])
    report = t.json("report", profile)
    same(report["exact"], {"totals": True, "rows": True})
    same({(row["file"], row["line"], row["function"]): (row["objects"], row["bytes"]) for row in report["rows"]
          if (row["file"] or "").endswith(".go")}, expected, "sites")
    same(report["lost"], {"events": 0, "stacks": 0})
    same(report["check"]["difference"], 0, "check")
    for by in ("function", "type", "size-class", "stack"):
        rows = t.json("report", "--by", by, profile)["rows"]
        for value in ("objects", "bytes", "refills", "central_grows", "heap_grows", "heap_grow_bytes"):
            same(sum(row[value] for row in rows), report["totals"][value], f"{value} by {by}")


def test_go_tool_pprof_opens_a_recording_without_complaint(t):
    if not os.access("/usr/bin/go", os.X_OK):
        raise harness.Skip("no /usr/bin/go")
    profile, _ = recording(t)
    # pprof finds the sources in the directory in which the programs were compiled.
    for options, part in ((["-top"], "main.foo"), (["-tags"], "span_class"),
                          (["-top", "-sample_index=refills"], "Type: refills"),
                          (["-list=main.foo", f"-source_path={harness.FIXTURES / 'seed-programs'}"], "ROUTINE"),
                          (["-traces"], "main.foo")):
        done = t.run("/usr/bin/go", "tool", "pprof", *options, profile)
        contains(done.stdout, part)
        same(done.stderr, "", f"warnings with {options}")
        if "Error:" in done.stdout:
            raise AssertionError(f"{options}: {done.stdout[:2000]}")


def test_a_closed_pipe_ends_quietly_enough(t):
    profile = go_profile(t)
    done = t.run("sh", "-c", f"{harness.ESCAPEMENT} report --format json {profile} | true", status=None)
    if "Traceback" in done.stderr or "core dumped" in done.stderr:
        raise AssertionError(done.stderr)


def own_profile(t):
    t.escapement("record", "--in-process", "-o", t.path("own"), "--", harness.workload("seeds"), "--rounds", 1)
    return "--format", "json", t.path("own")


def test_what_replaces_a_file_has_its_owner_and_permissions(t):
    if os.geteuid() != 0:
        raise harness.Skip("needs root to have a file of somebody else")
    profile = own_profile(t)
    t.path("out").write_text("old")
    os.chown(t.path("out"), 65534, 65533)
    t.path("out").chmod(0o640)
    t.escapement("report", "-o", t.path("out"), *profile)
    status = t.path("out").stat()
    same((status.st_uid, status.st_gid, status.st_mode & 0o777), (65534, 65533, 0o640), "owner, group and mode")
    json.loads(t.path("out").read_text())


def test_a_group_that_cannot_be_kept_gives_ours_no_more_than_anybody_has(t):
    if os.geteuid() != 0:
        raise harness.Skip("needs root to have a file of somebody else")
    profile = own_profile(t)
    escapement = t.copy(harness.ESCAPEMENT)
    t.path("own").chmod(0o644)
    t.path("out").write_text("old")
    os.chown(t.path("out"), 65534, 0)
    t.path("out").chmod(0o664)
    t.run(escapement, "report", "-o", t.path("out"), *profile, user=65534, group=65534, extra_groups=[])
    status = t.path("out").stat()
    same((status.st_uid, status.st_gid, status.st_mode & 0o777), (65534, 65534, 0o644), "owner, group and mode")


def test_a_symbolic_link_to_no_file_yet_is_followed(t):
    profile = own_profile(t)
    t.path("there").mkdir()
    t.path("first").symlink_to("there/second")
    t.path("there/second").symlink_to("out")
    t.escapement("report", "-o", t.path("first"), *profile)
    assert t.path("first").is_symlink() and t.path("there/second").is_symlink()
    json.loads(t.path("there/out").read_text())
    same(sorted(os.listdir(t.path("there"))), ["out", "second"])
    t.path("loop").symlink_to("loop")
    contains(t.escapement("report", "-o", t.path("loop"), *profile, status=2).stderr, "symbolic links")
    t.path("astray").symlink_to("none/out")
    contains(t.escapement("report", "-o", t.path("astray"), *profile, status=2).stderr, "No such file")


def test_a_locale_without_a_names_characters_shows_their_bytes(t):
    """What the locale cannot decode libsmartcols measured without an end."""
    name = "main.gr\u00f6\u00dfe"
    profile = test_html.profile_of(t, [(((name, "gr\u00f6\u00dfe.go", 5), ("main.main", "main.go", 9)), 100, 4800)])
    t.path("m2.txt").write_text("# example.org/p\n./gr\u00f6\u00dfe.go:5:6: &T{} escapes to heap\n")
    for command in ["report", profile], ["report", "--by", "function", profile], ["escapes", "m2.txt"]:
        for locale, shown in (("C", "gr\\xc3\\xb6\\xc3\\x9fe"), ("C.UTF-8", "gr\u00f6\u00dfe")):
            contains(t.escapement(*command, env={**os.environ, "LC_ALL": locale}).stdout, shown)
    for command in ["report", "--by", "stack", profile], ["audit", "-e", "m2.txt", profile], ["gate", "compare", profile, profile]:
        t.escapement(*command, env={**os.environ, "LC_ALL": "C"})


harness.main()
