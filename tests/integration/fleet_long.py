#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What takes long of the agent's tests, `make test-long`: ten minutes of test_fleet_kills.py, a replicated pair of stores, windows that do
not end, and process numbers that come again."""
import os
import random
import signal

import clickhouse
import fleet
import harness
import store_sums
import test_clickhouse as agents
import test_fleet_kills as kills
import zookeeper
from harness import contains, same, wait_for

SECONDS = 600


def test_ten_minutes_of_kills_lose_nothing_and_count_nothing_twice(t):
    seed = random.randrange(1 << 30)
    print(f"# seed {seed}", flush=True)
    killed = kills.kill_at_random(t, SECONDS, seed)
    print(f"# killed {killed}", flush=True)
    assert all(number >= 3 for number in killed.values()), killed  # on a busy machine each takes long


def test_a_replicated_pair_has_each_window_once_wherever_it_was_pushed(t):
    """What is pushed to one is read on the other; a window that is pushed again, to either, counts once; one that was away catches up."""
    harness.require_root()
    numbers = [clickhouse.ports(3), clickhouse.ports(3)]
    # the tables replicate what one of the two takes, not the Distributed table
    cluster = "<remote_servers><main><shard><internal_replication>true</internal_replication>" + "".join(
        f"<replica><host>127.0.0.1</host><port>{tcp}</port></replica>" for _, tcp, _ in numbers) + "</shard></main></remote_servers>"
    keeper = zookeeper.ZooKeeper(t).settings()
    first, second = (clickhouse.ClickHouse(t, f"replica-{i}", f"{cluster}{keeper}<macros><shard>1</shard><replica>{i}</replica></macros>", numbers[i]).start()
                     for i in (0, 1))
    for server in (first, second):
        agents.with_tables(t, server, "--schema", "clickhouse-replicated", "--cluster", "main")
    target = fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, agents.config(t, f"http://127.0.0.1:{clickhouse.ports(1)[0]}"), "--windows", 1)
    agent.wait_for("a window has begun: 1 process")
    target.ask(20000)
    agent.wait_for("a window was written")
    agent.process.kill()
    agent.process.wait()
    rows = fleet.spooled(t, t.path("spool"))
    window, = agents.spool_files(t)
    content = window.read_bytes()

    def push(server):
        window.write_bytes(content)
        (t.path("spool") / "clickhouse.delivered").unlink(missing_ok=True)
        agent = fleet.Agent(t, agents.config(t, server.url, window="600s", every="600s"))
        wait_for(lambda: not agents.spool_files(t), f"an empty spool; the agent said: {agent.said()}")
        agent.process.kill()
        agent.process.wait()

    def summed(server):
        return [server.query(f"SELECT count() AS n, sum({column}) AS sum FROM escapement.{table} FINAL")[0]
                for table, column in (("windows", "objects"), ("sites", "objects"))]

    wanted = [{"n": len(rows[table]), "sum": fleet.total(rows[table], "objects")} for table in ("windows", "sites")]
    push(first)
    wait_for(lambda: summed(second) == wanted, "the window on the other server")
    push(first)
    push(second)
    for server in (first, second):
        server.execute("OPTIMIZE TABLE escapement.windows_local")
        same(summed(server), wanted)
    # one of the two is away
    second.kill()
    agent = fleet.Agent(t, agents.config(t, first.url), "--windows", 1)
    agent.process.wait(harness.TIMEOUT)
    same(agent.process.returncode, 0, agent.said())
    kept = summed(first)
    same(kept[0]["n"], 2)
    second.start()
    wait_for(lambda: summed(second) == kept, "what it has missed")
    # a third server asks either of them, as it likes: one that has merged what was pushed again, or one that has not
    asked = clickhouse.ClickHouse(t, "asked", cluster).start()
    asked.execute("CREATE DATABASE escapement")
    for table in store_sums.TABLES:
        asked.execute(first.query(f"SHOW CREATE TABLE escapement.{table}")[0]["statement"])
        for part in first.query(f"SELECT DISTINCT partition FROM system.parts WHERE active AND table = '{table}_local'"):
            first.execute(f"ALTER TABLE escapement.{table}_local DROP PARTITION {part['partition']}")
        second.execute(f"SYSTEM STOP MERGES escapement.{table}_local")
    for _ in range(2):
        store_sums.push(first, "it's a", 3, insert_deduplicate=0, insert_distributed_sync=1)
        store_sums.push(first, "b", 2, insert_deduplicate=0, insert_distributed_sync=1)
    count = lambda server, table: server.query(f"SELECT count() AS n FROM escapement.{table}_local")[0]["n"]
    for table in store_sums.TABLES:
        wait_for(lambda: count(second, table) == 20, f"all that was pushed, in {table} of the other server")
        first.execute(f"OPTIMIZE TABLE escapement.{table}_local PARTITION 20261126 FINAL", replication_alter_partitions_sync=0)
        wait_for(lambda: count(first, table) == 10, f"{table} merged on one server")
        same(count(second, table), 20, f"{table}, not merged on the other")
    for _ in range(4):
        store_sums.check(t, asked)


def test_a_window_that_does_not_end_is_given_up_so_that_the_agent_can_end(t):
    harness.require_root()
    fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, agents.config(t, "", window="600s", every="600s").partition("[clickhouse]")[0])
    agent.wait_for("a window has begun: 1 process")
    window, = harness.descendants(agent.process.pid)
    os.kill(window, signal.SIGSTOP)
    agent.process.send_signal(signal.SIGTERM)
    same(agent.process.wait(harness.TIMEOUT), 0)
    contains(agent.said(), "a window does not end; it is given up")
    contains(agent.said(), "a window was lost: the process that recorded it was killed by SIGKILL")
    assert not os.path.exists(f"/proc/{window}")


def test_a_new_process_with_an_old_number_is_another_process(t):
    harness.require_root()
    program = fleet.go_program()
    agent = fleet.Agent(t, agents.config(t, "").partition("[clickhouse]")[0])
    first = fleet.Target(t, program)
    wait_for(lambda: fleet.spooled(t, t.path("spool"))["windows"], "a window")
    first.process.kill()
    first.process.wait()

    def again():
        """Takes the number if nobody else was faster."""
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(first.pid - 1))
        second = fleet.Target(t, program)
        if second.pid == first.pid:
            return second
        second.process.kill()
        second.process.wait()
        return None

    second = wait_for(again, "the same number")
    started = open(f"/proc/{second.pid}/stat").read().rpartition(")")[2].split()[19]
    wait_for(lambda: any(row["started"] == started for row in fleet.spooled(t, t.path("spool"))["windows"]), "a window of it")
    agent.end()
    rows = fleet.spooled(t, t.path("spool"))["windows"]
    same({row["pid"] for row in rows}, {str(first.pid)})
    same(len({row["started"] for row in rows}), 2, "processes")


harness.main()
