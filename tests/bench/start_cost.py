#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""start_cost.py BUILD: the processor time, user and system, that a recording adds to a Go program that does nothing, at each
rate, and the processor time of each followed fork; medians of interleaved rounds."""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUNDS, FORKS = 5, 40
HELLO = "package main\n\nvar kept []*int\n\nfunc main() {\n\tfor i := 0; i < 100; i++ {\n\t\tkept = append(kept, new(int))\n\t}\n}\n"
FORKING = r"""
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile int stop;
static void *work(void *a) { while (!stop) { void *volatile p = malloc(100); free(p); } return a; }
int main(int argc, char **argv)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < atoi(argv[argc - 1]); i++) {
		if (fork() == 0) {
			for (int j = 0; j < 3000; j++)
				free(malloc(j + 1));
			_exit(0);
		}
		wait(NULL);
	}
	stop = 1;
}
"""


def seconds(*command, **environment):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], env={**os.environ, **environment},
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode not in (0, 4):  # 4: threads were in the middle of an allocation when their process ended
        sys.exit(f"{command}: exit status {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    build, rates = pathlib.Path(sys.argv[1]).resolve(), ("512k", "0", "1")
    preload = f"LD_PRELOAD={build / 'libgoalloc-preload.so'}"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "hello.go").write_text(HELLO)
        (path / "forking.c").write_text(FORKING)
        go = subprocess.run([ROOT / "packaging" / "go-toolchain", "1.24"], check=True, capture_output=True, text=True)
        subprocess.run([pathlib.Path(go.stdout.strip()) / "bin" / "go", "build", "-o", path / "hello", path / "hello.go"],
                       check=True, env={**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local"})
        subprocess.run(["gcc", "-O1", "-pthread", "-o", path / "forking", path / "forking.c"], check=True)
        record = [build / "escapement", "record", "-q", "-o", path / "p"]
        alone, with_us, forks = [], {rate: [] for rate in rates}, []
        for _ in range(ROUNDS):
            alone.append(seconds(path / "hello"))
            for rate in rates:
                with_us[rate].append(seconds(*record, "--rate", rate, "--", path / "hello"))
            one, many = (seconds(*record, "--", "env", preload, path / "forking", count) for count in (1, FORKS + 1))
            forks.append((many - one) / FORKS)
    for rate in rates:
        print(f"a start at --rate {rate:>4}: {statistics.median(with_us[rate]) - statistics.median(alone):.3f} s")
    print(f"a followed fork of a program that allocates in two threads: {1000 * statistics.median(forks):.0f} ms, its own work included")


if __name__ == "__main__":
    main()
