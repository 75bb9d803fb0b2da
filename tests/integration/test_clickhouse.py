#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An agent and ClickHouse (Debian's, on loopback): what the store adds up is what was in the windows, and what the programs
themselves counted, whatever fails in between."""
import os
import pathlib
import re
import socket
import subprocess
import threading

import clickhouse
import fleet
import harness
import store_sums
from harness import contains, same, wait_for


def config(t, url, *lines, window="1s", every="1s", more=""):
    return "\n".join(["host = here", f"spool = {t.path('spool')}", f"window = {window}", f"every = {every}", more,
                      "[watch api]", f"name = {fleet.TARGET}", "[clickhouse]", f"url = {url}", *lines, ""])


def with_tables(t, server, *options):
    t.path("agent.conf").write_text(config(t, server.url))
    t.escapement("agent", "--config", t.path("agent.conf"), "--create-tables", *options)


def stored(server, table, columns="*", final=True):
    return server.query(f"SELECT {columns} FROM escapement.{table}{' FINAL' if final else ''} ORDER BY window, row")


def as_texts(rows):
    """Rows of the store as fleet.spooled() has them."""
    def cell(name, value):
        return value if value is None or isinstance(value, str) else f"{value:.6f}" if "seconds" in name else str(value)
    return [{name: cell(name, value) for name, value in row.items()} for row in rows]


def spool_files(t):
    return sorted(t.path("spool").glob("*.window"))


def take_column(file, table, column):
    """Makes of a window in the spool one of an agent whose table did not have that column."""
    parts, data = [], file.read_bytes()
    while data:
        head, data = data.split(b"\n", 1)
        name, count, size, names = head.decode().split()
        rows, data = data[:int(size)].decode(), data[int(size):]
        if name == table:
            at = names.split(",").index(column)
            names = ",".join(name for name in names.split(",") if name != column)
            rows = "".join("\t".join(cell for i, cell in enumerate(row.split("\t")) if i != at) + "\n"
                           for row in rows.splitlines())
        parts.append(f"{name} {count} {len(rows.encode())} {names}\n{rows}")
    file.write_bytes("".join(parts).encode())


def test_what_is_stored_is_what_was_in_the_windows(t):
    harness.require_root()
    server = clickhouse.ClickHouse(t).start()
    with_tables(t, server)
    target = fleet.Target(t, fleet.go_program(), env={**os.environ, "GODEBUG": "memprofilerate=1"})
    # a busy machine may let the program wait for seconds, and what it does is to be in the windows
    nowhere = config(t, f"http://127.0.0.1:{clickhouse.ports(1)[0]}", window="5s", every="5s",
                     more="heap-every = 5s\nmax-overhead = 0")
    agent = fleet.Agent(t, nowhere)
    for window in (1, 2):
        agent.wait_for("a window has begun: 1 process", window)
        first = target.ask(20000) if window == 1 else first
        last = target.ask(100)
        agent.wait_for("a window was written", window)
    agent.wait_for("windows wait in the spool")
    agent.end()
    take_column(spool_files(t)[0], "windows", "check_bound")
    rows = fleet.spooled(t, t.path("spool"))
    assert rows["heap"], "heap snapshots"
    same([row["check_bound"] is None for row in rows["windows"]][:2], [True, False], "the first window lacks a column")
    # the store comes: everything is delivered, in order, and nothing is left
    agent = fleet.Agent(t, config(t, server.url, window="600s", every="600s"))
    wait_for(lambda: not spool_files(t), "an empty spool")
    agent.process.kill()
    agent.process.wait()
    for table in fleet.TABLES:
        names = ", ".join(f"toUInt32({name}) AS {name}" if name == "time" else name for name in fleet.columns(t)[table])
        same(as_texts(stored(server, table, names)), rows[table], table)
    assert last - first <= server.query("SELECT sum(objects) AS n FROM escapement.windows FINAL")[0]["n"] <= last - first + 200
    # what is delivered a second time counts once
    for table, count in (("windows", len(rows["windows"])), ("sites", len(rows["sites"]))):
        server.execute(f"INSERT INTO escapement.{table} SELECT * FROM escapement.{table} FINAL")
        same(len(stored(server, table, final=False)), 2 * count, "rows in parts")
        same(len(stored(server, table)), count, "rows")


def test_a_store_that_is_killed_loses_nothing_and_counts_nothing_twice(t):
    """Delivery is interrupted at any instant: the store by SIGKILL, and the agent, too, both while they are at it."""
    harness.require_root()
    server = clickhouse.ClickHouse(t).start()
    with_tables(t, server)
    target = fleet.Target(t, fleet.go_program())
    agent, written = fleet.Agent(t, config(t, server.url)), 0
    for round_ in range(3):
        windows = agent.said().count("a window was written")
        target.ask(1000)
        agent.wait_for("a window was written", windows + 1)
        server.kill()
        agent.wait_for("a window was written", windows + 2)
        if round_ == 1:
            agent.process.kill()
            agent.process.wait()
            written = agent.said().count("a window was written")
            agent = fleet.Agent(t, config(t, server.url))
        server.start()
    agent.wait_for("works again after ")
    agent.end()
    written += agent.said().count("a window was written")
    left = fleet.spooled(t, t.path("spool"))["windows"]
    kept = {(row["window"], row["row"]): int(row["objects"]) for row in as_texts(stored(server, "windows"))}
    waiting = {(row["window"], row["row"]): int(row["objects"]) for row in left}
    assert len(kept.keys() | waiting.keys()) >= written, "a window that was written is in the store or waits"
    for key in kept.keys() & waiting.keys():
        same(kept[key], waiting[key], "a window that was stored, but not acknowledged")
    same(server.query("SELECT max(dropped) AS n FROM escapement.windows")[0]["n"], 0, "dropped")
    checked = server.query("SELECT sum(objects) AS n, sum(check_objects + check_difference) AS c FROM escapement.windows FINAL")[0]
    same(checked["n"], checked["c"], "the runtime's own counters")


def test_a_store_that_refuses_is_reported_once_and_no_password_is_shown(t):
    harness.require_root()
    server = clickhouse.ClickHouse(t).start()
    with_tables(t, server)
    password = t.path("password")
    password.write_text("wrong-s3cret\n")
    fleet.Target(t, fleet.go_program())
    settings = ("user = agent", f"password-file = {password}")
    agent = fleet.Agent(t, config(t, server.url, *settings))
    agent.wait_for("it answers ")
    agent.wait_for("a window was written", 3)
    same(len(re.findall("windows wait in the spool", agent.said())), 1, agent.said())
    shown = fleet.shown((agent.process.pid, *harness.descendants(agent.process.pid)), "cmdline", "environ")
    assert shown and "s3cret" not in shown, shown
    password.write_text(clickhouse.PASSWORD + "\n")
    agent.reload(config(t, server.url, *settings))
    wait_for(lambda: not spool_files(t), "an empty spool")
    agent.end()
    assert "s3cret" not in agent.said() and clickhouse.PASSWORD not in agent.said(), agent.said()
    assert len(stored(server, "windows")) > 2
    log = b"".join(path.read_bytes() for path in server.directory.glob("*.log"))
    assert b"s3cret" not in log and clickhouse.PASSWORD.encode() not in log, "the store's logs: it went into a URL"
    # and from the environment
    agent = fleet.Agent(t, config(t, server.url, "user = agent"), "--windows", 1,
                        env={**os.environ, "ESCAPEMENT_CLICKHOUSE_PASSWORD": clickhouse.PASSWORD})
    agent.process.wait(harness.TIMEOUT)
    same(agent.process.returncode, 0, agent.said())


class Tls:
    """Debian's stunnel in front of a server, with a certificate of an authority that is made here."""

    def __init__(self, t, server):
        self.port, = clickhouse.ports(1)
        directory = t.path("tls")
        directory.mkdir()
        for name in ("ours", "others"):
            t.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                  "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem")
        t.run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=store", "-keyout", directory / "store.key",
              "-out", directory / "store.csr")
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        t.run("openssl", "x509", "-req", "-in", directory / "store.csr", "-CA", directory / "ours.pem", "-CAkey", directory / "ours.key", "-CAcreateserial",
              "-days", "2", "-extfile", directory / "names", "-out", directory / "store.pem")
        roots = [self.package(name) for name in ("stunnel4", "libwrap0", "libnsl2", "libtirpc3")]
        (directory / "stunnel.conf").write_text(f"foreground = yes\npid =\n[store]\naccept = 127.0.0.1:{self.port}\nconnect = 127.0.0.1:{server.http}\n"
                                                f"cert = {directory}/store.pem\nkey = {directory}/store.key\n")
        log = open(directory / "log", "w")
        libraries = ":".join(str(root / folder / "x86_64-linux-gnu") for root in roots for folder in ("lib", "usr/lib"))
        stunnel = t.start(roots[0] / "usr/bin/stunnel4", directory / "stunnel.conf", stdout=log, stderr=log,
                          env={**os.environ, "LD_LIBRARY_PATH": libraries})
        wait_for(lambda: self.listens() or stunnel.poll() is not None, "stunnel")
        assert stunnel.poll() is None, f"stunnel: {(directory / 'log').read_text()}"
        self.directory = directory

    def package(self, name):
        done = subprocess.run([harness.ROOT / "packaging" / "debian-program", clickhouse.SUITE, name], capture_output=True, text=True)
        if done.returncode != 0:
            raise harness.Skip(f"cannot fetch {name}: {done.stderr.strip()[-200:]}")
        return pathlib.Path(done.stdout.strip())

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False


def test_by_https_only_the_store_of_a_trusted_authority_is_told_anything(t):
    harness.require_root()
    server = clickhouse.ClickHouse(t).start()
    with_tables(t, server)
    tls = Tls(t, server)
    password = t.path("password")
    password.write_text(clickhouse.PASSWORD + "\n")
    fleet.Target(t, fleet.go_program())
    settings = ("user = agent", f"password-file = {password}")
    # not the system's authorities, not another one, not another name
    agent = fleet.Agent(t, config(t, f"https://127.0.0.1:{tls.port}", *settings))
    agent.wait_for("windows wait in the spool")
    for url, authority in ((f"https://127.0.0.1:{tls.port}", "others"), (f"https://localhost:{tls.port}", "ours")):
        said = agent.said().count("windows wait in the spool")
        agent.reload(config(t, url, *settings, f"ca-file = {tls.directory}/{authority}.pem"))
        agent.wait_for("windows wait in the spool", said + 1)
    same(len(re.findall("clickhouse at https://.*certificate", agent.said())), 3, agent.said())
    same(stored(server, "windows"), [])
    assert spool_files(t), "what was not told waits"
    agent.reload(config(t, f"https://127.0.0.1:{tls.port}", *settings, f"ca-file = {tls.directory}/ours.pem"))
    wait_for(lambda: not spool_files(t), "an empty spool")
    agent.end()
    assert len(stored(server, "windows")) >= 1
    assert clickhouse.PASSWORD not in agent.said(), agent.said()
    refused = t.escapement("report", f"clickhouse://127.0.0.1:{tls.port}/escapement?tls=yes", status=3).stderr
    contains(refused, "certificate")


def test_a_store_that_never_answers_does_not_hold_up_the_windows(t):
    harness.require_root()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    connections = []
    threading.Thread(target=lambda: accept(listener, connections), daemon=True).start()
    fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, f"http://127.0.0.1:{listener.getsockname()[1]}", "timeout = 1s"))
    agent.wait_for("timed out")
    agent.wait_for("a window was written", 3)
    agent.end()
    assert connections, "it has tried"
    same(agent.said().count("windows wait in the spool"), 1, agent.said())
    assert len(spool_files(t)) >= 3
    listener.close()


def accept(listener, connections):
    try:
        while True:
            connections.append(listener.accept()[0])
    except OSError:
        pass


def test_the_tables_of_shards_take_the_same_windows(t):
    harness.require_root()
    numbers = [clickhouse.ports(3), clickhouse.ports(3)]
    cluster = "<remote_servers><main>" + "".join(
        f"<shard><replica><host>127.0.0.1</host><port>{tcp}</port></replica></shard>" for _, tcp, _ in numbers
    ) + "</main></remote_servers>"
    servers = [clickhouse.ClickHouse(t, f"shard-{i}", cluster, numbers[i]).start() for i in (0, 1)]
    for server in servers:
        with_tables(t, server, "--schema", "clickhouse-distributed", "--cluster", "main")
    fleet.Target(t, fleet.go_program())
    for host in ("one", "two", "three", "four", "five"):
        text = config(t, servers[0].url).replace("host = here", f"host = {host}")
        agent = fleet.Agent(t, text, "--windows", 1)
        agent.process.wait(harness.TIMEOUT)
        same(agent.process.returncode, 0, agent.said())
    here, there = (len(server.query("SELECT host FROM escapement.windows_local FINAL")) for server in servers)
    same(here + there, 5, "windows on both shards")
    assert here and there, (here, there)
    for server in servers:
        same(server.query("SELECT count() AS n, uniq(host) AS hosts FROM escapement.windows FINAL"), [{"n": 5, "hosts": 5}])
    # and are asked as one: windows that one shard has twice, and then both, count once
    for server in servers:
        for table in store_sums.TABLES:
            server.execute(f"TRUNCATE TABLE escapement.{table}_local")
            server.execute(f"SYSTEM STOP MERGES escapement.{table}_local")
    here, there = (server.query(f"SELECT min(toString(number)) AS host FROM (SELECT number FROM system.numbers LIMIT 100) "
                                f"WHERE cityHash64(toString(number)) % 2 = {i}")[0]["host"] for i, server in enumerate(servers))
    for host in (here, there, "it's a"):
        store_sums.push(servers[0], host, 3, insert_distributed_sync=1)
    for server in servers:
        assert server.query("SELECT count() AS n FROM escapement.sites_local")[0]["n"] >= 6, "both have some"
    for host in (here, there):
        store_sums.push(servers[1], host, 1, insert_distributed_sync=1)
        store_sums.check(t, servers[0])
        store_sums.check(t, servers[1], questions=({"service": "db"},))


def test_names_that_mean_something_to_the_store_arrive_as_they_are(t):
    """The service's name is the user's, and others come from programs: each is text in a row, whatever it contains."""
    harness.require_root()
    server = clickhouse.ClickHouse(t).start()
    with_tables(t, server)
    fleet.Target(t, fleet.go_program())
    service = "it's \\N a\\tb \\\\ `x`; DROP TABLE escapement.windows -- \u00e4"
    agent = fleet.Agent(t, config(t, server.url).replace("[watch api]", f"[watch {service}]"), "--windows", 1)
    agent.process.wait(harness.TIMEOUT)
    same(agent.process.returncode, 0, agent.said())
    same({row["service"] for table in fleet.TABLES for row in stored(server, table)}, {service})


if __name__ == "__main__":
    harness.main()
