#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""malloc_counts.py BUILD [CASE...]: what does not depend on the machine's load: instructions, first-level data misses and
last-level data misses of an allocation with its free, on each allocator, by cachegrind (32 KiB and 2 MiB). The start of
the process is taken off by running each case twice, with as many and with twice as many operations: whole rounds of it."""
import re
import subprocess
import sys
import tempfile

from malloc_table import CASES, allocators

OPERATIONS = 100_000
ROWS = [case for case in CASES if case[0] in ("pair", "lifo", "random", "mixed", "reuse", "sh6", "append")]
# Operations of a round; malloc_cases rounds up or down to whole ones.
ROUND = {"lifo": lambda size: 1024, "reuse": lambda size: (4 << 20) // size, "sh6": lambda size: 2000, "append": lambda size: size // 16}
FIELDS = {"instructions": r"I\s+refs:\s+([\d,]+)", "D1 misses": r"D1\s+misses:\s+([\d,]+)", "LL misses": r"LLd misses:\s+([\d,]+)"}


def operations_of(case):
    """At least OPERATIONS, in whole rounds."""
    a_round = ROUND.get(case[0], lambda size: 1)(case[1])
    return -(-OPERATIONS // a_round) * a_round


def count(build, case, library, operations):
    with tempfile.NamedTemporaryFile() as out:
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--D1=32768,8,64", "--LL=2097152,16,64",
                   f"--cachegrind-out-file={out.name}", f"{build}/tests/bench/malloc_cases", case[0], str(case[1]), str(operations)]
        text = subprocess.run(["env", *([f"LD_PRELOAD={library}"] if library else []), *command], check=True, capture_output=True,
                              text=True).stderr
    return [int(re.search(pattern, text)[1].replace(",", "")) for pattern in FIELDS.values()]


def main():
    build, wanted = sys.argv[1], sys.argv[2:]
    peers = allocators(build)
    print(f"{'case':<16}{'an allocation':<16}" + "".join(f"{name:>10}" for name, _ in peers))
    for case in ROWS:
        if wanted and case[0] not in wanted and f"{case[0]}-{case[1]}" not in wanted:
            continue
        rows = []
        for _, library in peers:
            n = operations_of(case)
            once, twice = (count(build, case, library, n * times) for times in (1, 2))
            rows.append([(b - a) / n for a, b in zip(once, twice)])
        for i, field in enumerate(FIELDS):
            print(f"{case[0] + ' ' + str(case[1]):<16}{field:<16}" + "".join(f"{row[i]:>10.3f}" for row in rows), flush=True)


if __name__ == "__main__":
    main()
