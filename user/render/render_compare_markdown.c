/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "base/printable.h"
#include "render/render_compare.h"

enum { WORDS_SHOWN = 50 };

static size_t put_words(FILE *stream, const struct comparison *comparison)
{
	size_t written = 0;

	for (size_t i = 0; i < comparison->word_count && i < WORDS_SHOWN; i++) {
		char *text = compare_words_text(&comparison->words[i], "");
		char *place = compare_words_place(&comparison->words[i]);

		written += (size_t)fprintf(stream, "- ");
		text_put(stream, TEXT_MARKDOWN, text);
		fputs(" (", stream);
		text_put(stream, TEXT_MARKDOWN, place);
		fputs(")\n", stream);
		written += 2048; /* an upper bound of the bytes written: far less than the 900 KiB of a page */
		free(text);
		free(place);
	}
	if (comparison->word_count > WORDS_SHOWN)
		fprintf(stream, "- and %zu more differences in what the compiler says\n",
			comparison->word_count - WORDS_SHOWN);
	if (comparison->word_count)
		putc('\n', stream);
	return written;
}

static void put_line(FILE *stream, const char *name, char *text)
{
	if (text) {
		fprintf(stream, "%s: ", name);
		text_put(stream, TEXT_MARKDOWN, text);
		fputs("\n\n", stream);
	}
	free(text);
}

void render_compare_markdown(FILE *stream, const struct comparison *comparison, const struct gate_style *style)
{
	char changes[GATE_TEXT_SIZE];
	size_t written;

	fprintf(stream, "### Allocations: %s: %s\n\n", comparison_verdict_names[comparison->verdict],
		gate_changes_text(changes, comparison->gate));
	text_put(stream, TEXT_MARKDOWN, comparison->before->name);
	fputs(" → ", stream);
	text_put(stream, TEXT_MARKDOWN, comparison->after->name);
	fputs("\n\n", stream);
	written = render_gate_markdown_sums(stream, comparison->gate, style);
	written += put_words(stream, comparison);
	put_line(stream, "Allocator", compare_allocator_text(comparison));
	put_line(stream, "Collector", compare_collector_text(comparison));
	render_gate_markdown_rows(stream, comparison->gate, style, written);
}
