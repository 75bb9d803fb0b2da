/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_GRAPH_H
#define ESCAPEMENT_ESCAPE_GRAPH_H

/*
 * The escape graph, as far as the compiler prints it (-m=2): locations are vertices, `flow` lines are edges with their
 * count of dereferences (-1: an address is taken), and steps are the reasons for an edge.
 *
 * The compiler keeps two invariants (cmd/compile/internal/escape): no pointer to a stack object may be stored in the
 * heap, and none may outlive the object's frame. If a flow would break one, the object is moved to the heap. Flows end
 * at calls: the callee's own tag, `leaking param`, was determined before, bottom-up, and its explanation continues
 * where that of the caller ends.
 *
 * A graph belongs to an output, whose functions must have been named (escape_functions.h) and which must outlive it.
 * Immutable once built; any thread may read it.
 */

#include "escape/escape_graph_types.h"

struct escape_graph;

struct escape_graph *escape_graph_new(const struct escape_output *output);
void escape_graph_free(struct escape_graph *graph); /* NULL is allowed */

size_t escape_graph_location_count(const struct escape_graph *graph);
size_t escape_graph_edge_count(const struct escape_graph *graph);
/* Returns the location, NULL if no flow begins or ends there. Strings need not be interned. */
const struct escape_location *escape_graph_find(const struct escape_graph *graph, const char *package,
						const char *function, const char *name);

/* Returns which invariant caused a heap move or a leak. */
enum escape_cause escape_graph_cause(const struct escape_graph *graph, const struct escape_annotation *annotation);

/*
 * Finds where the explanation of a heap move or a leak continues: the leak of the function that its last flow calls.
 * NULL if it does not end in a call, or in a call whose target or parameter is unknown (interface and method calls,
 * code that the output does not cover). *others counts further leaks of the callee that would match as well.
 */
const struct escape_annotation *escape_graph_callee(const struct escape_graph *graph,
						    const struct escape_annotation *annotation, size_t *others);

/*
 * Explains a heap move or a leak in one line: "x is returned by foo (return &x, line 9)". NULL if the compiler
 * explained nothing. The caller frees it.
 */
char *escape_graph_story(const struct escape_graph *graph, const struct escape_annotation *annotation);

#endif
