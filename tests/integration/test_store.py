#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`report`, `audit` and `compare` of clickhouse://…: what they say of many windows is what ClickHouse itself adds up."""
import http.server
import itertools
import json
import math
import os
import re
import threading
import urllib.parse

import clickhouse
import fleet
import harness
import store_sums
from harness import contains, same


def record(t, server, host, service, build, objects, *watch, redact="no"):
    """A window of a program in the store, in which it allocates so many buffers. Returns what the agent said."""
    text = "\n".join((f"host = {host}", f"spool = {t.path('spool')}", "window = 1s", "every = 1s", f"redact = {redact}", f"[watch {service}]",
                      f"name = {fleet.TARGET}", *watch, "[clickhouse]", f"url = {server.url}", ""))
    target = fleet.Target(t, fleet.go_program() if build == "first" else fleet.go_program(build))
    agent = fleet.Agent(t, text, "--windows", 1)
    agent.wait_for("a window has begun: 1 process")
    target.ask(objects)
    target.ask(0)
    agent.process.wait(harness.TIMEOUT)
    same(agent.process.returncode, 0, agent.said())
    target.process.kill()
    target.process.wait()
    return agent.said()


def compiler_output(t, build="first"):
    """What the compiler says of a build."""
    go = harness.go_toolchain(harness.go_releases("everyday")[-1])
    environment = {**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    source = (fleet.go_program() if build == "first" else fleet.go_program(build)).parent
    file = t.path(f"{build}-m2.txt")
    file.write_text(t.run(go, "build", "-gcflags=-m=2", "-o", t.path("again"), ".", cwd=source, env=environment).stderr)
    return file


def server_with_tables(t):
    """A store of its own for each test: what is in it is all that the test has recorded."""
    harness.require_root()
    server = clickhouse.ClickHouse(t).start()
    server.script(t.escapement("agent", "--schema", "clickhouse").stdout)
    return server


def url(server, **parameters):
    return f"clickhouse://127.0.0.1:{server.http}/escapement?{urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)}"


def check_sums(t, server):
    """Reports of several selections, beside what the store adds up by texts and with FINAL."""
    build = server.query("SELECT build FROM escapement.windows ORDER BY service DESC LIMIT 1")[0]["build"]
    for parameters, where in (({}, "1"), ({"service": "api"}, "service = 'api'"), ({"host": "a"}, "host = 'a'"),
                              ({"build": build, "since": "1h"}, f"build = '{build}'"),
                              ({"service": "api", "host": "a", "since": "2020-01-01", "until": "2100-01-01T00:00"}, "service = 'api' AND host = 'a'")):
        document = t.json("report", url(server, **parameters))
        windows = server.query(f"SELECT sum(objects) AS objects, sum(bytes) AS bytes, sum(check_objects) AS checked, sum(seconds) AS seconds "
                               f"FROM escapement.windows FINAL WHERE {where}")[0]
        same((document["totals"]["objects"], document["totals"]["bytes"], document["check"]["objects"]),
             (windows["objects"], windows["bytes"], windows["checked"]), where)
        assert abs(document["target"]["duration_seconds"] - windows["seconds"]) < 1e-3
        ends = "".join(f", sqrt(sum(pow({value} - {value}_low, 2))) AS {value}_below, sqrt(sum(pow({value}_high - {value}, 2))) AS {value}_above"
                       for value in ("objects", "bytes"))
        sites = server.query(f"SELECT function, file, line, via, sum(objects) AS all_objects, sum(bytes) AS all_bytes{ends} "
                             f"FROM escapement.sites FINAL WHERE {where} GROUP BY function, file, line, via")
        site = lambda row: (row["function"] or "", row["file"] or "", row["line"] or 0, row["via"] or "")
        stored = {site(row): row for row in sites}
        same({site(row): (row["objects"], row["bytes"]) for row in document["rows"]},
             {name: (row["all_objects"], row["all_bytes"]) for name, row in stored.items()}, where)
        # independent errors add up by their squares, to each side; ends are rounded outwards
        for row in document["rows"]:
            for value in ("objects", "bytes"):
                if row[value] is None:  # the heap grew there, and no object was sampled
                    continue
                wanted = stored[site(row)]
                same([row[f"{value}_low"], row[f"{value}_high"]],
                     [math.floor(row[value] - wanted[f"{value}_below"]), math.ceil(row[value] + wanted[f"{value}_above"])], (row, wanted))


def test_a_report_is_the_sum_of_what_was_selected(t):
    server = server_with_tables(t)
    for host, service, build, objects in (("a", "api", "first", 20000), ("b", "api", "first", 30000), ("a", "db", "second", 5000)):
        record(t, server, host, service, build, objects)
    check_sums(t, server)
    text = t.escapement("report", url(server, service="api", since="1h")).stdout
    contains(text, "main.buffers")
    contains(t.escapement("report", url(server, until="2020-01-01"), status=2).stderr, "the store has no window of what was asked for")


def test_tables_of_an_earlier_release_are_asked_as_well(t):
    """Without the columns that the store adds up by, and with those that docs/fleet.md adds: rows that were there have them, too."""
    server = server_with_tables(t)
    for table in ("sites", "windows"):
        server.execute(f"ALTER TABLE escapement.{table} DROP COLUMN place")
    record(t, server, "a", "api", "first", 20000)
    check_sums(t, server)
    for table in ("sites", "windows"):
        statement = re.search(rf"`(ALTER TABLE escapement\.{table} ADD COLUMN (place .*))`", (harness.ROOT / "docs/fleet.md").read_text())
        contains(t.escapement("agent", "--schema", "clickhouse").stdout, f"    {statement.group(2)}\n")
        server.execute(statement.group(1))
        check_sums(t, server)
    record(t, server, "b", "db", "second", 5000)
    check_sums(t, server)
    # a row is one of its texts and line, in the order in which the store finds them
    same(server.query("SELECT uniqExact(place) AS n FROM escapement.sites"),
         server.query("SELECT uniqExact(build, function, file, line, via, type, verdict, words) AS n FROM escapement.sites"))


def test_a_row_without_an_upper_end_has_none_in_a_sum(t):
    server = server_with_tables(t)
    for window, objects, low, high in ((1, 100, 90, "NULL"), (2, 50, 46, "60")):
        server.execute("INSERT INTO escapement.windows (host, window, row, service, build, rate, objects, bytes) VALUES "
                       f"('x', {window}, 0, 'api', 'b', 524288, {objects}, {8 * objects})")
        server.execute("INSERT INTO escapement.sites (host, window, row, service, build, function, objects, bytes, objects_low, objects_high,"
                       f" bytes_low, bytes_high) VALUES ('x', {window}, 0, 'api', 'b', 'main.f', {objects}, {8 * objects}, {low}, {high},"
                       f" {8 * objects - 10}, {8 * objects + 20})")
    # growth of the heap has no objects, and so takes no end away
    for row, values in ((1, "100, 800, 90, 120, 790, 820, NULL"), (2, "NULL, NULL, NULL, NULL, NULL, NULL, 3")):
        server.execute("INSERT INTO escapement.sites (host, window, row, service, build, function, objects, bytes, objects_low, objects_high,"
                       f" bytes_low, bytes_high, heap_grows) VALUES ('x', 1, {row}, 'api', 'b', 'main.g', {values})")
    rows = {row["function"]: row for row in t.json("report", url(server))["rows"]}
    same([rows["main.g"][name] for name in ("objects_low", "objects_high", "bytes_low", "bytes_high", "heap_grows")], [90, 120, 790, 820, 3])
    row = rows["main.f"]
    same([row[name] for name in ("objects_low", "objects", "objects_high", "bytes_low", "bytes", "bytes_high")],
         [math.floor(150 - math.hypot(10, 4)), 150, None, math.floor(1200 - math.hypot(10, 10)), 1200, math.ceil(1200 + math.hypot(20, 20))], row)
    contains(t.escapement("report", url(server)).stdout, " 139.. ")


def test_windows_that_were_pushed_again_count_once(t):
    """Of some hosts and windows, before the store has merged them, whichever service or build is asked for; and of so many that
    they do not fit into a query."""
    server = server_with_tables(t)
    for table in ("windows", "sites"):
        server.execute(f"SYSTEM STOP MERGES escapement.{table}")

    store_sums.push(server, "it's a", 3)
    store_sums.push(server, "b", 5)  # windows of the same numbers on another host: nothing is there repeatedly
    store_sums.check(t, server)
    store_sums.push(server, "it's a", 1)
    store_sums.check(t, server)
    store_sums.push(server, "b", 2, times=2)
    store_sums.check(t, server)
    store_sums.push(server, "c", 1200, times=2)
    store_sums.check(t, server)


def test_windows_that_are_pushed_again_and_merged_while_the_store_answers_count_once(t):
    """Before and after nothing is there repeatedly; while the sums are made, it is: always, or only the first time."""
    server = server_with_tables(t)
    for host in ("it's a", "b"):
        store_sums.push(server, host, 3)
    for times in (1, 100):
        pushed = []

        def again(query):
            if b"of_objects" not in query or len(pushed) >= times:
                return
            pushed.append(query)
            for table in store_sums.TABLES:
                server.execute(f"SYSTEM STOP MERGES escapement.{table}")
            store_sums.push(server, "b", 2)

        def merged(query):
            for table in store_sums.TABLES:
                server.execute(f"SYSTEM START MERGES escapement.{table}")
                server.execute(f"OPTIMIZE TABLE escapement.{table} FINAL")

        with Between(server, again, merged) as between:
            for query in ({}, {"service": "api"}, {"service": "db"}):
                pushed.clear()
                store_sums.check(t, server, between.port, [query])
                assert pushed, "it was pushed again"


class Between:
    """Hands on what a store is asked and what it answers, and has something happen before and after each question."""

    def __init__(self, server, before, after):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                before(query)
                answer = server.execute("", query, wait_end_of_query=1).encode()
                after(query)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_the_ends_of_large_sums_are_as_far_away_as_the_store_says(t):
    """The distances of a busy fleet's day: their squares are far above any number of objects or bytes."""
    server = server_with_tables(t)
    objects, size, below, above = 40_000_000_000, 10_000_000_000_000, 10 ** 9, 3 * 10 ** 9
    for window in (1, 2):
        server.execute("INSERT INTO escapement.windows (host, window, row, service, build, rate, objects, bytes, lost_events, lost_stacks) VALUES "
                       f"('x', {window}, 0, 'api', 'b', 524288, {objects}, {size}, 0, 0)")
        server.execute("INSERT INTO escapement.sites (host, window, row, service, build, function, verdict, objects, bytes, objects_low,"
                       f" objects_high, bytes_low, bytes_high) VALUES ('x', {window}, 0, 'api', 'b', 'main.f', 'escapes', {objects}, {size},"
                       f" {objects - below}, {objects + above}, {size - below}, {size + above})")
    for command in ("report", "audit"):
        row, = t.json(command, url(server))["rows"]
        wanted = [end for sum_ in (2 * objects, 2 * size) for end in (sum_ - math.sqrt(2) * below, sum_ + math.sqrt(2) * above)]
        found = [row[name] for name in ("objects_low", "objects_high", "bytes_low", "bytes_high")]
        assert all(abs(end - goal) <= 2 for end, goal in zip(found, wanted)), (command, found, wanted)


def test_compare_and_audit_take_a_store_as_a_recording(t):
    server = server_with_tables(t)
    record(t, server, "a", "api", "first", 20000)
    record(t, server, "a", "new", "second", 60000)
    document = t.json("compare", "--fail-on", "worse", url(server, service="api"), url(server, service="new"), status=1)
    row = next(row for row in document["rows"] if row["function"] == "main.buffers")
    same(row["change"], "worse")
    assert 20000 <= row["before"]["objects"] <= 20100 and 60000 <= row["after"]["objects"] <= 60100, row
    audit = t.json("audit", "--escape", compiler_output(t), "-C", fleet.go_program().parent, "--verdict", "escapes", url(server, service="api"))
    counted = server.query("SELECT sum(objects) AS n, any(line) AS line FROM escapement.sites FINAL WHERE service = 'api' AND function = 'main.buffers'")[0]
    same([(row["line"], row["objects"]) for row in audit["rows"]], [(counted["line"], counted["n"])])


def test_sets_of_hosts_and_builds_are_compared_by_what_the_store_adds_up_for_each(t):
    """Six hosts, of which the last two run a new build: a line that is worse there, one that is better, one that is new and one that
    is gone, and one that is the same. Other windows of the same lines, of another service or day, are on no side."""
    server = server_with_tables(t)
    lines = {"worse": (100, 250), "better": (300, 40), "new": (None, 70), "gone": (90, None), "same": (500, 500)}
    windows, sites = [], []
    for number, host in enumerate("abcdef"):
        new = host in "ef"
        for service, day, times in (("api", 26, 1), ("db", 26, 50), ("api", 25, 70)):
            window = f"'{host}', {number * 100 + day}, toDateTime('2026-11-{day} 12:00:00'), {0 if service == 'api' else 1}, '{service}', '{'new' if new else 'old'}'"
            counts = [(name, pair[new] * times) for name, pair in lines.items() if pair[new] is not None]
            total = sum(count for _, count in counts)
            windows.append(f"({window}, 1, 10, {total}, {8 * total}, {total}, 0, 0, 0, 0)")
            for row, (name, count) in enumerate(counts):
                row_of = window.replace(f", {0 if service == 'api' else 1}, ", f", {row if service == 'api' else 10 + row}, ")
                sites.append(f"({row_of}, 'main.{name}', 'main.go', {10 + row}, {count}, {8 * count}, {count}, {count}, {8 * count}, {8 * count})")
    server.execute("INSERT INTO escapement.windows (host, window, time, row, service, build, rate, seconds, objects, bytes, check_objects, check_difference,"
                   f" check_bound, lost_events, lost_stacks) VALUES {', '.join(windows)}")
    server.execute("INSERT INTO escapement.sites (host, window, time, row, service, build, function, file, line, objects, bytes, objects_low, objects_high,"
                   f" bytes_low, bytes_high) VALUES {', '.join(sites)}")
    day = {"service": "api", "since": "2026-11-26", "until": "2026-11-27"}

    def compared(before, after):
        document = t.json("compare", url(server, **before, **day), url(server, **after, **day))
        return {row["function"]: (row["change"], *(row[side] and row[side]["objects"] for side in ("before", "after"))) for row in document["rows"]}

    def summed(where):
        return {row["function"]: row["n"] for row in server.query(
            f"SELECT function, sum(objects) AS n FROM escapement.sites WHERE toDate(time) = '2026-11-26' AND service = 'api' AND {where} GROUP BY function")}

    for before, after, sides in (({"build": "old"}, {"build": "new"}, ("build = 'old'", "build = 'new'")),
                                 ({"host": "a"}, {"host": "f"}, ("host = 'a'", "host = 'f'")),
                                 ({"host": "f"}, {"host": "a"}, ("host = 'f'", "host = 'a'"))):
        rows, (left, right) = compared(before, after), map(summed, sides)
        for function, (change, *counts) in rows.items():
            same([count or 0 for count in counts], [left.get(function, 0), right.get(function, 0)], (before, after, function))
        same({function for function in {*left, *right} if left.get(function) != right.get(function)} - set(rows), set(), "lines that differ are rows")
    changes = {function: change for function, (change, *_) in compared({"host": "a"}, {"host": "f"}).items()}
    same({name: changes.get(f"main.{name}") for name in ("worse", "better", "new", "gone")},
         {"worse": "worse", "better": "better", "new": "new", "gone": "gone"})
    same({change for change, *_ in compared({"host": "a"}, {"host": "b"}).values()} - {"same"}, set(), "hosts of one build do not differ")


def test_which_escapes_matter_anywhere_is_what_the_verdicts_of_all_windows_add_up_to(t):
    """Two hosts and two builds, of which each has its compiler output; paths are redacted, as by default."""
    server = server_with_tables(t)
    for host, build, objects in (("a", "first", 20000), ("b", "first", 30000), ("b", "second", 7000)):
        said = record(t, server, host, "api", build, objects, f"escape = {compiler_output(t, build)}", redact="yes")
        assert "verdict" not in said, said
    document = t.json("audit", url(server, service="api"))
    summed = server.query("SELECT verdict, words, function, file, line, sum(objects) AS objects, sum(bytes) AS bytes, any(type) AS type "
                          "FROM escapement.sites FINAL GROUP BY verdict, words, function, file, line")
    by_verdict = {}
    for row in summed:
        by_verdict[row["verdict"]] = by_verdict.get(row["verdict"], 0) + (row["objects"] or 0)  # null: no sample hit it
    same({verdict: sum(row["objects"] or 0 for row in document["rows"] if row["verdict"] == verdict) for verdict in by_verdict}, by_verdict)
    buffers = [row for row in document["rows"] if row["function"] == "main.buffers"]
    stored = [row for row in summed if row["function"] == "main.buffers"]
    same([(row["verdict"], row["file"], row["line"], row["objects"], row["bytes"], row["type"], row["words"]) for row in buffers],
         [("escapes", "main.go", row["line"], row["objects"], row["bytes"], "uint8", "make([]byte, 1000) escapes to heap") for row in stored])
    assert 57000 <= buffers[0]["objects"] <= 57300 and buffers[0]["objects_low"] <= 57000 <= buffers[0]["objects_high"], buffers
    same(t.escapement("audit", "--fail-on", "escapes:objects>50000", url(server), status=1).stderr, "escapement: --fail-on escapes:objects>50000: 1 row\n")
    # what the compiler says of these lines is what it says in a recording of one of these processes
    text = t.escapement("audit", url(server, service="api", since="1h")).stdout
    contains(text, "make([]byte, 1000) escapes to heap")
    for option in (("--flow",), ("--advice",), ("--annotate", "main.go")):
        contains(t.escapement("audit", *option, url(server), status=2).stderr, "need the compiler output itself")
    # rows without a verdict are counted, and said
    said = record(t, server, "c", "other", "first", 1000)
    missing = server.query("SELECT sum(objects) AS n FROM escapement.sites FINAL WHERE service = 'other'")[0]["n"]
    same(server.query("SELECT uniqExact(verdict) AS n, any(verdict) AS v FROM escapement.sites WHERE service = 'other'"), [{"n": 1, "v": ""}])
    contains(t.escapement("audit", url(server)).stderr, f"{missing} of {missing + sum(by_verdict.values())} objects have no verdict")
    contains(t.escapement("audit", url(server, service="other"), status=2).stderr, "no row in the store has a verdict")


def test_the_words_about_another_build_give_no_verdicts(t):
    server = server_with_tables(t)
    other = t.path("other.txt")
    other.write_text(re.sub(r"main\.go:(\d+)", lambda at: f"main.go:{int(at.group(1)) + 7}", compiler_output(t).read_text()))
    for words, why in ((other, "the compiler output does not match the program"), (t.path("none"), "cannot")):
        # so many that samples of them are there, for the words to be about
        said = record(t, server, "a", "api", "first", 20000, f"escape = {words}")
        same(len(re.findall(rf"process \d+ \({fleet.TARGET}\) gets no verdicts: ", said)), 1, said)
        contains(said, why)
    same({row["verdict"] for row in server.query("SELECT verdict FROM escapement.sites FINAL")}, {""})
    assert server.query("SELECT sum(objects) AS n FROM escapement.sites FINAL WHERE function = 'main.buffers'")[0]["n"] >= 40000


def test_no_part_of_a_url_is_sql(t):
    server = server_with_tables(t)
    record(t, server, "a", "api", "first", 1000)
    hostile = ["api' OR '1'='1", "api'; DROP TABLE escapement.windows; --", "api\\", "\\' OR 1 --", "api' UNION ALL SELECT 1 --",
               "' OR 1=1 /*", "api\n", "a\tb", "\u2019 OR 1", "api\\x27 OR 1", "{param:String}", "%", "ap_", "", "api\0"]
    for value in hostile:
        for name in ("service", "build", "host"):
            done = t.escapement("report", url(server, **{name: value}), status=2)
            assert "the store has no window" in done.stderr or "is not NAME=VALUE" in done.stderr, (value, done.stderr)
            same(done.stdout, "")
    same(server.query("SELECT count() AS n FROM escapement.windows")[0]["n"], 1, "the table is still there")
    same(server.query("SELECT count() AS n FROM system.processes WHERE query LIKE '%DROP%' AND query NOT LIKE '%system.processes%'")[0]["n"], 0)
    # such a text is found where a row has it, byte by byte
    for value in [value for value in hostile if value and "\0" not in value and value == value.strip() and "\t" not in value]:
        server.execute("INSERT INTO escapement.windows (host, window, row, service, build, objects) FORMAT TabSeparated",
                       f"x\t{abs(hash(value)) % 10**9}\t0\t".encode() + value.replace("\\", "\\\\").encode() + b"\tb\t7\n")
        same(t.json("report", url(server, service=value))["totals"]["objects"], 7, value)


def test_a_store_that_answers_nonsense_is_refused_or_read_as_text(t):
    """What a store answers is from outside: nothing in it ends the command by a signal."""
    answers = [b"", b"\n", b"\t\n", b"\\N\n", b"\\", b"x\\", b"a\tb\tc\n", b"\xff\xfe\x00\x01\n" * 50, b"\t" * 100000 + b"\n", b"\\N\t" * 40 + b"\n",
               b"99999999999999999999999999\t" * 40 + b"\n", b"-9223372036854775808\t" * 40 + b"\n", b"1e308\t" * 40 + b"\n", b"nan\t" * 40 + b"\n", b"inf\t" * 40 + b"\n",
               b"9223372036854775807\t" * 40 + b"\n9223372036854775807\t" + b"9223372036854775807\t" * 40, b"%s%n\t" * 40 + b"\n", b"(outside)\t" * 40 + b"\n",
               "\u202e\x1b[2J\t".encode() * 40 + b"\n"]

    class Handler(http.server.BaseHTTPRequestHandler):
        answer = b""
        sane = False  # whether it knows how many windows are there repeatedly, which is asked first

        def do_POST(self):
            query = self.rfile.read(int(self.headers["Content-Length"]))
            answer = b"0\n" if self.sane and b"uniqExact(window)" in query else self.answer
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def cut_short(answer):
        Handler.answer = answer
        return t.escapement("report", f"clickhouse://127.0.0.1:{server.server_port}/escapement", status=3).stderr

    try:
        for Handler.answer, Handler.sane in itertools.product([*answers, b"1\n", b"99999999999\n"], (True, False)):
            for arguments in (["report"], ["report", "--format", "json"], ["audit"]):
                done = t.escapement(*arguments, f"clickhouse://127.0.0.1:{server.server_port}/escapement", status=None)
                assert done.returncode in (0, 2, 3, 4), (Handler.answer[:60], done.returncode, done.stderr)
                assert "\x1b" not in done.stdout + done.stderr
                if done.returncode == 0 and "json" in arguments:
                    json.loads(done.stdout)
        # an error in the middle of an answer that began well
        Handler.sane = True
        asked = int(re.search(r"row 1 of its answer has 1 cells, and (\d+) were asked for", cut_short(b"1\n")).group(1))
        contains(cut_short(b"1\t" * (asked - 1) + b"1\nCode: 241. DB::Exception: Memory limit (for query) exceeded\n"),
                 "row 2 of its answer has 1 cells")
        Handler.sane = False
        contains(cut_short(b"1\n"), "row 1 of its answer has 1 cells, and 2 were asked for")
    finally:
        server.shutdown()
        server.server_close()


def test_a_url_that_cannot_be_asked_says_why(t):
    port = clickhouse.ports(1)[0]
    for text, status, message in (
            (f"clickhouse://127.0.0.1:{port}/escapement", 3, f"clickhouse at http://127.0.0.1:{port}/: "),
            ("clickhouse://127.0.0.1/", 2, "expected clickhouse://HOST[:PORT]/DATABASE"),
            ("clickhouse://127.0.0.1/a;b", 2, "expected clickhouse://HOST[:PORT]/DATABASE"),
            ("clickhouse:///escapement", 2, "is not the name or address of a host"),
            ("clickhouse://h o/escapement", 2, "is not the name or address of a host"),
            ("clickhouse://me:secret@h/escapement", 2, "no password in a URL"),
            ("clickhouse://h:99999999/escapement", 2, "is not a port"),
            ("clickhouse://h/escapement?servce=a", 2, "unknown parameter 'servce'"),
            ("clickhouse://h/escapement?since=often", 2, "'often' is neither a time ago"),
            ("clickhouse://h/escapement?service", 2, "is not NAME=VALUE"),
            ("clickhouse://h/escapement?service=%0", 2, "is not NAME=VALUE")):
        said = t.escapement("report", text, status=status).stderr
        contains(said, message)
        assert "secret" not in said, said


harness.main()
