#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How the cost of an audit grows with lines of -m=2 output and a profile of many distinct stacks, compared with `go
tool pprof -top` on the same profile. Rounds are interleaved; the table has medians of wall and CPU seconds, and the
largest resident set.

    tests/bench/audit_scale.py [BUILD [LINES...]]
"""
import gzip
import multiprocessing
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import wire

STACKS = 100_000
ROUNDS = 3
FUNCTIONS_PER_FILE = 60
FILES_PER_PACKAGE = 4
LONG = "a-directory-of-some-length/" * 6


def functions(lines):
    """(package, file, line) of each function; each makes seven lines of output."""
    count = lines // 7
    for i in range(count):
        in_package, package = i % (FUNCTIONS_PER_FILE * FILES_PER_PACKAGE), i // (FUNCTIONS_PER_FILE * FILES_PER_PACKAGE)
        yield package, in_package // FUNCTIONS_PER_FILE, 10 + 5 * (in_package % FUNCTIONS_PER_FILE)


def write_output(path, lines, long=""):
    header = None
    with open(path, "w", encoding="utf-8") as out:
        for package, file, line in functions(lines):
            if package != header:
                header = package
                out.write(f"# example.com/big/{long}p{package}\n")
            at = f"{long}p{package}/f{file}.go"
            out.write(f"{at}:{line - 1}:6: can inline F{line} with cost 12 as: func() *int {{ x := 0; return &x }}\n"
                      f"{at}:{line}:2: x{line} escapes to heap:\n"
                      f"{at}:{line}:2:   flow: ~r0 = &x{line}:\n"
                      f"{at}:{line}:2:     from &x{line} (address-of) at {at}:{line + 1}:9\n"
                      f"{at}:{line}:2:     from return &x{line} (return) at {at}:{line + 1}:2\n"
                      f"{at}:{line}:2: moved to heap: x{line}\n"
                      f"{at}:{line + 2}:10: make([]int, n) does not escape\n")


class Profile:
    """A pprof file of allocations, written by hand: it is an input, so our own writer has no part in it."""

    def __init__(self):
        self.strings, self.functions, self.locations = {"": 0}, {}, {}
        self.body = bytearray()
        for kind, unit in (("alloc_objects", "count"), ("alloc_space", "bytes")):
            self.body += wire.nested(1, wire.number(1, self.string(kind)) + wire.number(2, self.string(unit)))

    def string(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def location(self, name, file, line):
        if (name, file, line) not in self.locations:
            if (name, file) not in self.functions:
                self.functions[name, file] = len(self.functions) + 1
                self.body += wire.nested(5, wire.number(1, self.functions[name, file]) +
                                         wire.number(2, self.string(name)) + wire.number(4, self.string(file)))
            number = self.locations[name, file, line] = len(self.locations) + 1
            self.body += wire.nested(4, wire.number(1, number) + wire.number(3, 0x400000 + 16 * number) + wire.nested(
                4, wire.number(1, self.functions[name, file]) + wire.number(2, line)))
        return self.locations[name, file, line]

    def sample(self, stack, objects, size):
        self.body += wire.nested(2, wire.nested(1, b"".join(map(wire.varint, stack))) +
                                 wire.nested(2, wire.varint(objects) + wire.varint(size)))

    def write(self, path):
        for text in self.strings:
            self.body += wire.nested(6, text.encode())
        self.body += wire.nested(11, wire.number(1, self.string("space")) + wire.number(2, self.string("bytes")))
        self.body += wire.number(12, 524288)
        path.write_bytes(gzip.compress(bytes(self.body), 1))


def write_profile(path, lines, scattered=False, long=""):
    """STACKS of them. Callers come in an order that they have in common, or are `scattered`: any function may call any."""
    rng = random.Random(1)
    sites = list(functions(lines))
    profile = Profile()
    profile.string("space"), profile.string("bytes")

    def frame(package, file, line, at):
        return profile.location(f"example.com/big/{long}p{package}.F{line}", f"/build/big/{long}p{package}/f{file}.go", at)

    for number in range(STACKS):
        package, file, line = rng.choice(sites)
        stack = [profile.location("runtime.newobject", "/usr/lib/go/src/runtime/malloc.go", 1200),
                 frame(package, file, line, line)]
        for depth in range(rng.randint(8, 24)):
            package, file, line = rng.choice(sites) if scattered else sites[(number * 31 + depth * 977) % len(sites)]
            stack.append(frame(package, file, line, line + 1))
        profile.sample(stack, rng.randint(1, 1000), rng.randint(8, 100000))
    profile.write(path)


def write_moves(said, path, lines):
    """One generated file of functions that append to a slice and return it, which is where it moves to the heap (Go 1.26); a
    sample of each of STACKS of them."""
    profile, count = Profile(), lines // 5
    profile.string("space"), profile.string("bytes")
    with open(said, "w", encoding="utf-8") as out:
        out.write("# example.com/big\n")
        for number in range(count):
            line = 10 + 10 * number
            out.write(f"big.go:{line - 1}:6: cannot inline F{number}: too complex\n"
                      f"big.go:{line}:9: append escapes to heap in F{number}:\n"
                      f"big.go:{line}:9:   flow: ~r0 = &{{storage for append}}:\n"
                      f"big.go:{line}:9:     from return out (return) at big.go:{line + 5}:2\n"
                      f"big.go:{line}:9: append escapes to heap\n")
    for number in range(min(count, STACKS)):
        profile.sample([profile.location("runtime.moveSlice", "/usr/lib/go/src/runtime/slice.go", 400),
                        profile.location(f"example.com/big.F{number}", "/build/big/big.go", 15 + 10 * number)], 1, 64)
    profile.write(path)


def write_inputs(directory, lines):
    write_output(directory / "m2.txt", lines)
    write_profile(directory / "profile.pb.gz", lines)
    write_moves(directory / "moves.txt", directory / "moves.pb.gz", lines)
    write_profile(directory / "scattered.pb.gz", lines, scattered=True)
    write_output(directory / "far.txt", lines, LONG)
    write_profile(directory / "deep.pb.gz", lines, scattered=True, long=LONG)


def measure(*command):
    """Wall and CPU seconds, and peak resident MiB, of one run. Its stderr is shown only if it fails."""
    with tempfile.TemporaryFile() as messages:
        start = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], stderr=messages)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if status:
            messages.seek(0)
            sys.exit(f"{command[0]}: status {child.returncode}: {messages.read().decode(errors='replace')}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    sizes = [int(size) for size in sys.argv[2:]] or [100_000, 1_000_000, 10_000_000]
    print(f"{'lines':>9} {'what':<22} {'wall s':>7} {'CPU s':>7} {'MiB':>6}")
    for lines in sizes:
        with tempfile.TemporaryDirectory(prefix="escapement-bench-") as name:
            directory = pathlib.Path(name)
            said, profile, shown = directory / "m2.txt", directory / "profile.pb.gz", directory / "out"
            moves, moved = directory / "moves.txt", directory / "moves.pb.gz"
            scattered, far, deep = directory / "scattered.pb.gz", directory / "far.txt", directory / "deep.pb.gz"
            # In a process of its own: what a process forks begins with its peak.
            maker = multiprocessing.Process(target=write_inputs, args=(directory, lines))
            maker.start()
            maker.join()
            audit = build / "escapement", "audit", "-e", said, "-o", shown
            commands = {
                "audit --top 20": (*audit, "--top", "20", profile),
                "audit --format json": (*audit, "--format", "json", profile),
                "audit of any callers": (*audit, "--top", "20", scattered),
                "the same, JSON": (*audit, "--format", "json", scattered),
                "audit of long paths": (build / "escapement", "audit", "-e", far, "-o", shown, "--top", "20", deep),
                "audit of moving slices": (build / "escapement", "audit", "-e", moves, "-o", shown, "--top", "20", moved),
                "go tool pprof -top": ("/usr/bin/go", "tool", "pprof", "-top", f"-output={shown}", profile),
            }
            runs = {what: [] for what in commands}
            for _ in range(ROUNDS):
                for what, command in commands.items():
                    runs[what].append(measure(*command))
            for what, results in runs.items():
                wall, cpu, memory = (statistics.median(column) for column in zip(*results))
                print(f"{lines:>9} {what:<22} {wall:7.2f} {cpu:7.2f} {memory:6.0f}", flush=True)


main()
