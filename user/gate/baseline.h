/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_H
#define ESCAPEMENT_BASELINE_H

/*
 * Allocation counts in a file, for version control: JSON of the schema escapement.baseline/1, sites in order, one a
 * line, without a line number or anything else that changes when nothing did.
 *
 *   {"schema":"escapement.baseline/1","command":["./prog","args"],"runtime":"goalloc 1","rate":1,
 *   "sites":[
 *   {"function":"main.boo","file":"simple/main.go","runtime_call":"runtime.newobject","type":null,
 *    "annotation":null,"objects":200,"bytes":1600,"refills":2,"heap_grow_bytes":0},
 *   …
 *   ],
 *   "totals":{"objects":…,"bytes":…,"refills":…,"central_grows":…,"heap_grows":…,"heap_grow_bytes":…}}
 *
 * Only where they have something to say: "normalize" and "iterations" beside the rate; "benchmark", "objects_max" and
 * "bytes_max" (runs differed), "accepted" (why somebody took these counts) at a site. Costs that differed between
 * runs are null. What a newer tool adds to the schema makes it /2: unknown fields are errors here.
 */

#include "gate/gate_counts.h"

/* Writes whole or not at all. */
int baseline_write(const struct gate_counts *counts, const char *path, struct error *error);

/* Reads and checks. Errors name the file and, where there is one, the line. */
struct gate_counts *baseline_read(const char *path, struct error *error);

/* Whether two baselines say the same: same program, runtime and sites with the same objects and bytes. Then the
 * older file stays as it is, costs and all. */
bool baseline_same(const struct gate_counts *a, const struct gate_counts *b);

/*
 * Whether `after` can be compared with the baseline: an error for another program or another version of its runtime.
 * `warning` gets a text where only the arguments differ, else "".
 */
int baseline_comparable(const struct gate_counts *baseline, const struct gate_counts *after, char *warning, size_t size,
			struct error *error);

#endif
