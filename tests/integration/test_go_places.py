#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Go processes that are hard to find: by name, in other namespaces and file systems, with deleted or replaced files."""
import json
import os
import shutil
import subprocess

import go_programs
import harness
import test_go_record as records
from harness import contains, same

VERSION = go_programs.versions()[-1]


def exact(phase, recording, rate, what):
    process = recording["processes"][0]
    records.check_exact(process, f"{what} rate {rate}")
    phase.equals(process["totals"][records.OBJECTS], "mallocs", f"{what} rate {rate}: Mallocs")
    if rate == "1":
        records.check_sites(recording, (records.ROUNDS,), 1, what)
    return process


def copied(t, name, version=VERSION):
    """A copy of the program under a unique name."""
    target = t.path(name)
    shutil.copy(go_programs.build(version, "stripped"), target)
    return target


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return int(children.read())


def start(t, *command):
    return records.start_waiting(t, *command, "-rounds", records.ROUNDS)


# Replaces the root by a new one and unmounts the old one, as container runtimes do.
PIVOT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1])
if libc.syscall(155, b".", b".") or libc.umount2(b".", 2):  # pivot_root; MNT_DETACH
    raise OSError(ctypes.get_errno(), "cannot pivot")
os.chdir("/")
os.execv(sys.argv[2], sys.argv[2:])
"""


def pivoted(t):
    """Starts a container by pivot_root: its root is the only mount of its namespace. Outside, the path of its program
    leads to another program."""
    root, inside = t.path("pivoted"), t.path("pivoted-sites")
    root.mkdir(exist_ok=True)
    shutil.copy(go_programs.build(go_programs.versions()[0], "plain"), inside)
    program = go_programs.build(VERSION, "stripped")
    script = (f"mount -t tmpfs none {root} && mkdir -p {root}{inside.parent} && cp {program} {root}{inside} && "
              f'exec python3 -c "$0" {root} {inside} "$@"')
    process = start(t, "unshare", "--pid", "--fork", "--mount", "--uts", "--kill-child", "sh", "-c", script, PIVOT)
    pid = child_of(process.pid)
    same(os.listdir(f"/proc/{pid}/root"), [inside.parts[1]], "what the container sees")
    with open(f"/proc/{pid}/mountinfo") as mounts:
        same(len(mounts.readlines()), 1, "its mounts")
    return process, pid


def contained(t):
    """Starts a container by chroot: its own PID, mount and UTS namespaces, and a root that only it sees."""
    root = t.path("root")
    root.mkdir(exist_ok=True)
    program = go_programs.build(VERSION, "stripped")
    script = f'mount -t tmpfs none {root} && cp {program} {root}/contained-sites && exec chroot {root} /contained-sites "$@"'
    process = start(t, "unshare", "--pid", "--fork", "--mount", "--uts", "--kill-child", "sh", "-c", script, "sh")
    assert not os.listdir(root), "the container's files are visible outside"
    return process, child_of(process.pid)


def test_a_process_in_a_container_is_recorded_exactly(t):
    harness.require_root()
    for rate in ("0", "1"):
        process, pid = contained(t)
        with open(f"/proc/{pid}/status") as status:
            contains(status.read(), f"NSpid:\t{pid}\t1\n")
        phase, recording = records.record_phase(t, process, pid, "--rate", rate)
        recorded = exact(phase, recording, rate, "container")
        same((recorded["pid"], recorded["comm"]), (pid, "contained-sites"), "process")


def test_a_process_below_a_root_of_its_own_mount_namespace_is_recorded_exactly(t):
    harness.require_root()
    for rate in ("0", "1"):
        process, pid = pivoted(t)
        phase, recording = records.record_phase(t, process, pid, "--rate", rate)
        recorded = exact(phase, recording, rate, "pivoted root")
        same((recorded["pid"], recorded["comm"]), (pid, "pivoted-sites"), "process")
        contains(recorded["runtime"], f"go{VERSION}")
        functions = {name for sample in recording["samples"] for name, _, _ in sample["stack"]}
        assert {"main.runSites", "main.phase", "main.main"} <= functions, f"rate {rate}: {sorted(functions)[:50]}"
        same([name for name in functions if not name], [], f"rate {rate}: frames without a name")


def test_a_process_in_a_container_is_found_by_its_name_and_looked_at(t):
    harness.require_root()
    process, pid = contained(t)
    profile = t.path("named.pb.gz")
    t.escapement("record", "--rate", "1", "--duration", "0.3", "-o", profile, "--name", "contained-sites")
    same(records.dump(t, profile)["processes"][0]["pid"], pid, "PID")
    contains(t.escapement("doctor", "-p", pid).stdout, VERSION)


def test_a_container_that_we_start_is_followed_to_the_program_in_it(t):
    harness.require_root()
    profile, root, program = t.path("started.pb.gz"), t.path("root"), go_programs.build(VERSION, "stripped")
    root.mkdir()
    script = f"mount -t tmpfs none {root} && cp {program} {root}/inside && exec chroot {root} /inside -rounds {records.ROUNDS}"
    done = t.escapement("record", "--rate", "1", "-o", profile, "--", "unshare", "--pid", "--fork", "--mount", "sh", "-c",
                        script)
    stats, recording = json.loads(done.stdout.splitlines()[-1]), records.dump(t, profile)
    same(len(recording["processes"]), 1, "processes")
    records.check_exact(recording["processes"][0], "started container")
    same(recording["processes"][0]["totals"][records.OBJECTS], stats["mallocs"], "Mallocs")
    records.check_sites(recording, (1, records.ROUNDS), 1, "started container")


def test_a_deleted_executable_is_read_all_the_same(t):
    harness.require_root()
    for rate in ("0", "1"):
        program = copied(t, f"deleted{rate}")
        process = start(t, program)
        program.unlink()
        phase, recording = records.record_phase(t, process, process.pid, "--rate", rate)
        exact(phase, recording, rate, "deleted")


def test_an_executable_that_was_replaced_is_not_taken_for_the_one_that_runs(t):
    """As in an upgrade: installs a build of another Go release under the same name."""
    harness.require_root()
    other = go_programs.build(go_programs.versions()[0], "stripped")
    for rate in ("0", "1"):
        program = copied(t, f"replaced{rate}")
        process = start(t, program)
        upgrade = t.path("upgrade")
        shutil.copy(other, upgrade)
        upgrade.rename(program)
        phase, recording = records.record_phase(t, process, process.pid, "--rate", rate)
        recorded = exact(phase, recording, rate, "replaced")
        contains(recorded["runtime"], f"go{VERSION}")


def test_a_name_that_several_have_is_an_error_that_lists_them(t):
    harness.require_root()
    program = copied(t, "twin-sites")
    processes = [start(t, program), start(t, program)]
    done = t.escapement("record", "--name", "twin-sites", "-o", t.path("p"), status=2)
    contains(done.stderr, "2 processes are named 'twin-sites': choose one with -p:")
    for process in processes:
        contains(done.stderr, f" {process.pid} ({program}")
    processes[0].kill()
    processes[0].wait()
    t.escapement("record", "--name", "twin-sites", "--rate", "0", "--duration", "0.2", "-o", t.path("p"))
    same(records.dump(t, t.path("p"))["processes"][0]["pid"], processes[1].pid, "PID")


def test_a_name_longer_than_the_kernel_keeps_is_found_too(t):
    harness.require_root()
    process = start(t, copied(t, "a-program-with-a-long-name"))
    t.escapement("record", "--name", "a-program-with-a-long-name", "--duration", "0.2", "-o", t.path("p"))
    same(records.dump(t, t.path("p"))["processes"][0]["pid"], process.pid, "PID")


if __name__ == "__main__":
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        print("1..1\nok 1 - places # SKIP namespaces are not permitted")
    else:
        harness.main()
