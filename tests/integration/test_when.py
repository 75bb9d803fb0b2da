#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`--when`: snapshots that are kept until a process uses too much memory, or the kernel kills it. The cgroups are real."""
import json
import os
import pathlib
import re
import signal
import time

import go_programs
import harness
from harness import contains, same, wait_for

MIB = 1 << 20
RUNS = 20 if os.environ.get("HEAP_RUNS") == "all" else 2
DUMP = harness.BUILD / "tests" / "tools" / "profile_dump"
V1 = pathlib.Path("/sys/fs/cgroup/memory")
V2 = pathlib.Path("/sys/fs/cgroup")


class Cgroup:
    """A memory cgroup with a limit, below the root."""

    def __init__(self, name, limit):
        harness.require_root()
        self.first = (V1 / "memory.limit_in_bytes").exists()
        if not self.first and "memory" not in (V2 / "cgroup.subtree_control").read_text().split():
            raise harness.Skip("no memory cgroups can be made here")
        self.path = (V1 if self.first else V2) / f"escapement-test-{os.getpid()}-{name}"
        self.path.mkdir()
        self.limit_file = self.path / ("memory.limit_in_bytes" if self.first else "memory.max")
        if limit:
            self.limit_file.write_text(str(limit))
            swap = self.path / ("memory.memsw.limit_in_bytes" if self.first else "memory.swap.max")
            if swap.exists():
                swap.write_text(str(limit if self.first else 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.processes(), "the end of its processes")
        self.path.rmdir()

    def processes(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def kills(self):
        """How many processes the kernel has killed in it for want of memory."""
        events = (self.path / ("memory.oom_control" if self.first else "memory.events")).read_text()
        return int(re.search(r"^oom_kill (\d+)", events, re.MULTILINE)[1])

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))


def climb(t, rate, most, cgroup=None):
    """A program that keeps `rate` MiB more each second, up to `most` MiB, once it is told to go()."""
    process = t.start(go_programs.build("1.24", "stripped", "climb"), rate, most,
                      preexec_fn=cgroup.enter if cgroup else None)
    wait_for(lambda: rss(process.pid) > 2 * MIB, "Go's runtime")
    process.go = lambda: (process.stdin.write("g"), process.stdin.flush())
    return process


def rss(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def watch(t, process, expression, *options):
    """Starts a watcher. When it has taken its first snapshot, lets the process go."""
    watcher = t.start(harness.ESCAPEMENT, "heap", "-p", process.pid, "--when", expression, "-o", t.path("heap.pb.gz"),
                      *options)
    wait_for(lambda: t.path("heap.pb.gz").exists() or watcher.poll() is not None, "the first snapshot")
    process.go()
    return watcher


def ended(watcher, status=0):
    """Its messages, when it has ended by itself."""
    output, messages = watcher.communicate(timeout=harness.TIMEOUT)
    same((watcher.returncode, output), (status, ""), f"exit status and output; messages: {messages}")
    return messages


def said_rss(messages, expression):
    """MiB that a message says the process had when the trigger was reached. How much more than the trigger that is, depends on the machine."""
    size, unit = re.search(rf"{expression}: rss ([\d.]+) ?([MG])", messages).groups()
    return float(size) * {"M": 1, "G": 1024}[unit]


def taken_ns(t, name="heap.pb.gz"):
    """When a snapshot was taken, by its file."""
    return json.loads(t.run(DUMP, t.path(name)).stdout)["start_ns"]


def ring(t):
    """The names of the snapshots, the newest first."""
    names = sorted((path.name for path in t.directory.glob("heap*")), key=lambda name: (len(name), name))
    times = [taken_ns(t, name) for name in names]
    same(times, sorted(times, reverse=True), f"times of {names}")
    same(names, ["heap.pb.gz", *(f"heap.{number}.pb.gz" for number in range(1, len(names)))], "names")
    return names


# --- the kernel kills ---


def test_a_process_that_the_kernel_kills_leaves_a_snapshot_of_its_last_second(t):
    for run in range(RUNS):
        with Cgroup(f"climb-{run}", 512 * MIB) as cgroup:
            process = climb(t, 100, 2000, cgroup)
            watcher = watch(t, process, "oom")
            wait_for(lambda: cgroup.kills() or process.poll() is not None, "the kernel's decision")
            end = time.time_ns()  # on a busy machine the process needs its time to die
            messages = ended(watcher)
            same(process.wait(harness.TIMEOUT), -signal.SIGKILL, "how the program ended")
            age = (end - taken_ns(t)) / 1e9
            print(f"# run {run}: {age:.2f} s", flush=True)
            assert age < 1, f"run {run}: the newest snapshot is {age} s old: {messages}"
            assert 2 <= len(ring(t)) <= 8, ring(t)
            held = t.json("report", t.path("heap.pb.gz"))["rows"][0]
            same(held["function"], "main.climb", "who holds most")
            same(int(cgroup.limit_file.read_text()), 512 * MIB, "its limit afterwards")
        for name in ring(t):
            t.path(name).unlink()


def test_one_that_is_faster_leaves_the_last_of_the_ring_and_its_age_is_said(t):
    with Cgroup("fast", 512 * MIB) as cgroup:
        process = climb(t, 100000, 2000, cgroup)
        messages = ended(watch(t, process, "oom"))
        age = re.search(r"the newest, '.*heap.pb.gz', of (\d+\.\d\d) s before|the snapshot of this moment is '", messages)
        assert age, messages
        assert taken_ns(t) / 1e9 > time.time() - 60, messages
        ring(t)


def test_the_profiler_stays_outside_of_the_cgroup_and_warns_if_it_is_inside(t):
    with Cgroup("outside", 512 * MIB) as cgroup:
        process = climb(t, 1000, 10, cgroup)
        own = pathlib.Path("/proc/self/cgroup").read_text()
        watcher = watch(t, process, "cgroup>90%,oom")
        same(pathlib.Path(f"/proc/{watcher.pid}/cgroup").read_text(), own, "the profiler's cgroups")
        same(cgroup.processes(), [process.pid], "processes of the cgroup")
        watcher.send_signal(signal.SIGINT)
        assert "runs in the memory cgroup" not in ended(watcher)
        inside = t.start(harness.ESCAPEMENT, "heap", "-p", process.pid, "--when", "oom", "-o", t.path("heap.pb.gz"),
                         preexec_fn=cgroup.enter)
        wait_for(lambda: t.path("heap.2.pb.gz").exists() or inside.poll() is not None, "its first snapshot")
        process.stdin.close()
        contains(ended(inside, 3), f"escapement runs in the memory cgroup of process {process.pid}")


def test_a_share_of_the_limit_is_a_trigger_and_needs_a_limit(t):
    with Cgroup("share", 256 * MIB) as cgroup:
        process = climb(t, 200, 200, cgroup)
        messages = ended(watch(t, process, "cgroup>50%"))
        assert rss(process.pid) > 100 * MIB, messages
        contains(messages, "cgroup>50%: rss ")
        process.kill()
    with Cgroup("none", None) as cgroup:
        process = climb(t, 200, 20, cgroup)
        contains(ended(watch(t, process, "cgroup>50%"), 3), "has no limit, nor has one above it")


# --- resident memory ---


def test_resident_memory_is_a_trigger(t):
    process = climb(t, 200, 150)
    messages = ended(watch(t, process, "rss > 100m or rss>5g", "--keep", "3"))
    assert rss(process.pid) > 100 * MIB, messages
    assert said_rss(messages, "rss > 100m") >= 100
    same(len(ring(t)), 3, "snapshots")
    before = t.json("report", t.path("heap.2.pb.gz"))["totals"]["inuse_bytes"]
    assert 0 < before <= t.json("report", t.path("heap.pb.gz"))["totals"]["inuse_bytes"], before


def test_names_that_others_have_planted_are_not_followed(t):
    """Links and files at the names of the ring, as another user of the directory can make them."""
    harness.require_root()
    for keep in (1, 2, 8):
        directory, victim = t.path(f"ring-{keep}"), t.path("victim")
        directory.mkdir()
        victim.write_text("untouched")
        for name in ("heap.new.pb.gz", "heap.1.pb.gz", "heap.2.pb.gz"):
            (directory / name).symlink_to(victim)
        newest = directory / "heap.pb.gz"
        newest.write_text("planted")
        newest.chmod(0o666)
        os.chown(newest, 65534, 65534)
        process = climb(t, 200, 150)
        process.go()
        ended(t.start(harness.ESCAPEMENT, "heap", "-p", process.pid, "--when", "rss>100m", "--keep", keep, "-o", newest))
        process.kill()
        same(victim.read_text(), "untouched", f"--keep {keep}: the file behind the links")
        status = newest.lstat()
        same((status.st_uid, status.st_mode & 0o002, status.st_nlink), (0, 0, 1), f"--keep {keep}: the newest snapshot")
        assert t.json("report", newest)["totals"]["inuse_bytes"] > 0
        older = [path for path in directory.iterdir() if path.name != newest.name]
        same(sorted(path.name for path in older if path.name.startswith(".")), [], "temporary files")
        if keep == 2:
            same((directory / "heap.1.pb.gz").is_symlink(), False, "what has the older name now")


def test_growth_within_a_time_is_a_trigger(t):
    process = climb(t, 200, 150)
    process.go()
    wait_for(lambda: rss(process.pid) > 150 * MIB, "the program")
    watcher = watch(t, process, "rss+20%/10s", "--interval", "0.1s")
    wait_for(lambda: t.path("heap.2.pb.gz").exists(), "two intervals without growth")
    same(watcher.poll(), None, "the watcher's exit status while nothing grows")
    watcher.send_signal(signal.SIGINT)
    ended(watcher)
    for expression in ("rss+50m/1m", "rss+200%/1m"):
        contains(ended(watch(t, climb(t, 200, 150), expression)), f"{expression}: rss ")


def test_a_process_that_ends_before_is_told_with_what_was_kept(t):
    process = climb(t, 200, 60)
    watcher = watch(t, process, "rss>100m")
    wait_for(lambda: rss(process.pid) > 62 * MIB and t.path("heap.1.pb.gz").exists(), "a step")
    process.stdin.close()
    contains(ended(watcher, 3), "ended before rss>100m; kept are ")
    ring(t)


def test_a_process_that_executes_another_program_is_followed(t):
    process = t.start(harness.workload("processes"), "again", "2", env={**os.environ, "GOALLOC_HEAP_PROFILE": "1"})
    same(process.stdout.readline(), "ready\n")
    process.go = lambda: (process.stdin.write("\n"), process.stdin.flush())
    watcher = watch(t, process, "rss>100g", "--interval", "0.1s")

    def said():
        return t.json("report", t.path("heap.pb.gz"))["target"]["command"]

    wait_for(lambda: said().endswith("again 1"), "a snapshot of the program that it executes")
    watcher.send_signal(signal.SIGINT)
    messages = ended(watcher)
    contains(messages, "executes another program, exe: snapshots are of that from now on")
    assert said().endswith("again 1"), said()


def shell_on_libgoalloc(t, script, *arguments, library=harness.BUILD / "libgoalloc-preload.so", **options):
    """A shell that runs the script once it is told to go(), without the library in what it executes."""
    harness.require_library_for_others()
    process = t.start("sh", "-c", f"read line; unset LD_PRELOAD; {script}", "sh", *arguments,
                      env={**os.environ, "LD_PRELOAD": str(library), "GOALLOC_HEAP_PROFILE": "1"}, **options)
    wait_for(lambda: "libgoalloc" in pathlib.Path(f"/proc/{process.pid}/maps").read_text(), "the shell's libgoalloc")
    process.go = lambda: (process.stdin.write("\n"), process.stdin.flush())
    return process


def messages_of(t, process, expression, ready, command=harness.ESCAPEMENT, **options):
    """What a watcher with an interval of 0.1 s says in all; it is asked to end when `ready` is true of what it has said."""
    with open(t.path("messages"), "w") as file:
        watcher = t.start(command, "heap", "-p", process.pid, "--when", expression, "--interval", "0.1s",
                          "-o", t.path("heap.pb.gz"), stderr=file, **options)
    said = t.path("messages").read_text
    wait_for(lambda: t.path("heap.pb.gz").exists() or watcher.poll() is not None, "the first snapshot")
    process.go()
    wait_for(lambda: ready(said()) or watcher.poll() is not None, "what the watcher is to say")
    enough = time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > enough, "some intervals more")
    watcher.send_signal(signal.SIGINT)
    same(watcher.wait(harness.TIMEOUT), 0, f"exit status; messages: {said()}")
    return said()


WITHOUT = "executes another program: no snapshots until it becomes one with a heap that can be read, or the end: "


def test_a_program_without_a_heap_that_it_executes_is_told_once_and_what_was_kept_stays(t):
    messages = messages_of(t, shell_on_libgoalloc(t, "exec sleep 1000"), "rss>100g", lambda said: WITHOUT in said)
    same(messages.count("has no heap that is known"), 1, messages)
    assert re.search(r"(?m)^escapement: kept are \d+ snapshots?, the newest, '.*heap.pb.gz', of ", messages), messages
    for name in ring(t):
        t.path(name).unlink()
    process = shell_on_libgoalloc(t, 'exec python3 -c "import time; kept = bytearray(b\'x\') * (300 << 20); time.sleep(1000)"')
    messages = ended(watch(t, process, "rss>200m"))
    same(messages.count(WITHOUT), 1, messages)
    assert re.search(r"rss>200m: rss .*; kept are \d+ snapshots?, the newest, '.*heap.pb.gz', of ", messages), messages


def test_one_with_a_heap_that_comes_after_it_is_followed(t):
    process = shell_on_libgoalloc(t, 'exec sh -c \'read line; exec "$0" again 1\' "$1"', harness.workload("processes"))

    told = []

    def ready(said):
        if WITHOUT in said and not told:
            told.append(process.go())
        return "snapshots are of that from now on" in said

    messages = messages_of(t, process, "rss>100g", ready)
    assert "kept are" not in messages, messages
    assert t.json("report", t.path("heap.pb.gz"))["target"]["command"].endswith("again 1")


def test_a_program_that_may_not_be_read_is_no_end(t):
    harness.require_root()
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    secret = t.path("secret")
    secret.write_bytes(pathlib.Path("/bin/sleep").read_bytes())
    secret.chmod(0o711)
    process = shell_on_libgoalloc(t, 'exec "$1" 1000', secret, library=t.copy(harness.BUILD / "libgoalloc-preload.so"), **nobody)
    messages = messages_of(t, process, "rss>100g", lambda said: WITHOUT in said, t.copy(harness.ESCAPEMENT), **nobody)
    same(messages.count(f"{WITHOUT}cannot inspect process {process.pid}: "), 1, messages)
    contains(messages, "CAP_SYS_PTRACE")
    assert "it has ended" not in messages, messages


def test_what_has_no_sites_is_told_at_once_and_not_waited_for(t):
    process = t.start(go_programs.build("1.24", "stripped", "loop"))
    wait_for(lambda: rss(process.pid) > 2 * MIB, "Go's runtime")
    told = t.escapement("heap", "-p", process.pid, "--when", "rss>1g", "-o", "heap.pb.gz", status=3).stderr
    contains(told, "its sampler is not linked in")
    assert "waiting" not in told and not t.path("heap.pb.gz").exists(), told


def test_a_long_wait_does_not_use_up_what_may_be_read(t):
    """Reading a process has a time limit, which begins anew with each snapshot."""
    process = climb(t, 200, 20)
    watcher = watch(t, process, "rss>1g", "--interval", "11s", "--keep", "2")
    wait_for(lambda: t.path("heap.1.pb.gz").exists(), "the second snapshot")
    watcher.send_signal(signal.SIGINT)
    assert "cannot read" not in ended(watcher)


def test_a_recording_begins_when_the_trigger_is_reached(t):
    harness.require_root()
    process = climb(t, 100, 100000)
    process.go()
    recorder = t.start(harness.ESCAPEMENT, "record", "-p", process.pid, "--rate", "0", "--when", "rss>100m",
                       "--duration", "0.5", "-o", t.path("p.pb.gz"))
    messages = ended(recorder)
    assert said_rss(messages, "rss>100m") >= 100
    report = t.json("report", t.path("p.pb.gz"))
    assert 0 < report["totals"]["bytes"] < (rss(process.pid) - 100 * MIB) * 1.1, report["totals"]
    contains(t.escapement("record", "--when", "oom", "--", "true", status=2).stderr, "--when waits for a process that runs")
    process.kill()


# --- the expression ---

WRONG = {  # expression: where its error is, and what is expected there
    "": (0, "'rss', 'cgroup' or 'oom'"), "xss>1": (0, "'rss'"), "rss": (3, "'>' or '+'"), "rss=2g": (3, "'>' or '+'"),
    "rss>": (4, "a size"), "rss>2x": (4, "a size"), "rss>0": (4, "a size"), "rss>-1": (4, "a size"), "rss>90%": (6, "','"),
    "rss>2g rss>3g": (7, "',' or 'or'"), "rss>2g or": (9, "'rss'"), "oom,": (4, "'rss'"), "oom , , oom": (6, "'rss'"),
    "rss+20%": (7, "'/'"), "rss+20%/": (8, "a time"), "rss+20%/0s": (8, "a time"), "rss+1%/0.000000001ms": (7, "a time from 10ms"), "rss+1%/9ms": (7, "a time"),
    "rss+0%/1s": (4, "a percentage"),
    "cgroup>101%": (7, "a percentage from 0 to 100"), "cgroup>5g": (7, "a percentage"), "cgroup+5%/1s": (6, "'>'"),
    "oom\x1b[31m": (3, "','"), ",".join(["oom"] * 9): (32, "no more than 8"), "rss>" + "9" * 40: (4, "a size"),
}


def test_an_error_in_the_expression_is_shown_where_it_is(t):
    for expression, (position, expected) in WRONG.items():
        for command in ("heap", "record"):
            done = t.escapement(command, "-p", os.getpid(), "--when", expression, status=2)
            message, _, caret = done.stderr.rstrip("\n").split("\n")
            contains(message, f"--when: expected {expected}")
            same((caret, done.stdout), (" " * (2 + position) + "^", ""), f"{expression!r}: caret and output")
            assert "\x1b" not in done.stderr, done.stderr


def test_options_that_do_not_go_with_it_are_told(t):
    process = climb(t, 1000, 1)
    for options in (["--fresh"], ["--memory"], ["--format", "csv"], ["--keep", "0"], ["--keep", "1001"],
                    ["--focus", "main.x"], ["-o", "/dev/null"], ["-o", t.directory]):
        done = t.escapement("heap", "-p", process.pid, "--when", "oom", *options, status=2)
        same((done.stdout, done.stderr.count("\n")), ("", 1), f"{options}: {done.stderr}")
    t.escapement("heap", "-p", 2 ** 22 + 1, "--when", "oom", status=3)
    done = t.escapement("heap", "-p", os.getpid(), "--when", "oom", status=3, cwd=t.directory)
    contains(done.stderr, "has no heap that is known")


if __name__ == "__main__":
    harness.main()
