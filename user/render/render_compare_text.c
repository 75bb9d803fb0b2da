/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/command_line.h"
#include "base/memory.h"
#include "render/render_compare.h"
#include "text/terminal.h"

enum { WORDS_SHOWN = 10 };

static void print_head(FILE *stream, const struct comparison *comparison)
{
	const struct compare_side *before = comparison->before, *after = comparison->after;

	fprintf(stream, "before  %s\nafter   %s\n", before->name, after->name);
	if (comparison->command) {
		char *command = command_line_text(comparison->command);

		fprintf(stream, "run     %s", command);
		fprintf(stream, after->counts->runs > 1 ? "  (%d times each, in turns)\n" : "  (once each)\n",
			after->counts->runs);
		free(command);
	}
	putc('\n', stream);
}

static void print_words(FILE *stream, const struct comparison *comparison, const struct gate_style *style)
{
	size_t shown = style->all || comparison->word_count <= WORDS_SHOWN ? comparison->word_count : WORDS_SHOWN;

	if (!comparison->diff)
		return;
	for (size_t i = 0; i < shown; i++) {
		char *text = compare_words_text(&comparison->words[i], "`");
		char *place = compare_words_place(&comparison->words[i]);

		fprintf(stream, "%s\n    %s\n", text, place);
		free(text);
		free(place);
	}
	if (shown < comparison->word_count)
		fprintf(stream, "%zu more differences in what the compiler says; --all shows them\n",
			comparison->word_count - shown);
	if (!comparison->word_count)
		fputs("the compiler moves the same to the heap\n", stream);
}

static void print_line(FILE *stream, const char *name, char *text)
{
	if (text)
		fprintf(stream, "%s: %s\n", name, text);
	free(text);
}

void render_compare_text(FILE *stream, const struct comparison *comparison, const struct gate_style *style)
{
	const struct terminal_style *colors = terminal_style(style->color);
	const struct gate *gate = comparison->gate;
	char changes[GATE_TEXT_SIZE];
	bool worse = comparison->verdict == COMPARISON_WORSE;

	print_head(stream, comparison);
	if (!gate_has_benchmarks(gate))
		render_gate_sums(stream, gate, style);
	print_words(stream, comparison, style);
	render_gate_rows(stream, gate, style);
	if (gate->estimated)
		fputs("estimates with their 95 % intervals; what chance explains is not shown as a change\n", stream);
	if (gate->after->normalize)
		fprintf(stream, "per iteration: counts are divided by '%s'\n", gate->after->normalize);
	print_line(stream, "allocator", compare_allocator_text(comparison));
	print_line(stream, "collector", compare_collector_text(comparison));
	fprintf(stream, "%s%s: %s%s\n", worse ? colors->red : colors->green,
		comparison_verdict_names[comparison->verdict], gate_changes_text(changes, gate), colors->reset);
}
