/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_GATE_HTML_H
#define ESCAPEMENT_RENDER_GATE_HTML_H

/*
 * What the pages of a gate and of a comparison share: the rows in lists, by what became of them; the sums; what is not judged;
 * the flame graph; the document that the scripts read (page.h).
 */

#include "render/page.h"
#include "render/page_data.h"
#include "render/render_gate.h"

/* The lists, in the order of the page. */
enum gate_html_list {
	GATE_HTML_FAILS,
	GATE_HTML_BETTER,
	GATE_HTML_ALLOWED, /* more, but not so that it fails */
	GATE_HTML_NOISY,   /* folded, as all below: varies by chance */
	GATE_HTML_MOVED,
	GATE_HTML_ONE_SIDED, /* of benchmarks that only one side has */
	GATE_HTML_SAME,
	GATE_HTML_LISTS,
};

struct gate_html {
	const struct gate *gate;
	const struct gate_style *style;
	const struct gate_page *page;
	bool is_comparison;
	const struct gate_row **rows; /* in the order of the lists */
	struct page_list lists[GATE_HTML_LISTS];
	char captions[GATE_HTML_LISTS][128];
	size_t broken_contracts, failing_sites; /* what fails, without the sites below contracts */
	struct page_measures measures;
};

struct gate_html *gate_html_new(const struct gate *gate, const struct gate_style *style, bool is_comparison);
void gate_html_free(struct gate_html *html);

/* Whether there are stacks, and whether of both sides. */
bool gate_html_has_stacks(const struct gate_html *html);
bool gate_html_has_older_stacks(const struct gate_html *html);

/* In this order: what weakens the numbers; links to the sections, after those to others in `more`; rows of the list of facts;
 * the sections. */
void gate_html_warnings(FILE *stream, const struct gate_html *html);
void gate_html_navigation(FILE *stream, const struct gate_html *html, const char *more);
void gate_html_facts(FILE *stream, const struct gate_html *html);
void gate_html_sections(FILE *stream, const struct gate_html *html);

/* What stands behind the sections, to the end of the page. */
void gate_html_end(const struct page *page, const struct gate_html *html);

/* The page's document, of a struct gate_html. */
void gate_html_data(struct json_writer *writer, const void *html);

/* Whether a row has more objects or bytes than before, by whatever explains it. */
bool gate_html_has_grown(const struct gate *gate, const struct gate_row *row);

/* What is to be known of a row besides its numbers, as sentences. Returns their number. */
enum { GATE_HTML_FACTS = 8 };
int gate_html_row_facts(const struct gate_html *html, const struct gate_row *row,
			char facts[GATE_HTML_FACTS][GATE_TEXT_SIZE]);
/* The function of the contract that a site is, or is below; "" of other sites. */
const char *gate_html_contract_function(const struct gate_site *site);
/* What the compiler said of a row; "" if that is unknown. */
const char *gate_html_words(char text[GATE_TEXT_SIZE], const struct gate_row *row);

#endif
