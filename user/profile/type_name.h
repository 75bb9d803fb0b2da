/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TYPE_NAME_H
#define ESCAPEMENT_TYPE_NAME_H

/*
 * Types as Go people write them. The runtime has names of its own for some: for values boxed in an interface
 * (runtime.stringInterfacePtr), for the shapes that generic code is compiled for (go.shape.int), and for closures
 * (struct { F uintptr; X0 *int }: "closure of *int"). All pointers have one shape, which is "pointer" here; the
 * compiler names a shape that is too long by a hash, which is "a long type". Profiles keep the runtime's names, which
 * the join with the compiler's output needs; readers get these. Pure; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Writes the type as people write it, cut at `size` - 1 bytes. False, and nothing written, if it is that already. */
bool type_name_for_people(const char *type, char *text, size_t size);

/* Whether all types of this name in the runtime have the same size and the same pointers. Two packages, or two functions, may
 * each have a type that is called pkg.T. False for NULL. */
bool type_name_says_layout(const char *type);

/* Whether the type, by its name in the runtime or by that for people, is a closure. */
bool type_name_is_closure(const char *type);

#endif
