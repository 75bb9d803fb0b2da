/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_TEST_H
#define ESCAPEMENT_GO_TEST_H

/*
 * `go test` as the program to measure, however it is spelt: its command line as a gate needs it, and what it prints of
 * benchmarks.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gate/gate_counts.h"

/*
 * The command line as a gate runs it, NULL-terminated; the caller frees the array and not its words. If a `go test` is
 * among the words ("env A=1 go -C dir test"), -count=1 is added (a result from go's cache would measure nothing), and with
 * -bench also -benchmem and, where the user gave none, -benchtime=100x: counts need a fixed number of iterations. A flag
 * that the user gave stays as it is. A script or make may run go test as well: for these the same goes into GOFLAGS of
 * this process's environment.
 */
char **go_test_command(char **words);

/*
 * Takes one line of the program's output: "BenchmarkParse-2  100  105 ns/op  16 B/op  1 allocs/op" is noted. Other lines
 * are passed over.
 */
void go_test_line(struct gate_counts *counts, const char *line);

#endif
