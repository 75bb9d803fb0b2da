#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A short run of every fuzzer, starting from its corpus. `make fuzz` runs them longer."""
import os

import go_programs
import harness

CORPUS = harness.ROOT / "tests" / "fuzz" / "corpus"
RUNS = 10_000
# inputs for the fuzzers that open a file for each
SLOW = {"elf": 200, "go_binary": 200, "goalloc_memory": 3_000, "raw_profile": 3_000, "baseline": 5_000}


def test_a_short_run_of_each_fuzzer_finds_nothing(t):
    fuzzers = sorted(harness.ROOT.glob("tests/fuzz/fuzz_*.c"))
    if not fuzzers:
        raise AssertionError("no fuzzers")
    for source in fuzzers:
        fuzz(t, source.stem.removeprefix("fuzz_"), "stripped")


def test_a_short_run_on_code_of_arm64_finds_nothing(t):
    fuzz(t, "go_binary", "arm64")


def fuzz(t, name, variant):
    """A short run of a fuzzer; those of Go programs change the bytes of one that was built in that way."""
    images = {"FUZZ_ELF": str(harness.workload("processes")),
              "FUZZ_GO": str(go_programs.build(go_programs.versions()[-1], variant, "small"))}
    found, runs = t.path(f"found-{name}"), SLOW.get(name, RUNS)
    found.mkdir()
    done = t.run(harness.BUILD / "tests" / "fuzz" / f"fuzz_{name}", f"-runs={runs}", "-max_len=512", "-seed=1",
                 f"-artifact_prefix={t.directory}/", found, CORPUS / name, env={**os.environ, **images})
    harness.contains(done.stderr, f"Done {runs} runs")


if __name__ == "__main__":
    harness.main()
