/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_SHAPES_H
#define ESCAPEMENT_ESCAPE_SHAPES_H

/*
 * The shapes of the compiler's messages, as a table: what stands behind a position is one of these or unknown.
 * An expression in a message can be any Go expression, strings with colons and spaces included, so a shape is told
 * by fixed words at the message's start or end, never by a pattern for the expression.
 *
 * Gathered from cmd/compile of Go 1.4 to 1.27: esc.go, escape.go, escape/{graph,solve,leaks,escape}.go, inl.go,
 * inline/inl.go, closure.go, devirtualize, walk and ssa.
 */

#include "escape/escape.h"
#include "escape/escape_position.h"

enum message_role {
	MESSAGE_VERDICT,   /* one fact: an annotation */
	MESSAGE_HEADING,   /* opens the explanation of a fact that is said, or said again, as a verdict */
	MESSAGE_FLOW,	   /* an edge, inside an explanation */
	MESSAGE_STEP,	   /* why the edge above exists */
	MESSAGE_TRUNCATED, /* the explanation above is cut short */
};

struct message {
	enum message_role role;
	enum escape_kind kind; /* of a verdict or a heading */
	struct span subject;   /* of a verdict or a heading; of a flow its destination; of a step its expression */
	struct span detail;    /* what else it says; of a flow its source; of a step its reason */
	struct span function;  /* where the message names the function that it is in; else empty */
	int32_t derefs;	       /* of a flow; of a heading about a leak */
	struct position at;    /* of a step */
};

/* What follows a position and ": ", or a whole line that has no position. False if it is none of the shapes. */
bool message_parse(struct span text, struct message *message);

#endif
