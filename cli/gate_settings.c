/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate_settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "base/output.h"
#include "text/terminal.h"

/* Takes "markdown=comment.md" apart. Returns the file's name, or NULL with an error. */
static const char *read_copy(const char *text, enum gate_format *format, struct error *error)
{
	const char *equals = strchr(text, '=');

	for (int i = 0; equals && equals[1] && gate_format_names[i]; i++) {
		if (strlen(gate_format_names[i]) == (size_t)(equals - text) &&
		    strncmp(gate_format_names[i], text, (size_t)(equals - text)) == 0) {
			*format = (enum gate_format)i;
			return equals + 1;
		}
	}
	error_set(error, STATUS_USAGE,
		  "--write takes FORMAT=FILE, such as markdown=comment.md or sarif=gate.sarif, not '%s'", text);
	return NULL;
}

static int check_copies(const struct gate_settings *settings, struct error *error)
{
	enum gate_format format;

	for (int i = 0; i < settings->copies.count; i++) {
		const char *path = read_copy(settings->copies.values[i], &format, error);

		if (!path || output_check(path, error))
			return -1;
	}
	return 0;
}

int gate_settings_read(struct gate_settings *settings, struct error *error)
{
	policy_init(&settings->policy);
	if (settings->policy_path && policy_read(&settings->policy, settings->policy_path, error))
		return -1;
	if (settings->policy.contract_count && !settings->counts_calls)
		return error_set(
			error, STATUS_USAGE,
			"policy '%s' has contracts (under), which 'escapement gate -- PROGRAM' judges, because it counts "
			"calls: keep them in a policy of their own",
			settings->policy_path);
	for (int i = 0; i < settings->tolerances.count; i++) {
		if (policy_tolerance(&settings->policy, settings->tolerances.values[i], error))
			return -1;
	}
	settings->policy.strict |= settings->strict;
	for (int i = 0; i < settings->contracts.count; i++) {
		if (policy_under(&settings->policy, settings->contracts.values[i], error))
			return -1;
	}
	if (settings->noisy >= 0)
		settings->policy.noisy = (enum policy_noisy)settings->noisy;
	return check_copies(settings, error);
}

void gate_settings_free(struct gate_settings *settings)
{
	policy_clear(&settings->policy);
	free(settings->tolerances.values);
	free(settings->contracts.values);
	free(settings->copies.values);
}

int gate_settings_check_loss(const struct gate_counts *counts, struct error *error)
{
	const struct profile_loss *loss = &counts->loss;

	if (!profile_loss_any(loss))
		return 0;
	return error_set(error, STATUS_LOST,
			 "%" PRId64 " events and %" PRId64 " stacks were lost, %" PRId64
			 " objects are missing: no baseline was written",
			 loss->events, loss->stacks, loss->unexplained);
}

void gate_warn_of_counts(const struct gate *gate)
{
	if (gate->before->without_intervals || gate->after->without_intervals)
		cli_warn(
			"a profile does not say how many samples are behind its numbers: they are compared as they stand, without "
			"intervals, so that a change may be chance");
	if (gate->before->tiny_in_blocks || gate->after->tiny_in_blocks)
		cli_warn(
			"heap profiles of Go have of tiny objects (below 16 bytes, without pointers) only the blocks that "
			"they share: there may be more objects, and where there are blocks, a few more or less are chance");
	if (profile_loss_any(&gate->loss))
		cli_warn("events were lost (%" PRId64 "), stacks too (%" PRId64 "), or objects are missing (%" PRId64
			 "): the counts are a lower bound",
			 gate->loss.events, gate->loss.stacks, gate->loss.unexplained);
}

bool gate_settings_want_page(const struct gate_settings *settings)
{
	enum gate_format format = GATE_TEXT;
	struct error ignored;

	if (settings->format == GATE_HTML)
		return true;
	for (int i = 0; i < settings->copies.count; i++) {
		if (read_copy(settings->copies.values[i], &format, &ignored) && format == GATE_HTML)
			return true;
	}
	return false;
}

const struct gate_page *gate_settings_page(const struct gate_settings *settings, struct gate_page *page)
{
	*page = settings->page;
	page->policy = &settings->policy;
	page->no_source = settings->no_source;
	page->redact = settings->redact;
	return page;
}

static int write_result(const struct gate_settings *settings, const struct gate *gate, const char *path,
			enum gate_format format, struct error *error)
{
	struct gate_page page;
	struct output output;

	if (output_open(&output, path, error))
		return -1;
	render_gate(
		output.stream, gate, format,
		&(struct gate_style){.width = terminal_width(output.stream),
				     .color = terminal_has_color((enum terminal_color)settings->color, output.stream),
				     .all = settings->all,
				     .advisory = settings->advisory,
				     .page = gate_settings_page(settings, &page),
				     .what = settings->what});
	return output_commit(&output, error);
}

int gate_settings_print(const struct gate_settings *settings, const struct gate *gate)
{
	struct error error;

	if (write_result(settings, gate, settings->output ? settings->output : "-", (enum gate_format)settings->format,
			 &error))
		return cli_fail(&error);
	for (int i = 0; i < settings->copies.count; i++) {
		enum gate_format format = GATE_TEXT;
		const char *path = read_copy(settings->copies.values[i], &format, &error);

		if (!path || write_result(settings, gate, path, format, &error))
			return cli_fail(&error);
	}
	gate_warn_of_counts(gate);
	return settings->advisory ? STATUS_OK : gate_status(gate);
}
