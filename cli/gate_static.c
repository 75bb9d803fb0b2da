/* SPDX-License-Identifier: BSD-2-Clause */
/* The static gate, which runs no program: two outputs of the compiler, judged like measured counts. */
#include <stdio.h>

#include "cli.h"
#include "escape/escape_diff.h"
#include "escape/escape_graph.h"
#include "gate/gate_static.h"
#include "gate_settings.h"
#include "base/output.h"
#include "render/render_escapes.h"
#include "gate/gate_compare.h"

/* Text and JSON list the difference, including reasons; the other formats are those of the gate. */
static int show(const struct gate_settings *settings, const struct escape_diff *diff, const struct escape_side *sides,
		const struct gate *gate, struct error *error)
{
	const struct gate_style style = {.advisory = settings->advisory, .what = settings->what};
	char summary[GATE_TEXT_SIZE];
	struct output file;

	if (settings->format != GATE_TEXT && settings->format != GATE_JSON)
		return gate_settings_print(settings, gate);
	if (output_open(&file, settings->output ? settings->output : "-", error))
		return -1;
	if (settings->format == GATE_JSON) {
		render_escapes_diff_json(file.stream, diff, sides[0].graph, sides[1].graph);
	} else {
		render_escapes_diff_text(file.stream, diff, sides[0].graph, sides[1].graph);
		fprintf(file.stream, "%s\n", gate_summary(summary, gate, &style));
	}
	if (output_commit(&file, error))
		return -1;
	return settings->advisory ? STATUS_OK : gate_status(gate);
}

int gate_static(struct gate_settings *settings, const struct escape_output *before, const struct escape_output *after,
		const struct escape_filter *filter, struct error *error)
{
	struct escape_graph *graphs[2] = {escape_graph_new(before), escape_graph_new(after)};
	const struct escape_side sides[2] = {{before, graphs[0]}, {after, graphs[1]}};
	struct escape_diff *diff = escape_diff_new(&sides[0], &sides[1], filter);
	struct gate_counts *counts[2] = {gate_counts_of_escapes(before, filter, diff->by_function),
					 gate_counts_of_escapes(after, filter, diff->by_function)};
	struct gate *gate = NULL;
	int status = gate_settings_read(settings, error);

	if (!diff->by_function)
		cli_warn("compared by file: not every function is known; use -m=2, or --directory and --old-directory");
	if (status == 0) {
		settings->policy.strict = true; /* the sum of all escapes is meaningless */
		gate = gate_compare(counts[0], counts[1], &settings->policy);
		status = show(settings, diff, sides, gate, error);
	}
	gate_free(gate);
	for (int i = 0; i < 2; i++) {
		gate_counts_free(counts[i]);
		escape_graph_free(graphs[i]);
	}
	escape_diff_free(diff);
	gate_settings_free(settings);
	return status;
}
