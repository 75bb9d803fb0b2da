# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kernels under QEMU's software emulation, because hardware virtualisation is not available everywhere. A kernel boots
from an initramfs that runs a job, whose output comes back over the serial line."""
import os
import pathlib
import re
import shutil
import subprocess

from harness import ROOT, Skip

# machine: (program, its Debian package, options, serial line). cx16 is off because some kernels crashed with it under
# emulation; pointer authentication is emulated by a cheap function in the place of the architecture's.
MACHINES = {
    "amd64": ("qemu-system-x86_64", "qemu-system-x86", ("-M", "q35,accel=tcg", "-cpu", "max,-cx16", "-m", "1024"), "ttyS0"),
    "arm64": ("qemu-system-aarch64", "qemu-system-arm", ("-M", "virt,accel=tcg", "-cpu", "max,pauth-impdef=on", "-m", "4096"),
              "ttyAMA0"),
}
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /tmp /dev
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /tmp; mount -t devtmpfs dev /dev
mount -t securityfs none /sys/kernel/security 2>/dev/null
exec > /dev/SERIAL 2>&1
export PATH=/bin LD_LIBRARY_PATH=/lib
sh /job
echo '=== end'
poweroff -f
"""


def packaging(script, *arguments):
    """The words that a script of packaging/ prints. What Debian does not have here skips the test."""
    done = subprocess.run([ROOT / "packaging" / script, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"{script} {' '.join(arguments)}: {done.stderr.strip()[-200:]}")
    return done.stdout.split()


def kernel(suite, series):
    """[package, image] of the newest kernel of a series. A suite of another machine is written `SUITE:ARCH`."""
    return packaging("debian-kernel", suite, series)


def need(program, package):
    path = shutil.which(program)
    if not path:
        raise Skip(f"needs {program} (Debian: {package})")
    return path


def libraries(program):
    """The shared libraries of a program of this machine: pairs of (name that it loads, path)."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        words = line.split()
        if "=>" in words and words[2].startswith("/"):
            yield words[0], words[2]
        elif words[0].startswith("/"):
            yield words[0], words[0]


def busybox(machine):
    if machine == "amd64":
        return need("busybox", "busybox-static")
    root, = packaging("debian-program", f"bookworm:{machine}", "busybox-static")
    return pathlib.Path(root) / "bin" / "busybox"


def file_system(t, machine, files, job):
    """Path of an initramfs with these files (path in it: path here) that runs `job`."""
    root = t.path("root")
    for directory in ("bin", "lib", "lib64"):
        (root / directory).mkdir(parents=True)
    for name, path in {"bin/busybox": busybox(machine), **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / name)
    (root / "init").write_text(INIT.replace("SERIAL", MACHINES[machine][3]))
    (root / "init").chmod(0o755)
    (root / "job").write_text(job)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = t.path("archive")
    with open(archive, "wb") as output:
        subprocess.run([need("busybox", "busybox-static"), "cpio", "-o", "-H", "newc"], input=names.encode(), stdout=output, cwd=root,
                       check=True, stderr=subprocess.DEVNULL)
    return archive


def boot(t, machine, image, archive, options=""):
    """Boots the kernel and runs the job. Returns the sections of its output: {"name": text}."""
    qemu, package, arguments, serial = MACHINES[machine]
    done = t.run(need(qemu, package), *arguments, "-smp", "1", "-nographic", "-no-reboot",
                 "-nic", "none", "-kernel", image, "-initrd", archive, "-append",
                 f"console={serial} quiet panic=-1 no_timer_check {options}")
    t.path("serial").write_text(done.stdout)
    if "KERNEL_LOG" in os.environ:
        shutil.copy(t.path("serial"), os.environ["KERNEL_LOG"])
    sections, name = {}, None
    for line in done.stdout.replace("\r", "").splitlines():
        mark = re.match(r"(?:.*\x1b\[[0-9;?]*[A-Za-z])?=== (.*)", line)
        if mark:
            name = mark[1]
            sections[name] = ""
        elif name:
            sections[name] += line + "\n"
    if "end" not in sections:
        raise AssertionError(f"{image}: the job did not finish: {done.stdout[-2000:]}")
    return sections
