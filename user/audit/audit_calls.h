/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_CALLS_H
#define ESCAPEMENT_AUDIT_CALLS_H

/*
 * Which annotations a runtime call can be the allocation of. The compiler lowers each kind of expression to calls of
 * its own (cmd/compile/internal/walk), so the call that a site made shows which of a line's annotations is meant.
 *
 * Lowerings that surprise: []byte("constant") is a newobject of an array and a copy; make([]T, len(s)) followed by
 * copy() is a mallocgc without a type; []byte(a + b) is one concatbytes since Go 1.23; append(s, make([]T, n)...) makes
 * no slice but grows s; T(x).Method as a value is a closure. The compiler never speaks of make(chan), map growth,
 * goroutines and deferred calls in loops, and before Go 1.25 not of appends.
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
	CALL_FROM_STRING = 1 << 10, /* stringtoslicebyte, concatbytes */
	CALL_GO = 1 << 11,	    /* newproc */
	CALL_DEFER = 1 << 12,	    /* deferproc */
	CALL_REFLECT = 1 << 13,
	CALL_COROUTINE = 1 << 14, /* newcoro: iter.Pull */
	CALL_WAIT = 1 << 15,	  /* chanrecv, selectgo: a goroutine that waits */
	CALL_PANIC = 1 << 16,	  /* a panic that the runtime raises */
	CALL_ASSERT = 1 << 17,	  /* typeAssert, getitab: tables for interface types */
	CALL_OTHER = 1 << 18,	  /* a runtime function that no expression is lowered to */
};

unsigned call_family(const char *runtime_call);

/* A measured allocation, as far as it helps to tell which annotation it is about. */
struct call {
	unsigned family;  /* of the runtime call; 0 if the profile does not name it */
	const char *type; /* Go type of the object ("main.T", "[4]int"), of a slice that of its elements; NULL if not
			     known, or if the object is plain bytes */
};

/*
 * Whether such a call may be what the annotation is about: 0 no, 1 possible, 2 what such an expression is lowered to.
 * For the three kinds that speak of allocations; 0 for the others. With family 0 everything that can allocate at all
 * is possible.
 */
int call_fits(const struct call *call, const struct escape_annotation *annotation);

/* Whether an annotation speaks of an allocation, or of one avoided. */
bool call_allocates(const struct escape_annotation *annotation);

/* Whether objects of this Go type are a function and the variables that it captured. NULL is not. */
bool call_is_closure(const char *type);

/* Whether the compiler speaks of every allocation by such a call. It never does of channels, map growth, goroutines. */
bool call_is_always_spoken_of(const struct call *call);

/* Why a call allocates although the compiler says nothing. Never NULL. */
const char *call_unannotated_reason(const struct call *call, bool inlined);

/* The innocent cause, if there is one, of an allocation by something that does not escape; else that the
 * annotations are not of this build. `alone`: nothing else on the line could be meant. Never NULL. */
const char *call_contradicted_reason(const struct call *call, const struct escape_annotation *annotation, bool alone);

/*
 * Whether two subjects are the same expression as seen from two packages: "x" in its own is "sub.x" where it was
 * inlined. 2 equal but for package qualifiers, 1 the same kind of expression (constants may have been put in), 0 no.
 */
int call_same_subject(const char *a, const char *b);

/* Whether the type of the call's object shows that the annotation is about something else. False when in doubt. */
bool call_excludes(const struct call *call, const struct escape_annotation *annotation);

#endif
