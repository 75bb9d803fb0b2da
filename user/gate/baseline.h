/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_H
#define ESCAPEMENT_BASELINE_H

/*
 * Allocation counts in a file, for version control: JSON of the schema escapement.baseline/2, sites in order, one a
 * line, without a line number or anything else that changes when nothing did.
 *
 *   {"schema":"escapement.baseline/2","command":["./prog","args"],"runtime":"goalloc 1","module":null,"package":null,"rate":1,
 *   "sites":[
 *   {"function":"main.boo","via":null,"file":"simple/main.go","runtime_call":"runtime.newobject","type":null,
 *    "annotation":null,"objects":200,"bytes":1600,"refills":2,"heap_grow_bytes":0},
 *   …
 *   ],
 *   "outside":{"objects":0,"bytes":0},"bookkeeping":{"objects":0,"bytes":0},
 *   "totals":{"objects":…,"bytes":…,"refills":…,"central_grows":…,"heap_grows":…,"heap_grow_bytes":…}}
 *
 * Only where they have something to say: "normalize" and "iterations" beside the rate; "benchmark", "objects_max" and
 * "bytes_max" (runs differed), "objects_min" and "bytes_min" (the range of a site that varies by chance), "benchmarks"
 * (what -benchmem printed), "accepted" (why somebody took these counts) at a site. Costs that differed between
 * runs are null. What a newer tool adds to the schema makes it /3: unknown fields are errors here.
 */

#include "gate/gate_counts.h"

/* Writes whole or not at all. */
int baseline_write(const struct gate_counts *counts, const char *path, struct error *error);

/* Reads and checks. Errors name the file and, where there is one, the line. */
struct gate_counts *baseline_read(const char *path, struct error *error);

/*
 * Whether every count of a measurement lies in the range that a baseline stores, and program, runtime and set of sites
 * are the same (a site whose range begins at 0 may be absent). Then the file stays as it is, costs and all.
 */
bool baseline_covers(const struct gate_counts *stored, const struct gate_counts *measured);
/* Whether the counts of one site lie in the range of the stored one. */
bool baseline_covers_site(const struct gate_site *stored, const struct gate_site *measured);

/*
 * Whether `after` can be compared with the baseline: an error for another program or another version of its runtime.
 * `warning` gets a text where only the arguments differ, else "".
 */
int baseline_comparable(const struct gate_counts *baseline, const struct gate_counts *after, char *warning, size_t size,
			struct error *error);

#endif
