#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Live objects of a Go process: its memory profile, read from outside, compared with the one that its own runtime/pprof
writes."""
import collections
import itertools
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import struct

import go_programs
import go_servers
import harness
import test_html as pages
from harness import contains, same

BUCKETS = harness.BUILD / "tests" / "tools" / "go_buckets"
ALLOCATED, ALLOCATED_BYTES, IN_USE, IN_USE_BYTES = 0, 1, 7, 8  # indices of values in the output of profile_dump
WAYS = ["plain", "stripped", "pie-stripped"]
RATES = [1, 512, 512 << 10]
SNAPSHOTS = 1000 if os.environ.get("HEAP_RUNS") == "all" else 50
RUNS = 50 if os.environ.get("HEAP_RUNS") == "all" else 5


class Alive:
    """The workload `alive`, controlled by commands on its standard input."""

    def __init__(self, t, version="1.24", variant="stripped", rate=None):
        self.process = t.start(go_programs.build(version, variant, "alive"))
        self.pid = self.process.pid
        if rate is not None:
            self.do(f"rate {rate}")

    def do(self, *commands):
        return harness.tell(self.process, *commands)

    def freeze(self):
        """Makes the process read MemStats and stop itself; thaw() continues it and returns these MemStats."""
        self.process.stdin.write("freeze\n")
        self.process.stdin.flush()
        harness.wait_until_stopped(self.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        return json.loads(self.process.stdout.readline())

    def frozen(self, look):
        """Calls look() while the process is stopped. Returns its result and the MemStats of that moment. Repeats if the
        runtime's own threads changed the heap between the reading of MemStats and the stop."""
        for _ in range(20):
            self.freeze()
            found = look()
            stats = self.thaw()
            if stats["Quiet"]:
                return found, stats
        raise AssertionError("its heap changed before every stop")


def versions():
    """The releases to test. Go 1.27 has another record layout than earlier releases."""
    return go_programs.versions()


def own_records(path):
    """Records of runtime/pprof's text format: {(stack, size): (objects in use, objects allocated)}, not scaled."""
    found = {}
    for line in path.read_text().splitlines():
        match = re.match(r"(\d+): (\d+) \[(\d+): (\d+)\] @((?: 0x[0-9a-f]+)*)$", line)
        if match:
            in_use, in_use_bytes, allocated, allocated_bytes = map(int, match.groups()[:4])
            size = allocated_bytes // allocated if allocated else 0
            same((in_use * size, allocated * size), (in_use_bytes, allocated_bytes), "objects of one size")
            if allocated:
                found[str(match[5].split()), size] = (in_use, allocated)
    return found


def buckets(t, pid):
    """The same records as we read them from the process, and the fields of go_buckets' first line."""
    first, *lines = t.run(BUCKETS, pid).stdout.splitlines()
    head = dict(zip(first.split()[::2], map(int, first.split()[1::2])))
    found = {}
    for line in lines:
        numbers, _, stack = line.partition(" @")
        allocs, frees, all_allocs, all_frees, size = map(int, numbers.split())
        if head["everything"]:
            allocs, frees = all_allocs, all_frees
        if allocs:
            found[str(stack.split()), size] = (allocs - frees, allocs)
    return found, head


WORK = ["hold a 1000 100", "hold b 300 5000", "hold c 50 70000", "churn 3000 2048", "stacks 200", "routines 5"]


def test_raw_counts_are_those_of_runtime_pprof(t):
    """All stacks and counts are equal: before the first collection, after several, and between two flushes."""
    for version in versions():
        for way in WAYS:
            for rate in RATES:
                what = f"go {version} {way} rate {rate}"
                alive = Alive(t, version, way, rate)
                alive.do(*WORK, "gc 1", *WORK, "drop b", "hold b 100 5000", "gc 2", "hold a 10 64", f"write {t.path('own')}")
                mine, head = buckets(t, alive.pid)
                own = own_records(t.path("own.txt"))
                same(head["everything"], 0, f"{what}: everything")
                assert len(own) > (200 if rate == 1 else 2), f"{what}: {len(own)} records"
                # At other rates, which objects have a sample is chance.
                assert rate != 1 or any(0 < in_use < allocated for in_use, allocated in own.values()), what
                same(mine, own, f"{what}: buckets")


def test_before_the_first_collection_everything_counts(t):
    """All objects count as in use, as in runtime/pprof, whose profile also has the allocations of its own writing."""
    for version in versions():
        alive = Alive(t, version, rate=1)
        alive.do("hold a 1000 100", "stacks 50")
        mine, head = buckets(t, alive.pid)
        same(head["everything"], 1, f"go {version}: everything")
        alive.do(f"write {t.path('own')}")
        own = own_records(t.path("own.txt"))
        held = {key: counts for key, counts in mine.items() if key[1] == 112}
        assert held and all(own[key] == counts for key, counts in held.items()), f"go {version}: {held}"
        assert all(own[key][1] >= counts[1] for key, counts in mine.items()), f"go {version}"
        report = t.json("heap", "-p", alive.pid)
        same(report["collections"], 0, f"go {version}: collections")
        assert sum(row["inuse_objects"] for row in report["rows"] if "holdA" in row["function"]) >= 1000, report["rows"]


DUMP = harness.BUILD / "tests" / "tools" / "profile_dump"


def by_stack(t, path):
    """Estimates of a profile (ours or of runtime/pprof) by stack of (function, line), without the runtime's frames,
    which runtime/pprof hides."""
    found = collections.Counter()
    dump = json.loads(t.run(DUMP, path).stdout)
    for sample in dump["samples"]:
        frames = [(function, line) for function, _, line in sample["stack"]]
        while frames and frames[0][0].startswith(("runtime.", "internal/runtime/")):
            frames.pop(0)
        if frames and frames[-1][0] == "runtime.goexit":
            frames.pop()
        for value in (IN_USE, IN_USE_BYTES, ALLOCATED, ALLOCATED_BYTES):
            found[tuple(frames), value] += sample["values"][value]
    return +found


def test_estimates_are_those_of_runtime_pprof(t):
    for version in versions():
        for rate in (1, 4096):
            alive = Alive(t, version, rate=rate)
            alive.do(*WORK, "drop b", "gc 3", f"write {t.path('own')}")
            t.escapement("heap", "-p", alive.pid, "--format", "pprof", "-o", t.path("mine.pb.gz"))
            same(by_stack(t, t.path("mine.pb.gz")), by_stack(t, t.path("own.pb.gz")), f"go {version} rate {rate}")


def in_use(report, function):
    return sum(row["inuse_bytes"] for row in report["rows"] if function in (row["function"] or ""))


def test_estimates_enclose_what_is_alive(t):
    """The program holds a known number of objects: 2,000 of 20480 bytes and 100,000 of 112, at the default rate."""
    held = {"holdA": (100000, 112), "holdB": (2000, 20480)}
    inside = 0
    for _ in range(10):
        alive = Alive(t, rate=512 << 10)
        alive.do("hold a 100000 112", "hold b 2000 20480", "gc 3")
        report = t.json("heap", "-p", alive.pid, "--by", "function")
        for function, (count, size) in held.items():
            # The same function also grows the slice that holds them, by append.
            row = next(row for row in report["rows"] if function in row["function"])
            inside += row["inuse_bytes_low"] <= count * size + 24 * count * 2 and row["inuse_bytes_high"] >= count * size
        alive.process.kill()
    assert inside >= 17, f"{inside} of 20 intervals contain the truth"  # 95 % intervals


def test_fresh_counts_what_was_allocated_before_it(t):
    alive = Alive(t, rate=1)
    alive.do("gc 2", "hold a 1000 1000")
    stale = t.json("heap", "-p", alive.pid)
    assert in_use(stale, "holdA") < 1000000, stale["rows"]
    waiting = t.start(harness.ESCAPEMENT, "heap", "-p", alive.pid, "--fresh", "--format", "json")
    while waiting.poll() is None:
        alive.do("gc 1")
    fresh = json.loads(waiting.stdout.read())
    assert in_use(fresh, "holdA") >= 1000 * 1024, fresh["rows"]
    done = t.escapement("heap", "-p", alive.pid, "--fresh", "--wait", "0.1s")
    contains(done.stderr, "collections that --fresh waits for did not come")


def test_a_snapshot_is_read_by_report_and_by_go_tool_pprof_and_by_nothing_that_compares_allocations(t):
    alive = Alive(t, rate=1)
    alive.do("hold a 1000 1000", "hold b 10 100", "gc 3")
    profile = t.path("heap.pb.gz")
    t.escapement("heap", "-p", alive.pid, "--format", "pprof", "-o", profile)
    for arguments in ([], ["--by", "stack"], ["--by", "size-class"], ["--format", "csv"], ["--format", "folded"],
                      ["--format", "speedscope"], ["--callers", "main.holdA"], ["--focus", "main.holdA"]):
        live = t.escapement("heap", "-p", alive.pid, *arguments).stdout
        filed = t.escapement("report", profile, *arguments).stdout
        without = [line for line in live.split("\nmemory ")[0].splitlines() if not line.startswith("alive ")]
        same(without, [line for line in filed.splitlines() if not line.startswith("alive ")], f"{arguments}")
    top = t.run(harness.go_toolchain("1.24"), "tool", "pprof", "-top", profile).stdout
    contains(top, "main.holdA")
    contains(top, "Type: inuse_space")
    t.path("escape").write_text("./main.go:53:40: make([]byte, size) escapes to heap\n")
    for command in (["audit", profile, "--escape", t.path("escape")], ["gate", "compare", profile, profile],
                    ["html", profile, "--escape", t.path("escape"), "-o", t.path("page.html")]):
        done = t.escapement(*command, status=2)
        contains(done.stderr, "is a heap snapshot")


def test_a_page_of_a_snapshot_has_its_numbers_and_works_in_a_browser(t):
    alive = Alive(t, rate=1)
    alive.do("hold a 1000 1000", "hold b 10 100", "gc 3")
    old, new = t.path("old.pb.gz"), t.path("new.pb.gz")
    t.escapement("heap", "-p", alive.pid, "--format", "pprof", "-o", old)
    t.escapement("html", "-o", "page.html", old)
    t.path("report.json").write_text(json.dumps(t.json("report", old)))
    pages.in_browser(t, t.path("page.html"), t.path("report.json"))
    text = t.path("page.html").read_text()
    contains(text, "<h1>What is alive in ")
    contains(text, "as of collection ")
    assert "Heap growth" not in text and "internal waste" not in text, "of a recording"
    alive.do("hold a 500 1000", "gc 3")
    t.escapement("heap", "-p", alive.pid, "--format", "pprof", "-o", new)
    t.escapement("html", "--diff", old, "-o", "change.html", new)
    data = pages.page_data(t.path("change.html").read_text())
    at = [measure["key"] for measure in data["measures"]].index("inuse_objects")
    row = next(row for row in data["rows"] if row["function"] == "main.holdA")
    same(row["values"][at] - row["before"][at], 500, "additional objects of holdA")


# --- what resident memory consists of ---


def smaps_rss(pid):
    with open(f"/proc/{pid}/smaps") as lines:
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Rss:"))


def check_memory(t, pid, what):
    """Checks that the lines of --memory add up to the Rss of a stopped process exactly, without an unknown part."""
    before = smaps_rss(pid)
    memory = t.json("heap", "-p", pid, "--memory")
    lines = {key: line["rss"] for key, line in memory["lines"].items()}
    same(memory["rss"], before, f"{what}: Rss")
    same(sum(lines.values()), before, f"{what}: sum of {lines}")
    same(lines["unknown"], 0, f"{what}: unknown, of {lines}")
    text = t.escapement("heap", "-p", pid, "--memory", env={**os.environ, "COLUMNS": "80"}).stdout
    assert max(map(len, text.splitlines())) <= 80, text
    return memory


def test_the_lines_of_memory_add_up_to_smaps_and_are_those_of_mem_stats(t):
    for version in versions():
        for way in ("stripped", "pie-stripped", "cgo"):
            what = f"go {version} {way}"
            alive = Alive(t, version, way, rate=1)
            alive.do("hold a 20000 1000", "hold b 2000 5000", "large 3 3000000", "read", "routines 100", "drop b", "gc 3")
            # MemStats is read while the world is stopped, for which the runtime may take a stack that it gives back after
            # it. So one agreement in some tries is asked for.
            for _ in range(4):
                memory, stats = alive.frozen(lambda: check_memory(t, alive.pid, what))
                says = {key: line["runtime"] for key, line in memory["lines"].items()}
                heap = (says["heap_in_use"], says["heap_released"], says["heap_idle"] + says["heap_released"])
                wanted = (stats["HeapInuse"], stats["HeapReleased"], stats["HeapIdle"])
                if heap == wanted:
                    break
            same(heap, wanted, f"{what}: in use, released, idle")
            # The line also contains the collector's work buffers, for which MemStats has no separate value.
            assert stats["StackInuse"] <= says["stacks"] <= stats["StackInuse"] + (1 << 20), (what, says)
            same(sum(row["span_bytes"] for row in memory["rows"]), says["heap_in_use"], f"{what}: spans")
            # The runtime may have started a thread meanwhile, as with cgo, and allocated its M.
            over = sum(row["bytes"] for row in memory["rows"]) - stats["HeapAlloc"]
            assert 0 <= over <= 4096, (what, over)
            for row in memory["rows"]:
                same(row["bytes"] + row["free_bytes"] + row["tail_bytes"], row["span_bytes"], f"{what}: {row}")
            size = next(row for row in memory["rows"] if row["size_class"] == 1024)
            assert 20000 <= size["objects"] <= 20100, (what, size)


def test_the_memory_of_stopped_real_programs_adds_up(t):
    harness.require_root()
    for name in ("etcd 3.4", "etcd 3.5", "prometheus", "caddy"):
        server = go_servers.Server(t, name)
        with server.load() as load:
            harness.wait_for(lambda: load.count > 200, "requests")
        harness.stop(server.process.pid)
        memory = check_memory(t, server.process.pid, name)
        os.kill(server.process.pid, signal.SIGCONT)
        assert memory["lines"]["heap_in_use"]["rss"] > 1 << 20, memory["lines"]
    formatter = t.start(harness.go_toolchain("1.24").parent / "gofmt")
    harness.wait_for(lambda: smaps_rss(formatter.pid) > 1 << 20, "gofmt")
    harness.stop(formatter.pid)
    check_memory(t, formatter.pid, "gofmt")
    os.kill(formatter.pid, signal.SIGCONT)


def test_snapshots_of_a_busy_server_are_whole_and_leave_it_as_it_is(t):
    harness.require_root()
    server = go_servers.Server(t, "etcd 3.5")
    answer = server.answer()
    with server.load() as load:
        before = load.count
        for _ in range(SNAPSHOTS):
            report = t.json("heap", "-p", server.process.pid)
            assert report["totals"]["inuse_bytes"] > 0
        harness.wait_for(lambda: load.count > before, "requests")
    same(server.answer(), answer, "what the server answers")


# --- growth ---


def snapshot(t, alive, name):
    t.escapement("heap", "-p", alive.pid, "--format", "pprof", "-o", t.path(name))


def grow(t, alive, steps):
    """Takes ten snapshots and returns their growth. Before each one, runs the commands of a step, and two collections,
    which publish the step's counts."""
    old = []
    for step in range(10):
        alive.do(*steps(step), "gc 2")
        if step < 9:
            snapshot(t, alive, f"{step}.pb.gz")
            old += ["--diff", t.path(f"{step}.pb.gz")]
    growth = t.json("heap", "-p", alive.pid, *old)
    same((growth["snapshots"], growth["ordered"]), (10, True), "snapshots")
    return growth


LEAKS = {"map": ("map 200", "main.growMap"), "goroutines": ("routines 100", "main.wait"),
         "part of an array": ("part 20", "main.takeParts"), "finalizers": ("finalizers 200", "main.makeCycles"),
         "cache without bound": ("hold a 50 4096", "main.holdA")}


def breathing(seed):
    """Noise for growth tests: a cache that is filled and emptied at random, and short-lived objects."""
    chance = random.Random(seed)
    return lambda step: [chance.choice(["hold b 1000 5000", "drop b"]), "churn 2000 2048"]


def test_each_planted_leak_is_the_first_row(t):
    for seed, (name, (command, function)) in itertools.product(range(RUNS // 5), LEAKS.items()):
        alive, noise = Alive(t, "1.24", rate=4096), breathing(f"{name} {seed}" if seed else name)
        alive.do("hold c 1000 10000", "gc 3")
        growth = grow(t, alive, lambda step: [command, *noise(step)])
        assert growth["rows"][0]["grows"] and growth["rows"][0]["function"] == function, (name, seed, growth["rows"][:3])
        alive.process.kill()


def test_a_cache_that_breathes_does_not_grow(t):
    for seed in range(RUNS):
        alive = Alive(t, "1.24", rate=4096)
        alive.do("hold c 1000 10000", "gc 3")
        growth = grow(t, alive, breathing(seed))
        same([row for row in growth["rows"] if row["grows"]], [], f"seed {seed}: rows that grow")
        alive.process.kill()


def test_what_is_outside_of_the_module_points_to_where_it_is_seen(t):
    alive = Alive(t, "1.24", rate=4096)
    alive.do("hold c 1000 10000", "gc 3")
    hint = "--by frame shows which functions did"
    for by in ("site", "function"):
        done = t.escapement("heap", "-p", alive.pid, "--by", by, "--module", "nothing/*")
        contains(" ".join(done.stdout.split()), "(outside) is what no package of --module allocated: " + hint)
        contains(done.stderr, "--module 'nothing/*' matches no package on a stack")
    for options in ((), ("--by", "frame", "--module", "nothing/*")):
        assert hint not in " ".join(t.escapement("heap", "-p", alive.pid, *options).stdout.split()), options


def test_growth_is_watched_at_intervals(t):
    alive = Alive(t, "1.24", rate=4096)
    alive.do("hold c 1000 10000", "gc 3")
    watcher = t.start(harness.ESCAPEMENT, "heap", "-p", alive.pid, "--interval", "0.3s", "--count", "10")
    while watcher.poll() is None:
        alive.do("map 200", "gc 2")
    text, messages = watcher.communicate()
    same((watcher.returncode, messages), (0, ""), "exit status and messages")
    contains(text.partition(" SITE\n")[2].splitlines()[0], "main.growMap")


def test_two_snapshots_tell_what_has_grown_since(t):
    alive = Alive(t, rate=4096)
    alive.do("hold c 1000 10000", "gc 3")
    snapshot(t, alive, "old.pb.gz")
    text = t.escapement("heap", "-p", alive.pid, "--diff", t.path("old.pb.gz")).stdout
    contains(text, "not known: growth needs two snapshots of different collections")
    alive.do("gc 3")
    contains(t.escapement("heap", "-p", alive.pid, "--diff", t.path("old.pb.gz")).stdout, "no growth")
    alive.do("map 2000", "gc 3")
    text = t.escapement("heap", "-p", alive.pid, "--diff", t.path("old.pb.gz")).stdout
    rows = text.partition(" SITE\n")[2].splitlines()
    contains(rows[0], "main.growMap")
    assert re.match(r" *\+(9\d\d[.\d]*KiB|[01]\.\d+MiB) ", rows[0]), rows[0]  # 2,000 objects of 512 bytes each
    contains(text, "not known yet: 1 site gained, and a cache that fills looks the same as a leak in 2 snapshots")
    for wrong in (["--by", "stack"], ["--format", "csv"], ["--focus", "main.x"]):
        t.escapement("heap", "-p", alive.pid, "--diff", t.path("old.pb.gz"), *wrong, status=2)
    snapshot(t, alive, "new.pb.gz")
    wrong = t.escapement("heap", "-p", alive.pid, "--diff", t.path("new.pb.gz"), "--diff", t.path("old.pb.gz"), status=2)
    contains(wrong.stderr, "give --diff the oldest first")


# --- heap time ---


class HeapTime:
    """`heap --heap-time` of a workload, which makes each collection and waits until there is a snapshot of it."""

    def __init__(self, t, alive, *options):
        self.messages = open(t.path("messages"), "w+")
        self.process = t.start(harness.ESCAPEMENT, "heap", "-p", alive.pid, "--heap-time", "-v", "--format", "json",
                               *options, stderr=self.messages)
        self.wait(1)

    def wait(self, snapshots):
        harness.wait_for(lambda: pathlib.Path(self.messages.name).read_text().count("snapshot of collection") >= snapshots
                         or self.process.poll() is not None, f"snapshot {snapshots}")

    def wait_for_collection(self, number):
        harness.wait_for(lambda: f"snapshot of collection {number}\n" in pathlib.Path(self.messages.name).read_text()
                         or self.process.poll() is not None, f"a snapshot of collection {number}")

    def ended(self):
        output, _ = self.process.communicate(timeout=harness.TIMEOUT)
        messages = pathlib.Path(self.messages.name).read_text()
        self.messages.close()
        same(self.process.returncode, 0, f"exit status: {messages}")
        return json.loads(output)


def without_own_collections(t, version, rate):
    os.environ["GOGC"] = "off"  # all collections are those of the commands
    try:
        return Alive(t, version, rate=rate)
    finally:
        del os.environ["GOGC"]


def test_heap_time_is_the_sum_of_what_the_program_writes_at_each_collection(t):
    """At rate 1 its own runtime/pprof has the bytes of each site that survived a collection: their sum is the heap time."""
    for version in versions():
        alive = without_own_collections(t, version, 1)
        alive.do("hold a 1000 1000", "hold b 100 5000", "gc 3")
        watch = HeapTime(t, alive, "--count", "8", "--by", "frame")
        written = {}
        for step in range(20):
            if step:
                alive.do("hold b 50 5000" if step % 3 else "drop b", "churn 1000 2048", "gc 1")
            number = json.loads(alive.do("stats"))["NumGC"]
            watch.wait_for_collection(number)
            alive.do(f"write {t.path('own')}")
            written[number] = by_stack(t, t.path("own.pb.gz"))
            if watch.process.poll() is not None:
                break
        found = watch.ended()
        same((found["observed"], found["missed"], found["exact"]), (8, 0, True), f"go {version}: collections")
        truth = collections.Counter()
        for number in range(found["collections"][0], found["collections"][1] + 1):
            for (frames, value), amount in written[number].items():
                if value == IN_USE_BYTES and frames:
                    truth[frames[0]] += amount
        rows = collections.Counter()
        for row in found["rows"]:
            if row["function"] and row["function"].startswith("main.hold"):
                rows[row["function"], row["line"]] += row["heap_time"]
        # runtime/pprof gives what the runtime allocates in a call of the program's to that call, frames do not.
        truth = {key: amount for key, amount in truth.items() if key[0].startswith("main.hold")}
        assert sum(truth.values()) > 8 * 1024 * 1000, truth
        same(dict(+rows), truth, f"go {version}: heap time by line")
        alive.process.kill()


def test_collections_that_were_missed_are_counted(t):
    alive = without_own_collections(t, "1.24", 1)
    alive.do("hold a 1000 1000", "gc 3")
    watch = HeapTime(t, alive, "--count", "4", "--interval", "0.2s")
    for _ in range(3):
        watched = pathlib.Path(watch.messages.name).read_text().count("snapshot of collection")
        alive.do("hold b 1 100", "gc 5")
        watch.wait(watched + 1)
    watch.process.send_signal(signal.SIGQUIT)
    found = watch.ended()
    first, last = found["collections"]
    assert 2 <= found["observed"] <= 4 and found["missed"] > 0, found
    same(found["observed"] + found["missed"], last - first + 1, "collections from the first to the last")
    held = next(row for row in found["rows"] if row["function"] == "main.holdA")
    assert 1 <= held["heap_time"] / (found["observed"] * 1024 * 1000) < 1.1, held


def test_the_collector_costs_what_the_program_says(t):
    for version in versions():
        alive = Alive(t, version, rate=1)
        alive.do("hold a 50000 100", "gc 20")
        said = json.loads(alive.do("stats"))["GCCPUFraction"]
        found = t.json("heap", "-p", alive.pid, "--heap-time", "--count", "2", "--wait", "0.01s")
        assert said > 0 and abs(found["collector"]["since_start"] - said) < 1e-6, (version, said, found["collector"])
        alive.process.kill()


def test_heap_time_as_text(t):
    alive = without_own_collections(t, "1.24", 1)
    alive.do("hold a 1000 1000", "gc 3")
    done = t.escapement("heap", "-p", alive.pid, "--heap-time", "--wait", "0.05s")
    contains(done.stderr, "no collection came within 0.05 s (--wait); what follows is of 1 collection\n")
    contains(done.stdout, "observed  1 collection in 0 s")
    contains(done.stdout.partition(" SITE\n")[2].splitlines()[0], "main.holdA")
    for wrong in (["--format", "csv"], ["--by", "stack"], ["--count", "0"], ["--when", "oom"], ["--memory"],
                  ["--diff", t.path("old")]):
        done = t.escapement("heap", "-p", alive.pid, "--heap-time", *wrong, status=2)
        assert "growth" not in done.stderr, done.stderr


def test_heap_time_of_a_single_collection(t):
    for version in versions():
        alive = without_own_collections(t, version, 1)
        alive.do("hold a 1000 1000", "gc 1")
        found = t.json("heap", "-p", alive.pid, "--heap-time", "--count", "1", "--by", "frame")
        same((found["observed"], found["collections"]), (1, [1, 1]), f"go {version}: collections")
        held = next(row for row in found["rows"] if row["function"] == "main.holdA")
        assert held["heap_time"] >= 1024 * 1000, held
        alive.process.kill()


def test_without_an_observed_collection_heap_time_is_not_known(t):
    for version in versions():
        alive = without_own_collections(t, version, 1)
        alive.do("hold a 1000 1000")
        for style in ("text", "json"):
            done = t.escapement("heap", "-p", alive.pid, "--heap-time", "--wait", "0.05s", "--format", style, status=3)
            same((done.stdout, done.stderr), ("", "escapement: heap time is not known: no collection came within 0.05 s "
                                                  "(--wait)\n"), f"go {version}")
        watch = t.start(harness.ESCAPEMENT, "heap", "-p", alive.pid, "--heap-time", "-v")
        for line in watch.stderr:
            if "snapshot of collection 0" in line:
                break
        alive.process.kill()
        output, messages = watch.communicate(timeout=harness.TIMEOUT)
        same((watch.returncode, output, messages.count("\n")), (3, "", 1), messages)
        contains(messages, "heap time is not known: cannot read the heap")


# --- core files ---


def core_of(t, alive):
    if not shutil.which("gcore"):
        raise harness.Skip("gcore is not installed")
    t.run("gcore", "-o", t.path("core"), alive.pid)
    return t.path(f"core.{alive.pid}")


def test_a_core_file_says_what_the_live_process_said(t):
    for version in versions():
        for way in ("stripped", "pie-stripped"):
            alive = Alive(t, version, way, rate=4096)
            alive.do(*WORK, "drop b", "gc 3")
            core = core_of(t, alive)
            for arguments in (["--format", "csv", "--by", "stack"], ["--format", "csv"]):
                live = t.escapement("heap", "-p", alive.pid, *arguments).stdout
                same(t.escapement("heap", "--core", core, *arguments).stdout, live, f"go {version} {way}: {arguments}")
            alive.process.kill()
            moved = t.path("moved")
            shutil.copy(go_programs.build(version, way, "alive"), moved)
            same(t.escapement("heap", "--core", core, "--exe", moved, "--format", "csv").stdout, live, "elsewhere")
            core.unlink()


def test_cores_that_do_not_fit_are_told(t):
    alive = Alive(t, "1.24", "stripped", rate=4096)
    alive.do("hold a 1000 1000", "gc 3")
    core = core_of(t, alive)
    others = [go_programs.build("1.24", "stripped", "sites"), go_programs.build("1.27", "stripped", "alive")]
    short = pathlib.Path(t.path("short"))
    short.write_text("no program, and shorter than a page\n")
    for other in (*others, short):
        done = t.escapement("heap", "--core", core, "--exe", other, status=2)
        contains(done.stderr, f"is not of '{other}'")
        same((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)
    chance = random.Random(1)
    with open(core, "r+b", buffering=0) as file:
        headers = os.pread(file.fileno(), 20000, 0)  # the core file's headers and notes
        for _ in range(50):
            for _ in range(chance.randrange(1, 20)):
                os.pwrite(file.fileno(), bytes([chance.randrange(256)]), chance.randrange(len(headers)))
            assert t.escapement("heap", "--core", core, status=None).returncode in (0, 2, 3)
            os.pwrite(file.fileno(), headers, 0)
        length = os.fstat(file.fileno()).st_size
        for size in (length - 65536, length // 2, 5000, 500, 64, 63, 3, 0):
            os.truncate(file.fileno(), size)
            done = t.escapement("heap", "--core", core, status=2)
            same((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)
            if size > 20000:
                contains(done.stderr, "is cut short")
    contains(t.escapement("heap", "--core", go_programs.build("1.24", "stripped", "alive"), status=2).stderr,
             "is not a core file")
    for wrong in (["--fresh"], ["--memory"], ["--interval", "1s"], ["-p", alive.pid]):
        t.escapement("heap", "--core", core, *wrong, status=2)


def core_file(path, files, segments):
    """A core file that nothing but its headers and notes is in."""
    def note(kind, content):
        return struct.pack("<III8s", 5, len(content), kind, b"CORE") + content + bytes(-len(content) % 4)

    mapped = struct.pack("<QQ", len(files), 1) + b"".join(struct.pack("<QQQ", *place) for *place, _ in files)
    notes = note(6, struct.pack("<QQ", 9, files[0][0])) + note(0x46494c45, mapped + b"".join(name + b"\0" for *_, name in files))
    count, behind = len(segments) + 1, 64 + 56 * (len(segments) + 1)  # so many that the first section says how many
    headers = [struct.pack("<IIQQQQQQ", 4, 0, behind + 64, 0, 0, len(notes), 0, 4)]
    headers += [struct.pack("<IIQQQQQQ", 1, 4, 0, start, 0, 0, size, 4096) for start, size in segments]
    path.write_bytes(b"\x7fELF\2\1\1" + struct.pack("<9xHHIQQQIHHHHHH", 4, 62, 1, 0, 64, behind, 0, 64, 56, 0xffff, 64, 1, 0) +
                     b"".join(headers) + struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0) + notes)


def limit_cost():
    """10 s of processor time, and 200 MB of memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (harness.allowed(10), harness.allowed(10)))
    if not harness.SANITIZED:
        resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))


def test_a_core_file_costs_little_whatever_it_says(t):
    """Many mappings of many files with long names, and of one with a name that is longer than any."""
    program = go_programs.build("1.24", "stripped", "alive")
    own = (0x400000, 0x500000, 0, os.fsencode(program))
    many = [(0x10000000 + (i << 24), 0x11000000 + (i << 24), 0, b"/" + b"p" * 4000 + b"%d" % i) for i in range(8000)]
    last = many[-1][0]
    for name, files, segments in (("many", [own, *many], [(last + 64 * i, 64) for i in range(120_000)]),
                                  ("long", [own, (last, last + (1 << 30), 0, b"/" + b"p" * (50 << 20))],
                                   [(last + 64 * i, 64) for i in range(120_000)])):
        core_file(t.path(name), files, segments)
        contains(t.escapement("heap", "--core", t.path(name), status=2, preexec_fn=limit_cost).stderr, "is not of this executable")


# --- what cannot be measured ---


def test_a_process_without_a_go_heap_is_told(t):
    sleeper = t.start("sleep", "1000")
    done = t.escapement("heap", "-p", sleeper.pid, status=3)
    contains(done.stderr, f"process {sleeper.pid} (sleep) has no heap that is known")
    same(done.stdout, "", "standard output")
    t.escapement("heap", "-p", 2 ** 22 + 1, status=3)
    t.escapement("heap", status=2)
    t.escapement("heap", "-p", sleeper.pid, "--name", "sleep", status=2)


def test_a_process_that_samples_nothing_still_gets_its_exact_facts(t):
    off = Alive(t, rate=0)
    off.do("hold a 20000 1000")
    server = t.start(go_programs.build("1.24", "stripped", "loop"))
    harness.wait_for(lambda: smaps_rss(server.pid) > 1 << 20, "the program")
    for pid, why in ((off.pid, "its MemProfileRate is 0"), (server.pid, "its sampler is not linked in")):
        done = t.escapement("heap", "-p", pid, status=3)
        contains(done.stderr, why)
        same(done.stderr.count("\n"), 1, "lines of the message")
        contains(done.stdout, "heap in use: objects, and free room between them")
        assert "SITE" not in done.stdout, done.stdout
    contains(t.escapement("heap", "-p", off.pid, status=3).stdout, "1024")


def test_a_process_that_ends_while_it_is_read_is_told(t):
    for part in range(12):
        alive = Alive(t, rate=1)
        alive.do("stacks 3000", "gc 3")
        reader = t.start(harness.ESCAPEMENT, "heap", "-p", alive.pid, "--format", "json")
        # it dies when the reader has done more and more of its work, or all; each outcome is valid
        harness.wait_for(lambda: reader.poll() is not None or harness.cpu_seconds(reader.pid) >= part / 500, "the reader")
        alive.process.kill()
        _, messages = reader.communicate(timeout=harness.TIMEOUT)
        if reader.returncode:
            same((reader.returncode, messages.count("\n")), (3, 1), messages)


if __name__ == "__main__":
    harness.main()
