#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Ten minutes of test_fleet_kills.py: `make test-long`."""
import random

import harness
import test_fleet_kills as kills

SECONDS = 600


def test_ten_minutes_of_kills_lose_nothing_and_count_nothing_twice(t):
    seed = random.randrange(1 << 30)
    print(f"# seed {seed}", flush=True)
    killed = kills.kill_at_random(t, SECONDS, seed)
    print(f"# killed {killed}", flush=True)
    assert all(number >= 10 for number in killed.values()), killed


harness.main()
