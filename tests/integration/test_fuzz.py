#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A short run of every fuzzer, from its corpus. `make fuzz` runs them long."""
import harness

CORPUS = harness.ROOT / "tests" / "fuzz" / "corpus"
RUNS = 100_000


def test_a_short_run_of_each_fuzzer_finds_nothing(t):
    fuzzers = sorted(harness.ROOT.glob("tests/fuzz/fuzz_*.c"))
    if not fuzzers:
        raise AssertionError("no fuzzers")
    for source in fuzzers:
        name = source.stem.removeprefix("fuzz_")
        found = t.path(f"found-{name}")
        found.mkdir()
        done = t.run(harness.BUILD / "tests" / "fuzz" / source.stem, f"-runs={RUNS}", "-max_len=512", "-seed=1",
                     f"-artifact_prefix={t.directory}/", found, CORPUS / name)
        harness.contains(done.stderr, f"Done {RUNS} runs")


if __name__ == "__main__":
    harness.main()
