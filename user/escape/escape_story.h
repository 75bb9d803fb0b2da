/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_STORY_H
#define ESCAPEMENT_ESCAPE_STORY_H

/* Puts the compiler's reasons into words. Private to the escape graph. */

#include "escape/escape_graph_types.h"
#include "escape/escape_position.h"

/* Whether the reason is that the stack cannot hold the object. */
bool escape_story_is_size(const char *reason);

/*
 * Finds the function that a call expression names: "fmt.Fprintln(os.Stdout, a...)" is "Fprintln" of package "fmt",
 * "(*T).M(t, x)" is "(*T).M" of the same package. Returns false for type arguments and for expressions that do not name
 * a function. A method call on a variable looks like a function of a package, which then is not found.
 */
bool escape_story_callee(const char *expression, struct span *package, struct span *function);

/* Returns one line about `step`, the decisive one. NULL without a step. The caller frees it. */
char *escape_story(const struct escape_annotation *annotation, const struct escape_step *step, enum escape_cause cause,
		   const struct escape_annotation *callee);

#endif
