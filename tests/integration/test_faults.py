#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Faults of targets, of the profiler and of its files during a recording: no target is ever harmed, and the recording
is either right or says that it is not."""
import contextlib
import gzip
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess

import fleet
import harness
import test_record as records
from harness import contains, same, workload

DUMP = harness.BUILD / "tests" / "tools" / "profile_dump"
OBJECTS = 0
STATUSES = (0, 1, 2, 3, 4)


def changed_text(pid):
    """Executable mappings of a process that differ from their files, for example because a breakpoint is left in
    them."""
    changed = []
    with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words = line.split(maxsplit=5)
            if "x" not in words[1] or len(words) < 6 or not words[5].startswith("/"):
                continue
            start, end = (int(address, 16) for address in words[0].split("-"))
            with open(f"/proc/{pid}/map_files/{start:x}-{end:x}", "rb") as file:
                memory.seek(start)
                file.seek(int(words[2], 16))
                held, stored = memory.read(end - start), file.read(end - start)
            if held[:len(stored)] != stored:
                changed.append(line.strip())
    return changed


def check_unharmed(process, what):
    """Checks that the target still runs and that its code equals its files. Waits for that, because the kernel removes
    the probes of a killed recorder only while that process exits."""
    same(process.poll(), None, f"{what}: the target's exit status")
    harness.wait_for(lambda: not changed_text(process.pid), f"{what}: {changed_text(process.pid)} to be restored")


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


def until(process, word):
    for line in process.stdout:
        if line == word + "\n":
            return
    raise AssertionError(f"it ended without printing '{word}': {process.stderr.read()[-2000:]}")


def runs(pid, program):
    with contextlib.suppress(OSError):
        return os.path.samefile(f"/proc/{pid}/exe", program)
    return False


def record_quiet(t, *program, under=(), rate="1", before=None):
    """Records a program from its "ready" to its "done". `under`: a command that starts the program; `before`: called
    with the running process before the recorder attaches. Returns the profile's entry of the process, and the
    report."""
    profile = t.path("profile.pb.gz")
    process = t.start(*under, *program)
    until(process, "ready")
    found = [pid for pid in (process.pid, *harness.descendants(process.pid)) if runs(pid, program[0])]
    same(len(found), 1, f"processes of {program[0]}")
    if before:
        before()
    recorder = t.attach(found[0], "--max-overhead", "0", "--rate", rate, "-o", profile)
    go_on(process)
    until(process, "done")
    recorder.end()
    go_on(process)
    same(process.wait(harness.TIMEOUT), 0, "the program's exit status")
    recorded, = [each for each in json.loads(t.run(DUMP, profile).stdout)["processes"] if each["pid"] == found[0]]
    check = recorded["check"]
    assert check, f"no check: {recorder.said()}"
    same((check["difference"], check["bound"]), (0, 0), "difference and bound of the check")
    same(recorded["lost"], {"events": 0, "stacks": 0}, "lost")
    return recorded, t.json("report", profile)


def record_seeds(t, program=None, **options):
    """record_phase() for the seed programs, whose sites are compared with their own counts."""
    counts = t.path("counts")
    _, report = record_quiet(t, program or workload("seeds"), "--wait-start", "--rounds", "200",
                             f"--print-counts={counts}", **options)
    same(records.recorded_sites(report), records.program_sites(counts), "objects and bytes by site")


def endless(t, *arguments):
    process = t.start(workload("seeds"), "--rounds", "0", *arguments)
    harness.wait_until_run(process.pid, 0.02)
    return process


def test_a_stopped_target_is_recorded_and_stays_stopped(t):
    harness.require_root()
    target = endless(t)
    harness.stop(target.pid)
    t.escapement("record", "--rate", "1", "--duration", "0.3", "-o", t.path("p"), "-p", target.pid)
    report = t.json("report", t.path("p"))
    same((report["totals"]["objects"], report["check"]["difference"]), (0, 0), "objects and difference")
    same(state(target.pid), "T", "the target's state")
    check_unharmed(target, "stopped before")
    target.send_signal(signal.SIGCONT)
    recorder = t.attach(target.pid, "--rate", "1", "--max-overhead", "0", "-o", t.path("p"))
    harness.wait_until_run(target.pid)
    harness.stop(target.pid)
    recorder.end()
    report = t.json("report", t.path("p"))
    assert report["totals"]["objects"] > 100 and abs(report["check"]["difference"]) <= report["check"]["bound"], report
    same(state(target.pid), "T", "the target's state")
    check_unharmed(target, "stopped in the middle")


def test_1000_threads_are_counted_exactly(t):
    harness.require_root()
    counts, _, report = records.quiet_run(t, "seeds", record=("--rate", "1"), rounds="2", threads="1000")
    same(records.recorded_sites(report), records.program_sites(counts), "objects and bytes by site")
    same(report["check"]["difference"], 0, "difference of the check")
    assert report["check"]["bound"] <= 64, report["check"]  # not 0 if, on a busy machine, a thread was still on its way out


def test_50000_mappings_are_no_hindrance(t):
    harness.require_root()
    if int(pathlib.Path("/proc/sys/vm/max_map_count").read_text()) < 51000:
        raise harness.Skip("vm.max_map_count is too low")
    recorded, _ = record_quiet(t, workload("processes"), "mappings", 50000)
    same(recorded["totals"][OBJECTS], 1000, "objects")


def test_a_target_that_becomes_another_user_is_recorded_on(t):
    harness.require_root()
    recorded, _ = record_quiet(t, workload("processes"), "user", 65534)
    same(recorded["totals"][OBJECTS], 1000, "objects")
    with open("/dev/zero") as lines:
        t.escapement("record", "--rate", "1", "-o", t.path("p"), "--", workload("processes"), "user", "65534", stdin=lines)
    report = t.json("report", t.path("p"))
    same((report["totals"]["objects"], report["check"]["difference"]), (1000, 0), "started: objects and difference")


def test_children_that_a_target_forks_end_as_they_should(t):
    harness.require_root()
    recorded, _ = record_quiet(t, workload("processes"), "forking", 50)
    same(recorded["totals"][OBJECTS], 1000, "objects of the parent")


def test_an_executable_that_is_deleted_or_replaced_is_read_all_the_same(t):
    harness.require_root()
    program, upgrade = t.path("program"), t.path("upgrade")
    shutil.copy(workload("rhythm"), upgrade)
    for change in (program.unlink, lambda: upgrade.rename(program)):
        shutil.copy(workload("seeds"), program)
        record_seeds(t, program, before=change)


def holds(pid, name):
    """Whether a process has something open whose link in /proc contains the name."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            if name in os.readlink(f"/proc/{pid}/fd/{descriptor}"):
                return True
    return False


def test_a_target_that_ends_before_probes_come_has_its_build_and_names(t):
    """No file of it can be opened any more, but probes can be attached as long as nobody has waited for it."""
    harness.require_root()
    for _ in range(40):
        target, profile = fleet.Target(t, fleet.go_program()), t.path("p")
        recorder = t.start(harness.ESCAPEMENT, "record", "--rate", 1, "-p", target.pid, "-o", profile, stderr=subprocess.PIPE)
        harness.wait_for(lambda: holds(recorder.pid, fleet.TARGET), "the recorder to open the program")
        target.process.kill()
        said = recorder.communicate(timeout=harness.TIMEOUT)[1]
        target.process.wait(harness.TIMEOUT)
        if recorder.returncode == 0:
            contains(gzip.decompress(profile.read_bytes()), b"process.1.build_id: ")
            return
        contains(said, "ended")
        same(recorder.returncode, 3, said)
    raise AssertionError(f"each target ended too early for a recording: {said}")


def test_processes_of_other_namespaces_are_recorded_exactly(t):
    harness.require_root()
    for under in (("unshare", "--user"), ("unshare", "--user", "--map-root-user"), ("unshare", "--mount"),
                  ("unshare", "--pid", "--fork", "--kill-child"),
                  ("unshare", "--user", "--map-root-user", "--pid", "--mount", "--net", "--ipc", "--fork", "--kill-child")):
        if t.run(*under, "true", status=None).returncode:
            raise harness.Skip(f"{' '.join(under)} is not permitted here")
        record_seeds(t, under=under)


def test_processes_that_others_trace_are_recorded_exactly(t):
    harness.require_root()
    for under in (("strace", "-f", "-o", t.path("trace")),
                  ("gdb", "-q", "-nx", "-batch", "-iex", "set startup-with-shell off", "-ex", "run", "--args")):
        if not shutil.which(under[0]):
            raise harness.Skip(f"{under[0]} is not installed")
        record_seeds(t, under=under)


def test_a_process_that_gets_the_number_of_one_that_ended_is_left_alone(t):
    harness.require_root()
    target = endless(t)
    recorder = t.attach(target.pid, "--rate", "1", "--max-overhead", "0", "-o", t.path("p"))
    harness.wait_until_run(target.pid)
    recorder.process.send_signal(signal.SIGSTOP)
    harness.wait_for(lambda: state(recorder.pid) == "T", "the recorder to stop")
    target.kill()
    target.wait(harness.TIMEOUT)
    for _ in range(200):  # other processes may take the PID first
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(target.pid - 1))
        other = t.start(workload("seeds"), "--wait-start", "--rounds", "200", f"--print-counts={t.path('counts')}")
        if other.pid == target.pid:
            break
        other.kill()
        other.wait(harness.TIMEOUT)
    else:
        raise harness.Skip("the PID could not be reused")
    until(other, "ready")
    recorder.process.send_signal(signal.SIGCONT)
    contains(recorder.ended(), "ended before its counters could be read")
    check_unharmed(other, "the other process")
    report = t.json("report", t.path("p"))
    same(report["check"], None, "check")
    assert report["totals"]["objects"] > 100, report["totals"]
    go_on(other)
    until(other, "done")
    go_on(other)
    same(other.wait(harness.TIMEOUT), 0, "its exit status")
    assert records.program_sites(t.path("counts")), "it did not count"


def record_briefly(t, target, what, preexec_fn, statuses=STATUSES):
    """Records under a restriction: it succeeds or says why it cannot; the target is unharmed in either case."""
    t.path("p").unlink(missing_ok=True)
    done = t.escapement("record", "--rate", "1", "--duration", "0.2", "-o", t.path("p"), "-p", target.pid, status=None,
                        preexec_fn=preexec_fn)
    check_unharmed(target, what)
    assert done.returncode in statuses, f"{what}: {done.returncode}: {done.stderr}"
    if done.returncode > 0:
        assert done.stderr.strip(), f"{what}: status {done.returncode} without a message"
    if done.returncode in (0, 4):
        check = t.json("report", t.path("p"))["check"]
        assert not check or done.returncode == 4 or abs(check["difference"]) <= check["bound"], f"{what}: {check}"
    return done.returncode


def test_a_limit_of_descriptors_or_memory_ends_in_a_recording_or_in_words(t):
    harness.require_root()
    target = endless(t, "--sleep-us", "100")
    last = None
    for limit in (4, 5, 7, 9, 12, 16, 20, 24, 28, 36, 48, 64):
        last = record_briefly(t, target, f"{limit} descriptors",
                              lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    same(last, 0, "exit status with 64 descriptors")
    if harness.SANITIZED:
        return  # needs terabytes of addresses
    # 127: the dynamic linker fails before main(). Aborts and crashes: libdw (elfutils 0.188) does not check whether it
    # got memory for its hash tables.
    for limit in (12, 24, 32, 40, 56, 80, 120, 512):
        last = record_briefly(t, target, f"{limit} MiB of addresses",
                              statuses=(*STATUSES, 127, -signal.SIGABRT, -signal.SIGSEGV),
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit << 20, limit << 20)))
    same(last, 0, "exit status with 512 MiB of addresses")


@contextlib.contextmanager
def memory_group(limit):
    """A control group with a memory limit of that many bytes; yields a function that moves the calling process into
    it."""
    for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = pathlib.Path(root, f"escapement-test-{os.getpid()}")
        with contextlib.suppress(OSError):
            if not (pathlib.Path(root) / "cgroup.procs").exists():
                continue
            group.mkdir()
            if (group / name).exists():
                break
            group.rmdir()
    else:
        raise harness.Skip("there is no memory control group")
    try:
        (group / name).write_text(str(limit))
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        harness.wait_for(lambda: not (group / "cgroup.procs").read_text(), "the control group to be empty")
        group.rmdir()


def test_a_control_group_of_little_memory_ends_the_profiler_or_not_and_never_the_target(t):
    harness.require_root()
    target = endless(t, "--sleep-us", "100")
    for limit in (2, 8, 24, 64, 256):
        with memory_group(limit << 20) as enter:
            last = record_briefly(t, target, f"{limit} MiB", enter, statuses=(*STATUSES, -signal.SIGKILL))
    same(last, 0, "exit status with 256 MiB")


PHASES = ("", "loaded in", "attached process", "detached process")


def send_in_phase(t, target, number, phase):
    """Sends a signal as soon as the recorder has printed the message that begins the phase. Returns its exit status."""
    with open(t.path("said"), "w") as file:
        # Its own process group: the kernel discards SIGTSTP, SIGTTIN and SIGTTOU in an orphaned one, which ours may be.
        process = t.start(harness.ESCAPEMENT, "record", "-v", "--rate", "1", "-o", t.path("p"), "-p", target.pid,
                          stderr=file, process_group=0)
    recorder = harness.Recorder(process, t.path("said"))
    if phase == "detached process":
        recorder.wait_for("attached process")
        process.send_signal(signal.SIGINT)
    if phase:
        recorder.wait_for(phase)
    if phase == "attached process":
        harness.wait_until_run(target.pid, 0.01)  # so that the recording has something to keep
    process.send_signal(number)
    if number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        harness.wait_for(lambda: process.poll() is not None or state(process.pid) in "TZ", "the recorder to stop")
        process.send_signal(signal.SIGCONT)
    if phase:
        process.send_signal(signal.SIGINT)  # ends it if the first signal did not
    else:
        with contextlib.suppress(AssertionError):
            recorder.wait_for("attached process")
        process.send_signal(signal.SIGINT)
    return process.wait(harness.TIMEOUT)


def check_signals(t, numbers):
    target = endless(t, "--sleep-us", "100")
    for number in numbers:
        for phase in PHASES:
            what = f"{number.name} after '{phase}'"
            status = send_in_phase(t, target, number, phase)
            assert status in (0, 3, -number, -signal.SIGINT), f"{what}: status {status}: {t.path('said').read_text()}"
            if phase == "attached process" and number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                same(status, 0, what)
                assert t.json("report", t.path("p"))["totals"]["objects"] > 0, what
            check_unharmed(target, what)
    t.escapement("record", "--rate", "1", "--duration", "0.3", "-o", t.path("p"), "-p", target.pid)
    check = t.json("report", t.path("p"))["check"]
    assert abs(check["difference"]) <= check["bound"], check


def test_signals_end_the_profiler_in_every_phase_and_leave_the_target_as_it_was(t):
    harness.require_root()
    check_signals(t, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))


def kill_recorders(t, times, seed=1):
    """Kills recordings of one process at different moments; then records that process."""
    target = endless(t, "--threads", "2")
    chance = random.Random(seed)
    for number in range(times):
        recorder = t.attach(target.pid, "--rate", chance.choice(("0", "1", "64k")), "--max-overhead", "0", "-o",
                            t.path("killed"))
        harness.wait_until_run(target.pid, chance.random() * 0.05)
        recorder.process.kill()
        recorder.process.wait(harness.TIMEOUT)
        check_unharmed(target, f"kill {number}")
    same(list(t.directory.glob(".*")) + list(t.directory.glob("killed*")), [], "files left behind")
    report = t.closely(target.pid, 64, "--rate", "1", "--max-overhead", "0", "--duration", "0.5")
    assert report["check"]["objects"] > 100, report["check"]
    record_seeds(t)


def test_a_profiler_that_is_killed_leaves_the_target_as_it_was_and_the_next_recording_right(t):
    harness.require_root()
    kill_recorders(t, 5)


def full_disk(t, *command, output):
    """Runs escapement with `output` on a full file system. Returns its exit status and messages."""
    disk = t.path("disk")
    disk.mkdir(exist_ok=True)
    words = [harness.ESCAPEMENT, *command]
    script = f'mount -t tmpfs -o size=64k none {disk} && {{ head -c 1000000 /dev/zero > {disk}/filler 2> filled; "$@"; ' \
        f'status=$?; ls -A {disk}; exit $status; }}'
    done = t.run("unshare", "--mount", "sh", "-c", script, "sh", *words, status=None)
    same(done.stdout.split(), ["filler"], "files on the disk")
    same(done.returncode, 2, f"exit status: {done.stderr}")
    contains(done.stderr, str(output))
    contains(done.stderr, "No space left on device")


def test_a_full_disk_is_said_and_leaves_no_half_of_a_file(t):
    harness.require_root()
    if t.run("unshare", "--mount", "true", status=None).returncode:
        raise harness.Skip("mount namespaces are not permitted here")
    profile, output = t.path("p.pb.gz"), t.path("disk") / "out"
    seeds = (workload("seeds"), "--rounds", "5")
    t.escapement("record", "--rate", "1", "-o", profile, "--", *seeds)
    full_disk(t, "record", "-q", "-o", output, "--", *seeds, output=output)
    full_disk(t, "gate", "--baseline", output, "--update", "--runs", "1", "--", *seeds, output=output)
    full_disk(t, "html", "-o", output, profile, output=output)


def test_standard_output_that_is_full_is_said(t):
    harness.require_root()
    profile = t.path("p.pb.gz")
    t.escapement("record", "--rate", "1", "-o", profile, "--", workload("seeds"), "--rounds", "5")
    formats = ("text", "json", "csv", "folded", "speedscope")
    commands = [("report", "--format", format, "--by", "stack", profile) for format in formats]
    commands += [("report", "--help"), ("help",), ("doctor",), ("doctor", "--format", "json")]
    for command in commands:
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(word) for word in (harness.ESCAPEMENT, *command)], stdout=full, cwd=t.directory,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=harness.TIMEOUT)
        same(done.returncode, 2, f"{command}: exit status: {done.stderr}")
        contains(done.stderr, "No space left on device")


def test_closed_standard_streams_are_not_taken_for_files(t):
    """Without these descriptors, the first files that the recorder opens would get their numbers, and messages would be
    written into them."""
    harness.require_root()
    closed, record = t.path("closed.pb.gz"), ("record", "--rate", "1", "-o")
    t.escapement(*record, t.path("p"), "--", workload("seeds"), "--rounds", "5")
    objects = t.json("report", t.path("p"))["totals"]["objects"]
    for streams in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"):
        t.run("sh", "-c", f'exec "$@" {streams}', "sh", harness.ESCAPEMENT, *record, closed, "--", workload("seeds"),
              "--rounds", "5")
        report = t.json("report", closed)
        same((report["totals"]["objects"], report["check"]["difference"]), (objects, 0), f"{streams}: objects, difference")
        if ">&-" in streams.split():
            t.run("sh", "-c", f'exec "$@" {streams}', "sh", harness.ESCAPEMENT, "report", closed, status=2)


if __name__ == "__main__":
    harness.main()
