#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What an agent itself costs a host with 50 Go processes: CPU time and memory of the agent and of all that it starts, with each of
its stores configured. CPU time counts the agent's own seconds, so that it means something on a busy machine, too. What is done once,
such as parsing compiler output, is in the first window, which is counted apart.

`agent_cost.py [CASE...]`: `rows` (ClickHouse), `profiles` (Pyroscope and OTLP too), `heap` (and heap snapshots in each window),
`verdicts` (and the compiler output of the 45 services, with their dependencies and the standard library).

Environment: WINDOWS (of each case, behind the first one, 3), BUILD. Window and interval are the defaults: 10 s every 60 s.
"""
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import http.server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import clickhouse  # noqa: E402
import harness  # noqa: E402
from test_metrics import prometheus_program  # noqa: E402

WINDOWS = int(os.environ.get("WINDOWS", "3"))
SMALL, PROMETHEUS = 45, 5
TICKS = os.sysconf("SC_CLK_TCK")

# A service of many lines: each of 60 functions makes objects of several sizes.
PROGRAM = """package main

import (
	"fmt"
	_ "net/http/pprof"
	"strings"
	"time"
)

type record struct {
	name string
	data []byte
	next *record
}

var last *record

%s
func main() {
	calls := []func(int){%s}
	for round := 0; ; round++ {
		for i, call := range calls {
			call(i + round%%50)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
"""
FUNCTION = """
func work%d(n int) {
	name := fmt.Sprint("record ", n)
	last = &record{name: strings.Repeat(name, 2), data: make([]byte, 16+n%%%d)}
	parts := strings.Split(name, " ")
	last.next = &record{name: strings.Join(parts, "-")}
}
"""


class Sink(http.server.BaseHTTPRequestHandler):
    """A store that takes everything at once: the agent's own cost is measured, not a store's."""
    protocol_version = "HTTP/1.1"
    bytes = 0

    def do_POST(self):
        Sink.bytes += len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """An agent that ends breaks its connections."""


def program(t, functions=60):
    """A service of so many functions, and what the compiler says of it."""
    source = t.path("service")
    source.mkdir()
    (source / "main.go").write_text(PROGRAM % ("".join(FUNCTION % (i, 50 + 7 * i) for i in range(functions)), ", ".join(f"work{i}" for i in range(functions))))
    (source / "go.mod").write_text("module example.org/service\n\ngo 1.19\n")
    go = harness.go_toolchain(harness.go_releases("everyday")[-1])
    environment = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    done = subprocess.run([go, "build", "-gcflags=all=-m=2", "-o", "service", "."], cwd=source, env=environment, capture_output=True, text=True, check=True)
    (source / "m2.txt").write_text(done.stderr)
    return source / "service", source / "m2.txt"


def busy(t, directory):
    """A Prometheus that scrapes itself each second."""
    directory.mkdir()
    port, = clickhouse.ports(1)
    (directory / "prometheus.yml").write_text("global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: self\n"
                                              f"  static_configs:\n  - targets: ['127.0.0.1:{port}']\n")
    log = open(directory / "log", "w")
    t.start(prometheus_program(), f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log, cwd=directory)


def cpu_of(pid):
    """Seconds of a process and of its children that have ended and were waited for."""
    try:
        cells = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, cells[11:15])) / TICKS


def cpu_of_all(agent):
    return cpu_of(agent) + sum(cpu_of(pid) for pid in harness.descendants(agent))


def memory_of(pids):
    """Bytes of memory of processes, what several share counted once."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) * 1024
    return total


def measure(t, case, url, words):
    stores = {"rows": ("clickhouse",), "profiles": ("clickhouse", "pyroscope", "otlp")}.get(case, ("clickhouse", "pyroscope", "otlp"))
    more = f"escape = {words}\n" if case == "verdicts" else ""
    text = f"spool = {t.path('spool-' + case)}\n" + ("heap-every = 60s\n" if case in ("heap", "verdicts") else "")
    text += f"[watch service]\nname = service\n{more}[watch prometheus]\nname = prometheus\n" + "".join(f"[{store}]\nurl = {url}\n" for store in stores)
    t.path("agent.conf").write_text(text + "[prometheus]\nlisten = 127.0.0.1:0\n".replace(":0", f":{clickhouse.ports(1)[0]}"))
    messages, begun, sent, peak = t.path(f"{case}.log"), time.monotonic(), Sink.bytes, 0
    with open(messages, "w") as file:
        agent = t.start(harness.ESCAPEMENT, "agent", "--config", t.path("agent.conf"), "-v", stderr=file)
    first = 0
    while messages.read_text().count("a window was written") <= WINDOWS or time.monotonic() - begun < 60 * WINDOWS:
        assert agent.poll() is None, messages.read_text()
        peak = max(peak, memory_of([agent.pid, *harness.descendants(agent.pid)]))
        if not first and messages.read_text().count("a window was written"):
            begun, first, sent = time.monotonic(), cpu_of_all(agent.pid), Sink.bytes
        time.sleep(0.25)
    seconds, used = time.monotonic() - begun, cpu_of_all(agent.pid) - first
    agent.terminate()
    agent.wait(60)
    said = [line for line in messages.read_text().splitlines() if "window" not in line]
    percent = 100 * used / seconds
    print(f"{case:10} {used:6.2f} s of CPU in {seconds:4.0f} s: {percent:5.2f} % ({'met' if percent < 1 else 'missed'}: 1 %);  "
          f"{peak / 1e6:5.0f} MB ({'met' if peak < 100e6 else 'missed'}: 100 MB);  {(Sink.bytes - sent) / WINDOWS / 1e3:.0f} kB a window pushed;  the first window {first:.2f} s", flush=True)
    for line in said[:5]:
        print(f"           {line}", flush=True)


def test_cost(t):
    harness.require_root()
    service, words = program(t)
    server = Server(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for _ in range(SMALL):
        t.start(service)
    for i in range(PROMETHEUS):
        busy(t, t.path(f"prometheus-{i}"))
    print(f"# {SMALL + PROMETHEUS} processes; compiler output of {words.stat().st_size / 1e6:.1f} MB", flush=True)
    for case in CASES:
        measure(t, case, f"http://127.0.0.1:{server.server_port}", words)


if __name__ == "__main__":
    CASES = sys.argv[1:] or ["rows", "profiles", "heap", "verdicts"]
    sys.argv[1:] = []
    harness.main()
