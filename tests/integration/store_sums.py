# SPDX-License-Identifier: BSD-2-Clause
"""Windows made by a store itself, and whether `report` and `audit` say of them what the store adds up with FINAL."""
import math
import urllib.parse

from harness import same

TABLES = ("windows", "sites")
QUESTIONS = ({}, {"service": "api"}, {"service": "db"}, {"service": "db", "build": "b", "host": "it's a"}, {"since": "2026-11-26", "until": "2026-11-27"})


def literal(text):
    return "'" + text.replace("'", "\\'") + "'"


def push(server, host, windows, times=1, **settings):
    """The same windows of a host each time, with two services, of different objects."""
    common = (f"{literal(host)} AS host, intDiv(number, 2) + 7 AS window, toDateTime(1795651200) AS time, number % 2 AS row, "
              "if(row = 0, 'api', 'db') AS service, 'b' AS build")
    numbers = f"(SELECT number FROM system.numbers LIMIT {2 * windows})"
    for _ in range(times):
        server.execute("INSERT INTO escapement.windows (host, window, time, row, service, build, rate, objects, bytes, lost_events, lost_stacks) "
                       f"SELECT {common}, 524288, 100 + number, 800 + number, 0, 0 FROM {numbers}", **settings)
        server.execute("INSERT INTO escapement.sites (host, window, time, row, service, build, function, type, verdict, words, objects, bytes, "
                       "objects_low, objects_high, bytes_low, bytes_high) "
                       f"SELECT {common}, 'main.f', 'T', 'escapes', 'x escapes to heap', 100 + number, 800 + number, 90, 300 + number, 700, 900 + number "
                       f"FROM {numbers}", **settings)


def check(t, server, port=None, questions=QUESTIONS):
    """`port`: who is asked in place of the server."""
    for question in questions:
        url = f"clickhouse://127.0.0.1:{port or server.http}/escapement?{urllib.parse.urlencode(question, quote_via=urllib.parse.quote)}"
        where = " AND ".join(["1", *(f"{name} = {literal(value)}" for name, value in question.items() if name in ("service", "build", "host"))])
        wanted, = server.query("SELECT sum(objects) AS all_objects, sum(bytes) AS all_bytes, sqrt(sum(pow(objects - 90, 2))) AS below, "
                               f"sqrt(sum(pow(bytes_high - bytes, 2))) AS above FROM escapement.sites FINAL WHERE {where}")
        document = t.json("report", url)
        same((document["totals"]["objects"], document["totals"]["bytes"]), (wanted["all_objects"], wanted["all_bytes"]), question)
        for rows in (document["rows"], t.json("audit", url)["rows"]):
            row, = rows
            same((row["objects"], row["bytes"], row["objects_low"], row["bytes_high"]),
                 (wanted["all_objects"], wanted["all_bytes"], math.floor(wanted["all_objects"] - wanted["below"]),
                  math.ceil(wanted["all_bytes"] + wanted["above"])), (question, row))
