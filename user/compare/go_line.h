/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_COMPARE_GO_LINE_H
#define ESCAPEMENT_COMPARE_GO_LINE_H

/*
 * A parsed command line of `go test` or `go run`: which packages it builds, and with which flags. With these, the
 * packages can be built and the compiler's output be collected beforehand.
 */

#include <stdbool.h>

struct go_line {
	bool runs;	/* go run: the program is built and then started; else go test */
	int subcommand; /* the index of "test" or "run" */
	int go_word;	/* the index of "go"; the words before it, such as "env" "A=1", are kept in all commands */
	const char *directory; /* of -C; NULL */
	const char **go;       /* the words of the go command, "env", "A=1", "go", "-C", "dir"; NULL-terminated */
	const char **flags;    /* of the build, such as "-tags=x", without -gcflags */
	int flag_count;
	const char *compiler_flags; /* what -gcflags says; NULL if it is not given */
	const char **packages;	    /* patterns; of go run the package, or its files */
	int package_count;
	char *const *arguments; /* of go run: those of the program, NULL-terminated */
	char **joined;		/* private: the texts in `flags` */
	int joined_count;
};

/* Parses the words. Returns NULL if they are not such a command line. The result refers to the words. */
struct go_line *go_line_read(char *const *words);
void go_line_free(struct go_line *line); /* NULL is allowed */

#endif
