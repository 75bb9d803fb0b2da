#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""arm64, cross-built: libgoalloc passes its unit tests in Debian's arm64 kernel under QEMU, and the static binary prints what
that of amd64 prints; `make test-arm64`, a line a case.

A second build of libgoalloc signs return addresses as Debian 13 does, which unwinding must undo.
"""
import pathlib
import re
import shutil
import subprocess

import emulator
import harness
import release
from harness import ROOT, same

LIBRARIES = pathlib.Path("/usr/aarch64-linux-gnu/lib")
TESTS = sorted(path.stem for path in (ROOT / "tests" / "unit").glob("test_goalloc_*.c"))
FLAGS = {"plain": "-O2 -g", "signed": "-O2 -g -mbranch-protection=standard"}


def cross_make(t, *arguments):
    """`make` for arm64, without what this `make` was told."""
    emulator.need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    t.run("make", "-s", "-j2", "-C", ROOT, "CROSS_COMPILE=aarch64-linux-gnu-", *arguments, env=harness.FRESH, timeout=1800)


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
    emulated = [emulator.need("qemu-aarch64-static", "qemu-user-static"), command(t)]
    count = 0
    for arguments in release.offline_commands(release.profile(t)):
        amd64, arm64 = (subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, timeout=600)
                        for program in ([harness.ESCAPEMENT], emulated))
        # its name of the machine is the only difference
        same((arm64.returncode, arm64.stdout.replace("Linux aarch64", "Linux x86_64"), arm64.stderr),
             (amd64.returncode, amd64.stdout, amd64.stderr), arguments)
        count += 1
    assert release.LARGEST > emulated[1].stat().st_size, f"{emulated[1]} is larger than {release.LARGEST} bytes"
    print(f"# arm64: {count} commands print the same bytes as on amd64; {emulated[1].stat().st_size} bytes", flush=True)


def test_the_allocator_passes_its_unit_tests(t):
    check(t, "plain")


def test_the_allocator_passes_its_unit_tests_with_signed_return_addresses(t):
    check(t, "signed")


if __name__ == "__main__":
    harness.main()
