# SPDX-License-Identifier: BSD-2-Clause
"""Go servers from Debian's packages, which are unpacked beside the toolchains, not installed: how to start each one,
its requests, and clients that send them."""
import base64
import http.client
import json
import pathlib
import socket
import subprocess
import threading

import harness

CLIENTS = 4


def unpack(suite, package):
    """Directory of an unpacked package; skips if it is not available."""
    done = subprocess.run([harness.ROOT / "packaging" / "debian-program", suite, package], capture_output=True, text=True)
    if done.returncode != 0:
        raise harness.Skip(f"cannot unpack {package} of {suite}: {done.stderr.strip()[-200:]}")
    return pathlib.Path(done.stdout.strip())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def etcd(suite):
    def command(directory, port):
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        return [unpack(suite, "etcd-server") / "usr/bin/etcd", "--data-dir", directory / "etcd", "--log-level", "error",
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]

    def word(text):
        return base64.b64encode(text.encode()).decode()

    def put(number):
        key = word(f"key{number % 100}")
        return "POST", "/v3/kv/put", json.dumps({"key": key, "value": word("x" * 100)})

    get = ("POST", "/v3/kv/range", json.dumps({"key": word("key0"), "range_end": word("key9"), "limit": 20}))
    return command, "/health", [put(number) for number in range(100)], get, lambda text: len(json.loads(text)["kvs"])


def prometheus():
    def command(directory, port):
        (directory / "prometheus.yml").write_text(
            "scrape_configs:\n- job_name: self\n  scrape_interval: 1s\n  static_configs:\n"
            f"  - targets: ['127.0.0.1:{port}']\n")
        return [unpack("bookworm", "prometheus") / "usr/bin/prometheus", f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]

    query = ("GET", "/api/v1/query?query=sum(vector(2))%2Bsum(vector(3))", None)
    return command, "/-/ready", [], query, lambda text: json.loads(text)["data"]["result"][0]["value"][1]


def caddy():
    def command(directory, port):
        root = directory / "www"
        root.mkdir()
        for number in range(50):
            (root / f"file{number}").write_text("x" * number)
        return ["env", f"HOME={directory}", unpack("bookworm", "caddy") / "usr/bin/caddy", "file-server", "--browse",
                "--root", root, "--listen", f"127.0.0.1:{port}"]

    return command, "/file1", [], ("GET", "/", None), lambda text: text.count('href="./file')


# name: (function from directory and port to the command, path that answers when the server is ready, requests that
# prepare it, request that the clients repeat, function that extracts the text to compare from its answer)
SERVERS = {"etcd 3.4": etcd("bookworm"), "etcd 3.5": etcd("trixie"), "prometheus": prometheus(), "caddy": caddy()}


def ask(connection, request):
    method, path, body = request
    connection.request(method, path, body, {"Accept": "*/*"})
    response = connection.getresponse()
    text = response.read().decode()
    if response.status != 200:
        raise AssertionError(f"{path}: status {response.status}: {text[:300]}")
    return text


class Server:
    """A running server, started directly or by a command such as `escapement record … --`."""

    def __init__(self, t, name, *under):
        self.command, ready, prepare, self.request, self.summary = SERVERS[name]
        self.port = free_port()
        directory = t.path(f"server-{self.port}")
        directory.mkdir()
        self.process = t.start(*under, *self.command(directory, self.port), cwd=directory, stdin=subprocess.DEVNULL,
                               stdout=open(directory / "out", "w"), stderr=open(directory / "err", "w"))
        self.errors = directory / "err"
        def answers():
            try:
                ask(self.connect(), ("GET", ready, None))
                return True
            except (OSError, AssertionError, http.client.HTTPException) as error:
                if self.process.poll() is not None:
                    raise AssertionError(f"{name} has ended: {error}: {self.errors.read_text()[-2000:]}")
                return False

        harness.wait_for(answers, f"{name} to answer")
        for request in prepare:
            ask(self.connect(), request)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def answer(self):
        return self.summary(ask(self.connect(), self.request))

    def load(self):
        return Load(self)

    def end(self, signal):
        """Exit status after the signal."""
        self.process.send_signal(signal)
        return self.process.wait(harness.TIMEOUT)


class Load:
    """Clients that send requests repeatedly while the block runs; `answers` collects the distinct answers."""

    def __init__(self, server):
        self.server, self.stopping, self.answers, self.count, self.failure = server, False, set(), 0, None

    def run(self):
        try:
            connection = self.server.connect()
            while not self.stopping:
                self.answers.add(self.server.summary(ask(connection, self.server.request)))
                self.count += 1
        except Exception as why:
            self.failure = why

    def wait_for(self, count):
        """Waits until that many more requests have been answered."""
        begin = self.count
        harness.wait_for(lambda: self.failure or self.count - begin >= count, f"{count} answers")

    def __enter__(self):
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        if self.failure:
            raise AssertionError(f"a client failed: {self.failure!r}")
