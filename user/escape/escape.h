/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_H
#define ESCAPEMENT_ESCAPE_H

/*
 * What the Go compiler said: the text that `-gcflags=-m`, `-m=2` and old `-m -m` print, as a table of annotations
 * and, behind heap moves and leaks, the piece of the escape graph that the compiler printed for them.
 *
 * An output owns all that it points to. Strings are interned: equal strings are one pointer. Not thread-safe while
 * it is parsed; read by any number of threads afterwards.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum escape_kind {
	ESCAPE_MOVED_TO_HEAP,
	ESCAPE_ESCAPES,
	ESCAPE_DOES_NOT_ESCAPE,
	ESCAPE_LEAKING_PARAM,
	ESCAPE_LEAKING_PARAM_CONTENT,
	ESCAPE_LEAKING_PARAM_TO_RESULT,
	ESCAPE_CAN_INLINE,
	ESCAPE_CANNOT_INLINE,
	ESCAPE_INLINED_CALL,
	ESCAPE_ZERO_COPY_CONVERSION,
	ESCAPE_SELF_ASSIGNMENT_IGNORED,
	ESCAPE_UNSAFE_UINTPTR,
	ESCAPE_CAPTURED,
	ESCAPE_DEVIRTUALIZED,
	ESCAPE_BOUNDS_CHECK_ELIDED,
	ESCAPE_MUTATION,
	ESCAPE_NOTE, /* something else: a function too big to inline much into, an imprecise interface call */
	ESCAPE_KIND_COUNT,
};

/* The kind's name in JSON and on the command line: "moved-to-heap", "escapes", … */
const char *escape_kind_name(enum escape_kind kind);
/* The kind of that name, or -1. */
int escape_kind_parse(const char *name);

/* `from EXPRESSION (REASON) at FILE:LINE:COLUMN`: why one edge exists. */
struct escape_step {
	const char *expression, *reason, *file;
	uint32_t line, column; /* 0 where the compiler gave none */
};

/* `flow: TO = FROM:`: one edge of the escape graph, with the steps that made it. */
struct escape_flow {
	const char *to;	  /* "{heap}", "~r0", "{storage for x}", a name */
	const char *from; /* with its leading & or * taken off */
	int32_t derefs;	  /* -1 for &from, 0, or the number of leading * */
	uint32_t step_count;
	const struct escape_step *steps;
};

struct escape_annotation {
	const char *package;  /* of the last "# import/path" header; NULL before any */
	const char *file;     /* as printed, less a leading "./"; random build directories normalised */
	uint32_t line;	      /* 0 where the compiler gave none */
	uint32_t column;      /* 0 where the compiler gave none */
	const char *function; /* NULL where the compiler does not say */
	enum escape_kind kind;
	const char *subject; /* "x", "make([]int, 0, 4)", "F": what the message is about */
	const char *detail;  /* what else it says: the result and level of a leak, why not inlined; NULL if nothing */
	uint32_t flow_count;
	const struct escape_flow *flows; /* the explanation, in the compiler's order; -m=2 only */
	const char *text;		 /* the compiler's own words after the position; not interned */
	bool explained_only; /* explained at -m=2 without a verdict of its own: closures made for go and defer */
	bool truncated;	     /* the compiler cut the explanation short */
};

/* A line that is no known message: shown and counted, never dropped. */
struct escape_unrecognized {
	uint64_t line_number; /* 1-based, in the input */
	const char *text;     /* printable: control bytes are escaped; cut at 4 KiB */
};

/* A package that did not compile: the compiler said nothing about what escapes in it. */
struct escape_failure {
	const char *package, *text; /* the first error; NULL if the input has none */
};

struct escape_output {
	struct escape_annotation *annotations; /* in input order, repeats of one message at one position once */
	size_t annotation_count;
	uint64_t counts[ESCAPE_KIND_COUNT];
	struct escape_unrecognized *unrecognized;
	size_t unrecognized_count;
	const char **packages; /* in order of first appearance */
	size_t package_count;
	struct escape_failure *failures;
	size_t failure_count;
	const char
		*cut; /* the line where a log was cut, or at which the input ends in the middle; NULL if it is whole */
	uint64_t line_count, byte_count; /* of the input */
	struct escape_storage *storage;	 /* private to escape_parser.c */
};

void escape_free(struct escape_output *output); /* NULL is allowed */

#endif
