/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_GRAPH_H
#define ESCAPEMENT_ESCAPE_GRAPH_H

/*
 * The escape graph, as far as the compiler prints it (-m=2): locations are vertices, `flow` lines are edges with
 * their count of dereferences (-1: an address is taken), steps say why an edge exists.
 *
 * The compiler keeps two invariants (cmd/compile/internal/escape): no pointer to a stack object may be stored in the
 * heap, and none may outlive the object's frame. Where a flow would break one, the object moves. Flows stop at calls:
 * there the callee's own tag, `leaking param`, was decided before, bottom-up, and its explanation goes on where the
 * caller's ends.
 *
 * Belongs to an output, which must have its functions named (escape_functions.h) and must outlive the graph.
 * Immutable once made; any thread may read it.
 */

#include "escape/escape_graph_types.h"

struct escape_graph;

struct escape_graph *escape_graph_new(const struct escape_output *output);
void escape_graph_free(struct escape_graph *graph); /* NULL is allowed */

size_t escape_graph_location_count(const struct escape_graph *graph);
size_t escape_graph_edge_count(const struct escape_graph *graph);
/* NULL if no flow touches it. Strings need not be interned. */
const struct escape_location *escape_graph_find(const struct escape_graph *graph, const char *package,
						const char *function, const char *name);

/* Which invariant forced a heap move or a leak. */
enum escape_cause escape_graph_cause(const struct escape_graph *graph, const struct escape_annotation *annotation);

/*
 * Where the story of a heap move or a leak goes on: the leak of the function that its last flow calls. NULL where it
 * ends in no call, or in one whose target or parameter cannot be told (interface and method calls, code that the
 * output does not cover). *others counts further leaks of the callee that would fit as well.
 */
const struct escape_annotation *escape_graph_callee(const struct escape_graph *graph,
						    const struct escape_annotation *annotation, size_t *others);

/*
 * The shortest honest story of a heap move or a leak, in one line: "x is returned by foo (return &x, line 9)".
 * NULL where the compiler explained nothing. The caller frees it.
 */
char *escape_graph_story(const struct escape_graph *graph, const struct escape_annotation *annotation);

#endif
