#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each obstacle to a recording has its own message and exit status. doctor tries the steps of a recording, and must
report the same as `record` does afterwards."""
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import sys
import termios

import harness
from harness import contains, same, workload

PTRACE_SEIZE = 0x4206
DENY = harness.BUILD / "tests" / "tools" / "deny"
# They do not open /proc/PID/mem of another user's process.
THREE_CAPABILITIES = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "+bpf,+perfmon,+sys_ptrace",
                      "--ambient-caps", "+bpf,+perfmon,+sys_ptrace"]
ALLOCATES = """package main

import (
	"bufio"
	"fmt"
	"os"
)

var sink []byte

func main() {
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		sink = make([]byte, 100)
	}
}
"""
LIBRARY = """package main

import "C"

var sink []byte

//export Allocate
func Allocate() {
	sink = make([]byte, 100)
}

func main() {}
"""
HOST = """#include <stdio.h>
#include "library.h"

int main(void)
{
	Allocate();
	puts("ready");
	fflush(stdout);
	getchar();
}
"""


def go_build(t, name, source, *arguments):
    t.path(f"{name}.go").write_text(source)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    t.run(harness.go_toolchain("1.24"), "build", "-o", t.path(name), *arguments, t.path(f"{name}.go"), env=environment,
          timeout=300)
    return t.path(name)


def ready(t, *command, **options):
    process = t.start(*command, **options)
    same(process.stdout.readline(), "ready\n", f"first line of {command[0]}")
    return process


def target(t):
    """A process that uses libgoalloc and runs until its standard input ends."""
    return ready(t, workload("processes"), "heavy", "1")


def environment(before):
    """For escapement behind this command: whether it may be traced is what these tests are about."""
    return harness.without_leaks() if "strace" in before or "ptrace" in before else None


def doctor(t, before, *arguments):
    """doctor's exit status, its findings, and the messages of those that are not ok, in the form of record's
    messages."""
    done = t.run(*before, harness.ESCAPEMENT, "doctor", "--format", "json", *arguments, status=None, env=environment(before))
    findings = json.loads(done.stdout)["findings"]
    said = [f"{finding['detail']}; {finding['advice']}" for finding in findings if finding["state"] != "ok"]
    return done.returncode, findings, said


def record(t, before, *arguments):
    """record's exit status and messages."""
    profile = t.path("profile.pb.gz")
    done = t.run(*before, harness.ESCAPEMENT, "record", "-o", profile, "--duration", "0.2", *arguments, status=None,
                 env=environment(before))
    return done.returncode, done.stderr


def check(t, what, before, pid, status, cause, *words):
    """Checks that doctor and record end with `status`, for the same cause and with the same message."""
    promised, findings, said = doctor(t, before, "-p", pid)
    same(promised, status, f"{what}: doctor's exit status")
    found, messages = record(t, before, "-p", pid)
    same(found, status, f"{what}: record's exit status ({messages})")
    if not status:
        return
    named = [finding for finding in findings if finding["status"] == status]
    same([finding["cause"] for finding in named], [cause], f"{what}: cause")
    contains(messages, f"{named[0]['detail']}; {named[0]['advice']}")
    for word in words:
        contains(named[0]["detail"], word)


def test_a_seccomp_filter_is_named_with_its_system_call(t):
    harness.require_root()
    pid = target(t).pid
    # Who may open /proc/PID/mem reads without process_vm_readv.
    for call, status in {"bpf": 3, "pidfd_open": 3, "process_vm_readv": 0, "ptrace": 0, "perf_event_open": 0}.items():
        for number in (errno.EPERM, errno.ENOSYS):
            check(t, f"{call}, {number}", [DENY, call, number], pid, status, "seccomp",
                  f"a seccomp filter forbids the system call {call}")
    t.run(DENY, "process_vm_readv", errno.EPERM, harness.ESCAPEMENT, "heap", "--memory", "-p", pid)


def test_a_call_that_libbpf_makes_is_named_and_not_bpf(t):
    harness.require_root()
    pid = target(t).pid
    for call in ("memfd_create", "dup3"):
        for number in (errno.EPERM, errno.ENOSYS):
            before = [DENY, call, number]
            status, messages = record(t, before, "-p", pid)
            if not status:
                raise harness.Skip(f"this libbpf does without {call}")
            check(t, f"{call}, {number}", before, pid, 3, "seccomp", f"a seccomp filter forbids the system call {call}")


def test_a_call_that_a_filter_ends_a_process_for_is_named_before_it_is_made(t):
    harness.require_root()
    pid = target(t).pid
    for call in ("bpf", "memfd_create", "dup3", "pidfd_open", "process_vm_readv", "ptrace"):
        before, said = [DENY, call, "kill"], f"a seccomp filter forbids the system call {call}"
        attached = 0 if call in ("process_vm_readv", "ptrace") else 3  # who may open /proc/PID/mem needs neither
        check(t, call, before, pid, attached, "seccomp", said)
        promised, findings, _ = doctor(t, before)
        started, messages = record(t, before, "--", workload("seeds"))
        same(started, 0 if call in ("process_vm_readv", "pidfd_open") else 3, f"{call}: record's exit status of a program")
        if started:
            contains(messages, said)
            same(promised, 3, f"{call}: doctor's exit status")
            assert any(said in finding["detail"] for finding in findings), findings


def test_a_recorder_that_is_killed_before_it_traces_leaves_nothing_that_waits(t):
    """What waits then is a child that was to become the program."""
    harness.require_root()
    name = str(t.path("recording")).encode()
    t.run(DENY, f"ptrace:{PTRACE_SEIZE}", "kill", harness.ESCAPEMENT, "record", "-o", name.decode(), "--", "true",
          status=-signal.SIGSYS)

    def left():
        found = []
        for pid in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(pid.name)] if name in (pid / "cmdline").read_bytes() else []
        return found

    try:
        harness.wait_for(lambda: not left(), "the child to end")
    finally:
        for pid in left():
            os.kill(pid, signal.SIGKILL)


def starting(t):
    """Commands that start something, and an environment in which they leave nothing."""
    t.run("git", "init", "-q", t.directory)
    t.path("tmp").mkdir(exist_ok=True)
    program, gate = ["--", workload("seeds")], ["gate", "--update", "--baseline", t.path("b.json")]
    return [["record", "-o", t.path("p"), *program], ["record", "--in-process", "-o", t.path("p"), *program],
            [*gate, *program], [*gate, "--in-process", *program], ["escapes", "--build", "."],
            ["compare", "--base", "HEAD", "--build", "true", "--", "./program"]], {
                "cwd": t.directory, "env": dict(harness.without_leaks(), TMPDIR=str(t.path("tmp")))}


def nothing_is_left(t):
    same(list(t.path("tmp").iterdir()), [], "what is left in TMPDIR")


def test_a_filter_on_new_processes_is_named_by_all_that_start_one(t):
    harness.require_root()
    commands, options = starting(t)
    for command in (*commands, ["doctor"]):
        done = t.run(DENY, "clone,clone3", errno.EPERM, harness.ESCAPEMENT, *command, status=3, **options)
        said = done.stdout if command == ["doctor"] else done.stderr
        contains(said, "a seccomp filter forbids the system call clone")
        contains(said, "allow it in the filter of the container or service that escapement runs in")
        contains(said, "cannot start ")
        nothing_is_left(t)


def test_a_shortage_is_no_mistake_of_the_user(t):
    harness.require_root()
    commands, options = starting(t)
    for calls, number, words in (("clone,clone3", errno.EAGAIN, "there are as many processes as may be"),
                                 ("pipe2", errno.EMFILE, "Too many open files"),
                                 ("pipe2", errno.EPERM, "Operation not permitted")):
        for command in commands:
            said = t.run(DENY, calls, number, harness.ESCAPEMENT, *command, status=3, **options).stderr
            contains(said, words)
            for wrong in ("compares revisions of", "name the go command", "system call clone"):
                assert wrong not in said, said
            same("there is no memory for its stack" in said, "cannot start a thread" in said, said)
            nothing_is_left(t)
    said = t.run(DENY, "signalfd4", errno.EPERM, harness.ESCAPEMENT, *commands[0], status=3, **options).stderr
    contains(said, "cannot start '")
    assert "system call clone" not in said, said
    contains(t.escapement(*commands[4], "--go", "./none", status=3, **options).stderr, "name the go command with --go")
    contains(t.escapement(*commands[5], status=2, **dict(options, env=dict(options["env"], GIT_CEILING_DIRECTORIES="/"),
                                                          cwd="/proc")).stderr, "--base compares revisions of a git repository")


def test_few_descriptors_are_named_as_such(t):
    harness.require_root()
    if harness.SANITIZED:
        raise harness.Skip("sanitizers have descriptors of their own")
    commands, options = starting(t)
    for most in range(5, 10):
        said = t.run("prlimit", f"--nofile={most}:{most}", harness.ESCAPEMENT, *commands[5], status=3, **options).stderr
        contains(said, "Too many open files")
        nothing_is_left(t)
    # Wherever a recording finds none left, also behind the verifier, whose log says that it accepts the program.
    pid = target(t).pid
    for most in range(24, 40):
        said = t.run("prlimit", f"--nofile={most}:{most}", harness.ESCAPEMENT, "record", "--rate", "1", "--duration", "0.1", "-o",
                     t.path("p"), "-p", pid, status=None, **options).stderr
        assert "verifier" not in said, f"{most}: {said}"


def test_memory_that_cannot_be_read_in_either_way_is_told(t):
    harness.require_root()
    t.directory.chmod(0o777)
    pid = target(t).pid
    for number in (errno.EPERM, errno.ENOSYS):
        check(t, f"process_vm_readv, {number}", [*THREE_CAPABILITIES, DENY, "process_vm_readv", number], pid, 4, "unreadable",
              "a seccomp filter forbids the system call process_vm_readv")
    done = t.run(*THREE_CAPABILITIES, DENY, "process_vm_readv", errno.EPERM, harness.ESCAPEMENT, "heap", "-p", pid, status=3)
    contains(done.stderr, "a seccomp filter forbids the system call process_vm_readv")


def test_what_is_started_is_traced_and_a_filter_on_that_is_named(t):
    harness.require_root()
    for number in (errno.EPERM, errno.ENOSYS):
        before = [DENY, "ptrace", number]
        status, _, said = doctor(t, before)
        same(status, 3, "doctor's exit status")
        found, messages = record(t, before, "--", workload("seeds"))
        same(found, 3, "record's exit status")
        contains(messages, "cannot trace")
        contains(messages, "a seccomp filter forbids the system call ptrace")
        assert any("a seccomp filter forbids the system call ptrace" in each for each in said), said


def test_a_user_namespace_is_no_root(t):
    harness.require_root()
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True).returncode:
        raise harness.Skip("user namespaces are not permitted here")
    pid = target(t).pid
    for form in (["unshare", "-Ur"], ["unshare", "-U"]):
        check(t, " ".join(form), form, pid, 3, "user-namespace", "in a user namespace")
    for before in (["unshare", "-Ur"], ["unshare", "-U"]):
        status, _, said = doctor(t, before)
        same(status, 3, "doctor's exit status")
        found, messages = record(t, before, "--", workload("seeds"))
        same(found, 3, "record's exit status")
        assert any(f"escapement: {each}\n" in messages for each in said), (said, messages)


def test_a_proc_of_other_processes_is_told_and_no_other_process_taken(t):
    """In a PID namespace of its own, without a /proc of its own: 2 is another process there."""
    harness.require_root()
    program = ["--", workload("seeds")]
    for before in (["unshare", "--pid", "--fork"], ["unshare", "--mount", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]):
        done = t.run(*before, harness.ESCAPEMENT, "doctor", "--format", "json", status=3)
        starting, = (each for each in json.loads(done.stdout)["findings"] if each["subject"] == "starting")
        same(starting["cause"], "no-proc")
        for what in (["-p", "2"], ["--name", "seeds"], program):
            status, messages = record(t, before, *what)
            same(status, 3, f"record's exit status ({messages})")
            contains(messages, f"{starting['detail']}; {starting['advice']}")
        same(t.run(*before, harness.ESCAPEMENT, "record", "-o", t.path("p"), *program, status=3).stdout, "",
             "what the program printed")


def test_a_program_that_may_not_be_read_is_not_taken_for_another_kind(t):
    harness.require_root()
    program = t.copy(workload("processes"))
    process = ready(t, program, "heavy", "1")
    program.chmod(0o711)
    check(t, "an executable that only its owner may read", THREE_CAPABILITIES, process.pid, 3, "file", "may not be read",
          str(program))
    check(t, "the same, for root", [], process.pid, 0, None)


def test_missing_capabilities_are_named(t):
    harness.require_root()
    pid = target(t).pid
    every = "-sys_admin,-bpf,-perfmon,-sys_ptrace"
    lacking = {"-sys_ptrace": ("capability", "CAP_SYS_PTRACE"), "-bpf,-sys_admin": ("capability", "CAP_BPF"),
               "-perfmon,-sys_admin": ("capability", "CAP_PERFMON"), every: ("capability", "CAP_SYS_PTRACE"),
               "-sys_admin": (None,), "-sys_resource": (None,)}
    for dropped, (cause, *words) in lacking.items():
        check(t, dropped, ["setpriv", "--bounding-set", dropped], pid, 3 if cause else 0, cause, *words)


def test_another_user_with_the_three_capabilities_can_record(t):
    harness.require_root()
    t.directory.chmod(0o777)
    check(t, "nobody", ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"], target(t).pid, 3, "capability",
          "CAP_SYS_PTRACE")
    check(t, "nobody with capabilities", THREE_CAPABILITIES, target(t).pid, 0, None)


def test_a_program_that_the_verifier_refuses_is_found_by_doctor_too(t):
    harness.require_root()
    pid = target(t).pid
    refused = ["env", "ESCAPEMENT_REFUSE=goalloc_alloc_sample"]
    check(t, "a program that cannot be done without", refused, pid, 3, "verifier", "goalloc_alloc_sample")
    status, findings, _ = doctor(t, refused, "--rate", "0", "-p", pid)
    same((status, record(t, refused, "--rate", "0", "-p", pid)[0]), (0, 0), "at a rate that does not need it")
    refused = ["env", "ESCAPEMENT_REFUSE=goalloc_mheap_grow"]
    status, findings, _ = doctor(t, refused, "-p", pid)
    found, messages = record(t, refused, "-p", pid)
    same((status, found), (0, 0), "exit status without a value")
    limits = next(finding for finding in findings if finding["subject"] == "limits")
    contains(messages, limits["detail"])
    contains(limits["detail"], "goalloc_mheap_grow")
    refused = ["env", "ESCAPEMENT_REFUSE=process_forked"]
    status, findings, _ = doctor(t, refused, "-p", pid)
    found, messages = record(t, refused, "-p", pid)
    same((status, found), (0, 0), "exit status without the count of forks")
    limits = next(finding for finding in findings if finding["subject"] == "limits")
    contains(limits["detail"], f"cannot count the processes that process {pid} forks, which are not observed, if any: ")
    contains(messages, limits["detail"])
    same(limits["state"], "degraded")


def test_another_tracer_is_named(t):
    harness.require_root()
    if not shutil.which("strace"):
        raise harness.Skip("strace is not installed")
    program = workload("seeds")
    patient = ("--duration", "60")  # on a busy machine a short one is over before the shell has started strace
    for command in (["strace", "-f", "-o", t.path("trace"), program, "--rounds", "1"],
                    ["sh", "-c", f"strace -o {t.path('trace')} {program} --rounds 1"],
                    ["sh", "-c", f"strace -o {t.path('trace')} {program} --rounds 1; /bin/echo done; exit 3"]):
        status, messages = record(t, [], *patient, "--", *command)
        same(status, 3, "exit status")
        contains(messages, f"'{program}' is traced by strace; record it with -p, or put escapement inside")
    before = ["strace", "-f", "-o", t.path("trace")]
    status, messages = record(t, before, *patient, "--", program, "--rounds", "1")
    same(status, 3, f"exit status inside of strace -f: {messages}")
    contains(messages, f"'{program}' is traced by strace; record it with -p, or put escapement inside")
    status, _, said = doctor(t, before)
    same(status, 3, "doctor's exit status")
    assert any("is traced by strace" in each for each in said), said
    traced = ready(t, "strace", "-f", "-o", t.path("trace"), workload("processes"), "heavy", "1")
    pid = harness.wait_for(lambda: harness.children(traced.pid), "the program that strace runs")[0]
    check(t, "-p", [], pid, 0, None)


def test_a_program_that_runs_another_one_is_no_tracer(t):
    harness.require_root()
    status, messages = record(t, [], "--duration", "60", "--", "sh", "-c", "true")
    same(status, 3, "exit status")
    contains(messages, "has no probes: it is not a Go program and has no libgoalloc loaded")
    assert "traced" not in messages, messages


def test_a_go_runtime_in_a_library_is_found_by_both(t):
    harness.require_root()
    go_build(t, "library", LIBRARY, "-buildmode=c-shared")
    t.path("library").rename(t.path("liballocates.so"))
    t.path("host.c").write_text(HOST)
    header = next(t.directory.glob("*library*.h"), None) or next(t.directory.glob("*.h"))
    header.rename(t.path("library.h"))
    t.run("gcc", "-o", "host", "host.c", "-L.", "-lallocates", "-Wl,-rpath,$ORIGIN")
    process = ready(t, t.path("host"))
    check(t, "c-shared", [], process.pid, 0, None)
    _, findings, _ = doctor(t, [], "-p", process.pid)
    runtime = next(finding for finding in findings if finding["subject"] == "runtime")
    contains(runtime["detail"], "liballocates.so")


def gccgo(t):
    """Debian's gccgo, unpacked into the test's directory; skips if it is not available."""
    root = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "escapement" / "gccgo-12"
    if not (root / ".complete").exists():
        packages = t.path("packages")
        packages.mkdir()
        done = subprocess.run(["apt-get", "-qq", "download", "gccgo-12", "libgo21", "libgo-12-dev", "gcc-12", "libgcc-12-dev"],
                              cwd=packages, capture_output=True, text=True)
        if done.returncode:
            raise harness.Skip(f"gccgo is not available: {done.stderr.strip()[-200:]}")
        for package in packages.glob("*.deb"):
            t.run("dpkg", "-x", package, root)
        (root / ".complete").touch()
    return root / "usr"


def test_gccgo_is_named(t):
    harness.require_root()
    usr = gccgo(t)
    libraries = usr / "lib" / "x86_64-linux-gnu"
    compiler = usr / "lib" / "gcc" / "x86_64-linux-gnu" / "12"  # newer packages have its programs in libexec
    t.path("program.go").write_text(ALLOCATES)
    for form, arguments in {"shared": [], "static": ["-static-libgo"]}.items():
        t.run(usr / "bin" / "gccgo-12", f"-B{compiler}/", f"-B{usr}/libexec/gcc/x86_64-linux-gnu/12/",
              f"-I{libraries}/go/12", f"-I{libraries}/go/12/x86_64-linux-gnu", f"-L{compiler}", f"-L{libraries}", *arguments,
              "-o", form, "program.go", timeout=300)
        process = ready(t, t.path(form), env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
        check(t, f"gccgo, {form}", [], process.pid, 3, "gccgo", "was built by gccgo")


def test_a_go_program_older_than_any_that_is_known_is_named(t):
    harness.require_root()
    t.path("old.go").write_text(ALLOCATES)
    t.run(harness.go_toolchain("1.15"), "build", "-o", t.path("old"), t.path("old.go"), timeout=300,
          env={**os.environ, "GO111MODULE": "off", "GOFLAGS": ""})
    check(t, "go1.15", [], ready(t, t.path("old")).pid, 3, "go-tables", "older than Go 1.19")


def test_doctor_says_what_the_rate_will_see(t):
    harness.require_root()
    plain = ready(t, go_build(t, "plain", ALLOCATES))
    sampled = ready(t, go_build(t, "sampled", ALLOCATES.replace(
        '"os"', '"os"\n\t"runtime"').replace("func main() {", "func main() {\n\truntime.MemProfile(nil, true)")))

    def rows(pid, *arguments):
        _, findings, _ = doctor(t, [], "-p", pid, *arguments)
        return next((finding["state"], finding["detail"]) for finding in findings if finding["subject"] == "rows")

    state, detail = rows(plain.pid)
    same(state, "ok", "state without the sampler")
    contains(detail, "Go's memory profiler is not linked into this program")
    contains(detail, "counts every allocation in bursts")
    status, messages = record(t, [], "-p", plain.pid)
    same(status, 0, "exit status")
    same(rows(plain.pid, "--rate", "1")[0], "ok", "state at rate 1")
    state, detail = rows(sampled.pid)
    same(state, "ok", "state with the sampler")
    contains(detail, "estimates objects by stack")
    assert "profiler" not in record(t, [], "-p", sampled.pid)[1], "a recording warns about the profiler"


def at_a_terminal(t, *command):
    """Exit status and output of a command with a terminal of its own."""
    terminal, end = pty.openpty()
    done = subprocess.Popen([str(word) for word in command], stdin=end, stdout=end, stderr=end, start_new_session=True,
                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(end)
    said = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 4096):
            said += chunk
    os.close(terminal)
    return done.wait(harness.TIMEOUT), said.decode().replace("\r\n", "\n")


def test_a_filter_on_filters_is_named_where_another_users_program_needs_one(t):
    """At a terminal, which such a program must not type into. Some filters say that the kernel lacks the call, or that it was
    made."""
    harness.require_root()
    t.directory.chmod(0o777)
    named = "cannot keep programs of other users from typing into this terminal: a seccomp filter forbids the system call seccomp"
    deny = [DENY, "seccomp", errno.EPERM]
    run = [harness.ESCAPEMENT, "record", "-q", "-o", t.path("p")]
    program = ["--", t.copy(workload("seeds"))]
    sudo = ["env", "SUDO_UID=65534", "SUDO_GID=65534"]
    for before, user, status in (([], ["--user", "nobody"], 3), ([], [], 0), ([], ["--user", "root"], 0), (sudo, [], 3),
                                 (sudo, ["--user", "root"], 0)):
        found, said = at_a_terminal(t, *deny, *before, *run, *user, *program)
        same((found, named in said), (status, status == 3), f"record {before} {user}: {said}")
        if user:
            continue
        found, said = at_a_terminal(t, *deny, *before, harness.ESCAPEMENT, "doctor", "--format", "json")
        same((found, named in said), (status, True), f"doctor {before}: {said}")
    for number in (errno.ENOSYS, 0):
        found, said = at_a_terminal(t, DENY, "seccomp", number, *run, "--user", "nobody", *program)
        same((found, named in said), (3, True), f"record in a filter that answers {number}: {said}")
    for way in (["setsid", "-w"], []):  # what the page says to do; and without a filter on filters
        before = deny if way else []
        found, said = at_a_terminal(t, *before, *way, *run, "--user", "nobody", *program)
        same((found, named in said), (0, False), f"{way}: {said}")
    found, said = at_a_terminal(t, *deny, harness.ESCAPEMENT, "escapes", "--build", "--user", "nobody", ".")
    same((found, named in said), (3, True), said)


def test_a_filter_on_what_makes_another_user_is_named_where_that_is_needed(t):
    harness.require_root()
    program, (commands, options) = ["--", workload("seeds")], starting(t)
    sudo = dict(options["env"], SUDO_UID="65534", SUDO_GID="65534")
    for call in ("setuid", "setgid", "setgroups"):
        named = f"cannot run programs as another user: a seccomp filter forbids the system call {call}; allow it in the filter"
        for number in (errno.EPERM, errno.ENOSYS):
            before = [DENY, call, number, harness.ESCAPEMENT]
            for command in commands[:4]:
                done = t.run(*before, *command, status=3, **dict(options, env=sudo))
                contains(done.stderr, named)
                nothing_is_left(t)
            t.run(*before, "record", "-o", t.path("p"), *program, **options)
            t.run(*before, "record", "-o", t.path("p"), "--user", "root", *program, **dict(options, env=sudo))
            for env, state, status in ((sudo, "missing", 3), (options["env"], "degraded", 0)):
                done = t.run(*before, "doctor", "--format", "json", status=status, **dict(options, env=env))
                finding, = (each for each in json.loads(done.stdout)["findings"] if each["subject"] == "starting")
                same((finding["state"], finding["cause"]), (state, "seccomp"))
                contains(f"{finding['detail']}; {finding['advice']}", named)


def test_no_program_is_run_as_root_because_a_sandbox_answers_with_success(t):
    """As those do that build containers without privileges: the call is not made, and no error is returned."""
    harness.require_root()
    groups = ["setpriv", "--groups", "0,4"]
    for call, before in (("setuid", []), ("setgid", []), ("setgroups", groups)):
        denied = [*before, DENY, call, 0, harness.ESCAPEMENT]
        said = t.run(*denied, "record", "-o", t.path("p"), "--user", "nobody", "--", "id", status=3)
        contains(said.stderr, f"cannot run programs as another user: a seccomp filter forbids the system call {call}")
        same(said.stdout, "", "what the program printed")
    contains(t.run(*groups, harness.ESCAPEMENT, "record", "-o", t.path("p"), "--user", "nobody", "--", "id", status=3).stdout,
             "groups=65534(nogroup)\n")


def test_an_ordinary_end_is_no_exec(t):
    """When a process ends, the kernel frees its memory before it reports the end; the more memory, the longer the gap.
    In that gap the recorder must not mistake the missing memory for an exec."""
    harness.require_root()
    for _ in range(6):
        process = ready(t, workload("processes"), "heavy", "400")
        recorder = t.start(harness.ESCAPEMENT, "record", "-v", "--rate", "1", "-o", t.path("profile.pb.gz"), "-p",
                           process.pid)
        for line in recorder.stderr:
            if line.startswith("escapement: attached"):
                break
        process.stdin.close()
        messages = recorder.stderr.read()
        recorder.wait(harness.TIMEOUT)
        assert "another program" not in messages, messages
        contains(messages, "ended before its counters could be read")


def test_a_process_that_proc_hides_is_not_said_to_be_none(t):
    """Hardened machines mount /proc with hidepid, so that users see their own processes only."""
    harness.require_root()
    pid = target(t).pid
    capable = [*THREE_CAPABILITIES[:-3], "+bpf,+perfmon", "--ambient-caps", "+bpf,+perfmon"]
    for level in (1, 2):
        before = ("unshare", "--mount", "sh", "-c", f'mount -t proc -o hidepid={level} proc /proc && exec "$@"', "sh", *capable)
        for command in (("record", "-o", "/dev/null"), ("heap",), ("doctor",)):
            done = t.run(*before, harness.ESCAPEMENT, *command, "-p", pid, status=3)
            contains(done.stdout + done.stderr, "escapement lacks CAP_SYS_PTRACE")
            assert "no process with PID" not in done.stdout + done.stderr, done
        absent = t.run(*before, harness.ESCAPEMENT, "heap", "-p", 2 ** 22 - 1, status=3)
        contains(absent.stderr, "no process with PID")


def test_the_number_of_a_thread_is_not_taken_for_a_process(t):
    harness.require_root()
    process = ready(t, sys.executable, "-c", "import sys, threading\n"
                                             "threading.Thread(target=sys.stdin.read).start()\nprint('ready', flush=True)")
    thread, = (int(path.name) for path in pathlib.Path(f"/proc/{process.pid}/task").iterdir() if path.name != str(process.pid))
    for command in (["record", "-o", t.path("p")], ["heap"], ["heap", "--when", "rss>1g"], ["doctor"], ["top"]):
        done = t.escapement(*command, "-p", thread, status=3)
        contains(done.stdout + done.stderr, f"{thread} is a thread of process {process.pid}: give that number")


def test_few_descriptors_are_named_as_such_and_doctor_says_so_before(t):
    harness.require_root()
    pid = target(t).pid
    for limit in range(70, 20, -2):
        before = ("sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh")
        status, said = record(t, before, "-p", pid)
        assert "this kernel" not in said, said
        promised, findings, warned = doctor(t, before, "-p", pid)
        if promised != status:  # doctor's own file, in which its probes are, is one more
            same(record(t, ("sh", "-c", f'ulimit -n {limit - 1} && exec "$@"', "sh"), "-p", pid)[0], promised,
                 f"doctor with {limit} descriptors: {findings}")
            continue
        if status == 3:
            break
        same(warned, [], f"doctor with {limit} descriptors, record: {said}")
    contains(said, "Too many open files")
    same(record(t, ("sh", "-c", f'ulimit -S -n {limit} && exec "$@"', "sh"), "-p", pid)[0], 0, "a soft limit")


if __name__ == "__main__":
    harness.main()
