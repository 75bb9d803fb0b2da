#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`-o FILE` with every kind of file name, as root and as another user, in directories where other users create links
and files."""
import contextlib
import errno
import json
import os
import pathlib
import resource
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time

import harness
from harness import contains, same

USER = {"user": 65534, "group": 65534, "extra_groups": []}


def report(t, output, status=0, program=harness.ESCAPEMENT, **options):
    profile = t.path("own")
    if not profile.exists():
        t.escapement("record", "-q", "--in-process", "-o", profile, "--", harness.workload("seeds"), "--rounds", 1)
        profile.chmod(0o644)
    return t.run(program, "report", "--format", "json", "-o", output, profile, status=status, **options)


def shell_can_write(path, **options):
    """The oracle: whether the kernel lets this user open the name for writing, tried by a shell's redirection."""
    return subprocess.run(["sh", "-c", 'true >> "$1"', "sh", path], capture_output=True, **options).returncode == 0


@contextlib.contextmanager
def protected(value="1"):
    """Turns on ("0": off) the kernel's protection against links and files of other users in shared directories, as
    distributions do."""
    settings = [pathlib.Path("/proc/sys/fs") / name for name in ("protected_symlinks", "protected_regular")]
    before = [setting.read_text() for setting in settings]
    try:
        for setting in settings:
            setting.write_text(value)
    except OSError as why:
        raise harness.Skip(f"fs.protected_symlinks cannot be set: {why}")
    try:
        yield
    finally:
        for setting, value_before in zip(settings, before):
            setting.write_text(value_before)


def shared_directory(t):
    """Creates a directory like /tmp, and one that only root may write to."""
    t.directory.chmod(0o755)
    shared, private = t.path("shared"), t.path("private")
    for directory, mode in ((shared, 0o1777), (private, 0o755)):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        directory.chmod(mode)
    return shared, private


def nothing_left(directory):
    same([name for name in os.listdir(directory) if name.startswith(".escapement")], [], "temporary files")


def test_a_link_is_followed_where_the_kernel_follows_it_and_nowhere_else(t):
    harness.require_root()
    follow_links(t)
    with protected():
        follow_links(t)


def follow_links(t):
    shared, private = shared_directory(t)
    victim = private / "victim"
    victim.write_text("precious")
    for owner in (65534, 0):
        link = shared / f"link-{owner}"
        link.symlink_to(victim)
        os.lchown(link, owner, owner)
        allowed = shell_can_write(link)
        done = report(t, link, status=0 if allowed else 2)
        if allowed:
            json.loads(victim.read_text())
        else:
            contains(done.stderr, "Permission denied")
            same(victim.read_text(), "precious")
        assert link.is_symlink()
        victim.write_text("precious")
    same(shell_can_write(shared / "link-0"), True, "root follows its own link")
    nothing_left(shared)
    nothing_left(private)


def test_a_link_that_somebody_else_made_to_no_file_yet_creates_none(t):
    harness.require_root()
    shared, private = shared_directory(t)
    link = shared / "link"
    link.symlink_to(private / "new")
    os.lchown(link, 65534, 65534)
    with protected():
        contains(report(t, link, status=2).stderr, "Permission denied")
    same(os.listdir(private), [])


def test_a_file_of_somebody_else_in_a_shared_directory_is_taken_as_the_kernel_takes_it(t):
    harness.require_root()
    shared, _ = shared_directory(t)
    planted = shared / "planted"
    for rules, allowed in ((contextlib.nullcontext(), None), (protected(), False)):
        planted.write_text("old")
        planted.chmod(0o666)
        os.chown(planted, 65534, 65534)
        with rules:
            if allowed is None:
                allowed = shell_can_write(planted)
            report(t, planted, status=0 if allowed else 2)
        if not allowed:
            same(planted.read_text(), "old")
        nothing_left(shared)


def same_file(before, after):
    same((after.st_ino, after.st_mode, after.st_uid), (before.st_ino, before.st_mode, before.st_uid))


def test_a_file_that_cannot_be_replaced_is_overwritten(t):
    """Its name is somebody else's in a sticky directory, or in a directory in which we may create nothing."""
    harness.require_root()
    shared, private = shared_directory(t)
    program = t.copy(harness.ESCAPEMENT)
    report(t, t.path("first"))
    for target in (shared / "target", private / "target"):
        target.write_text("x" * 1_000_000)
        target.chmod(0o666)
        os.chown(target, 65533, 65533)
        before = target.stat()
        with protected("0"):
            same(shell_can_write(target, **USER), True, "another user may write it")
            report(t, target, program=program, **USER)
        same_file(before, target.stat())
        same(target.read_text(), t.path("first").read_text(), target)
        nothing_left(target.parent)


@contextlib.contextmanager
def attribute(directory, letter):
    if subprocess.run(["chattr", f"+{letter}", directory], capture_output=True).returncode:
        raise harness.Skip(f"chattr +{letter} is not possible here")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{letter}", directory], check=True)


def test_a_directory_that_even_root_cannot_change_keeps_its_names(t):
    """Immutable, or append-only, in which a temporary file could be created, but not removed."""
    harness.require_root()
    report(t, t.path("first"))
    directory = t.path("directory")
    directory.mkdir()
    target = directory / "target"
    for letter in "ia":
        target.write_text("x" * 1_000_000)
        before = target.stat()
        with attribute(directory, letter):
            report(t, target)
            same_file(before, target.stat())
            same(target.read_text(), t.path("first").read_text(), letter)
            contains(report(t, directory / "new", status=2).stderr, "Operation not permitted")
            contains(t.escapement("record", "-q", "--in-process", "-o", directory / "new", "--", "touch", t.path("started"),
                                  status=2).stderr, f"cannot write '{directory}/new': Operation not permitted")
        assert not t.path("started").exists(), "refused only after the program had run"
        same(os.listdir(directory), ["target"], letter)


def test_a_mount_point_is_overwritten(t):
    """As with docker run -v FILE:/FILE."""
    harness.require_root()
    if t.run("unshare", "--mount", "true", status=None).returncode:
        raise harness.Skip("mount namespaces are not permitted here")
    report(t, t.path("first"))
    outside, inside = t.path("outside"), t.path("inside")
    outside.write_text("x" * 1_000_000)
    inside.touch()
    before = outside.stat()
    for options in ("bind", "bind,ro"):
        done = t.run("unshare", "--mount", "sh", "-c", f'mount -o bind {outside} {inside} && '
                     f'mount -o remount,{options} {inside} && exec "$@"', "sh", harness.ESCAPEMENT, "record", "-q", "--in-process",
                     "-o", inside, "--", harness.workload("seeds"), "--rounds", 2, status=2 if "ro" in options else 0)
    contains(done.stderr, "Read-only file system")
    same_file(before, outside.stat())
    same(inside.stat().st_size, 0)
    t.escapement("report", outside)
    nothing_left(t.directory)


def test_what_a_link_leads_to_is_the_same_file_afterwards(t):
    target = t.path("target")
    target.write_text("x" * 1_000_000)
    target.chmod(0o604)
    t.path("link").symlink_to(target)
    before = target.stat()
    report(t, t.path("link"))
    same_file(before, target.stat())
    json.loads(target.read_text())


def test_a_disk_without_space_leaves_what_a_link_leads_to(t):
    """Whether its file system can reserve space, cannot (ext3, NFS 3), or says that a quota is used up; and whether the old contents
    take any."""
    harness.require_root()
    if t.run("unshare", "--mount", "true", status=None).returncode:
        raise harness.Skip("mount namespaces are not permitted here")
    report(t, t.path("first"))
    disk, link, deny = t.path("disk"), t.path("link"), harness.BUILD / "tests" / "tools" / "deny"
    disk.mkdir()
    link.symlink_to(disk / "old")
    script = f'mount -t tmpfs -o size=256k none {disk} && echo old > {disk}/old && ' \
        f'{{ [ $0 != holes ] || truncate -s 1M {disk}/old; }} && ' \
        f'{{ [ $0 = empty ] || head -c 1000000 /dev/zero > {disk}/filler 2> filled; "$@"; status=$?; ' \
        f'tr -d "\\\\000" < {disk}/old; stat -c %s {disk}/old >&2; exit $status; }}'
    for space, code, why in (("full", None, errno.ENOSPC), ("full", errno.EOPNOTSUPP, errno.ENOSPC),
                             ("full", errno.ENOSYS, errno.ENOSPC), ("holes", errno.EOPNOTSUPP, errno.ENOSPC),
                             ("holes", None, errno.ENOSPC), ("empty", errno.EDQUOT, errno.EDQUOT)):
        before = [deny, "fallocate", code] if code else []
        done = t.run("unshare", "--mount", "sh", "-c", script, space, *before, harness.ESCAPEMENT, "html", "-o", link,
                     t.path("own"), status=2)
        contains(done.stderr, f"cannot write '{link}': {os.strerror(why)}")
        same(done.stdout, "old\n", f"{space}, {code}: the old contents")
        same(done.stderr.splitlines()[-1], str(1 << 20 if space == "holes" else 4), f"{space}, {code}: their size")
    for code in (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL):  # of a file system, a seccomp filter, FUSE
        done = t.run("unshare", "--mount", "sh", "-c", script, "empty", deny, "fallocate", code, harness.ESCAPEMENT,
                     "report", "--format", "json", "-o", link, t.path("own"))
        same(done.stdout, t.path("first").read_text(), f"where there is space, {code}")


# --- access control lists ---

OWNER, USER_NAMED, GROUP, MASK, OTHERS = 1, 2, 4, 0x10, 0x20  # linux/posix_acl.h


def access_list(user, group, others):
    """The attribute of a list that lets its owner do all, and the user 65534 what `user` says."""
    entries = ((OWNER, 7, 0xffffffff), (USER_NAMED, user, 65534), (GROUP, group, 0xffffffff), (MASK, 7, 0xffffffff),
               (OTHERS, others, 0xffffffff))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def set_list(path, kind, value):
    try:
        os.setxattr(path, f"system.posix_acl_{kind}", value)
    except OSError as why:
        raise harness.Skip(f"no access control lists here: {why}")


def rights(path):
    """Mode and list."""
    name = "system.posix_acl_access"
    return oct(path.stat().st_mode), os.getxattr(path, name) if name in os.listxattr(path) else None


def test_a_new_file_has_the_rights_that_its_directory_gives(t):
    set_list(t.directory, "default", access_list(user=6, group=0, others=0))
    shell_can_write(t.path("expected"))
    report(t, t.path("out"))
    same(rights(t.path("out")), rights(t.path("expected")))


def test_a_file_that_is_replaced_keeps_its_access_control_list(t):
    out = t.path("out")
    out.write_text("old")
    set_list(out, "access", access_list(user=6, group=0, others=0))
    before = rights(out)
    report(t, out)
    same(rights(out), before)


def test_a_file_without_a_list_gets_none_from_its_directory(t):
    out = t.path("out")
    out.write_text("old")
    out.chmod(0o660)
    set_list(t.directory, "default", access_list(user=7, group=7, others=7))
    report(t, out)
    same(rights(out), ("0o100660", None))


def test_without_the_group_its_rights_in_a_list_are_those_of_all(t):
    harness.require_root()
    shared, _ = shared_directory(t)
    shared.chmod(0o777)
    program = t.copy(harness.ESCAPEMENT)
    report(t, t.path("first"))
    target = shared / "out"
    target.touch()
    os.chown(target, 65533, 65533)
    set_list(target, "access", access_list(user=6, group=6, others=4))
    report(t, target, program=program, **USER)
    same((target.stat().st_uid, target.stat().st_gid), (65534, 65534))
    same(rights(target)[1], access_list(user=6, group=4, others=4))


def test_a_failure_leaves_what_was_there(t):
    target = t.path("target")
    target.write_text("old")
    t.path("link").symlink_to(target)
    for name in ("target", "link"):
        t.escapement("report", "-o", t.path(name), t.path("none"), status=2)
        same(target.read_text(), "old", name)
    t.escapement("report", "-o", t.path("new"), t.path("none"), status=2)
    same(sorted(os.listdir(t.directory)), ["link", "target"])


def test_other_users_have_the_same_rules(t):
    harness.require_root()
    shared, private = shared_directory(t)
    program = t.copy(harness.ESCAPEMENT)
    report(t, t.path("first"))
    for name, status in ((private / "out", 2), (shared / "out", 0)):
        report(t, name, status=status, program=program, **USER)
    same((shared / "out").stat().st_uid, 65534)
    target, link = shared / "target", shared / "link"
    target.write_text("root's")
    target.chmod(0o644)
    link.symlink_to(target)
    os.lchown(link, 65534, 65534)
    contains(report(t, link, status=2, program=program, **USER).stderr, "Permission denied")
    contains(report(t, target, status=2, program=program, **USER).stderr, "Permission denied")
    same(target.read_text(), "root's")


def test_a_pipe_is_written_and_stays_one(t):
    pipe = t.path("pipe")
    report(t, t.path("first"))
    os.mkfifo(pipe)
    t.path("link").symlink_to(pipe)
    for name in ("pipe", "link"):
        reader = t.start("cat", pipe)
        report(t, t.path(name))
        json.loads(reader.communicate(timeout=harness.TIMEOUT)[0])
        assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_without_a_reader_is_an_error_after_a_while(t):
    pipe = t.path("pipe")
    report(t, t.path("first"))
    os.mkfifo(pipe)
    begin = time.monotonic()
    contains(report(t, pipe, status=2).stderr, "no process reads the pipe")
    assert time.monotonic() - begin > 2, "it did not wait for the reader"


def test_a_descriptor_is_written_from_where_it_stands(t):
    """As a shell's `>&9` does: nothing that is there is overwritten, and what it is does not matter."""
    expected = report(t, t.path("first")) and t.path("first").read_text()
    t.path("link").symlink_to("/dev/stdout")
    t.path("farther").symlink_to("link")
    t.path("descriptors").symlink_to("/dev/fd")
    links = [str(t.path(name)) for name in ("link", "farther", "descriptors/1")]
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "-", *links):
        for mode in ("w", "a"):
            log = t.path("log")
            log.write_text("old\n")
            with open(log, mode) as stream:
                stream.write("before\n")
                stream.flush()
                subprocess.run([harness.ESCAPEMENT, "report", "--format", "json", "-o", name, t.path("own")], stdout=stream,
                               check=True)
            same(log.read_text(), ("old\n" if mode == "a" else "") + "before\n" + expected, f"{name}, opened with {mode}")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([harness.ESCAPEMENT, "report", "--format", "json", "-o", "/dev/stdout", t.path("own")], stdout=theirs,
                       check=True)
        same(ours.recv(len(expected), socket.MSG_WAITALL).decode(), expected, "through a socket")
    with open(t.path("own")) as readable:
        for name in ("/dev/fd/77", "/dev/fd/3", "/dev/fd/0"):  # not open, ours, and not open for writing
            contains(report(t, name, status=2, stdin=readable).stderr, f"cannot write '{name}': Bad file descriptor")


def test_a_file_below_dev_is_a_file(t):
    shared = pathlib.Path("/dev/shm")
    if not shared.is_dir() or not os.access(shared, os.W_OK):
        raise harness.Skip("/dev/shm cannot be written to")
    with tempfile.TemporaryDirectory(dir=shared) as directory:
        target = pathlib.Path(directory) / "report"
        report(t, target)
        json.loads(target.read_text())
        t.escapement("report", "-o", target, t.path("none"), status=2)
        t.escapement("record", "-q", "-o", target, "--", t.path("none"), status=2)
        json.loads(target.read_text())
        nothing_left(directory)


def test_a_limit_of_the_size_of_files_is_said_and_leaves_what_was_there(t):
    report(t, t.path("target"))
    for name in ("target", "new"):
        before = t.path(name).read_text() if t.path(name).exists() else None
        done = report(t, t.path(name), status=2,
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)))
        contains(done.stderr, f"cannot write '{t.path(name)}': File too large")
        same(t.path(name).read_text() if t.path(name).exists() else None, before, name)
    nothing_left(t.directory)


def test_a_limit_of_the_size_of_files_ends_a_program_as_ever(t):
    harness.require_root()
    done = t.escapement("record", "-q", "-o", "-", "--", harness.workload("seeds"), "--print-stats", t.path("stats"), status=3,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    contains(done.stderr, "the program was killed by SIGXFSZ")


def test_a_device_is_written_and_stays_one(t):
    harness.require_root()
    device = t.path("device")
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    report(t, device)
    assert stat.S_ISCHR(device.stat().st_mode)
    same(sorted(os.listdir(t.directory)), ["device", "own"])


def test_a_directory_is_refused(t):
    for name in (t.directory, f"{t.directory}/"):
        contains(report(t, name, status=2).stderr, "Is a directory")


def test_what_root_makes_through_sudo_belongs_to_the_caller_where_the_caller_could_have_made_it(t):
    harness.require_root()
    shared, private = shared_directory(t)
    theirs = t.path("theirs")
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    for directory, owner in ((shared, 65534), (theirs, 65534), (private, 0)):
        report(t, directory / "out", env={**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65533"})
        same((directory / "out").stat().st_uid, owner, directory)
    for value in ("", "x", "-1", "4294967295", "99999999999999999999"):
        report(t, shared / f"odd{value}", env={**os.environ, "SUDO_UID": value, "SUDO_GID": value})
        same((shared / f"odd{value}").stat().st_uid, 0, f"SUDO_UID={value}")


if __name__ == "__main__":
    harness.main()
