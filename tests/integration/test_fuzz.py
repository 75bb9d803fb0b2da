#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A short run of every fuzzer, starting from its corpus. `make fuzz` runs them longer."""
import os

import go_programs
import harness

CORPUS = harness.ROOT / "tests" / "fuzz" / "corpus"
RUNS = 20_000
# inputs for the fuzzers that open a file for each
SLOW = {"elf": 200, "go_binary": 500, "goalloc_memory": 3_000, "raw_profile": 3_000, "baseline": 5_000}


def test_a_short_run_of_each_fuzzer_finds_nothing(t):
    fuzzers = sorted(harness.ROOT.glob("tests/fuzz/fuzz_*.c"))
    if not fuzzers:
        raise AssertionError("no fuzzers")
    images = {"FUZZ_ELF": str(harness.workload("processes")),
              "FUZZ_GO": str(go_programs.build(go_programs.versions()[-1], "stripped", "small"))}
    for source in fuzzers:
        name = source.stem.removeprefix("fuzz_")
        found = t.path(f"found-{name}")
        found.mkdir()
        runs = SLOW.get(name, RUNS)
        done = t.run(harness.BUILD / "tests" / "fuzz" / source.stem, f"-runs={runs}", "-max_len=512", "-seed=1",
                     f"-artifact_prefix={t.directory}/", found, CORPUS / name,
                     env={**os.environ, **images})
        harness.contains(done.stderr, f"Done {runs} runs")


if __name__ == "__main__":
    harness.main()
