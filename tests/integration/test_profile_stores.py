#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An agent and stores of profiles, Pyroscope and OTLP: what other people's decoders find in what they get adds up to the rows of the
windows, to what pprof finds in the files, and to what the programs themselves counted."""
import base64
import collections
import gzip
import os
import re

import clickhouse
import fleet
import harness
import receiver
import test_clickhouse as agents
from harness import contains, same, wait_for

PYROSCOPE, OTLP = "/push.v1.PusherService/Push", "/v1development/profiles"


def config(t, pyroscope=None, otlp=None, window="1s", every="1s", more="", settings=()):
    lines = ["host = here", f"spool = {t.path('spool')}", f"window = {window}", f"every = {every}", more, "[watch api]", f"name = {fleet.TARGET}"]
    for section, url in (("pyroscope", pyroscope), ("otlp", otlp)):
        if url:
            lines += [f"[{section}]", f"url = {url}", *(line for name, line in settings if name == section)]
    return "\n".join([*lines, ""])


def deliver(t, text):
    """An agent that does nothing but deliver."""
    agent = fleet.Agent(t, text.replace("window = 1s", "window = 600s").replace("every = 1s", "every = 600s"))
    wait_for(lambda: not agents.spool_files(t), f"an empty spool; the agent said: {agent.said()}")
    agent.process.kill()
    agent.process.wait()
    return agent.said()


def sums(samples, at=0):
    """Sums of one value by stack, without zeroes."""
    total = collections.Counter()
    for sample in samples:
        total[tuple(map(tuple, sample["stack"]))] += sample["values"][at]
    return {stack: value for stack, value in total.items() if value}


def go_pprof_total(t, data, index):
    """What `go tool pprof` adds up."""
    file = t.path("spooled.pb.gz")
    file.write_bytes(data)
    go = harness.go_toolchain(harness.go_releases("everyday")[-1])
    text = t.run(go, "tool", "pprof", "-raw", f"-sample_index={index}", file, env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
    types = re.search(r"Samples:\n(.*)\n", text).group(1).split()
    at = [name.split("/")[0] for name in types].index(index)
    rows = re.findall(r"^\s*([\d ]+): [\d ]+$", text.split("Samples:")[1].split("Locations")[0], re.M)
    return sum(int(row.split()[at]) for row in rows)


def test_what_the_stores_get_adds_up_to_the_rows_and_to_what_the_program_counted(t):
    harness.require_root()
    store = receiver.Receiver(t)
    store.require_decoder()
    target = fleet.Target(t, fleet.go_program(), env={**os.environ, "GODEBUG": "memprofilerate=1"})
    nowhere = f"http://127.0.0.1:{clickhouse.ports(1)[0]}"
    # an exact window with a heap snapshot, then one of estimates
    for rate, objects, more in ((1, 20000, "heap-every = 4s"), (524288, 50000, "")):
        # long enough for all objects on a busy machine
        agent = fleet.Agent(t, config(t, nowhere, nowhere, "4s", "4s", f"rate = {rate}\nmax-overhead = 0\n{more}"), "--windows", 1)
        agent.wait_for("a window has begun: 1 process")
        first = target.ask(objects)
        last = target.ask(100)
        agent.wait_for("a window was written")
        agent.process.kill()
        agent.process.wait()
        counted = last - first
    rows = fleet.spooled(t, t.path("spool"))
    files = fleet.spooled_profiles(t.path("spool"))
    windows = [row["window"] for row in rows["windows"]]
    said = deliver(t, config(t, store.url, store.url))
    pushed, exported = (store.requests(path) for path in (PYROSCOPE, OTLP))
    same((len(pushed), len(exported)), (2, 2), f"requests: one of each window; {said}")
    for at, (window, push, export) in enumerate(zip(windows, pushed, exported)):
        table = {name: [row for row in rows[name] if row["window"] == window] for name in fleet.TABLES}
        kinds = {"alloc": ("objects", "bytes", "sites"), **({"inuse": ("inuse_objects", "inuse_bytes", "heap")} if at == 0 else {})}
        same(len(push["content"]), len(kinds), "series")
        resources = export["content"]["resources"]
        same(len(resources), len(kinds))
        for series, resource, (kind, (objects, size, name)) in zip(push["content"], resources, kinds.items()):
            same(series["labels"], {"__name__": "memory", "__delta__": "false", "service_name": "api", "hostname": "here", "comm": fleet.TARGET,
                                    "build_id": rows["windows"][0]["build"], "pyroscope_spy": "escapement"})
            profile, = series["profiles"]
            same(profile["types"], [[f"{kind}_objects", "count"], [f"{kind}_space", "bytes"]])
            same(profile["labels"], 0, "labels of samples, of each of which Pyroscope would make a series")
            wanted = [fleet.total(table[name], objects), fleet.total(table[name], size)]
            same([sum(sums(profile["samples"], value).values()) for value in (0, 1)], wanted, f"{kind}, Pyroscope")
            same([sum(sums(each["samples"]).values()) for each in resource["profiles"]], wanted, f"{kind}, OTLP")
            for value, each in enumerate(resource["profiles"]):
                same(sums(each["samples"]), sums(profile["samples"], value), "stacks of both")
                same(each["type"], profile["types"][value])
                same((each["time"], each["duration"]), (profile["time"], profile["duration"]))
            data = files[window].pop(0)
            same([go_pprof_total(t, data, f"{kind}_{unit}") for unit in ("objects", "space")], wanted, "pprof")
            same(resource["attributes"], {"service.name": "api", "host.name": "here", "process.executable.name": fleet.TARGET, "process.pid": str(target.pid),
                                          "process.executable.build_id.go": rows["windows"][0]["build"], "process.runtime.name": "go",
                                          "process.runtime.version": rows["windows"][0]["runtime"]})
            same(resource["scope"][0][0], "escapement")
            frames = {frame for stack in sums(profile["samples"]) for frame in stack}
            assert {name for name, _, _ in frames} >= {"main.buffers", "main.main"}, frames
            assert not any("/" in file for _, file, _ in frames), "paths are redacted"
            assert not any("/" in comment.split(" ", 1)[-1] for comment in profile["comments"] if re.match("target|process.*executable", comment))
        period = ["space", "bytes", 1 if at == 0 else 524288]
        same(push["content"][0]["profiles"][0]["period"], period)
        same({tuple(each["period"]) for each in resources[0]["profiles"]}, {tuple(period)})
        first_entries = export["content"]["first"]
        same(first_entries["strings"], "")
        same(first_entries["functionTable"], {"nameStrindex": 0, "systemNameStrindex": 0, "filenameStrindex": 0, "startLine": "0"})
        same(first_entries["stackTable"], {"locationIndices": []})
        same(export["content"]["duplicates"], 0, "strings that are there twice")
    exact = sum(sums(pushed[0]["content"][0]["profiles"][0]["samples"]).values())
    same(exact, int(rows["windows"][0]["objects"]), "rate 1 counts every object")
    assert 20000 <= exact <= 20300 and counted >= 50000, (exact, counted)
    ids = [each["id"] for push in pushed for series in push["content"] for each in series["profiles"]]
    ids += [each["id"] for export in exported for resource in export["content"]["resources"] for each in resource["profiles"]]
    same(len(set(ids)), len(ids), "names of profiles")


def test_one_store_that_is_away_holds_up_no_other(t):
    harness.require_root()
    store = receiver.Receiver(t)
    fleet.Target(t, fleet.go_program())
    nowhere = f"http://127.0.0.1:{clickhouse.ports(1)[0]}"
    agent = fleet.Agent(t, config(t, nowhere, store.url))
    wait_for(lambda: len(store.requests(OTLP)) >= 3, "windows at the store that is there")
    status = t.escapement("agent", "--config", agent.config, "--status").stdout
    assert int(re.search(r"pyroscope: (\d+) to come, 0 refused", status).group(1)) >= 3, status
    agent.end()
    same(agent.said().count("pyroscope at "), 1, agent.said())
    assert "otlp at " not in agent.said(), agent.said()
    waiting = len(agents.spool_files(t))
    # the other one comes: it gets all of them, in order, and the first one gets none again
    exported = len(store.requests(OTLP)) + int(re.search(r"otlp: (\d+) to come", t.escapement("agent", "--config", agent.config, "--status").stdout).group(1))
    deliver(t, config(t, store.url, store.url))
    same((len(store.requests(PYROSCOPE)), len(store.requests(OTLP))), (waiting, exported))
    times = [push["content"][0]["profiles"][0]["time"] for push in store.requests(PYROSCOPE)]
    same(times, sorted(times, key=int))


def test_refusals_are_said_once_counted_and_do_not_stop_what_comes_after(t):
    harness.require_root()
    store = receiver.Receiver(t)
    fleet.Target(t, fleet.go_program())
    text = config(t, store.url, store.url)
    store.answer(status=503, headers={"Retry-After": "1"}, body=base64.b64encode(b"full\nstack of the server").decode())
    agent = fleet.Agent(t, text)
    agent.wait_for("a window was written", 2)
    for name in ("pyroscope", "otlp"):
        agent.wait_for(f"{name} at {store.url}: it answers 503: full; windows wait in the spool")
    wait_for(lambda: len(store.requests(OTLP, 503)) >= 3, "more attempts")
    same(len(re.findall("wait in the spool", agent.said())), 2, agent.said())
    assert len(store.requests(OTLP, 503)) < 10, "pauses"
    # what can never be taken is dropped, and counted
    store.answer(status=400, body=base64.b64encode(b'{"code":"invalid_argument"}').decode())
    for name in ("pyroscope", "otlp"):
        agent.wait_for(f'{name} at {store.url}: a window was dropped, because the store refuses it: it answers 400: {{"code":"invalid_argument"}}')
    store.answer()
    wait_for(lambda: store.requests(OTLP) and store.requests(PYROSCOPE), "windows after these")
    # OTLP's answer that it has not taken all: rejected_profiles = 2, error_message = "too old"
    store.answer(body=base64.b64encode(b"\x0a\x0b\x08\x02\x12\x07too old").decode())
    agent.wait_for(f"otlp at {store.url}: a part of a window was dropped, because the store refuses it: it rejects 2 of 2 profiles: too old")
    store.answer()
    wait_for(lambda: not agents.spool_files(t), "an empty spool")
    agent.end()
    status = t.escapement("agent", "--config", agent.config, "--status").stdout
    refused = {name: int(re.search(rf"{name}: \d+ to come, (\d+) refused", status).group(1)) for name in ("pyroscope", "otlp")}
    assert refused["otlp"] > len(store.requests(OTLP, 400)) - 1 and refused["otlp"] >= 2, status
    same(refused["pyroscope"], len(store.requests(PYROSCOPE, 400)), status)
    same(int(re.search(r"(\d+) dropped until now", status).group(1)), sum(refused.values()), status)


def test_a_window_that_has_nothing_for_a_store_says_nothing_of_it(t):
    """A store that is away is not said to work again because a window without profiles is done with."""
    harness.require_root()
    fleet.Target(t, fleet.go_program())
    agent = fleet.Agent(t, config(t, f"http://127.0.0.1:{clickhouse.ports(1)[0]}", every="600s"))
    agent.wait_for("windows wait in the spool")
    window, = agents.spool_files(t)
    kept, data = b"", window.read_bytes()
    while data:
        head, data = data.split(b"\n", 1)
        size = int(head.split()[2])
        kept, data = kept + (b"" if head.startswith(b"profile ") else head + b"\n" + data[:size]), data[size:]
    assert kept and kept != window.read_bytes()
    replaced = t.path("replaced")
    replaced.write_bytes(kept)
    os.replace(replaced, window)
    wait_for(lambda: not agents.spool_files(t), f"an empty spool; the agent said: {agent.said()}")
    contains(t.escapement("agent", "--config", agent.config, "--status").stdout, "pyroscope: 0 to come, 0 refused")
    agent.end()
    assert "works again" not in agent.said(), agent.said()


def enlarge(file, copies, size):
    """Makes of the first profile of a window in the spool `copies`, each with a string of random text that nothing names."""
    head, data = file.read_bytes().split(b"\n", 1)
    while not head.startswith(b"profile "):
        head, data = data[int(head.split()[2]):].split(b"\n", 1)
    columns = head.split()[3]
    row, profile = data[:int(head.split()[2])].split(b"\n", 1)
    cells, parts = row.split(b"\t"), b""
    for number in range(copies):
        cells[1] = b"%d" % number
        text = base64.b64encode(os.urandom(size * 3 // 4))
        length = bytes((len(text) >> shift & 127) | (128 if shift < 21 else 0) for shift in (0, 7, 14, 21))
        part = b"\t".join(cells) + b"\n" + gzip.compress(gzip.decompress(profile) + b"\x32" + length + text, 1)
        parts += b"profile 1 %d %s\n" % (len(part), columns) + part
    file.write_bytes(parts)


def test_a_large_window_goes_in_several_requests(t):
    harness.require_root()
    store = receiver.Receiver(t)
    target = fleet.Target(t, fleet.go_program())
    nowhere = f"http://127.0.0.1:{clickhouse.ports(1)[0]}"
    agent = fleet.Agent(t, config(t, nowhere, nowhere, more="rate = 1\nmax-overhead = 0"), "--windows", 1)
    agent.wait_for("a window has begun: 1 process")
    target.ask(100)
    agent.wait_for("a window was written")
    agent.process.kill()
    agent.process.wait()
    enlarge(agents.spool_files(t)[0], 6, 3 << 20)
    deliver(t, config(t, store.url, store.url))
    # of 8 MiB: three profiles of 2.3 MiB compressed, two of 3 MiB
    same([len(push["content"]) for push in store.requests(PYROSCOPE)], [3, 3])
    same(len({each["id"] for push in store.requests(PYROSCOPE) for series in push["content"] for each in series["profiles"]}), 6)
    store.require_decoder()
    same([len(export["content"]["resources"]) for export in store.requests(OTLP)], [2, 2, 2])


def environments(agent):
    """Of the processes that the agent has started."""
    return fleet.shown(harness.descendants(agent.process.pid), "environ")


def test_tokens_and_tenants_go_into_headers_and_nowhere_else(t):
    harness.require_root()
    store = receiver.Receiver(t)
    token, password = t.path("token"), t.path("password")
    token.write_text("t0ken-s3cret\n")
    password.write_text("w0rd-s3cret\n")
    fleet.Target(t, fleet.go_program())
    settings = (("pyroscope", f"token-file = {token}"), ("pyroscope", "tenant = team-1"), ("otlp", "user = agent"), ("otlp", f"password-file = {password}"))
    agent = fleet.Agent(t, config(t, store.url, store.url, settings=settings))
    wait_for(lambda: store.requests(PYROSCOPE) and store.requests(OTLP), "requests")
    shown = fleet.shown((agent.process.pid, *harness.descendants(agent.process.pid)), "cmdline", "environ")
    assert shown and "s3cret" not in shown, shown
    headers = store.requests(PYROSCOPE)[0]["headers"]
    same([headers[name] for name in ("authorization", "x-scope-orgid", "content-type", "connect-protocol-version")],
         ["Bearer t0ken-s3cret", "team-1", "application/proto", "1"])
    headers = store.requests(OTLP)[0]["headers"]
    same([headers[name] for name in ("authorization", "content-type", "content-encoding")],
         [f"Basic {base64.b64encode(b'agent:w0rd-s3cret').decode()}", "application/x-protobuf", "gzip"])
    # an answer that takes too long
    store.answer(delay=5000)
    agent.reload(config(t, store.url, store.url, settings=(("pyroscope", "timeout = 1s"), ("otlp", "timeout = 1s"))))
    for name in ("pyroscope", "otlp"):
        wait_for(lambda: re.search(f"{name} at .*timed out", agent.said()), f"the timeout of {name}; it said: {agent.said()}")
    store.answer()
    agent.end()
    assert "s3cret" not in agent.said(), agent.said()
    # from the environment, which only the agent itself keeps: what it starts reads the memory of others, or what a server answers
    before = len(store.requests(OTLP))
    tokens = {"ESCAPEMENT_OTLP_TOKEN": "fr0m-environment", "ESCAPEMENT_PYROSCOPE_TOKEN": "0ther-environment"}
    agent = fleet.Agent(t, config(t, None, store.url), env={**os.environ, **tokens})
    wait_for(lambda: len(store.requests(OTLP)) > before, "a request")
    same(store.requests(OTLP)[-1]["headers"]["authorization"], "Bearer fr0m-environment")
    wait_for(lambda: "-environment" not in environments(agent), "processes without the tokens")
    agent.end()


def test_by_https_only_a_trusted_store_gets_the_token(t):
    harness.require_root()
    store = receiver.Receiver(t)
    tls = agents.Tls(t, store)
    token = t.path("token")
    token.write_text("t0ken\n")
    fleet.Target(t, fleet.go_program())
    url = f"https://127.0.0.1:{tls.port}"
    settings = lambda *more: [(name, line) for name in ("pyroscope", "otlp") for line in (f"token-file = {token}", *more)]
    agent = fleet.Agent(t, config(t, url, url, settings=settings()))
    for name in ("pyroscope", "otlp"):
        wait_for(lambda: re.search(f"{name} at https://.*certificate", agent.said()), f"the refusal of {name}: {agent.said()}")
    same(store.requests(""), [])
    agent.reload(config(t, url, url, settings=settings(f"ca-file = {tls.directory}/ours.pem")))
    wait_for(lambda: store.requests(PYROSCOPE) and store.requests(OTLP), "requests")
    agent.end()
    same({each["headers"]["authorization"] for each in store.requests("")}, {"Bearer t0ken"})


def test_a_mistake_in_a_section_is_reported_by_line(t):
    good = config(t, "http://h:4040", "http://h:4318")
    for old, new, why in (("url = http://h:4040", "url = h:4040", "the url of [pyroscope] begins with http:// or https://"),
                          ("[otlp]\nurl = http://h:4318", "[otlp]", "[otlp] needs a url"),
                          ("[otlp]", "[otlp]\ntenant = x", "unknown key 'tenant' of [otlp]"),
                          ("[otlp]", "[oltp]", "unknown section [oltp]: expected [watch SERVICE], [prometheus], [clickhouse], [pyroscope] or [otlp]"),
                          ("[pyroscope]", "[pyroscope]\ntoken-file = a\nuser = b", "[pyroscope] has either a token or user and password"),
                          ("[pyroscope]", "[pyroscope]\ntenant = \u00e4", "the tenant of [pyroscope] is not printable ASCII text")):
        file = t.path("agent.conf")
        file.write_text(good.replace(old, new))
        said = t.escapement("agent", "--config", file, "--check", status=2).stderr
        contains(said, why)
        assert re.search(rf"{file}:\d+: ", said), said


if __name__ == "__main__":
    harness.main()
