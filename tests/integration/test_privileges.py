#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Privileges that each command still has once it has attached, from /proc/PID/status, compared with the documented
ones."""
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import go_programs
import harness
from harness import contains, same, workload

# linux/capability.h
PR_CAPBSET_DROP = 24
NUMBERS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_DAC_READ_SEARCH": 2, "CAP_FOWNER": 3, "CAP_KILL": 5,
           "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_SYS_NICE": 23, "CAP_PERFMON": 38, "CAP_BPF": 39,
           "CAP_CHECKPOINT_RESTORE": 40}
READ = {"CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_CHECKPOINT_RESTORE"}
WRITE = {"CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER"}
ATTACH = {"CAP_BPF", "CAP_PERFMON"}
PRIORITY, SIGNAL = {"CAP_SYS_NICE"}, {"CAP_KILL"}


def require_multi():
    harness.require_root()
    release = tuple(map(int, re.findall(r"\d+", pathlib.Path("/proc/sys/kernel/osrelease").read_text())[:2]))
    if release < (6, 6):
        raise harness.Skip("this kernel has no uprobe.multi, so the links need privileges until the end")


def names(mask):
    known = {name for name, number in NUMBERS.items() if int(mask, 16) >> number & 1}
    rest = int(mask, 16) & ~sum(1 << NUMBERS[name] for name in known)
    return known | ({hex(rest)} if rest else set())


def threads(pid):
    """Capabilities and NoNewPrivs of each thread that has not ended, from /proc/PID/task/TID/status; the main thread's first."""
    found = []
    for path in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*/status"), key=lambda path: path.parent.name != str(pid)):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append({key: value if key == "NoNewPrivs" else names(value)
                      for key, value in re.findall(r"^(Cap\w+|NoNewPrivs):\t(\S+)$", text, re.M)})
    return found


def check(pid, kept, what):
    """Waits until the process has exactly the capabilities `kept`."""
    given_up = {"CapPrm": kept, "CapEff": kept, "CapInh": set(), "CapAmb": set(), "NoNewPrivs": "1"}

    def wrong():
        """Differences from the wanted state. The main thread must agree with it exactly; the other threads must not
        have more capabilities."""
        first, *others = threads(pid)
        found = {key: value for key, value in first.items() if key in given_up and value != given_up[key]}
        for each in [{"CapBnd": first["CapBnd"]}, *others]:
            found.update({f"{key} of any": value - kept for key, value in each.items()
                          if key != "NoNewPrivs" and value - kept})
        return found

    try:
        harness.wait_for(lambda: not wrong(), what)
    except AssertionError:
        same(wrong(), {}, f"{what}: wrong privileges")


def other_user(t, *command):
    return t.start("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", *command)


def test_a_recording_of_another_users_process_keeps_what_it_needs(t):
    require_multi()
    target = other_user(t, t.copy(workload("seeds")), "--rounds", "0", "--sleep-us", "1000")
    harness.wait_for(lambda: pathlib.Path(f"/proc/{target.pid}/comm").read_text() == "seeds\n", "the target")
    for rate, more in (("512k", set()), ("1", ATTACH)):  # at rate 1 the overhead limit may require attaching again
        recorder = t.attach(target.pid, "--rate", rate, "-o", t.path("p"))
        check(recorder.pid, READ | PRIORITY | WRITE | more, f"record --rate {rate}")
        harness.wait_until_run(target.pid)
        recorder.end()
        same(t.json("report", t.path("p"))["check"]["difference"], 0, "difference")
    recorder = t.attach(target.pid, "--rate", "1", "--max-overhead", "0", "-o", t.path("p"))
    check(recorder.pid, READ | PRIORITY | WRITE, "record --rate 1 --max-overhead 0")
    recorder.end()


def test_what_was_given_up_is_refused_from_then_on(t):
    """A debugger makes system calls in the place of the recorder, as somebody would who has taken it over."""
    require_multi()
    if not shutil.which("gdb"):
        raise harness.Skip("gdb is not installed")
    bpf, get_next_id = {"x86_64": 321, "aarch64": 280}[os.uname().machine], 11
    target = other_user(t, t.copy(workload("seeds")), "--rounds", "0", "--sleep-us", "1000")
    harness.wait_for(lambda: pathlib.Path(f"/proc/{target.pid}/comm").read_text() == "seeds\n", "the target")
    recorder = t.attach(target.pid, "--rate", "1", "--max-overhead", "0", "-o", t.path("p"))
    check(recorder.pid, READ | PRIORITY | WRITE, "record")
    calls = ("setuid(1000)", "setgid(1000)", 'chroot("/")', "unshare(0x20000)", "sethostname(0, -1)", "socket(17, 3, 0)",
             f"kill({target.pid}, 0)", f"syscall({bpf}, {get_next_id}, 0, 0)")
    words = [word for call in calls for word in ("-ex", f"print ((long (*)()) {call.replace('(', ')(', 1)}", "-ex",
                                                 "print *((int *(*)()) __errno_location)()")]
    said = t.run("gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", *words, "-p", recorder.pid).stdout
    found = [int(value) & 0xffffffff for value in re.findall(r"^\$\d+ = (-?\d+)", said, re.M)]
    same(found, [0xffffffff, errno.EPERM] * len(calls), f"results and errors of {calls}: {said}")
    harness.wait_until_run(target.pid)
    recorder.end()
    same(t.json("report", t.path("p"))["check"]["difference"], 0, "difference")


def test_a_command_that_follows_a_program_can_still_attach_to_what_it_starts(t):
    require_multi()
    script = f"{workload('seeds')} --rounds 3; read line; {workload('seeds')} --rounds 4"
    running = t.start(harness.ESCAPEMENT, "record", "--rate", "1", "-o", t.path("p"), "--", "sh", "-c", script)
    check(running.pid, READ | PRIORITY | WRITE | SIGNAL | ATTACH, "record --")
    running.communicate("\n", timeout=harness.TIMEOUT)
    same(running.returncode, 0, "exit status")
    same(len(t.json("report", t.path("p"))["target"]["processes"]), 2, "processes observed")
    running = t.start(harness.ESCAPEMENT, "record", "--no-follow", "-o", t.path("p"), "--", workload("seeds"), "--rounds",
                      "0")
    check(running.pid, READ | PRIORITY | WRITE | SIGNAL, "record --no-follow --")
    running.send_signal(signal.SIGINT)
    same(running.wait(harness.TIMEOUT), 0, "exit status of record --no-follow")
    assert t.json("report", t.path("p"))["totals"]["objects"] > 0, "nothing was recorded"


def test_gate_keeps_them_until_its_last_run_and_its_program_has_none(t):
    require_multi()
    seeds = t.copy(workload("seeds"))
    script = f"grep -E 'NoNewPrivs|CapEff' /proc/self/status >> status; {seeds} --rounds 3; read line"
    running = t.start(harness.ESCAPEMENT, "gate", "--baseline", t.path("b.json"), "--update", "--runs", "2", "--user",
                      "1000", "--", "sh", "-c", script)
    running.stdin.write("\n")
    running.stdin.flush()
    check(running.pid, READ | PRIORITY | WRITE | SIGNAL | ATTACH, "gate")
    running.communicate("\n", timeout=harness.TIMEOUT)
    same(running.returncode, 0, "exit status")
    same(t.path("status").read_text().split(), ["CapEff:", "0" * 16, "NoNewPrivs:", "0"] * 2, "the program's privileges")


def test_top_and_heap_keep_less(t):
    require_multi()
    target = t.start(go_programs.build("1.24", "stripped", "alive"))
    running = t.start(harness.ESCAPEMENT, "top", "--batch", "-p", target.pid, stdout=subprocess.DEVNULL)
    check(running.pid, READ | PRIORITY, "top")
    running.send_signal(signal.SIGINT)
    same(running.wait(harness.TIMEOUT), 0, "top's exit status")
    running = t.start(harness.ESCAPEMENT, "heap", "--interval", "1", "--count", "2", "-p", target.pid)
    check(running.pid, READ | WRITE, "heap")
    running.communicate(timeout=harness.TIMEOUT)
    same(running.returncode, 0, "heap's exit status")


def test_a_program_that_records_itself_needs_less(t):
    harness.require_root()
    seeds = t.copy(workload("seeds"))
    record = [harness.ESCAPEMENT, "record", "--in-process", "--user", "1000", "-o", t.path("p"), "--"]
    running = t.start(*record, "sh", "-c", f"echo $$ $PPID > pids; read line; {seeds} --rounds 3")
    check(running.pid, WRITE | SIGNAL, "record --in-process")
    guard = int(harness.wait_for(lambda: t.path("pids").exists() and t.path("pids").read_text(), "the program").split()[1])
    check(guard, SIGNAL, "the process that ends the program with record")
    running.communicate("\n", timeout=harness.TIMEOUT)
    same(running.returncode, 0, "exit status")
    assert t.json("report", t.path("p"))["totals"]["objects"] > 0, "nothing was recorded"


def test_privileges_that_cannot_be_given_up_are_told(t):
    """Also where a sandbox makes no call and answers with success."""
    harness.require_root()
    program = ["--", workload("seeds"), "--rounds", "3"]
    for call, number in (("capset", errno.EPERM), ("capset", 0), ("prctl", 0), (f"prctl:{PR_CAPBSET_DROP}", 0)):
        denied = [harness.BUILD / "tests" / "tools" / "deny", call, number, harness.ESCAPEMENT]
        for way in ((), ("--in-process",)):
            done = t.run(*denied, "record", *way, "-o", t.path("p"), *program)
            contains(done.stderr, "the recorder could not give up its privileges: Operation not permitted")
            done = t.run(*denied, "gate", *way, "--runs", "1", "--baseline", t.path("b"), "--update", *program)
            contains(done.stderr, "the reader of the program's output could not give up its privileges")


def test_what_is_missing_to_become_another_user_is_named(t):
    harness.require_root()
    program = ["--", workload("seeds"), "--rounds", "1"]
    caller = {**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65534"}
    for missing, lacks in (("-setuid", "CAP_SETUID"), ("-setgid", "CAP_SETGID"), ("-setuid,-setgid", "CAP_SETUID and CAP_SETGID")):
        without = ["setpriv", "--bounding-set", missing, "--inh-caps=-all", harness.ESCAPEMENT]
        said = f"cannot run programs as another user: not permitted: escapement lacks {lacks}; "
        for way in ((), ("--in-process",)):
            for who, environ in ((["--user", "65534"], None), ([], caller)):
                done = t.run(*without, "record", *way, *who, "-o", t.path("p"), *program, env=environ, status=3)
                contains(done.stderr, said)
                contains(done.stderr, "--user root")
            t.run(*without, "record", *way, "--user", "root", "-o", t.path("p"), *program, env=caller)
        findings = json.loads(t.run(*without, "doctor", "--format", "json", env=caller, status=3).stdout)["findings"]
        starting, = (each for each in findings if each["subject"] == "starting")
        same((starting["cause"], starting["detail"] + "; "), ("identity", said))


def test_the_page_lists_what_stays(t):
    page = (harness.ROOT / "docs" / "permissions.md").read_text()
    for name in READ | WRITE | ATTACH | PRIORITY | SIGNAL:
        contains(page, name)
    contains(page, "no_new_privs")


if __name__ == "__main__":
    harness.main()
