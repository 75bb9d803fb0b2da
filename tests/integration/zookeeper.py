# SPDX-License-Identifier: BSD-2-Clause
"""Debian's ZooKeeper on loopback, unpacked outside of the tree, for ClickHouse's replicated tables."""
import os
import pathlib
import shutil
import socket
import subprocess

import clickhouse
import harness
from harness import wait_for

# what one server needs of the packages that the package zookeeper depends on
PACKAGES = ("libzookeeper-java", "libslf4j-java", "libnetty-java", "libdropwizard-metrics-java", "libsnappy-java", "libcommons-io-java")


def class_path():
    jars = []
    for name in PACKAGES:
        done = subprocess.run([harness.ROOT / "packaging" / "debian-program", clickhouse.SUITE, name], capture_output=True, text=True)
        if done.returncode != 0:
            raise harness.Skip(f"cannot fetch {name}: {done.stderr.strip()[-200:]}")
        jars.append(str(pathlib.Path(done.stdout.strip()) / "usr/share/java/*"))
    return ":".join(jars)


class ZooKeeper:
    def __init__(self, t):
        if not shutil.which("java"):
            raise harness.Skip("java is not here: install default-jre-headless")
        self.port, = clickhouse.ports(1)
        directory = t.path("zookeeper")
        directory.mkdir()
        (directory / "zoo.cfg").write_text(f"dataDir={directory}/data\nclientPort={self.port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
        log = open(directory / "log", "w")
        self.process = t.start("java", "-Xmx256m", "-cp", class_path(), "org.apache.zookeeper.server.quorum.QuorumPeerMain", directory / "zoo.cfg",
                               stdout=log, stderr=log, env={key: value for key, value in os.environ.items() if key != "CLASSPATH"})
        wait_for(lambda: self.serves() or self.process.poll() is not None, "zookeeper to serve")
        if self.process.poll() is not None:
            raise AssertionError(f"zookeeper ended: {(directory / 'log').read_text()[-2000:]}")

    def serves(self):
        """Whether it answers, which it does some time after it listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"srvr")
                return b"Mode: standalone" in connection.recv(4096)
        except OSError:
            return False

    def settings(self):
        """Of a ClickHouse server that uses it."""
        return f"<zookeeper><node><host>127.0.0.1</host><port>{self.port}</port></node></zookeeper>"
