#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`escapement escapes` on real compiler output: its text, its JSON, and its errors."""
import json
import os
import re
import shutil
import subprocess

import harness

OUTPUTS = harness.FIXTURES / "escape-output"
SEEDS = harness.FIXTURES / "seed-programs"
M2 = OUTPUTS / "seeds.go1.24.m2.txt"


def test_text_lists_heap_moves_and_counts_everything_in_80_columns(t):
    for path in sorted(OUTPUTS.glob("*.txt")):
        text = t.escapement("escapes", "-C", SEEDS, path, env={**os.environ, "COLUMNS": "80"}).stdout
        harness.contains(text, "moved to heap: x")
        harness.contains(text, "does-not-escape")
        if "unrecognised" in text:
            raise AssertionError(f"{path.name}: {text}")
        for line in text.splitlines():
            if len(line) > 80:
                raise AssertionError(f"{path.name}: wider than 80 columns: {line}")


def test_tables_are_as_wide_as_columns_says(t):
    for columns in (60, 100):
        text = t.escapement("escapes", "-C", SEEDS, M2, env={**os.environ, "COLUMNS": str(columns)}).stdout
        widest = max(map(len, text.splitlines()))
        if not columns - 10 < widest <= columns:
            raise AssertionError(f"{widest} columns of {columns}")


def test_functions_come_from_the_source_when_the_compiler_names_none(t):
    for path in ("seeds.go1.24.m-l.txt", "seeds.go1.27.m2.txt", "seeds.go1.19.m.txt"):
        document = t.json("escapes", "-C", SEEDS, OUTPUTS / path)
        found = {(a["file"], a["line"], a["column"]): a["function"] for a in document["annotations"]}
        harness.same(found["escape/escape.go", 6, 6], "foo", path)
        harness.same(found["slice/main.go", 24, 6], "escapeslice", path)
        harness.same([a["text"] for a in document["annotations"] if not a["function"]], [], path)


def test_json_holds_the_contract(t):
    document = t.json("escapes", M2)
    harness.same(document["schema"], "escapement.escapes/1")
    harness.same(document["unrecognized"], [])
    annotation, = [a for a in document["annotations"] if a["kind"] == "moved-to-heap" and a["subject"] == "x"]
    harness.same((annotation["package"], annotation["file"], annotation["line"], annotation["column"]),
                 ("example.com/seeds/escape", "escape/escape.go", 6, 6))
    harness.same(annotation["flow"],
                 [{"to": "~r0", "from": "x", "derefs": -1, "steps": [
                     {"expression": "&x", "reason": "address-of", "file": "escape/escape.go", "line": 7, "column": 9},
                     {"expression": "return &x", "reason": "return", "file": "escape/escape.go", "line": 7,
                      "column": 2}]}])
    counts = {}
    for a in document["annotations"]:
        counts[a["kind"]] = counts.get(a["kind"], 0) + 1
    harness.same(document["counts"], counts)


def test_filters_select_by_kind_package_function_and_path(t):
    def texts(*options):
        return sorted(a["text"] for a in t.json("escapes", "-C", SEEDS, *options, M2)["annotations"])

    harness.same(texts("--kind", "moved-to-heap", "--package", "*/simple"), ["moved to heap: c", "moved to heap: d"])
    harness.same(texts("--kind", "heap", "--path", "slice/*"), ["make([]int, 0, 4) escapes to heap", "moved to heap: s3"])
    harness.same(texts("--kind", "does-not-escape", "--function", "bar"), ["new(int) does not escape"])
    harness.same(texts("--kind", "escapes,moved-to-heap", "--function", "nosuch"), [])
    harness.same(len(texts("--kind", "all")), len(texts()))


def test_packages_are_summed_and_ranked_and_rows_limited(t):
    # The oracle: counts the lines below each header, without those that -m=2 repeats.
    said, package = {}, None
    for line in (OUTPUTS / "seeds.go1.24.m.txt").read_text().splitlines():
        if line.startswith("# "):
            package = line[2:]
        elif re.search(r"(moved to heap: |escapes to heap)", line):
            said[package] = said.get(package, 0) + 1
    m1 = OUTPUTS / "seeds.go1.24.m.txt"
    document = t.json("escapes", "--by", "package", "--kind", "heap", m1)
    assert "annotations" not in document
    harness.same({row["package"]: row["annotations"] for row in document["packages"]}, said)
    totals = [row["annotations"] for row in document["packages"]]
    harness.same(totals, sorted(totals, reverse=True))
    harness.same(len(t.json("escapes", "--by", "package", "--top", "2", "--kind", "heap", m1)["packages"]), 2)
    lines = t.escapement("escapes", "--by", "package", "--top", "2", m1).stdout.splitlines()
    harness.same([line.split()[-1] for line in lines[1:3]], [row["package"] for row in document["packages"][:2]])
    harness.same(lines[3], f"... {len(said) - 2} more packages; --top 0 shows all")
    shown = t.escapement("escapes", "--top", "3", "-C", SEEDS, m1).stdout
    harness.contains(shown, f"... {sum(said.values()) - 3} more; --top 0 shows all")
    harness.same(len(t.json("escapes", "--top", "3", m1)["annotations"]), 3)
    t.escapement("escapes", "--by", "package", "--diff", m1, m1, status=2)


def test_flow_prints_the_compilers_explanation(t):
    text = t.escapement("escapes", "--flow", "--function", "foo", "--path", "escape/*", M2).stdout
    harness.contains(text, "flow: ~r0 = &x")
    harness.contains(text, "from return &x (return)")


def test_unrecognised_lines_are_counted_and_shown(t):
    mixed = t.path("mixed.txt")
    mixed.write_text("hello from the program\n" + M2.read_text() + "".join(f"line {i}\n" for i in range(12)))
    text = t.escapement("escapes", mixed).stdout
    harness.contains(text, "13 unrecognised lines:")
    harness.contains(text, "  1: hello from the program")
    harness.contains(text, "3 more")
    document = t.json("escapes", mixed)
    harness.same(document["unrecognized"][0], {"line_number": 1, "text": "hello from the program"})
    harness.same(len(document["unrecognized"]), 13)


def test_standard_input_is_read_and_a_file_written(t):
    done = t.run(harness.ESCAPEMENT, "escapes", "--counts", "-o", "counts.txt", "-", stdin=open(M2))
    harness.same(done.stdout, "")
    harness.contains(t.path("counts.txt").read_text(), "moved-to-heap")


def test_wrong_input_is_refused_with_a_reason(t):
    t.path("empty").write_bytes(b"")
    t.path("binary").write_bytes(b"\x7fELF\x02\x01\x01\0\0\0" * 100)
    t.path("utf16").write_bytes("./x.go:1:2: moved to heap: x\n".encode("utf-16"))
    t.path("prose").write_text("To be, or not to be\nthat is the question\n")
    t.path("secret").write_text("x")
    for arguments, message in ((["empty"], "'empty' is empty"), (["binary"], "'binary' is binary"),
                               (["utf16"], "'utf16' is UTF-16"), (["prose"], "no compiler annotations in its 2 lines"),
                               (["missing"], "cannot open 'missing': No such file or directory"),
                               ([t.directory], "is a directory without the compiler's log"), ([], "needs a file"), (["empty", "prose"], "one file"),
                               (["--nonsense", "empty"], "unknown option"), (["--kind", "x", M2], "unknown kind 'x'"),
                               (["--format", "xml", M2], "invalid value 'xml'"),
                               (["-o", "no/such/dir/f", M2], "cannot write 'no/such/dir/f'")):
        done = t.escapement("escapes", *arguments, status=2)
        harness.contains(done.stderr, message)
        harness.same(done.stdout, "", "standard output")


def test_diff_finds_what_is_new_and_exits_1(t):
    new = t.path("new.txt")
    new.write_text(M2.read_text() + "escape/escape.go:11:2: moved to heap: y\n")
    t.escapement("escapes", "--diff", M2, M2, status=0)
    done = t.escapement("escapes", "--diff", M2, new, status=1)
    harness.contains(done.stdout, "moved to heap: y")
    harness.contains(done.stdout, "1 new, 0 gone, 0 changed")
    t.escapement("escapes", "--diff", new, M2, status=0)
    t.escapement("escapes", "--diff", M2, "--advisory", new, status=0)
    document = t.json("escapes", "--diff", M2, new, status=1)
    harness.same(document["schema"], "escapement.escapes-diff/1")
    harness.same(document["totals"], {"new": 1, "gone": 0, "changed": 0})
    harness.same([(c["change"], c["before"], c["after"]["subject"]) for c in document["changes"]], [("new", None, "y")])
    harness.contains(t.escapement("escapes", "--diff", "missing", M2, status=2).stderr, "cannot open 'missing'")


def seeds_with_go(t):
    """A copy of the seed programs, and an environment with the compiler. Its packages were never built in that place."""
    shutil.copytree(SEEDS, t.path("seeds"))
    return t.path("seeds"), dict(os.environ, GOFLAGS="", GOTOOLCHAIN="local",
                                 PATH=f"{harness.BUILD}:{os.environ['PATH']}")


def facts(document):
    return sorted((a["package"], a["file"], a["line"], a["column"], a["text"], len(a["flow"]))
                  for a in document["annotations"])


def test_build_hears_all_the_compiler_says_every_time(t):
    go = harness.go_toolchain("1.24")
    seeds, environment = seeds_with_go(t)
    # The fixture was made by plain `go build`, as users run it.
    expected = [fact for fact in facts(t.json("escapes", M2))]
    for _ in range(2):  # the second time, the build cache has everything
        found = t.json("escapes", "--build", "--go", go, "./...", cwd=seeds, env=environment)
        harness.same(facts(found), expected)
    one = t.json("escapes", "--build", "--go", go, "-C", seeds / "escape", env=environment)
    harness.same({a["package"] for a in one["annotations"]}, {"example.com/seeds/escape"})
    harness.same(sorted(os.listdir(seeds)), sorted(os.listdir(SEEDS)), "files left behind")


def test_root_builds_as_the_user_who_called_sudo(t):
    harness.require_root()
    t.directory.chmod(0o755)
    go = t.path("go")
    go.write_text("#!/bin/sh\n{ id -u; grep CapEff /proc/self/status; } >&2\nexit 1\n")
    go.chmod(0o755)
    sudo = {**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65534"}
    done = t.escapement("escapes", "--build", "--go", go, status=3, env=sudo)
    harness.contains(done.stderr, "65534; CapEff:\t0000000000000000")
    done = t.escapement("escapes", "--build", "--user", "root", "--go", go, status=3, env=sudo)
    harness.contains(done.stderr, "status 1: 0; CapEff:")
    harness.contains(t.escapement("escapes", "--user", "root", M2, status=2).stderr, "need --build")


def test_build_can_be_saved_and_compared(t):
    seeds, environment = seeds_with_go(t)
    t.escapement("escapes", "-b", "--save", t.path("old.txt"), "./...", cwd=seeds, env=environment)
    source = seeds / "escape" / "escape.go"
    source.write_text(source.read_text().replace("\tx := new(int)", "\tx := new(int)\n\tkeep = x").replace(
        "func main", "var keep *int\n\nfunc main"))
    done = t.escapement("escapes", "-b", "--diff", t.path("old.txt"), "./...", cwd=seeds, env=environment, status=1)
    harness.contains(done.stdout, "new(int) escapes to heap")
    harness.contains(done.stdout, "new(int) is stored in the heap")
    harness.contains(done.stdout, " 0 gone")


def test_a_build_that_fails_says_why(t):
    seeds, environment = seeds_with_go(t)
    (seeds / "escape" / "escape.go").write_text("package main\n\nfunc main() { undefinedName() }\n")
    done = t.escapement("escapes", "--build", "./escape", cwd=seeds, env=environment, status=3)
    harness.contains(done.stderr, "undefined")
    done = t.escapement("escapes", "--build", "--go", "/no/such/go", cwd=seeds, status=3)
    harness.contains(done.stderr, "cannot run '/no/such/go': No such file or directory")
    harness.contains(t.escapement("escapes", "--save", "x", M2, status=2).stderr, "need --build")


def test_a_full_disk_is_an_error(t):
    if not os.path.exists("/dev/full"):
        raise harness.Skip("there is no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run([harness.ESCAPEMENT, "escapes", M2], stdout=full, stderr=subprocess.PIPE, text=True)
    harness.same(done.returncode, 2)
    harness.contains(done.stderr, "No space left")


def test_the_examples_of_help_work_as_written(t):
    shutil.copytree(SEEDS, t.path("seeds"))
    environment = dict(os.environ, PATH=f"{harness.BUILD}:{os.environ['PATH']}", GOFLAGS="")
    text = t.escapement("escapes", "--help").stdout
    examples = re.findall(r"^  (.*escapement escapes.*)$", text.split("examples:\n")[1], re.M)
    if len(examples) < 3:
        raise AssertionError(text)
    for example in examples:
        done = t.run("sh", "-c", example, cwd=t.path("seeds"), env=environment)
        if "--format json" in example:
            json.loads(done.stdout)
        else:
            harness.contains(done.stdout, "0 new" if "--diff" in example else "KIND")


def test_a_huge_message_is_whole_in_json_and_cut_in_the_table(t):
    """libsmartcols takes quadratic time in the number of lines of a cell."""
    name = "x" * 1_000_000
    t.path("log").write_text(f"./main.go:3:5: {name} escapes to heap\n./main.go:4:5: moved to heap: y\n")
    harness.same([each["subject"] for each in t.json("escapes", t.path("log"))["annotations"]], [name, "y"], "subjects")
    text = t.escapement("escapes", t.path("log")).stdout
    harness.contains("".join(text.split()), "bytesmore)")
    assert len(text) < 50_000, len(text)


def test_a_flow_of_many_steps_is_kept_step_by_step(t):
    steps = 30_000
    t.path("log").write_text("./main.go:5:7: x escapes to heap in main:\n./main.go:5:7:   flow: y = &x:\n" + "".join(
        f"./main.go:5:7:     from a{i} (assign) at ./main.go:{i % 900 + 5}:9\n" for i in range(steps))
        + "./main.go:5:7: x escapes to heap\n")
    annotation, = t.json("escapes", t.path("log"))["annotations"]
    harness.same([len(flow["steps"]) for flow in annotation["flow"]], [steps], "steps")
    harness.same(annotation["flow"][0]["steps"][-1]["expression"], f"a{steps - 1}", "the last step")


if __name__ == "__main__":
    harness.main()
