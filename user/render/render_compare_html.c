/* SPDX-License-Identifier: BSD-2-Clause */
/* The page of a comparison: what both sides are, what the compiler says differently, and the sections of a gate's page. */
#include <stdlib.h>
#include <string.h>

#include "base/command_line.h"
#include "base/text_compare.h"
#include "render/render_compare.h"
#include "render/render_gate_html.h"
#include "text/html_writer.h"

/* "After allocates more than before: …" */
static void write_verdict(FILE *stream, const struct comparison *comparison)
{
	static const char *const sentences[] = {
		[COMPARISON_WORSE] = "After allocates more than before",
		[COMPARISON_BETTER] = "After allocates less than before",
		[COMPARISON_SAME] = "After allocates what before did",
	};
	char changes[GATE_TEXT_SIZE];

	html_format(stream, "<p class=\"verdict\">%s: %s.</p>\n", sentences[comparison->verdict],
		    gate_changes_text(changes, comparison->gate));
}

static void write_side(FILE *stream, const char *name, const struct compare_side *side, bool redact)
{
	char runtime[256] = "";

	if (side->counts->runtime)
		snprintf(runtime, sizeof(runtime), ", %.200s", side->counts->runtime);
	html_format(stream, "<dt>%s</dt><dd>%s%s</dd>\n", name, redact ? text_base_name(side->name) : side->name,
		    runtime);
}

static void write_text(FILE *stream, const char *name, char *text)
{
	if (text)
		page_fact(stream, name, text);
	free(text);
}

static void write_facts(FILE *stream, const struct comparison *comparison, const struct gate_html *html)
{
	const struct compare_side *after = comparison->after;
	char times[64];

	fputs("<dl class=\"facts\">\n", stream);
	write_side(stream, "before", comparison->before, html->page->redact);
	write_side(stream, "after", after, html->page->redact);
	if (comparison->command) {
		write_text(stream, "run", command_line_text(comparison->command));
		snprintf(times, sizeof(times),
			 after->counts->runs > 1 ? "%d times each, in turns; the smallest count of each site decides"
						 : "once each",
			 after->counts->runs);
		page_fact(stream, "how often", times);
	}
	gate_html_facts(stream, html);
	write_text(stream, "allocator", compare_allocator_text(comparison));
	write_text(stream, "collector", compare_collector_text(comparison));
	fputs("</dl>\n", stream);
}

/* What the compiler says differently. */
static void write_words(FILE *stream, const struct comparison *comparison)
{
	static const char *const columns[] = {"What the compiler says", "Where", NULL};

	if (!comparison->diff)
		return;
	fputs("<section id=\"compiler\"><h2>The compiler</h2>\n", stream);
	if (!comparison->word_count)
		fputs("<p>It moves the same to the heap.</p>\n", stream);
	else
		page_table_begin(stream, "what the compiler says differently", columns);
	for (size_t i = 0; i < comparison->word_count; i++) {
		const struct comparison_words *words = &comparison->words[i];
		char *text = compare_words_text(words, "`"), *place = compare_words_place(words);

		page_row_begin(stream);
		page_cell(stream, columns[0], text);
		page_place_cell(stream, columns[1], place, NULL, NULL);
		page_row_end(stream);
		free(text);
		free(place);
	}
	if (comparison->word_count)
		page_table_end(stream);
	fputs("</section>\n", stream);
}

void render_compare_html(FILE *stream, const struct comparison *comparison, const struct gate_style *style)
{
	static const char *const classes[] = {"worse", "better", ""};
	struct gate_html *html = gate_html_new(comparison->gate, style, true);
	const char *verdict = comparison_verdict_names[comparison->verdict];
	char title[256];
	struct page page;

	snprintf(title, sizeof(title), "Allocations compared: %s", verdict);
	page_begin(&page, stream, title);
	html_format(stream, "<header>\n<h1>Allocations compared: <span class=\"%s\">%s</span></h1>\n",
		    classes[comparison->verdict], verdict);
	write_verdict(stream, comparison);
	gate_html_warnings(stream, html);
	gate_html_navigation(stream, html, comparison->diff ? "<li><a href=\"#compiler\">Compiler</a></li>" : "");
	write_facts(stream, comparison, html);
	fputs("</header>\n<main>\n", stream);
	write_words(stream, comparison);
	gate_html_sections(stream, html);
	fputs("</main>\n", stream);
	gate_html_end(&page, html);
	gate_html_free(html);
}
