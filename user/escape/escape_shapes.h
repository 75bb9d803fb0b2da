/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_SHAPES_H
#define ESCAPEMENT_ESCAPE_SHAPES_H

/*
 * The forms of the compiler's messages, as a table: the text after a position has one of these forms, or is unknown. An
 * expression in a message can be any Go expression, including strings with colons and spaces. Therefore a form is
 * recognised by fixed words at the start or end of a message, never by a pattern for the expression.
 *
 * Collected from cmd/compile of Go 1.4 to 1.27: esc.go, escape.go, escape/{graph,solve,leaks,escape}.go, inl.go,
 * inline/inl.go, closure.go, devirtualize, walk and ssa.
 */

#include "escape/escape.h"
#include "escape/escape_position.h"

enum message_role {
	MESSAGE_VERDICT,   /* one fact: an annotation */
	MESSAGE_HEADING,   /* opens the explanation of a fact for which a verdict is printed too */
	MESSAGE_FLOW,	   /* an edge, inside an explanation */
	MESSAGE_STEP,	   /* the reason for the edge above */
	MESSAGE_TRUNCATED, /* the explanation above is cut short */
};

struct message {
	enum message_role role;
	enum escape_kind kind; /* of a verdict or a heading */
	struct span subject;   /* subject of a verdict or a heading; destination of a flow; expression of a step */
	struct span detail;    /* other contents; source of a flow; reason of a step */
	struct span function;  /* the function that the message is in, if it names that; else empty */
	int32_t derefs;	       /* of a flow, or of the heading of a leak */
	struct position at;    /* of a step */
};

/* Parses the text after a position and ": ", or a whole line without a position. Returns false if it has none of the
 * forms. */
bool message_parse(struct span text, struct message *message);

#endif
