/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_TEST_H
#define ESCAPEMENT_GO_TEST_H

/*
 * `go test` as the program to measure, in any spelling: its command line as a gate needs it, and its output about
 * benchmarks.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"

/*
 * Returns the command line as a gate runs it, NULL-terminated; the caller frees the array but not its words. If it
 * contains a `go test` ("env A=1 go -C dir test"), -count=1 is added (a result from go's cache would measure nothing),
 * and with -bench also -benchmem and, unless the user gave one, -benchtime=100x, because counts need a fixed number of
 * iterations. Flags that the user gave are not changed. A script or make may run go test as well: for these, the same
 * flags are added to GOFLAGS in this process's environment.
 */
char **go_test_command(char **words);

/* The value of a flag among the words of `go test` before -args, "3" of "-count 3", "--count=3", "-test.count=3"; NULL if it
 * is not there. */
const char *go_test_flag(char *const *words, const char *flag);

#define GO_TEST_NO_BENCHMARK "go test ran no benchmark: what its tests allocated is compared"

/* Whether an allocation is package testing's, for a test, an example or a fuzz test that it runs. go test does not print
 * whether -run matched any if there is a -bench. */
bool go_test_has_run(const struct profile_stack *stack);

/*
 * Call with the counts of a run of the command. Fails with STATUS_CANNOT_MEASURE if it is a `go test -bench` that ran no
 * benchmark, and no test either: then nothing was tested. Returns 1 if it ran no benchmark, but tests, or if a recording
 * that takes samples does not tell; else 0.
 */
int go_test_check_benchmarks(char *const *words, const struct gate_counts *counts, struct error *error);

/*
 * Reads one line of the program's output. "BenchmarkParse-2 100 105 ns/op 16 B/op 1 allocs/op" is
 * recorded; so is "pkg: example.com/codec", the package of the benchmarks that follow. Other lines are ignored.
 */
void go_test_line(struct gate_counts *counts, const char *line);

#endif
