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
};

/* Builds and measures both sides of a program, whose words are NULL-terminated. Temporary files are removed afterwards,
 * also on failure. */
int compare_builds(struct compare_options *options, char **words, struct compare_side sides[2], struct error *error);

#endif
