#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Store, agent and targets are killed at random, under load: what the store adds up afterwards is what the programs allocated in
the windows that were kept, by the runtime's own counters, and nothing is there twice. `make test-long` has ten minutes of it."""
import os
import random
import time

import clickhouse
import fleet
import harness
import test_clickhouse as agents
from harness import same, wait_for

SECONDS = 25
TARGETS, MOST = 3, 3000


class Counted(fleet.Target):
    """A program and what is known of its own count: at least `counted`, at most `most`."""

    def __init__(self, t):
        super().__init__(t, fleet.go_program())
        self.started = open(f"/proc/{self.pid}/stat").read().rpartition(")")[2].split()[19]
        self.counted = self.most = self.ask(0)

    def work(self, objects):
        before = self.ask(objects)
        self.counted = max(self.counted, before)
        # the objects asked for, and the few of the answer and the next question
        self.most = before + objects + 200


def kill_at_random(t, seconds, seed):
    harness.require_root()
    dice = random.Random(seed)
    server = clickhouse.ClickHouse(t).start()
    agents.with_tables(t, server)
    text = agents.config(t, server.url, more="rate = 1\nmax-overhead = 0")
    targets, ended, said, kills = [Counted(t) for _ in range(TARGETS)], [], 0, {"store": 0, "agent": 0, "target": 0}
    agent, down, end = fleet.Agent(t, text), 0, time.monotonic() + seconds
    agent.wait_for("a window has begun: 3 processes")
    while time.monotonic() < end:
        for _ in range(dice.randrange(1, 20)):
            dice.choice(targets).work(dice.randrange(MOST))
        if down and dice.random() < 0.5:
            server.start()
            down = 0
        victim = dice.choice(("store", "agent", "target", "nobody", "nobody"))
        if victim == "store" and not down:
            server.kill()
            down = 1
        elif victim == "agent":
            agent.process.kill()
            agent.process.wait()
            said += agent.said().count("a window was written")
            agent = fleet.Agent(t, text)
            agent.wait_for("a window has begun")
        elif victim == "target":
            target = targets.pop(dice.randrange(len(targets)))
            target.process.kill()
            target.process.wait()
            ended.append(target)
            targets.append(Counted(t))
        else:
            # what is killed next has got somewhere
            agent.wait_for("a window was written", agent.said().count("a window was written") + 1)
            continue
        kills[victim] += 1
    if down:
        server.start()
    agent.end()
    said += agent.said().count("a window was written")
    agent = fleet.Agent(t, text.replace("window = 1s", "window = 600s").replace("every = 1s", "every = 600s"))
    wait_for(lambda: not agents.spool_files(t), "an empty spool")
    agent.process.kill()
    agent.process.wait()
    check(server, targets + ended, said)
    return kills


def check(server, targets, said):
    same(server.query("SELECT max(dropped) AS n FROM escapement.windows")[0]["n"], 0, "windows that were dropped")
    rows = server.query("SELECT * FROM escapement.windows FINAL")
    # rows that were pushed again are the same rows
    for table in fleet.TABLES:
        same(server.query(f"SELECT host, window, row, uniqExact(pid, cityHash64(objects)) AS n FROM escapement.{table} GROUP BY host, window, row "
                          "HAVING n > 1".replace("objects", "inuse_objects" if table == "heap" else "objects")), [], f"rows of {table} that differ")
    windows = {row["window"] for row in rows}
    assert len(windows) >= said > 0, f"{said} windows were written, and {len(windows)} are in the store"
    # all of a window, or nothing: its rows are exact, and add up to its totals
    sums = {(row["window"], row["pid"]): row["n"] for row in
            server.query("SELECT window, pid, sum(objects) AS n FROM escapement.sites FINAL GROUP BY window, pid")}
    totals = {(row["window"], row["pid"]): row["objects"] for row in rows}
    same({key: n for key, n in sums.items() if n}, {key: n for key, n in totals.items() if n}, "sums of sites by window and process")
    checked = 0
    for row in rows:
        same((row["lost_events"], row["lost_stacks"]), (0, 0), row)
        if row["check_objects"] is None:
            continue  # it was killed
        assert abs(row["check_difference"]) <= row["check_bound"], row
        same(row["objects"], row["check_objects"] + row["check_difference"] + row["check_outside"], row)
        checked += 1
    assert checked > len(rows) / 2, (checked, len(rows))
    # no process has more objects in all of its windows than it ever allocated
    for target in targets:
        counted = sum(row["objects"] for row in rows if (row["pid"], row["started"]) == (target.pid, int(target.started)))
        assert counted <= target.most, (target.pid, counted, target.most)
    assert any(row["objects"] > 1000 for row in rows), "there was load"


def test_nothing_is_lost_or_counted_twice_whoever_is_killed(t):
    seed = int(os.environ.get("SEED", "18"))
    kills = kill_at_random(t, SECONDS, seed)
    print(f"# seed {seed}: killed {kills}", flush=True)


if __name__ == "__main__":
    harness.main()
