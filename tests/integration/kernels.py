#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Recordings on Debian's kernels, each booted under QEMU: one test per kernel; `make test-kernels`.

A kernel boots from an initramfs that holds busybox, the static escapement, and the programs to record with the shared
libraries that they need. Each program is recorded at every rate. Its own counts and the recording come back over the
serial line and are compared here. The test also compares doctor's findings with what record then does, and the number
of instructions that the kernel's verifier processed with a limit.
"""
import json
import os
import re

import emulator
import go_programs
import harness
from emulator import kernel, need
from harness import ROOT, same, workload

# Debian's name of the suite, the kernel series
KERNELS = [("bookworm", "6.1"), ("trixie", "6.12"), ("trixie-backports", "6.19"), ("sid", "7"), ("trixie-backports", "7")]
STATIC = harness.BUILD / "static" / "escapement"
RATES = {"512k": 1000, "0": 20, "1": 20}  # rate: rounds of the Go programs, enough for some samples
GO_RELEASES = harness.go_releases("everyday")  # oldest and newest
# Limit of the instructions that the verifier processes for all BPF programs together, because they determine how long a
# recording takes to start. tests/bench/README.md has the measured numbers, by kernel series.
VERIFIED_MAX = 1_000_000

def file_system(t, programs, job):
    """An initramfs with these programs (name: path) in /bin, and the shared libraries that they need, that runs `job`."""
    files = {f"bin/{name}": path for name, path in programs.items()}
    for path in programs.values():
        files.update((library.lstrip("/") if library.startswith("/") else f"lib/{library}", at)
                     for library, at in emulator.libraries(path))
    return emulator.file_system(t, "amd64", files, job)


def boot(t, image, archive, options=""):
    return emulator.boot(t, "amd64", image, archive, options)


DOCTOR_JOB = ["echo '=== kernel'", "uname -r", "echo '=== doctor'", "escapement doctor", "echo '=== doctor status'",
              "escapement doctor > /tmp/doctor; echo $?"]


def recording_job(targets):
    """Shell commands that record each target (name: command) at each rate, after what the verifier processes."""
    job = [*DOCTOR_JOB, "echo '=== verifier'", "bpf_cost > /tmp/costs", "cat /tmp/costs",
           "echo '=== refusals'", "grep -q error /tmp/costs && bpf_cost -v"]
    return "\n".join(job) + "\n" + recordings(targets)


def recordings(targets):
    """Shell commands that record each target (name: command) at each rate."""
    job = []
    for name, command in targets.items():
        for rate in RATES:
            what = f"{name} {rate}"
            job += [f"echo '=== {what} program'",
                    f"escapement record --rate {rate} -o /tmp/p.pb.gz -- {command.format(rounds=RATES[rate])} 2> /tmp/messages; "
                    "echo $? > /tmp/status",
                    f"echo '=== {what} status'; cat /tmp/status", f"echo '=== {what} messages'; cat /tmp/messages",
                    f"echo '=== {what} report'; escapement report --format json /tmp/p.pb.gz", "rm -f /tmp/p.pb.gz"]
    return "\n".join(job) + "\n"


def check_recording(sections, what, mallocs):
    """Compares a recording with the program's own count. `mallocs` extracts that count from what the program
    printed."""
    same(sections[f"{what} status"].strip(), "0", f"{what}: exit status; {sections[f'{what} messages']}")
    report = json.loads(sections[f"{what} report"])
    same((report["check"]["difference"], report["check"]["bound"]), (0, 0), f"{what}: difference and bound")
    same(report["lost"], {"events": 0, "stacks": 0}, f"{what}: lost")
    same(report["totals"]["objects"], mallocs(sections[f"{what} program"]), f"{what}: objects")
    named = [row for row in report["rows"] if row["file"] and row["line"]]
    assert named, f"{what}: no row has a line: {report['rows'][:3]}"


def mallocs_of_go(output):
    return json.loads(output.splitlines()[-1])["mallocs"]


def mallocs_of_goalloc(output):
    """Objects that the program allocated, from the last line of libgoalloc's own counters."""
    return json.loads(output.splitlines()[-1])["objects"]


def check_kernel(t, suite, series):
    harness.require_root()
    package, image = kernel(suite, series)
    programs = {"escapement": STATIC, "bpf_cost": harness.BUILD / "tests" / "tools" / "bpf_cost",
                "seeds": workload("seeds")}
    targets = {"goalloc": "sh -c 'seeds --rounds 50 --print-stats /tmp/stats && cat /tmp/stats'"}
    for release in GO_RELEASES:
        programs[f"go{release}"] = go_programs.build(release, "profiled")
        targets[f"go{release}"] = f"go{release} -rounds {{rounds}}"
    sections = boot(t, image, file_system(t, programs, recording_job(targets)))
    release = sections["kernel"].strip()
    same(sections["refusals"], "", f"{release}: programs that the verifier refuses")
    same(sections["doctor status"].strip(), "0", f"{release}: doctor's exit status; {sections['doctor']}")
    for name in targets:
        for rate in RATES:
            check_recording(sections, f"{name} {rate}", mallocs_of_goalloc if name == "goalloc" else mallocs_of_go)
    costs = [json.loads(line) for line in sections["verifier"].splitlines()]
    verified = sum(cost["verified"] for cost in costs)
    assert verified <= VERIFIED_MAX, f"{release}: the verifier processed {verified} instructions: {costs}"
    print(f"# {package} ({release}): {len(targets) * len(RATES)} recordings exact; verifier: {verified} instructions of "
          f"{len(costs)} programs", flush=True)


def test_lockdown_is_named_where_it_forbids_what_we_need(t):
    """Of the two lockdown modes, only confidentiality forbids BPF programs to read kernel memory."""
    harness.require_root()
    _, image = kernel("trixie", "6.12")
    targets = {"goalloc": "sh -c 'seeds --rounds 50 --print-stats /tmp/stats && cat /tmp/stats'"}
    archive = file_system(t, {"escapement": STATIC, "bpf_cost": harness.BUILD / "tests" / "tools" / "bpf_cost",
                              "seeds": workload("seeds")}, recording_job(targets))
    sections = boot(t, image, archive, "lockdown=integrity")
    same(sections["doctor status"].strip(), "0", f"doctor's exit status: {sections['doctor']}")
    for rate in RATES:
        check_recording(sections, f"goalloc {rate}", mallocs_of_goalloc)
    sections = boot(t, image, archive, "lockdown=confidentiality")
    same(sections["doctor status"].strip(), "3", f"doctor's exit status: {sections['doctor']}")
    harness.contains(sections["doctor"], "the kernel is locked down (confidentiality)")
    for rate in RATES:
        same(sections[f"goalloc {rate} status"].strip(), "3", f"record's exit status: {sections[f'goalloc {rate} messages']}")
        harness.contains(sections[f"goalloc {rate} messages"], "the kernel is locked down (confidentiality)")


def test_a_kernel_without_uprobes_is_named(t):
    harness.require_root()
    for program in ("flex", "bison", "bc"):
        need(program, program)
    done = t.run(ROOT / "packaging" / "kernel-without-uprobes", timeout=3600)
    targets = {"goalloc": "seeds --rounds 5"}
    archive = file_system(t, {"escapement": STATIC, "bpf_cost": harness.BUILD / "tests" / "tools" / "bpf_cost",
                              "seeds": workload("seeds")}, recording_job(targets))
    sections = boot(t, done.stdout.split()[1], archive)
    same(sections["doctor status"].strip(), "3", f"doctor's exit status: {sections['doctor']}")
    harness.contains(sections["doctor"], "this kernel has no uprobes")
    for rate in RATES:
        same(sections[f"goalloc {rate} status"].strip(), "3", f"record's exit status: {sections[f'goalloc {rate} messages']}")
        harness.contains(sections[f"goalloc {rate} messages"], "this kernel has no uprobes")


I386_JOB = """
i386 sleep & pid=$!
until grep -q i386 /proc/$pid/comm; do sleep 0.1; done
say() { echo "=== $*"; escapement $* 2>&1; echo "exit status $?"; }
say doctor -p $pid
say record -o /tmp/p -p $pid
say heap -o /tmp/p -p $pid
say record -o /tmp/p -- i386
say gate --baseline /tmp/b --update -- i386
"""


def test_a_32_bit_program_is_named_as_such(t):
    harness.require_root()
    _, image = kernel("trixie", "6.12")
    t.path("i386.go").write_text('package main\n\nimport (\n\t"os"\n\t"time"\n)\n\nfunc main() {\n\tif len(os.Args) > 1 {\n'
                                 "\t\ttime.Sleep(time.Hour)\n\t}\n}\n")
    t.run(harness.go_toolchain(GO_RELEASES[-1]), "build", "-o", t.path("i386"), t.path("i386.go"), timeout=600,
          env={**os.environ, "GOARCH": "386", "CGO_ENABLED": "0", "GO111MODULE": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local"})
    sections = boot(t, image, file_system(t, {"escapement": STATIC, "i386": t.path("i386")}, I386_JOB))
    said = {name: text for name, text in sections.items() if "exit status" in text}
    same(len(said), 5, f"commands: {sections}")
    for name, text in said.items():
        harness.contains(" ".join(text.split()), "is a 32-bit program, and only 64-bit ones can be measured")
        same(text.split()[-1], "3", f"{name}: exit status")


WATCH_JOB = """
mkdir /cg; mount -t cgroup2 none /cg; echo +memory > /cg/cgroup.subtree_control
mkdir /cg/limited; echo 256M > /cg/limited/memory.max
mkfifo /tmp/go; exec 3<>/tmp/go
sh -c 'echo $$ > /cg/limited/cgroup.procs; exec climb 100 2000 < /tmp/go' &
climb=$!
until grep -q climb /proc/$climb/comm; do sleep 0.1; done
escapement heap -p $climb --when 'oom' -o /tmp/heap.pb.gz 2> /tmp/messages & watcher=$!
until [ -e /tmp/heap.pb.gz ] || ! [ -d /proc/$watcher ]; do sleep 0.1; done
echo '=== inside'; cat /cg/limited/cgroup.procs; echo "=== climb"; echo $climb
echo g >&3
wait $watcher; echo "=== status"; echo $?
echo '=== messages'; cat /tmp/messages
echo '=== events'; cat /cg/limited/memory.events
echo '=== limit'; cat /cg/limited/memory.max
echo '=== files'; ls /tmp
echo '=== report'; escapement report --format json /tmp/heap.pb.gz
"""


def test_a_process_that_is_killed_in_a_cgroup_of_version_2_leaves_its_last_snapshots(t):
    harness.require_root()
    _, image = kernel("trixie", "6.12")
    programs = {"escapement": STATIC, "climb": go_programs.build("1.24", "stripped", "climb")}
    sections = boot(t, image, file_system(t, programs, WATCH_JOB))
    same(sections["status"].strip(), "0", f"exit status: {sections['messages']}")
    harness.contains(sections["messages"], "waiting for oom; now rss ")
    harness.contains(sections["messages"], " of 256MiB")
    said = re.search(r"of (\d+\.\d\d) s before|the snapshot of this moment", sections["messages"])
    assert said and float(said[1] or 0) < 5, sections["messages"]  # under emulation; test_when.py has the second
    same(re.findall(r"oom_kill (\d+)", sections["events"]), ["1"], "kills")
    same((sections["inside"].split(), sections["limit"].strip()), (sections["climb"].split()[:1], "268435456"), "processes, limit")
    assert "heap.3.pb.gz" in sections["files"], sections["files"]
    same(json.loads(sections["report"])["rows"][0]["function"], "main.climb", "who holds most")
    print(f"# {sections['messages'].splitlines()[-1]}", flush=True)


def make(suite, series):
    return lambda t: check_kernel(t, suite, series)


for row in KERNELS:
    globals()[f"test_recordings_are_exact_on_kernel_{row[1]}_of_{row[0]}"] = make(*row)

if __name__ == "__main__":
    harness.main()
