#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""arm64, cross-built: in Debian's arm64 kernel under QEMU libgoalloc passes its unit tests, and the static binary records
programs exactly; it prints what that of amd64 prints. `make test-arm64`, a line a case.

A second build of libgoalloc signs return addresses as Debian 13 does, which unwinding must undo.
"""
import base64
import json
import pathlib
import re
import shutil

import emulator
import go_programs
import harness
import kernels
import release
import test_go_record as records
import test_go_symbols
import test_heap
from harness import ROOT, same

LIBRARIES = pathlib.Path("/usr/aarch64-linux-gnu/lib")
TESTS = sorted(path.stem for path in (ROOT / "tests" / "unit").glob("test_goalloc_*.c"))
RECORDED = harness.go_releases("record")
RELEASES = RECORDED[0], RECORDED[len(RECORDED) // 2], RECORDED[-1]  # the oldest, one between, the newest
FLAGS = {"plain": "-O2 -g", "signed": "-O2 -g -mbranch-protection=standard"}


def cross_make(t, *arguments):
    """`make` for arm64, without what this `make` was told."""
    emulator.need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    t.run("make", "-s", "-j2", "-C", ROOT, "CROSS_COMPILE=aarch64-linux-gnu-", *arguments, env=harness.FRESH)


def command(t):
    """Path of the static binary for arm64."""
    build = harness.BUILD.relative_to(ROOT) / "arm64"
    cross_make(t, f"B={build}", "static")
    return ROOT / build / "static" / "escapement"


def built(t, flags):
    """The folders of a build with these compiler flags, and of cmocka's library."""
    header, library = (pathlib.Path(emulator.packaging("debian-program", "bookworm:arm64", package)[0]) / "usr"
                       for package in ("libcmocka-dev", "libcmocka0"))
    build, folder = harness.BUILD.relative_to(ROOT) / "arm64" / flags, t.path("cmocka")
    folder.mkdir()
    for name in ("libcmocka.so", "libcmocka.so.0"):
        shutil.copy(library / "lib" / "aarch64-linux-gnu" / "libcmocka.so.0", folder / name)
    cross_make(t, f"B={build}", f"CFLAGS={FLAGS[flags]}", f"CPPFLAGS=-I{header / 'include'}", f"LDFLAGS=-L{folder}",
               f"{build}/libgoalloc.so", *(f"{build}/tests/unit/{name}" for name in TESTS))
    return ROOT / build, folder


def check(t, flags):
    build, cmocka = built(t, flags)
    _, image = emulator.kernel("trixie:arm64", "6.12")
    files = {f"lib/{path.name}": path for path in LIBRARIES.glob("*.so*")}
    files["lib/libcmocka.so.0"] = cmocka / "libcmocka.so.0"
    files.update((f"build/{path.name}", path) for path in build.glob("libgoalloc*.so*"))
    files.update((f"build/tests/unit/{name}", build / "tests" / "unit" / name) for name in TESTS)
    job = "".join(f"echo '=== {name}'; CMOCKA_MESSAGE_OUTPUT=TAP /build/tests/unit/{name}; echo status $?\n" for name in TESTS)
    sections = emulator.boot(t, "arm64", image, emulator.file_system(t, "arm64", files, job))
    failed = {}
    for name in TESTS:
        passed = len(re.findall(r"^ok ", sections[name], re.M))
        print(f"# arm64, {flags}, {name}: {passed} tests passed", flush=True)
        if "status 0" not in sections[name] or re.search(r"^not ok (?!\d+ # SKIP)", sections[name], re.M) or passed == 0:
            failed[name] = sections[name][-1500:]
    same(failed, {}, "unit tests that fail")


def test_the_static_binary_prints_what_that_of_amd64_prints(t):
    program = command(t)
    # its name of the machine is the only difference
    kinds, count = release.compare_outputs(t, emulator.need("qemu-aarch64-static", "qemu-user-static"), program,
                                           but=lambda text: text.replace("aarch64", "x86_64"))
    assert release.LARGEST > program.stat().st_size, f"{program} is larger than {release.LARGEST} bytes"
    print(f"# arm64: {count} commands print the same bytes as on amd64 ({kinds}); {program.stat().st_size} bytes", flush=True)


# what go_inspect finds in the code of the runtime: the symbol of the linker
SYMBOLS = {"statistics": "memstats", "processors": "allp", "goroutines": "allgs", "profile_rate": "MemProfileRate",
           "buckets": "mbuckets", "cycle": "mProfCycle"}


def test_go_programs_of_another_machine_are_read(t):
    """Frames equal those of DWARF; variables of the runtime are where the linker put them, also for a stripped program. Each
    probe is on a conditional branch."""
    emulator.need("aarch64-linux-gnu-nm", "binutils-aarch64-linux-gnu")
    for version in RELEASES:
        program = go_programs.build(version, "arm64")
        test_go_symbols.compare_frames(t, version, "arm64")
        linked = {name: int(address, 16) for address, name in re.findall(
            r"^(\w+) \w runtime\.(\w+)$", t.run("aarch64-linux-gnu-nm", program).stdout, re.M)}
        points = t.run(test_go_symbols.INSPECT, "points", program).stdout
        found = dict(line.split(" ", 1) for line in points.splitlines())
        same({key: int(found[key].split()[0], 16) for key in SYMBOLS}, {key: linked[SYMBOLS[key]] for key in SYMBOLS},
             f"{version}: variables")
        same(found["layout"], found["table"], f"{version}: layout in the code, and in the table")
        assert linked["mheap_"] < int(found["all_spans"], 16) < linked["mheap_"] + 0x20000, f"{version}: {found['all_spans']}"
        same(found["bits"].split()[0], f"{linked['gcBitsArenas'] + 16:x}", f"{version}: bits")
        code = program.read_bytes()
        probes = re.findall(r"^(runtime\.\S+) \+\d+ (.*?) ?offset (\d+)$", points, re.M)
        words = {name: int.from_bytes(code[int(offset):int(offset) + 4], "little") for name, _, offset in probes}
        # aarch64_insn_is_bcond() of the kernel, which simulates these: a hit is one exception
        same([name for name, word in words.items() if word & 0xff000010 != 0x54000000], [], f"{version}: probes not on a branch")
        assert len(words) >= 8, points
        stripped = go_programs.build(version, "arm64-stripped")
        same(t.run(test_go_symbols.INSPECT, "points", stripped).stdout, points, f"{version}: without symbols")
        print(f"# arm64, Go {version}: {len(SYMBOLS) + 2} variables and {test_go_symbols.PC_COUNT} places as others have them; "
              f"{len(words)} probes on conditional branches", flush=True)


def booted(t, programs, job, kernel=("trixie", "6.12")):
    """Runs a job after doctor in Debian's arm64 kernel, with these programs (name: path). Returns its sections."""
    suite, series = kernel
    _, image = emulator.kernel(f"{suite}:arm64", series)
    files = {f"lib/{path.name}": path for path in LIBRARIES.glob("*.so*")}
    files.update((f"bin/{name}", path) for name, path in {"escapement": command(t), **programs}.items())
    return emulator.boot(t, "arm64", image, emulator.file_system(t, "arm64", files, "\n".join(kernels.DOCTOR_JOB) + "\n" + job))


def check_recordings(t, programs, targets, *kernel):
    """Records each target (name: command) at each rate."""
    sections = booted(t, programs, kernels.recordings(targets), *kernel)
    same(sections["doctor status"].strip(), "0", f"doctor's exit status; {sections['doctor']}")
    for name in targets:
        mallocs = kernels.mallocs_of_goalloc if name == "goalloc" else kernels.mallocs_of_go
        for rate in kernels.RATES:
            kernels.check_recording(sections, f"{name} {rate}", mallocs)
            print(f"# arm64, {sections['kernel'].strip()}, {name} at --rate {rate}: exact", flush=True)


def workload(t, name):
    """Path of a workload for arm64."""
    build = harness.BUILD.relative_to(ROOT) / "arm64"
    cross_make(t, f"B={build}", f"{build}/tests/workloads/{name}")
    return ROOT / build / "tests" / "workloads" / name


SEEDS = "sh -c 'seeds --rounds 50 --print-stats /tmp/stats && cat /tmp/stats'"


def test_programs_on_the_allocator_are_recorded_exactly(t):
    check_recordings(t, {"seeds": workload(t, "seeds")}, {"goalloc": SEEDS})


def test_recordings_are_exact_on_the_oldest_kernel(t):
    """Which is Debian 12's own."""
    programs = {f"go{release}": go_programs.build(release, "arm64-stripped") for release in kernels.GO_RELEASES}
    check_recordings(t, {"seeds": workload(t, "seeds"), **programs},
                     {"goalloc": SEEDS, **{name: f"{name} -rounds {{rounds}}" for name in programs}}, ("bookworm", "6.1"))


def test_go_programs_are_recorded_exactly(t):
    programs = {f"go{release}{variant}": go_programs.build(release, f"arm64{variant}")
                for release in RELEASES for variant in ("", "-stripped")}
    check_recordings(t, programs, {name: f"{name} -rounds {{rounds}}" for name in programs})


# Records a program that waits before its phase and after it.
ATTACH_JOB = """
mkfifo /tmp/in; exec 3<>/tmp/in
{name} -wait -rounds {rounds} < /tmp/in > /tmp/out &
program=$!
until [ -s /tmp/out ]; do sleep 0.1; done
escapement record -v --max-overhead 0 --rate {rate} -p $program -o /tmp/p.pb.gz 2> /tmp/messages & recorder=$!
until grep -q "attached process $program " /tmp/messages || ! [ -d /proc/$recorder ]; do sleep 0.1; done
echo >&3
until [ $(wc -l < /tmp/out) -ge 3 ] || ! [ -d /proc/$program ]; do sleep 0.1; done
kill -INT $recorder; wait $recorder
echo '=== {what} status'; echo $?
echo >&3; wait $program
exec 3>&-; rm /tmp/in
echo '=== {what} messages'; cat /tmp/messages
echo '=== {what} program'; cat /tmp/out
echo '=== {what} profile'; base64 /tmp/p.pb.gz
rm -f /tmp/p.pb.gz /tmp/out
"""
ATTACH_ROUNDS = 20


def test_attaching_to_go_programs_is_exact_and_has_their_lines(t):
    """At rate 1 each line of the program has the objects that its source says."""
    programs = {f"go{release}": go_programs.build(release, "arm64-stripped") for release in RELEASES}
    wanted = {f"{name} {rate}": (name, rate) for name in programs for rate in ("0", "1")}
    sections = booted(t, programs, "".join(ATTACH_JOB.format(what=what, name=name, rate=rate, rounds=ATTACH_ROUNDS)
                                           for what, (name, rate) in wanted.items()))
    for what, (_, rate) in wanted.items():
        same(sections[f"{what} status"].strip(), "0", f"{what}: exit status; {sections[f'{what} messages']}")
        profile = t.path("profile")
        profile.write_bytes(base64.b64decode(sections[f"{what} profile"]))
        phase = records.Phase(*(json.loads(line) for line in sections[f"{what} program"].splitlines()))
        recording = records.dump(t, profile)
        process = recording["processes"][0]
        records.check_exact(process, what)
        phase.equals(process["totals"][records.OBJECTS], "mallocs", f"{what}: Mallocs")
        if rate == "1":
            records.check_sites(recording, (ATTACH_ROUNDS,), 1, what)
        else:
            phase.equals(process["totals"][records.BYTES], "total_alloc", f"{what}: TotalAlloc")
            records.check_classes(process, phase.least, what, phase.most)
        print(f"# arm64, {sections['kernel'].strip()}, attached to {what}: exact", flush=True)


# A program that keeps objects, as its standard input says, and answers each command with a line; what doctor and heap say of
# it; whether it can be recorded.
KEEPING_JOB = """
mkfifo /tmp/in; exec 3<>/tmp/in
GOALLOC_HEAP_PROFILE=1 {name} < /tmp/in > /tmp/out & program=$!
answers=0
tell() {{
    echo "$1" >&3; answers=$((answers + 1))
    until [ $(wc -l < /tmp/out) -ge $answers ] || ! [ -d /proc/$program ]; do sleep 0.1; done
}}
{commands}
echo '=== {name} out'; cat /tmp/out
echo '=== {name} doctor -p'; escapement doctor -p $program; echo "status $?"
echo '=== {name} heap'; escapement heap -p $program --format json; echo '=== {name} heap status'; echo $?
echo '=== {name} memory'; escapement heap -p $program --memory --format json
escapement heap -p $program --format pprof -o /tmp/mine.pb.gz
for file in mine own; do echo "=== {name} $file"; [ ! -e /tmp/$file.pb.gz ] || base64 /tmp/$file.pb.gz; done
echo '=== {name} record'; escapement record -q --duration 1s -p $program -o /tmp/p.pb.gz; echo "status $?"
kill -9 $program; wait $program
exec 3>&-; rm -f /tmp/in /tmp/out /tmp/*.pb.gz
"""
# Go programs write a profile of their own to compare with; the keeper says what its counters say.
KEPT = {"go": ["rate 1", "hold a 1000 100", "hold b 300 5000", "churn 3000 2048", "stacks 200", "drop b", "gc 3", "write /tmp/own"],
        "keeper": ["hold a 1000 100", "hold b 300 5000", "hold c 50 70000", "churn 3000 2048", "drop b", "stats"]}


def keeping(name):
    commands = KEPT["keeper" if name == "keeper" else "go"]
    return KEEPING_JOB.format(name=name, commands="\n".join(f"tell '{command}'" for command in commands))


def test_live_heaps_are_those_of_the_programs_and_doctor_says_what_record_does(t):
    programs = {f"go{release}": go_programs.build(release, "arm64", "alive") for release in RELEASES}
    programs["keeper"] = workload(t, "keeper")
    sections = booted(t, programs, "".join(map(keeping, programs)))
    for name in programs:
        for what in ("doctor -p", "record"):
            assert "status 0" in sections[f"{name} {what}"].splitlines(), f"{name}: {what}: {sections[f'{name} {what}']}"
        same(sections[f"{name} heap status"].strip(), "0", f"{name}: heap's exit status: {sections[f'{name} heap']}")
        document = json.loads(sections[f"{name} heap"])
        if name == "keeper":
            alive = tuple(map(int, sections["keeper out"].splitlines()[-1].split()))
            same((document["totals"]["inuse_objects"], document["totals"]["inuse_bytes"]), alive, "in use, by its counters")
            same(sum(row["objects"] for row in json.loads(sections["keeper memory"])["rows"]), alive[0], "the lines of memory")
        else:
            found = []
            for file in ("mine", "own"):
                t.path(file).write_bytes(base64.b64decode(sections[f"{name} {file}"]))
                found.append(test_heap.by_stack(t, t.path(file)))
            same(found[0], found[1], f"{name}: by stack, ours and that of runtime/pprof")
        print(f"# arm64, {sections['kernel'].strip()}, {name}: {document['totals']['inuse_objects']} objects alive, as it says itself",
              flush=True)


def test_the_allocator_passes_its_unit_tests(t):
    check(t, "plain")


def test_the_allocator_passes_its_unit_tests_with_signed_return_addresses(t):
    check(t, "signed")


if __name__ == "__main__":
    harness.main()
