#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The gate: exit statuses, untrustworthy baselines, noise, policies, and the self-test, which shows that it can
fail."""
import gzip
import json
import os
import re
import shlex
import shutil
import signal

import gate_long
import harness
from harness import contains, same, workload

PLAN = "main.parse main.go 10 5 newobject 24 10\nmain.show main.go 40 14 makeslice 64 4\n"
MORE = PLAN.replace("24 10", "24 11")
NOISY = PLAN + "main.cache main.go 50 3 newobject 48 0 1000 900\n"


def mutants(t, plan, rounds=10):
    """A command that allocates as `plan` says. Changing the plan does not change the command."""
    t.path("plan").write_text(plan)
    return (workload("mutants"), "--plan", t.path("plan"), "--rounds", rounds)


def baseline(t, plan=PLAN, *options):
    harness.require_root()
    program = mutants(t, plan)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", *options, "--", *program)
    return program


def gate(t, program, *options, status=0):
    return t.escapement("gate", "--baseline", t.path("b.json"), *options, "--", *program, status=status)


def test_an_update_writes_sorted_sites_one_a_line_and_the_same_bytes_again(t):
    program = baseline(t)
    first = t.path("b.json").read_bytes()
    document = json.loads(first)
    same(document["schema"], "escapement.baseline/2")
    same([site["function"] for site in document["sites"]], ["main.parse", "main.show"])
    same([line[0] for line in first.decode().splitlines()].count("{"), 3, "lines that begin an object")
    assert b'"line"' not in first, "a baseline must not contain line numbers"
    t.path("b.json").unlink()
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program)
    same(t.path("b.json").read_bytes(), first, "a rewritten baseline")


def test_totals_are_the_sums_and_bytes_those_of_size_classes(t):
    baseline(t)
    document = json.loads(t.path("b.json").read_text())
    same({site["function"]: (site["objects"], site["bytes"]) for site in document["sites"]},
         {"main.parse": (100, 2400), "main.show": (40, 2560)})
    same((document["totals"]["objects"], document["totals"]["bytes"]), (140, 4960))


def test_exit_statuses_tell_what_happened(t):
    program = baseline(t)
    gate(t, program)
    gate(t, mutants(t, MORE), status=1)
    gate(t, mutants(t, MORE), "--advisory")
    t.escapement("gate", "--", *program, status=2)
    t.escapement("gate", "--baseline", t.path("missing"), "--", *program, status=2)
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--", "sh", "-c", "exit 7", status=2)
    contains(done.stderr, "the baseline is for the program 'mutants', not for 'sh'")
    script = t.path("mutants")
    script.write_text("#!/bin/sh\nexit 7\n")
    script.chmod(0o755)
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--", script, status=3)
    contains(done.stderr, "no probes")
    script.write_text("#!/bin/sh\n" + " ".join(shlex.quote(str(word)) for word in program) + "\nexit 7\n")
    done = gate(t, (script,), status=3)
    contains(done.stderr, "the program exited with status 7")


def test_a_failing_program_writes_no_baseline(t):
    harness.require_root()
    program = ("sh", "-c", " ".join(shlex.quote(str(word)) for word in mutants(t, PLAN)) + "; exit 7")
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--", *program, status=3)
    assert not t.path("b.json").exists()


def test_an_interrupted_gate_is_exit_3_and_writes_no_baseline(t):
    program = baseline(t, "main.parse main.go 10 5 newobject 24 1000\n")
    before = t.path("b.json").read_bytes()
    endless = (*program[:-1], 1 << 30)
    for update in ((), ("--update",)):
        for number in (signal.SIGINT, signal.SIGTERM):
            running = t.start(harness.ESCAPEMENT, "gate", "--baseline", t.path("b.json"), *update, "--", *endless)
            endless_one, = harness.wait_for(lambda: harness.children(running.pid), "the program")
            harness.wait_until_run(endless_one)
            same(running.poll(), None, "exit status before the signal")
            running.send_signal(number)
            stdout, stderr = running.communicate(timeout=harness.TIMEOUT)
            same(running.returncode, 3, f"exit status after {number.name}")
            contains(stderr, "interrupted")
            same(stdout, "", "standard output")
            same(t.path("b.json").read_bytes(), before, "the baseline")


def test_a_gate_that_measured_nothing_is_exit_3_never_0(t):
    program = baseline(t)
    t.path("plan").write_text("")
    done = gate(t, program, status=3)
    contains(done.stderr, "nothing was measured")
    done = t.escapement("gate", "--baseline", t.path("new.json"), "--update", "--", *program, status=3)
    assert not t.path("new.json").exists()
    done = gate(t, program, "--advisory", status=3)


def edited(t, old, new):
    """Changes one comment of the profile p.pb.gz to another one of the same length."""
    data = gzip.decompress(t.path("p.pb.gz").read_bytes())
    found = re.findall(old, data)
    same(len(found), 1, f"comments like {old}")
    same(len(new), len(found[0]), "length of the replacement")
    t.path("edited.pb").write_bytes(data.replace(found[0], new))
    return t.path("edited.pb")


def test_lost_events_are_exit_4_but_a_regression_seen_all_the_same_is_1(t):
    program = baseline(t)
    for plan, status in ((PLAN, 4), (MORE, 1)):
        t.path("plan").write_text(plan)
        t.escapement("record", "-q", "--rate", 1, "-o", t.path("p.pb.gz"), "--", *program)
        lost = edited(t, b"lost: events=0 stacks=0", b"lost: events=5 stacks=0")
        done = t.escapement("gate", "compare", t.path("b.json"), lost, status=status)
        contains(done.stdout, "lost: 5 events")


def test_whatever_was_lost_on_either_side_is_exit_4_and_enters_no_baseline(t):
    program = baseline(t)
    before = t.path("b.json").read_bytes()
    t.escapement("record", "-q", "--rate", 1, "-o", t.path("p.pb.gz"), "--", *program)
    t.path("m2.txt").write_text("# main\n./main.go:10:5: moved to heap: x\n")
    for old, new, said in ((b"lost: events=0 stacks=0", b"lost: events=9 stacks=0", "lost: 9 events, 0 stacks, 0 objects"),
                           (b"lost: events=0 stacks=0", b"lost: events=0 stacks=6", "lost: 0 events, 6 stacks, 0 objects"),
                           (b"difference=0 bound=0", b"difference=7 bound=0", "lost: 0 events, 0 stacks, 7 objects")):
        lost = edited(t, old, new)
        for sides in ((t.path("p.pb.gz"), lost), (lost, t.path("p.pb.gz"))):
            contains(t.escapement("gate", "compare", *sides, status=4).stdout, said)
        done = t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "x", lost, "main.parse", status=4)
        contains(done.stderr, "no baseline was written")
        same(t.path("b.json").read_bytes(), before, "the baseline")
        t.escapement("audit", "--escape", t.path("m2.txt"), lost, status=4)


def test_the_programs_output_is_kept_apart_from_the_gates(t):
    program = baseline(t)
    done = gate(t, (*program, "--print-counts"), "--format", "json", "--runs", 1)
    same(json.loads(done.stdout)["passed"], True)
    contains(done.stderr, '"function":"main.parse"')


def test_baselines_that_cannot_be_trusted_are_exit_2_with_a_clear_message(t):
    program = baseline(t)
    good = t.path("b.json").read_text()
    lines = good.splitlines(True)
    for text, message in (
            (good.replace("baseline/2", "baseline/1"), "has the schema 'escapement.baseline/1'"),
            (good.replace("baseline/2", "baseline/3"),
             f"write it anew: escapement gate --baseline {t.path('b.json')} --update -- "),
            ("", "is empty"),
            (good[:len(good) // 2], "the file ends in the middle"),
            (good[:good.index('"bytes"') + 4], "the file ends in the middle"),
            (good[:good.index('"objects"') + 11], "the file ends in the middle"),
            (good[:-3], "the file ends in the middle"),
            (good.replace('"objects":100', '"objects":"100"'), "b.json:8: \"objects\" is not a whole number"),
            (good.replace('"objects":100', '"objects":-1'), "b.json:8: \"objects\" is not a whole number"),
            (good.replace('"objects":100', '"objects":1.5'), "b.json:8: \"objects\" is not a whole number"),
            (good.replace('"objects":100', '"objcts":100'), "b.json:8: a site without \"objects\""),
            (good.replace('"objects":40', '"objects":40,"line":12'), "b.json:9: unknown field \"line\""),
            (good.replace('"objects":100', '"objects":101'), "does not add up"),
            (good.replace(lines[8], lines[7].replace("},", "}")), "b.json:9: the same site as on line 8"),
            (good.replace(lines[7], ""), "does not add up"),
            (good.replace('"type":null', "type:null", 1), "b.json:8: not JSON at"),
            ("[1]", "a baseline is a JSON object"),
            ('{"schema":"other/1"}', "is not a baseline"),
            (good.replace("mutants", "other"), "is for the program 'other', not for 'mutants'"),
            (good.replace("goalloc 1", "go1.21.0"), "was measured with go1.21.0 and this is goalloc 1")):
        t.path("b.json").write_text(text)
        done = gate(t, program, "--runs", 1, status=2)
        contains(done.stderr, message)
        same(done.stdout, "", "standard output")


def test_the_command_that_writes_an_older_baseline_anew_can_be_pasted(t):
    harness.require_root()
    name = t.path("it's a \"program\"")
    name.write_text(f'#!/bin/sh\n[ "$1" = "two words" ] && exec {workload("mutants")} --plan "$2" --rounds 10\nexit 9\n')
    name.chmod(0o755)
    t.path("plan").write_text(PLAN)
    baseline, program = t.path("$old *.json"), (name, "two words", t.path("plan"), "", "'", "x" * 300)
    t.escapement("gate", "--baseline", baseline, "--update", "--", *program)
    good = baseline.read_text()
    baseline.write_text(good.replace("baseline/2", "baseline/1"))
    done = t.escapement("gate", "--baseline", baseline, "--", *program, status=2)
    command = done.stderr.strip().partition("write it anew: escapement ")[2]
    t.run("bash", "-c", f"{harness.ESCAPEMENT} {command}")
    same(baseline.read_text(), good, "baseline")
    # a command that the message has no room for is named, not cut
    baseline.write_text(good.replace("baseline/2", "baseline/1").replace("x" * 300, "x" * 3000))
    done = t.escapement("gate", "--baseline", baseline, "--", *program, status=2)
    assert done.stderr.endswith(" --update -- PROGRAM [ARG...], which is \"command\" in the file\n"), done.stderr


def test_another_rate_is_exit_2_between_a_baseline_and_a_run_and_a_warning_between_recordings(t):
    plan = "main.parse main.go 10 5 newobject 24 1000\n"
    program = baseline(t, plan)
    contains(gate(t, program, "--rate", "8k", "--runs", 1, status=2).stderr,
             "at rate 1 (exact) and this at rate 8192: a count and an estimate differ without any change; give --rate 1")
    t.escapement("record", "-q", "--rate", 1, "-o", t.path("exact.pb.gz"), "--", *program)
    t.escapement("record", "-q", "--rate", "8k", "-o", t.path("sampled.pb.gz"), "--", *program)
    done = t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "x", t.path("sampled.pb.gz"), "main.*",
                        status=2)
    contains(done.stderr, "this at rate 8192")
    done = t.escapement("gate", "compare", "--advisory", t.path("exact.pb.gz"), t.path("sampled.pb.gz"))
    contains(done.stderr, "was recorded at rate 1, ")
    baseline(t, plan, "--rate", "8k", "--runs", 1)
    gate(t, program, "--rate", "8k", "--runs", 1, "--advisory")


def test_a_baseline_of_estimates_is_judged_as_two_recordings_are(t):
    # objects of 64 KiB are all sampled at 8 KiB, so both estimates are equal; of those of 24 bytes chance takes others
    program = baseline(t, "main.big main.go 10 5 makeslice 65536 10\nmain.small main.go 20 5 newobject 24 200\n",
                       "--rate", "1k", "--runs", 1)  # the allocator's finest rate is 8 KiB: no other one is compared
    document = json.loads(gate(t, program, "--rate", "1k", "--runs", 1, "--format", "json").stdout)
    rows = {row["function"]: row for row in document["rows"]}
    same(rows["main.big"]["change"], "same")
    same({rows["main.big"][side]["objects"] for side in ("before", "after")}, {100})
    assert rows["main.small"]["change"] in ("same", "noisy"), rows
    # The sums are those of the estimates, not of the lower ends of their intervals.
    same(document["sums"][0]["before"]["objects"], sum(row["before"]["objects"] for row in rows.values()))
    assert all(row[side]["objects_low"] <= row[side]["objects"] <= row[side]["objects_high"]
               for row in rows.values() for side in ("before", "after")), rows
    program = mutants(t, "main.big main.go 10 5 makeslice 65536 20\nmain.small main.go 20 5 newobject 24 200\n")
    contains(gate(t, program, "--rate", "1k", "--runs", 1, status=1).stdout, "worse: main.big")


def test_other_arguments_are_a_warning(t):
    program = baseline(t)
    done = gate(t, (*program, "--threads", 1), "--runs", 1)
    contains(done.stderr, "with other arguments")


def test_the_self_test_proves_that_the_gate_can_fail(t):
    program = baseline(t)
    done = gate(t, program, "--self-test", "--runs", 1)
    contains(done.stdout, "self-test passed: the gate fails for 101 objects instead of 100 at 'main.parse'")
    done = gate(t, program, "--self-test", "--runs", 1, "--tolerance", "10%")
    contains(done.stdout, "55 objects instead of 40")
    t.escapement("gate", "--self-test", "--runs", 1, "--", *program)


def test_a_gate_that_judges_nothing_fails_its_self_test(t):
    program = baseline(t, NOISY.splitlines()[-1] + "\n")
    done = gate(t, program, "--self-test", "--noisy", "ignore", status=1)
    contains(done.stderr, "the gate cannot fail")


def test_noisy_sites_are_shown_with_their_spread_and_judged_as_told(t):
    program = baseline(t, NOISY)
    gate(t, program, "--noisy", "ignore")
    done = gate(t, program, "--noisy", "fail", "--format", "json", status=1)
    noisy = [row for row in json.loads(done.stdout)["rows"] if row["change"] == "noisy"]
    same([row["function"] for row in noisy], ["main.cache"])
    assert noisy[0]["after"]["objects_max"] > noisy[0]["after"]["objects"], noisy
    gate(t, program, "--noisy", "fail", "--tolerance", "main.cache:objects=1000,bytes=1M")
    done = gate(t, mutants(t, NOISY.replace("24 10", "24 11")), "--noisy", "ignore", "--all", status=1)
    contains(done.stdout, "worse: main.parse")
    assert re.search(r"noisy: main.cache +objects +\S+ +\d+\.\.\d+", done.stdout), done.stdout
    # A count clearly above all that were seen is not noise.
    done = gate(t, mutants(t, NOISY.replace("0 1000 900", "0 5000 900")), status=1)
    contains(done.stdout, "worse: main.cache")


def test_contracts_are_refused_where_calls_are_not_counted(t):
    t.path("policy").write_text("tolerance 1%\nunder main.parse objects=0\n")
    t.path("m.txt").write_text("./main.go:1:2: moved to heap: x\n")
    for command in (("gate", "compare", "--policy", t.path("policy"), "a", "b"), ("compare", "--policy", t.path("policy"), "a", "b"),
                    ("compare", "--base", "main", "--policy", t.path("policy"), "--", "go", "test", "-bench", ".", "."),
                    ("escapes", "--diff", t.path("m.txt"), "--policy", t.path("policy"), t.path("m.txt"))):
        done = t.escapement(*command, status=2)
        contains(done.stderr, f"policy '{t.path('policy')}' has contracts (under), which 'escapement gate -- PROGRAM' judges")
        same(done.stdout, "")


def test_a_second_run_is_only_made_where_the_first_one_differs(t):
    program = baseline(t)

    def runs(plan, *options, status=0):
        done = gate(t, mutants(t, plan), "--format", "json", *options, status=status)
        return json.loads(done.stdout)["runs"]

    same(runs(PLAN), 1)
    same(runs(PLAN, "--runs", 2), 2, "runs that were asked for")
    same(runs(PLAN, "--noisy", "fail"), 3, "runs where their difference is judged")
    same(runs(MORE, status=1), 3, "runs where something grew")
    same(runs(PLAN.replace("24 10", "24 9")), 3, "runs where something shrank")
    same(runs(PLAN + "main.new main.go 60 2 newobject 16 1\n", status=1), 3, "runs with a new site")
    same(json.loads(t.path("b.json").read_text())["sites"][0]["objects"], 100)
    # the second and third run show that the first one's growth was chance
    t.path("count").write_text("")
    flaky = t.path("mutants")
    flaky.write_text(f"#!/bin/sh\necho >> {t.path('count')}\n[ $(wc -l < {t.path('count')}) = 1 ] && sed s/24.10/24\\ 11/ "
                     f"{t.path('plan')} > {t.path('plan')}.1 || cp {t.path('plan')} {t.path('plan')}.1\n"
                     f"exec {program[0]} --plan {t.path('plan')}.1 --rounds 10\n")
    flaky.chmod(0o755)
    mutants(t, PLAN)
    done = t.escapement("gate", "--baseline", t.path("b.json"), "--format", "json", "--", flaky)
    same((json.loads(done.stdout)["runs"], t.path("count").read_text()), (3, "\n" * 3))


def test_a_policy_file_holds_tolerances_under_version_control(t):
    program = baseline(t)
    t.path("policy").write_text("# what may grow\nruns 1\nnoisy fail\ntolerance objects=0 bytes=0  # strict\n"
                                "tolerance main.parse 10%\n")
    mutants(t, MORE)
    done = gate(t, program, "--policy", t.path("policy"), "--format", "json")
    same(json.loads(done.stdout)["runs"], 1)
    gate(t, program, "--policy", t.path("policy"), "--tolerance", "main.*:0%", status=1)


def test_errors_in_policies_and_tolerances_name_the_line_and_the_word(t):
    program = baseline(t)
    for text, message in (("runs 3\ntolerence 5%\n", "policy:2: unknown rule 'tolerence'"),
                          ("tolerance 5\n", "policy:1: no limit for '5'"),
                          ("tolerance main.* objects=x\n", "policy:1: invalid amount 'x' of objects"),
                          ("tolerance main.* object=3\n", "policy:1: unknown limit 'object=3'"),
                          ("\n\nnoisy often\n", "policy:3: invalid value 'often' of noisy"),
                          ("runs 0\n", "policy:1: invalid value '0' of runs"),
                          ("normalize\n", "policy:1: normalize needs a site or an expression"),
                          ("runs 1\0\n", "policy:1: not a text file")):
        t.path("policy").write_text(text)
        contains(gate(t, program, "--policy", t.path("policy"), status=2).stderr, message)
    for option, message in (("5", "'5' needs a unit"), ("main.*:", "no limit for 'main.*'"), ("-5%", "invalid")):
        contains(gate(t, program, "--tolerance", option, status=2).stderr, message)
    contains(gate(t, program, "--policy", t.path("none"), status=2).stderr, "cannot read policy")


def test_counts_in_an_iteration_do_not_depend_on_the_rounds(t):
    harness.require_root()
    plan = PLAN + "main.setup main.go 5 3 newobject 512 0 3\n"
    for normalize, rounds in (("main.show", 7), ("main.go:40", 7), ("main.sh*", 25)):
        program = mutants(t, plan)
        t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, "--normalize", normalize, "--",
                     *program)
        gate(t, mutants(t, plan, rounds), "--runs", 1, "--normalize", normalize)
        done = gate(t, mutants(t, plan.replace("24 10", "24 14"), rounds), "--runs", 1, "--normalize", normalize,
                    "--format", "json", status=1)
        worse = [row for row in json.loads(done.stdout)["rows"] if row["fails"]]
        same([(row["before"]["objects"], row["after"]["objects"]) for row in worse], [(2.5, 3.5)])
    program = mutants(t, plan)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, "--normalize", "10", "--", *program)
    contains(gate(t, program, "--runs", 1, "--normalize", "2 * (2 + 3)", status=2).stderr, "is normalized by '10'")
    contains(gate(t, program, "--runs", 1, "--normalize", "2 * (", status=2).stderr, "not an expression")
    contains(gate(t, program, "--runs", 1, "--normalize", "main.none", "--update", status=3).stderr, "no such site allocated")


def test_profiles_are_compared_and_single_sites_accepted_with_a_reason(t):
    program = baseline(t)
    mutants(t, MORE.replace("64 4", "64 5"))
    t.escapement("record", "-q", "--rate", 1, "-o", t.path("new.pb.gz"), "--", *program)
    t.escapement("gate", "compare", t.path("b.json"), t.path("new.pb.gz"), status=1)
    t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "a cache, see 12", t.path("new.pb.gz"),
                 "main.parse")
    document = json.loads(t.path("b.json").read_text())
    same([(site["function"], site["objects"], site.get("accepted")) for site in document["sites"]],
         [("main.parse", 110, "a cache, see 12"), ("main.show", 40, None)])
    done = t.escapement("gate", "compare", t.path("b.json"), t.path("new.pb.gz"), status=1)
    contains(done.stdout, "worse: main.show")
    t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "too", t.path("new.pb.gz"), "main.show")
    t.escapement("gate", "compare", t.path("b.json"), t.path("new.pb.gz"))
    gate(t, program, "--runs", 1)
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 1, "--", *program)
    contains(t.path("b.json").read_text(), "a cache, see 12")
    for arguments, message in (((t.path("new.pb.gz"), "main.none"), "no site that changed is 'main.none'"),
                               ((), "needs --baseline")):
        done = t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "x", *arguments, status=2)
        contains(done.stderr, message)


def test_sites_that_differ_by_annotation_only_are_accepted_as_one(t):
    program = baseline(t, PLAN + "main.split main.go 60 2 newobject 32 6\n")
    good = t.path("b.json").read_text()
    line = next(line for line in good.splitlines(True) if "main.split" in line)
    parts = [line.rstrip(",\n").replace('"annotation":null', f'"annotation":"{name} escapes to heap"')
             .replace('"objects":60', f'"objects":{objects}').replace('"bytes":1920', f'"bytes":{32 * objects}')
             for name, objects in (("a", 20), ("b", 40))]
    assert parts[0] != parts[1] and line.count("\n") == 1, parts
    annotated = good.replace(line, ",\n".join(parts) + line[line.rindex("}") + 1:])
    for plan, expected in ((PLAN, []), (PLAN + "main.split main.go 60 2 newobject 32 7\n", [70])):
        t.path("b.json").write_text(annotated)
        mutants(t, plan)
        t.escapement("record", "-q", "--rate", 1, "-o", t.path("new.pb.gz"), "--", *program)
        t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "x", t.path("new.pb.gz"), "main.split",
                     "main.*")
        document = json.loads(t.path("b.json").read_text())
        same([site["objects"] for site in document["sites"] if site["function"] == "main.split"], expected)
        same([site["objects"] for site in document["sites"] if site["function"] != "main.split"], [100, 40])
        gate(t, program, "--runs", 1)
    # The reverse: accepting the two sites of another baseline replaces the one.
    t.path("two.json").write_text(annotated)
    t.escapement("gate", "accept", "--baseline", t.path("b.json"), "--reason", "x", t.path("two.json"), "main.split")
    document = json.loads(t.path("b.json").read_text())
    same([(site["annotation"], site["objects"]) for site in document["sites"] if site["function"] == "main.split"],
         [("a escapes to heap", 20), ("b escapes to heap", 40)])


def test_markdown_ends_at_900_kib_with_a_note_and_github_has_10_commands(t):
    document = {"schema": "escapement.baseline/2", "command": ["p"], "runtime": "goalloc 1", "rate": 1,
                **dict.fromkeys(("outside", "bookkeeping"), {"objects": 0, "bytes": 0})}
    for name, objects in (("old", 1), ("new", 2)):
        sites = [{"function": f"example.com/{'long' * 20}.F{i:06}", "file": "a_file.go", "via": None, "runtime_call": "runtime.newobject",
                  "type": None, "annotation": None, "objects": objects, "bytes": 8 * objects, "refills": None,
                  "heap_grow_bytes": None} for i in range(9000)]
        totals = dict.fromkeys(("refills", "central_grows", "heap_grows", "heap_grow_bytes")) | {
            "objects": 9000 * objects, "bytes": 72000 * objects}
        t.path(name).write_text(json.dumps({**document, "sites": sites, "totals": totals}))
    output = t.escapement("gate", "compare", "--format", "markdown", t.path("old"), t.path("new"), status=1).stdout
    assert 880 << 10 < len(output.encode()) <= 900 << 10, len(output)
    assert re.search(r"\d+ more rows are left out: this page ends at 900 KiB", output)
    output = t.escapement("gate", "compare", "--format", "github", t.path("old"), t.path("new"), status=1).stdout
    # ::stop-commands::TOKEN and ::TOKEN:: enclose the human-readable text; GitHub runs no workflow commands between
    # them.
    commands = [line for line in output.splitlines() if re.match("::(error|warning|notice) ", line)]
    same(len(commands), 10, "workflow commands")
    contains(commands[-1], "8991 more sites")
    contains(output, "F008999")
    output = t.escapement("gate", "compare", "--format", "sarif", t.path("old"), t.path("new"), status=1).stdout
    run = json.loads(output)["runs"][0]
    same(len(run["results"]), 5000, "SARIF results")
    contains(json.dumps(run["invocations"]), "4000 more results are left out")


def test_the_static_and_the_measured_gate_agree_when_a_variable_starts_to_escape(t):
    harness.require_root()
    go = harness.go_toolchain("1.24")
    source = t.path("seeds")
    shutil.copytree(harness.FIXTURES / "seed-programs", source)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                   "GOPROXY": "off", "HOME": str(t.directory)}

    def build(output, words):
        done = t.run(go, "build", "-gcflags=-m=2 -l", "-o", t.path("program"), "./simple", cwd=source, env=environment)
        t.path(words).write_text(done.stderr)

    build("program", "before.txt")
    t.escapement("gate", "--baseline", t.path("b.json"), "--update", "--runs", 2, "--", t.path("program"))
    t.escapement("escapes", "--diff", t.path("before.txt"), t.path("before.txt"), "--directory", source)
    main = source / "simple" / "main.go"
    text = main.read_text()
    main.write_text(text.replace("new(int)\n", "new(int)\n\tsink = &a\n", 1) + "\nvar sink *int\n")
    assert main.read_text().count("sink") == 2, "the seed program has changed"
    build("program", "after.txt")
    static = t.escapement("escapes", "--diff", t.path("before.txt"), "--format", "markdown", "--directory", source,
                          t.path("after.txt"), status=1)
    contains(static.stdout, "moved to heap: a")
    measured = gate(t, (t.path("program"),), "--runs", 2, "--format", "json", "--escape", t.path("after.txt"), status=1)
    failing = [row for row in json.loads(measured.stdout)["rows"] if row["fails"]]
    same([(row["function"], row["annotation"]) for row in failing], [("main.foo", "moved to heap: a")])


def test_help_has_examples_and_fits_80_columns(t):
    for command in (("gate",), ("gate", "compare"), ("gate", "accept")):
        text = t.escapement(*command, "--help").stdout
        contains(text, "examples:")
        # Each example is one line, so that it can be copied.
        assert max(map(len, text[:text.index("examples:")].splitlines())) <= 80, text
    for word in ("--baseline", "--update", "--runs", "--noisy", "--tolerance", "--policy", "--normalize", "--advisory",
                 "--self-test", "--escape", "--format"):
        contains(t.escapement("gate", "--help").stdout, word)


def test_a_few_repeated_gates_raise_no_false_alarm_and_miss_nothing(t):
    gate_long.REPEATS = 3
    gate_long.test_repeated_gates_of_an_unchanged_multi_threaded_program_give_no_false_alarm(t)
    gate_long.test_one_object_more_in_a_million_is_caught_every_time(t)


if __name__ == "__main__":
    harness.main()
