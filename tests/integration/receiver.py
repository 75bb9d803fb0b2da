# SPDX-License-Identifier: BSD-2-Clause
"""A receiver for Pyroscope and OTLP on loopback, whose decoders are other people's: npm packages, and the published .proto files
of Debian's package opentelemetry-proto."""
import json
import pathlib
import shutil
import subprocess
import urllib.request

import harness
from harness import wait_for

FOLDER = harness.ROOT / "tests" / "stores"
# git's object of profiles.proto, which user/fleet/otlp.proto names
PINNED = harness.ROOT / "user" / "fleet" / "otlp.proto"


def protos():
    """Folder with the published .proto files, or raises harness.Skip if they are not to be had."""
    done = subprocess.run([harness.ROOT / "packaging" / "debian-program", "sid", "opentelemetry-proto"], capture_output=True, text=True)
    if done.returncode != 0:
        raise harness.Skip(f"cannot fetch opentelemetry-proto: {done.stderr.strip()[-200:]}")
    folder = pathlib.Path(done.stdout.strip()) / "usr/include"
    file = folder / "opentelemetry/proto/profiles/v1development/profiles.proto"
    published = subprocess.run(["git", "hash-object", file], capture_output=True, text=True, check=True).stdout.strip()
    if published not in PINNED.read_text():
        raise harness.Skip(f"Debian's opentelemetry-proto is another release than {PINNED.name} names: {published}")
    return folder


class Receiver:
    def __init__(self, t):
        packages = harness.npm_locked(FOLDER)
        program = t.path("receiver.mjs")
        shutil.copy(FOLDER / "receiver.mjs", program)
        t.path("node_modules").symlink_to(packages / "node_modules")
        self.lines, self.errors = t.path("receiver.out"), t.path("receiver.err")
        with open(self.lines, "w") as out, open(self.errors, "w") as errors:
            self.process = t.start("node", program, *self.protos(), stdout=out, stderr=errors)
        wait_for(lambda: "\n" in self.lines.read_text() or self.process.poll() is not None, "the receiver to listen")
        if self.process.poll() is not None:
            raise AssertionError(self.errors.read_text()[-2000:])
        self.http = int(self.lines.read_text().splitlines()[0])
        self.url = f"http://127.0.0.1:{self.http}"

    def protos(self):
        """The receiver's argument; none without the .proto files: then it takes OTLP, and does not decode it."""
        self.undecoded = None
        try:
            return [protos()]
        except harness.Skip as skip:
            self.undecoded = skip
            return []

    def require_decoder(self):
        """Skips the rest of a test, which looks into OTLP."""
        if self.undecoded:
            raise self.undecoded

    def answer(self, **how):
        """How it answers from now on: status, headers, body (base64), delay (milliseconds)."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(urllib.request.Request(f"{self.url}/control", data=json.dumps(how).encode()), timeout=30).close()

    def requests(self, path, status=200):
        """What was sent there and answered so: {path, status, headers, size, content}."""
        text = self.lines.read_text()
        found = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()[1:]]
        for each in found:
            assert "error" not in each["content"], each["content"]["error"]
        return [each for each in found if path in each["path"] and each["status"] == status]
