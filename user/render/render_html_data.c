/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/size_class.h"
#include "render/page_data.h"
#include "render/render_audit.h"
#include "render/render_html.h"

bool render_html_measures(const struct render_html_page *page, enum profile_value value)
{
	return page->profile->row_measured & 1u << value;
}

/* The values that a page has a column for: in the table of size classes, or of sites. */
static struct page_measures measures_of(const struct render_html_page *page, bool of_classes)
{
	enum profile_value_kind kind =
		page->profile->snapshot || of_classes ? profile_shown_kind(page->profile) : VALUE_OF_SITES;
	struct page_measures measures = {.count = 0};

	for (int value = profile_value_next(-1, kind); value < VALUE_COUNT; value = profile_value_next(value, kind)) {
		if (render_html_measures(page, value))
			measures.list[measures.count++] = value;
	}
	return measures;
}

struct page_measures render_html_site_measures(const struct render_html_page *page)
{
	return measures_of(page, false);
}

static void write_class_measures(struct json_writer *writer, const struct render_html_page *page)
{
	const struct page_measures measures = measures_of(page, true);

	json_write_array(writer, "class_measures");
	page_data_measure_list(writer, &measures);
	if (!page->profile->snapshot)
		page_data_measure(writer, "waste", render_html_waste, true);
	json_write_array_end(writer);
}

static void write_values(struct json_writer *writer, const char *name, const struct render_html_page *page,
			 const int64_t *values)
{
	const struct page_measures measures = measures_of(page, false);

	json_write_array(writer, name);
	for (int i = 0; i < measures.count; i++)
		json_write_value(writer, NULL, values[measures.list[i]]);
	json_write_array_end(writer);
}

static void write_class_values(struct json_writer *writer, const struct render_html_page *page,
			       const struct report_row *row)
{
	const struct page_measures measures = measures_of(page, true);

	json_write_array(writer, "values");
	for (int i = 0; i < measures.count; i++)
		json_write_value(writer, NULL, row->values[measures.list[i]]);
	if (!page->profile->snapshot)
		json_write_value(writer, NULL, report_row_span_tails(page->classes, row));
	json_write_array_end(writer);
}

/* How the heap grew, in each interval. */
static void write_growth(struct json_writer *writer, const struct profile *profile)
{
	const struct time_series *series = &profile->heap_growth;

	if (!series->interval_ns)
		return;
	json_write_object(writer, "growth");
	json_write_integer(writer, "interval_ns", series->interval_ns);
	json_write_array(writer, "bytes");
	for (uint32_t i = 0; i < series->count; i++)
		json_write_integer(writer, NULL, series->values[i]);
	json_write_array_end(writer);
	json_write_object_end(writer);
}

static void write_bounds(struct json_writer *writer, const struct profile *profile, const struct html_row *row)
{
	if (!row->has_bounds)
		return;
	json_write_object(writer, "bounds");
	page_data_bound(writer, profile_values[profile_objects(profile)].key, row->low, row->high);
	page_data_bound(writer, profile_values[profile_bytes(profile)].key, row->bytes_low, row->bytes_high);
	json_write_object_end(writer);
}

static void write_frame_number(struct json_writer *writer, const char *name, uint32_t frame)
{
	json_write_value(writer, name, frame == CALL_TREE_NONE ? VALUE_UNMEASURED : (int64_t)frame);
}

static void write_annotations(struct json_writer *writer, const struct audit_row *row, const struct escape_graph *graph)
{
	json_write_array(writer, "annotations");
	for (uint32_t i = 0; i < row->annotation_count; i++)
		page_data_annotation(writer, row->annotations[i], graph,
				     i >= row->annotation_count - row->linked_count);
	json_write_array_end(writer);
	render_audit_inlined_at(writer, row);
}

static void write_audit_members(struct json_writer *writer, const struct html_row *row,
				const struct escape_graph *graph)
{
	const struct audit_row *audit = row->audit;

	json_write_text(writer, "verdict", render_html_verdict(row));
	json_write_text(writer, "call", audit->runtime_call);
	json_write_text(writer, "type", audit->type);
	json_write_text(writer, "words", audit_row_words(audit));
	if (audit->reason)
		json_write_text(writer, "reason", audit->reason);
	write_annotations(writer, audit, graph);
}

static void write_row(struct json_writer *writer, const struct html_document *document, size_t at)
{
	const struct render_html_page *page = document->page;
	const struct html_row *row = &document->rows->list[at];
	char id[32];

	snprintf(id, sizeof(id), "row-%zu", at + 1);
	json_write_newline(writer);
	json_write_object(writer, NULL);
	json_write_text(writer, "id", id);
	json_write_text(writer, "file", row->file);
	json_write_position(writer, "line", row->line);
	json_write_text(writer, "function", row->function);
	json_write_text(writer, "via", row->via);
	if (row->audit)
		write_audit_members(writer, row, page->graph);
	write_values(writer, "values", page, row->values);
	if (row->before)
		write_values(writer, "before", page, row->before);
	write_bounds(writer, page->profile, row);
	write_frame_number(
		writer, "owner",
		call_tree_find(document->tree, row->function ? row->function : "", row->measured_file, row->line));
	if (row->is_gone)
		json_write_bool(writer, "gone", true);
	json_write_object_end(writer);
}

static void write_verdict(struct json_writer *writer, const char *name, size_t rows)
{
	json_write_object(writer, NULL);
	json_write_text(writer, "name", name);
	json_write_integer(writer, "rows", (int64_t)rows);
	json_write_object_end(writer);
}

static void write_verdicts(struct json_writer *writer, const struct html_document *document)
{
	const struct audit *audit = document->page->audit;

	json_write_array(writer, "verdicts");
	for (int verdict = 0; verdict <= AUDIT_OUTSIDE; verdict++)
		write_verdict(writer, verdict == AUDIT_OUTSIDE ? "outside" : audit_verdict_name(verdict),
			      audit->sums[verdict].rows);
	if (document->page->before)
		write_verdict(writer, "gone", document->rows->gone);
	json_write_array_end(writer);
}

static int by_span_class(const void *a, const void *b)
{
	const struct report_row *const *x = a, *const *y = b;

	return ((*x)->span_class > (*y)->span_class) - ((*x)->span_class < (*y)->span_class);
}

static void write_classes(struct json_writer *writer, const struct render_html_page *page)
{
	const struct report *report = page->classes;
	const struct report_row **rows = memory_zeroed(report->row_count + 1, sizeof(*rows));

	for (size_t i = 0; i < report->row_count; i++)
		rows[i] = &report->rows[i];
	qsort(rows, report->row_count, sizeof(*rows), by_span_class);
	json_write_array(writer, "classes");
	for (size_t i = 0; i < report->row_count; i++) {
		int class = rows[i]->span_class;
		int64_t bytes = class == SPAN_CLASS_UNKNOWN ? 0 : size_class_bytes(span_class_size_class(class));
		char name[64];

		if (class == SPAN_CLASS_UNKNOWN)
			snprintf(name, sizeof(name), "unknown");
		else if (!bytes)
			snprintf(name, sizeof(name), "large%s", span_class_noscan(class) ? " noscan" : "");
		else
			snprintf(name, sizeof(name), "%lld%s", (long long)bytes,
				 span_class_noscan(class) ? " noscan" : "");
		json_write_object(writer, NULL);
		json_write_text(writer, "name", name);
		write_class_values(writer, page, rows[i]);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	free(rows);
}

static void write_sources(struct json_writer *writer, const struct html_document *document)
{
	const struct html_rows *rows = document->rows;
	struct page_source *places = memory_zeroed(rows->count + 1, sizeof(*places));
	size_t count = 0;

	for (size_t i = 0; i < rows->count && !document->page->no_source; i++) {
		const struct html_row *row = &rows->list[i];

		/* the source of what only the older profile has is not known: its file may be another by now */
		if (row->file && row->line && !row->is_gone)
			places[count++] = (struct page_source){
				.file = row->file, .directory = document->page->source_directory, .line = row->line};
	}
	page_data_sources(writer, "sources", places, count);
	json_write_bool(writer, "sources_left_out", document->page->no_source);
	free(places);
}

/* "What allocates, and what the compiler said of it" */
static const char *caption_of(const struct render_html_page *page)
{
	return page->audit		 ? "What allocates, and what the compiler said of it"
	       : page->profile->snapshot ? "What is alive, by site"
					 : "What allocates, by site";
}

void render_html_data(struct json_writer *writer, const void *context)
{
	const struct html_document *document = context;
	const struct render_html_page *page = document->page;
	const struct page_measures measures = measures_of(page, false);
	const struct page_list list = {.id = "work", .caption = caption_of(page), .count = document->rows->count};

	json_write_text(writer, "about", "profile");
	page_data_measures(writer, &measures);
	write_class_measures(writer, page);
	json_write_text(writer, "main", profile_values[profile_bytes(page->profile)].key);
	write_values(writer, "whole", page, page->sites->whole); /* what shares are parts of */
	json_write_text(writer, "result_words", escape_result_words);
	json_write_bool(writer, "has_verdicts", page->audit != NULL);
	json_write_text(writer, "verdict_name", "Verdict");
	json_write_bool(writer, "has_before", page->before != NULL);
	json_write_bool(writer, "stacks_before", page->before != NULL);
	json_write_bool(writer, "sampled_before", page->before && !profile_is_exact(page->before));
	if (page->audit)
		write_verdicts(writer, document);
	json_write_array(writer, "lists");
	page_data_list(writer, &list);
	json_write_array_end(writer);
	json_write_array(writer, "rows");
	for (size_t i = 0; i < document->rows->count; i++)
		write_row(writer, document, i);
	json_write_array_end(writer);
	page_data_frames(writer, document->tree, false);
	write_classes(writer, page);
	write_growth(writer, page->profile);
	write_sources(writer, document);
}
