#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Live objects of processes on libgoalloc, linked and preloaded, compared with the library's own counters."""
import json
import os
import re
import shutil

import harness
from harness import contains, same, workload

PRELOAD = harness.BUILD / "libgoalloc-preload.so"
# Keeps two lists and drops a third, then says so and waits.
PERL = "@a = map { 'x' x 300 } 1 .. 5000; @b = map { [1, 2, 3] } 1 .. 3000; { my @c = map { 'y' x 900 } 1 .. 4000; } $| = 1; print qq(ready\\n); <STDIN>;"


class Keeper:
    def __init__(self, t, rate=1, program=workload("keeper"), **environment):
        settings = {"GOALLOC_HEAP_PROFILE": str(rate)} if rate else {}
        self.process = t.start(program, env={**os.environ, **settings, **environment})
        self.pid = self.process.pid

    def do(self, *commands):
        return harness.tell(self.process, *commands)

    def alive(self):
        return tuple(map(int, self.do("stats").split()))


def heap(t, pid, *arguments, status=0):
    return json.loads(t.escapement("heap", "-p", pid, "--format", "json", *arguments, status=status).stdout)


def in_use(document):
    return document["totals"]["inuse_objects"], document["totals"]["inuse_bytes"]


WORK = ["hold a 1000 100", "hold b 300 5000", "hold c 50 70000", "churn 3000 2048", "hold b 10 32769"]


def test_every_object_is_in_its_row(t):
    """Objects and bytes in use are those of the library's counters; each site has what was held there."""
    stripped = t.path("stripped")
    shutil.copy(workload("keeper"), stripped)
    t.run("strip", stripped)
    for program in (workload("keeper"), stripped):
        keeper = Keeper(t, program=program)
        keeper.do(*WORK, "drop c", "resize b 200000", "resize b 100", "hold c 7 3000000", "resize c 5000000")
        document = heap(t, keeper.pid)
        same(in_use(document), keeper.alive(), "in use, by its counters")
        same((document["exact"]["rows"], document["rate"], document["collections"]), (True, 1, None))
        same(sum(row["inuse_objects"] for row in document["rows"]), document["totals"]["inuse_objects"], "the rows' sum")
        rows = {row["function"]: row for row in document["rows"]}
        same((rows["site_b"]["inuse_objects"], rows["site_c"]["inuse_objects"]), (310, 7))
        assert rows["site_a"]["file"].endswith("keeper/main.c"), rows["site_a"]
        classes = {row["size_class"]: row["inuse_objects"] for row in heap(t, keeper.pid, "--by", "size-class")["rows"]}
        same((classes[112], classes[0]), (1001, 16), "objects of 112 bytes, and large ones")
        # bytes of tiny objects are counted as freed with the last one of their block
        keeper.do("tiny a 500 5", "drop a", "drop b", "drop c", "tiny b 77 7")
        same(in_use(heap(t, keeper.pid))[0], keeper.alive()[0], "after all were freed")


def test_a_preloaded_program_says_what_it_holds(t):
    """Perl holds two lists; the counters, which are read in another way, say the same of all that it holds."""
    if not shutil.which("perl"):
        raise harness.Skip("perl is not installed")
    perl = t.start("perl", "-e", PERL, env={**os.environ, "LD_PRELOAD": str(PRELOAD), "GOALLOC_HEAP_PROFILE": "1"})
    same(perl.stdout.readline(), "ready\n")
    document = heap(t, perl.pid)
    memory = heap(t, perl.pid, "--memory")
    same(document["totals"]["inuse_objects"], sum(row["objects"] for row in memory["rows"]), "in use, by its counters")
    same(document["totals"]["inuse_bytes"], sum(row["bytes"] for row in memory["rows"]), "bytes in use")
    assert document["totals"]["inuse_objects"] > 9000, document["totals"]
    text = t.escapement("heap", "-p", perl.pid, "--by", "function", "--focus", "Perl_safesysmalloc").stdout
    contains(text, "Perl_safesysmalloc")


def test_estimates_hold(t):
    """At 8k and 64k the intervals of three sites contain what they hold, in 95 of 100 cases."""
    held = {"site_a": 20000, "site_b": 400, "site_c": 50}
    inside = pairs = 0
    for rate in ("8k", "64k"):
        for seed in range(10):
            keeper = Keeper(t, rate, GOALLOC_SAMPLE_SEED=str(seed))
            keeper.do("hold a 30000 100", "drop a", "hold a 20000 100", "hold b 400 5000", "hold c 50 70000", "churn 30000 256")
            document = heap(t, keeper.pid)
            same(document["rate"], int(rate[:-1]) << 10)
            for row in document["rows"]:
                if row["function"] in held:
                    low, high = row["inuse_objects_low"], row["inuse_objects_high"]
                    pairs += 1
                    inside += low <= held[row["function"]] <= high
            keeper.process.kill()
    assert pairs >= 50 and inside >= 0.88 * pairs, f"{inside} of {pairs} intervals hold"


def test_an_observer_at_another_rate_changes_nothing(t):
    keeper = Keeper(t, "64k")
    recorder = t.attach(keeper.pid, "--rate", "1", "-o", t.path("recorded.pb.gz"))
    keeper.do("hold a 20000 100", "hold b 1000 5000")
    document = heap(t, keeper.pid)
    for row in document["rows"]:
        low, high = row["inuse_objects_low"], row["inuse_objects_high"]
        truth = {"site_a": 20000, "site_b": 1000}[row["function"]]
        assert low / 1.5 <= truth <= high * 1.5, row  # one draw: an interval may miss, but not by this much
    recorder.end()
    same(in_use(heap(t, keeper.pid)), in_use(document), "after the recorder has left")


def test_a_leak_is_the_first_row_and_a_cache_none(t):
    for command, found in (("leak", True), ("breathe", False)):
        keeper = Keeper(t)
        keeper.do("hold a 1000 100")
        keeper.process.stdin.write(command + "\n")
        keeper.process.stdin.flush()
        watch = t.escapement("heap", "-p", keeper.pid, "--interval", "0.25s", "--count", "12", "--format", "json")
        grown = [row for row in json.loads(watch.stdout)["rows"] if row["grows"]]
        same([row["function"] for row in grown], ["leaks"] if found else [], command)
        same(keeper.do("hold a 1 8"), "done", "it has breathed until now")
        keeper.process.kill()
    keeper = Keeper(t)
    keeper.do("stats")
    contains(t.escapement("heap", "-p", keeper.pid, status=3).stderr, "has allocated nothing")
    keeper.do("hold a 1 8")
    contains(t.escapement("heap", "-p", keeper.pid, "--heap-time", status=3).stderr, "has no collector")


def test_its_memory_adds_up(t):
    keeper = Keeper(t, rate=0)
    keeper.do(*WORK, "hold c 200 300000", "drop c")
    keeper.alive()  # its code is resident
    smaps = open(f"/proc/{keeper.pid}/smaps", encoding="utf-8").read()  # before reads make more pages resident
    memory = heap(t, keeper.pid, "--memory")
    same(sum(line["rss"] for line in memory["lines"].values()), memory["rss"], "the lines")
    resident = sum(int(kib) for kib in re.findall(r"^Rss: +(\d+)", smaps, re.M)) << 10
    same(memory["rss"], resident, "the sum of Rss in smaps")
    objects, size = keeper.alive()
    same(sum(row["objects"] for row in memory["rows"]), objects, "objects of all classes")
    same(sum(row["bytes"] for row in memory["rows"]), size, "their bytes")


def test_a_process_without_a_heap_profile_is_told(t):
    keeper = Keeper(t, rate=0)
    keeper.do("hold a 20000 1000")
    done = t.escapement("heap", "-p", keeper.pid, status=3)
    contains(done.stderr, "GOALLOC_HEAP_PROFILE=512k")
    same(done.stderr.count("\n"), 1, "lines of the message")
    contains(done.stdout, "heap in use: objects, and free room between them")
    assert "SITE" not in done.stdout, done.stdout
    odd = t.start(workload("keeper"), env={**os.environ, "GOALLOC_HEAP_PROFILE": "much"})
    contains(odd.stderr.readline(), "ignored GOALLOC_HEAP_PROFILE")


def test_a_file_and_a_core_say_the_same(t):
    keeper = Keeper(t)
    keeper.do(*WORK, "drop b")
    t.escapement("heap", "-p", keeper.pid, "--format", "pprof", "-o", t.path("heap.pb.gz"))
    table = t.escapement("heap", "-p", keeper.pid, "--format", "csv").stdout
    same(t.escapement("report", "--format", "csv", t.path("heap.pb.gz")).stdout, table, "a file of it")
    contains(t.escapement("report", t.path("heap.pb.gz")).stdout, "rate 1 (every allocation)\n")
    t.escapement("html", "-o", t.path("heap.html"), t.path("heap.pb.gz"))
    if not shutil.which("gcore"):
        raise harness.Skip("gcore is not installed")
    t.run("gcore", "-o", t.path("core"), keeper.pid)
    same(t.escapement("heap", "--core", t.path(f"core.{keeper.pid}"), "--format", "csv").stdout, table, "a core file")


def test_false_data_ends_in_a_sentence(t):
    lies = [["field", offset, "8", "0xffffffffffffffff"] for offset in range(16, 136, 8)] + [["random", seed] for seed in range(10)]
    lies += [["circle"], ["chain"], ["counters"]]
    for lie in lies:
        liar = t.start(workload("liar"), *map(str, lie), env={**os.environ, "GOALLOC_HEAP_PROFILE": "1"})
        same(liar.stdout.readline(), "ready\n", lie)
        for arguments in ([], ["--memory"]):
            done = t.escapement("heap", "-p", liar.pid, "--format", "json", *arguments, status=None)
            assert done.returncode == 0 or (done.returncode == 3 and done.stderr.count("\n") == 1), (lie, done)
            assert "has ended" not in done.stderr, (lie, done)
        liar.kill()


CHILD = r"""
#include <goalloc.h>
#include <unistd.h>

static void *volatile kept;

int main(int argc, char **argv)
{
	char byte;

	for (int i = 0; i < 1000; i++)
		kept = goalloc_noscan(64);
	if (argc == 1 && vfork() == 0) {
		if (write(1, "ready\n", 6) > 0 && read(0, &byte, 1) > 0)
			execl("/proc/self/exe", argv[0], "child", NULL);
		_exit(1);
	}
	return write(1, "executed\n", 9) < 0 || read(0, &byte, 1) < 0;
}
"""


def test_memory_that_outlives_an_exec_is_not_the_new_programs(t):
    """A child of vfork() has its parent's memory until it executes something, and that stays."""
    harness.require_library_for_others()
    t.path("child.c").write_text(CHILD)
    t.run("gcc", "-I", harness.ROOT / "alloc-runtime" / "include", "-o", "child", "child.c", harness.BUILD / "libgoalloc.a",
          "-lpthread")
    parent = t.start("./child", env={**os.environ, "GOALLOC_HEAP_PROFILE": "1"})
    same(parent.stdout.readline(), "ready\n")
    child, = harness.children(parent.pid)
    watcher = t.start(harness.ESCAPEMENT, "heap", "-v", "-p", child, "--interval", "0.1s", "--count", "100")
    same(watcher.stderr.readline(), "escapement: snapshot of collection -1\n")
    same(harness.tell(parent, ""), "executed")
    contains(watcher.communicate(timeout=harness.TIMEOUT)[1], "it executes another program; what follows is of ")


if __name__ == "__main__":
    harness.main()
