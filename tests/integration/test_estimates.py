#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Estimates of sampled recordings, compared with the program's own counts.

Each run uses a fixed seed, so the outcome is always the same.
"""
import json
import os

import harness
from harness import same, workload

RUNS = 40
LIKELY_SEEN = 8  # expected samples of a site; a site with fewer may have no row at all


def run(t, rate, program, seed):
    """Records once. Returns (estimate, low, high, truth) for each site, and the report."""
    counts, profile = t.path("counts"), t.path("profile.pb.gz")
    t.escapement("record", "-q", "--rate", rate, "-o", profile, "--", workload(program[0]), *program[1:],
                 f"--print-counts={counts}", env={**os.environ, "GOALLOC_SAMPLE_SEED": str(seed)})
    truth = {}
    for line in counts.read_text().splitlines():
        site = json.loads(line)
        key = (site["file"], site["line"], site["function"])
        before = truth.get(key, (0, 0))
        truth[key] = (before[0] + site["objects"], before[1] + site["bytes"])
    report = t.json("report", profile)
    rows = {(row["file"], row["line"], row["function"]): row for row in report["rows"] if row["objects"]}
    sites = []
    for key, (objects, size) in truth.items():
        if size < LIKELY_SEEN * report["rate"]:
            continue
        row = rows.get(key, {"objects": 0, "objects_low": 0, "objects_high": 0})
        sites.append((row["objects"], row["objects_low"], row["objects_high"], objects))
    same(report["totals"]["objects"], sum(objects for objects, _ in truth.values()), "the exact total")
    return sites, report


def check(t, rate, *program):
    """The 95 % interval contains the truth about 95 times in 100, and the estimates are unbiased."""
    harness.require_root()
    inside = tried = 0
    estimated = true = 0
    for seed in range(1, RUNS + 1):
        sites, report = run(t, rate, program, seed)
        same(report["exact"], {"totals": True, "rows": False})
        for estimate, low, high, truth in sites:
            assert low <= estimate <= high, (low, estimate, high)
            inside += low <= truth <= high
            tried += 1
            estimated += estimate
            true += truth
    # three standard deviations of a binomial distribution with p = 0.95, on either side
    slack = 3 * (0.95 * 0.05 * tried) ** 0.5
    assert 0.95 * tried - slack <= inside <= 0.95 * tried + slack, f"{inside} of {tried} intervals contain the truth"
    assert abs(estimated / true - 1) < 0.05, f"estimates are {estimated / true:.3f} of the truth on average"


def test_a_loop_whose_rhythm_divides_the_span_is_estimated_without_bias_from_many_samples(t):
    check(t, "8k", "rhythm", "--pattern", "AB", "--rounds", "40")


def test_a_loop_whose_rhythm_divides_the_span_is_estimated_without_bias_from_few_samples(t):
    check(t, "512k", "rhythm", "--pattern", "AB", "--rounds", "200")


def test_unequal_shares_are_estimated_without_bias(t):
    check(t, "64k", "rhythm", "--pattern", "AAAAAAAB", "--rounds", "60")


def test_sizes_that_share_a_sampler_are_estimated_without_bias_tiny_ones_too(t):
    check(t, "8k", "seeds", "--rounds", "3000")


def test_other_sample_distances_fall_back_to_the_nearest_finer_one_and_say_so(t):
    harness.require_root()
    done = t.escapement("record", "--rate", "100k", "-o", t.path("p.pb.gz"), "--", workload("rhythm"), "--rounds", "5")
    harness.contains(done.stderr, "using 64k")
    same(t.json("report", t.path("p.pb.gz"))["rate"], 65536)


if __name__ == "__main__":
    harness.main()
