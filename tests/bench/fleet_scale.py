#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""1,000 agents and one ClickHouse: windows that an agent has recorded are replayed as those of HOSTS hosts, pushed as agents push
them; then a day of them, made in the store itself, is asked for its top lines.

Prints rows a second and the server's CPU time, bytes a row on the wire and on disk, and what questions cost: as `report`, `audit`
and `compare` put them, on parts as they came, on merged ones, and while some windows are there twice. CPU time means something on
a busy machine, too. What the answers say is checked against the window's file.

Environment: HOSTS (1000), DAY (windows of each host in a day, 1440), SITES (rows of `sites` of each window, at most: 6), BUILD.
"""
import concurrent.futures
import json
import math
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import agent_cost  # noqa: E402
import clickhouse  # noqa: E402
import fleet  # noqa: E402
import harness  # noqa: E402

HOSTS, DAY, ROUNDS, CONNECTIONS, FUNCTIONS = int(os.environ.get("HOSTS", "1000")), int(os.environ.get("DAY", "1440")), 1, 8, 10
SITES = int(os.environ.get("SITES", "6"))
TICKS = os.sysconf("SC_CLK_TCK")
MINUTE = 60 * 10 ** 9


def cpu(server):
    cells = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / TICKS


def recorded(t):
    """A window of a program, part by part: (table, rows, names of columns)."""
    program, words = agent_cost.program(t, FUNCTIONS)
    target = t.start(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.path("agent.conf").write_text(f"host = HOST\nspool = {t.path('spool')}\nwindow = 1m\nevery = 1m\n[watch api]\nname = service\nescape = {words}\n")
    t.escapement("agent", "--config", t.path("agent.conf"), "--windows", 1)
    target.kill()
    data, parts = next(t.path("spool").glob("*.window")).read_bytes(), []
    while data:
        head, data = data.split(b"\n", 1)
        table, count, size, names = head.decode().split()
        rows = data[:int(size)].decode().splitlines(keepends=True)
        parts.append((table, "".join(rows[:SITES] if table == "sites" else rows), names.split(",")))
        data = data[int(size):]
    return parts


def replayed(parts, host, window):
    """The same of another host and time."""
    for table, rows, names in parts:
        at = {name: names.index(name) for name in ("window", "time", "host")}
        lines = []
        for row in rows.splitlines():
            cells = row.split("\t")
            cells[at["window"]], cells[at["time"]], cells[at["host"]] = str(window), str(window // 10 ** 9), host
            lines.append("\t".join(cells))
        if lines:
            yield table, names, "\n".join(lines) + "\n"


def push(server, parts, host, window):
    rows = sent = 0
    for table, names, text in replayed(parts, host, window):
        query = f"INSERT INTO escapement.{table} ({','.join(names)}) FORMAT TabSeparated"
        request = urllib.request.Request(f"{server.url}/?insert_distributed_sync=1&query={urllib.parse.quote(query)}", data=text.encode())
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300).read()
        rows, sent = rows + text.count("\n"), sent + len(text)
    return rows, sent


def disk(server):
    row, = server.query("SELECT sum(bytes_on_disk) AS bytes, sum(rows) AS n, count() AS parts FROM system.parts WHERE active AND database = 'escapement' AND table = 'sites'")
    return row


def expected(parts):
    """What all windows of the day add up to, from the file of the one that they repeat: objects, bytes, ends by place. A site
    that has refills and no sample was not measured: None."""
    found, day = {}, HOSTS * DAY
    for table, rows, names in parts:
        for row in rows.splitlines() if table == "sites" else ():
            cells = {name: None if cell == "\\N" else cell for name, cell in zip(names, row.split("\t"))}
            place = (cells["function"], cells["file"], int(cells["line"]), cells["via"])
            for value in ("objects", "bytes"):
                add(found.setdefault(place, {}), value, *(cells[name] and int(cells[name]) for name in (value, f"{value}_low", f"{value}_high")), day)
    return found


def add(sums, value, one, low, high, times):
    """Adds a row, as often as it is there: sums, and squares of the distances of its ends."""
    if one is None:
        sums.setdefault(value, None)
        return
    before = sums.get(value) or (0, 0, 0)
    above = math.inf if high is None else (high - one) ** 2
    sums[value] = before[0] + times * one, before[1] + times * (one - low) ** 2, before[2] + times * above


def check(document, wanted):
    rows = {(row["function"] or "", row["file"] or "", row["line"] or 0, row["via"] or ""): row for row in document["rows"]}
    harness.same(set(rows), set(wanted))
    for place, values in wanted.items():
        row = rows[place]
        for value, sums in values.items():
            harness.same(row[value], sums and sums[0], (place, value))
            for name, sign, square in ((f"{value}_low", -1, 1), (f"{value}_high", 1, 2)) if sums else ():
                if sums[square] == math.inf:
                    harness.same(row[name], None, (place, name))
                else:
                    end = max(0, sums[0] + sign * math.sqrt(sums[square]))
                    assert abs(row[name] - end) <= 1 + 1e-9 * abs(end), (place, name, row[name], end)


def ask(t, server, what, wanted):
    url = f"clickhouse://127.0.0.1:{server.http}/escapement"
    for command in (["report", "--format", "json", f"{url}?since=2026-11-26&until=2026-11-27"], ["audit", f"{url}?since=2026-11-26&until=2026-11-27"],
                    ["compare", f"{url}?since=2026-11-26&until=2026-11-26T12:00", f"{url}?since=2026-11-26T12:00&until=2026-11-27"]):
        begun, used = time.monotonic(), cpu(server)
        done = t.escapement(*command, timeout=3600, status=None)
        result = f"; it failed: {done.stderr.strip()}" if done.returncode else ""
        print(f"{command[0]}, {what}: {time.monotonic() - begun:.1f} s, {cpu(server) - used:.1f} s of the server's CPU{result}", flush=True)
        if command[0] == "report":
            check(json.loads(done.stdout), wanted)
    for final in (" FINAL", ""):
        begun, used = time.monotonic(), cpu(server)
        server.execute(f"SELECT service, function, file, line, sum(objects), sum(bytes) AS b FROM escapement.sites{final} WHERE toYYYYMMDD(time) = 20261126 "
                       "GROUP BY service, function, file, line ORDER BY b DESC LIMIT 20")
        print(f"    objects and bytes as plain SQL{final or ' without FINAL'}: {time.monotonic() - begun:.1f} s, {cpu(server) - used:.1f} s of CPU", flush=True)


def test_scale(t):
    harness.require_root()
    server = clickhouse.ClickHouse(t, more="<query_log><database>system</database><table>query_log</table></query_log>").start()
    server.script(t.escapement("agent", "--schema", "clickhouse").stdout)
    parts = recorded(t)
    first = 1795651200 * 10 ** 9 + 10 ** 9  # 2026-11-26 00:00:01
    begun, used, rows, sent = time.monotonic(), cpu(server), 0, 0
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        for round_ in range(ROUNDS):
            for count, size in pool.map(lambda host: push(server, parts, f"host-{host:04}", first + round_ * MINUTE + host * 1000), range(HOSTS)):
                rows, sent = rows + count, sent + size
    seconds, used = time.monotonic() - begun, cpu(server) - used
    print(f"{HOSTS} hosts, {ROUNDS} windows each: {rows} rows in {seconds:.1f} s: {rows / seconds:.0f} rows a second, "
          f"{HOSTS * ROUNDS / seconds:.0f} windows a second; {1e6 * used / rows:.0f} us of the server's CPU a row, {1e3 * used / HOSTS / ROUNDS:.2f} ms a window; "
          f"{sent / rows:.0f} bytes a row on the wire", flush=True)
    row = disk(server)
    print(f"on disk: {row['bytes'] / row['n']:.1f} bytes a row of sites in {row['parts']} parts", flush=True)
    # the rest of the day, by the store itself
    for table in ("windows", "sites"):
        names = [name for name in fleet.columns(t)[table]]
        server.execute(f"CREATE TABLE escapement.first_{table} AS escapement.{table} ENGINE = Memory")
        server.execute(f"INSERT INTO escapement.first_{table} SELECT * FROM escapement.{table} FINAL WHERE window < {first + MINUTE}")
        for hour in range(0, DAY, 60):
            columns = ", ".join({"window": f"window + (number + {hour}) * {MINUTE} AS window", "time": f"time + (number + {hour}) * 60 AS time"}.get(name, name)
                                for name in names)
            server.execute(f"INSERT INTO escapement.{table} ({', '.join(names)}) SELECT {columns} FROM escapement.first_{table} "
                           f"CROSS JOIN (SELECT number FROM system.numbers LIMIT {min(60, DAY - hour)})", max_memory_usage=4_000_000_000)
    row = disk(server)
    print(f"a day: {row['n']} rows of sites, {row['bytes'] / row['n']:.1f} bytes each, {row['bytes'] / 1e9:.2f} GB, {row['parts']} parts", flush=True)
    ask(t, server, "as they came", expected(parts))
    for table in ("windows", "sites"):
        server.execute(f"OPTIMIZE TABLE escapement.{table} PARTITION 20261126 FINAL")
    row = disk(server)
    print(f"merged: {row['n']} rows, {row['bytes'] / row['n']:.1f} bytes each, {row['parts']} parts", flush=True)
    ask(t, server, "merged", expected(parts))
    for table in ("windows", "sites"):
        server.execute(f"SYSTEM STOP MERGES escapement.{table}")
        server.execute(f"INSERT INTO escapement.{table} SELECT * FROM escapement.{table} WHERE window < {first + 5 * MINUTE} AND host IN ('host-0001', 'host-0002')")
    ask(t, server, "ten windows pushed again", expected(parts))


if __name__ == "__main__":
    harness.main()
