#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""arm64: libgoalloc, cross-built, passes its unit tests in Debian's arm64 kernel under QEMU; `make test-arm64`, a line a file.

A second build signs return addresses as Debian 13 does, which unwinding must undo.
"""
import pathlib
import re
import shutil

import emulator
import harness
from harness import ROOT, same

LIBRARIES = pathlib.Path("/usr/aarch64-linux-gnu/lib")
TESTS = sorted(path.stem for path in (ROOT / "tests" / "unit").glob("test_goalloc_*.c"))
FLAGS = {"plain": "-O2 -g", "signed": "-O2 -g -mbranch-protection=standard"}


def built(t, flags):
    """The folders of a build with these compiler flags, and of cmocka's library."""
    emulator.need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    header, library = (pathlib.Path(emulator.packaging("debian-program", "bookworm:arm64", package)[0]) / "usr"
                       for package in ("libcmocka-dev", "libcmocka0"))
    build, folder = harness.BUILD.relative_to(ROOT) / "arm64" / flags, t.path("cmocka")
    folder.mkdir()
    for name in ("libcmocka.so", "libcmocka.so.0"):
        shutil.copy(library / "lib" / "aarch64-linux-gnu" / "libcmocka.so.0", folder / name)
    t.run("make", "-s", "-j2", "-C", ROOT, "CROSS_COMPILE=aarch64-linux-gnu-", f"B={build}", f"CFLAGS={FLAGS[flags]}",
          f"CPPFLAGS=-I{header / 'include'}", f"LDFLAGS=-L{folder}", f"{build}/libgoalloc.so",
          *(f"{build}/tests/unit/{name}" for name in TESTS), env=harness.FRESH, timeout=1200)
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


def test_the_allocator_passes_its_unit_tests(t):
    check(t, "plain")


def test_the_allocator_passes_its_unit_tests_with_signed_return_addresses(t):
    check(t, "signed")


if __name__ == "__main__":
    harness.main()
