/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_SOURCE_H
#define ESCAPEMENT_GO_SOURCE_H

/*
 * Where functions begin and end in a Go source file: a scan of its tokens, no parse. Names are the compiler's:
 * "foo", "T.M", "(*T).M", "F[...]" for generics, "foo.func1" for the first function literal in foo 
 * "foo.func1.2" for the second in that one. What initialises a package's variables is "init", with "init.func1".
 */

#include <stddef.h>
#include <stdint.h>

struct source_function {
	uint32_t line, column;		 /* of the word "func"; columns count bytes, from 1 */
	uint32_t end_line, end_column;	 /* of the closing brace; of the last token where there is no body */
	uint32_t name_line, name_column; /* where the compiler puts it: behind the word, for a literal at it */
	char *name;
};

struct source_functions {
	struct source_function *functions; /* in order of their beginnings; an inner one follows the one around it */
	size_t count;
};

/* Never fails: what is no Go gives few functions or none. */
void go_source_scan(const char *text, size_t length, struct source_functions *functions);
void go_functions_free(struct source_functions *functions);

#endif
