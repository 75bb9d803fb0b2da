#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""instructions_emulated.py BUILD MACHINE...: counts the instructions of malloc's and free's fast paths on each machine
(amd64, arm64; the latter's build is in BUILD/arm64). QEMU executes the program one instruction at a time, and names the
address of each. Fails if the probes add any.

amd64 is there to check the method: its column must be what callgrind counts (`instructions`).
"""
import collections
import os
import pathlib
import re
import subprocess
import sys

# machine: (QEMU, folder of the build, folder that has the machine's C library, nm)
MACHINES = {
    "amd64": ("qemu-x86_64-static", "", "/", "nm"),
    "arm64": ("qemu-aarch64-static", "arm64", "/usr/aarch64-linux-gnu", "aarch64-linux-gnu-nm"),
}
FUNCTIONS = ("malloc", "free")
# Two lengths of a run: their difference has no start and no end of the program in it.
SHORT, LONG = 2_000, 22_000
EXECUTED = re.compile(rb"\[[0-9a-f]+/([0-9a-f]+)/")


def places(nm, library):
    """Where each function is in the library: name: range of offsets."""
    found = {}
    for line in subprocess.run([nm, "-S", library], capture_output=True, text=True, check=True).stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[3] in FUNCTIONS:
            found[words[3]] = range(int(words[0], 16), int(words[0], 16) + int(words[1], 16))
    return found


def executed(emulator, root, program, library, operations):
    """How often the instruction at each offset in the library was executed."""
    reader, writer = os.pipe()
    # The dynamic linker says on stderr where it put the library.
    command = [emulator, "-L", root, "-E", f"LD_PRELOAD={library}", "-E", "LD_DEBUG=files", "-singlestep", "-d", "exec,nochain",
               "-D", f"/dev/fd/{writer}", program, "pair", "64", str(operations)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[writer]) as process:
        os.close(writer)
        counts = collections.Counter()
        with open(reader, "rb") as log:
            for line in log:
                if match := EXECUTED.search(line):
                    counts[match[1]] += 1
        said = process.stderr.read().decode()
    base = re.search(rf"file={re.escape(str(library))} .*generating link map\n.*base: (0x[0-9a-f]+)", said)
    if process.returncode != 0 or not base:
        sys.exit(f"{' '.join(map(str, command))}: status {process.returncode}: {said[-500:]}")
    return {int(address, 16) - int(base[1], 16): number for address, number in counts.items()}


def per_operation(machine, build, variant):
    emulator, folder, root, nm = MACHINES[machine]
    build = (build / folder).resolve()
    program, library = build / "tests" / "bench" / "malloc_cases", build / variant / "libgoalloc-preload.so"
    short, long = (executed(emulator, root, program, library, operations) for operations in (SHORT, LONG))
    return {function: sum(long.get(offset, 0) - short.get(offset, 0) for offset in where) / (LONG - SHORT)
            for function, where in places(nm, library).items()}


def main():
    build, status = pathlib.Path(sys.argv[1]), 0
    print(f"{'machine':8} {'function':8} {'with probes':>12} {'without':>12}")
    for machine in sys.argv[2:]:
        with_probes, without = (per_operation(machine, build, variant) for variant in ("", "no-probes"))
        for function in FUNCTIONS:
            row = f"{with_probes[function]:.1f}", f"{without[function]:.1f}"
            print(f"{machine:8} {function:8} {row[0]:>12} {row[1]:>12}")
            status |= row[0] != row[1]
    sys.exit(status)


main()
