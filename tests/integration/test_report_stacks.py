#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reports of stacks: --focus, --callers, the tree of --by stack and files for speedscope, compared with the stacks in
--format json."""
import base64
import collections
import json
import os
import re

import harness
from harness import contains, same


def recording(t):
    """Records every allocation of 50 rounds of the seed programs. Returns its stacks: (functions, leaf first; the
    row)."""
    harness.require_root()
    t.escapement("record", "-q", "--rate", "1", "-o", "p.pb.gz", "--", harness.workload("seeds"), "--rounds", "50")
    rows = t.json("report", "--by", "stack", "p.pb.gz")["rows"]
    return [([frame["function"] for frame in row["stack"]], row) for row in rows]


def test_focus_selects_the_stacks_with_a_function(t):
    stacks = recording(t)
    for name in ("main.foo", "main.f??", "main.main"):
        plain = name.replace("??", "oo")
        chosen = [row for functions, row in stacks if plain in functions]
        assert chosen, name
        document = t.json("report", "--focus", name, "p.pb.gz")
        for value in ("objects", "bytes", "refills"):
            expected = sum(row[value] for row in chosen)
            same(sum(row[value] for row in document["rows"]), expected, f"{value} below {name}")
            same(document["selection"]["totals"][value], expected, f"{value} of the selection")
        same(document["totals"]["objects"], sum(row["objects"] for _, row in stacks), "totals of the whole recording")
    text = t.escapement("report", "--focus", "main.foo", "p.pb.gz").stdout
    assert re.search(r"^only      stacks with main\.foo, \d+ objects, \d+ bytes \(exact\)$", text, re.M), text
    done = t.escapement("report", "--focus", "main.nobody", "p.pb.gz", status=2)
    contains(done.stderr, "no stack of profile 'p.pb.gz' has the function 'main.nobody'\n")
    done = t.escapement("report", "--callers", "foo", "p.pb.gz", status=2)
    contains(done.stderr, "no stack of profile 'p.pb.gz' has the function 'foo'; did you mean 'main.foo'?")


def test_callers_are_the_frames_above_a_function(t):
    stacks = recording(t)
    expected = collections.Counter()
    for functions, row in stacks:
        if "runtime.newobject" in functions:
            expected[functions[functions.index("runtime.newobject") + 1]] += row["objects"]
    assert len(expected) > 1, expected
    counted = collections.Counter()
    for row in t.json("report", "--callers", "runtime.newobject", "p.pb.gz")["rows"]:
        counted[row["function"]] += row["objects"]
    same(+counted, +expected)
    contains(t.escapement("report", "--callers", "runtime.newobject", "p.pb.gz").stdout, " CALLER\n")
    contains(t.escapement("report", "--callers", "main.foo", "--by", "type", "p.pb.gz", status=2).stderr,
             "it does not go with --by type")


def test_the_tree_has_each_callers_sums(t):
    stacks = recording(t)
    total = sum(row["bytes"] for _, row in stacks)
    text = t.escapement("report", "--by", "stack", "--top", "0", "p.pb.gz").stdout
    heads = re.findall(r"^ *[\d.]+ +(\d+) +(\d+) ( *)\+ (\S+)", text, re.M)
    assert heads, text
    same(sum(int(size) for _, size, indent, _ in heads if not indent), total, "bytes of the outermost frames")
    # The tree has every frame of every stack; callers are above their callees.
    for functions, row in stacks:
        at = 0
        for function in reversed(functions):
            if row["bytes"] and function:
                at = text.find(f" {function}", at)
                assert at >= 0, f"{function} is not below its callers {functions}"
    # The report says how many rows it omits.
    cut = t.escapement("report", "--by", "stack", "--top", "1", "p.pb.gz").stdout
    contains(cut, " more)")
    outermost = re.findall(r"^ *[\d.]+ +\d+ +(\d+) \+ ", cut, re.M)
    same(sum(map(int, outermost)), total, "bytes of the outermost frames, with omitted rows")
    for columns in ("40", "80"):
        narrow = t.escapement("report", "--by", "stack", "p.pb.gz", env={**os.environ, "COLUMNS": columns}).stdout
        same([line for line in narrow.splitlines() if len(line) > int(columns)], [], f"lines wider than {columns}")


def speedscope(t):
    packages = harness.npm_packages("npm-speedscope", {"speedscope": "1.25.0"})
    return packages / "node_modules" / "speedscope" / "dist" / "release"


def test_speedscope_files_are_valid_and_hold_all_values(t):
    stacks = recording(t)
    t.escapement("report", "--format", "speedscope", "-o", "p.json", "p.pb.gz")
    document = json.loads(t.path("p.json").read_text())
    frames = document["shared"]["frames"]
    names = {"objects": "objects", "bytes": "bytes", "refills": "refills"}
    for profile in document["profiles"]:
        same(profile["endValue"], sum(profile["weights"]), profile["name"])
        if profile["name"] not in names:
            continue
        counted, expected = collections.Counter(), collections.Counter()
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
            # a frame without a name, such as of a libc without symbols, has its address
            counted[tuple(None if re.fullmatch("0x[0-9a-f]+", frames[index]["name"]) else frames[index]["name"]
                          for index in sample)] += weight
        for functions, row in stacks:
            expected[tuple(reversed(functions))] += row[names[profile["name"]]]
        same(+counted, +expected, profile["name"])
    same(document["profiles"][document["activeProfileIndex"]]["name"], "bytes")
    contains(t.escapement("report", "--format", "speedscope", "--by", "type", "p.pb.gz", status=2).stderr,
             "--format speedscope shows stacks: it does not go with --by type")
    try:
        import jsonschema
    except ImportError:
        raise harness.Skip("python3-jsonschema is not installed") from None
    schema = json.loads((speedscope(t) / "file-format-schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(document)


def test_speedscopes_own_importer_takes_the_file(t):
    release = speedscope(t)
    if not os.access("/usr/bin/chromium", os.X_OK):
        raise harness.Skip("/usr/bin/chromium is not installed")
    recording(t)
    t.escapement("report", "--format", "speedscope", "-o", "p.json", "p.pb.gz")

    encoded = base64.b64encode(t.path("p.json").read_bytes()).decode()
    t.path("load.js").write_text(f"speedscope.loadFileFromBase64('p.json', '{encoded}')")
    page = t.run("/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
                 "--allow-file-access-from-files", "--virtual-time-budget=2000", "--dump-dom",
                 f"--user-data-dir={t.path('browser')}", f"file://{release}/index.html#localProfilePath={t.path('load.js')}",
                 timeout=110).stdout
    # speedscope changes the title once it has imported a file.
    contains(re.search("<title>([^<]*)</title>", page)[1], "seeds --rounds 50 - speedscope")


harness.main()
