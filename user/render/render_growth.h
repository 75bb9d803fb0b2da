/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_GROWTH_H
#define ESCAPEMENT_RENDER_GROWTH_H

/* Growth between heap snapshots, and heap time, for people and programs. */

#include <stdbool.h>
#include <stdio.h>

#include "heap/growth.h"

struct growth_style {
	int width;
	bool color;
	size_t top; /* rows that text shows; 0: all that grow */
};

/* A head, then a table of the sites that grow; or a sentence that none does. */
void render_growth_text(FILE *stream, const struct growth *growth, const struct profile *last,
			const struct growth_style *style);

/* Schema escapement.growth/1:
 *
 *   {"schema", "target", "snapshots", "repeated", "uncollected", "collections": [FIRST, LAST], "seconds", "ordered",
 *   "totals": {"inuse_bytes", "grown_bytes"}, "rows": [ROW…]}
 *
 * A ROW has what it is grouped by, inuse_objects, inuse_bytes, grown_objects, grown_bytes, bytes_per_hour, rises (0 to 1),
 * tau, deviations, and whether it grows. All sites are in it, those that grow first.
 */
void render_growth_json(FILE *stream, const struct growth *growth, const struct profile *last);

/* Heap time: who keeps the collector marking. */
struct heap_time {
	const struct growth *growth; /* sorted by heap time; of one snapshot at least */
	const struct profile *last;
	double since_start, meanwhile; /* the collector's shares of the CPU; -1: not known */
};

void render_heap_time_text(FILE *stream, const struct heap_time *time, const struct growth_style *style);

/* Schema escapement.heap-time/1:
 *
 *   {"schema", "target", "collections": [FIRST, LAST], "observed", "missed", "seconds", "exact",
 *   "collector": {"since_start", "meanwhile"}, "totals": {"heap_time", "inuse_bytes"}, "rows": [ROW…]}
 *
 * A ROW has what it is grouped by, heap_time, inuse_objects and inuse_bytes. The greatest heap time is first.
 */
void render_heap_time_json(FILE *stream, const struct heap_time *time);

#endif
