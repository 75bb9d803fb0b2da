/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_SETTINGS_H
#define ESCAPEMENT_GATE_SETTINGS_H

/* Settings shared by `gate`, `gate compare` and `escapes --diff`: how to judge, and how to print the result. */

#include "escape/escape_select.h"
#include "gate/gate.h"
#include "options.h"
#include "gate/policy.h"
#include "render/render_gate.h"

struct gate_settings {
	const char *policy_path, *output;
	struct option_list tolerances, contracts;
	struct option_list copies; /* "FORMAT=FILE": the result once more */
	int noisy;		   /* -1: the policy's */
	int format, color;
	bool advisory, all, strict;
	bool counts_calls; /* the command runs the program, so it can judge contracts; others refuse a policy that has some */
	bool redact;	   /* what is printed or written has names of files, and no command line */
	const char *what; /* what is counted */
	struct policy policy;
	struct gate_page
		page; /* what a page says besides; `policy`, `no_source` and `redact` are set when it is printed */
	bool no_source;
};

#define GATE_SETTINGS_DEFAULTS                 \
	{                                      \
		.noisy = -1, .what = "objects" \
	}

#define GATE_RULE_ROWS(s)                                                                             \
	{0, "tolerance", "[GLOB:]LIMIT", OPTION_STRINGS, &(s).tolerances, GATE_TOLERANCE_HELP, NULL}, \
		{0, "policy", "FILE", OPTION_STRING, &(s).policy_path, GATE_POLICY_HELP, NULL},       \
		{0, "noisy", "MODE", OPTION_CHOICE, &(s).noisy, GATE_NOISY_HELP, policy_noisy_names}, \
	{                                                                                             \
		0, "strict", NULL, OPTION_FLAG, &(s).strict, GATE_STRICT_HELP, NULL                   \
	}

#define GATE_JUDGE_ROWS(s)                                                                                 \
	GATE_RULE_ROWS(s),                                                                                 \
	{                                                                                                  \
		0, "advisory", NULL, OPTION_FLAG, &(s).advisory, "print everything, but exit with 0", NULL \
	}

#define GATE_TOLERANCE_HELP                                                                                    \
	"allowed growth: 5%, objects=10, bytes=4k, or several separated by commas; GLOB matches functions or " \
	"packages; may be given several times, the last match applies (default: none)"
#define GATE_STRICT_HELP "a site that got worse fails even if its benchmark or program as a whole did not"
#define GATE_POLICY_HELP                                                                                         \
	"read rules from a file, one per line: tolerance [GLOB] LIMIT..., under FUNCTION LIMIT..., noisy MODE, " \
	"strict, runs N, normalize SITE|EXPR"
#define GATE_NOISY_HELP \
	"sites whose runs differ: warn (default) fails only above everything that was seen before; choices"

#define GATE_WRITE_HELP \
	"write the same result also to FILE in that format, such as markdown=comment.md; may be given again"

#define GATE_NO_SOURCE_HELP "html: leave source lines out of the page"

#define GATE_OUTPUT_ROWS(s)                                                                                          \
	{0, "format", "FORMAT", OPTION_CHOICE, &(s).format, "output format", gate_format_names},                     \
		{'o', "output", "FILE", OPTION_STRING, &(s).output, "output file (default: standard output)", NULL}, \
		{0, "write", "FORMAT=FILE", OPTION_STRINGS, &(s).copies, GATE_WRITE_HELP, NULL},                     \
		{0, "all", NULL, OPTION_FLAG, &(s).all, "text, markdown: also show unchanged sites", NULL},          \
		{0, "no-source", NULL, OPTION_FLAG, &(s).no_source, GATE_NO_SOURCE_HELP, NULL},                      \
	{                                                                                                            \
		0, "color", "WHEN", OPTION_CHOICE, &(s).color, "colours", terminal_color_choices                     \
	}

/* Reads the policy and the tolerances, and checks that all files of the result can be written. */
int gate_settings_read(struct gate_settings *settings, struct error *error);
void gate_settings_free(struct gate_settings *settings);

/* Rejects counts with losses: a baseline made of them would let growth pass, or fail a later gate that lost nothing. */
int gate_settings_check_loss(const struct gate_counts *counts, struct error *error);

/* Warns of what the counts lack: what was lost, tiny objects of Go's own heap profiles. */
void gate_warn_of_counts(const struct gate *gate);

/* Whether a page is among the formats in which the result is printed or written: then the stacks are to be kept. */
bool gate_settings_want_page(const struct gate_settings *settings);

/* Completes what a page says by what the settings say. Returns `page`, which refers to the settings. */
const struct gate_page *gate_settings_page(const struct gate_settings *settings, struct gate_page *page);

/* Prints the result, and writes its copies. Returns the exit status. */
int gate_settings_print(const struct gate_settings *settings, const struct gate *gate);

/* Compares the compiler's output after with that before. Returns an exit status, or -1 with an error. */
int gate_static(struct gate_settings *settings, const struct escape_output *before, const struct escape_output *after,
		const struct escape_filter *filter, struct error *error);

/* `gate compare` and `gate accept`. */
int gate_compare_run(int argc, char **argv);
int gate_accept_run(int argc, char **argv);

#endif
