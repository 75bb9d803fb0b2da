/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_CALLS_H
#define ESCAPEMENT_AUDIT_CALLS_H

/*
 * Decides which annotations a runtime call may belong to. The compiler lowers each kind of expression to particular
 * runtime calls (cmd/compile/internal/walk), so the call that a site makes shows which of a line's annotations it
 * belongs to.
 *
 * Less obvious lowerings: []byte("constant") is a newobject of an array and a copy; make([]T, len(s)) followed by
 * copy() is a mallocgc without a type; []byte(a + b) is one concatbytes since Go 1.23; append(s, make([]T, n)...) does
 * not create a slice but grows s; T(x).Method as a value is a closure. The compiler never mentions make(chan), map
 * growth, goroutines and deferred calls in loops, and before Go 1.25 it does not mention appends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "escape/escape.h"

/* Kinds of runtime calls, as bits. 0 is an unknown call. */
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
	CALL_FROM_C = 1 << 18,	  /* gostring, gobytes: cgo */
	CALL_OTHER = 1 << 19,	  /* another runtime function, to which no expression is lowered */
};

unsigned call_family(const char *runtime_call);

/* The properties of a measured allocation that help to find its annotation. */
struct call {
	unsigned family; /* kind of runtime call; 0 if the profile does not name it */
	/* Go type of the object ("main.T", "[4]int"), or of a slice's elements; NULL if unknown, or if the object is
	 * plain bytes */
	const char *type;
};

/* They of a runtime call, which may show the type where the profile does not. */
struct call call_of(const char *runtime_call, const char *type);

/*
 * Whether an annotation may be about such a call: 0 no, 1 possibly, 2 such an expression is lowered to this call.
 * Nonzero only for the three kinds of annotation about allocations. With family 0, everything that can allocate at all
 * is possible.
 */
int call_fits(const struct call *call, const struct escape_annotation *annotation);

/* The length of a type argument that a list of such begins with. */
size_t call_argument_length(const char *argument);

/* Whether an annotation is about an allocation, or about one that was avoided. */
bool call_allocates(const struct escape_annotation *annotation);

/* Whether objects of this Go type are closures: a function with the variables that it captured. False for NULL. */
bool call_is_closure(const char *type);

/* Whether the call allocates what does not escape, too, if it is larger than its room on the stack. */
bool call_has_room_on_the_stack(const char *runtime_call);
/* Whether the compiler mentions every allocation by such a call. It never mentions channels, map growth or
 * goroutines. */
bool call_is_always_spoken_of(const struct call *call);

/* Returns why a call allocates although the compiler does not mention it. Never NULL. */
const char *call_unannotated_reason(const struct call *call, bool inlined);

/* Returns why something allocates although the compiler says that it does not escape: a legitimate cause if there is
 * one, else that the annotations are from another build. `alone`: the line has no other expression that it could be.
 * Never NULL. */
const char *call_contradicted_reason(const struct call *call, const struct escape_annotation *annotation, bool alone);

/*
 * Whether two subjects are the same expression, seen from two packages: "x" in its own package is "sub.x" where it was
 * inlined. 2: equal except for package qualifiers; 1: the same kind of expression (constants may have been
 * substituted); 0: no.
 */
int call_same_subject(const char *a, const char *b);

/* Whether the call, or the type of its object, proves that the annotation is about something else: boxing a constant does
 * not allocate. False if in doubt. */
bool call_excludes(const struct call *call, const struct escape_annotation *annotation);

#endif
