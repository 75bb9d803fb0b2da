#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`escapement html`: the contents of the file, and how it behaves in a browser."""
import base64
import errno
import gzip
import json
import os
import pathlib
import re
import shutil
import zlib

import go_programs
import harness
from harness import contains, same
from wire import nested, number, varint

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u00b5\u65e5\U0001f600"
DENY = harness.BUILD / "tests" / "tools" / "deny"

PROGRAM = """package main

import "strings"

type node struct {
	next *node
	data []byte
}

//go:noinline
func grow(list *node, n int) *node {
	return &node{list, make([]byte, n)}
}

func main() {
	var list *node
	for i := 0; i < 3000; i++ {
		list = grow(list, 100+i%3*100)
	}
	if list.next == nil || len(strings.Repeat("x", len(list.data))) == 0 {
		panic("lost")
	}
}
"""


def profile_of(t, samples, name="made.pb.gz", period=1, go_heap=False):
    """Writes a profile. `samples`: (frames, leaf first, each (function, file, line); objects; bytes). Period 0: it does not
    say how it was sampled. `go_heap`: with the columns of Go's heap profiles, of which it is known how they are sampled."""
    strings = [""]

    def text(value):
        if value not in strings:
            strings.append(value)
        return strings.index(value)

    body = b""
    for kind, unit in (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes"))[:4 if go_heap else 2]:
        body += nested(1, number(1, text(kind)) + number(2, text(unit)))
    frames = {}
    for stack, objects, size in samples:
        for frame in stack:
            if frame not in frames:
                frames[frame] = len(frames) + 1
                function, file, line = frame
                body += nested(5, number(1, frames[frame]) + number(2, text(function)) + number(4, text(file)))
                body += nested(4, number(1, frames[frame]) + nested(4, number(1, frames[frame]) + number(2, line)))
        body += nested(2, nested(1, b"".join(varint(frames[frame]) for frame in stack)) +
                       nested(2, varint(objects) + varint(size) + (varint(0) + varint(0) if go_heap else b"")))
    body += nested(11, number(1, text("space")) + number(2, text("bytes"))) + number(12, period)
    body += b"".join(nested(6, value.encode("utf-8", "surrogateescape")) for value in strings)
    t.path(name).write_bytes(gzip.compress(body))
    return t.path(name)


def page_data(page):
    """The page's document, and as its member `tree` the element that stands behind the scripts: what is most of a large
    page must not keep the work list from being read."""
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S).group(1))
    same([name or "scripts" for name in re.findall(r'<script (?:id="(\w+)"|nonce)', page)], ["data", "scripts", "tree"])
    assert page[page.index('<script id="data"'):].isascii(), "browsers decode what is not ASCII slowly"
    return {**data, "tree": re.search(r'<script id="tree" type="text/plain">([A-Za-z0-9+/=]+)</script>', page).group(1)}


def page_leaves(data):
    """Unpacks the page's tree of stacks. Returns its columns of numbers: one per measure, then those of the older
    snapshot."""
    packed = zlib.decompress(base64.b64decode(data["tree"]))
    numbers, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    nodes, leaves = numbers[:2]
    columns = numbers[2 + 2 * (nodes - 1) + 3 * leaves:]
    assert leaves and len(columns) % leaves == 0, (nodes, leaves, len(columns))
    return [columns[first:first + leaves] for first in range(0, len(columns), leaves)]


def in_browser(t, page, report):
    """Runs tests/browser/page.mjs on the page; fails if one of its tests fails."""
    if not os.access("/usr/bin/chromium", os.X_OK) or not shutil.which("node"):
        raise harness.Skip("/usr/bin/chromium or node is not installed")
    packages = harness.npm_packages("npm-page", harness.PAGE_PACKAGES)
    done = t.run("node", harness.ROOT / "tests" / "browser" / "page.mjs", packages, page, report, status=None, timeout=900)
    failures = [line for line in done.stdout.splitlines() if line.startswith(("not ok", "#"))]
    assert done.returncode == 0 and "ok 1 " in done.stdout, "\n".join(failures) or done.stderr[-2000:]


def test_a_go_programs_page_holds_its_numbers_and_works_in_a_browser(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    environment = dict(os.environ, GOFLAGS="", GO111MODULE="off", GOTOOLCHAIN="local")
    t.path("main.go").write_text(PROGRAM)
    t.path("m2.txt").write_text(t.run(go, "build", "-gcflags=-m=2", "-o", "program", "main.go", env=environment).stderr)
    t.escapement("record", "-q", "--rate", "1", "-o", "a.pb.gz", "--", "./program")
    t.escapement("html", "-o", "page.html", "a.pb.gz")
    t.escapement("html", "--escape", "m2.txt", "-o", "audit.html", "a.pb.gz")
    t.path("report.json").write_text(json.dumps(t.json("report", "a.pb.gz")))
    audit = page_data(t.path("audit.html").read_text())
    grown = [row for row in audit["rows"] if row["function"] == "main.grow" and row["verdict"] == "escapes"]
    same(sorted(row["values"][0] for row in grown), [3000, 3000])
    contains([line for line in audit["sources"]["main.go"] if line[0] == 12][0][1], "return &node")
    assert any(annotation["flow"] for row in grown for annotation in row["annotations"])
    json_rows = t.json("audit", "--escape", "m2.txt", "a.pb.gz")["rows"]
    same(sum(row["verdict"] == "outside" for row in audit["rows"]), sum(row["owner"] is None for row in json_rows if row["objects"]))
    same({verdict["name"]: verdict["rows"] for verdict in audit["verdicts"]},
         {name: sum(row["verdict"] == name for row in audit["rows"]) for name in [each["name"] for each in audit["verdicts"]]})
    repeated = [row for row in audit["rows"] if row["function"] == "main.main" and row["via"]]
    same([(row["file"], row["verdict"]) for row in repeated], [("main.go", "not-covered")], "a file's name in every row")
    contains(t.path("audit.html").read_text(), f">main.go:{repeated[0]['line']} main.main via strings.")
    in_browser(t, t.path("page.html"), t.path("report.json"))


EVERY_CLASS = """package main

var kept [][]byte

func main() {
	for size := 8; size <= 32768; size += 8 {
		for i := 0; i < 16; i++ {
			kept = append(kept, make([]byte, size))
		}
	}
}
"""

GROWING = """package main

import "time"

var kept [][]byte

func main() {
	for stage := 0; stage < 2; stage++ {
		for i := 0; i < 64; i++ {
			kept = append(kept, make([]byte, 1<<20))
		}
		time.Sleep(3 * time.Second)
	}
}
"""


def test_heap_growth_by_time_is_the_growth_and_has_its_two_stages(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    environment = dict(os.environ, GOFLAGS="", GO111MODULE="off", GOTOOLCHAIN="local")
    t.path("main.go").write_text(GROWING)
    t.run(go, "build", "-o", "program", "main.go", env=environment)
    t.escapement("record", "-q", "-o", "a.pb.gz", "--", "./program")
    report = t.json("report", "a.pb.gz")
    growth = report["heap_growth"]
    same(sum(growth["bytes"]), report["totals"]["heap_grow_bytes"])
    assert sum(growth["bytes"]) >= 128 << 20, growth
    seconds = len(growth["bytes"]) * growth["interval_ns"] / 1e9
    assert abs(seconds - report["target"]["duration_seconds"]) < 1, (seconds, report["target"])
    grown = [index for index, amount in enumerate(growth["bytes"]) if amount]
    pause = max(after - before for before, after in zip(grown, grown[1:])) * growth["interval_ns"] / 1e9
    assert pause > 1, growth
    t.escapement("html", "-o", "page.html", "a.pb.gz")
    same(page_data(t.path("page.html").read_text())["growth"], growth)


def tail_wastes(t, go):
    """{object size: bytes lost at the end of a span}, from the table in a comment of Go's sizeclasses.go."""
    root = pathlib.Path(t.run(go, "env", "GOROOT", env=dict(os.environ, GOTOOLCHAIN="local")).stdout.strip())
    source = next(root.glob("src/**/sizeclasses.go")).read_text()
    rows = re.findall(r"^// +\d+ +(\d+) +\d+ +\d+ +(\d+) ", source, re.M)
    assert len(rows) == 67, source[:2000]
    return {int(size): int(waste) for size, waste in rows}


def test_internal_waste_of_a_class_is_that_of_gos_own_table(t):
    harness.require_root()
    for release in (go_programs.EVERYDAY[0], go_programs.EVERYDAY[-1]):
        go = harness.go_toolchain(release)
        wastes = tail_wastes(t, go)
        environment = dict(os.environ, GOFLAGS="", GO111MODULE="off", GOTOOLCHAIN="local")
        t.path("main.go").write_text(EVERY_CLASS)
        t.run(go, "build", "-o", "program", "main.go", env=environment)
        t.escapement("record", "-q", "--rate", "0", "-o", "a.pb.gz", "--", "./program")
        t.escapement("html", "-o", "page.html", "a.pb.gz")
        data = page_data(t.path("page.html").read_text())
        keys = [measure["key"] for measure in data["class_measures"]]
        seen = 0
        for row in data["classes"]:
            values = dict(zip(keys, row["values"]))
            size = row["name"].split()[0]
            if size == "unknown":
                same(values["waste"], None)
                continue
            same(values["waste"], values["central_grows"] * wastes[int(size)] if size.isdigit() else 0, row["name"])
            seen += values["waste"] > 0
        assert seen > 30, data["classes"]


def test_names_in_a_profile_are_text_and_never_markup(t):
    profile = profile_of(t, [(((HOSTILE, HOSTILE + ".go", 7), ("main.main", "main.go", 1)), 10, 480)])
    t.escapement("html", "-o", "page.html", profile)
    page = t.path("page.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1)
    contains(policy, "default-src 'none'")
    assert "unsafe" not in policy, policy
    same(page.count("<script"), 3)  # the data, the page's own script, the stacks
    same(page.count("</script>"), 3)
    assert "\x1b" not in page and "<img" not in page
    same([(row["values"], row["function"][-3:]) for row in page_data(page)["rows"]], [([10, 480], HOSTILE[-3:])])


def test_a_page_shows_source_files_and_nothing_else(t):
    t.path("secret").write_text("root:hash\n" * 20)
    t.path("code.go").write_text("".join(f"line {n}\n" for n in range(1, 40)))
    os.mkfifo(t.path("pipe.go"))
    names = ["/etc/passwd", str(t.path("secret")), "code.go", str(t.path("pipe.go")), "gone.go"]
    profile = profile_of(t, [(((f"main.f{n}", name, 12), ("main.main", "main.go", 1)), 1, 16)
                             for n, name in enumerate(names)])
    t.escapement("html", "-o", "page.html", profile)
    page = t.path("page.html").read_text()
    sources = page_data(page)["sources"]
    same(list(sources), ["code.go"])
    same(sources["code.go"], [[n, f"line {n}"] for n in range(4, 21)])
    assert "root:" not in page
    t.escapement("html", "--no-source", "-o", "bare.html", profile)
    same(page_data(t.path("bare.html").read_text())["sources"], {})


def sources_of(t, names, **options):
    """The sources that a page shows of these. They are the same where openat2(2) is missing, as on kernels before 5.6, and where a
    sandbox refuses it."""
    profile = profile_of(t, [(((f"main.f{n}", name, 1), ("main.main", "main.go", 1)), 1, 16) for n, name in enumerate(names)])
    t.escapement("html", "-o", "page.html", profile, **options)
    sources = page_data(t.path("page.html").read_text())["sources"]
    for number in (errno.ENOSYS, errno.EPERM):
        t.run(DENY, "openat2", number, harness.ESCAPEMENT, "html", "-o", "page.html", profile, **options)
        same(page_data(t.path("page.html").read_text())["sources"], sources)
    return sorted(sources)


def test_the_name_of_a_source_file_is_a_name_and_nothing_more(t):
    """Who may make files chooses it; the document of the page has it as a key."""
    names = ['a":[]},"measures":[],"z":{"b.go', "back\\slash\\x0a.go", "</script><b>.go"]
    for name in names:
        t.path(name.replace("/", "_")).write_text("line 1\n")
    names = [name.replace("/", "_") for name in names]
    same(sources_of(t, names), sorted(names))
    assert page_data(t.path("page.html").read_text())["measures"]


def test_a_link_to_what_is_no_source_is_not_followed(t):
    t.path("secret").write_text("root:hash\n")
    t.path("code.go").write_text("package main\n")
    for name, target in (("file.go", "secret"), ("device.go", "/dev/null"), ("code.c", "code.go")):
        t.path(name).symlink_to(target)
    same(sources_of(t, ["file.go", "device.go", "code.c"]), ["code.c"])
    t.run("strace", "-f", "-e", "trace=open,openat,openat2", "-o", "calls", harness.ESCAPEMENT, "html", "-o", "page.html", "made.pb.gz")
    opened = [line for line in t.path("calls").read_text().splitlines() if "device.go" in line]
    assert opened and all("O_PATH" in line for line in opened), opened


def test_names_that_another_process_gives_are_no_source(t):
    """In a mount namespace of one's own any file can have any name."""
    harness.require_root()
    t.directory.chmod(0o755)
    t.path("secret").write_text("root:hash\n")
    t.path("code.go").write_text("package main\n")
    other = t.start("unshare", "--mount", "sh", "-c", 'mount --bind secret code.go && echo ready && read end')
    same(other.stdout.readline().strip(), "ready")
    there = f"/proc/{other.pid}/root{t.path('code.go')}"
    same(pathlib.Path(there).read_text(), "root:hash\n")
    same(sources_of(t, [there, str(t.path("code.go"))]), [str(t.path("code.go"))])


def test_who_called_sudo_is_shown_what_that_user_may_read(t):
    harness.require_root()
    t.directory.chmod(0o755)
    for name, owner, mode in (("theirs.go", 65534, 0o600), ("everybodys.go", 0, 0o644), ("roots.go", 0, 0o600), ("groups.go", 0, 0o640)):
        t.path(name).write_text("package main\n")
        os.chown(t.path(name), owner, 0)
        t.path(name).chmod(mode)
    t.path("link.go").symlink_to("roots.go")
    names = ["theirs.go", "everybodys.go", "roots.go", "groups.go", "link.go"]
    sudo = {**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65534"}
    same(sources_of(t, names, env=sudo), ["everybodys.go", "theirs.go"])
    same(sources_of(t, names), sorted(names))


def test_a_comparison_has_the_numbers_of_both_profiles(t):
    old = profile_of(t, [((("main.f", "main.go", 5), ("main.main", "main.go", 9)), 100, 4800),
                         ((("main.gone", "main.go", 6), ("main.main", "main.go", 9)), 7, 70)], "old.pb.gz")
    new = profile_of(t, [((("main.f", "main.go", 5), ("main.main", "main.go", 9)), 40, 1920)], "new.pb.gz")
    t.escapement("html", "--diff", old, "-o", "page.html", new)
    data = page_data(t.path("page.html").read_text())
    same([(row["function"], row["values"], row["before"], row.get("gone", False)) for row in data["rows"]],
         [("main.f", [40, 1920], [100, 4800], False), ("main.gone", [0, 0], [7, 70], True)])
    cells = re.findall(r'data-column="([^"]*)">([^<]*)', t.path("page.html").read_text())
    same([text for name, text in cells if name in ("Site", "objects", "objects before")][:6],
         ["main.go:5 main.f", "40", "100", "main.go:6 main.gone", "0", "7"])
    same([sum(column) for column in page_leaves(data)], [40, 1920, 107, 4870])
    t.path("m2.txt").write_text("# example.org/program\n./main.go:5:6: &T{} escapes to heap\n./main.go:8:6: moved to heap: x\n")
    t.escapement("html", "--diff", old, "--escape", "m2.txt", "-o", "audit.html", new)
    data = page_data(t.path("audit.html").read_text())
    same([(row["verdict"], row["values"][0], row.get("before", [None])[0]) for row in data["rows"]],
         [("escapes", 40, 100), ("escapes-unseen", 0, None), ("gone", 0, 7)])
    same(data["verdicts"][-1], {"name": "gone", "rows": 1})
    done = t.escapement("html", new)
    same(done.stderr, "")
    contains(t.escapement("html", new).stderr, "'report.html' will be replaced")


def test_what_cannot_be_read_is_an_error_and_leaves_no_page(t):
    t.path("broken.pb.gz").write_bytes(b"no profile")
    for arguments in (["broken.pb.gz"], ["none.pb.gz"], ["--escape", "none.txt", "broken.pb.gz"]):
        assert t.escapement("html", "-o", "page.html", *arguments, status=2).stderr
    assert not t.path("page.html").exists()


if __name__ == "__main__":
    harness.main()
