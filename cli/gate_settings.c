/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate_settings.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"
#include "base/output.h"
#include "text/terminal.h"

int gate_settings_read(struct gate_settings *settings, struct error *error)
{
	policy_init(&settings->policy);
	if (settings->policy_path && policy_read(&settings->policy, settings->policy_path, error))
		return -1;
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
	return 0;
}

void gate_settings_free(struct gate_settings *settings)
{
	policy_clear(&settings->policy);
	free(settings->tolerances.values);
	free(settings->contracts.values);
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

void gate_warn_loss(const struct gate *gate)
{
	if (profile_loss_any(&gate->loss))
		cli_warn("events were lost (%" PRId64 "), stacks too (%" PRId64 "), or objects are missing (%" PRId64
			 "): the counts are a lower bound",
			 gate->loss.events, gate->loss.stacks, gate->loss.unexplained);
}

int gate_settings_print(const struct gate_settings *settings, const struct gate *gate)
{
	struct output output;
	struct error error;

	if (output_open(&output, settings->output ? settings->output : "-", &error))
		return cli_fail(&error);
	render_gate(
		output.stream, gate, (enum gate_format)settings->format,
		&(struct gate_style){.width = terminal_width(output.stream),
				     .color = terminal_has_color((enum terminal_color)settings->color, output.stream),
				     .all = settings->all,
				     .advisory = settings->advisory,
				     .what = settings->what});
	if (output_commit(&output, &error))
		return cli_fail(&error);
	gate_warn_loss(gate);
	return settings->advisory ? STATUS_OK : gate_status(gate);
}
