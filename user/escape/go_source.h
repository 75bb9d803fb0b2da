/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_SOURCE_H
#define ESCAPEMENT_GO_SOURCE_H

/*
 * Finds where functions begin and end in a Go source file, by scanning its tokens without parsing it. Names are the
 * compiler's: "foo", "T.M", "(*T).M", "F[...]" for generics, "foo.func1" for the first function literal in foo and
 * "foo.func1.2" for the second literal in that one. Code that initialises package variables is "init", with
 * "init.func1".
 */

#include <stddef.h>
#include <stdint.h>

struct source_function {
	uint32_t line, column;		 /* of the word "func"; columns count bytes, from 1 */
	uint32_t end_line, end_column;	 /* of the closing brace, or of the last token if there is no body */
	uint32_t name_line, name_column; /* the compiler's position: after the word "func", for a literal at it */
	char *name;
};

struct source_functions {
	/* sorted by beginning; an inner function follows the one that contains it */
	struct source_function *functions;
	size_t count;
};

/* Never fails: text that is not Go yields few functions or none. */
void go_source_scan(const char *text, size_t length, struct source_functions *functions);
void go_functions_free(struct source_functions *functions);

#endif
