#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `escapement heap --unreachable` finds from outside, beside what the process's own search finds at its end."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import harness
import test_leaks as leaks
from harness import BUILD, ROOT, Skip, contains, same, workload

EACH = os.environ.get("UNREACHABLE") == "each"


CAP_SYS_PTRACE, CAP_SYS_NICE = 19, 23


def capable(number):
    return int(re.search(r"CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text())[1], 16) >> number & 1


def require_ptrace():
    """Skips where the kernel lets us trace nothing, or only our own children: the processes here are the harness's."""
    yama = pathlib.Path("/proc/sys/kernel/yama/ptrace_scope")
    scope = int(yama.read_text()) if yama.exists() else 0
    if scope == 3 or (scope and not capable(CAP_SYS_PTRACE)):
        raise Skip(f"no other process may be traced here (kernel.yama.ptrace_scope={scope})")


def start(t, program, case, **more):
    require_ptrace()
    process = t.start(program, case, t.path("plugin.so"), "wait", env=leaks.environment(**more))
    same(process.stdout.readline(), "ready\n")
    return process


def search(t, process, *arguments, status=0):
    done = t.escapement("heap", "-p", process.pid, "--unreachable", "--format", "json", *arguments, status=status)
    return json.loads(done.stdout) if not status else done.stderr


def its_own(program, process):
    """{(function, how): (objects, bytes)} that the process reports when it ends"""
    text = process.communicate()[1]
    sums = {}
    for how in "directly", "indirectly":
        reports = re.compile(leaks.OURS.pattern.replace("(directly|indirectly)", f"({how})"))
        sums.update({(name, how): count for name, count in leaks.by_function(program, reports, r"(?m)^        (\w+) \(", text).items()})
    return sums


def from_outside(program, document):
    own = set(re.findall(r" T (\w+)", subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout))
    sums = collections.defaultdict(lambda: (0, 0))
    for row in document["rows"]:
        function = next((frame["function"] for frame in row["stack"] if frame["function"] in own), None)
        for how, prefix in ("directly", ""), ("indirectly", "indirectly_"):
            objects, size = row[f"{prefix}lost_objects"], row[f"{prefix}lost_bytes"]
            before = sums[function, how]
            if objects:
                sums[function, how] = before[0] + objects, before[1] + size
    return {key: count for key, count in sums.items() if count[0]}


def test_what_is_found_from_outside_is_what_the_process_finds_itself(t):
    program, _ = leaks.programs(t)
    for case in leaks.cases(t, program) if EACH else ["all"]:
        process = start(t, program, case)
        document = search(t, process, "--by", "stack")
        found = from_outside(program, document)
        same(found, its_own(program, process), case)
        same(sum(objects for objects, _ in found.values()),
             document["totals"]["lost_objects"] + document["totals"]["indirectly_lost_objects"], "in all")
        same((document["rate"], document["exact"]["rows"], document["stopped_ns"] > 0), (1, True, True))


def test_what_no_libgoalloc_publishes_is_refused_or_searched_within_its_bounds(t):
    require_ptrace()
    for lie in [(what, seed) for what in ("search", "spans", "random") for seed in range(20 if EACH else 3)]:
        liar = t.start(workload("liar"), *map(str, lie))
        same(liar.stdout.readline(), "ready\n", lie)
        done = t.escapement("heap", "-p", liar.pid, "--unreachable", "--max-stop", "5s", status=None)
        assert done.returncode in (0, 3) and "Sanitizer" not in done.stderr, (lie, done)
        assert not done.returncode or (str(liar.pid) in done.stderr and "has ended" not in done.stderr), (lie, done.stderr)
        liar.kill()


def bounded(t, *lie):
    """Searches a liar, and returns its status and messages, what it took at most (bytes), and the document if there is one."""
    liar = t.start(workload("liar"), *map(str, lie), env=os.environ | {"GOALLOC_HEAP_PROFILE": "1"})
    same(liar.stdout.readline(), "ready\n", lie)
    document = t.path("bounded.json")
    search = subprocess.Popen([harness.ESCAPEMENT, "heap", "-p", str(liar.pid), "--unreachable", "--max-stop", "5s", "--format", "json",
                               "-o", document], stderr=subprocess.PIPE, text=True)
    messages = search.stderr.read()
    _, status, usage = os.wait4(search.pid, 0)
    search.returncode = os.waitstatus_to_exitcode(status)
    liar.kill()
    return search.returncode, messages, usage.ru_maxrss * 1024, not status and json.loads(document.read_text())


def test_lies_take_neither_memory_nor_time(t):
    """Each lie once took gigabytes. Where there is an answer, it is of what the process really has."""
    for lie, status, expected in ((("giant",), 0, 0), (("many", 16384), 3, "objects"), (("many", 500), 0, 500 << 16), (("table",), 3, "slots"),
                                  (("strings", 30000), 0, 30000)):
        found, messages, memory, document = bounded(t, *lie)
        same(found, status, (lie, messages))
        assert memory < 200 << 20, (lie, memory)
        if status:
            contains(messages, expected)
            continue
        assert document["stopped_ns"] <= 5e9, (lie, document["stopped_ns"])
        same(document["totals"]["lost_objects"], expected, lie)
        same(document["exact"], {"totals": True, "rows": lie[0] != "many"}, lie)


def test_counts_of_tiny_blocks_are_read_by_span(t):
    """Not one by one, which a budget of reads or of time ends: 30,000 strings are in 6,000 blocks."""
    if not shutil.which("strace"):
        raise harness.Skip("no strace")
    liar = t.start(workload("liar"), "strings", "30000", env=os.environ | {"GOALLOC_HEAP_PROFILE": "1"})
    same(liar.stdout.readline(), "ready\n")
    t.run("strace", "-o", t.path("trace"), "-e", "trace=process_vm_readv,pread64", harness.ESCAPEMENT, "heap", "-p", liar.pid, "--unreachable")
    reads = len(t.path("trace").read_text().splitlines())
    assert 10 < reads < 3000, reads


def test_options_without_what_they_belong_to_are_refused(t):
    for option, value, companion in (("--exe", "x", "--core"), ("--max-stop", "2s", "--unreachable"), ("--wait", "2s", "--fresh and --heap-time"),
                                     ("--count", "3", "--interval and --heap-time"), ("--keep", "2", "--when")):
        contains(t.escapement("heap", "-p", os.getpid(), option, value, status=2).stderr, f"{option} goes with {companion}")


def test_the_process_goes_on_as_it_was(t):
    """It is searched while its threads allocate, while it is stopped, and refused while another traces it or it is Go's."""
    program, _ = leaks.programs(t)
    process = start(t, program, "many_threads")
    harness.stop(process.pid)
    same(search(t, process)["totals"]["lost_objects"], 20)
    harness.wait_for(lambda: harness.states(process.pid) == {"T"}, "all threads to be stopped again")  # each by itself, when it is scheduled
    os.kill(process.pid, signal.SIGCONT)
    contains(search(t, process, "--max-stop", "0.000000001s", status=3), "--max-stop")
    same(search(t, process)["totals"]["lost_objects"], 20)
    same(process.communicate()[1].count("lost directly"), 1)
    same(process.returncode, 0)
    if shutil.which("strace"):
        process = start(t, program, "single")
        tracer = t.start("strace", "-o", t.path("trace"), "-p", process.pid)
        contains(tracer.stderr.readline(), "attached")
        contains(search(t, process, status=3), "(strace) traces it")


ASLEEP = """
#include <goalloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
static void *wait_for_child(void *none)
{
	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		puts("ready");
		fflush(stdout);
		pause();
	}
	return none;
}
int main(void)
{
	pthread_t thread;
	goalloc_scan(48);
	pthread_create(&thread, NULL, wait_for_child, NULL);
	pthread_join(thread, NULL);
	while (getchar() != EOF)
		;
	return 0;
}
"""


def test_a_thread_that_cannot_be_stopped_is_named_and_a_terminal_does_not_suspend_us_while_all_wait_for_it(t):
    require_ptrace()
    t.path("asleep.c").write_text(ASLEEP)
    t.run("gcc", "-O1", "-I", ROOT / "alloc-runtime" / "include", "asleep.c", BUILD / "libgoalloc.a", "-o", "asleep", "-lpthread")
    process = t.start(t.path("asleep"), env=dict(os.environ, GOALLOC_HEAP_PROFILE="1"))
    same(process.stdout.readline(), "ready\n")
    contains(search(t, process, "--max-stop", "100ms", status=3), "could not be stopped in time (--max-stop): it is in state 'D'")
    command = [harness.ESCAPEMENT, "heap", "-p", process.pid, "--unreachable", "--max-stop", "1h", "--format", "json"]
    searching = t.start(*command, preexec_fn=os.setpgrp)  # a group of its own, which has a parent: Ctrl-Z suspends it
    harness.wait_for(lambda: "t" in harness.states(process.pid), "the search to stop the program")
    os.kill(searching.pid, signal.SIGTSTP)
    os.kill(harness.children(process.pid)[0], signal.SIGKILL)
    harness.wait_for(lambda: "t" not in harness.states(process.pid), "the program to be let go")
    harness.wait_for(lambda: "T" in harness.states(searching.pid), "the search to be suspended, afterwards")
    os.kill(searching.pid, signal.SIGCONT)
    assert json.loads(searching.communicate()[0])["stopped_ns"] > 0
    same(searching.returncode, 0)


def test_while_a_process_is_stopped_none_of_its_files_is_opened_and_we_run_before_others(t):
    """They may be in a file system that the process itself serves."""
    if not shutil.which("strace"):
        raise Skip("'strace' is not installed")
    program, _ = leaks.programs(t)
    process = start(t, program, "many_threads")
    libc = "|".join(re.findall(r"^(\S+) .*/libc\.so\.6$", pathlib.Path(f"/proc/{process.pid}/maps").read_text(), re.MULTILINE))
    t.run("strace", "-f", "-qq", "-o", t.path("trace"), "-e", "trace=ptrace,open,openat,setpriority,sched_setscheduler",
          harness.ESCAPEMENT, "heap", "-p", process.pid, "--unreachable", env=dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"))
    calls = t.path("trace").read_text().splitlines()
    first = next(i for i, call in enumerate(calls) if "PTRACE_SEIZE" in call)
    last = max(i for i, call in enumerate(calls) if "PTRACE_DETACH" in call)
    opened = [path for call in calls[first:last] for path in re.findall(r'open.*?"(.*?)"', call)]
    assert any(path.endswith("/maps") for path in opened), opened
    same([path for path in opened if not path.startswith("/proc/") or re.search("/(root|map_files|exe|cwd|fd)\\b", path)], [])
    assert any(re.search(rf'"/proc/{process.pid}/(root/.*/libc\.so\.6|map_files/({libc}))"', call) for call in calls[:first]), calls[:first]
    if capable(CAP_SYS_NICE):
        raised = [re.sub(" +", " ", call).partition(" ")[2] for call in calls[:first] if re.search("setpriority|SCHED_RR", call)]
        same(raised, ["setpriority(PRIO_PROCESS, 0, -20) = 0", "sched_setscheduler(0, SCHED_RR, [1]) = 0"])


def test_a_search_written_as_a_profile_is_read_back(t):
    program, _ = leaks.programs(t)
    process = start(t, program, "cycle_with_tail")
    search(t, process)
    t.escapement("heap", "-p", process.pid, "--unreachable", "--format", "pprof", "-o", t.path("lost.pb.gz"))
    document = t.json("report", "--format", "json", t.path("lost.pb.gz"))
    totals = search(t, process)["totals"]
    same((document["schema"], document["totals"]), ("escapement.unreachable/1", totals))
    same((totals["lost_objects"], totals["indirectly_lost_objects"]), (1, 3))
    text = t.escapement("report", t.path("lost.pb.gz")).stdout
    contains(text, "1 object lost directly")
    contains(text, "stopped for")


if __name__ == "__main__":
    harness.main()
