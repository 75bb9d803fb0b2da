/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_STORY_H
#define ESCAPEMENT_ESCAPE_STORY_H

/* The compiler's reasons in words. Private to the escape graph. */

#include "escape/escape_graph_types.h"
#include "escape/escape_position.h"

/* Whether the reason is that the stack cannot hold it. */
bool escape_story_is_size(const char *reason);

/*
 * The function that a call expression names: "fmt.Fprintln(os.Stdout, a...)" is "Fprintln" of package "fmt",
 * "(*T).M(t, x)" is "(*T).M" of the same package. Type arguments are refused, and so are expressions that name no
 * function: a method called on a variable looks like a function of a package, which nobody then has.
 */
bool escape_story_callee(const char *expression, struct span *package, struct span *function);

/* One line about `step`, the one that makes it happen. NULL without a step. The caller frees it. */
char *escape_story(const struct escape_annotation *annotation, const struct escape_step *step, enum escape_cause cause,
		   const struct escape_annotation *callee);

#endif
