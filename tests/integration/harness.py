# SPDX-License-Identifier: BSD-2-Clause
"""Shared by all integration tests: a TAP runner, paths of the tools under test, and processes and temporary files that
are always cleaned up.

A test file defines functions test_…(t) and ends with harness.main(). `t` is a Case: t.run() runs a command and waits
for it; t.start() starts one, which the harness stops after the test; t.path() names a file in a directory that is
removed after the test; t.attach() starts a recording of a process and returns when it has begun. Raise
harness.Skip("why") if a test cannot run on this machine.
"""
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
FIXTURES = ROOT / "tests" / "fixtures"
ESCAPEMENT = BUILD / "escapement"
# A build of `make SANITIZE=…`. AddressSanitizer keeps what is freed and a shadow of all memory, which takes a range of terabytes
# of addresses, and everything takes several times as long.
SANITIZED = BUILD.name.startswith("san-")
# what a build of its own must not inherit from this one
FRESH = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "BUILD", "CC")}
DEAR = float(os.environ.get("TEST_DEAR", "10"))  # seconds of processor time from which on a test's are printed
TIMEOUT = float(os.environ.get("TEST_TIMEOUT", "300"))
# One build cache for all that the tests build with Go: the standard library is compiled once for each release, not once
# for each test file. The tests' processes inherit it.
GO_CACHE = os.environ.setdefault("GOCACHE", str(BUILD / "go-cache"))


def allowed(amount):
    """A limit of memory or processor time of our own programs, in this build."""
    return amount * 8 if SANITIZED else amount


def without_leaks():
    """An environment for our own programs where ptrace is forbidden, or they are traced: LeakSanitizer traces them, too."""
    return dict(os.environ, ASAN_OPTIONS=f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0")


class Skip(Exception):
    """The test cannot run on this machine; the text says why."""


def require_library_for_others():
    """For tests in which programs that are not of this build link, load or preload libgoalloc."""
    if SANITIZED:
        raise Skip("AddressSanitizer has to be the first library of a process, so only sanitized programs load a sanitized one")


def workload(name):
    return BUILD / "tests" / "workloads" / name


def require_root():
    if os.geteuid() != 0:
        raise Skip("needs root to load BPF programs")


def go_releases(use):
    """Versions of the Go releases that tests/releases lists for `use`, oldest first."""
    rows = [line.split() for line in (ROOT / "tests" / "releases").read_text().splitlines() if not line.startswith("#")]
    return [version for version, _, *uses in rows if use in uses]


def go_toolchain(version):
    """Path of the `go` command of that release; skips if it is not available."""
    done = subprocess.run([ROOT / "packaging" / "go-toolchain", version], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"Go {version} is not available: {done.stderr.strip()[-200:]}")
    return pathlib.Path(done.stdout.strip()) / "bin" / "go"


# packages that open pages in a browser, of versions that run on the Node.js of Debian 12
PAGE_PACKAGES = {"playwright-core": "1.56.1", "axe-core": "4.14.1"}


@contextlib.contextmanager
def alone(path):
    """A lock between test files, which run in parallel: one of them creates what is missing while the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def alone_on_the_machine(name):
    """A lock between all that run on this machine, also from other trees and below other roots: for its ports and names."""
    def bound():
        with contextlib.suppress(OSError):
            lock.bind(f"\0{name}")
            return True

    with socket.socket(socket.AF_UNIX) as lock:
        wait_for(bound, f"the others that are {name}", 3600)
        yield


def npm_packages(group, packages):
    """Directory with these npm packages (by name: version), fetched once and kept beside the Go toolchains; skips if
    they are not available."""
    names = [f"{name}@{version}" for name, version in packages.items()]
    group += "-" + hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]  # another version is another directory
    return _npm(group, {"package.json": json.dumps({"private": True}).encode()}, "install", *names)


def npm_locked(folder):
    """Directory with the npm packages that a folder's lock file names, kept by the lock file's contents; skips as
    npm_packages()."""
    files = {name: (folder / name).read_bytes() for name in ("package.json", "package-lock.json")}
    return _npm(f"npm-{hashlib.sha256(files['package-lock.json']).hexdigest()[:16]}", files, "ci")


def _npm(group, files, command, *names):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "escapement" / group
    with alone(cache):
        if not (cache / ".complete").exists():
            cache.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (cache / name).write_bytes(content)
            try:
                done = subprocess.run(["npm", command, "--ignore-scripts", "--no-audit", "--no-fund", *names], cwd=cache,
                                      capture_output=True, text=True, timeout=300)
            except (FileNotFoundError, subprocess.TimeoutExpired) as why:
                raise Skip(f"npm cannot fetch packages: {why}")
            if done.returncode != 0:
                raise Skip(f"npm cannot fetch packages: {done.stderr.strip()[-200:]}")
            (cache / ".complete").touch()
    return cache


def wait_for(condition, what, seconds=TIMEOUT):
    """Returns the condition's value as soon as it is true. Use this instead of sleeping for a fixed time, which is too
    short on a slow machine; so is a limit of few seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.01)
    return value


def of_threads(pid, name):
    """What that file of /proc says of each thread of a process; nothing if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # of its directory
        for path in pathlib.Path(f"/proc/{pid}/task").glob(f"*/{name}"):
            with contextlib.suppress(OSError):
                yield path.read_text()


def children(pid):
    """PIDs of the children of all threads of a process; empty if it has ended."""
    return [int(child) for text in of_threads(pid, "children") for child in text.split()]


def states(pid):
    """The states that the threads of a process are in, as letters; empty if it has ended."""
    return {text.rpartition(")")[2].split()[0] for text in of_threads(pid, "stat")}


def wait_until_stopped(pid):
    wait_for(lambda: states(pid) == {"T"}, f"all threads of process {pid} to stop")


def stop(pid):
    """Stops a process, and returns when none of its threads runs any more: the thread that gets the signal must be scheduled
    before it can stop the others."""
    os.kill(pid, signal.SIGSTOP)
    wait_until_stopped(pid)


def descendants(pid):
    return [each for child in children(pid) for each in (child, *descendants(child))]


def cpu_seconds(pid):
    """CPU time of all threads of a process, in seconds; 0 if it has ended."""
    return sum(int(text.split()[0]) for text in of_threads(pid, "schedstat")) / 1e9


def tell(process, *commands):
    """Writes each command as a line to the process, and reads its answer, a line. Returns the last one."""
    for command in commands:
        process.stdin.write(command + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    return answer.strip()


def wait_until_run(pid, seconds=0.1):
    """Waits until a process has used `seconds` more of CPU time: it has then made progress, however slow the machine
    is."""
    begin = cpu_seconds(pid)
    wait_for(lambda: cpu_seconds(pid) - begin >= seconds, f"process {pid} to use CPU time")


def wait_until_idle(pid, seconds=0.5):
    """Waits until a process has used almost no CPU time for `seconds`."""
    since, at = time.monotonic(), cpu_seconds(pid)

    def idle():
        nonlocal since, at
        if cpu_seconds(pid) - at > 0.01:
            since, at = time.monotonic(), cpu_seconds(pid)
        return time.monotonic() - since > seconds

    wait_for(idle, f"process {pid} to become idle")


class Recorder:
    """`escapement record` attached to a running process. Its messages go to a file, so that it never blocks on a
    pipe."""

    def __init__(self, process, messages):
        self.process, self.messages, self.pid = process, messages, process.pid

    def said(self):
        return self.messages.read_text(errors="replace")

    def wait_for(self, text, times=1):
        """Waits until its messages contain the text that many times."""
        wait_for(lambda: self.said().count(text) >= times or self.process.poll() is not None, f"'{text}'")
        if self.said().count(text) < times:
            raise AssertionError(f"the recorder ended with {self.process.returncode} before '{text}': {self.said()}")

    def ended(self, status=0, seconds=TIMEOUT):
        """Waits until it ends by itself, checks its exit status and returns its messages."""
        self.process.wait(seconds)
        same(self.process.returncode, status, f"record's exit status: {self.said()}")
        return self.said()

    def end(self, number=signal.SIGINT, status=0, seconds=TIMEOUT):
        """Sends it a signal, waits for its end, checks its exit status and returns its messages."""
        self.process.send_signal(number)
        return self.ended(status, seconds)


class Case:
    def __init__(self, stack):
        self.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="escapement-test-")))
        self._stack, self._recorders = stack, 0

    def path(self, name):
        return self.directory / name

    def copy(self, program):
        """Copies a program to a place where every user can run it: only its owner may be able to read the checkout."""
        self.directory.chmod(0o777)
        return pathlib.Path(shutil.copy(program, self.directory))

    def run(self, *command, status=0, **options):
        """Runs a command, waits for it and checks its exit status (None: any). Returns the CompletedProcess."""
        options.setdefault("timeout", TIMEOUT)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", self.directory)
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace",
                              **options)
        if status is not None and done.returncode != status:
            raise AssertionError(f"{' '.join(map(str, command))}: exit status {done.returncode}, not {status}\n"
                                 f"stdout: {done.stdout[-3000:]}\nstderr: {done.stderr[-3000:]}")
        return done

    def escapement(self, *arguments, status=0, **options):
        return self.run(ESCAPEMENT, *arguments, status=status, **options)

    def json(self, *arguments, status=0, **options):
        """Runs `escapement ARGUMENTS --format json` and returns the document."""
        command, *rest = arguments
        return json.loads(self.escapement(command, "--format", "json", *rest, status=status, **options).stdout)

    def start(self, *command, **options):
        """Starts a command; the harness stops it after the test."""
        options.setdefault("stdin", subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("cwd", self.directory)
        options.setdefault("text", True)
        process = subprocess.Popen([str(word) for word in command], **options)
        self._stack.callback(_stop, process)
        return process

    def attach(self, pid, *options, **popen):
        """Starts a recording of a process. Returns its Recorder once it has attached: all later allocations are
        recorded."""
        self._recorders += 1
        messages = self.path(f"record-{self._recorders}.log")
        with open(messages, "w") as file:
            recorder = Recorder(self.start(ESCAPEMENT, "record", "-v", *options, "-p", pid, stderr=file, **popen), messages)
        recorder.wait_for(f"attached process {pid} ")
        return recorder

    def closely(self, pid, limit, *options):
        """Records a process that allocates all the time and returns the report. What it does while the recorder reads its
        counters widens the check's bound: on a busy machine it may take a few tries until that is at most `limit`."""
        for _ in range(10):
            self.escapement("record", *options, "-o", self.path("close"), "-p", pid)
            report = self.json("report", self.path("close"))
            check = report["check"]
            assert abs(check["difference"]) <= check["bound"], check
            if check["bound"] <= limit:
                return report
        raise AssertionError(f"ten bounds over {limit}, at last {check}")


def _stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _adopt_orphans():
    """Makes this process the parent of its orphaned descendants (child subreaper), so that it can find all of them."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def _running(pid):
    """The command line of a process, "" if it has ended."""
    try:
        if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return ""
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or f"process {pid}"
    except OSError:
        return ""


def _all_ended():
    """Reaps children that have ended. Whether there is none: then there are no descendants, whose orphans become children of
    ours. A walk over descendants could miss one that is just orphaned."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _check_left_behind():
    """Fails if a process outlives the test that started it, because it would disturb all later tests."""
    with contextlib.suppress(AssertionError):
        wait_for(_all_ended, "processes to end", 60)
        return
    left = {pid: command for pid in descendants(os.getpid()) if (command := _running(pid))}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _all_ended()
    raise AssertionError(f"processes left behind: {left}")


def same(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, not {expected!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in: {text[-3000:]}")


def main():
    """Runs every test_… function of the calling file (or those named on the command line) and prints TAP."""
    module = sys.modules["__main__"]
    tests = [(name, function) for name, function in vars(module).items()
             if name.startswith("test_") and callable(function)]  # not a test file that was imported
    if len(sys.argv) > 1:
        tests = [(name, function) for name, function in tests if name in sys.argv[1:]]
    print(f"1..{len(tests)}", flush=True)
    _adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # what a test has started is stopped then, too
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # under nohup; what a test starts takes it nevertheless
        signal.signal(signal.SIGHUP, lambda *_: None)
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        label = f"{number} - {name[5:].replace('_', ' ')}"
        before = sum(os.times()[:4])
        try:
            with contextlib.ExitStack() as stack:
                stack.callback(_check_left_behind)  # runs last, after everything has been stopped
                function(Case(stack))
            print(f"ok {label}", flush=True)
        except Skip as why:
            print(f"ok {label} # SKIP {why}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {label}")
            print("".join("# " + line for line in traceback.format_exc().splitlines(True)), flush=True)
        if (used := sum(os.times()[:4]) - before) >= DEAR:
            print(f"# {used:.0f} s of CPU: {name}", flush=True)
    sys.exit(1 if failed else 0)
