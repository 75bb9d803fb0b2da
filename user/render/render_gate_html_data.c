/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text_compare.h"
#include "profile/frames.h"
#include "render/render_gate_html.h"

static void write_measures(struct json_writer *writer, const struct gate_html *html)
{
	json_write_array(writer, "measures");
	for (int i = 0; i < html->measures.count; i++) {
		enum profile_value value = html->measures.list[i];

		page_data_measure(writer, profile_values[value].key, gate_value_name(value, html->style),
				  profile_values[value].kinds & VALUE_IN_BYTES);
	}
	json_write_array_end(writer);
}

static void write_values(struct json_writer *writer, const char *name, const struct gate_html *html,
			 const struct gate_counts *side, const struct gate_site *site)
{
	json_write_array(writer, name);
	for (int i = 0; i < html->measures.count; i++)
		json_write_number(writer, NULL, gate_value_shown(side, site, html->measures.list[i]));
	json_write_array_end(writer);
}

/* The ranges of a side: intervals of estimates, or what several runs differ by. */
static void write_bounds(struct json_writer *writer, const char *name, const struct gate_html *html,
			 const struct gate_counts *side, const struct gate_site *site)
{
	bool any = false;

	for (int i = 0; site && i < html->measures.count; i++) {
		const struct gate_count *count = &site->counts[html->measures.list[i]];

		if (gate_count_steady(count) || count->least == VALUE_UNMEASURED)
			continue;
		if (!any)
			json_write_object(writer, name);
		any = true;
		page_data_bound(writer, profile_values[html->measures.list[i]].key,
				(double)count->least / side->iterations,
				count->most == INT64_MAX ? VALUE_UNMEASURED : (double)count->most / side->iterations);
	}
	if (any)
		json_write_object_end(writer);
}

static void write_facts(struct json_writer *writer, const struct gate_html *html, const struct gate_row *row)
{
	char facts[GATE_HTML_FACTS][GATE_TEXT_SIZE];
	int count = gate_html_row_facts(html, row, facts);

	json_write_array(writer, "facts");
	for (int i = 0; i < count; i++)
		json_write_text(writer, NULL, facts[i]);
	json_write_array_end(writer);
}

struct site_list {
	const struct gate_stacks *stacks;
	struct json_writer *writer;
	const struct escape_annotation *said[CALL_TREE_SIDES];
};

static void write_site(size_t number, void *context)
{
	struct site_list *list = context;

	json_write_integer(list->writer, NULL, (int64_t)number);
	for (int side = 0; side < CALL_TREE_SIDES; side++) {
		if (!list->said[side])
			list->said[side] = list->stacks->said[number].by_side[side];
	}
}

/* The frames of a contract's function, of which each stack below it has one. */
static void write_below(struct json_writer *writer, const struct gate_html *html, const struct gate_site *site)
{
	const struct call_tree *tree = html->page->stacks->tree;
	const char *function = gate_html_contract_function(site);

	json_write_array(writer, "below");
	for (size_t i = 0; i < tree->frame_count; i++) {
		if (frames_is_named(tree->frames[i].function, function))
			json_write_integer(writer, NULL, (int64_t)i);
	}
	json_write_array_end(writer);
}

/* The frames that allocate what is below a contract: such a site is that of the frame, whoever owns it. */
static void write_allocating(struct json_writer *writer, const struct gate_html *html, const struct gate_site *site)
{
	const struct call_tree *tree = html->page->stacks->tree;
	char name[1024];

	json_write_array(writer, "allocating");
	for (size_t i = 0; i < tree->frame_count; i++) {
		const struct call_tree_frame *frame = &tree->frames[i];

		if (frame->line == site->line &&
		    text_same(frames_fold_name(frame->function, name, sizeof(name)), site->function))
			json_write_integer(writer, NULL, (int64_t)i);
	}
	json_write_array_end(writer);
}

static void write_stacks(struct json_writer *writer, const struct gate_html *html, const struct gate_row *row,
			 struct site_list *list)
{
	if (!gate_html_has_stacks(html))
		return;
	if (gate_row_is_contract(row) || gate_row_site(row)->below_contract)
		write_below(writer, html, gate_row_site(row));
	if (gate_row_site(row)->below_contract)
		write_allocating(writer, html, gate_row_site(row));
	if (gate_row_is_contract(row) || gate_row_site(row)->below_contract)
		return;
	json_write_array(writer, "stacks");
	gate_stacks_of_row(html->page->stacks, row, write_site, list);
	json_write_array_end(writer);
}

/* What the compiler says of a row, and said before, where that is known and differs. */
static void write_words(struct json_writer *writer, const struct gate_html *html, const struct gate_row *row,
			const struct site_list *list)
{
	const char *before = row->before ? row->before->annotation : NULL;
	const char *after = row->after ? row->after->annotation : NULL;
	const struct escape_annotation *said = list->said[row->after ? CALL_TREE_NOW : CALL_TREE_BEFORE];
	char words[GATE_TEXT_SIZE];

	json_write_text(writer, "words", *gate_html_words(words, row) ? words : NULL);
	if (row->before && (before || after) && !gate_row_is_contract(row) && text_compare(before, after) != 0)
		json_write_text(writer, "said_before", before);
	json_write_array(writer, "annotations");
	if (said && row->after && !html->page->redact) /* it has the package's path */
		page_data_annotation(writer, said, html->page->graphs[CALL_TREE_NOW], false);
	json_write_array_end(writer);
}

static void write_row(struct json_writer *writer, const struct gate_html *html, size_t at)
{
	const struct gate_row *row = html->rows[at];
	const struct gate *gate = html->gate;
	const struct gate_site *site = gate_row_site(row);
	struct site_list list = {.stacks = html->page->stacks, .writer = writer};
	bool contract = gate_row_is_contract(row);
	char id[32], verdict[64], type[GATE_TEXT_SIZE], benchmark[GATE_NAME_SIZE];
	const struct gate_group group = {.benchmark = site->benchmark, .package = site->benchmark_package};

	snprintf(id, sizeof(id), "row-%zu", at + 1);
	snprintf(verdict, sizeof(verdict), "%s%s", row->note ? "note, " : "", gate_row_word(row));
	json_write_newline(writer);
	json_write_object(writer, NULL);
	json_write_text(writer, "id", id);
	json_write_text(writer, "verdict", verdict);
	json_write_text(writer, "file", site->file);
	json_write_position(writer, "line", site->line);
	json_write_text(writer, "function", site->function ? site->function : "(unknown function)");
	json_write_text(writer, "via", site->via);
	json_write_text(writer, "call", site->runtime_call);
	json_write_text(writer, "type", gate_type(type, site));
	if (site->benchmark && !contract)
		json_write_text(writer, "benchmark", gate_group_text(benchmark, gate, &group));
	write_facts(writer, html, row);
	write_values(writer, "values", html, gate->after, row->after);
	write_bounds(writer, "bounds", html, gate->after, row->after);
	if (!site->below_contract) {
		write_values(writer, "before", html, gate->before, row->before);
		write_bounds(writer, "before_bounds", html, gate->before, row->before);
	}
	if (contract)
		json_write_bool(writer, "limit", true);
	if (!row->after)
		json_write_bool(writer, "gone", true);
	write_stacks(writer, html, row, &list);
	write_words(writer, html, row, &list);
	json_write_object_end(writer);
}

/* The name that the program has for a library's file, which a site's is a part of; NULL if it is the same. */
static const char *measured_file(const struct gate_html *html, const struct gate_site *site)
{
	const struct call_tree *tree = gate_html_has_stacks(html) ? html->page->stacks->tree : NULL;
	size_t length = strlen(site->file);

	for (size_t i = 0; tree && i < tree->frame_count; i++) {
		const char *file = tree->frames[i].file;
		size_t all = file ? strlen(file) : 0;

		if (tree->frames[i].line == site->line && all > length && file[all - length - 1] == '/' &&
		    strcmp(file + all - length, site->file) == 0)
			return file;
	}
	return NULL;
}

/* Where the lines of a site are read. The caller frees `instead`. */
static struct page_source place_of(const struct gate_html *html, const struct gate_site *site, int side, int rank)
{
	const struct gate_source *source = &html->page->sources[side];
	const char *instead = overlay_files_find(source->overlay, site->file);

	if (!instead && site->below_contract)
		instead = measured_file(html, site);

	return (struct page_source){.file = site->file,
				    .directory = source->directory,
				    .instead = instead ? memory_text(instead) : NULL,
				    .line = site->line,
				    .rank = rank};
}

/* The lines of a side: before, of what is gone. */
static void write_sources(struct json_writer *writer, const char *name, const struct gate_html *html, int side)
{
	struct page_source *places = memory_zeroed(html->gate->row_count + 1, sizeof(*places));
	bool wanted = !html->page->no_source && !html->page->redact && !html->page->sources[side].unknown;
	size_t count = 0;

	for (int i = 0; i < GATE_HTML_LISTS && wanted; i++) {
		for (size_t j = html->lists[i].first; j < html->lists[i].first + html->lists[i].count; j++) {
			const struct gate_row *row = html->rows[j];
			const struct gate_site *site = side == CALL_TREE_NOW ? row->after
						       : row->after	     ? NULL
									     : row->before;

			if (site && site->file && site->line)
				places[count++] = place_of(html, site, side, i);
		}
	}
	page_data_sources(writer, name, places, count);
	for (size_t i = 0; i < count; i++)
		free((char *)places[i].instead);
	free(places);
}

void gate_html_data(struct json_writer *writer, const void *context)
{
	static const struct call_tree nothing;
	const struct gate_html *html = context;
	bool bytes = page_measures_have(&html->measures, VALUE_BYTES);

	json_write_text(writer, "about", html->is_comparison ? "comparison" : "gate");
	write_measures(writer, html);
	json_write_text(writer, "main", profile_values[bytes ? VALUE_BYTES : VALUE_OBJECTS].key);
	json_write_text(writer, "result_words", escape_result_words);
	json_write_bool(writer, "exact_bytes", true);
	json_write_bool(writer, "has_verdicts", true);
	json_write_text(writer, "verdict_name", "Change");
	json_write_bool(writer, "has_before", true);
	json_write_bool(writer, "stacks_before", gate_html_has_older_stacks(html));
	json_write_bool(writer, "sampled_before", gate_counts_sampled(html->gate->before));
	json_write_array(writer, "lists");
	for (int i = 0; i < GATE_HTML_LISTS; i++) {
		if (html->lists[i].count)
			page_data_list(writer, &html->lists[i]);
	}
	json_write_array_end(writer);
	json_write_array(writer, "rows");
	for (size_t i = 0; i < html->gate->row_count; i++)
		write_row(writer, html, i);
	json_write_array_end(writer);
	page_data_frames(writer, gate_html_has_stacks(html) ? html->page->stacks->tree : &nothing, html->page->redact);
	write_sources(writer, "sources", html, CALL_TREE_NOW);
	write_sources(writer, "sources_before", html, CALL_TREE_BEFORE);
	json_write_bool(writer, "sources_left_out", html->page->no_source || html->page->redact);
}
