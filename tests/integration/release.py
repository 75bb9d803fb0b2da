#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What users download: the static binary on other systems, the packages, and reproducible builds; `make test-release`.

Needs root, debootstrap, debhelper and lintian. The base systems are created once and kept beside the other caches.
"""
import collections
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import go_programs
import harness
import kernels
import test_heap
from harness import BUILD, ESCAPEMENT, ROOT, contains, same, workload

STATIC = BUILD / "static" / "escapement"
LARGEST = 8 << 20
CORPUS = ROOT / "tests" / "fuzz" / "corpus"


def base_system(t, suite):
    """A minimal Debian base system of this test."""
    t.run(ROOT / "packaging" / "bare", suite, t.path(suite), "true")
    return t.path(suite)


def musl_system(t):
    """A root file system with Debian's musl and busybox, and no other C library."""
    root = t.path("musl")
    for directory in ("bin", "lib", "tmp", "src", "proc", "sys", "dev"):
        (root / directory).mkdir(parents=True)
    musl = t.run(ROOT / "packaging" / "debian-program", "bookworm", "musl").stdout.strip()
    busybox = t.run(ROOT / "packaging" / "debian-program", "bookworm", "busybox-static").stdout.strip()
    shutil.copytree(pathlib.Path(musl) / "lib", root / "lib", dirs_exist_ok=True, symlinks=True)
    shutil.copy(pathlib.Path(busybox) / "bin" / "busybox", root / "bin" / "busybox")
    for name in ("sh", "umount"):  # which packaging/bare needs
        (root / "bin" / name).symlink_to("busybox")
    return root


def profile(t):
    harness.require_root()
    path = t.path("p.pb.gz")
    t.escapement("record", "--rate", "1", "-o", path, "--", workload("seeds"), "--rounds", "50")
    return path


def choices(option, *command):
    """What the program says that an option of a command may be."""
    done = subprocess.run([ESCAPEMENT, *command, option, "?"], capture_output=True, text=True, timeout=harness.TIMEOUT)
    return re.search(r"expected one of (.*)", done.stderr)[1].split(", ")


def profiles(t):
    """Profiles of each kind: of C and of Go, exact and estimated, live heaps, what Go's runtime writes itself, and the fuzzer's."""
    program = go_programs.build(go_programs.EVERYDAY[-1], "profiled")
    for name, rate, arguments in (("goalloc", "1", (workload("seeds"), "--rounds", "50")), ("go", "1", (program, "-rounds", "20")),
                                  ("sampled", "512k", (program, "-rounds", "1000")), ("refills", "0", (program, "-rounds", "20"))):
        t.escapement("record", "--rate", rate, "-o", t.path(name), "--", *arguments)
        yield t.path(name)
    alive = test_heap.Alive(t, go_programs.EVERYDAY[-1], "plain", rate=512)
    alive.do(*test_heap.WORK, "gc 2", f"write {t.path('own')}")
    t.escapement("heap", "-p", alive.pid, "--format", "pprof", "-o", t.path("heap"))
    alive.process.kill()
    yield from (t.path("heap"), t.path("own.pb.gz"), *sorted((CORPUS / "pprof").iterdir()))


def offline_commands(t):
    """Commands that do not need a process to record, in each of their formats, with all files of the fixtures that they read."""
    harness.require_root()
    texts = sorted((harness.FIXTURES / "escape-output").glob("*.txt"))
    explained = next(path for path in texts if path.name == "seeds.go1.24.m2.txt")
    for text in (*texts, *sorted((CORPUS / "escape").iterdir()), *sorted((CORPUS / "json").iterdir())):
        yield from (["escapes", "--format", form, text] for form in ("text", "json"))
        yield from (["escapes", *how, text] for how in (["--counts"], ["--by", "package"], ["--flow"]))
    for old, new in zip(texts, texts[1:]):
        yield from (["escapes", "--diff", old, "--format", form, new] for form in choices("--format", "escapes"))
    recorded = list(profiles(t))
    for each, before in zip(recorded, (recorded[0], *recorded)):
        yield from (["report", "--format", form, "--by", by, each]
                    for form in choices("--format", "report") for by in choices("--by", "report"))
        yield from (["audit", "--format", form, "-e", explained, "--advice", "--flow", each] for form in choices("--format", "audit"))
        yield from (["gate", "compare", "--format", form, before, each] for form in choices("--format", "gate", "compare"))
        yield from (["compare", "--format", form, before, each] for form in choices("--format", "compare"))
        yield ["html", "-e", explained, "--diff", before, "-o", "-", each]
    baseline = CORPUS / "baseline" / "rhythm"
    yield from (["gate", "compare", baseline, each] for each in sorted((CORPUS / "baseline").iterdir()))
    yield from (["gate", "compare", "--policy", rules, baseline, baseline] for rules in sorted((CORPUS / "policy").iterdir()))
    yield from (["version"], ["version", "--format", "json"], ["help"], ["report", t.path("missing")])
    for command in re.findall(r"^  ([a-z]+) ", t.escapement("help").stdout.partition("commands:")[2], re.M):
        yield from ([command, "--help"], ["help", "--man", command])
    yield from (["help", "--completion", shell] for shell in ("bash", "zsh"))
    yield from (["agent", "--schema", store] for store in choices("--schema", "agent"))


def output(*program):
    """Exit status and output of a command, without the number, drawn by chance, that pages and lines for GitHub have."""
    done = subprocess.run(list(map(str, program)), capture_output=True, text=True, errors="replace", timeout=harness.TIMEOUT)
    nonce = re.search(r"(?:'nonce-|^::stop-commands::)([0-9a-f]{32})", done.stdout, re.M)
    return done.returncode, done.stdout.replace(nonce[1], "") if nonce else done.stdout, done.stderr


def compare_outputs(t, *program, but=lambda text: text):
    """Compares what a program prints with what the shared build of this machine does. Returns the numbers of commands by name."""
    count = collections.Counter()
    for arguments in offline_commands(t):
        status, printed, said = output(*program, *arguments)
        expected = output(ESCAPEMENT, *arguments)
        for one, other in itertools.zip_longest(but(printed).split("\n"), expected[1].split("\n")):
            same(one, other, f"{arguments}: line")
        same((status, said), (expected[0], expected[2]), arguments)
        count[arguments[0]] += 1
    return ", ".join(f"{number} {name}" for name, number in count.items()), count.total()


def test_the_static_binary_prints_what_the_shared_one_prints(t):
    kinds, count = compare_outputs(t, STATIC)
    print(f"# {count} commands print the same bytes: {kinds}")


def test_it_is_one_file_of_under_8_mb_without_shared_libraries(t):
    contains(t.run("readelf", "--program-headers", STATIC).stdout, "GNU_RELRO")
    for header in ("INTERP", "NEEDED"):
        assert header not in t.run("readelf", "--program-headers", "--dynamic", STATIC).stdout, header
    size = STATIC.stat().st_size
    assert size < LARGEST, size
    print(f"# {size} bytes")


def test_the_licences_of_all_that_is_linked_into_it_are_beside_it(t):
    static = STATIC.relative_to(ROOT)
    planned = t.run("make", "-n", "-W", static.parent.parent / "libescapement.a", static, f"B={static.parent.parent}", cwd=ROOT, env=harness.FRESH)
    command = next(line for line in planned.stdout.replace("\\\n", " ").splitlines() if "-static-pie" in line)
    traced = t.run("sh", "-euc", command.replace(f"-o {static}", f"-Wl,--trace -o {t.path('linked')}"), cwd=ROOT).stdout
    archives = {pathlib.Path(name).resolve() for name in re.findall(r"/[^\n(]*\.a\b", traced)}
    packages = {t.run("dpkg", "-S", path).stdout.split(":")[0] for path in archives if path.is_relative_to("/usr")}
    licences = (STATIC.parent / "LICENCES").read_text()
    for package in sorted(packages):
        if package.startswith("libgcc-"):  # whose exception lets it be linked into anything
            continue
        contains(licences, pathlib.Path(f"/usr/share/doc/{package}/copyright").read_text())
    contains(licences, (ROOT / "LICENSE").read_text())
    same(len(archives) > 10 and len(packages) > 5, True, f"{archives}: archives that are linked")
    print(f"# {', '.join(sorted(packages))}")


def test_what_needs_http_is_not_in_the_static_binary_and_it_says_so(t):
    for section in ("clickhouse", "pyroscope", "otlp", "prometheus"):
        where = "listen = 127.0.0.1:1" if section == "prometheus" else "url = https://127.0.0.1:1"
        t.path("agent.conf").write_text(f"spool = {t.path('spool')}\n[watch a]\nname = a\n[{section}]\n{where}\n")
        contains(t.run(STATIC, "agent", "--config", t.path("agent.conf"), status=3).stderr, "the static binary of escapement has no HTTP")
    for command in ("report", "audit"):
        contains(t.run(STATIC, command, "clickhouse://127.0.0.1:1/escapement?service=a&since=1h", status=3).stderr,
                 "the static binary of escapement has no HTTP")
    same(t.run(STATIC, "agent", "--schema", "clickhouse").stdout, t.run(ESCAPEMENT, "agent", "--schema", "clickhouse").stdout)
    assert not t.path("spool").exists()


# kind of program: its arguments, and what counts its objects
RECORDED = {"go": ("-rounds 20", kernels.mallocs_of_go), "goalloc": ("--rounds 50 --print-stats /dev/stdout", kernels.mallocs_of_goalloc)}


def check_on(t, root, recording, *kinds):
    """Runs commands in a system, the recording of programs of these kinds among them."""
    for name, path in (("escapement", STATIC), ("p.pb.gz", recording), ("goalloc", workload("seeds")),
                       ("go", go_programs.build(go_programs.EVERYDAY[-1], "profiled")),
                       ("m.txt", ROOT / "tests" / "fixtures" / "escape-output" / "seeds.go1.24.m2.txt")):
        shutil.copy(path, root / "tmp" / name)
    for arguments, said in ((["version"], "escapement "), (["escapes", "/tmp/m.txt"], "escapes"),
                            (["report", "/tmp/p.pb.gz"], "objects"), (["audit", "-e", "/tmp/m.txt", "/tmp/p.pb.gz"], "objects"),
                            (["gate", "compare", "/tmp/p.pb.gz", "/tmp/p.pb.gz"], "pass")):
        done = t.run("chroot", root, "/tmp/escapement", *arguments)
        contains((done.stdout + done.stderr).lower(), said)
    for kind in kinds:
        arguments, mallocs = RECORDED[kind]
        done = t.run(ROOT / "packaging" / "bare", root.name, root, "/tmp/escapement", "record", "--rate", "1", "-o", "/tmp/recorded",
                     "--", f"/tmp/{kind}", *arguments.split())
        report = json.loads(t.run(STATIC, "report", "--format", "json", root / "tmp" / "recorded").stdout)
        same((report["check"]["difference"], report["totals"]["objects"]), (0, mallocs(done.stdout)), f"{kind}: difference, objects")
        print(f"# {root.name}: {kind}: {report['totals']['objects']} objects recorded", flush=True)


def test_it_runs_on_debian_11_12_and_13_without_a_package(t):
    recording = profile(t)
    # the workload on libgoalloc is built here, for a C library that Debian 11 does not have
    for suite, kinds in (("bullseye", ["go"]), ("bookworm", ["go", "goalloc"]), ("trixie", ["go", "goalloc"])):
        check_on(t, base_system(t, suite), recording, *kinds)
        print(f"# {suite}: ok")


def test_it_runs_on_musl(t):
    recording, root = profile(t), musl_system(t)
    same(t.run("chroot", root, "/bin/busybox", "echo", "here").stdout, "here\n")
    check_on(t, root, recording, "go")


def test_it_records(t):
    harness.require_root()
    recording = t.path("p.pb.gz")
    t.run(STATIC, "record", "--rate", "1", "-o", recording, "--", workload("seeds"), "--rounds", "50")
    report = json.loads(t.run(STATIC, "report", "--format", "json", recording).stdout)
    same((report["exact"]["totals"], report["check"]["difference"]), (True, 0))


def test_it_starts_a_program_as_another_user_by_the_files_alone(t):
    harness.require_root()
    done = t.run(STATIC, "record", "--user", "nobody", "-o", t.path("p"), "--", workload("seeds"), "--rounds", "1")
    contains(done.stderr, "objects")


def test_capabilities_of_the_file_are_enough_without_root(t):
    harness.require_root()
    directory = t.path("shared")
    directory.mkdir()
    program = directory / "escapement"
    shutil.copy(STATIC, program)
    for path in (workload("seeds"), BUILD / "libgoalloc.so"):
        shutil.copy(path, directory / ("libgoalloc.so.1" if path.suffix else path.name))
    said, = re.findall(r"## Without root\n\n```sh.*\n([^`]*)", (ROOT / "docs" / "install.md").read_text())
    t.run("sh", "-euxc", said.replace(" profilers ", " nogroup ").replace("build/static/escapement", str(program)))
    for path in (directory.parent, directory):
        path.chmod(0o777)

    def run(group, status, *command):
        # by way of a shell: setpriv itself has capabilities until it executes something
        return t.run("setpriv", "--reuid", "65534", "--regid", group, "--clear-groups", "sh", "-c", '"$@"', "sh", program, *command,
                     env={**os.environ, "LD_LIBRARY_PATH": str(directory)}, status=status)

    run("games", 126, "version")
    run("nogroup", 0, "record", "--rate", "1", "-o", directory / "p", "--", directory / "seeds", "--rounds", "10")
    same((directory / "p").stat().st_uid, 65534, "the profile's owner")
    same(t.json("report", directory / "p")["check"]["difference"], 0)


def clone(t, name):
    directory = t.path(name)
    t.run("git", "clone", "-q", ROOT, directory)
    return directory


BUILT = ("escapement", "libgoalloc.so", "libgoalloc.a", "libgoalloc-preload.so", "static/escapement")
ELSEWHERE = {**harness.FRESH, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "XZ_OPT": "-0"}


def tarball(t, directory, **options):
    t.run("make", "-s", "dist", cwd=directory, **options)
    path, = (directory / "build" / "dist").iterdir()
    return path


def unpacked(t, path, name):
    """A tarball's folder: without git, below a name that shells and make have to be careful with."""
    t.path(name).mkdir()
    t.run("tar", "-xf", path, "-C", t.path(name))
    directory, = t.path(name).iterdir()
    return directory


def test_the_clone_and_its_tarball_are_built_equal_byte_for_byte(t):
    made = []
    source = clone(t, "one")
    packed = tarball(t, source, env=harness.FRESH)
    same(tarball(t, clone(t, "two"), env=ELSEWHERE, umask=0o077).read_bytes() == packed.read_bytes(), True, "equal tarballs")
    elsewhere = unpacked(t, packed, "an odd folder & ü")
    contains(t.run("make", "-s", "dist", cwd=elsewhere, env=harness.FRESH, status=2).stderr, "make dist needs a git checkout")
    for directory, options in ((source, {"env": harness.FRESH}), (elsewhere, {"env": ELSEWHERE, "umask": 0o077})):
        t.run("make", "-s", "-j2", "all", "static", cwd=directory, **options)
        made.append({path: (directory / "build" / path).read_bytes() for path in BUILT})
    same([name for name in made[0] if made[0][name] != made[1][name]], [], "files that differ")
    print(f"# {len(made[0])} files are identical")


def test_what_is_changed_is_built_again_with_all_that_has_it(t):
    """Make's plan, beside what the compiler wrote down that it has read."""
    build, read = BUILD.relative_to(ROOT), collections.defaultdict(set)
    for path in BUILD.rglob("*.d"):
        target, _, names = path.read_text().replace("\\\n", " ").partition("\n")[0].partition(":")
        if not target.startswith((f"{build}/cli/", f"{build}/user/", f"{build}/alloc-runtime/")) or not (ROOT / names.split()[0]).exists():
            continue  # of a test, or of a file that is no more
        for name in names.split():
            if not name.startswith(("/", f"{build}/")):
                read[os.path.normpath(name)].add(os.path.normpath(target))
    for path in (*(ROOT / "user").rglob("*.c"), *(ROOT / "cli").glob("*.c")):
        if "ESCAPEMENT_VERSION" in path.read_text():
            read["Makefile"].add(str(build / path.relative_to(ROOT).with_suffix(".o")))
    read["alloc-runtime/sections.map"] = read["alloc-runtime/sections.ld"] = {str(build / name) for name in BUILT if name.endswith(".so")}
    assert len(read) > 500 and any("cli/static/" in target for target in read["user/fleet/http.h"]), len(read)
    for name, targets in sorted(read.items()):
        plan = t.run("make", "-n", "V=1", "-W", name, "all", "static", build / "alloc-runtime" / "libgoalloc-inside.a", f"B={build}",
                     cwd=ROOT, env=harness.FRESH).stdout
        same(targets - {os.path.normpath(each) for each in re.findall(r"-o (\S+)", plan)}, set(), f"what {name} does not build again")
    print(f"# {len(read)} files")


def test_packages_are_built_and_work_where_nothing_else_is_installed(t):
    harness.require_root()
    directory = clone(t, "packages")
    t.run("make", "-s", "deb", cwd=directory, env=harness.FRESH)
    packages = list((directory / "build" / "deb").glob("*.deb"))
    same(sorted(path.name.split("_")[0] for path in packages),
         ["escapement", "escapement-dbgsym", "libgoalloc-dev", "libgoalloc1", "libgoalloc1-dbgsym"])
    elsewhere = unpacked(t, tarball(t, directory, env=harness.FRESH), "an odd folder & ü")
    t.run("make", "-s", "deb", cwd=elsewhere, env=ELSEWHERE, umask=0o077)
    same([path.name for path in packages if path.read_bytes() != (elsewhere / "build" / "deb" / path.name).read_bytes()], [], "packages that differ")
    scripts = t.path("scripts")
    t.run("dpkg-deb", "--control", next(path for path in packages if path.name.startswith("escapement_")), scripts)
    for name, action in (("postinst", "restart"), ("prerm", "stop")):
        contains((scripts / name).read_text(), action)
    same((scripts / "preinst").exists(), False, "a script that stops the agent before an upgrade")
    root = base_system(t, "bookworm")
    for path in packages:
        shutil.copy(path, root / "tmp")
    shutil.copy(workload("seeds"), root / "tmp" / "seeds")
    t.run(ROOT / "packaging" / "bare", "bookworm", root, "sh", "-ec", """
        export DEBIAN_FRONTEND=noninteractive
        rm -rf /src && mkdir /src
        apt-get -qq update
        apt-get -qq -y --no-install-recommends install /tmp/escapement_*.deb /tmp/libgoalloc1_*.deb /tmp/libgoalloc-dev_*.deb gcc libc6-dev pkg-config
        escapement version
        printf '#include <goalloc.h>\\nint main(void) { for (int i = 0; i < 1000; i++) goalloc_free(goalloc_noscan_at(64, GOALLOC_SITE())); }\\n' > /tmp/p.c
        gcc -g -o /tmp/p /tmp/p.c $(pkg-config --cflags --libs goalloc)
        escapement record --rate 1 -o /tmp/p.pb.gz -- /tmp/p
        escapement report --format json /tmp/p.pb.gz > /tmp/report.json
    """)
    report = json.loads((root / "tmp" / "report.json").read_text())
    same((report["totals"]["objects"], report["check"]["difference"]), (1000, 0))


def test_a_base_system_that_is_killed_while_it_is_made_leaves_nothing_mounted(t):
    harness.require_root()
    cache = t.path("killed")
    started = t.start(ROOT / "packaging" / "bare", "bookworm", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                      env={**os.environ, "ESCAPEMENT_CACHE": str(cache)})

    def mounted(pid):
        return f"{cache}/roots/bookworm/proc " in pathlib.Path(f"/proc/{pid}/mountinfo").read_text()

    def mounts():
        same(started.poll(), None, "status of a command that has ended before /proc was mounted")
        for pid in harness.descendants(started.pid):
            with contextlib.suppress(OSError):
                if mounted(pid):
                    return True
        return False

    harness.wait_for(mounts, "/proc to be mounted in the new system", 600)
    stopped = set()
    while new := {started.pid, *harness.descendants(started.pid)} - stopped:  # none may start another one meanwhile
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                harness.wait_for(lambda pid=pid: harness.states(pid) <= {"T", "Z", "X"}, f"process {pid} to stop")
        stopped |= new
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    started.wait()
    same(mounted("self"), False, "still mounted")


def test_the_steps_of_the_container_image_make_one_file_that_runs_alone(t):
    """The Containerfile's own steps, in base systems in the place of its images."""
    harness.require_root()
    steps = [line.split(maxsplit=1) for line in (ROOT / "packaging" / "container" / "Containerfile").read_text().splitlines()
             if line and not line.startswith("#")]
    suite = next(value for key, value in steps if key == "FROM").removeprefix("debian:").split()[0]
    for key, command in steps:
        if key == "RUN":
            t.run(ROOT / "packaging" / "bare", suite, t.path("build"), "sh", "-euc", command, env=harness.FRESH)
    alone = t.path("scratch")
    for built, installed in (value.split()[1:] for key, value in steps if key == "COPY" and value.startswith("--from=")):
        (alone / installed[1:]).parent.mkdir(parents=True)
        shutil.copy(t.path("build") / built[1:], alone / installed[1:])
    entry = next(json.loads(value) for key, value in steps if key == "ENTRYPOINT")
    contains(t.run("chroot", alone, *entry, "version").stdout, "escapement ")


if __name__ == "__main__":
    harness.main()
