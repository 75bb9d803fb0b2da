#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The agent's metrics as Debian's Prometheus scrapes them: its sums are those of the windows, and the program's own."""
import contextlib
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import clickhouse
import fleet
import harness
from harness import contains, same, wait_for

SERIES = ("objects_total", "bytes_total", "heap_grows_total", "heap_grow_bytes_total", "observed_seconds_total", "cpu_seconds_total",
          "overhead_seconds_total", "lost_events_total", "lost_stacks_total")


def config(t, port, *lines, more=""):
    return "\n".join(["host = here", f"spool = {t.path('spool')}", "window = 1s", "every = 1s", more, "[watch api]", f"name = {fleet.TARGET}",
                      "[prometheus]", f"listen = 127.0.0.1:{port}", *lines, ""])


def fetch(port, path="/metrics", method="GET"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=b"x" if method == "POST" else None)
    with opener.open(request, timeout=30) as answer:
        return answer.read().decode()


def tried(port):
    """What is fetched; an empty text if nobody answers yet."""
    try:
        return fetch(port)
    except OSError:
        return ""


def answers(port):
    return "escapement_agent_info" in tried(port)


def refusal(port, path="/metrics", method="GET"):
    try:
        fetch(port, path, method)
    except urllib.error.HTTPError as refused:
        return refused.code
    raise AssertionError("not refused")


@functools.lru_cache
def prometheus_program():
    done = subprocess.run([harness.ROOT / "packaging" / "debian-program", "bookworm", "prometheus"], capture_output=True, text=True)
    if done.returncode != 0:
        raise harness.Skip(f"cannot fetch prometheus: {done.stderr.strip()[-200:]}")
    return pathlib.Path(done.stdout.strip()) / "usr/bin/prometheus"


class Prometheus:
    def __init__(self, t, scraped):
        self.port, = clickhouse.ports(1)
        t.path("prometheus.yml").write_text("global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: escapement\n"
                                            f"  static_configs:\n  - targets: ['127.0.0.1:{scraped}']\n")
        log = open(t.path("prometheus.log"), "w")
        self.process = t.start(prometheus_program(), f"--config.file={t.path('prometheus.yml')}", f"--storage.tsdb.path={t.path('tsdb')}",
                               f"--web.listen-address=127.0.0.1:{self.port}", stdout=log, stderr=log, cwd=t.path("."))
        wait_for(lambda: self.query("up") == [1.0], "prometheus to have scraped")

    def query(self, query):
        """Values of the series that a query gives."""
        try:
            answer = json.loads(fetch(self.port, "/api/v1/query?" + urllib.parse.urlencode({"query": query})))
        except OSError:
            return []
        same(answer["status"], "success", answer)
        return [float(series["value"][1]) for series in answer["data"]["result"]]


def listens(pid, port):
    """Whether a process has the socket that listens at the port."""
    table = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{cells[9]}]" for cells in table if cells[1].endswith(f":{port:04X}") and cells[3] == "0A"}
    try:
        return any(os.readlink(file) in sockets for file in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False  # it has ended, or a file of it was closed, meanwhile


def test_what_prometheus_scrapes_is_what_the_windows_have(t):
    harness.require_root()
    port, = clickhouse.ports(1)
    target = fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, port, more="rate = 512k"))
    agent.wait_for("a window has begun: 1 process")
    first = target.ask(20000)
    last = target.ask(0)
    readings = [target.heap_in_use]
    agent.wait_for("a window was written", agent.said().count("a window was written") + 2)
    # no further window: what is scraped now stays
    agent.reload(config(t, port, more="rate = 512k").replace("every = 1s", "every = 600s"))
    agent.wait_for("the configuration was read again")
    windows = agent.said().count("a window has begun")
    agent.wait_for("a window was written", windows + 1)
    prometheus = Prometheus(t, port)
    rows = fleet.spooled(t, t.path("spool"))["windows"]
    target.ask(0)
    readings.append(target.heap_in_use)
    labels = f'{{service="api",pid="{target.pid}",build="{rows[0]["build"]}",comm="{fleet.TARGET}"}}'
    for name in SERIES:
        column = name.removesuffix("_total").replace("observed_seconds", "seconds")
        expected = sum(float(row[column]) for row in rows)
        found, = prometheus.query(f"escapement_{name}{labels}")
        assert abs(found - expected) < 1e-4, (name, found, expected)
    assert last - first <= prometheus.query(f"escapement_objects_total{labels}")[0] <= last - first + 200
    in_use, = prometheus.query(f"escapement_heap_in_use_bytes{labels}")
    assert min(readings) <= in_use <= max(readings), (readings, in_use)
    same(prometheus.query("escapement_refills_total"), [], "what is not measured at this rate has no series")
    same(prometheus.query("escapement_agent_spool_windows"), [float(len(rows))])
    same(prometheus.query("escapement_agent_dropped_windows_total"), [0.0])
    # the text is what Prometheus's own linter takes
    promtool = prometheus_program().with_name("promtool")
    same(subprocess.run([promtool, "check", "metrics"], input=fetch(port), capture_output=True, text=True).stderr, "")
    # a process that has ended has no series any more
    target.process.kill()
    target.process.wait()
    agent.reload(config(t, port))
    wait_for(lambda: f'pid="{target.pid}"' not in fetch(port), "its series to be gone")
    agent.end()


def keeps_out(port, clients):
    """Adds as many clients as are let in, and one more, none of which ends its request; whether a scrape is refused then."""
    for _ in range(9):
        clients.append(socket.create_connection(("127.0.0.1", port)))
        with contextlib.suppress(OSError):  # it was refused
            clients[-1].sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    return not answers(port)


def goes_on(client):
    """Sends one more byte of a request's header; whether the server still listens to it."""
    try:
        client.sendall(b"a")
        return True
    except OSError:
        return False


def test_the_endpoint_has_no_rights_and_answers_nothing_else(t):
    harness.require_root()
    port, other = clickhouse.ports(2)
    fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, port), env={**os.environ, "ESCAPEMENT_CLICKHOUSE_PASSWORD": "a-secret"})
    wait_for(lambda: "escapement_objects_total{" in tried(port), "metrics of a process")
    same([refusal(port, "/"), refusal(port, "/metrics/x"), refusal(port, method="POST"), refusal(port, method="DELETE")], [404, 404, 405, 405])
    same(fetch(port, method="HEAD"), "")
    listening = lambda: [pid for pid in harness.descendants(agent.process.pid) if listens(pid, port)]
    server, = wait_for(lambda: (found := listening()) and len(found) == 1 and found,
                       "only the server to listen: a window that has just begun is about to close its copy")
    contains(pathlib.Path(f"/proc/{server}/status").read_text(), "CapEff:\t0000000000000000")
    assert b"a-secret" not in pathlib.Path(f"/proc/{server}/environ").read_bytes()
    files = [os.readlink(file) for file in pathlib.Path(f"/proc/{server}/fd").iterdir()]
    assert not any(str(t.path("spool")) in file for file in files), files
    # the text is the agent's: this process can only read it
    shared = [line.split()[1] for line in pathlib.Path(f"/proc/{server}/maps").read_text().splitlines() if "/dev/zero" in line]
    assert "r--s" in shared, shared
    # more clients than are let in keep Prometheus out, but not for ever, also if they never stop sending their request
    busy = []
    wait_for(lambda: keeps_out(port, busy), "a scrape that is refused")
    wait_for(lambda: not any([goes_on(each) for each in busy]), "all of them to be sent away")
    contains(fetch(port), "escapement_agent_info")
    for each in busy:
        each.close()
    # nor does it wait for a second request
    with socket.create_connection(("127.0.0.1", port), timeout=harness.TIMEOUT) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        contains(client.makefile("rb").read().decode(), "\r\nConnection: close\r\n")
    # it starts again when it is killed; a port that is taken changes nothing
    os.kill(server, signal.SIGKILL)
    agent.wait_for("the process that serves metrics was killed by SIGKILL; it starts again")
    wait_for(lambda: answers(port), "an answer")
    taken = socket.create_server(("127.0.0.1", other))
    agent.reload(config(t, other))
    agent.wait_for(f"cannot listen for Prometheus at 127.0.0.1:{other}: Address already in use; the configuration from before stays in force")
    contains(fetch(port), "escapement_agent_info")
    taken.close()
    agent.reload(config(t, other))
    agent.wait_for("the configuration was read again")
    wait_for(lambda: answers(other), "an answer at the new port")
    wait_for(lambda: not answers(port), "the old port to be closed")
    agent.end()
    wait_for(lambda: not answers(other), "the port to be closed")
    again = socket.create_server(("127.0.0.1", other))
    t.path("agent.conf").write_text(config(t, other))
    contains(t.escapement("agent", "--config", t.path("agent.conf"), status=3).stderr, "cannot listen for Prometheus at")
    again.close()


def refuses(port):
    """Whether nobody listens, as opposed to nobody answers."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sighup_changes_who_is_let_in_and_what_is_watched(t):
    harness.require_root()
    port, = clickhouse.ports(1)
    target = fleet.Target(t, fleet.go_program())
    here = config(t, port)
    agent = fleet.Agent(t, here)
    wait_for(lambda: f'pid="{target.pid}"' in tried(port), "metrics of a process")
    # another address with the same port is not refused because of the agent's own socket
    agent.reload(here.replace("127.0.0.1", "0.0.0.0"))
    agent.wait_for("the configuration was read again")
    wait_for(lambda: f'pid="{target.pid}"' in tried(port), "an answer")
    # an address that this machine does not have changes nothing
    agent.reload(here.replace("127.0.0.1", "192.0.2.1"))
    agent.wait_for(f"cannot listen for Prometheus at 192.0.2.1:{port}: Cannot assign requested address; the configuration from before stays")
    wait_for(lambda: f'pid="{target.pid}"' in tried(port), "an answer at the address from before")
    # what is not watched any more has no series, though it is alive
    agent.reload(here.replace(fleet.TARGET, fleet.named("another")))
    wait_for(lambda: answers(port) and f'pid="{target.pid}"' not in tried(port), "its series to be gone")
    # without [prometheus] nobody listens, while a window goes on too, and a port that is asked for again is free
    long = here.replace("window = 1s", "window = 600s").replace("every = 1s", "every = 600s")
    begun = agent.said().count("a window has begun")
    agent.reload(long)
    agent.wait_for("a window has begun", begun + 1)
    wait_for(lambda: answers(port), "an answer")
    agent.reload(long.partition("[prometheus]")[0])
    agent.wait_for("the configuration was read again", 4)
    assert refuses(port)
    agent.reload(long)
    agent.wait_for("the configuration was read again", 5)
    wait_for(lambda: answers(port), "an answer again")
    agent.end()


def test_names_of_programs_are_labels_and_nothing_else(t):
    harness.require_root()
    port, = clickhouse.ports(1)
    fleet.Target(t, fleet.go_program())
    service = 'a"} 1\\ {x="\u00e9'
    agent = fleet.Agent(t, config(t, port).replace("[watch api]", f"[watch {service}]"))
    wait_for(lambda: "escapement_objects_total{" in tried(port), "metrics of a process")
    contains(fetch(port), r'escapement_objects_total{service="a\"} 1\\ {x=\"??",build=')
    agent.end()


if __name__ == "__main__":
    harness.main()
