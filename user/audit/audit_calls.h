/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_CALLS_H
#define ESCAPEMENT_AUDIT_CALLS_H

/*
 * Which annotations a runtime call can be the allocation of. The compiler lowers each kind of expression to calls of
 * its own (cmd/compile/internal/walk), so the call that a site made tells which of a line's annotations is meant.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "escape/escape.h"

/* Kinds of runtime calls; bits. 0 is a call that is not known. */
enum call_family {
	CALL_OBJECT = 1 << 0,	    /* newobject */
	CALL_SLICE = 1 << 1,	    /* makeslice */
	CALL_CHAN = 1 << 2,	    /* makechan */
	CALL_MAP = 1 << 3,	    /* makemap */
	CALL_MAP_GROWTH = 1 << 4,   /* mapassign */
	CALL_BOX = 1 << 5,	    /* convT…: a value into an interface */
	CALL_APPEND = 1 << 6,	    /* growslice */
	CALL_MOVE = 1 << 7,	    /* moveSlice (Go 1.26): a slice that began on the stack */
	CALL_CONCAT = 1 << 8,	    /* concatstrings */
	CALL_TO_STRING = 1 << 9,    /* slicebytetostring */
	CALL_FROM_STRING = 1 << 10, /* stringtoslicebyte */
	CALL_GO = 1 << 11,	    /* newproc */
	CALL_DEFER = 1 << 12,	    /* deferproc */
	CALL_REFLECT = 1 << 13,
	CALL_OTHER = 1 << 14, /* a runtime function that no expression is lowered to */
};

unsigned call_family(const char *runtime_call);

/*
 * Whether a call of that family may be what the annotation is about: 0 no, 1 possible, 2 what such an expression is
 * lowered to. For the three kinds that speak of allocations; 0 for the others. With family 0 everything that can
 * allocate at all is possible.
 */
int call_fits(unsigned family, const struct escape_annotation *annotation);

/* Whether an annotation speaks of an allocation, or of one avoided. */
bool call_allocates(const struct escape_annotation *annotation);

/* Whether objects of this Go type are a function and the variables that it captured. NULL is not. */
bool call_is_closure(const char *type);

/* Why a call allocates where the compiler says nothing. `type` may be NULL. Never NULL. */
const char *call_unannotated_reason(unsigned family, const char *type, bool inlined);

/* The innocent cause, if there is one, of an allocation by something that does not escape; else that the
 * annotations are not of this build. `alone`: nothing else on the line could be meant. Never NULL. */
const char *call_contradicted_reason(unsigned family, const struct escape_annotation *annotation, bool alone);

/*
 * Whether two subjects are the same expression as seen from two packages: "x" in its own is "sub.x" where it was
 * inlined. 2 equal but for package qualifiers, 1 the same kind of expression (constants may have been put in), 0 no.
 */
int call_same_subject(const char *a, const char *b);

/* Whether an object of this Go type ("main.T", "[4]int") cannot be what the subject makes. False when in doubt. */
bool call_excludes_type(const char *subject, const char *type);

#endif
