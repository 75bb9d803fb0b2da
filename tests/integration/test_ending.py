#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program that a command starts ends with that command, however the command ends; a process that a command attaches
to does not."""
import contextlib
import errno
import fcntl
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import subprocess
import termios
import time

import fleet
import harness
from harness import contains, same, workload

TREE = """trap '' INT TERM
sleep 1000 & echo $! >> pids
setsid sh -c 'trap "" INT TERM; echo $$ >> pids; while :; do sleep 1; done' &
%s --rounds 0 & echo $! >> pids
echo $$ >> pids
while :; do sleep 1; done
"""


def pids(t, count):
    """Waits until the program has written that many PIDs."""
    def written():
        found = t.path("pids").read_text().split() if t.path("pids").exists() else []
        return len(found) >= count and [int(pid) for pid in found]

    return harness.wait_for(written, "the program to start")


def state(pid):
    """The state of a process from /proc, "" if it does not exist."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def check_gone(found, what):
    def running():
        return [pid for pid in found if state(pid) not in ("", "Z")]

    with contextlib.suppress(AssertionError):
        harness.wait_for(lambda: not running(), "processes to end")
    left = running()
    try:
        same(left, [], f"{what}: processes left behind")
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)


def commands(t):
    """Commands that start a tree of processes: {name: command}."""
    program = ["sh", "-c", TREE % workload("seeds")]
    record = [harness.ESCAPEMENT, "record", "-o", t.path("p"), "--rate", "1"]
    gate = [harness.ESCAPEMENT, "gate", "--baseline", t.path("b.json"), "--update"]
    return {"record": [*record, "--", *program], "record --no-follow": [*record, "--no-follow", "--", *program],
            "gate": [*gate, "--", *program], "record --in-process": [*record, "--in-process", "--", *program],
            "gate --in-process": [*gate, "--in-process", "--", *program]}


def test_a_tree_that_ignores_signals_ends_with_the_command_that_is_asked_to_end(t):
    harness.require_root()
    for name, command in commands(t).items():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            t.path("pids").unlink(missing_ok=True)
            # Like the background job of a script: it ignores SIGINT, and its children inherit that.
            running = t.start(*command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
            found = pids(t, 4)
            running.send_signal(number)
            _, messages = running.communicate(timeout=harness.TIMEOUT)
            assert running.returncode in (0, 3, 4), f"{name}: {running.returncode}: {messages}"
            check_gone(found, f"{name} after {number.name}")


def test_a_build_that_ignores_signals_ends_with_the_command_that_started_it(t):
    harness.require_root()  # compare measures
    build = t.path("build")
    build.write_text(f"#!/bin/sh\ncd {t.directory}\n{TREE % workload('seeds')}")
    build.chmod(0o755)
    repository = t.path("repository")
    t.run("git", "init", "-q", repository)
    t.run("git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first")
    for command in (["compare", "--base", "HEAD", "--build", build, "--", "./prog"], ["escapes", "--build", "--go", build]):
        for number in (signal.SIGINT, signal.SIGHUP):
            t.path("pids").unlink(missing_ok=True)
            running = t.start(harness.ESCAPEMENT, *command, cwd=repository)
            found = pids(t, 4)
            running.send_signal(number)
            messages = running.communicate(timeout=harness.TIMEOUT)[1]
            same(running.returncode, 3, f"{command[0]}'s exit status")
            contains(messages, "escapement: interrupted: ")
            check_gone(found, f"{command[0]}, signal {number}")


def test_every_signal_that_would_end_a_recording_keeps_it_and_ends_its_program(t):
    harness.require_root()
    for number in (signal.SIGQUIT, signal.SIGALRM, signal.SIGXCPU, signal.SIGRTMIN):
        running = t.start(harness.ESCAPEMENT, "record", "-v", "--rate", "1", "-o", t.path("p"), "--", workload("seeds"),
                          "--rounds", "0", "--sleep-us", "1000")
        for line in running.stderr:
            if "attached" in line:
                break
        program = harness.children(running.pid)[0]
        harness.wait_until_run(program, 0.01)
        running.send_signal(number)
        messages = running.communicate(timeout=harness.TIMEOUT)[1]
        same(running.returncode, 0, f"exit status after {number!r}: {messages}")
        assert t.json("report", t.path("p"))["totals"]["objects"] > 0, number
        t.path("p").unlink()
        check_gone([program], repr(number))


def test_signals_reach_the_thread_in_real_time_alone(t):
    """Another one may have to wait for a CPU, or lack the capability to hurry."""
    harness.require_root()
    ending = sum(1 << number - 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
                                                    signal.SIGALRM, signal.SIGXCPU))

    def taking(pid):
        """The policies of the threads that take them; None if a thread is gone."""
        found = []
        for path in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                blocked = int((path / "status").read_text().partition("SigBlk:")[2].split()[0], 16)
                if blocked & ending != ending:
                    found.append(os.sched_getscheduler(int(path.name)))
            except (FileNotFoundError, ProcessLookupError):
                return None
        return found

    for name in ("record", "gate"):
        t.path("pids").unlink(missing_ok=True)
        running = t.start(*commands(t)[name])
        pids(t, 4)
        harness.wait_for(lambda: taking(running.pid) == [os.SCHED_RR], f"{name} to watch")
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=harness.TIMEOUT)


def test_a_tree_ends_with_the_command_that_is_killed(t):
    harness.require_root()
    for name, command in commands(t).items():
        t.path("pids").unlink(missing_ok=True)
        running = t.start(*command, env={**os.environ, "TMPDIR": str(t.directory)})  # --in-process cannot remove its own there
        found = pids(t, 4)
        running.kill()
        running.wait(harness.TIMEOUT)
        check_gone(found, f"{name} after SIGKILL")


def attached(t):
    """Starts a workload and a recording that has attached to it. Returns both processes."""
    target = t.start(workload("seeds"), "--rounds", "0", "--sleep-us", "1000")
    running = t.start(harness.ESCAPEMENT, "record", "-v", "-o", t.path("p"), "-p", target.pid)
    for line in running.stderr:
        if "attached" in line:
            break
    return target, running


def test_what_was_attached_to_outlives_a_recording_that_is_killed(t):
    harness.require_root()
    target, running = attached(t)
    running.kill()
    running.wait(harness.TIMEOUT)
    same(target.poll(), None, "the target's exit status")
    target.send_signal(signal.SIGTERM)
    same(target.wait(harness.TIMEOUT), 0, "the target's exit status at its end")


def test_a_daemon_that_outlives_its_program_is_named_by_record_and_ended_by_gate(t):
    harness.require_root()
    script = f"{workload('seeds')} --rounds 3; setsid sleep 1000 > /dev/null 2>&1 < /dev/null & echo $! >> pids\n" \
        "until grep -q sleep /proc/$!/comm; do sleep 0.01; done"
    done = t.escapement("record", "-o", t.path("p"), "--", "sh", "-c", script)
    found = pids(t, 1)
    contains(done.stderr, f"process {found[0]} (sleep), which the program started, still runs")
    assert state(found[0]) not in ("", "T", "t", "Z"), f"the daemon was stopped, or ended: {state(found[0])}"
    os.kill(found[0], signal.SIGKILL)
    t.path("pids").unlink()
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", "1", "--", "sh", "-c", script)
    check_gone(pids(t, 1), "gate")


def test_what_others_reap_is_signalled_by_descriptor(t):
    """Its number may be another process's by then. Where descriptors are denied, each is ended once it is a child of ours."""
    denied = [harness.BUILD / "tests" / "tools" / "deny", "pidfd_open", errno.EPERM]
    traced = ["strace", "-f", "-o", t.path("trace"), "-e", "trace=kill,pidfd_send_signal"]
    for before in [denied] + [traced] * (shutil.which("strace") is not None):
        t.path("pids").unlink(missing_ok=True)
        running = t.start(*before, *commands(t)["record --in-process"], env=harness.without_leaks())
        found = pids(t, 4)
        recorder = running.pid if before is denied else harness.children(running.pid)[0]
        program = harness.children(harness.children(recorder)[0])
        os.kill(recorder, signal.SIGTERM)
        _, messages = running.communicate(timeout=harness.TIMEOUT)
        assert running.returncode in (0, 3, 4), f"{before}: {running.returncode}: {messages}"
        check_gone(found, str(before))
    if before is traced:
        trace = t.path("trace").read_text()
        contains(trace, "pidfd_send_signal(")
        numbers = {int(number) for number in re.findall(r" kill\((\d+), SIG", trace)}
        same(numbers & set(found), set(program), "processes that are signalled by number: the guard's child")


def test_a_program_runs_as_who_called_sudo_and_without_what_the_recorder_has(t):
    harness.require_root()
    t.directory.chmod(0o777)
    sudo = {**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65534", "SUDO_USER": "nobody"}
    for number in ("nobody", "-1", "4294967295", "65534x"):
        done = t.escapement("record", "--", "true", env={**sudo, "SUDO_UID": number}, status=2)
        contains(done.stderr, f"SUDO_UID is '{number}', which is no user's number")
    script = "id -u; id -g; echo $HOME; grep CapEff /proc/self/status; ls /proc/self/fd | wc -l"
    program = t.copy(workload("seeds"))
    plain = t.run("sh", "-c", "ls /proc/self/fd | wc -l").stdout
    for options in ((), ("--in-process",)):
        for user, uid, ids in (((), sudo, "65534\n65534\n/nonexistent\n"), (("--user", "daemon"), os.environ, "1\n1\n/usr/sbin\n"),
                               (("--user", "root"), sudo, None)):
            done = t.escapement("record", *options, *user, "-o", t.path("p"), "--", "sh", "-c", f"{script}; {program}", env=uid)
            if ids:
                assert done.stdout.startswith(ids + "CapEff:\t0000000000000000\n"), done.stdout
            else:
                assert done.stdout.startswith("0\n0\n"), done.stdout
            same(done.stdout.splitlines()[-1], plain.strip(), "descriptors")
            same(t.json("report", t.path("p"))["totals"]["objects"], 1006, "objects")
    done = t.escapement("record", "--user", "nobody-of-that-name", "-o", t.path("p"), "--", "true", status=2)
    contains(done.stderr, "there is no user 'nobody-of-that-name'")


TYPING = """
import fcntl, os, termios
terminal = os.open("/dev/tty", os.O_RDWR)
for call in (termios.TIOCSTI, 0x541c):  # TIOCLINUX
    try:
        fcntl.ioctl(terminal, call, b"x")
        print("typed as", os.getuid())
    except OSError as error:
        print("refused:", error.errno, os.getuid())
print("size:", os.get_terminal_size(terminal).columns, [line for line in open("/proc/self/status") if "NoNew" in line][0].split()[1])
"""


def read_terminal(terminal):
    """What is written into a terminal until its last process has closed it."""
    text = b""
    with contextlib.suppress(OSError):
        while True:
            text += os.read(terminal, 4096)
    os.close(terminal)
    return text.decode()


def test_a_program_of_another_user_cannot_type_into_our_terminal(t):
    """What it typed, the shell of who called us would execute."""
    harness.require_root()
    t.directory.chmod(0o777)
    program = ["sh", "-c", '"$0" -c "$1"; "$2"', "/usr/bin/python3", TYPING, str(t.copy(workload("seeds")))]
    for options in ([], ["--in-process"]):
        terminal, end = pty.openpty()
        done = subprocess.Popen([harness.ESCAPEMENT, "record", "-q", *options, "--user", "nobody", "-o", t.path("p"), "--", *program],
                                stdin=end, stdout=end, stderr=end, start_new_session=True,
                                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(end)
        said = read_terminal(terminal)
        same(done.wait(harness.TIMEOUT), 0, said)
        same(said.split("\r\n")[:3], [f"refused: {errno.EIO} 65534"] * 2 + ["size: 0 0"], said)


def test_a_reader_of_messages_that_goes_does_not_end_the_recording(t):
    harness.require_root()
    target, running = attached(t)
    running.stderr.close()
    running.send_signal(signal.SIGINT)
    same(running.wait(harness.TIMEOUT), 0, "exit status")
    assert t.json("report", t.path("p"))["totals"]["objects"] is not None
    running.stderr = None


def nobody_reads():
    """A pipe to write to, whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_reader_of_messages_that_has_gone_ends_nothing_that_was_begun(t):
    harness.require_root()
    repository, temporary = t.path("repository"), t.path("temporary")
    temporary.mkdir()
    t.run("git", "init", "-q", repository)
    t.run("git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first")
    build = f"cp {workload('seeds')} prog && echo >> {t.path('built')}"
    compare = t.start(harness.ESCAPEMENT, "compare", "--base", "HEAD", "--build", build, "--runs", "1", "-o", t.path("compared"), "--",
                      "./prog", cwd=repository, stderr=nobody_reads(), env={**os.environ, "TMPDIR": str(temporary)})
    same(compare.wait(harness.TIMEOUT), 0, "compare's exit status")
    contains(t.path("compared").read_text(), "HEAD")
    same(os.listdir(temporary), [], "files left behind")
    same(t.run("git", "-C", repository, "worktree", "list").stdout.count("\n"), 1, "worktrees")

    target = fleet.Target(t, fleet.go_program())
    config = t.path("agent.conf")
    config.write_text(f"host = here\nspool = {t.path('spool')}\nwindow = 1s\nevery = 1s\n[watch api]\nname = {fleet.TARGET}\n")
    agent = t.start(harness.ESCAPEMENT, "agent", "-v", "--config", config, "--windows", 2, stderr=nobody_reads())
    same(agent.wait(harness.TIMEOUT), 0, "agent's exit status")
    same(len(fleet.spooled(t, t.path("spool"))["windows"]), 2, "windows")

    heap = t.start(harness.ESCAPEMENT, "heap", "--when", "rss>1k", "-o", t.path("snapshot"), "-p", target.pid, stderr=nobody_reads())
    same(heap.wait(harness.TIMEOUT), 0, "heap's exit status")
    assert t.path("snapshot").exists()


def test_a_user_may_have_no_room_for_another_queued_signal(t):
    harness.require_root()
    none = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))}
    for command in (("record", "-o", t.path("p")), ("gate", "--baseline", t.path("b"), "--update")):
        t.escapement(*command, "--", workload("seeds"), **none)
    target = t.start(workload("seeds"), "--rounds", "0", "--sleep-us", "1000")
    harness.wait_until_run(target.pid)
    t.escapement("record", "--duration", "0.2", "-o", t.path("p"), "-p", target.pid, **none)
    assert t.json("report", t.path("p"))["totals"]["objects"] > 0


def test_limits_of_the_stack_are_the_programs_only(t):
    """libdw puts the rows of a line table on the stack."""
    harness.require_root()
    harness.require_library_for_others()
    t.path("lines.c").write_text(
        "#include <goalloc.h>\n#include <stdio.h>\n#include <sys/resource.h>\nint main(void)\n{\n\tstruct rlimit limit;\n" +
        20000 * "\t__asm__(\"nop\");\n" +
        "\tgetrlimit(RLIMIT_STACK, &limit);\n\tprintf(\"%lu\\n\", limit.rlim_cur >> 10);\n\treturn !goalloc_scan(100);\n}\n")
    t.run("gcc", "-g", "-I", harness.ROOT / "alloc-runtime/include", "-o", "lines", "lines.c", f"-L{harness.BUILD}", "-lgoalloc",
          f"-Wl,-rpath,{harness.BUILD.resolve()}")
    for kib in (64, 128, 100 << 10):
        done = t.escapement("record", "--rate", "1", "-o", t.path("p"), "--", t.path("lines"),
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (kib << 10, kib << 10)))
        same(done.stdout, f"{kib}\n")
        row, = [row for row in t.json("report", t.path("p"))["rows"] if row["function"] == "main"]
        same(row["line"], 20009)


def slow_to_name(t, functions=40, entries=2_000_000):
    """A program that allocates in that many functions, each of which has debug information of its own that says nothing in that
    many entries."""
    names = [f"f{i}" for i in range(functions)]
    t.path("slow.c").write_text(
        "#include <stdlib.h>\n#include <unistd.h>\nvoid *volatile last;\n" +
        "".join(f"__attribute__((noinline)) void {name}(void)\n{{\n\tlast = malloc(16);\n\tfree(last);\n}}\n" for name in names) +
        "int main(void)\n{\n\tfor (;;) {\n" + "".join(f"\t\t{name}();\n" for name in names) + "\t\tusleep(1000);\n\t}\n}\n")
    t.path("words.s").write_text(
        '.section .debug_abbrev,"",@progbits\nwords: .uleb128 1, 0x11; .byte 1\n.uleb128 0x11, 1, 0x12, 7, 0, 0\n'
        '.uleb128 2, 0x2e; .byte 0\n.uleb128 0, 0, 0\n.section .debug_info,"",@progbits\n' +
        "".join(f".long 2f - 1f\n1: .2byte 4; .long words; .byte 8\n.uleb128 1; .quad {name}, 32\n.fill {entries}, 1, 2\n.byte 0\n2:\n"
                for name in names) + '.section .note.GNU-stack,"",@progbits\n')
    t.run("gcc", "-O1", "-fno-builtin", "-o", "slow", "slow.c", "words.s")
    return t.path("slow")


def test_a_second_signal_ends_the_looking_up_of_names(t):
    """Whatever it takes to look them up, the recording's time is that until its probes are out."""
    harness.require_root()
    harness.require_library_for_others()
    target = t.start(slow_to_name(t), env={**os.environ, "LD_PRELOAD": str(harness.BUILD / "libgoalloc-preload.so")})
    harness.wait_until_run(target.pid)
    began = time.monotonic()
    recorder = t.attach(target.pid, "--rate", 1, "--max-overhead", 0, "-o", t.path("p"))
    harness.wait_until_run(target.pid, 0.01)
    recorder.process.send_signal(signal.SIGINT)
    recorder.wait_for("detached process")
    most = time.monotonic() - began
    harness.wait_for(lambda: recorder.process.send_signal(signal.SIGINT) or recorder.process.poll() is not None, "the recorder to end")
    contains(recorder.ended(), "a signal ended the reading of its debug information")
    report = t.json("report", t.path("p"))
    same(report["exact"], {"totals": True, "rows": True})
    same(sum(row["objects"] for row in report["rows"]), report["totals"]["objects"])
    assert 0 < report["target"]["duration_seconds"] < most, (report["target"], most)
    same(target.poll(), None, "the target's exit status")


if __name__ == "__main__":
    harness.main()
