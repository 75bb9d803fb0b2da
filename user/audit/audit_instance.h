/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_INSTANCE_H
#define ESCAPEMENT_AUDIT_INSTANCE_H

/*
 * Which instance of a generic function an annotation is about. Heap profiles of Go have no types, but since Go 1.21 the names
 * of functions with the shapes of their type arguments: main.list[go.shape.int]. The compiler's expressions have these shapes,
 * too. Private to the join; no state.
 */

#include <stdbool.h>

/* Returns the function's own type arguments, in its name: the last ones, for a closure has those of the functions around it in
 * front. NULL if they have no shapes, or cannot be known. */
const char *audit_instance(const char *function);

/* How well an expression fits these arguments: 0 if it is of another instance, 2 if all of its shapes are among them, 1 if it
 * also names an instance of something else. 2 if `instance` is NULL. */
int audit_instance_fits(const char *subject, const char *instance);

#endif
