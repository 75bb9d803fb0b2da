/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_REPORTING_H
#define ESCAPEMENT_REPORTING_H

/* What report and heap share: the options that say which rows of a profile to print and how, and the printing. */

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "profile/report.h"
#include "render/render_report.h"

enum { REPORTING_UNSET = -1 };

struct reporting {
	const char *output;
	int by, format, sort, color; /* by, sort: REPORTING_UNSET where the default is wanted */
	int64_t top;
	struct option_list modules;
	struct report_selection selection;
	void (*append)(void *context, FILE *stream); /* prints what follows the rows in text output; may be NULL */
	void *append_context;
};

#define REPORTING_DEFAULTS                                                                            \
	{                                                                                             \
		.output = "-", .by = REPORTING_UNSET, .sort = REPORTING_UNSET, .top = REPORTING_UNSET \
	}

/* Rows for a command's option table; --format is the command's own. */
#define REPORTING_ROWS(r)                                                                                        \
	{0, "by", "KEY", OPTION_CHOICE, &(r).by, REPORTING_BY_HELP, report_by_names},                            \
		{0, "module", "GLOB", OPTION_PACKAGES, &(r).modules, REPORTING_MODULE_HELP, NULL},               \
		{0, "focus", "FUNCTION", OPTION_STRING, &(r).selection.focus, REPORTING_FOCUS_HELP, NULL},       \
		{0, "callers", "FUNCTION", OPTION_STRING, &(r).selection.callers, REPORTING_CALLERS_HELP, NULL}, \
		{0, "top", "N", OPTION_INTEGER, &(r).top, REPORTING_TOP_HELP, NULL},                             \
		{0, "sort", "VALUE", OPTION_CHOICE, &(r).sort, REPORTING_SORT_HELP, profile_value_options},      \
		{'o', "output", "FILE", OPTION_STRING, &(r).output, "output file", NULL},                        \
	{                                                                                                        \
		0, "color", "WHEN", OPTION_CHOICE, &(r).color, "colours", terminal_color_choices                 \
	}

#define REPORTING_BY_HELP                                                                                            \
	"group by (default: site, the line of your module that the allocation was made for; frame is the line that " \
	"allocated)"
#define REPORTING_MODULE_HELP \
	"packages that own allocations, by import path (default: the program's main module); may be repeated"
#define REPORTING_FOCUS_HELP   "only stacks with this function: encoding/json.Unmarshal, json.Unmarshal or a glob"
#define REPORTING_CALLERS_HELP "list the callers of this function, and what is allocated below each call"
#define REPORTING_TOP_HELP     "show the N greatest rows; 0: all (default: 30 in text, else all)"
#define REPORTING_SORT_HELP                                                                                    \
	"sort by this value, greatest first, and count it in folded stacks (default: bytes if measured, else " \
	"refills; of a heap snapshot inuse-bytes)"
#define REPORTING_FORMAT_HELP "output format; folded (for flame graphs) and speedscope show stacks"

/* Sets the defaults that depend on other options. Returns -1 if two options contradict each other. */
int reporting_settle(struct reporting *reporting, struct error *error);

/* Sets the modules that own allocations (profile_set_modules()), and warns of a glob that matches nothing. */
void reporting_set_modules(struct profile *profile, const struct option_list *modules);

/* Prints the profile, which messages call `name`. */
int reporting_write(const struct reporting *reporting, struct profile *profile, const char *name, struct error *error);

#endif
