/* SPDX-License-Identifier: BSD-2-Clause */
#include "reporting.h"

#include <stdlib.h>

#include "base/output.h"
#include "cli.h"
#include "profile/owner.h"
#include "profile/report_select.h"
#include "text/terminal.h"

enum { TEXT_ROWS = 30 };

int reporting_settle(struct reporting *reporting, struct error *error)
{
	bool of_stacks = report_format_of_stacks[reporting->format];

	if (of_stacks &&
	    ((reporting->by != REPORTING_UNSET && reporting->by != BY_STACK) || reporting->selection.callers))
		return error_set(error, STATUS_USAGE, "--format %s shows stacks: it does not go with %s%s",
				 report_format_names[reporting->format],
				 reporting->selection.callers ? "--callers" : "--by ",
				 reporting->selection.callers ? "" : report_by_names[reporting->by]);
	if (reporting->by != REPORTING_UNSET && reporting->selection.callers)
		return error_set(error, STATUS_USAGE, "--callers groups by caller: it does not go with --by %s",
				 report_by_names[reporting->by]);
	if (reporting->selection.callers)
		reporting->by = BY_CALLER;
	else if (reporting->by == REPORTING_UNSET)
		reporting->by = of_stacks ? BY_STACK : BY_SITE;
	return 0;
}

/* Whether any stack has a function of that name. */
static bool has_function(const struct profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_stack *stack = profile->samples[i]->key.stack;

		if (stack && report_find_frame(stack, name, NULL))
			return true;
	}
	return false;
}

/* The selected function that no stack has; the first, if each is in some stack. */
static const char *missing_function(const struct profile *profile, const struct report_selection *selection)
{
	if (selection->focus && selection->callers && has_function(profile, selection->focus))
		return selection->callers;
	return selection->focus ? selection->focus : selection->callers;
}

/* Makes the rows. Returns NULL with an error if the profile does not have them. */
static struct report *make_report(const struct reporting *reporting, const struct profile *profile, const char *name,
				  struct error *error)
{
	const struct report_selection *selection = &reporting->selection;
	enum profile_value sort =
		reporting->sort == REPORTING_UNSET ? report_default_sort(profile) : (enum profile_value)reporting->sort;
	size_t top = reporting->top != REPORTING_UNSET	? (size_t)reporting->top
		     : reporting->format == REPORT_TEXT ? TEXT_ROWS
							: 0;
	const char *wanted, *meant;
	struct report *report;

	if (!(profile->row_measured & 1u << sort) && reporting->sort != REPORTING_UNSET) {
		error_set(error, STATUS_USAGE, "cannot sort by %s: profile '%s' does not measure them",
			  profile_values[sort].plural, name);
		return NULL;
	}
	report = report_new_selected(profile, (enum report_by)reporting->by, sort, top, selection);
	if (report->row_count || !profile->sample_count || !(selection->focus || selection->callers))
		return report;
	report_free(report);
	wanted = selection->focus ? selection->focus : selection->callers;
	meant = report_function_of_bare_name(profile, missing_function(profile, selection));
	error_set(error, STATUS_USAGE, "no stack of profile '%s' has the function '%s'%s%s%s%s%s%s", name, wanted,
		  selection->focus && selection->callers ? " and '" : "",
		  selection->focus && selection->callers ? selection->callers : "",
		  selection->focus && selection->callers ? "'" : "", meant ? "; did you mean '" : "",
		  meant ? meant : "", meant ? "'?" : "");
	return NULL;
}

void reporting_set_modules(struct profile *profile, const struct option_list *modules)
{
	bool *matched;

	profile_set_modules(profile, modules->values, (size_t)modules->count);
	matched = owner_matched_globs(profile);
	for (size_t i = 0; i < profile->module_count; i++) {
		if (!matched[i])
			cli_warn("--module '%s' matches no package on a stack", profile->modules[i]);
	}
	free(matched);
}

int reporting_write(const struct reporting *reporting, struct profile *profile, const char *name, struct error *error)
{
	struct report_style style;
	struct report *report;
	struct output output;

	reporting_set_modules(profile, &reporting->modules);
	report = make_report(reporting, profile, name, error);
	if (!report)
		return -1;
	if (output_open(&output, reporting->output, error)) {
		report_free(report);
		return -1;
	}
	style.width = terminal_width(output.stream);
	style.color = terminal_has_color((enum terminal_color)reporting->color, output.stream);
	render_report(output.stream, report, (enum report_format)reporting->format, &style);
	report_free(report);
	if (reporting->append && reporting->format == REPORT_TEXT)
		reporting->append(reporting->append_context, output.stream);
	return output_commit(&output, error);
}
