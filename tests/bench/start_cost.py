#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""start_cost.py BUILD: the processor time, user and system, that a recording adds to a Go program that does nothing, at each
rate; and what each followed fork adds: its time, and the recorder's own processor time; medians of interleaved rounds."""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUNDS, FORKS = 5, 40
HELLO = "package main\n\nvar kept []*int\n\nfunc main() {\n\tfor i := 0; i < 100; i++ {\n\t\tkept = append(kept, new(int))\n\t}\n}\n"
FORKING = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	double seconds = 0;
	for (int i = 0; i < 2; i++) {
		struct rusage used;
		getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &used);
		seconds += used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	}
	printf("%f\n", seconds);
}
"""


def seconds(*command):
    """Processor time of a command and of all that it starts, its duration, and what it prints."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode not in (0, 4):  # 4: threads were in the middle of an allocation when their process ended
        sys.exit(f"{command}: exit status {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - began, done.stdout


def forks_cost(record, preload, program):
    """What a fork adds to a recording: seconds, and seconds of the recorder's own processor time."""
    took, own = [], []
    for count in (1, FORKS + 1):
        spent, duration, said = seconds(*record, "--", "env", preload, program, count)
        took.append(duration)
        own.append(spent - float(said))
    alone = [seconds("env", preload, program, count)[1] for count in (1, FORKS + 1)]
    return (took[1] - took[0]) / FORKS, (alone[1] - alone[0]) / FORKS, (own[1] - own[0]) / FORKS


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
            alone.append(seconds(path / "hello")[0])
            for rate in rates:
                with_us[rate].append(seconds(*record, "--rate", rate, "--", path / "hello")[0])
            forks.append(forks_cost(record, preload, path / "forking"))
    for rate in rates:
        print(f"a start at --rate {rate:>4}: {statistics.median(with_us[rate]) - statistics.median(alone):.3f} s")
    took, alone_took, own = (1000 * statistics.median(column) for column in zip(*forks))
    print(f"a followed fork of a program that allocates in two threads: {took:.1f} ms ({alone_took:.1f} ms unobserved), of which "
          f"{own:.1f} ms are the recorder's processor time")


if __name__ == "__main__":
    main()
