/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_CLI_COMPARE_H
#define ESCAPEMENT_CLI_COMPARE_H

/* Shared by the two forms of `compare`. */

#include "compare/side.h"
#include "gate_settings.h"
#include "recording.h"

struct compare_options {
	struct gate_settings settings; /* `format` is enum compare_format */
	struct recording recording;
	int fail_on;
	const char *base, *head, *overlay, *patch, *go, *build, *escape, *normalize;
	bool test;
	int64_t runs;
	struct option_list modules;
	struct gate_stacks *stacks; /* for a page; NULL: none */
};

/* Builds and measures both sides of a program, whose words are NULL-terminated. Their source is there until
 * compare_builds_end(), which removes temporary files. NULL on failure: then they are removed already. */
struct builds;
struct builds *compare_builds(struct compare_options *options, char **words, struct compare_side sides[2],
			      struct error *error);
void compare_builds_end(struct builds *builds); /* NULL is allowed */

#endif
