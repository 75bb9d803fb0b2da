# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the agent share: a Go program that allocates when it is told to, and agents."""
import contextlib
import ctypes
import functools
import os
import pathlib
import select
import signal
import struct
import subprocess
import tempfile

import harness
from harness import wait_for

PROGRAM = """
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

var kept [64][]byte

func buffers(n int) {
	for i := 0; i < n; i++ {
		kept[i%len(kept)] = make([]byte, 1000)
	}
}

func main() {
	var stats runtime.MemStats
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		runtime.ReadMemStats(&stats)
		n, _ := strconv.Atoi(lines.Text())
		buffers(n)
		fmt.Println(stats.Mallocs, stats.HeapInuse)
		if n < 0 {
			fmt.Println("BUILD")
			fmt.Println(runtime.MemProfile(nil, true)) // so that the linker keeps the sampler
		}
	}
}
"""
TABLES = ("windows", "sites", "heap")


PROGRAMS = tempfile.TemporaryDirectory(prefix="escapement-fleet-")



def named(name):
    """That name in this run alone: agents look at the whole machine, where other files, and other runs, have programs too. At most 15 bytes
    are the name of a process."""
    return f"{name}-{os.getpid()}"


TARGET = named("target")


def shown(pids, *files):
    """What these files of /proc say of each of the processes that has not ended: an agent's live no longer than a window."""
    text = ""
    for pid in pids:
        for file in files:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                text += pathlib.Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    return text


@functools.lru_cache
def go_program(build="first"):
    """Path of the program, made once for all tests of a file; `build` changes its build ids."""
    source = pathlib.Path(PROGRAMS.name) / build
    source.mkdir()
    (source / "main.go").write_text(PROGRAM.replace("BUILD", build))
    (source / "go.mod").write_text("module example.org/target\n\ngo 1.19\n")
    go = harness.go_toolchain(harness.go_releases("everyday")[-1])
    environment = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    environment.pop("CC", None)
    subprocess.run([go, "build", "-o", TARGET, "."], cwd=source, env=environment, check=True)
    return source / TARGET


class Target:
    """The program in a process."""

    def __init__(self, t, program, **popen):
        self.process = t.start(program, **popen)
        self.pid = self.process.pid
        self.ask(0)

    def ask(self, objects):
        """Allocates so many objects; returns how many it had allocated before, by the runtime's own count."""
        self.process.stdin.write(f"{objects}\n")
        self.process.stdin.flush()
        allocated, self.heap_in_use = map(int, self.process.stdout.readline().split())
        return allocated


class Held:
    """A file that nobody can open as long as this is there: a program that looks at files first, such as one against viruses,
    does not answer (fanotify)."""

    def __init__(self, path):
        content, add, open_permission, here = 4 | 1, 1, 0x10000, -100
        libc = ctypes.CDLL(None, use_errno=True)
        self.group = libc.fanotify_init(content, os.O_RDONLY)
        if self.group < 0:
            raise harness.Skip(f"this kernel has no fanotify: {os.strerror(ctypes.get_errno())}")
        if libc.fanotify_mark(self.group, add, ctypes.c_uint64(open_permission), here, os.fsencode(path)):
            raise harness.Skip(f"fanotify holds no files here: {os.strerror(ctypes.get_errno())}")

    def wait_for_opener(self):
        """Waits until somebody tries to open it; returns the process. Once."""
        wait_for(lambda: select.select([self.group], [], [], 0)[0], "an attempt to open the file")
        event = os.read(self.group, 24)
        os.close(struct.unpack_from("=i", event, 16)[0])
        return struct.unpack_from("=i", event, 20)[0]

    def close(self):
        os.close(self.group)


class Agent:
    """`escapement agent -v` with its messages in a file."""
    number = 0

    def __init__(self, t, config, *options, before=(), **popen):
        Agent.number += 1
        self.messages = t.path(f"agent-{Agent.number}.log")
        self.config = t.path("agent.conf")
        self.config.write_text(config)
        with open(self.messages, "w") as file:
            self.process = t.start(*before, harness.ESCAPEMENT, "agent", "--config", self.config, "-v", *options, stderr=file, **popen)

    def said(self):
        return self.messages.read_text(errors="replace")

    def wait_for(self, text, times=1, seconds=harness.TIMEOUT):
        """Waits until it has said the text so often."""
        wait_for(lambda: self.said().count(text) >= times or self.process.poll() is not None, f"'{text}' of the agent, which said: {self.said()}", seconds)
        if self.said().count(text) < times:
            raise AssertionError(f"the agent ended with {self.process.returncode} before '{text}': {self.said()}")

    def reload(self, config):
        self.config.write_text(config)
        self.process.send_signal(signal.SIGHUP)

    def end(self, number=signal.SIGTERM, status=0):
        self.process.send_signal(number)
        self.process.wait(harness.TIMEOUT)
        harness.same(self.process.returncode, status, f"agent's exit status: {self.said()}")


def columns(t):
    """Names of the columns of each table that agents insert, as --schema prints them."""
    found = {}
    for statement in t.escapement("agent", "--schema", "clickhouse").stdout.split(";"):
        lines = statement.strip().splitlines()
        if lines and lines[0].startswith("CREATE TABLE"):
            found[lines[0].rsplit(".", 1)[1]] = [line.split()[0] for line in lines if line.startswith("    ") and " DEFAULT " not in line]
    return found


def spooled(t, spool):
    """Rows of all windows in the spool, by table, oldest first, as dictionaries of texts; null is None, and so is a column
    that the window does not have."""
    wanted, rows = columns(t), {table: [] for table in TABLES}
    for file in sorted(pathlib.Path(spool).glob("*.window")):
        data = file.read_bytes()
        while data:
            head, data = data.split(b"\n", 1)
            table, count, size, names = head.decode().split()
            if table not in rows:  # a profile, which is not text
                data = data[int(size):]
                continue
            names = names.split(",")
            lines = data[:int(size)].decode().splitlines()
            harness.same(len(lines), int(count), f"rows of {table} in {file}")
            data = data[int(size):]
            for line in lines:
                cells = [None if cell == "\\N" else cell for cell in line.split("\t")]
                harness.same(len(cells), len(names), f"cells of {line!r}")
                rows[table].append({**dict.fromkeys(wanted[table]), **dict(zip(names, cells))})
    return rows


def total(rows, column):
    return sum(int(row[column]) for row in rows if row[column] is not None)


def spooled_profiles(spool):
    """The pprof files of all windows in the spool, by window, in their order."""
    found = {}
    for file in sorted(pathlib.Path(spool).glob("*.window")):
        data = file.read_bytes()
        while data:
            head, data = data.split(b"\n", 1)
            name, _, size, _ = head.decode().split()
            if name == "profile":
                row, profile = data[:int(size)].split(b"\n", 1)
                found.setdefault(row.split(b"\t")[0].decode(), []).append(profile)
            data = data[int(size):]
    return found
