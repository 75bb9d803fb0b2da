/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_PACKAGES_H
#define ESCAPEMENT_GATE_PACKAGES_H

/*
 * The packages of benchmarks. `go test ./...` may run two benchmarks of one name, so a benchmark is its name and the
 * import path of the package that it tests: "example.com/codec", as `pkg:` says in the output of go test.
 */

#include <stddef.h>

#include "base/error.h"
#include "gate/gate_counts.h"
#include "profile/profile.h"

/*
 * Makes of the package of a benchmark function, in place, the one that go test prints: "codec" of "codec_test", the external
 * test package of codec. But a directory may be called codec_test: so says the test binary, or if it is unknown
 * (`process` is NULL), what go test has printed so far.
 */
void gate_package_fold(char *package, const struct profile_process *process, const struct gate_counts *printed);

/*
 * Baselines may lack packages. Gives their sites and benchmarks the packages of `measured`.
 * Fails if benchmarks of one name in two packages were measured: the baseline has their sum. `path` is the baseline's.
 */
int gate_packages_adopt(struct gate_counts *baseline, const char *path, const struct gate_counts *measured,
			struct error *error);

/* The distinct packages of the benchmarks of both sides, sorted. The caller frees the array, but not its texts. */
const char **gate_packages_list(const struct gate_counts *before, const struct gate_counts *after, size_t *count);

/*
 * Writes what to call a benchmark among the packages of a list: its name alone if there is one package or none, else
 * after as much of the end of its package's path as no other has, "codec.BenchmarkParse". Returns `text`.
 */
const char *gate_benchmark_text(char *text, size_t size, const char *const *packages, size_t count, const char *package,
				const char *benchmark);

#endif
