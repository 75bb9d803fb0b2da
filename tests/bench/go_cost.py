#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What recording costs Go programs: `go_cost.py [TABLE...]`, each table from one run in which all cases take turns.

    loop       a loop that does nothing but allocate 64-byte objects, with this and with other tools
    event      one allocation at --rate 1 compared with a bare probe hit at the same instruction
    programs   the go command compiling, a JSON server under load
    phases     attaching and detaching; memory and CPU time of the profiler itself

It measures the CPU time of the target, because other work runs on the machine. Each round gives ratios of cases that ran
within a second of each other; printed are the median of the rounds' ratios and an interval that contains the true median
with a probability of 95 %. A recording that changed its rate or lost events ends the run.

Environment: ROUNDS (of each table), BENCH_GO (release, 1.24), BUILD.
"""
import json
import math
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import go_programs  # noqa: E402
import harness  # noqa: E402

BUILD = harness.BUILD
VERSION = os.environ.get("BENCH_GO", "1.24")
WINDOW = 0.3  # seconds of CPU time a measurement
DEPTH = 8         # frames below mallocgc
REFILL_DEPTH = 3  # frames from there to refill; one less if mallocgc is not one of them


# ---- ratios ----

def interval(values):
    """Median, and the order statistics that contain the true median with a probability of at least 95 %."""
    values = sorted(values)
    count = len(values)
    below, rank = 0.0, 0
    while rank < count // 2:
        below += math.comb(count, rank) / 2 ** count
        if below > 0.025:
            break
        rank += 1
    low, high = (values[rank - 1], values[count - rank]) if rank else (values[0], values[-1])
    return statistics.median(values), low, high


def verdict(low, high, limit):
    if limit is None:
        return ""
    return "met" if high <= limit else "missed" if low > limit else "undecided"


def print_ratio(name, values, limit, digits=3, extra=""):
    median, low, high = interval(values)
    wanted = "" if limit is None else f"{limit:.{2 if limit >= 1.1 else 3}f}"
    print(f"  {name:<44}{median:8.{digits}f}  [{low:.{digits}f}, {high:.{digits}f}]".ljust(76)
          + f"{wanted:>6} {verdict(low, high, limit)} {extra}".rstrip(), flush=True)


def rounds_of(default):
    return int(os.environ.get("ROUNDS", default))


# ---- observers ----

class Observer:
    """A process that observes a target; `line` is what it prints when it has attached."""

    def __init__(self, command, line, **options):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", **options)
        self.said = ""
        for text in self.process.stdout:
            self.said += text
            if line in text:
                return
        raise SystemExit(f"go_cost: {' '.join(map(str, command))}: {self.said}")

    def end(self, stop=signal.SIGINT):
        if stop:
            self.process.send_signal(stop)
        self.said += self.process.communicate()[0]
        return self.process.returncode


def bare(pid, program, functions, frames=0):
    offsets = ",".join(offsets_of(program)[function] for function in functions)
    observer = Observer([BUILD / "tests/tools/bare_probe", pid, program, offsets,
                         *([frames] if frames else [])], "attached")
    return lambda: observer.end(None)


def bpftrace(pid, program):
    probes = ", ".join(f'uprobe:{program}:"{function}"' for function in mallocs_of(program))
    observer = Observer(["bpftrace", "-p", pid, "-e",
                         f'BEGIN {{ printf("attached\\n"); }} {probes} {{ @[ustack] = count(); }}'], "attached")
    time.sleep(1)  # BEGIN runs before the others are attached
    return observer.end


def check_profile(path, rate, said):
    """Checks that the recording has the requested rate and no losses."""
    report = json.loads(subprocess.run([BUILD / "escapement", "report", "--format", "json", path], check=True,
                                       capture_output=True).stdout)
    wrong = [key for key in ("events", "stacks") if report["lost"][key]]
    if rate in (0, 1) and report["rate"] != rate:
        wrong.append(f"rate {report['rate']}")
    if "max-overhead" in said or wrong:
        raise SystemExit(f"go_cost: recording at rate {rate}: {wrong} {said}")
    return report


class Recording:
    def __init__(self, pid, directory, *options):
        self.path = pathlib.Path(directory) / "profile.pb.gz"
        rate = options[options.index("--rate") + 1] if "--rate" in options else ""
        self.rate = int(rate) if rate in ("0", "1") else None
        self.observer = Observer([BUILD / "escapement", "record", "-v", "--max-overhead", "0", *options, "-o", self.path,
                                  "-p", pid], "attached process")

    def end(self):
        status = self.observer.end()
        if status not in (0, 4):
            raise SystemExit(f"go_cost: escapement record: {self.observer.said}")
        self.report = check_profile(self.path, self.rate, self.observer.said)
        return self.report


# ---- a program that allocates for ever ----

def offsets_of(program, cache={}):
    """Offsets of the probed functions of the runtime: {function: offset in the file}."""
    if program not in cache:
        text = subprocess.run([BUILD / "tests/tools/go_inspect", "points", program], check=True, capture_output=True,
                              text=True).stdout
        cache[program] = dict(re.findall(r"^(\S+) .*offset (\d+)$", text, re.M))
    return cache[program]


def mallocs_of(program):
    """mallocgc, and the functions that Go 1.27's compiler calls instead of newobject and mallocgc: an allocation hits
    one of them."""
    return [function for function in offsets_of(program) if function.startswith("runtime.mallocgc")]


def is_direct(program):
    """Whether the program calls these other functions, so that an allocation has no frame of newobject or mallocgc."""
    return len(mallocs_of(program)) > 1


class Loop:
    """tests/workloads/go/loop; stopped while it is not measured."""

    def __init__(self, variant="profiled", depth=DEPTH, size=64, **environment):
        self.program = go_programs.build(VERSION, variant, "loop")
        self.process = subprocess.Popen([self.program, str(depth + is_direct(self.program)), str(size)],
                                        stdout=subprocess.PIPE,
                                        env=dict(os.environ, **environment))
        self.pid = self.process.pid
        self.sample()
        self.pause()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def sample(self):
        return go_programs.loop_sample(self.process.stdout, WINDOW)

    def measure(self, attach=None):
        self.resume()
        end = attach(self) if attach else None
        value = self.sample()
        if end:
            end()
        self.pause()
        return value

    def close(self):
        self.resume()
        self.process.kill()
        self.process.wait()


def turns(cases, rounds):
    """{name: [value of each round]} of {name: function}; the order changes, so that no case always follows the same one."""
    values = {name: [] for name in cases}
    for _ in range(rounds):
        for name in random.sample(list(cases), len(cases)):
            values[name].append(cases[name]())
    return values


def recorded(directory, *options):
    return lambda loop: Recording(loop.pid, directory, *options).end


def difference(a, b):
    return [x - y for x, y in zip(a, b)]


def quotient(a, b):
    return [x / y for x, y in zip(a, b)]


def table_event(directory):
    """--rate 1 compared with a bare hit at mallocgc, or at the function called instead."""
    loop = Loop("plain")
    program = loop.program
    malloc = mallocs_of(program)
    cases = {"nobody": lambda: loop.measure(),
             "bare": lambda: loop.measure(lambda l: bare(l.pid, program, malloc)),
             "bare stack": lambda: loop.measure(lambda l: bare(l.pid, program, malloc, DEPTH)),
             "counts": lambda: loop.measure(recorded(directory, "--rate", "1", "--no-stacks")),
             "stacks": lambda: loop.measure(recorded(directory, "--rate", "1"))}
    try:
        values = turns(cases, rounds_of(9))
    finally:
        loop.close()
    cost = {name: difference(values[name], values["nobody"]) for name in values}
    print(f"\none allocation of 64 bytes, {DEPTH} frames: nanoseconds more than without an observer "
          f"({statistics.median(values['nobody']):.1f})")
    for name in ("bare", "bare stack", "counts", "stacks"):
        print_ratio(name, cost[name], None, 0)
    print("as a multiple of a bare hit")
    print_ratio("--rate 1 --no-stacks", quotient(cost["counts"], cost["bare"]), 1.15)
    print_ratio("--rate 1", quotient(cost["stacks"], cost["bare"]), 3)
    print_ratio("a hit that takes the stack, keeps nothing", quotient(cost["bare stack"], cost["bare"]), None)


def table_loop(directory):
    """Only allocations: the cost of continuous observation, compared with existing tools."""
    refill = ["runtime.(*mcache).refill"]
    loops = {"plain": Loop("plain"), "profiled": Loop("profiled"),
             "MemProfileRate=1": Loop("profiled", GODEBUG="memprofilerate=1")}
    plain, profiled = loops["plain"], loops["profiled"]
    depth = DEPTH + REFILL_DEPTH - is_direct(plain.program)
    cases = {"plain": plain.measure, "profiled": profiled.measure, "MemProfileRate=1": loops["MemProfileRate=1"].measure,
             "default": lambda: profiled.measure(recorded(directory)),
             "rate 0": lambda: plain.measure(recorded(directory, "--rate", "0")),
             "refill": lambda: plain.measure(lambda l: bare(l.pid, l.program, refill, depth)),
             "rate 1": lambda: plain.measure(recorded(directory, "--rate", "1")),
             "bpftrace": lambda: plain.measure(lambda l: bpftrace(l.pid, l.program))}
    try:
        values = turns(cases, rounds_of(15))
    finally:
        for loop in loops.values():
            loop.close()
    print(f"\na loop that only allocates 64-byte objects, {DEPTH} frames, Go {VERSION}: ratio to no observer "
          f"({statistics.median(values['plain']):.1f} ns an allocation)")
    print_ratio("default, runtime's sampler linked in", quotient(values["default"], values["profiled"]), 1.05)
    print_ratio("--rate 0", quotient(values["rate 0"], values["plain"]), None)
    cost = {name: difference(values[name], values["plain"]) for name in ("rate 0", "refill")}
    print_ratio("  in units of bare hits with stacks at refill", quotient(cost["rate 0"], cost["refill"]), 1.3)
    print_ratio("--rate 1", quotient(values["rate 1"], values["plain"]), None, 1)
    print_ratio("Go's MemProfileRate at its default, 512 KiB", quotient(values["profiled"], values["plain"]), None)
    print_ratio("Go's MemProfileRate at 1", quotient(values["MemProfileRate=1"], values["plain"]), None, 1)
    print_ratio("bpftrace, mallocgc with ustack", quotient(values["bpftrace"], values["plain"]), None, 1)


# ---- programs that do something ----

def cpu_seconds(pid):
    """CPU time of all threads of a process, to the nanosecond."""
    scheduler_clock = 2
    return time.clock_gettime((~pid << 3) | scheduler_clock)


class Server:
    CLIENTS, REQUESTS = 4, 6000

    def __init__(self):
        self.program = go_programs.build(VERSION, "plain", "jsonserver")
        self.process = subprocess.Popen([self.program, "serve"], stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.address = self.process.stdout.readline().strip()
        self.ask()

    def ask(self):
        """Seconds of CPU time for this many requests."""
        before = cpu_seconds(self.pid)
        subprocess.run([self.program, "load", self.address, str(self.CLIENTS), str(self.REQUESTS)], check=True)
        return cpu_seconds(self.pid) - before

    def measure(self, attach=None):
        end = attach(self) if attach else None
        value = self.ask()
        if end:
            end()
        return value

    def close(self):
        self.process.kill()
        self.process.wait()


def build_seconds(directory, *options):
    """CPU time of `go build errors` and all that it needs, without what the profiler itself uses."""
    go = harness.go_toolchain(VERSION)
    with tempfile.TemporaryDirectory(dir=directory) as cache:
        command = ["sh", "-c", f"{go} build errors && times"]
        profile = pathlib.Path(directory) / "build.pb.gz"
        if options:
            command = [BUILD / "escapement", "record", "-q", *options, "-o", profile, "--", *command]
        done = subprocess.run([str(word) for word in command], cwd=directory, capture_output=True, text=True,
                              env=dict(os.environ, GOCACHE=cache, GOFLAGS="", GO111MODULE="off", GOTOOLCHAIN="local",
                                       CGO_ENABLED="0"))
    times = re.findall(r"(\d+)m([\d.]+)s", done.stdout)
    if done.returncode not in (0, 4) or len(times) != 4:
        raise SystemExit(f"go_cost: go build: {done.stdout} {done.stderr}")
    if options:
        check_profile(profile, int(options[1]) if options[1].isdigit() else None, "")
    return sum(60 * int(minutes) + float(seconds) for minutes, seconds in times[2:])


def table_programs(directory):
    server = Server()
    rates = {"default": ("--rate", "512k"), "--rate 0": ("--rate", "0")}
    asked = {"nobody": server.measure, "again": server.measure}
    asked.update({name: lambda options=options: server.measure(recorded(directory, *options))
                  for name, options in rates.items()})
    asked["bare"] = lambda: server.measure(lambda s: bare(s.pid, s.program, ["runtime.(*mcache).refill"]))
    try:
        asked = turns(asked, rounds_of(60))
    finally:
        server.close()
    built = {"nobody": lambda: build_seconds(directory)}
    built.update({name: lambda options=options: build_seconds(directory, *options) for name, options in rates.items()})
    built = turns(built, rounds_of(8))
    print(f"\nprograms, Go {VERSION}: CPU time, ratio to no observer")
    for what, values in ((f"JSON server, {Server.REQUESTS} requests", asked), ("go build errors, cold", built)):
        for name, limit in (("default", 1.01), ("--rate 0", 1.02)):
            print_ratio(f"{what}, {name}", quotient(values[name], values["nobody"]), limit)
    print_ratio("JSON server, nobody again", quotient(asked["again"], asked["nobody"]), None)
    print_ratio("JSON server, bare hits at refill alone", quotient(asked["bare"], asked["nobody"]), None)


# ---- the profiler itself ----

def phases_of(said):
    return {what: float(ms) for what, ms in re.findall(r"(loaded|attached|detached|symbolized).* in ([\d.]+) ms", said)}


def observe_idle(pid, directory, seconds):
    """One recording at the default rate: phases in ms, CPU share while it lasts, resident MiB at its end."""
    recording = Recording(pid, directory, "--rate", "512k")
    recorder = recording.observer.process.pid
    before = cpu_seconds(recorder)
    time.sleep(seconds)
    share = (cpu_seconds(recorder) - before) / seconds
    recording.observer.process.send_signal(signal.SIGINT)
    recording.observer.said += recording.observer.process.stdout.read()
    _, _, usage = os.wait4(recorder, 0)
    return dict(phases_of(recording.observer.said), share=100 * share, resident=usage.ru_maxrss / 1024)


def prometheus(directory):
    root = subprocess.run([harness.ROOT / "packaging/debian-program", "bookworm", "prometheus"], capture_output=True,
                          text=True).stdout.strip()
    if not root:
        return None
    (pathlib.Path(directory) / "prometheus.yml").write_text("")
    return subprocess.Popen([f"{root}/usr/bin/prometheus", f"--config.file={directory}/prometheus.yml",
                             f"--storage.tsdb.path={directory}/data", "--web.listen-address=127.0.0.1:0",
                             "--log.level=error"], cwd=directory)


def table_phases(directory):
    server = Server()
    large = prometheus(directory)
    targets = {"JSON server": server.pid}
    if large:
        targets[f"prometheus, {os.path.getsize(f'/proc/{large.pid}/exe') >> 20} MiB"] = large.pid
    time.sleep(3)  # it has finished starting by then
    stop = threading.Event()

    def load():
        while not stop.is_set():
            server.ask()

    client = threading.Thread(target=load)
    client.start()
    try:
        rows = turns({name: lambda pid=pid: observe_idle(pid, directory, 3) for name, pid in targets.items()},
                     rounds_of(7))
    finally:
        stop.set()
        client.join()
        server.close()
        if large:
            large.kill()
            large.wait()
    print("\nthe profiler itself, default rate")
    for name, values in rows.items():
        for key, text, limit in (("loaded", "BPF programs loaded, ms", None), ("attached", "attach, ms", 50),
                                 ("detached", "detach, ms", 150), ("share", "CPU while recording, %", 1),
                                 ("resident", "resident, MiB", 64)):
            print_ratio(f"{name}: {text}", [value[key] for value in values], limit, 2)


TABLES = {"loop": table_loop, "event": table_event, "programs": table_programs, "phases": table_phases}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="escapement-bench-") as scratch:
        for table in sys.argv[1:] or TABLES:
            TABLES[table](scratch)
