/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_H
#define ESCAPEMENT_BASELINE_H

/*
 * Allocation counts in a file for version control: JSON with the schema escapement.baseline/2; sites are sorted, one
 * per line, without line numbers or anything else that changes without reason.
 *
 *   {"schema":"escapement.baseline/2","command":["./prog","args"],"runtime":"goalloc 1","module":null,
 *   "package":null,"rate":1,"sites":[
 *   {"function":"main.boo","via":null,"file":"simple/main.go","runtime_call":"runtime.newobject","type":null,
 *    "annotation":null,"objects":200,"bytes":1600,"refills":2,"heap_grow_bytes":0},
 *   …
 *   ],
 *   "outside":{"objects":0,"bytes":0},"bookkeeping":{"objects":0,"bytes":0},
 *   "totals":{"objects":…,"bytes":…,"refills":…,"central_grows":…,"heap_grows":…,"heap_grow_bytes":…}}
 *
 * Optional fields: "normalize" and "iterations" after the rate; "benchmarks" (what -benchmem printed); and of a site
 * "benchmark" and "benchmark_package", "objects_max" and "bytes_max" (runs differed), "objects_min" and "bytes_min" (the
 * range of a site that varies by chance), "accepted" (why these counts were accepted). Costs that differed between runs
 * are null. Unknown fields of a site are errors, so that once a version is released, a new one there requires a new
 * schema version; unknown fields elsewhere are ignored.
 */

#include "gate/gate_counts.h"

/* Writes the file completely or not at all. */
int baseline_write(const struct gate_counts *counts, const char *path, struct error *error);

/* Reads and checks a baseline. Errors name the file and, if there is one, the line. */
struct gate_counts *baseline_read(const char *path, struct error *error);

/*
 * Whether every measured count is within the range of the baseline, and program, runtime and the set of sites are the
 * same (a site whose range begins at 0 may be absent). Then the file is left unchanged, including its costs.
 */
bool baseline_covers(const struct gate_counts *stored, const struct gate_counts *measured);
/* The same of the counts alone: benchmarks and sites, whatever the command and the files are called. */
bool baseline_covers_counts(const struct gate_counts *stored, const struct gate_counts *measured);
/* Whether the counts of one site are within the range of the stored one. */
bool baseline_covers_site(const struct gate_site *stored, const struct gate_site *measured);

/*
 * Checks that `after` can be compared with the baseline: it is an error if the program or the version of its runtime
 * differs. `warning` receives a text if only the arguments differ, else "".
 */
int baseline_comparable(const struct gate_counts *baseline, const struct gate_counts *after, char *warning, size_t size,
			struct error *error);

/* The command that writes the baseline at `path` anew, by running `command` (NULL-terminated; NULL if unknown): a line that can
 * be pasted into a shell. A command that no message has room for is named instead of cut. The caller frees it. */
char *baseline_update_command(const char *path, const char *const *command);

#endif
