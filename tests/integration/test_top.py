#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`escapement top`: its blocks of text, and its screen in a real terminal (tmux), to which the tests send keys and from
which they read cells."""
import collections
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess

import go_programs
import harness
from harness import contains, same, wait_for, workload

GO_PROGRAM = """
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

var kept [][]byte

func buffers(n int) {
	for i := 0; i < n; i++ {
		kept[i%len(kept)] = make([]byte, 1000+i%2)
	}
}

func main() {
	debug.SetGCPercent(-1)
	kept = make([][]byte, 64)
	for len(os.Args) > 1 {
		buffers(1000)
		time.Sleep(time.Millisecond)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		n, _ := strconv.Atoi(lines.Text())
		buffers(1000)
		for i := 0; i < n; i++ {
			runtime.GC()
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		fmt.Println(stats.NumGC)
	}
}
"""
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def number(text):
    value, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text).groups()
    return float(value) * UNITS[unit]


def blocks(text):
    """For each block: its sums as {name: (rate or None, total)}, its rows as lists of cells, and its lines."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        sums = {name.strip(): (None if rate is None else number(rate), number(total)) for name, rate, total in re.findall(
            r"(objects|bytes|refills|central grows|bytes of heap grown|collections) (?:([0-9.A-Za-z]+)/s )?\(([0-9.A-Za-z]+)\)",
            "  ".join(lines[1:3]))}
        found.append((sums, [line.split() for line in lines[4:]], lines))
    return found


def go_program(t):
    source = t.path("program")
    source.mkdir(exist_ok=True)
    (source / "main.go").write_text(GO_PROGRAM)
    (source / "go.mod").write_text("module example.org/program\n\ngo 1.19\n")
    go = harness.go_toolchain(harness.go_releases("everyday")[0])
    environment = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    said = t.run(go, "build", "-gcflags=-m=2", "-o", source / "program", ".", cwd=source, env=environment).stderr
    (source / "m2.txt").write_text(said)
    return source / "program"


class Terminal:
    """A shell in a tmux terminal, with the variables of `environment`."""

    def __init__(self, t, columns=80, rows=24, **environment):
        if not shutil.which("tmux"):
            raise harness.Skip("tmux is not installed")
        self.tmux = ["tmux", "-S", str(t.path("tmux")), "-f", "/dev/null"]
        self.call("new-session", "-d", "-x", columns, "-y", rows,
                  "env", "PS1=$ ", *(f"{key}={value}" for key, value in environment.items()), "bash", "--norc", "--noprofile",
                  cwd=t.directory, env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})
        t._stack.callback(self.call, "kill-server")
        self.wait(lambda text: "$" in text, "a prompt")

    def call(self, *arguments, **options):
        return subprocess.run([*self.tmux, *map(str, arguments)], check=True, capture_output=True, text=True, **options).stdout

    def screen(self, *options):
        return self.call("capture-pane", "-p", *options)

    def keys(self, *keys):
        self.call("send-keys", *keys)

    def type(self, command):
        self.call("send-keys", "-l", " ".join(map(shlex.quote, map(str, command))))
        self.keys("Enter")

    def wait(self, condition, what):
        last = ""

        def look():
            nonlocal last
            last = self.screen()
            return condition(last) and last

        try:
            return wait_for(look, what, harness.TIMEOUT)
        except AssertionError as why:
            raise AssertionError(f"{why}; the screen:\n{last}")

    def wait_text(self, text):
        return self.wait(lambda screen: text in screen, repr(text))


def busy(t):
    return t.start(workload("seeds"), "--rounds", "0", "--sleep-us", "200", stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def watched(t, *options, columns=80, rows=24, target=None, **environment):
    """A terminal in which `top` shows rows, and the process that it watches."""
    harness.require_root()
    target = target or busy(t)
    terminal = Terminal(t, columns, rows, **environment)
    terminal.type([harness.ESCAPEMENT, "top", "--interval", "200ms", *options, "-p", target.pid])
    terminal.wait(lambda text: "OBJECTS/s" in text and "seeds" in text and ".go:" in text, "rows")
    return terminal, target


def ended(terminal):
    terminal.keys("-l", "q")
    terminal.wait(lambda text: text.rstrip().endswith("\n$"), "a prompt after q")
    terminal.keys("-l", "echo status $?")
    terminal.keys("Enter")


def test_blocks_end_with_the_exact_totals_of_the_program(t):
    harness.require_root()
    counts = t.path("counts")
    done = t.escapement("top", "--batch", "--rate", "1", "--interval", "100ms", "--top", "0", "--", workload("seeds"),
                        "--rounds", "90", "--sleep-us", "5000", f"--print-counts={counts}")
    every = blocks(done.stdout[done.stdout.index(":") - 2:])
    assert len(every) > 2, done.stdout
    own = collections.Counter()
    for site in map(json.loads, counts.read_text().splitlines()):
        own[f"{site['file']}:{site['line']}"] += site["objects"]
    own = {site: objects for site, objects in own.items() if objects}
    sums, rows, _ = every[-1]
    shown = {row[-1]: number(row[3]) for row in rows}
    same({site: shown.get(site) for site in own}, own, "objects by site")
    assert sums["objects"][1] >= sum(own.values()), sums
    seen = [block[0]["objects"][1] for block in every]
    same(seen, sorted(seen), "totals that only grow")


def test_blocks_count_the_collections_of_a_go_program(t):
    harness.require_root()
    program = go_program(t)
    process = t.start(program)

    def collect(n):
        process.stdin.write(f"{n}\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    before = collect(3)
    same(before, 3)
    top = t.start(harness.ESCAPEMENT, "top", "--batch", "--interval", "200ms", "-p", process.pid)
    text = ""
    while "collections" not in text:
        line = top.stdout.readline()
        assert line, text
        text += line
    after = collect(5)
    while not re.search(rf"collections [0-9.]+/s \({after - before}\)", text):
        line = top.stdout.readline()
        assert line, text
        text += line
    top.terminate()
    rest, messages = top.communicate()
    same(top.returncode, 0, messages)


def test_the_screen_shows_rows_and_obeys_its_keys(t):
    terminal, target = watched(t)
    screen = terminal.screen()
    same(max(map(len, screen.splitlines())) <= 80, True)
    contains(screen, f"(pid {target.pid})")
    contains(screen, "by site, greatest rate of bytes first")
    for grouping, heading in (("function", "FUNCTION"), ("type", "TYPE"), ("size-class", "SIZE CLASS"), ("site", "SITE")):
        terminal.keys("-l", "b")
        contains(terminal.wait_text(f"by {grouping},"), heading)
    terminal.keys("-l", "o")
    terminal.wait(lambda text: "of bytes first" not in text, "another order")
    terminal.keys("-l", "t")
    terminal.wait_text("greatest total of")
    terminal.keys("-l", "/")
    terminal.keys("-l", "ESCAPE.go")
    screen = terminal.wait_text("only 'ESCAPE.go'")
    terminal.keys("Enter")
    rows = [line for line in terminal.wait_text("b by").splitlines() if ".go:" in line]
    assert rows and all("escape.go" in row for row in rows), rows
    terminal.keys("-l", "/")
    terminal.keys("Enter")
    terminal.wait(lambda text: "only '" not in text, "no filter")
    terminal.keys("Enter")
    screen = terminal.wait_text("stack 1 of")
    contains(screen, "since the start")
    # The keys are listed from there, too, and no line of them is cut off.
    terminal.keys("-l", "?")
    screen = terminal.wait_text("freeze the screen")
    contains(screen, "enter or q goes back\n")
    contains(screen, "before there were eight of them, rows\n")
    terminal.keys("-l", "?")
    terminal.wait_text("OBJECTS/s")
    ended(terminal)
    terminal.wait_text("status 0")
    assert target.poll() is None


def test_a_frozen_screen_stays_as_it_is_and_goes_on(t):
    terminal, _ = watched(t)
    terminal.keys("Space")
    frozen = terminal.wait_text("FROZEN")
    clock = re.search(r"\d:\d\d:\d\d", frozen).group()
    process = t.start(harness.ESCAPEMENT, "top", "--batch", "--interval", "300ms", "--duration", "2s", "-p", _.pid)
    process.communicate()  # two seconds pass by another process's clock
    contains(terminal.screen(), clock)
    terminal.keys("Space")
    terminal.wait(lambda text: "FROZEN" not in text and clock not in text, "the clock to continue")
    ended(terminal)


def test_what_was_seen_is_saved_as_a_profile(t):
    terminal, target = watched(t, "-o", t.path("saved.pb.gz"))
    terminal.keys("-l", "s")
    terminal.wait_text("saved ")
    ended(terminal)
    report = t.json("report", t.path("saved.pb.gz"))
    assert report["totals"]["objects"] > 0 and report["rows"], report
    same([process["pid"] for process in report["target"]["processes"]], [target.pid])


def test_what_was_seen_is_saved_without_command_line_and_directories_if_asked(t):
    terminal, _ = watched(t, "--redact", "-o", t.path("saved.pb.gz"))
    terminal.keys("-l", "s")
    terminal.wait_text("saved ")
    ended(terminal)
    text = gzip.decompress(t.path("saved.pb.gz").read_bytes()).decode(errors="replace")
    for hidden in ("--rounds", str(harness.BUILD), "/usr/"):
        assert hidden not in text, f"{hidden} in {text[-3000:]}"
    assert all("/" not in row["file"] for row in t.json("report", t.path("saved.pb.gz"))["rows"] if row["file"])


def test_the_screen_survives_any_size_and_being_suspended(t):
    terminal, _ = watched(t)
    for columns, rows in ((160, 50), (40, 8), (20, 3), (80, 24)):
        terminal.call("resize-window", "-x", columns, "-y", rows)
        terminal.wait(lambda text: len(text.rstrip("\n").splitlines()) <= rows and "(pid" in text + "(pid" * (rows < 9),
                      f"a screen of {columns}x{rows}")
    terminal.wait_text("OBJECTS/s")
    for _ in range(5):
        terminal.keys("C-z")
        terminal.wait_text("Stopped")
        terminal.type(["fg"])
        terminal.wait_text("OBJECTS/s")
    ended(terminal)
    terminal.wait_text("status 0")
    terminal.type(["stty", "-a"])
    terminal.wait_text("susp = ^Z")


def test_the_last_state_stays_when_the_target_ends(t):
    terminal, target = watched(t)
    target.kill()
    target.wait()
    screen = terminal.wait_text(f"process {target.pid} has ended: this is its last state")
    contains(screen, ".go:")
    terminal.keys("-l", "b")
    terminal.wait_text("by function,")
    ended(terminal)


def test_a_terminal_without_colours_gets_none_and_one_without_a_cursor_gets_blocks(t):
    terminal, target = watched(t, TERM="vt100")
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|4[0-7])m", terminal.screen("-e")), terminal.screen("-e")
    ended(terminal)
    terminal.type(["TERM=dumb"])
    terminal.type([harness.ESCAPEMENT, "top", "--interval", "200ms", "--duration", "1s", "-p", target.pid])

    def message_and_block():
        """Whether the message, whose lines end at words, and a block of text were printed; includes scrolled lines."""
        shown = " ".join(terminal.screen("-J", "-S", "-").split())
        _, message, after = shown.partition("blocks of text instead of a screen")
        return message and "OBJECTS/s" in after

    wait_for(message_and_block, "the message and a block", harness.TIMEOUT)
    terminal.wait(lambda text: text.rstrip().endswith("\n$"), "a prompt at its end")


def test_what_fails_is_said_before_the_screen_is_taken(t):
    harness.require_root()
    terminal = Terminal(t)
    gone = t.start("true")
    gone.wait()
    terminal.type([harness.ESCAPEMENT, "top", "-p", gone.pid])
    screen = terminal.wait(lambda text: text.rstrip().endswith("$") and "escapement: " in text, "a second prompt")
    contains(screen, "top -p")
    contains(" ".join(screen.split()), f"no process with PID {gone.pid}")
    terminal.keys("-l", "clear")
    terminal.keys("Enter")
    target = busy(t)
    program = t.copy(harness.ESCAPEMENT)
    terminal.type(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "top", "-p", target.pid])
    screen = terminal.wait(lambda text: text.rstrip().endswith("$") and "escapement: " in text, "a message")
    contains(screen, "top -p")


def test_a_program_that_is_started_gets_neither_the_keys_nor_the_screen(t):
    harness.require_root()
    terminal = Terminal(t)
    terminal.type([harness.ESCAPEMENT, "top", "--interval", "200ms", "--", "sh", "-c",
                   f"echo GARBAGE; exec {workload('seeds')} --rounds 0 --sleep-us 200"])
    screen = terminal.wait(lambda text: "OBJECTS/s" in text and ".go:" in text, "rows")
    assert "GARBAGE" not in screen, screen
    ended(terminal)


def test_the_compiler_s_verdict_stands_beside_a_row_and_its_reason_behind_it(t):
    harness.require_root()
    program = go_program(t)
    process = t.start(program, "on")
    terminal = Terminal(t, columns=120, rows=30)
    terminal.type([harness.ESCAPEMENT, "top", "--interval", "200ms", "--rate", "1", "--max-overhead", "0",
                   "--escape", program.parent / "m2.txt", "-C", program.parent, "-p", process.pid])
    screen = terminal.wait(lambda text: re.search(r"escapes .*main\.buffers", text), "a verdict")
    contains(screen, "VERDICT")
    terminal.keys("Enter")
    contains(terminal.wait_text("the compiler: escapes"), "escapes to heap")
    terminal.keys("-l", "q")
    ended(terminal)


def test_blocks_say_that_rows_are_lower_bounds(t):
    """A program without a sampler, of which too few bursts were counted."""
    harness.require_root()
    process = t.start(go_programs.build(go_programs.versions()[-1], "stripped", "phases"), "steady")
    process.stdout.readline()
    done = t.escapement("top", "--batch", "--interval", "1s", "--duration", "6s", "-p", process.pid)
    contains(done.stdout, "rows are lower bounds: ")
    done = t.escapement("top", "--batch", "--interval", "1s", "--duration", "2s", "--max-overhead", "0", "-p", process.pid)
    assert "lower bounds" not in done.stdout, done.stdout


def test_hostile_names_are_text_on_the_screen_and_in_blocks(t):
    harness.require_root()
    hostile = t.path("\x1b[2J\x1b]0;x\x07")
    shutil.copy(workload("seeds"), hostile)
    target = t.start(hostile, "--rounds", "0", "--sleep-us", "200", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = t.escapement("top", "--batch", "--interval", "200ms", "--duration", "1s", "-p", target.pid)
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout, done.stdout
    contains(done.stdout, "\\x1b[2J")
    terminal = Terminal(t)
    terminal.type([harness.ESCAPEMENT, "top", "--interval", "200ms", "-p", target.pid])
    screen = terminal.wait(lambda text: "OBJECTS/s" in text and ".go:" in text, "rows")
    contains(screen, "\\x1b[2J")
    ended(terminal)


if __name__ == "__main__":
    harness.main()
