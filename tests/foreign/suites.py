#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""suites.py [TEST...]: runs the test suites of other allocators on libgoalloc and on the peers, and prints a table.

The tests are those of Debian's source packages that use the standard functions. BUILD (build) has the library; the
sources are fetched by packaging/debian-source, and what is compiled is in BUILD/tests/foreign. The exit status is 1 if a
test fails with libgoalloc that passes with glibc, unless it is in INTERNAL below."""
import collections
import concurrent.futures
import ctypes
import math
import os
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
OUT = BUILD / "tests/foreign"
HERE = ROOT / "tests/foreign"
sys.path.insert(0, str(ROOT / "tests/bench"))
from malloc_table import allocators  # noqa: E402

# A test may take this long, since some fork thousands of times and the machine may be busy. In IDLE_SECONDS it takes at least a
# hundredth of a processor: what has hung may still look at a clock. FACTOR is for the limits that glibc's tests have themselves.
SECONDS, IDLE_SECONDS, FACTOR = 900, 120, 9
PR_SET_CHILD_SUBREAPER = 36
Suite = collections.namedtuple("Suite", "package folder tests flags support")

# Tests of what only glibc's own allocator has.
INTERNAL = {"tst-safe-linking": "glibc's own free lists, overwritten"}

# Tests that are made for a build of glibc, or test no allocator.
GLIBC_LEFT_OUT = ("interpose", "compathooks", "dynarray", "alloc_buffer", "scratch_buffer", "mtrace", "mallocstate",
                  "thread-fail", "malloc-backtrace")


def glibc(source):
    names = sorted(p.stem for p in (source / "malloc").glob("tst-*.c") if not any(w in p.stem for w in GLIBC_LEFT_OUT))
    include = OUT / "glibc-include"
    include.mkdir(parents=True, exist_ok=True)
    for folder in ("support", "malloc"):
        (include / folder).unlink(missing_ok=True)
        (include / folder).symlink_to(source / folder)
    flags = ["-D_GNU_SOURCE", "-O1", "-w", "-fno-builtin", "-include", "limits.h", f"-I{include}", f"-I{source}/support",
             "-idirafter", f"{source}/include", "-idirafter", f"{source}/sysdeps/generic",
             "-DMODULE_NAME=testsuite", "-DTIMEOUTFACTOR=1", "-Dlibc_hidden_proto(name)=", "-fcommon",
             *(f'-D{name}="{OUT}"' for name in re.findall(r"#ifdef (\w+_PATH)", (source / "support/support_paths.c").read_text()))]
    return [(name, source / "malloc" / f"{name}.c") for name in names], flags, sorted((source / "support").glob("*.c"))


def jemalloc(source):
    folder = source / "test/integration"
    tests = [(name, folder / f"{name}.c") for name in ("aligned_alloc", "malloc", "overflow", "posix_memalign")]
    return tests + [("cpp-basic", folder / "cpp/basic.cpp")], ["-D_GNU_SOURCE", "-O1", "-w", "-fno-builtin", f"-I{HERE}"], []


def gperftools(source):
    folder = source / "src/tests"
    names = ("realloc_unittest", "memalign_unittest", "tcmalloc_large_unittest")
    flags = ["-O1", "-w", "-fno-builtin", "-fpermissive", f"-I{HERE}", f"-I{source}/src", "-DTCMALLOC_ALIGN_8BYTES=0"]
    return [(name, folder / f"{name}.cc") for name in names], flags, [folder / "testutil.cc", source / "src/base/logging.cc", source / "src/base/dynamic_annotations.c"]


def security(source):
    """Cases of our own, after mimalloc-bench's security cases: each program knows its case by its name."""
    cases = re.findall(r"CASE\((\w+)\),", (source / "security.c").read_text())
    return [(case, source / "security.c") for case in cases], ["-O1", "-w", "-fno-builtin"], []


SUITES = [("glibc", glibc), ("jemalloc", jemalloc), ("google-perftools", gperftools), ("security", security)]
OWN = {"security": HERE}


def compiler(path):
    return ["g++" if path.suffix in (".cc", ".cpp") else "gcc"]


def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def compile_object(arguments):
    """What does not compile outside of its own tree is left out: the linker says whether a test needed it."""
    source, flags, to = arguments
    return to if run([*compiler(source), *flags, "-c", source, "-o", to]).returncode == 0 else None


def build(name, find):
    """Compiles a suite; returns its programs by name, and the tests that cannot be built."""
    source = OWN.get(name)
    if not source:
        debian = run([ROOT / "packaging/debian-source", "bookworm", name])
        if debian.returncode:
            sys.exit(f"suites: cannot fetch the sources of '{name}': {debian.stdout}")
        source = pathlib.Path(debian.stdout.split("\n")[-2])
    tests, flags, support = find(source)
    out = OUT / name
    (out / "support").mkdir(parents=True, exist_ok=True)
    library = out / "libsupport.a"
    programs, missing = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if support and not library.exists():
            jobs = [(s, flags, out / "support" / f"{s.stem}.o") for s in support]
            run(["ar", "rcs", library, *filter(None, pool.map(compile_object, jobs))])

        def link(test):
            program = out / test[0]
            command = [*compiler(test[1]), *flags, test[1], "-o", program, *([library] if support else []), "-lpthread", "-ldl"]
            return test[0], program, program.exists() or run(command).returncode == 0

        for test, program, built in pool.map(link, tests):
            if built:
                programs[test] = program
            else:
                missing.append(test)
    return programs, missing


def end_leftovers():
    """Ends what a test has left running, in whatever process group: it is our child by now, because we adopt orphans."""
    while left := pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for pid in map(int, left):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def cpu_time(session):
    """What the processes of a session have taken so far, with those of their children that have ended, in clock ticks."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks


def wait(process):
    """The exit status of a test, or "time"."""
    last = -math.inf
    for _ in range(SECONDS // IDLE_SECONDS):
        try:
            return process.wait(IDLE_SECONDS)
        except subprocess.TimeoutExpired:
            now = cpu_time(process.pid)
        if now - last < IDLE_SECONDS / 100 * os.sysconf("SC_CLK_TCK"):
            break
        last = now
    return "time"


def outcome(program, library):
    environment = {**os.environ, "TIMEOUTFACTOR": str(FACTOR), **({"LD_PRELOAD": library} if library else {})}
    process = subprocess.Popen([program], env=environment, cwd=program.parent, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    status = wait(process)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    end_leftovers()
    return {0: "ok", 77: "skip"}.get(status, f"{status}")


def main():
    wanted = sys.argv[1:]
    peers = allocators(str(BUILD))
    ours, reference = "goalloc", "glibc"
    worse = []
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sums = {name: collections.Counter() for name, _ in peers}
    print(f"{'suite':<18}{'test':<30}" + "".join(f"{name:>10}" for name, _ in peers))
    for suite, find in SUITES:
        programs, missing = build(suite, find)
        for test, program in programs.items():
            if wanted and test not in wanted:
                continue
            result = {name: outcome(program, library) for name, library in peers}
            for name in result:
                sums[name]["passed" if result[name] == "ok" else "skipped" if result[name] == "skip" else "failed"] += 1
            failed = result[ours] not in ("ok", "skip") and result[reference] in ("ok", "skip")
            note = INTERNAL.get(test, "") if failed else ""
            if failed and not note:
                worse.append(test)
                note = "passes with glibc"
            print(f"{suite:<18}{test:<30}" + "".join(f"{result[name]:>10}" for name, _ in peers) + (f"  {note}" if note else ""),
                  flush=True)
        if missing and not wanted:
            print(f"{suite:<18}not buildable outside of its tree: {', '.join(missing)}")
    for kind in ("passed", "failed", "skipped"):
        print(f"{'':<18}{kind:<30}" + "".join(f"{sums[name][kind]:>10}" for name, _ in peers))
    if worse:
        print(f"suites: fail with libgoalloc and pass with glibc: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
