#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The estimated cost of probe hits, compared with the real cost, from the CPU time that a program prints."""
import re
import signal

import go_programs
import harness

SECONDS = 0.3  # of CPU time


def share_and_said(t, depth, work):
    """Share of a program's CPU time that probe hits at rate 1 take, measured and as record estimates it, in percent."""
    process = t.start(go_programs.build("1.24", "plain", "loop"), depth, 64, work)
    profile = t.path("profile.pb.gz")
    alone = go_programs.loop_sample(process.stdout, SECONDS)
    recorder = t.start(harness.ESCAPEMENT, "record", "-v", "--max-overhead", "0", "--rate", "1", "-o", profile,
                       "-p", process.pid)
    while "attached" not in recorder.stderr.readline():
        assert recorder.poll() is None, "record ended"
    recorded = go_programs.loop_sample(process.stdout, SECONDS)
    recorder.send_signal(signal.SIGINT)
    recorder.communicate(timeout=harness.TIMEOUT)
    # a limit that is exceeded also where a hit costs a tenth of what it does elsewhere
    done = t.escapement("record", "--rate", "1", "--max-overhead", "3", "--duration", "1", "-o", profile, "-p", process.pid, status=None)
    process.kill()
    said = re.search(r"probe hits cost about (\d+) % of the process's CPU", done.stderr)
    assert said, f"depth {depth}, work {work}: no message about overhead: {done.stderr}"
    return 100 * (1 - alone / recorded), int(said.group(1))


def test_the_brake_tells_what_hits_cost_within_a_factor_of_one_and_a_half(t):
    harness.require_root()
    for depth, work in ((8, 200), (60, 1000)):
        tries = []
        for _ in range(3):  # other processes disturb the measurement
            share, said = share_and_said(t, depth, work)
            tries.append((share, said))
            if share / 1.5 <= said <= share * 1.5:
                break
        else:
            raise AssertionError(f"depth {depth}, work {work}: (real, estimated) shares: {tries}")


harness.main()
