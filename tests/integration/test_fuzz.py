#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A short run of every fuzzer, starting from its corpus. `make fuzz` runs them longer."""
import os

import go_programs
import harness

CORPUS = harness.ROOT / "tests" / "fuzz" / "corpus"
RUNS = 10_000
LEAKY = """
#include <stdint.h>
#include <stdlib.h>
void *volatile lost;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lost = malloc(16);
	if (size < 2 || data[0] != 'x')
		free(lost);
	lost = NULL;
	return 0;
}
"""
# inputs for the fuzzers that open a file for each
SLOW = {"core": 1_000, "elf": 200, "go_binary": 200, "goalloc_memory": 3_000, "raw_profile": 3_000, "baseline": 5_000}


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


def test_make_fuzz_names_the_input_and_the_stack_of_a_leak(t):
    """A fuzzer that leaks stands in the place of one of ours, which make takes for up to date."""
    source, build = t.path("leaky.c"), t.path("build")
    fuzzer = build / "tests" / "fuzz" / "fuzz_json"
    source.write_text(LEAKY)
    fuzzer.parent.mkdir(parents=True)
    t.run("clang", "-g", "-O1", "-fsanitize=fuzzer,address", "-o", fuzzer, source)
    done = t.run("make", "-s", "fuzz", f"B={build}", "FUZZERS=json", "FUZZ_LONG=400000", "-o", fuzzer, cwd=harness.ROOT, status=2,
                 env=harness.FRESH)
    harness.contains(done.stderr, "LeakSanitizer: detected memory leaks")
    harness.contains(done.stderr, f"in LLVMFuzzerTestOneInput {source}:7")
    saved, = fuzzer.parent.glob("leak-*")
    harness.same(saved.read_bytes()[:1], b"x", "the first byte of the saved input")


if __name__ == "__main__":
    harness.main()
