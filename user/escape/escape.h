/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ESCAPE_H
#define ESCAPEMENT_ESCAPE_H

/*
 * The compiler's escape analysis: the text that `-gcflags=-m`, `-m=2` and the old `-m -m` print, as a table of
 * annotations. Heap moves and leaks also have the part of the escape graph that the compiler printed for them.
 *
 * An output owns everything that it points to. Strings are interned: equal strings have the same pointer. Not
 * thread-safe while it is being parsed; afterwards any number of threads may read it.
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
	ESCAPE_NOTE, /* other messages: a function too big to inline much into, an imprecise interface call */
	ESCAPE_KIND_COUNT,
};

/* The kind's name in JSON and on the command line: "moved-to-heap", "escapes", … */
const char *escape_kind_name(enum escape_kind kind);
/* Returns the kind with that name, or -1. */
int escape_kind_parse(const char *name);

/* `from EXPRESSION (REASON) at FILE:LINE:COLUMN`: why one edge exists. */
struct escape_step {
	const char *expression, *reason, *file;
	uint32_t line, column; /* 0 if the compiler gave none */
};

/* `flow: TO = FROM:`: one edge of the escape graph, with the steps that made it. */
struct escape_flow {
	const char *to;	  /* "{heap}", "~r0", "{storage for x}", a name */
	const char *from; /* without its leading & or * */
	int32_t derefs;	  /* -1 for &from, 0, or the number of leading * */
	uint32_t step_count;
	const struct escape_step *steps;
};

struct escape_annotation {
	const char *package;  /* from the last "# import/path" header; NULL before the first */
	const char *file;     /* as printed, without a leading "./"; random build directories are normalised */
	uint32_t line;	      /* 0 if the compiler gave none */
	uint32_t column;      /* 0 if the compiler gave none */
	const char *function; /* NULL if the compiler does not say */
	const char *subject;  /* "x", "make([]int, 0, 4)", "F": what the message is about */
	/* other contents: the result and level of a leak, the reason against inlining; NULL if nothing */
	const char *detail;
	const struct escape_flow *flows; /* the explanation, in the compiler's order; -m=2 only */
	uint32_t flow_count;
	enum escape_kind kind : 8; /* there may be millions of annotations */
	bool explained_only;	   /* has an explanation (-m=2) but no verdict: closures created for go and defer */
	bool truncated;		   /* the compiler cut the explanation short */
	const char *text;	   /* the compiler's text after the position; not interned */
};

/* A line that is not a known message: shown and counted, never dropped. */
struct escape_unrecognized {
	uint64_t line_number; /* 1-based, in the input */
	const char *text;     /* printable: control bytes are escaped; cut at 4 KiB */
};

/* A package that did not compile, for which the compiler therefore printed no escape analysis. */
struct escape_failure {
	const char *package, *text; /* the first error; NULL if the input has none */
};

struct escape_output {
	struct escape_annotation *annotations; /* in input order; a repeated message at one position appears once */
	size_t annotation_count;
	uint64_t counts[ESCAPE_KIND_COUNT];
	struct escape_unrecognized *unrecognized;
	size_t unrecognized_count;
	const char **packages; /* in order of first appearance */
	size_t package_count;
	bool repeated; /* the header of a package came more than once */
	bool strayed;  /* a line of an explanation does not follow the message that it explains */
	struct escape_failure *failures;
	size_t failure_count;
	const char
		*cut; /* the line at which a log was cut, or an incomplete last line; NULL if the input is complete */
	const char *
		mixed; /* a line in which two commands wrote at once, so that nobody knows which package others are of; NULL */
	const char
		*refusal; /* why the input cannot be read, as the rest of a sentence that begins with its name; NULL */
	/* A package whose header another one follows, if names of files do not show which of the two lines are about; NULL. */
	const char *hollow;
	uint64_t line_count, byte_count; /* of the input */
	struct escape_storage *storage;	 /* private to escape_parser.c */
};

void escape_free(struct escape_output *output); /* NULL is allowed */

/* Shortens the paths of all positions to names of files. Files of one name cannot be told apart afterwards. */
void escape_redact(struct escape_output *output);

/* Calls the file `from` in all positions `to`. */
void escape_rename_file(struct escape_output *output, const char *from, const char *to);

/* Whether the annotation is of the main package that go test generates around a package's tests, whose files are called
 * as the build cache calls them: it is nobody's code, and differs between releases. */
bool escape_of_generated_main(const struct escape_annotation *annotation);

/* Whether a text has a name that the compiler gave to a result without one: "~r0". */
bool escape_names_result(const char *text);
/* What such names mean, as a sentence. */
extern const char escape_result_words[];

#endif
