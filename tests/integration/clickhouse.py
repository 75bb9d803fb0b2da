# SPDX-License-Identifier: BSD-2-Clause
"""Debian 12's ClickHouse on loopback, unpacked outside of the tree: nothing is installed, no service starts."""
import functools
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import harness
from harness import wait_for

SUITE = "bookworm"
CONFIG = """<yandex>
  <logger><level>warning</level><log>{directory}/server.log</log><errorlog>{directory}/error.log</errorlog></logger>
  <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port><interserver_http_port>{interserver}</interserver_http_port>
  <listen_host>127.0.0.1</listen_host><interserver_http_host>127.0.0.1</interserver_http_host>
  <path>{directory}/data/</path><tmp_path>{directory}/tmp/</tmp_path><user_files_path>{directory}/files/</user_files_path>
  <users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>10000000</mark_cache_size><max_concurrent_queries>100</max_concurrent_queries>
  {more}
</yandex>
"""
USERS = """<yandex>
  <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
  <quotas><default></default></quotas>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <agent><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></agent>
  </users>
</yandex>
"""
PASSWORD = "p4ss-with-&-and-ö"


def ports(count):
    """Ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return found


def packages():
    """The server's package and those that it needs and that are not installed."""
    done = subprocess.run(["apt-get", "install", "-s", "--no-install-recommends", "clickhouse-server"], capture_output=True, text=True)
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst ")]


@functools.lru_cache
def program():
    """Path of the server and the directories of its libraries; skips if they cannot be had. Which packages these are is
    kept beside them, for what is installed here: to ask takes longer than a test."""
    if shutil.which("clickhouse-server"):
        return "clickhouse-server", ""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "escapement" / "programs" / SUITE
    release = pathlib.Path("/etc/os-release").read_text()
    if f"VERSION_CODENAME={SUITE}\n" not in release:
        raise harness.Skip(f"only Debian's {SUITE} has clickhouse-server, and its libraries")
    installed = hashlib.sha256(pathlib.Path("/var/lib/dpkg/status").read_bytes()).hexdigest()
    listed = cache / f"clickhouse.{installed[:16]}"
    with harness.alone(cache / "clickhouse.list"):
        if not listed.exists():
            roots = []
            for name in packages():
                done = subprocess.run([harness.ROOT / "packaging" / "debian-program", SUITE, name], capture_output=True, text=True)
                if done.returncode != 0:
                    raise harness.Skip(f"cannot fetch {name}: {done.stderr.strip()[-200:]}")
                roots.append(done.stdout.strip())
            if not roots:
                raise harness.Skip("apt does not know clickhouse-server; run 'apt-get update'")
            listed.write_text("\n".join(roots))
        roots = [pathlib.Path(root) for root in listed.read_text().split()]
    return (next(root / "usr/sbin/clickhouse-server" for root in roots if root.name == "clickhouse-server"),
            ":".join(str(root / folder) for root in roots
                     for folder in ("usr/lib/x86_64-linux-gnu", "usr/lib", "lib/x86_64-linux-gnu")))


class ClickHouse:
    """A server; start() and kill() may be called again and again. `more`: of its configuration."""

    def __init__(self, t, name="clickhouse", more="", numbers=None):
        self.t, self.directory = t, t.path(name)
        self.binary, self.libraries = program()
        self.http, self.tcp, self.interserver = numbers or ports(3)
        for each in ("data", "tmp", "files"):
            (self.directory / each).mkdir(parents=True, exist_ok=True)
        (self.directory / "config.xml").write_text(
            CONFIG.format(directory=self.directory, http=self.http, tcp=self.tcp, interserver=self.interserver, more=more))
        (self.directory / "users.xml").write_text(USERS.format(password=PASSWORD.replace("&", "&amp;")))
        self.url = f"http://127.0.0.1:{self.http}"
        self.process = None

    def start(self):
        log = open(self.directory / "output.log", "a")
        self.process = self.t.start(self.binary, f"--config-file={self.directory}/config.xml", cwd=self.directory,
                                    stdout=log, stderr=log,
                                    env={**os.environ, "LD_LIBRARY_PATH": self.libraries, "TZ": "UTC"})
        wait_for(self.answers, "clickhouse to answer")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"clickhouse ended: {(self.directory / 'output.log').read_text()[-1000:]}")
        try:
            return self.query("SELECT 1") == [{"1": 1}]
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def execute(self, statement, body=b"", **settings):
        request = urllib.request.Request(f"{self.url}/?" + urllib.parse.urlencode({"query": statement, **settings}), data=body)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=600) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{statement}: {refused.read().decode()[:1000]}")

    def script(self, statements):
        """Executes statements that each end with a semicolon."""
        for statement in statements.split(";"):
            if statement.strip():
                self.execute(statement.strip())

    def query(self, query):
        """Rows as dictionaries."""
        text = self.execute(f"{query} FORMAT JSONEachRow", output_format_json_quote_64bit_integers=0)
        return [json.loads(line) for line in text.splitlines()]
