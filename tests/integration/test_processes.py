#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs with many processes, and processes that end or exec during the recording: every loss is reported."""
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import subprocess
import time

import fleet
import harness
from harness import contains, same, workload


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def probe_site(program, name):
    """Offset of a probe site in the file, which equals its offset from the load address."""
    notes = subprocess.run(["readelf", "--notes", "--wide", program], capture_output=True, text=True, check=True).stdout
    return re.search(rf"Name: {name}\n\s+Location: (0x[0-9a-f]+)", notes).group(1)


def test_one_process_cannot_take_all_room_in_the_tables_of_a_recording(t):
    """It makes as many rows with stacks as a table has room for, while nobody empties that; another one makes a few."""
    harness.require_root()
    program, rows, own = workload("flood"), 1 << 17, 2000
    for rate, name in (("1", "alloc_sample"), ("512k", "alloc_sample_512k")):
        running = t.start(harness.ESCAPEMENT, "record", "-q", "--rate", rate, "--max-overhead", "0", "-o", t.path("p"), "--", program,
                          rows, own if rate == "1" else 200, probe_site(program, name))
        same(running.stdout.readline(), "ready\n")
        running.send_signal(signal.SIGSTOP)
        running.stdin.write("\n")
        running.stdin.flush()
        same(running.stdout.readline(), "done\n")
        running.send_signal(signal.SIGCONT)
        running.communicate(timeout=harness.TIMEOUT)
        same(running.returncode, 4, "exit status")
        report = t.json("report", t.path("p"))
        other, flooder = sorted(report["target"]["processes"], key=lambda process: process["lost"]["events"])
        same(other["lost"], {"events": 0, "stacks": 0}, f"lost by the other one at rate {rate}")
        assert flooder["lost"]["events"] > rows / 4, flooder
        same(report["lost"], flooder["lost"], "all that was lost")
        text = t.escapement("report", t.path("p")).stdout
        contains(text, f"of process {flooder['pid']} flood: {flooder['lost']['events']} events")
        assert f"of process {other['pid']}" not in text, text


def totals(t, profile):
    return t.json("report", profile)["totals"]["objects"]


def test_processes_that_cannot_be_observed_are_a_loss(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    done = t.escapement("record", "--rate", "1", "-o", profile, "--", workload("processes"), "children", "30",
                        status=4, preexec_fn=limit_descriptors)
    contains(done.stderr, "is not observed")
    report = t.json("report", profile)
    missing = report["lost"]["events"]
    assert missing > 10, report["lost"]
    same(report["totals"]["objects"], 200 * (30 - missing))
    same(report["exact"]["totals"], False)
    done = t.escapement("gate", "--baseline", t.path("baseline.json"), "--update", "--runs", "1", "--",
                        workload("processes"), "children", "30", status=None, preexec_fn=limit_descriptors)
    assert done.returncode in (3, 4), done
    assert not t.path("baseline.json").exists()


def test_a_soft_limit_of_descriptors_is_no_limit(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    t.escapement("record", "--rate", "1", "-o", profile, "--", workload("processes"), "children", "30",
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)))
    same(totals(t, profile), 30 * 200)
    seen = t.escapement("record", "-q", "-o", profile, "--", "sh", "-c", "ulimit -Sn", status=3,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)))
    same(seen.stdout, "64\n", "the program's own limit")


def test_a_thread_that_outlives_the_first_one_is_recorded(t):
    harness.require_root()
    for _ in range(10):
        t.escapement("record", "-q", "--rate", "1", "-o", t.path("profile.pb.gz"), "--", workload("processes"),
                     "orphan")
        report = t.json("report", t.path("profile.pb.gz"))
        same((report["totals"]["objects"], report["check"]["difference"], report["check"]["bound"]), (1000, 0, 0))


def test_what_cannot_be_stopped_does_not_hold_the_recording_back(t):
    """A parent that waits in vfork() does not stop for a tracer until its child has ended."""
    harness.require_root()
    recorder = t.start(harness.ESCAPEMENT, "record", "--rate", "1", "-o", t.path("profile.pb.gz"), "--",
                       workload("processes"), "vfork", "100")
    harness.wait_for(lambda: [child for program in harness.children(recorder.pid) for child in harness.children(program)],
                     "the program's child")
    begin = time.monotonic()
    recorder.send_signal(signal.SIGTERM)
    _, messages = recorder.communicate(timeout=harness.TIMEOUT)
    same(recorder.returncode, 0, f"exit status: {messages}")
    contains(messages, "did not end within 0.3 s of being asked to, so it was killed")
    assert time.monotonic() - begin < 60, "it waited for the child"
    same(totals(t, t.path("profile.pb.gz")), 100)


def test_a_process_that_becomes_another_program_is_followed(t):
    harness.require_root()
    process = t.start(workload("processes"), "again", "2")
    same(process.stdout.readline(), "ready\n")
    profile = t.path("profile.pb.gz")
    recorder = t.attach(process.pid, "--rate", "1", "--max-overhead", "0", "-o", profile)
    for image in (1, 2):
        recorder.wait_for(f"attached process {process.pid} ", image)
        process.stdin.write("\n")
        process.stdin.flush()
    same(process.wait(harness.TIMEOUT), 0)
    contains(recorder.ended(), "another program (exec)")
    report = t.json("report", profile)
    same(report["exact"]["totals"], False)
    # 2000 objects of each image while it is observed, and up to 1000 that the second one allocates at its start.
    assert 4000 <= report["totals"]["objects"] <= 5000, report["totals"]
    assert all(value >= 0 for value in report["totals"].values()), report["totals"]


def test_what_an_exec_leaves_out_is_said_even_if_nothing_else_was_allocated(t):
    harness.require_root()
    process = t.start("sh", "-c", 'read line; unset LD_PRELOAD; exec "$0" heavy 1', workload("processes"),
                      env={**os.environ, "LD_PRELOAD": str(harness.BUILD / "libgoalloc-preload.so")})
    harness.wait_for(lambda: "libgoalloc" in pathlib.Path(f"/proc/{process.pid}/maps").read_text(), "the shell's libgoalloc")
    profile = t.path("profile.pb.gz")
    recorder = t.attach(process.pid, "--rate", "1", "--max-overhead", "0", "-o", profile)
    process.stdin.write("\n")
    process.stdin.flush()
    recorder.wait_for(f"attached process {process.pid} ", 2)
    said = recorder.end()
    contains(said, f"process {process.pid} became another program (exec) 1 time: what it allocated from then until that was "
                   "observed, or until the end, is in no number")
    assert "nothing was allocated" not in said, said
    report = t.json("report", profile)
    same(report["exact"], {"totals": False, "rows": False})
    text = t.escapement("report", profile).stdout
    contains(text, "lower bounds: the warnings say what is in no row")
    assert "lost      nothing" not in text, text


def test_a_child_that_is_about_to_execute_another_program_is_no_copy(t):
    harness.require_root()
    process = t.start(workload("processes"), "vfork", "100")
    harness.wait_for(lambda: harness.children(process.pid), "the child of vfork()")
    said = t.escapement("record", "--duration", "0.1", "-o", t.path("p.pb.gz"), "-p", process.pid).stderr
    assert "of the same program" not in said and "shares its memory" not in said, said
    for child in harness.children(process.pid):
        os.kill(child, signal.SIGKILL)


SHARER = r"""
#define _GNU_SOURCE
#include <goalloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept;
static char stack[1 << 16];

/* With an argument, for as long as its parent lives; with two, that waits for a line first. */
static int child(void *lasts)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		for (int i = 0; i < OF_CHILD; i++)
			kept = goalloc_noscan(48);
	} while (lasts && usleep(1000) == 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2)
		getchar();
	for (int i = OF_CHILD; i < 100; i++)
		kept = goalloc_noscan(48);
	int process = clone(child, stack + sizeof(stack), CLONE_VM | SIGCHLD, argc > 1 ? argv : 0);

	return waitpid(process, 0, 0) != process;
}
"""


def build_sharer(t, of_child=100):
    """`of_child` of its 100 objects are of the process that shares its memory."""
    harness.require_root()
    harness.require_library_for_others()
    t.path("sharer.c").write_text(SHARER)
    t.run("gcc", f"-DOF_CHILD={of_child}", "-I", harness.ROOT / "alloc-runtime" / "include", "-o", "sharer", "sharer.c",
          harness.BUILD / "libgoalloc.a", "-lpthread")


def test_what_only_the_counters_have_is_not_called_exact(t):
    """Probes are of a process and its threads, and not of another process in the same memory."""
    build_sharer(t)
    said = t.escapement("record", "--rate", "1", "-o", t.path("p.pb.gz"), "--", "./sharer", status=4).stderr
    contains(said, "100 objects are missing or too many, by the runtime's own counters: rows are incomplete")
    report = t.json("report", t.path("p.pb.gz"))
    same((report["exact"], report["check"]["difference"]), ({"totals": False, "rows": False}, -100))
    text = t.escapement("report", t.path("p.pb.gz")).stdout
    contains(text, "100 objects are missing")
    for false in ("(exact)", "rows      exact", "lost      nothing", "nothing was allocated"):
        assert false not in text, text
    for rate in ("0", "64k", "1"):
        said = t.escapement("record", "--rate", rate, "-o", t.path("p.pb.gz"), "--", "./sharer", status=None).stderr
        contains(said, "1 process that began to share the memory of an observed one is not observed")
        same(t.json("report", t.path("p.pb.gz"))["exact"], {"totals": False, "rows": False})
    vfork = t.escapement("record", "--rate", "64k", "-o", t.path("p.pb.gz"), "--", workload("processes"), "vfork", "0").stderr
    assert "share the memory" not in vfork, vfork


def test_a_process_in_the_same_memory_that_allocates_nothing_leaves_all_exact(t):
    """Where each allocation is counted, the counters show that it made none."""
    build_sharer(t, of_child=0)
    said = t.escapement("record", "--rate", "1", "-o", t.path("p.pb.gz"), "--", "./sharer").stderr
    assert "share the memory" not in said, said
    report = t.json("report", t.path("p.pb.gz"))
    same((report["exact"], report["totals"]["objects"]), ({"totals": True, "rows": True}, 100))
    said = t.escapement("record", "--rate", "64k", "-o", t.path("p.pb.gz"), "--", "./sharer").stderr
    contains(said, "1 process that began to share the memory of an observed one is not observed")


def test_a_process_that_stays_in_the_same_memory_is_named(t):
    build_sharer(t)
    process = t.start("./sharer", "lasting")
    harness.wait_for(lambda: harness.children(process.pid), "the child")
    said = t.escapement("record", "--rate", "64k", "--duration", "0.5", "-o", t.path("p.pb.gz"), "-p", process.pid,
                        status=None).stderr  # 4 if the check finds what it allocates between two readings
    contains(said, f"process {process.pid} has 1 child that shares its memory, and is not observed")
    assert "of the same program" not in said, said
    same(t.json("report", t.path("p.pb.gz"))["exact"], {"totals": False, "rows": False})
    text = t.escapement("report", t.path("p.pb.gz")).stdout
    for false in ("(exact)", "rows      exact", "lost      nothing"):
        assert false not in text, text


def test_a_process_that_begins_to_share_the_memory_is_named(t):
    build_sharer(t)
    process = t.start("./sharer", "lasting", "later", stdin=subprocess.PIPE)
    recorder = t.attach(process.pid, "--rate", "64k", "-o", t.path("p.pb.gz"))
    process.stdin.write("\n")
    process.stdin.flush()
    harness.wait_for(lambda: harness.children(process.pid), "the child")
    recorder.process.send_signal(signal.SIGINT)
    recorder.process.wait(harness.TIMEOUT)  # 4 if the check finds what it allocates between two readings
    contains(recorder.said(), "1 process that began to share the memory of an observed one is not observed")
    report = t.json("report", t.path("p.pb.gz"))
    same((report["exact"], report["forked_processes"]), ({"totals": False, "rows": False}, 0))
    assert "lost      nothing" not in t.escapement("report", t.path("p.pb.gz")).stdout


# Their numbers in /proc/PID/syscall.
CALLS = {"poll": {"x86_64": 7, "aarch64": 73}, "sched_setscheduler": {"x86_64": 144, "aarch64": 119}, "clone3": {"x86_64": 435, "aarch64": 435}}


def recorded_with_an_exec_before(t, call):
    """What is said, and the report, of a recording of which the process executes itself while the recorder is held at a system
    call, the first of its kind after it has waited for events."""
    process = t.start(workload("processes"), "again", "2")
    same(process.stdout.readline(), "ready\n")
    strace = t.start("strace", "-o", t.path("trace"), "-e", f"trace={call}", "-e", f"inject={call}:delay_enter=1s",
                     harness.ESCAPEMENT, "record", "--rate", "1", "--duration", "5", "-o", t.path("p.pb.gz"), "-p", process.pid,
                     env=harness.without_leaks())

    def is_in(name):
        """Its first thread. strace has had other children, too."""
        number = str(CALLS[name][platform.machine()])
        return any(next(harness.of_threads(child, "syscall"), "").split()[:1] == [number]
                   for child in harness.children(strace.pid))

    harness.wait_for(lambda: is_in("poll"), "the recording to begin")
    before = pathlib.Path(f"/proc/{process.pid}/auxv").read_bytes()
    harness.wait_for(lambda: is_in(call), f"the recorder's {call}")
    process.stdin.write("\n")
    process.stdin.flush()
    harness.wait_for(lambda: len(now := pathlib.Path(f"/proc/{process.pid}/auxv").read_bytes()) == len(before) and now != before,
                     "the exec")
    assert is_in(call), "the recorder went on before the exec"
    return strace.communicate(timeout=harness.TIMEOUT)[1], t.json("report", t.path("p.pb.gz"))


def test_an_exec_in_the_last_moment_is_said_and_one_after_it_is_not(t):
    harness.require_root()
    if not shutil.which("strace"):
        raise harness.Skip("strace is not installed")
    said, report = recorded_with_an_exec_before(t, "sched_setscheduler")  # in a hurry, to read the counters
    contains(said, "became another program (exec) 1 time")
    contains(said, "there is no check")
    same(report["exact"], {"totals": False, "rows": False})
    said, report = recorded_with_an_exec_before(t, "clone3")  # which begins what ends the hurry: the counters have been read
    assert "another program" not in said, said
    same((report["exact"], report["check"]["difference"]), ({"totals": True, "rows": True}, 0))


EXECUTER = r"""
#include <goalloc.h>
#include <unistd.h>

static void *volatile kept;

int main(int argc, char **argv)
{
	for (int i = 0; i < 100; i++)
		kept = goalloc_noscan(64);
	usleep(1000);
	execv("/proc/self/exe", argv);
	return argc;
}
"""


def test_nothing_false_is_said_of_a_process_that_executes_itself_all_the_time(t):
    harness.require_root()
    harness.require_library_for_others()
    t.path("executer.c").write_text(EXECUTER)
    t.run("gcc", "-I", harness.ROOT / "alloc-runtime" / "include", "-o", "executer", "executer.c", harness.BUILD / "libgoalloc.a",
          "-lpthread")
    process = t.start("./executer")
    executed = 0
    for _ in range(12):
        said = t.escapement("record", "--duration", "0.2", "-o", "p.pb.gz", "-p", process.pid).stderr
        for false in ("ended", "has no probes", "has loaded", "not observed any more"):
            assert false not in said, said
        assert ("became another program" in said) == ("what it allocated from then until that was observed" in said), said
        if "became another program" in said:
            executed += 1
            same(t.json("report", "p.pb.gz")["exact"], {"totals": False, "rows": False}, said)
            assert "nothing was allocated" not in said, said
        said = t.escapement("heap", "-p", process.pid, status=None).stderr
        assert "ended" not in said and "no heap that is known" not in said, said
    assert executed, said
    same(process.poll(), None)


def test_children_that_execute_something_else_are_told_of_once(t):
    harness.require_root()
    done = t.escapement("record", "--rate", "1", "-o", t.path("profile.pb.gz"), "--", "env",
                        f"LD_PRELOAD={harness.BUILD / 'libgoalloc-preload.so'}", "perl", "-e",
                        "for (1..5) { my $p = fork; if (!$p) { exec '/bin/true' } waitpid $p, 0 }")
    same(done.stderr.count("another program"), 1, done.stderr)


def test_a_program_has_the_priority_of_who_started_the_recording(t):
    harness.require_root()
    for niceness in (0, 5):
        done = t.escapement("record", "-q", "-o", t.path("p"), "--", "sh", "-c", "nice; chrt -p $$", status=3,
                            preexec_fn=lambda: os.nice(niceness))
        same(done.stdout.splitlines()[0], str(os.nice(0) + niceness), "niceness")
        contains(done.stdout, "scheduling policy: SCHED_OTHER")


def state(pid):
    """The letter of its state: "t" is a stop for its tracer."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def ask(process, lines):
    """Has `processes heavy` allocate 10 objects for each line."""
    for _ in range(lines):
        process.stdin.write("more\n")
        process.stdin.flush()
        same(process.stdout.readline(), "done\n")


def wait_for_attached(recorder):
    said = []
    for line in recorder.stderr:
        if line.startswith("escapement: attached"):
            return
        said.append(line)
    raise AssertionError(f"the recorder ended: {''.join(said)}")


def stopped_in_time(t, target, rate, lines, more=0):
    """Has a program allocate for so many lines while it is recorded, stops the recorder, and has it allocate for some more, all
    before the recorder's duration is over: on a busy machine with a longer one. `target`: the end of record's command line, or
    None for a process that runs. Returns the recorder, what takes further lines, and when the duration is over."""
    for duration in (1, 4, 16, 64):
        recorder = process = None
        try:
            process = None if target else t.start(workload("processes"), "heavy", "1")
            if process:
                same(process.stdout.readline(), "ready\n")
            began = time.monotonic()
            recorder = t.start(harness.ESCAPEMENT, "record", "-v", "--rate", rate, "--duration", duration, "-o", t.path("p"),
                               *(target or ("-p", process.pid)))
            wait_for_attached(recorder)
            if target:
                same(recorder.stdout.readline(), "ready\n")
            ask(process or recorder, lines)
            recorder.send_signal(signal.SIGSTOP)
            ask(process or recorder, more)
            if time.monotonic() < began + duration:
                return recorder, process or recorder, time.monotonic() + duration
            why = f"{lines + more} lines took longer"
        except (AssertionError, OSError) as error:  # the recorder, or what it had started, has ended
            why = error
        for each in (recorder, process):
            if each:
                each.kill()
    raise AssertionError(f"not done while recording for {duration} s: {why}")


def test_counting_ends_at_its_time_even_if_the_recorder_does_not_run(t):
    harness.require_root()
    for rate, objects, fate in (("1", 1000, "what came later is in no row"),
                                ("64", 2000, "the totals have what came later, and rows are scaled to them")):
        recorder, process, over = stopped_in_time(t, None, rate, 100)
        harness.wait_for(lambda: time.monotonic() > over + 2, "the end of the duration and of its grace period")
        ask(process, 100)
        recorder.send_signal(signal.SIGCONT)
        messages = recorder.stderr.read()
        same(recorder.wait(harness.TIMEOUT), 0, f"exit status: {messages}")
        contains(messages, "counting ended by itself 1.0 s after the time asked for, but 1 process still allocated: "
                           + fate)
        same(totals(t, t.path("p")), objects, f"objects at rate {rate}")
        same(t.json("report", t.path("p"))["exact"], {"totals": False, "rows": False})
        text = t.escapement("report", t.path("p")).stdout
        same("lower bounds: the warnings say what is in no row" in text, rate == "1", text)


def test_a_program_that_ends_while_its_recorder_does_not_run_is_exact_only_if_it_was_counted_to_its_end(t):
    harness.require_root()
    for late, objects, exact in ((100, 2000, False), (0, 2000, True)):
        recorder, _, over = stopped_in_time(t, ("--", workload("processes"), "heavy", "1"), "1", 50, 50)
        harness.wait_for(lambda: time.monotonic() > over + 5, "the end of the duration and of all grace periods")
        ask(recorder, late)
        recorder.stdin.close()  # the program ends
        program, = harness.children(recorder.pid)
        harness.wait_for(lambda: state(program) == "t", "the program's last stop")
        recorder.send_signal(signal.SIGCONT)
        messages = recorder.stderr.read()
        same(recorder.wait(harness.TIMEOUT), 0, f"exit status: {messages}")
        report = t.json("report", t.path("p"))
        same((report["totals"]["objects"], report["exact"]), (objects, {"totals": exact, "rows": exact}), messages)
        same("but 1 process still allocated: what came later is in no row" in messages, not exact, messages)
        text = t.escapement("report", t.path("p")).stdout
        same("lower bounds: the warnings say what is in no row" in text, not exact, text)


def test_signals_that_are_ignored_stay_so(t):
    harness.require_root()

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    plain = t.run("sh", "-c", "grep Sig /proc/self/status", preexec_fn=ignore, restore_signals=False)
    done = t.escapement("record", "-q", "--", "sh", "-c", "grep Sig /proc/self/status", status=3, preexec_fn=ignore,
                        restore_signals=False)
    inside = t.escapement("record", "-q", "--rate", "1", "--in-process", "--", "sh", "-c", "grep Sig /proc/self/status",
                          status=3, preexec_fn=ignore, restore_signals=False)
    kept = [[line for line in out.splitlines() if line.startswith(("SigIgn", "SigBlk"))]
            for out in (plain.stdout, done.stdout, inside.stdout)]
    same(kept[1], kept[0])
    same(kept[2], kept[0], "in-process")


# A server that executes the commands on its input and answers each one. Its workers end with it.
SERVER = """
import os, subprocess, sys, threading
with open("/proc/self/comm", "w") as name:
    name.write(sys.argv[2])
for line in sys.stdin:
    what, count = line.split()
    for _ in range(int(count)):
        if what == "fork" and os.fork() == 0:
            kept = [bytearray(100) for _ in range(1000)]
            os._exit(0)
        if what == "worker" and os.fork() == 0:
            sys.stdin.close()
            os.read(int(sys.argv[1]), 1)
            os._exit(0)
        if what == "thread":
            threading.Thread(target=len, args=("",)).start()
        if what == "spawn":
            os.posix_spawn("/bin/true", ["true"], {})
        if what != "worker" and what != "thread":
            os.wait()
    print("done", flush=True)
"""


class Server:
    def __init__(self, t):
        reader, self.writer = os.pipe()
        self.process = t.start("python3", "-c", SERVER, reader, fleet.named("forks"), pass_fds=[reader],
                               env={**os.environ, "LD_PRELOAD": str(harness.BUILD / "libgoalloc-preload.so")})
        os.close(reader)
        self.pid = self.process.pid

    def do(self, what, count):
        self.process.stdin.write(f"{what} {count}\n")
        self.process.stdin.flush()
        same(self.process.stdout.readline(), "done\n", "the server's answer")


def test_what_a_server_forks_is_counted_and_reported(t):
    """With -p the forked children are not observed, so every format must say that objects are missing. Threads and
    started programs do not count as forked copies."""
    harness.require_root()
    server, profile = Server(t), t.path("profile.pb.gz")
    server.do("fork", 3)
    for forks, also in ((40, 5), (1, 0), (0, 3)):
        recorder = t.attach(server.pid, "--rate", "1", "-o", profile)
        server.do("fork", forks)
        server.do("thread", also)
        server.do("spawn", also)
        said = recorder.end()
        same(t.json("report", profile)["forked_processes"], forks, "forks in JSON")
        text = t.escapement("report", profile).stdout
        same("forked    " in text, forks > 0, f"the line on forks in {text}")
        same("lost      nothing" in text, forks == 0, f"'nothing' in {text}")
        same("are not observed" in said, forks > 0, f"the warning in {said}")
        if forks > 1:
            contains(text, f"forked    {forks} processes, which are not observed")
            contains(text, "exact, of the process that was observed")


def test_what_servers_fork_in_a_window_of_an_agent_is_in_the_row_of_each(t):
    harness.require_root()
    servers = Server(t), Server(t)
    for server in servers:
        server.do("fork", 0)  # it has its name
    agent = fleet.Agent(t, f"""host = here
spool = {t.path("spool")}
window = 600s
every = 600s
[watch server]
name = {fleet.named("forks")}
""")
    agent.wait_for("a window has begun: 2 processes")
    for server, forks in zip(servers, (3, 5)):
        server.do("fork", forks)
        server.do("spawn", 1)
    agent.end()
    same({(row["pid"], row["forked"]) for row in fleet.spooled(t, t.path("spool"))["windows"]},
         {(str(server.pid), forks) for server, forks in zip(servers, ("3", "5"))}, agent.said())


def test_workers_that_a_server_had_forked_before_are_named(t):
    harness.require_root()
    server, profile = Server(t), t.path("profile.pb.gz")
    server.do("worker", 4)
    try:
        recorder = t.attach(server.pid, "-o", profile)
        contains(recorder.end(), f"process {server.pid} has 4 children of the same program, which are not observed")
        contains(" ".join(t.escapement("report", profile).stdout.split()), "4 children of the same program")
    finally:
        os.close(server.writer)


def test_a_followed_program_has_no_forks_that_are_not_observed(t):
    harness.require_root()
    profile = t.path("profile.pb.gz")
    t.escapement("record", "-q", "--rate", "1", "-o", profile, "--", workload("processes"), "children", "3")
    same(t.json("report", profile)["forked_processes"], 0, "forks")


def test_a_recording_in_the_background_of_a_script_ends_by_sigint(t):
    harness.require_root()
    target = t.start(workload("processes"), "again", "1")
    recorder = t.attach(target.pid, "-o", t.path("profile.pb.gz"),
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    recorder.end()
    same(target.poll(), None, "the target's exit status")


if __name__ == "__main__":
    harness.main()
