#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Processes that publish false data about themselves: the recorder names the invalid field, and neither it nor the
process is harmed."""
import os
import re
import signal
import struct
import subprocess
import threading

import go_programs
import harness
from harness import contains, same, workload

MEMORY_MAX = harness.allowed(200 << 20)
SECONDS_MAX = harness.allowed(10)

# struct goalloc_description: offset, bytes, an invalid value
FIELDS = {
    "span_classes": (8, 4, 135),
    "tiny_span_class": (12, 4, 136),
    "heap_counters": (24, 8, 8),
    "cache_size": (40, 4, 0xffffffff),
    "cache_alloc": (56, 4, 0xfffffff0),
    "span_alloc_count": (84, 4, 0xffffffff),
    "span_alloc_count_width": (92, 4, 0xffff),
}


def record(t, pid, *options):
    """Records for half a second. Returns the exit status and messages; fails if record took too much memory or CPU
    time."""
    with open(t.path("messages"), "wb") as messages:
        recorder = subprocess.Popen([harness.ESCAPEMENT, "record", "-q", *options, "--duration", "0.5", "-o",
                                     t.path("profile.pb.gz"), "-p", str(pid)], stdout=messages, stderr=messages)
    watchdog = threading.Timer(harness.TIMEOUT, recorder.kill)
    watchdog.start()
    _, status, used = os.wait4(recorder.pid, 0)
    watchdog.cancel()
    recorder.returncode = os.waitstatus_to_exitcode(status)
    text = t.path("messages").read_text(errors="replace")
    assert used.ru_maxrss * 1024 < MEMORY_MAX, f"{used.ru_maxrss} KiB: {text}"
    assert used.ru_utime + used.ru_stime < SECONDS_MAX, f"{used.ru_utime + used.ru_stime} s of CPU time: {text}"
    return recorder.returncode, text


def lie(t, *arguments):
    process = t.start(workload("liar"), *arguments)
    same(process.stdout.readline(), "ready\n")
    return process


def refused(t, pid, word, *options):
    status, text = record(t, pid, *options)
    same(status, 3, f"record's exit status: {text}")
    contains(text, f"process {pid} (")
    contains(text, ") cannot be measured: ")
    assert re.search(word, text), f"{word} is not in: {text}"


def unharmed(process):
    same(process.poll(), None, "exit status of the target")


def test_a_field_of_the_description_that_cannot_be_is_refused_by_name(t):
    harness.require_root()
    for name, (offset, size, value) in FIELDS.items():
        process = lie(t, "field", offset, size, value)
        wrong = f"leads to {value:#x}, where it has no memory" if name == "heap_counters" else f"{name} = {value}"
        refused(t, process.pid, re.escape(wrong))
        done = t.escapement("doctor", "-p", process.pid, status=3)
        contains(done.stdout, wrong)
        unharmed(process)


def test_random_descriptions_are_refused_or_lost_and_never_harm(t):
    harness.require_root()
    for seed in range(4):
        process = lie(t, "random", seed)
        status, text = record(t, process.pid)
        same(status, 3, f"seed {seed}: {text}")
        unharmed(process)


def test_lists_of_caches_end(t):
    """By its length, or on a slow machine by the time that reading may take."""
    harness.require_root()
    for kind, words in (("circle", "list of caches has more than"), ("chain", "caches of living threads; at most")):
        process = lie(t, kind)
        refused(t, process.pid, f"{words}|takes too long")
        unharmed(process)


def test_caches_that_never_settle_cost_little_time(t):
    harness.require_root()
    process = lie(t, "torn")
    record(t, process.pid)
    unharmed(process)


def test_counters_beyond_reach_are_refused(t):
    harness.require_root()
    process = lie(t, "counters")
    refused(t, process.pid, r"class_counters\.objects = 18446744073709551615")
    unharmed(process)


def test_names_of_sites_are_bounded(t):
    harness.require_root()
    process = lie(t, "sites")
    refused(t, process.pid, "struct goalloc_site", "--rate", "1", "--max-overhead", "0")
    unharmed(process)


def test_a_description_that_is_not_filled_in_although_the_process_allocates_is_refused(t):
    harness.require_root()
    process = lie(t, "field", 16, 8, 0)  # class_sizes
    refused(t, process.pid, "class_sizes", "--rate", "1")
    unharmed(process)


def probe_sites(program):
    """File offsets of all probe sites except `stack`."""
    notes = subprocess.run(["readelf", "--notes", "--wide", program], capture_output=True, text=True, check=True).stdout
    return [location for name, location in re.findall(r"Name: (\w+)\n\s+Location: (0x[0-9a-f]+)", notes)
            if name != "stack"]


def test_random_arguments_of_probes_are_recorded_without_harm(t):
    harness.require_root()
    for rate in ("0", "1", "512k"):
        process = lie(t, "probes", *probe_sites(workload("liar")))
        status, text = record(t, process.pid, "--rate", rate)
        same(status in (3, 4), True, f"exit status {status}: {text}")
        unharmed(process)
        # No process makes the profile unreadable, in which those of others are.
        t.escapement("report", "profile.pb.gz")


def symbol(program, name):
    for line in subprocess.run(["readelf", "--symbols", "--wide", program], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        words = line.split()
        if len(words) == 8 and words[7] == name:
            return int(words[1], 16)
    raise AssertionError(f"{program} has no {name}")


def test_a_go_process_whose_heap_cannot_be_is_refused_by_name(t):
    """Changes the memory of the waiting process from outside, as the process itself could. It is stopped meanwhile: its own
    runtime, which looks at the same variables when a thread wakes up, would not survive them."""
    harness.require_root()
    program = go_programs.build("1.27")
    lies = (("runtime.allp", 8, 1 << 40, "runtime.allp", "512k"), ("runtime.memstats", 40, 1 << 60, "tinyAllocCount", "0"),
            ("runtime.allgs", 8, 1 << 50, "runtime.allgs", "1"))
    process = t.start(program, "-wait", "-rounds", 1)
    process.stdout.readline()
    harness.stop(process.pid)
    for name, offset, value, word, rate in lies:
        with open(f"/proc/{process.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(symbol(program, name) + offset)
            before = memory.read(8)
            memory.seek(symbol(program, name) + offset)
            memory.write(struct.pack("<Q", value))
            refused(t, process.pid, word, "--rate", rate)
            memory.seek(symbol(program, name) + offset)
            memory.write(before)
    process.send_signal(signal.SIGCONT)
    status, text = record(t, process.pid)
    same(status, 0, text)
    process.stdin.write("\n\n")
    process.stdin.flush()
    same(process.wait(harness.TIMEOUT), 0, "exit status of the target")


if __name__ == "__main__":
    harness.main()
