/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_FUNCTIONS_H
#define ESCAPEMENT_ESCAPE_FUNCTIONS_H

/*
 * In which function an annotation stands. The compiler says it in explanations only, and only since Go 1.25; for the
 * rest there are
 *   the source files, where they are at hand and are the ones that were compiled: every function that the compiler
 *     says it can or cannot inline must begin where the source has one;
 *   these inlining messages alone (-m=2 without -l names every function): a place belongs to the last function that
 *     is declared before it. Without the source a package's variables count to the function above them.
 *
 * Names are written as the compiler writes them, without the package, type arguments replaced by "...": "foo",
 * "(*T).M", "F[...]", "foo.func1"; "init" for what initialises a package's variables.
 */

#include "escape/escape.h"

/*
 * Names the function of each annotation that lacks one, and puts the names that are there into the form above.
 * Source files are looked for as printed, relative to `directory` (NULL: do not look). Returns how many annotations
 * are still without.
 */
size_t escape_name_functions(struct escape_output *output, const char *directory);

/* The declared function that a function literal stands in: "foo" for "foo.func1.2". Returns the length to keep. */
size_t escape_declared_function(const char *function);

#endif
