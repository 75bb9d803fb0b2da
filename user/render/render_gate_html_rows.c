/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of a gate's page, in lists by what became of them, and what is to be known of each. */
#include <stdlib.h>
#include <string.h>

#include "base/append.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "render/render_gate_html.h"

bool gate_html_has_grown(const struct gate *gate, const struct gate_row *row)
{
	for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
		if (gate_value(gate->after, row->after, value) > gate_value(gate->before, row->before, value))
			return true;
	}
	return false;
}

static enum gate_html_list list_of(const struct gate *gate, const struct gate_row *row)
{
	if (row->fails)
		return GATE_HTML_FAILS;
	if (row->one_sided)
		return GATE_HTML_ONE_SIDED;
	switch (row->change) {
	case GATE_BETTER:
	case GATE_GONE:
		return GATE_HTML_BETTER;
	case GATE_MOVED:
		return GATE_HTML_MOVED;
	case GATE_SAME:
		return GATE_HTML_SAME;
	case GATE_NOISY:
		return gate_html_has_grown(gate, row) && !gate->estimated ? GATE_HTML_ALLOWED : GATE_HTML_NOISY;
	default:
		return GATE_HTML_ALLOWED;
	}
}

static void add_row(struct gate_html *html, enum gate_html_list which, const struct gate_row *row)
{
	struct page_list *list = &html->lists[which];

	if (list->first + list->count < html->gate->row_count) /* each row is in one list, once */
		html->rows[list->first + list->count++] = row;
}

/* Adds the rows of a list, in the order of the gate; what allocates below a contract follows the contract. */
static void fill_list(struct gate_html *html, enum gate_html_list which)
{
	const struct gate *gate = html->gate;

	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_row *row = &gate->rows[i];

		if (list_of(gate, row) != which || gate_row_site(row)->below_contract)
			continue;
		add_row(html, which, row);
		for (size_t j = 0; j < gate->row_count && gate_row_is_contract(row); j++) {
			const struct gate_site *site = gate_row_site(&gate->rows[j]);

			if (site->below_contract && text_same(site->benchmark, gate_row_site(row)->benchmark))
				add_row(html, which, &gate->rows[j]);
		}
	}
}

/* "What fails: 1 contract, 2 sites" */
static void count_failing(struct gate_html *html, const char *what)
{
	const struct page_list *list = &html->lists[GATE_HTML_FAILS];
	size_t contracts = 0, sites = 0;
	char *caption = html->captions[GATE_HTML_FAILS];

	for (size_t i = list->first; i < list->first + list->count; i++) {
		contracts += gate_row_is_contract(html->rows[i]);
		sites += !gate_row_is_contract(html->rows[i]) && !gate_row_site(html->rows[i])->below_contract;
	}
	html->broken_contracts = contracts;
	html->failing_sites = sites;
	snprintf(caption, sizeof(html->captions[0]), "%s:", what);
	if (contracts)
		text_append(caption, sizeof(html->captions[0]), " %zu contract%s", contracts,
			    contracts == 1 ? "" : "s");
	if (sites)
		text_append(caption, sizeof(html->captions[0]), "%s %zu site%s", contracts ? "," : "", sites,
			    sites == 1 ? "" : "s");
}

static void sort_rows(struct gate_html *html)
{
	static const struct {
		const char *id, *caption;
	} lists[GATE_HTML_LISTS] = {
		[GATE_HTML_FAILS] = {"fails", "What fails"},
		[GATE_HTML_BETTER] = {"better", "What got better"},
		[GATE_HTML_ALLOWED] = {"allowed", "More, but it does not fail"},
		[GATE_HTML_NOISY] = {"noisy", "Varies by chance"},
		[GATE_HTML_MOVED] = {"moved", "Moved or renamed, with the same counts"},
		[GATE_HTML_ONE_SIDED] = {"one-sided", "Not judged: of benchmarks that only one side has"},
		[GATE_HTML_SAME] = {"same", "Unchanged"},
	};
	html->rows = memory_zeroed(html->gate->row_count + 1, sizeof(*html->rows));
	for (int i = 0; i < GATE_HTML_LISTS; i++) {
		struct page_list *list = &html->lists[i];

		list->first = i ? list[-1].first + list[-1].count : 0;
		fill_list(html, i);
		list->id = lists[i].id;
		list->ordered = true;
		if (i == GATE_HTML_FAILS)
			count_failing(html, html->is_comparison ? "What got worse" : lists[i].caption);
		else
			snprintf(html->captions[i], sizeof(html->captions[i]), "%s: %zu site%s", lists[i].caption,
				 list->count, list->count == 1 ? "" : "s");
		list->caption = html->captions[i];
	}
}

/* The values that some row has: objects always. */
static void find_measures(struct gate_html *html)
{
	const struct gate *gate = html->gate;

	for (int value = gate_value_next(-1); value < VALUE_COUNT; value = gate_value_next(value)) {
		bool shown = value == VALUE_OBJECTS;

		for (size_t i = 0; i < gate->row_count && !shown; i++)
			shown = gate_row_shows(gate, &gate->rows[i], value);
		if (shown)
			html->measures.list[html->measures.count++] = value;
	}
}

struct gate_html *gate_html_new(const struct gate *gate, const struct gate_style *style, bool is_comparison)
{
	static const struct gate_page nothing;
	struct gate_html *html = memory_zeroed(1, sizeof(*html));

	html->gate = gate;
	html->style = style;
	html->page = style->page ? style->page : &nothing;
	html->is_comparison = is_comparison;
	sort_rows(html);
	find_measures(html);
	return html;
}

void gate_html_free(struct gate_html *html)
{
	free(html->rows);
	free(html);
}

bool gate_html_has_stacks(const struct gate_html *html)
{
	return html->page->stacks && html->page->stacks->tree->leaf_count;
}

bool gate_html_has_older_stacks(const struct gate_html *html)
{
	return gate_html_has_stacks(html) && html->page->stacks->measured[CALL_TREE_BEFORE];
}

/* "1 object, 16 bytes": objects and bytes of a list of values; those that are not positive are left out, unless all are. */
static const char *amounts(char text[GATE_TEXT_SIZE], const struct gate_html *html, const double *values)
{
	char number[40];

	*text = 0;
	for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
		if (values[value] > 0)
			text_append(text, GATE_TEXT_SIZE, "%s%s %s", *text ? ", " : "",
				    gate_grouped(number, values[value]), gate_value_name(value, html->style));
	}
	return *text ? text : "nothing";
}

static void say_growth(const struct gate_html *html, const struct gate_row *row, char fact[GATE_TEXT_SIZE])
{
	const struct gate *gate = html->gate;
	char grown[GATE_TEXT_SIZE], allowed[GATE_TEXT_SIZE];
	double growth[VALUE_COUNT] = {0};

	for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
		double before = gate_value_shown(gate->before, row->before, value),
		       after = gate_value_shown(gate->after, row->after, value);

		growth[value] = before < 0 || after < 0 ? 0 : after - before;
	}
	if (gate_row_is_contract(row))
		snprintf(fact, GATE_TEXT_SIZE, "More than the contract allows: by %.1500s.",
			 amounts(grown, html, growth));
	else if (row->change == GATE_NOISY)
		snprintf(fact, GATE_TEXT_SIZE, "%s",
			 gate->estimated
				 ? "Chance explains the difference: the intervals of both sides allow for it."
				 : "It varies by chance from run to run, and was not clearly more than before.");
	else
		snprintf(fact, GATE_TEXT_SIZE, "Grew by %.900s; allowed to grow by: %.900s.",
			 amounts(grown, html, growth), amounts(allowed, html, row->allowed));
}

enum { COMPARED_ROWS_MAX = 4096 }; /* each with each other: of two programs that have nothing in common it is no news */

/* Of a site that only one side has; and which other site of the function only the other side has, as if the code allocates in
 * another way now. */
static void say_one_sided(const struct gate_html *html, const struct gate_row *row, char fact[GATE_TEXT_SIZE])
{
	const struct gate *gate = html->gate;
	const struct gate_site *site = gate_row_site(row);
	char objects[72], bytes[72];
	size_t compared = gate->row_count <= COMPARED_ROWS_MAX ? gate->row_count : 0;

	if (gate_counts_sampled(row->after ? gate->before : gate->after))
		snprintf(fact, GATE_TEXT_SIZE, row->after ? "No sample hit it before" : "No sample hits it any more");
	else
		snprintf(fact, GATE_TEXT_SIZE,
			 row->after ? "There was no such site before" : "There is no such site any more");
	for (size_t i = 0; i < compared; i++) {
		const struct gate_row *other = &gate->rows[i];
		const struct gate_site *there = gate_row_site(other);
		const struct gate_counts *side = other->after ? gate->after : gate->before;

		if ((row->after ? other->before && !other->after : other->after && !other->before) &&
		    text_same(there->function, site->function) && text_same(there->benchmark, site->benchmark) &&
		    text_same(there->benchmark_package, site->benchmark_package)) {
			text_append(fact, GATE_TEXT_SIZE,
				    row->after ? "; the same function had %.200s%s%.200s: %s %s, %s %s"
					       : "; the same function has %.200s%s%.200s: %s %s, %s %s",
				    there->runtime_call ? there->runtime_call : "a site", there->type ? " of " : "",
				    there->type ? there->type : "",
				    gate_count_text(objects, side, there, VALUE_OBJECTS),
				    gate_value_name(VALUE_OBJECTS, html->style),
				    gate_count_text(bytes, side, there, VALUE_BYTES),
				    gate_value_name(VALUE_BYTES, html->style));
			break;
		}
	}
	text_append(fact, GATE_TEXT_SIZE, ".");
}

const char *gate_html_contract_function(const struct gate_site *site)
{
	static const char prefix[] = "contract ";

	return site->benchmark && strncmp(site->benchmark, prefix, sizeof(prefix) - 1) == 0
		       ? site->benchmark + sizeof(prefix) - 1
		       : "";
}

const char *gate_html_words(char text[GATE_TEXT_SIZE], const struct gate_row *row)
{
	return gate_row_is_contract(row) ? "" : gate_words(text, gate_row_site(row));
}

int gate_html_row_facts(const struct gate_html *html, const struct gate_row *row,
			char facts[GATE_HTML_FACTS][GATE_TEXT_SIZE])
{
	const struct gate_site *site = gate_row_site(row);
	int count = 0;

	if (site->below_contract) {
		snprintf(facts[count++], GATE_TEXT_SIZE, "A part of what was counted below %.1500s.",
			 gate_html_contract_function(site));
		return count;
	}
	if (gate_row_is_contract(row) && site->annotation)
		snprintf(facts[count++], GATE_TEXT_SIZE, "Of a %.1900s.", site->annotation);
	if (row->change <= GATE_TOLERATED && !row->one_sided)
		say_growth(html, row, facts[count++]);
	if (row->note)
		snprintf(
			facts[count++], GATE_TEXT_SIZE,
			"It does not fail, because its %s as a whole allocates no more than before (--strict judges each "
			"site).",
			site->benchmark ? "benchmark" : "program");
	if (gate_moved_from(row))
		snprintf(facts[count++], GATE_TEXT_SIZE, "Was %.1900s.", gate_moved_from(row));
	if ((!row->before || !row->after) && !row->one_sided)
		say_one_sided(html, row, facts[count++]);
	if (site->accepted || (row->before && row->before->accepted))
		snprintf(facts[count++], GATE_TEXT_SIZE, "Accepted in the baseline: %.1900s",
			 site->accepted ? site->accepted : row->before->accepted);
	if (site->places > 1)
		snprintf(facts[count++], GATE_TEXT_SIZE,
			 "The sum of %u lines of the function; this is the one with the most objects.", site->places);
	return count;
}
