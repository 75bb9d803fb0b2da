/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FUNCTIONS_H
#define ESCAPEMENT_ESCAPE_FUNCTIONS_H

/*
 * Finds the function that an annotation is in. The compiler names it only in explanations, and only since Go 1.25. For
 * the rest there are two sources:
 *   the source files, if they are available and are the ones that were compiled: every function that the compiler
 *     says it can or cannot inline must begin where the source has one;
 *   otherwise these inlining messages alone (-m=2 without -l names every function): a place belongs to the last
 *     function declared before it. Without the source, package variables are attributed to the function above them.
 *
 * Names are written as the compiler writes them, without the package and with type arguments replaced by "...": "foo",
 * "(*T).M", "F[...]", "foo.func1"; "init" for code that initialises package variables.
 */

#include "escape/escape.h"

/*
 * Sets the function of each annotation that has none, and puts existing names into the form above. Source files are
 * looked up by their printed names relative to `directory` (NULL: not at all). Returns the number of annotations that
 * still have none.
 */
size_t escape_name_functions(struct escape_output *output, const char *directory);

/* The declared function that contains a function literal: "foo" for "foo.func1.2". Returns the length of that
 * prefix. */
size_t escape_declared_function(const char *function);

#endif
