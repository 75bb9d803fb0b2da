#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libgoalloc programs that record themselves, without BPF and privileges: the same numbers as through their probes."""
import os
import signal
import time
from pathlib import Path

import harness
from harness import contains, same, workload


def rows(report):
    """Rows by stack, without the addresses, which differ between runs."""
    def frames(row):
        return tuple((frame["function"], frame["file"], frame["line"]) for frame in row["stack"])
    return sorted((frames(row), *(row[value] for value in ("objects", "bytes", "refills", "central_grows", "heap_grows",
                                                           "heap_grow_bytes"))) for row in report["rows"])


def report(t, profile):
    return t.json("report", "--by", "stack", profile)


def test_rows_and_totals_are_those_of_a_recording_through_probes(t):
    harness.require_root()
    for program, threads in (("seeds", 1), ("seeds-shared", 1), ("seeds", 4)):
        command = (workload(program), "--rounds", 100, "--threads", threads)
        t.escapement("record", "--rate", 1, "-o", t.path("probes"), "--", *command)
        t.escapement("record", "--in-process", "-o", t.path("own"), "--", *command)
        probes, own = report(t, t.path("probes")), report(t, t.path("own"))
        for value in ("objects", "bytes"):
            same(own["totals"][value], probes["totals"][value], value)
        same(own["check"]["difference"], 0, "difference to the library's counters")
        if threads == 1:
            same(own["totals"], probes["totals"], "totals")
            same(rows(own), rows(probes), "rows by stack")


def test_a_gate_needs_no_privilege(t):
    escapement, seeds = t.copy(harness.ESCAPEMENT), t.copy(workload("seeds"))
    unprivileged = {"preexec_fn": lambda: (os.setgid(65534), os.setuid(65534))} if os.geteuid() == 0 else {}
    command = ("--in-process", "--baseline", t.path("b.json"), "--", seeds, "--rounds")
    t.run(escapement, "gate", "--update", *command, 20, **unprivileged)
    t.run(escapement, "gate", *command, 20, **unprivileged)
    t.run(escapement, "gate", *command, 21, status=1, **unprivileged)


def test_both_ways_to_measure_agree_on_a_baseline(t):
    harness.require_root()
    command = ("--baseline", t.path("b.json"), "--runs", 1, "--", workload("seeds"), "--rounds", 20)
    t.escapement("gate", "--update", *command)
    t.escapement("gate", "--in-process", *command)


def test_a_file_written_elsewhere_is_imported(t):
    t.run(workload("seeds"), "--rounds", 10, env={**os.environ, "GOALLOC_PROFILE": str(t.path("raw"))})
    t.escapement("record", "--raw", t.path("raw"), "-o", t.path("own"))
    same(report(t, t.path("own"))["totals"]["objects"], 10060)
    text = t.path("raw").read_text()
    for broken, status, message in ((text[:text.index("row alloc") + 12], 3, "is not complete"), ("", 3, "is not complete"),
                                    (text.replace("row alloc", "row other"), 2, "not a record of a raw profile"),
                                    ("hello\n", 2, "is not a raw profile"), ("\x1f binary", 2, "is not a raw profile"),
                                    (text[:text.index("\n")], 3, "is not complete"),
                                    (text.replace("goalloc-profile 1", "goalloc-profile 1x"), 2, "is not a raw profile"),
                                    (text.replace("goalloc-profile 1", "goalloc-profile 2"), 2, "of version 2, and this program reads version 1"),
                                    (text[:text.index("lost ")], 3, "is not complete")):
        t.path("raw").write_text(broken)
        contains(t.escapement("record", "--raw", t.path("raw"), "-o", t.path("x"), status=status).stderr, message)
    contains(t.escapement("record", "--raw", t.directory, "-o", t.path("x"), status=2).stderr, "Is a directory")


def test_forked_children_record_themselves(t):
    for end in ("exit", "_exit", "exec", "kill"):
        t.escapement("record", "--in-process", "-o", t.path(end), "--", workload("forks"), 100, 0, end)
        document = report(t, t.path(end))
        same((document["totals"]["objects"], document["exact"]["totals"]), (100, True), f"a child that only calls {end}")
    done = t.escapement("record", "--in-process", "-o", t.path("own"), "--", workload("forks"), 100, 5000, "exit")
    same(done.stderr.count("warning"), 0, "warnings")
    document = report(t, t.path("own"))
    same((document["totals"]["objects"], document["check"]["objects"], document["check"]["difference"]), (5100, 5100, 0))
    if os.geteuid() == 0:
        t.escapement("record", "--rate", 1, "-o", t.path("probes"), "--", workload("forks"), 100, 5000, "exit")
        same(document["totals"]["objects"], report(t, t.path("probes"))["totals"]["objects"], "objects through probes")


def test_recording_adds_no_cancellation_point(t):
    """A program ends as it does without, and its files are whole: at exit, and in a child whose only thread was told to end."""
    source, program = t.path("program.c"), t.path("program")
    source.write_text(r"""
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile object;
static void *begin(void *nothing) {
	pthread_cancel(pthread_self());
	if (fork() == 0) {
		object = malloc(100000);
		exit(7);
	}
	pthread_testcancel();
	return nothing;
}
int main(void) {
	pthread_t thread;
	int status;
	pthread_create(&thread, NULL, begin, NULL);
	pthread_join(thread, NULL);
	wait(&status);
	pthread_cancel(pthread_self());
	exit(WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 5 : 1);
}
""")
    t.run("gcc", "-O1", "-o", program, source, "-pthread")
    t.run(program, status=5, env={**os.environ, "LD_PRELOAD": str(harness.BUILD / "libgoalloc-preload.so"),
                                  "GOALLOC_PROFILE": str(t.path("raw"))})
    files = sorted(t.directory.glob("raw*"))
    same(len(files), 2, f"recordings: {files}")
    for file in files:
        same(file.read_text().splitlines()[-1], "end", str(file))


def test_children_that_leave_no_record_are_a_loss_and_the_others_are_kept(t):
    for end in ("_exit", "exec", "kill"):
        done = t.escapement("record", "--in-process", "-o", t.path("own"), "--", workload("forks"), 100, 5000, end, status=4)
        contains(done.stderr, "(forks) was killed, called _exit, became another program by exec, or still runs")
        document = report(t, t.path("own"))
        same((document["totals"]["objects"], document["lost"]["events"]), (100, 1), f"objects and loss after {end}")
        same((document["check"], document["exact"]["totals"]), (None, False))
        t.escapement("gate", "--in-process", "--update", "--runs", 1, "--baseline", t.path("b.json"), "--", workload("forks"),
                     100, 5000, end, status=4)
        assert not t.path("b.json").exists()


def test_a_file_is_never_written_over(t):
    environment = {**os.environ, "GOALLOC_PROFILE": "raw"}
    script = f"echo $$ > pid; touch raw raw.$$ raw.$$.1; exec {workload('forks')} 7 0 exit"
    t.run("sh", "-c", script, env=environment)
    pid = int(t.path("pid").read_text())
    same([t.path(name).stat().st_size for name in ("raw", f"raw.{pid}", f"raw.{pid}.1")], [0, 0, 0])
    t.escapement("record", "--raw", t.path(f"raw.{pid}.2"), "-o", t.path("own"))
    same(report(t, t.path("own"))["totals"]["objects"], 7)


def test_a_program_that_ignores_being_asked_to_end_is_killed(t):
    for first, status in ((f"{workload('forks')} 100 0 exit; ", 4), ("", 3)):
        script = f"echo $$ > pid; {first}exec {workload('forks')} 10 0 stay > said 2>&1"
        began = time.monotonic()
        done = t.escapement("record", "--in-process", "--duration", 0.3, "-o", t.path("own"), "--", "sh", "-c", script,
                            env={**os.environ, "TMPDIR": str(t.directory)}, status=status)
        elapsed = time.monotonic() - began
        assert elapsed > 3, f"{elapsed} s"
        contains(done.stderr, "did not end within 3.0 s of being asked to, so it was killed")
        assert not os.path.exists(f"/proc/{t.path('pid').read_text().strip()}"), "the program still runs"
        same([path.name for path in t.directory.glob("escapement.*")], [], "directories left behind")
        if status == 4:
            same(report(t, t.path("own"))["totals"]["objects"], 100)


def test_who_sends_a_signal_does_not_wait_for_a_program_that_ignores_it(t):
    recorder = t.start(harness.ESCAPEMENT, "record", "--in-process", "-o", t.path("own"), "--", "sh", "-c",
                       f"{workload('forks')} 100 0 exit; trap '' TERM; echo > ready; while :; do sleep 1; done")
    harness.wait_for(t.path("ready").exists, "the program to ignore SIGTERM")
    recorder.send_signal(signal.SIGTERM)
    _, messages = recorder.communicate(timeout=harness.TIMEOUT)
    contains(messages, "did not end within 0.3 s of being asked to, so it was killed")
    same(report(t, t.path("own"))["totals"]["objects"], 100)


def test_a_program_of_another_user_has_nothing_else_read_removed_or_given_to_it(t):
    harness.require_root()
    home, victim, seeds = t.path("home"), t.path("victim"), t.copy(workload("seeds"))
    home.mkdir()
    os.chown(home, 65534, 65534)
    victim.mkdir(0o700)
    (victim / "kept").write_text("")
    record = ("record", "--in-process", "--user", "65534", "-o", t.path("own"), "--", "sh", "-c")
    environment = {"env": {**os.environ, "TMPDIR": str(home)}}
    for script, status, message in (
            (f'mv "$d" "$d.old"; ln -s {victim} "$d"', 3, "the program recorded nothing"),
            (f'mv "$d" "$d.old"; mkdir "$d"; touch "$d/own"', 3, "the program recorded nothing"),
            (f'{seeds} --rounds 10 && mv "$d" "$d.old" && ln -s {victim} "$d"', 0, ""),
            ('mkfifo "$d/raw.x"', 2, "'raw.x' is not a regular file"), ('mkdir "$d/raw.x"', 2, "'raw.x' is not a regular file"),
            (f'ln -s {victim}/kept "$d/raw.x"', 2, "'raw.x' is not a regular file"),
            (f'echo $d > {home}/where; until [ -e {home}/go ]; do sleep 0.01; done', 2, "'raw.x' belongs to another user")):
        running = t.start(harness.ESCAPEMENT, *record, f'd=$(dirname "$GOALLOC_PROFILE"); {script}', **environment)
        if "where" in script:
            harness.wait_for(lambda: (home / "where").exists() and (home / "where").read_text(), "the directory's name")
            Path((home / "where").read_text().strip(), "raw.x").write_text("")
            (home / "go").touch()
        said = running.communicate(timeout=harness.TIMEOUT)[1]
        same(running.returncode, status, f"exit status of {script}: {said}")
        contains(said, message)
        assert (victim / "kept").exists() and victim.stat().st_uid == 0, script
    same(report(t, t.path("own"))["totals"]["objects"], 10060)
    left = [each.name for each in home.iterdir() if each.is_dir() and not each.is_symlink() and not each.name.endswith(".old")]
    same(len(left), 2, f"directories that could not be removed: {left}")


def test_programs_that_cannot_record_themselves_are_exit_3(t):
    done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", "true", status=3)
    contains(done.stderr, "does not use libgoalloc")
    if os.geteuid() == 0:
        program = t.copy(workload("seeds"))
        os.chown(program, 65534, 65534)
        program.chmod(0o4755)
        done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", program, status=3)
        contains(done.stderr, "or its file gives it rights of its own (set-user-ID, set-group-ID, capabilities)")
    killed = f"{workload('seeds')} --wait-start < /dev/zero > said & until grep -q ready said; do :; done; kill -9 $!; wait"
    done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", "sh", "-c", killed, status=3)
    contains(done.stderr, "is not complete")
    done = t.escapement("record", "--in-process", "-o", t.path("x"), "--", "/no/such/program", status=2)
    contains(done.stderr, "cannot run '/no/such/program'")


def raw_profile(t, *lines):
    t.path("raw").write_text("\n".join(("goalloc-profile 1", "process 1 x", *lines, "end", "")))
    return t.escapement("record", "--raw", t.path("raw"), "-o", t.path("imported"), status=None, timeout=30)


def test_a_raw_profile_whose_map_is_a_pipe_is_read_without_symbols(t):
    os.mkfifo(t.path("pipe"))
    done = raw_profile(t, f"map 400000 500000 0 {t.path('pipe')}", "row alloc 5 1 1 8 0 0 1 400100")
    same(done.returncode, 4, done.stderr)
    same(t.json("report", t.path("imported"))["totals"]["objects"], 1)


def test_a_line_of_a_raw_profile_is_bounded(t):
    done = raw_profile(t, "executable " + "x" * 50_000_000)
    same(done.returncode, 2, done.stderr)
    contains(done.stderr, "raw:3: a line of a raw profile has at most")


def test_a_shared_directory_of_a_group_takes_what_is_temporary(t):
    shared = t.path("shared")
    shared.mkdir()
    shared.chmod(0o2770)
    t.escapement("record", "-q", "--in-process", "-o", "p.pb.gz", "--", harness.workload("seeds"), "--rounds", 1,
                 env={**os.environ, "TMPDIR": str(shared)})
    harness.same(list(shared.iterdir()), [])


if __name__ == "__main__":
    harness.main()
