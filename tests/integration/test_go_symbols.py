#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Symbols that we read from Go binaries without DWARF equal those that other tools read from DWARF."""
import os
import pathlib
import random
import re
import struct
import subprocess

import go_programs
import harness
from harness import contains, same

INSPECT = harness.BUILD / "tests" / "tools" / "go_inspect"
PC_COUNT = int(os.environ.get("GO_PCS", "2000"))
NOWHERE = [("??", "??:0")]


def text_range(t, binary):
    """Link-time addresses of the Go functions."""
    lines = t.run(INSPECT, "names", binary).stdout.splitlines()
    return int(lines[0].split()[0], 16), int(lines[-1].split()[1], 16)


def parse(output):
    """Frames by address, from the output of addr2line -a -i -f."""
    result, frames, lines = {}, [], output.splitlines()
    while lines:
        line = lines.pop(0)
        if re.fullmatch(r"0x[0-9a-f]+", line):
            frames = result.setdefault(int(line, 16), [])
        elif line:
            position = re.sub(r" \(discriminator.*|^(\./)+", "", lines.pop(0))
            function = re.sub(r"\[.*\]", "[...]", line.replace(".abi0", "").replace("·", "."))
            frames.append((function, position))
    return result


def ask(t, command, addresses):
    return t.run(*command, stdin=None, input="".join(f"{a:#x}\n" for a in addresses)).stdout


def go_tool_lines(t, go, binary, addresses):
    """Innermost position of each address, by go tool addr2line."""
    lines = ask(t, [go, "tool", "addr2line", binary], addresses).splitlines()
    return dict(zip(addresses, lines[1::2]))


def compare_frames(t, version, variant):
    binary = go_programs.build(version, variant)
    low, high = text_range(t, binary)
    generator = random.Random(f"{version} {variant}")
    addresses = sorted({generator.randrange(low, high) for _ in range(PC_COUNT)})
    ours = parse(ask(t, [INSPECT, "lookup", binary], addresses))
    dwarf = parse(ask(t, ["llvm-addr2line", "-a", "-i", "-f", "-e", binary], addresses))
    compared, doubtful = 0, []
    for address in addresses:
        theirs = [] if dwarf[address] == NOWHERE else dwarf[address]
        # Not every DWARF reader has an answer for generated code and padding.
        if theirs == ours[address]:
            compared += 1
        elif not theirs or theirs[0][1] in ("??:0", "go.go:0"):
            continue
        else:
            doubtful.append(address)
    assert compared > 0.95 * len(addresses) or variant == "cgo", f"only {compared} of {len(addresses)} had an answer"
    # The DWARF of old releases has a few errors. If the tools differ, the go command's answer, from the function table,
    # decides.
    assert len(doubtful) < 0.002 * len(addresses) + 3, [(hex(a), dwarf[a], ours[a]) for a in doubtful[:5]]
    if doubtful:
        lines = go_tool_lines(t, harness.go_toolchain(version), binary, doubtful)
        for address in doubtful:
            if lines[address] != "?:0":  # the go command has no answer for the PIEs of some releases
                same(ours[address][0][1], lines[address], f"{version} {variant}: position of {address:#x}")
    return compared


def test_frames_equal_those_from_DWARF_in_every_layout(t):
    if subprocess.run(["which", "llvm-addr2line"], capture_output=True).returncode:
        raise harness.Skip("llvm-addr2line is not installed")
    for version in go_programs.versions():
        for variant in ("plain", "pie", "pie-external"):
            compare_frames(t, version, variant)


def test_stripping_takes_nothing_away(t):
    for version in go_programs.versions():
        for whole, stripped in (("pie", "pie-stripped"),):
            both = [go_programs.build(version, variant) for variant in (whole, stripped)]
            names = [t.run(INSPECT, "names", binary).stdout for binary in both]
            same(names[0] == names[1], True, f"{version}: functions equal")
            low, high = text_range(t, both[0])
            addresses = range(low, high, 997)
            frames = [ask(t, [INSPECT, "lookup", binary], addresses) for binary in both]
            same(frames[0] == frames[1], True, f"{version}: frames equal")


def test_functions_carry_the_names_that_Go_people_know(t):
    for version in go_programs.versions():
        binary = go_programs.build(version)
        names = t.run(INSPECT, "names", binary).stdout.splitlines()
        entries = [int(line.split()[0], 16) for line in names]
        found = {frames[-1][0] for frames in parse(ask(t, [INSPECT, "lookup", binary], entries)).values() if frames}
        for name in ("main.literal", "main.(*scaler).scale-fm", "main.closure.func1", "main.newOf[...]",
                     "runtime.(*mcache).refill"):
            if name not in found:
                raise AssertionError(f"{version}: no function {name}")


LINKNAMED = """package p

import _ "unsafe"

var Sink []byte

//go:linkname Make
func Make(n int) { run(func() { Sink = make([]byte, n) }) }

//go:noinline
func run(f func()) { f() }
"""


def test_a_closure_of_a_function_with_a_linkname_has_the_package_of_its_file(t):
    """Go 1.27 gives it none where the function is inlined, runtime.goready among them: `_.Make.func1`."""
    harness.require_root()
    t.path("go.mod").write_text("module example.com/linkname\n\ngo 1.22\n")
    t.path("p").mkdir()
    (t.path("p") / "p.go").write_text(LINKNAMED)
    t.path("main.go").write_text('package main\n\nimport "example.com/linkname/p"\n\nfunc main() {\n'
                                 "\tfor i := 0; i < 100; i++ {\n\t\tp.Make(100)\n\t}\n}\n")
    t.run(harness.go_toolchain("1.27"), "build", "-o", "program", ".", env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""})
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", "./program")
    rows = [(row["function"], row["via"], row["objects"]) for row in t.json("report", "p.pb.gz")["rows"] if row["objects"] >= 100]
    same([row for row in rows if row[0] != "(outside)"], [("example.com/linkname/p.Make.func1", None, 100)])  # what the runtime starts may be there


def test_version_and_build_are_known_in_every_variant(t):
    for version in go_programs.versions():
        for variant in go_programs.variants(version):
            binary = go_programs.build(version, variant)
            info = dict(line.partition(" ")[::2] for line in t.run(INSPECT, "info", binary).stdout.splitlines())
            contains(info["version"], f"go{version}")
            same(info["row"], version, f"{version} {variant}: row")
            same(info["known"], "1", f"{version} {variant}: known")
            bare = variant == "nobuildinfo"
            same(info["module"], "" if bare else "example.org/sites", f"{version} {variant}: module")
            same(bool(info["build_id"]), not bare, f"{version} {variant}: has a build id")
            same(info["memory_profiling"], str(int(variant == "profiled")), f"{version} {variant}: sampler linked in")
            same(info["race"], "true" if variant == "race" else "", f"{version} {variant}: race")


def test_every_instruction_is_decoded_as_objdump_does(t):
    for version in go_programs.versions():
        binary = go_programs.build(version)
        _, end = text_range(t, binary)
        listing = t.run("objdump", "-d", "--no-show-raw-insn", binary).stdout
        theirs = {int(address, 16) for address in re.findall(r"^ *([0-9a-f]+):\t", listing, re.M)}
        ours = {int(address, 16) for address in t.run(INSPECT, "decode", binary).stdout.split()}
        # The tools differ only after the last function, whose padding belongs to no function.
        same(ours - theirs, set(), f"{version}: addresses that are not instructions")
        same({address for address in theirs - ours if address < end - 32}, set(), f"{version}: missed instructions")


def test_a_large_binary_opens_in_a_moment(t):
    go = harness.go_toolchain("1.24")
    functions = int(re.search(r"functions (\d+)", t.run(INSPECT, "info", go).stdout)[1])
    milliseconds = float(t.run(INSPECT, "open", go, 5).stdout)
    assert functions > 10000, functions
    assert milliseconds < 100 * functions / 50000 + 50, f"{milliseconds} ms for {functions} functions"


def test_damaged_binaries_are_refused_or_read_without_a_crash(t):
    for version in go_programs.versions():
        for variant in ("plain", "pie-external"):
            done = t.run(INSPECT, "damage", go_programs.build(version, variant), 60)
            contains(done.stdout, "of 60 opened")


def test_names_without_an_end_are_none(t):
    """All functions of a program begin in one name of 1 MiB: each search for one took time for all of it."""
    binary = bytearray(pathlib.Path(go_programs.build("1.24", "plain")).read_bytes())
    sections = {words[0]: words for words in (line.split("]")[1].split() for line in
                t.run("readelf", "-SW", go_programs.build("1.24", "plain")).stdout.splitlines() if "]" in line) if words}
    address, offset = (int(sections[".gopclntab"][i], 16) for i in (2, 3))
    header = bytearray(binary[offset:offset + 72])
    slices = binary.find(struct.pack("<QQ", address, address + struct.unpack_from("<Q", header, 32)[0]))
    names, base, end = b"a" * (1 << 20) + b"\0", 0x10000000, (len(binary) + 4095) & ~4095
    for i in range(5):
        struct.pack_into("<Q", header, 32 + 8 * i, 72 + (len(names) if i else 0))
    struct.pack_into("<QQQQ", binary, slices, base, base + 72, len(names), len(names))
    segments, count = struct.unpack_from("<Q", binary, 32)[0], struct.unpack_from("<H", binary, 56)[0]
    note = next(at for at in range(segments, segments + 56 * count, 56) if struct.unpack_from("<I", binary, at)[0] == 4)
    struct.pack_into("<IIQQQQQQ", binary, note, 1, 4, end, base, base, 72 + len(names), 72 + len(names), 4096)
    changed = t.path("changed")
    changed.write_bytes(bytes(binary) + bytes(end - len(binary)) + header + names)
    contains(t.run(INSPECT, "info", changed).stdout, "functions ")
    same(t.run(INSPECT, "names", changed).stdout, "")


def test_what_is_no_Go_program_is_refused_with_a_reason(t):
    contains(t.run(INSPECT, "info", "/bin/true", status=3).stderr, "no Go symbol table")
    contains(t.run(INSPECT, "info", __file__, status=2).stderr, "is not an ELF file of amd64 or arm64")
    contains(t.run(INSPECT, "info", "/nonexistent", status=2).stderr, "No such file")
    empty = t.path("empty")
    empty.write_bytes(b"")
    contains(t.run(INSPECT, "info", empty, status=2).stderr, "is not an ELF file of amd64 or arm64")


if __name__ == "__main__":
    harness.main()
