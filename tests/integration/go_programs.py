# SPDX-License-Identifier: BSD-2-Clause
"""Builds the Go test programs with every toolchain and in every way that Go programs are shipped.

Builds are kept below $BUILD/go and rebuilt only when the sources have changed.
"""
import os
import select
import subprocess

import go_pgo
import harness

VERSIONS = harness.go_releases("record")
EVERYDAY = harness.go_releases("everyday")

# name: (build flags, environment, command to run on the built file)
VARIANTS = {
    "plain": ([], {}, None),
    "stripped": (["-ldflags=-s -w", "-trimpath"], {}, ["strip"]),
    "nobuildinfo": (["-ldflags=-s -w -buildid=", "-buildvcs=false"], {},
                    ["objcopy", "--remove-section=.go.buildinfo", "--remove-section=.note.go.buildid"]),
    "pie": (["-buildmode=pie"], {}, None),
    "pie-stripped": (["-buildmode=pie", "-ldflags=-s -w"], {}, None),
    "pie-external": (["-buildmode=pie", "-ldflags=-linkmode=external"], {"CGO_ENABLED": "1"}, None),
    "cgo": ([], {"CGO_ENABLED": "1"}, None),
    "race": (["-race"], {"CGO_ENABLED": "1"}, None),
    "profiled": (["-tags=memprofile"], {}, None),
}
# of another machine: they do not run here, and stripping them needs a tool of that machine
FOREIGN = {
    "arm64": (["-tags=memprofile"], {"GOARCH": "arm64"}, None),
    "arm64-stripped": (["-tags=memprofile"], {"GOARCH": "arm64"}, ["aarch64-linux-gnu-strip"]),
}

SHIPPED = ["plain", "stripped", "pie"]  # build variants that are recorded with every release
EVERYTHING = os.environ.get("GO_MATRIX") == "all"


def versions():
    """The releases under test: all of them if GO_MATRIX=all, else those of the everyday suite."""
    wanted = os.environ.get("GO_MATRIX", "")
    return VERSIONS if EVERYTHING else wanted.split(",") if wanted else EVERYDAY


def variants(version):
    """The build variants under test with a release. Those for which the standard library is compiled once more with a C
    compiler beside it are tested with the newest release, and with all if GO_MATRIX=all."""
    whole = EVERYTHING or version == versions()[-1]
    return [name for name in VARIANTS if whole or name not in ("cgo", "race", "pie-external")]


def build_guided(version, name, functions):
    """Path of the program, built with a CPU profile that makes the compiler inline parts of the allocator."""
    profile = harness.BUILD / "go" / version / f"{name}.pgo"
    with harness.alone(profile):
        go_pgo.write(harness.go_toolchain(version).parent.parent, profile, functions)
    VARIANTS[f"guided-{name}"] = ([f"-pgo={profile}", "-ldflags=-s -w"], {}, ["strip"])
    return build(version, f"guided-{name}")


def build(version, variant="plain", program="sites"):
    """Path of the program, built with that release in that way."""
    target = harness.BUILD / "go" / version / f"{program}.{variant}"
    with harness.alone(target):
        _build(version, program, {**VARIANTS, **FOREIGN}[variant], target)
    return target


def _build(version, program, how, target):
    flags, environment, finish = how
    source = harness.ROOT / "tests" / "workloads" / "go" / program
    newest = max(path.stat().st_mtime for path in source.iterdir())
    if target.exists() and target.stat().st_mtime >= newest:
        return
    go = harness.go_toolchain(version)
    partial = target.with_suffix(f".{os.getpid()}")
    env = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="", GOPATH=str(harness.BUILD / "go" / "path"))
    env.update(environment)
    done = subprocess.run([go, "build", *flags, "-o", partial, "."], cwd=source, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"go {version} cannot build {target.name}: {done.stderr[-2000:]}")
    if finish:
        subprocess.run([*finish, partial], check=True, capture_output=True)
    partial.rename(target)


def loop_sample(output, seconds):
    """Reads the standard output of a running `loop` for `seconds` of its CPU time from now on. Returns nanoseconds of
    CPU time per allocation."""
    while select.select([output], [], [], 0)[0]:
        os.read(output.fileno(), 1 << 16)  # discards what was printed before
    text, lines = b"", []
    while len(lines) < 2 or lines[-1][1] - lines[0][1] < seconds * 1e9:
        text += os.read(output.fileno(), 1 << 16)
        whole = text.split(b"\n")[1:-1]  # the first line may be incomplete
        lines = [tuple(map(int, line.split())) for line in whole]
    return (lines[-1][1] - lines[0][1]) / (lines[-1][0] - lines[0][0])
