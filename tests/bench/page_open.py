#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""page_open.py BUILD: size of the page of a profile with 100,000 distinct stacks, and how long a browser takes for it.

Two profiles: `random` stacks have 20 frames without a pattern, so that almost every frame is a node of the calling tree
of its own; `calls` are those of a program in which each function calls a few others."""
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
os.environ.setdefault("BUILD", str(BUILD))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
from wire import nested, number, varint  # noqa: E402

STACKS, DEPTH, FUNCTIONS = 100000, 20, 5000


def stacks(shape):
    generator = random.Random(1)
    calls = {}
    seen = set()
    while len(seen) < STACKS:
        stack = [generator.randrange(FUNCTIONS)] if shape == "random" else [0]
        while len(stack) < DEPTH:
            if shape == "random":
                stack.append(generator.randrange(FUNCTIONS))
            else:
                callees = calls.setdefault(stack[-1], [generator.randrange(FUNCTIONS) for _ in range(4)])
                stack.append(generator.choice(callees))
        seen.add(tuple(stack[::-1]))
    return seen


def write_profile(path, shape):
    strings = {text: index for index, text in enumerate(("", "alloc_objects", "count", "alloc_space", "bytes", "space"))}
    body = [nested(1, number(1, 1) + number(2, 2)), nested(1, number(1, 3) + number(2, 4))]
    for index in range(FUNCTIONS):
        name = strings.setdefault(f"example.org/service/package{index % 97}.(*Type{index % 31}).f{index}", len(strings))
        file = strings.setdefault(f"/home/somebody/service/package{index % 97}/file{index % 7}.go", len(strings))
        body.append(nested(5, number(1, index + 1) + number(2, name) + number(4, file)))
        body.append(nested(4, number(1, index + 1) + nested(4, number(1, index + 1) + number(2, 10 + index % 500))))
    for index, stack in enumerate(sorted(stacks(shape))):
        body.append(nested(2, nested(1, b"".join(varint(frame + 1) for frame in stack)) +
                           nested(2, varint(1 + index % 1000) + varint(16 * (1 + index % 1000)))))
    body.append(nested(11, number(1, 5) + number(2, 4)) + number(12, 1))
    body += [nested(6, text.encode()) for text in strings]
    path.write_bytes(gzip.compress(b"".join(body), 1))


def main():
    packages = harness.npm_packages("npm-page", harness.PAGE_PACKAGES)
    print("| stacks | page MiB | made in s | opens in s | stacks read after s | CPU s | flame graph s | filter s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as directory:
        for shape in ("random", "calls"):
            profile, page = (pathlib.Path(directory) / f"{shape}{end}" for end in (".pb.gz", ".html"))
            write_profile(profile, shape)
            begin = time.monotonic()
            subprocess.run([BUILD / "escapement", "html", "-o", page, profile], check=True)
            made = time.monotonic() - begin
            done = subprocess.run(["node", pathlib.Path(__file__).with_name("page_open.mjs"), packages, page], check=True,
                                  capture_output=True, text=True)
            took = json.loads(done.stdout)
            print("| {} | {:.1f} | {:.1f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.3f} |".format(
                shape, page.stat().st_size / (1 << 20), made, took["open"], took["whole"], took["cpu"], took["flame"], took["filter"]))


main()
