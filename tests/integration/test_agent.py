#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`escapement agent` without a store: its configuration, which processes it records, and the windows in its spool, whose
sums are compared with what Go's runtime counts in the program itself (runtime.MemStats)."""
import contextlib
import ctypes
import errno
import http.server
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request

import fleet
import harness
from harness import contains, same, wait_for

GOOD = "[watch a]\nname = x\n"


def config(t, window="1s", every="1s", watch=f"name = {fleet.TARGET}", **more):
    return "\n".join(["host = here", f"spool = {t.path('spool')}", f"window = {window}", f"every = {every}",
                      *(f"{key.replace('_', '-')} = {value}" for key, value in more.items()), "[watch api]", watch, ""])


def one_window(t, text, processes="1 process"):
    """An agent's window of processes that need not do anything meanwhile: it ends when it has begun. Returns what was said."""
    agent = fleet.Agent(t, text.replace("window = 1s\nevery = 1s", "window = 600s\nevery = 600s"))
    agent.wait_for(f"a window has begun: {processes}")
    agent.end()
    return agent.said()


def test_a_mistake_in_the_configuration_is_reported_by_file_and_line(t):
    cases = [
        ("windw = 10s\n" + GOOD, 1, "unknown key 'windw'; did you mean 'window'?"),
        ("# a\n\nwindow = often\n" + GOOD, 3, "'often' of window is not a time"),
        ("window = 10s\nwindow = 20s\n" + GOOD, 2, "window is there twice"),
        ("window\n" + GOOD, 1, "neither 'key = value' nor a [section]"),
        ("spool =\n" + GOOD, 1, "spool has no value"),
        ("redact = maybe\n" + GOOD, 1, "'maybe' of redact is neither yes nor no"),
        ("max-overhead = 101\n" + GOOD, 1, "'101' of max-overhead is not a percentage"),
        ("spool-limit = big\n" + GOOD, 1, "'big' of spool-limit is not a size"),
        ("[watch]\n", 1, "[watch SERVICE] needs a name"),
        ("[watch a\n", 1, "lacks a ']'"),
        ("[listen a]\n", 1, "unknown section [listen a]"),
        ("[watch a]\n[watch b]\nname = x\n", 2, "[watch a] needs name, cgroup, user or go = yes"),
        ("[watch a]\nuser = no-such-user\n", 2, "there is no user 'no-such-user'"),
        (GOOD + GOOD, 3, "[watch a] is there twice"),
        (GOOD + "window = 1s\n", 3, "unknown key 'window' of [watch]"),
        ("window = 10s\n", 1, "it watches nothing"),
        ("window = 10s\nevery = 5s\n" + GOOD, 4, "every is at least as long as window"),
        ("every = 20s\nheap-every = 5s\n" + GOOD, 4, "heap-every is 0 or at least as long as every"),
        (GOOD + "[clickhouse]\nuser = me\n", 4, "[clickhouse] needs a url"),
        (GOOD + "[clickhouse]\nurl = http://h\ntimeout = 999ms\n", 5, "timeout is at least 1s"),
        (GOOD + "[clickhouse]\nurl = ftp://h\n", 4, "begins with http:// or https://"),
        (GOOD + "[clickhouse]\nurl = http://me:secret@h\n", 4, "has no user, password or parameters"),
        (GOOD + "[clickhouse]\nurl = http://h\ndatabase = a; DROP TABLE b\n", 5, "is not a name of letters"),
        (GOOD + "[prometheus]\nlisten = localhost:1\n", 4, "'localhost:1' is not ADDRESS:PORT"),
        (GOOD + "[prometheus]\nlisten = ::1:9187\n", 4, "is not ADDRESS:PORT"),
        (GOOD + "[prometheus]\n[prometheus]\n", 4, "[prometheus] is there twice"),
        ("window = 1\0s\n", 1, "not a configuration file"),
    ]
    path = t.path("agent.conf")
    for text, line, message in cases:
        path.write_text(text)
        said = t.escapement("agent", "--config", path, "--check", status=2).stderr
        contains(said, f"escapement: {path}:{line}: ")
        contains(said, message)
        assert "secret" not in said, said
    path.write_text(GOOD)
    same(t.escapement("agent", "--config", path, "--check").stderr, "")
    contains(t.escapement("agent", "--config", t.path("none"), status=2).stderr, "cannot read the configuration")


def test_the_windows_of_a_program_add_up_to_its_own_count(t):
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, window="5s", every="5s"), "--windows", 3)  # a busy machine may let it wait for seconds
    before = after = None
    for window in range(1, 4):
        agent.wait_for("a window has begun: 1 process", window)
        first = target.ask(20000)
        before = first if before is None else before
        after = target.ask(0)
        agent.wait_for("a window was written", window)
    agent.process.wait(harness.TIMEOUT)
    same(agent.process.returncode, 0, agent.said())
    rows = fleet.spooled(t, t.path("spool"))
    same(len(rows["windows"]), 3)
    same(len({row["window"] for row in rows["windows"]}), 3, "numbers of windows")
    # what the program did between its first and its last reading is all in the windows, with the few objects of these
    # readings themselves
    counted = fleet.total(rows["windows"], "objects")
    assert after - before <= counted <= after - before + 100, (before, after, counted)
    for row in rows["windows"]:
        same((row["host"], row["service"], row["pid"], row["comm"], row["module"], row["dropped"]),
             ("here", "api", str(target.pid), fleet.TARGET, "example.org/target", "0"))
        same(row["executable"], fleet.TARGET, "redacted path")
        assert abs(int(row["check_difference"])) <= int(row["check_bound"]), row
        same(int(row["objects"]), int(row["check_objects"]) + int(row["check_difference"]))
    # growth of the heap has a row of its own, without a type and without objects
    sites = [row for row in rows["sites"] if row["function"] == "main.buffers" and row["objects"] is not None]
    same([row["type"] for row in sites], ["uint8"] * 3, sites)
    for row in sites:
        same(row["file"], "main.go")
        assert int(row["objects_low"]) <= 20000 <= int(row["objects_high"]), row


def test_rows_are_the_rows_of_report(t):
    """At rate 1 both are exact, so the same work has the same rows in a recording and in a window."""
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    target.ask(500)
    agent = fleet.Agent(t, config(t, rate=1, redact="no", max_overhead=0), "--windows", 1)
    agent.wait_for("a window has begun")
    target.ask(5000)
    agent.process.wait(harness.TIMEOUT)
    recorder = t.attach(target.pid, "--rate", 1, "--max-overhead", 0, "-o", t.path("p.pb.gz"))
    target.ask(5000)
    recorder.end()
    report = {(row["function"], row["file"], row["line"]): (row["objects"], row["bytes"])
              for row in t.json("report", t.path("p.pb.gz"))["rows"]}
    sites = fleet.spooled(t, t.path("spool"))["sites"]
    window = {}
    for row in sites:  # a row for each type
        key = (row["function"], row["file"], int(row["line"]))
        objects, size = window.get(key, (0, 0))
        window[key] = objects + int(row["objects"]), size + int(row["bytes"])
    types = {row["type"]: row["objects"] for row in t.json("report", "--by", "type", t.path("p.pb.gz"))["rows"]}
    of_sites = {type_: sum(int(row["objects"]) for row in sites if row["type"] == type_) for type_ in {row["type"] for row in sites}}
    assert types["uint8"] >= 5000, types
    same(types["uint8"], of_sites["uint8"])
    # the runtime's own work, and the few objects of the program's answers, differ from time to time
    report, window = ({key: value for key, value in rows.items() if value[0] >= 100} for rows in (report, window))
    same(window, report)
    assert any(objects >= 5000 for objects, _ in window.values()), window


def test_heap_snapshots_are_those_of_heap(t):
    """Of a program that samples every allocation, in windows between which it allocates nothing."""
    harness.require_root()
    target = fleet.Target(t, fleet.go_program(), env={**os.environ, "GODEBUG": "memprofilerate=1"})
    perl = t.path(fleet.named("perl"))
    shutil.copy(shutil.which("perl"), perl)
    sleeper = t.start(perl, "-e", "sleep 600")
    target.ask(20000)
    target.ask(0)
    text = config(t, heap_every="600s") + f"[watch other]\nname = {perl.name}\n"
    agent = fleet.Agent(t, text, "--windows", 2)
    agent.process.wait(harness.TIMEOUT)
    same(agent.process.returncode, 0, agent.said())
    rows = fleet.spooled(t, t.path("spool"))
    windows = {row["window"] for row in rows["windows"]}
    same(len(windows), 2)
    same({row["window"] for row in rows["heap"]}, {min(windows)}, "the window with snapshots")
    snapshot = t.json("heap", "-p", target.pid)
    alive = {(row["function"], os.path.basename(row["file"] or ""), row["line"] or 0, row["via"] or ""): (row["inuse_objects"], row["inuse_bytes"])
             for row in snapshot["rows"]}
    same({(row["function"], row["file"], int(row["line"]), row["via"]): (int(row["inuse_objects"]), int(row["inuse_bytes"])) for row in rows["heap"]},
         alive)
    buffers, = [row for row in rows["heap"] if row["function"] == "main.buffers"]
    # what the program keeps, and what no sweep has come to yet; `heap` is compared with pprof in its own tests
    assert 64 <= int(buffers["inuse_objects"]) < 20000 and int(buffers["collections"]) > 0, buffers
    same({row["service"] for row in rows["heap"]}, {"api"})
    same(len(re.findall(rf"process {sleeper.pid} \({perl.name}\) is not observed: ", agent.said())), 1, agent.said())
    sleeper.kill()


def test_each_window_has_heap_snapshots_if_they_are_asked_for_as_often(t):
    harness.require_root()
    target = fleet.Target(t, fleet.go_program(), env={**os.environ, "GODEBUG": "memprofilerate=1"})
    target.ask(2000)
    agent = fleet.Agent(t, config(t, heap_every="1s"), "--windows", 3)
    agent.process.wait(harness.TIMEOUT)
    rows = fleet.spooled(t, t.path("spool"))
    same(len({row["window"] for row in rows["windows"]}), 3, agent.said())
    same({row["window"] for row in rows["heap"]}, {row["window"] for row in rows["windows"]}, "windows with snapshots")


def test_each_trouble_of_a_process_is_said_once(t):
    """Of two processes that have no heap profile, of which one has no verdicts either, in windows with snapshots and without."""
    harness.require_root()
    program = t.path(fleet.named("other"))
    shutil.copy(fleet.go_program(), program)
    environment = {**os.environ, "GODEBUG": "memprofilerate=0"}
    both, other = fleet.Target(t, program, env=environment), fleet.Target(t, fleet.go_program(), env=environment)
    agent = fleet.Agent(t, config(t, heap_every="2s") + f"[watch b]\nname = {program.name}\nescape = {t.path('none')}\n")
    agent.wait_for("a window was written", 3)
    agent.end()
    for target, name, troubles in ((both, program.name, ("verdicts", "heap snapshots")), (other, fleet.TARGET, ("heap snapshots",))):
        for trouble in ("verdicts", "heap snapshots"):
            same(len(re.findall(rf"process {target.pid} \({name}\) gets no {trouble}: ", agent.said())), int(trouble in troubles), agent.said())


def test_what_is_watched_follows_from_name_cgroup_and_language(t):
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    other = t.start(harness.workload("rhythm"), "1000000000") if harness.workload("rhythm").exists() else None
    cgroup = re.match(r"[^:]*:[^:]*:(.*)", open(f"/proc/{target.pid}/cgroup").readline()).group(1)
    for watch, expected in ((f"cgroup = {cgroup}\nname = tar*{fleet.TARGET[3:]}", True), (f"cgroup = /no/such/*\nname = {fleet.TARGET}", False),
                            (f"go = yes\nname = {fleet.TARGET}", True), (f"name = {fleet.TARGET[:-1]}", False),
                            (f"user = root\nname = {fleet.TARGET}", True), (f"user = 65534\nname = {fleet.TARGET}", False)):
        spool = t.path("spool-" + str(abs(hash(watch))))
        text = config(t, watch=watch).replace(str(t.path("spool")), str(spool))
        if expected:
            one_window(t, text)
            same([row["pid"] for row in fleet.spooled(t, spool)["windows"]], [str(target.pid)], watch)
        else:
            agent = fleet.Agent(t, text)
            agent.wait_for("no process is what the configuration watches")
            agent.end()
            same(fleet.spooled(t, spool)["windows"], [], watch)
    if other:
        other.kill()


def test_an_executable_that_cannot_be_read_holds_up_no_signal(t):
    """It is opened by a process of the agent's, which is ended when the agent is, and when it is late."""
    harness.require_root()
    program = t.path(fleet.named("held"))
    shutil.copy("/bin/sleep", program)
    sleeper = t.start(program, "600")
    held = fleet.Held(program)
    agent = fleet.Agent(t, config(t, watch=f"name = {program.name}\ngo = yes"))
    opener = held.wait_for_opener()
    assert opener != agent.process.pid
    contains(pathlib.Path(f"/proc/{opener}/status").read_text(), f"PPid:\t{agent.process.pid}\n")
    agent.end()
    agent = fleet.Agent(t, config(t, watch=f"name = {program.name}\ngo = yes"))
    agent.wait_for(f"the search for processes ended at the executable of process {sleeper.pid} ({program.name})")
    agent.end()
    held.close()
    contains(agent.said(), "what user 0 runs as api is left out for 1 s")
    sleeper.kill()


def test_nobody_keeps_others_out_by_the_number_of_his_processes(t):
    """There are more than can be watched, and they are older; none can be observed. A set-user-ID program is of whoever starts it."""
    harness.require_root()
    t.path(".").chmod(0o755)
    sleep = t.path(fleet.TARGET)
    shutil.copy("/bin/sleep", sleep)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    crowd = t.start("sh", "-c", f"for i in $(seq 300); do {sleep} 600 & done; wait", start_new_session=True, **nobody)
    try:
        # each is the shell until it has become the program
        wait_for(lambda: sum(f"{fleet.TARGET}\n" in harness.of_threads(pid, "comm") for pid in harness.children(crowd.pid)) == 300,
                 "all of the crowd")
        target = fleet.Target(t, fleet.go_program())
        agent = fleet.Agent(t, config(t))
        agent.wait_for("301 processes are to be watched, but only 256 can be at one time")
        agent.wait_for("a window was written")
        agent.end()
    finally:
        os.killpg(crowd.pid, signal.SIGKILL)
        crowd.wait()
    same({row["pid"] for row in fleet.spooled(t, t.path("spool"))["windows"]}, {str(target.pid)}, agent.said())
    sleep.chmod(0o4755)
    disguised = t.start(sleep, "600", **nobody)
    assert harness.ESCAPEMENT.exists() and pathlib.Path(f"/proc/{disguised.pid}").stat().st_uid == 0, "it has become root"
    agent = fleet.Agent(t, config(t, watch=f"name = {fleet.TARGET}\nuser = root"))
    agent.wait_for("a window has begun: 1 process")
    agent.end()
    assert f"process {disguised.pid} " not in agent.said(), agent.said()
    disguised.kill()


def recorded(pid):
    """The processes of which a process has a pidfd, as a window has of those that it records."""
    found = set()
    for file in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(each) for each in re.findall(r"^Pid:\t(\d+)$", file.read_text(), re.M)}
    return found


def test_who_ends_windows_ends_no_others(t):
    """A window that is killed, as the kernel does where memory is out, is followed by one of each user's processes. If there are
    no others, nobody is left out."""
    harness.require_root()
    good = fleet.Target(t, fleet.go_program())
    pids = {good.pid}
    agent = fleet.Agent(t, config(t))

    def recorder(targets):
        """The process that records just these; None: there is none now. One that ends lets go of one after the other."""
        if re.findall(r"a window has begun: (\d+) process", agent.said())[-1:] != [str(len(targets))]:
            return None
        return next((pid for pid in harness.children(agent.process.pid) if recorded(pid) & pids == targets), None)

    def end_window(targets):
        """Kills it, in a window that it has not come to the end of. It is another one each second."""
        lost = agent.said().count("a window was lost")

        def killed():
            with contextlib.suppress(TypeError, FileNotFoundError, ProcessLookupError):
                os.kill(recorder(targets), signal.SIGKILL)
            return agent.said().count("a window was lost: the process that recorded it was killed by SIGKILL") > lost
        wait_for(killed, "a window to be lost")

    end_window(pids)
    agent.wait_for("a window was written")
    bad = fleet.Target(t, t.copy(fleet.go_program()), user=65534, group=65534, extra_groups=[])
    pids.add(bad.pid)
    pid = wait_for(lambda: recorder(pids), "a window of both")
    with contextlib.suppress(FileNotFoundError):  # of one that has ended
        contains(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text(), "1000")
        limit, = re.findall(r"Max data size +(\S+)", pathlib.Path(f"/proc/{pid}/limits").read_text())
        assert harness.SANITIZED or 1 << 30 <= int(limit) <= max(2 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")), limit
    end_window(pids)
    end_window({bad.pid})
    agent.wait_for("what user 65534 runs as api is left out for 1 s")
    end_window({bad.pid})
    agent.wait_for("what user 65534 runs as api is left out for 2 s")
    written = agent.said().count("a window was written")
    agent.wait_for("a window was written", written + 2)
    agent.end()
    assert "user 0 " not in agent.said(), agent.said()
    rows = fleet.spooled(t, t.path("spool"))["windows"]
    same({row["pid"] for row in rows if row["dropped"] == "4"} - {str(bad.pid)}, {str(good.pid)}, "who has windows after the four that were lost")
    assert "the spool is full" not in agent.said(), agent.said()


def test_a_program_that_was_replaced_is_watched_under_its_name(t):
    """Its file is deleted; the name of the process is cut, so only that of the file matches."""
    harness.require_root()
    program = t.path(fleet.named("a-program-of-a-long-name"))
    shutil.copy(fleet.go_program(), program)
    target = fleet.Target(t, program)
    program.unlink()
    shutil.copy(fleet.go_program(), program)
    contains(os.readlink(f"/proc/{target.pid}/exe"), " (deleted)")
    said = one_window(t, config(t, watch=f"name = {program.name}"))
    same([row["pid"] for row in fleet.spooled(t, t.path("spool"))["windows"]], [str(target.pid)], said)


def test_a_clock_that_was_wrong_once_does_not_date_what_comes_after(t):
    harness.require_root()
    spool, future = t.path("spool"), 4_080_000_000  # 2099
    spool.mkdir(mode=0o700)
    (spool / "state").write_text(f"last {future * 10 ** 9}\ndropped 0\n")
    fleet.Target(t, fleet.go_program())
    before = int(time.time())
    one_window(t, config(t))
    row = fleet.spooled(t, spool)["windows"][0]
    assert int(row["window"]) > future * 10 ** 9 and before <= int(row["time"]) <= time.time(), row


def test_deploys_and_restarts_are_told_apart_by_build_and_start(t):
    harness.require_root()
    programs = [fleet.go_program(), fleet.go_program("second")]
    agent = fleet.Agent(t, config(t))
    seen = []
    for program in (programs[0], programs[0], programs[1]):
        target = fleet.Target(t, program)
        wait_for(lambda: any(row["pid"] == str(target.pid) for row in fleet.spooled(t, t.path("spool"))["windows"]),
                 "a window of it")
        seen.append(target.pid)
        target.process.kill()
        target.process.wait()
    agent.end()
    rows = fleet.spooled(t, t.path("spool"))["windows"]
    builds = [{row["build"] for row in rows if row["pid"] == str(pid)} for pid in seen]
    starts = [{row["started"] for row in rows if row["pid"] == str(pid)} for pid in seen]
    same([len(each) for each in builds + starts], [1] * 6)
    assert builds[0] == builds[1] != builds[2], builds
    assert starts[0] != starts[1], starts
    go = harness.go_toolchain(harness.go_releases("everyday")[-1])
    same(builds[2], {t.run(go, "tool", "buildid", programs[1]).stdout.strip()}, "build id")


def test_sighup_reads_the_configuration_again_and_a_mistake_changes_nothing(t):
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t))
    agent.wait_for("a window was written")
    agent.reload(config(t).replace("window = 1s", "window = soon"))
    agent.wait_for(f"{agent.config}:3: 'soon' of window is not a time, such as 10s; the configuration from before stays in force")
    agent.wait_for("a window was written", agent.said().count("a window was written") + 1)
    agent.reload(config(t).replace("[watch api]", "[watch renamed]"))
    agent.wait_for("the configuration was read again")
    wait_for(lambda: any(row["service"] == "renamed" for row in fleet.spooled(t, t.path("spool"))["windows"]), "the new name")
    agent.end()
    services = [row["service"] for row in fleet.spooled(t, t.path("spool"))["windows"]]
    same(services, sorted(services), "first the old name, then the new one")
    assert target.process.poll() is None


def test_an_agent_that_is_killed_leaves_its_windows_and_nothing_that_runs(t):
    harness.require_root()
    fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, window="2s", every="2s"))
    agent.wait_for("a window was written")
    agent.wait_for("a window has begun", 2)
    below = harness.descendants(agent.process.pid)
    assert below, "a window is being recorded"
    agent.process.kill()
    agent.process.wait()
    wait_for(lambda: not any(harness.states(pid) - {"Z"} for pid in below), "what it had started to end")
    kept = fleet.spooled(t, t.path("spool"))["windows"]
    same(len(kept), 1)
    agent = fleet.Agent(t, config(t), "--windows", 1)
    agent.process.wait(harness.TIMEOUT)
    rows = fleet.spooled(t, t.path("spool"))["windows"]
    same(rows[:1], kept)
    same(len(rows), 2)
    contains(t.escapement("agent", "--config", agent.config, "--status").stdout, "2 windows wait in ")


def test_compiler_output_that_never_ends_holds_up_no_window(t):
    """Whoever deploys a service writes it: it may be no file at all, or a link to one without an end."""
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    pipe, endless, huge = t.path("pipe"), t.path("endless"), t.path("huge")
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    with open(huge, "w") as file:
        file.truncate((256 << 20) + 1)
    for file, why in ((pipe, "is not a regular file"), (endless, "is not a regular file"), (huge, "more than the 268435456 that are read"),
                      (t.path("."), "is not a regular file")):
        said = one_window(t, config(t, watch=f"name = {fleet.TARGET}\nescape = {file}"))
        contains(said, f"process {target.pid} ({fleet.TARGET}) gets no verdicts: '{file}'")
        contains(said, why)
    same(len(fleet.spooled(t, t.path("spool"))["windows"]), 4)


def test_probes_that_cost_a_process_too_much_are_taken_away(t):
    """A window ends early for a process whose every allocation is counted; what that cost it is in its row."""
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, window="600s", every="600s", rate=1, max_overhead=1), "--windows", 1)
    agent.wait_for("a window has begun: 1 process")
    target.ask(3_000_000)
    target.ask(0)
    agent.wait_for(f"process {target.pid} ({fleet.TARGET}): probes cost it more than max-overhead, so that its part of a window ended early")
    agent.process.wait(harness.TIMEOUT)
    row, = fleet.spooled(t, t.path("spool"))["windows"]
    assert 0 < float(row["overhead_seconds"]) < float(row["seconds"]) < 300, row


def test_what_cannot_be_observed_is_said_once(t):
    harness.require_root()
    sleep = t.path(fleet.named("sleep"))
    shutil.copy(shutil.which("sleep"), sleep)
    sleeper = t.start(sleep, "600")
    agent = fleet.Agent(t, config(t, watch=f"name = {sleep.name}"))
    agent.wait_for("a window has begun: 0 processes", 2)
    agent.end()
    same(len(re.findall(rf"process {sleeper.pid} \({sleep.name}\) is not observed: ", agent.said())), 1, agent.said())
    sleeper.kill()


def test_signals_end_it_and_keep_the_window_in_progress(t):
    """SIGTERM; and Ctrl-\\, which the terminal sends to its processes, too."""
    harness.require_root()
    target = fleet.Target(t, fleet.go_program())
    for number in (signal.SIGTERM, signal.SIGQUIT):
        shutil.rmtree(t.path("spool"), ignore_errors=True)
        agent = fleet.Agent(t, config(t, window="600s", every="600s", heap_every="600s"))
        agent.wait_for("a window has begun: 1 process")
        target.ask(20000)
        for child in harness.children(agent.process.pid) if number == signal.SIGQUIT else []:
            os.kill(child, number)
        agent.end(number)
        same(fleet.spooled(t, t.path("spool"))["heap"], [], "snapshots, for which nobody waits any more")
        assert "heap snapshots" not in agent.said(), agent.said()
        rows = fleet.spooled(t, t.path("spool"))["windows"]
        same(len(rows), 1)
        assert 20000 <= int(rows[0]["objects"]) <= 20100, rows


def test_without_privileges_it_ends_with_3(t):
    harness.require_root()
    fleet.Target(t, fleet.go_program())
    done = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", harness.ESCAPEMENT, "agent", "--config",
                           _write(t, config(t))], capture_output=True, text=True, timeout=60)
    same(done.returncode, 3, done.stderr)


def system_calls():
    """The numbers of this machine's system calls, by name."""
    text = subprocess.run(["gcc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], capture_output=True, text=True,
                          check=True).stdout
    return {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.M)}


def in_filter(name):
    """The system calls that a word of SystemCallFilter= stands for, by this machine's systemd."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in listed.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(in_filter, words))


def under_filter(allowed):
    """Makes the kernel refuse all other system calls of this process, as systemd does: by a seccomp filter, and EPERM."""
    code = [(0x20, 0, 0, 0)]  # the number
    for number in sorted(allowed):
        code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x7fff0000)]
    code.append((0x06, 0, 0, 0x00050000 | errno.EPERM))
    packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(packed)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(38, 1, 0, 0, 0) or prctl(22, 2, program, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "cannot set a seccomp filter")


class Store(http.server.BaseHTTPRequestHandler):
    """Takes whatever is pushed."""
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.pushed.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_the_unit_of_the_package_is_valid_and_what_it_allows_is_enough(t):
    harness.require_root()
    unit = (harness.ROOT / "packaging/debian/escapement.escapement-agent.service").read_text()
    if not shutil.which("systemd-analyze"):
        raise harness.Skip("systemd-analyze is not here")
    program = t.path("escapement-agent.service")
    program.write_text(unit.replace("/usr/bin/escapement", str(harness.ESCAPEMENT)).replace("Documentation=man:escapement-agent(1)\n", ""))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", program], capture_output=True, text=True, timeout=120)
    same([line for line in (done.stdout + done.stderr).splitlines() if "escapement" in line], [])
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit, re.M))
    bounds = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in settings["CapabilityBoundingSet"].split())])
    numbers = system_calls()
    names = set().union(*map(in_filter, settings["SystemCallFilter"].split())) - {"setns", "unshare"}  # RestrictNamespaces
    allowed = {numbers[name] for name in names if name in numbers}
    assert {numbers["bpf"], numbers["read"]} <= allowed and numbers["mount"] not in allowed, sorted(names)
    target = fleet.Target(t, fleet.go_program())
    store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    store.pushed = []
    threading.Thread(target=store.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        metrics = free.getsockname()[1]
    text = config(t, heap_every="1s", redact="no") + (f"[pyroscope]\nurl = http://127.0.0.1:{store.server_port}\n"
                                                      f"[prometheus]\nlisten = 127.0.0.1:{metrics}\n")
    agent = fleet.Agent(t, text, preexec_fn=lambda: (under_filter(allowed), os.umask(int(settings["UMask"], 8))),
                        before=["setpriv", "--bounding-set", bounds, "--inh-caps=-all", "--no-new-privs"])
    agent.wait_for("a window has begun: 1 process", 2)
    target.ask(20000)
    wait_for(lambda: store.pushed, "a push")
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=60) as answer:
        contains(answer.read().decode(), "escapement_")
    agent.end()
    store.shutdown()
    contains(agent.said(), "a window has begun: 1 process")
    same([line for line in agent.said().splitlines() if "cannot" in line or "not permitted" in line], [], agent.said())
    # there is a key of the configuration for what the unit makes
    contains(unit, "StateDirectory=escapement\n")
    contains((harness.ROOT / "docs/fleet.md").read_text(), "| `spool` | `/var/lib/escapement` |")


def _write(t, text):
    t.path("agent.conf").write_text(text)
    return t.path("agent.conf")


harness.main()
