/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_GRAPH_TYPES_H
#define ESCAPEMENT_ESCAPE_GRAPH_TYPES_H

/* Vertices, edges and causes of the escape graph (escape_graph.h). */

#include "escape/escape.h"

enum escape_cause {
	ESCAPE_CAUSE_UNKNOWN,	   /* no explanation (-m=1) */
	ESCAPE_CAUSE_HEAP_POINTER, /* a pointer to it would be stored in the heap */
	ESCAPE_CAUSE_OUTLIVES,	   /* a pointer to it would outlive its frame */
	ESCAPE_CAUSE_SIZE,	   /* it cannot be on the stack: too large, or of a size unknown to the compiler */
};

/* "unknown", "heap-pointer", "outlives-frame", "size". */
const char *escape_cause_name(enum escape_cause cause);

struct escape_edge {
	const struct escape_flow *flow;
	const struct escape_annotation *annotation; /* the annotation whose explanation has this edge */
	const struct escape_location *from, *to;
	const struct escape_edge *next; /* the next edge out of `from` */
};

/* A variable, a result or an allocation. Names are unique within a function of a package; "{heap}" is shared by all. */
struct escape_location {
	const char *package;  /* NULL for the heap, and if there are no headers */
	const char *function; /* NULL for the heap; the file if the function has no name */
	const char *name;
	const struct escape_edge *out; /* NULL if nothing flows out of it */
};

#endif
