/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "base/text_compare.h"
#include "profile/size_class.h"
#include "render/render_escapes.h"
#include "render/render_html.h"
#include "render/source_excerpt.h"

enum {
	SOURCE_CONTEXT = 8,
	/* limit for the source lines of all files, so that pages are small enough to send */
	SOURCE_BYTES_MAX = 4 << 20,
};

bool render_html_measures(const struct render_html_page *page, enum profile_value value)
{
	return page->profile->row_measured & 1u << value;
}

/* One row of the work list, from an audit or from a report. */
struct page_row {
	const struct audit_row *audit; /* NULL: from a report */
	const struct report_row *site; /* NULL: from an audit */
	const char *file;	       /* the name that is shown, and by which source is looked up */
	const char *measured_file;     /* the profile's name */
	const char *function, *via;
	uint32_t line;
	const int64_t *values;
	int64_t low, high, bytes_low, bytes_high;
	bool has_bounds;
};

/* An allocation that another module made is shown at its owner's line. */
static struct page_row audit_row(const struct audit *audit, size_t at)
{
	const struct audit_row *row = &audit->rows[at];
	const struct profile_frame *frame = row->via && row->owner ? row->owner : &row->site;

	return (struct page_row){
		.audit = row,
		.file = frame == &row->site ? row->file : row->owner_file,
		.measured_file = frame->file,
		.function = frame->function,
		.via = row->via,
		.line = frame->line,
		.values = row->values,
		.low = row->objects_low,
		.high = row->objects_high,
		.bytes_low = row->bytes_low,
		.bytes_high = row->bytes_high,
		.has_bounds = row->objects_low != VALUE_UNMEASURED && row->objects_low != row->objects_high,
	};
}

static struct page_row site_row(const struct report *report, size_t at)
{
	const struct report_row *row = &report->rows[at];

	return (struct page_row){
		.site = row,
		.file = row->file,
		.measured_file = row->file,
		.function = row->function,
		.via = row->via,
		.line = row->line,
		.values = row->values,
		.low = row->bounds.objects_low,
		.high = row->bounds.objects_high,
		.bytes_low = row->bounds.bytes_low,
		.bytes_high = row->bounds.bytes_high,
		.has_bounds = row->has_bounds,
	};
}

static size_t row_count(const struct render_html_page *page)
{
	return page->audit ? page->audit->row_count : page->sites->row_count;
}

static struct page_row row_at(const struct render_html_page *page, size_t at)
{
	return page->audit ? audit_row(page->audit, at) : site_row(page->sites, at);
}

int render_html_next_measure(const struct render_html_page *page, int value, bool of_classes)
{
	do
		value = profile_value_next(value, page->profile->snapshot || of_classes
							  ? profile_shown_kind(page->profile)
							  : VALUE_OF_SITES);
	while (value < VALUE_COUNT && !render_html_measures(page, value));
	return value;
}

/* Beside the values of the profile. */
static void write_waste_measure(struct json_writer *writer)
{
	json_write_object(writer, NULL);
	json_write_text(writer, "key", "waste");
	json_write_text(writer, "name", render_html_waste);
	json_write_bool(writer, "bytes", true);
	json_write_object_end(writer);
}

static void write_measures(struct json_writer *writer, const struct render_html_page *page, bool of_classes)
{
	json_write_array(writer, of_classes ? "class_measures" : "measures");
	for (int i = -1; (i = render_html_next_measure(page, i, of_classes)) < VALUE_COUNT;) {
		json_write_object(writer, NULL);
		json_write_text(writer, "key", profile_values[i].key);
		json_write_text(writer, "name", profile_values[i].plural);
		json_write_bool(writer, "bytes", profile_values[i].kinds & VALUE_IN_BYTES);
		json_write_object_end(writer);
	}
	if (of_classes && !page->profile->snapshot)
		write_waste_measure(writer);
	json_write_array_end(writer);
}

static void write_values(struct json_writer *writer, const char *name, const struct render_html_page *page,
			 const int64_t *values)
{
	json_write_array(writer, name);
	for (int i = -1; (i = render_html_next_measure(page, i, false)) < VALUE_COUNT;)
		json_write_value(writer, NULL, values[i]);
	json_write_array_end(writer);
}

static void write_class_values(struct json_writer *writer, const struct render_html_page *page,
			       const struct report_row *row)
{
	json_write_array(writer, "values");
	for (int i = -1; (i = render_html_next_measure(page, i, true)) < VALUE_COUNT;)
		json_write_value(writer, NULL, row->values[i]);
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

static void write_bound(struct json_writer *writer, const char *key, int64_t low, int64_t high)
{
	json_write_array(writer, key);
	json_write_value(writer, NULL, low);
	json_write_value(writer, NULL, high);
	json_write_array_end(writer);
}

static void write_bounds(struct json_writer *writer, const struct profile *profile, const struct page_row *row)
{
	if (!row->has_bounds)
		return;
	json_write_object(writer, "bounds");
	write_bound(writer, profile_values[profile_objects(profile)].key, row->low, row->high);
	write_bound(writer, profile_values[profile_bytes(profile)].key, row->bytes_low, row->bytes_high);
	json_write_object_end(writer);
}

static void write_frame_number(struct json_writer *writer, const char *name, uint32_t frame)
{
	json_write_value(writer, name, frame == CALL_TREE_NONE ? VALUE_UNMEASURED : (int64_t)frame);
}

static void write_annotations(struct json_writer *writer, const struct audit_row *row, const struct escape_graph *graph)
{
	json_write_array(writer, "annotations");
	for (uint32_t i = 0; i < row->annotation_count; i++) {
		json_write_object(writer, NULL);
		render_annotation(writer, row->annotations[i], graph);
		json_write_text(writer, "message", row->annotations[i]->text);
		json_write_bool(writer, "callee", i >= row->annotation_count - row->linked_count);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	json_write_array(writer, "inlined_at");
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		json_write_object(writer, NULL);
		json_write_text(writer, "function", row->inlined_at[i].function);
		json_write_text(writer, "file", row->inlined_files[i]);
		json_write_position(writer, "line", row->inlined_at[i].line);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

const char *render_html_verdict(const struct audit_row *row)
{
	return audit_row_is_outside(row) ? "outside" : audit_verdict_name(row->verdict);
}

static void write_audit_members(struct json_writer *writer, const struct audit_row *row,
				const struct escape_graph *graph)
{
	json_write_text(writer, "verdict", render_html_verdict(row));
	json_write_text(writer, "call", row->runtime_call);
	json_write_text(writer, "type", row->type);
	json_write_text(writer, "words", audit_row_words(row));
	if (row->reason)
		json_write_text(writer, "reason", row->reason);
	write_annotations(writer, row, graph);
}

static int by_site(const void *a, const void *b)
{
	const struct report_row *const *x = a, *const *y = b;
	int order = text_compare((*x)->function, (*y)->function);

	order = order ? order : text_compare((*x)->file, (*y)->file);
	order = order ? order : text_compare((*x)->via, (*y)->via);
	return order ? order : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

/* Returns the sites of the older profile, sorted; NULL if there is none. The caller frees the list. */
static const struct report_row **sites_before(const struct render_html_page *page)
{
	const struct report *report = page->sites_before;
	const struct report_row **sites;

	if (!report)
		return NULL;
	sites = memory_zeroed(report->row_count + 1, sizeof(*sites));
	for (size_t i = 0; i < report->row_count; i++)
		sites[i] = &report->rows[i];
	qsort(sites, report->row_count, sizeof(*sites), by_site);
	return sites;
}

/* Both audits are of one compiler output, so that an annotation is one pointer; names are of two profiles. */
static int by_allocation(const void *a, const void *b)
{
	const struct audit_row *x = *(const struct audit_row *const *)a, *y = *(const struct audit_row *const *)b;
	const struct escape_annotation *said_x = x->annotation_count ? x->annotations[0] : NULL;
	const struct escape_annotation *said_y = y->annotation_count ? y->annotations[0] : NULL;
	int order = text_compare(x->site.function, y->site.function);

	order = order ? order : text_compare(x->site.file, y->site.file);
	order = order ? order : (x->site.line > y->site.line) - (x->site.line < y->site.line);
	order = order ? order
		      : text_compare(x->owner ? x->owner->function : NULL, y->owner ? y->owner->function : NULL);
	order = order ? order : (x->owner && y->owner ? (int)x->owner->line - (int)y->owner->line : 0);
	order = order ? order : text_compare(x->via, y->via);
	order = order ? order : text_compare(x->runtime_call, y->runtime_call);
	order = order ? order : text_compare(x->type, y->type);
	return order ? order : (said_x > said_y) - (said_x < said_y);
}

/* The rows of the older profile's audit that allocate, sorted; NULL if there is none. The caller frees the list. */
static const struct audit_row **audit_before(const struct render_html_page *page, size_t *count)
{
	const struct audit *audit = page->audit_before;
	const struct audit_row **rows;

	*count = 0;
	if (!audit)
		return NULL;
	rows = memory_zeroed(audit->row_count + 1, sizeof(*rows));
	for (size_t i = 0; i < audit->row_count; i++) {
		if (audit_verdict_allocates(audit->rows[i].verdict))
			rows[(*count)++] = &audit->rows[i];
	}
	qsort(rows, *count, sizeof(*rows), by_allocation);
	return rows;
}

/* The older rows that the rows of the page are compared with; all NULL without an older profile. */
struct older {
	const struct report_row **sites;
	const struct audit_row **rows;
	size_t row_count;
};

/* What a row allocated in the older profile; NULL if there is none to compare with. */
static const int64_t *values_before(const struct render_html_page *page, const struct older *older,
				    const struct page_row *row)
{
	static const int64_t none[VALUE_COUNT];
	const struct report_row **site;
	const struct audit_row **found;

	if (row->audit && older->rows && audit_verdict_allocates(row->audit->verdict)) {
		found = bsearch(&row->audit, older->rows, older->row_count, sizeof(*older->rows), by_allocation);
		return found ? (*found)->values : none;
	}
	if (!older->sites || !row->site)
		return NULL;
	site = bsearch(&row->site, older->sites, page->sites_before->row_count, sizeof(*older->sites), by_site);
	return site ? (*site)->values : none;
}

static void write_row(struct json_writer *writer, const struct render_html_page *page, const struct call_tree *tree,
		      const struct older *older, size_t at)
{
	const struct page_row row = row_at(page, at);
	const int64_t *before = values_before(page, older, &row);
	char id[32];

	snprintf(id, sizeof(id), "row-%zu", at + 1);
	json_write_newline(writer);
	json_write_object(writer, NULL);
	json_write_text(writer, "id", id);
	json_write_text(writer, "file", row.file);
	json_write_position(writer, "line", row.line);
	json_write_text(writer, "function", row.function);
	json_write_text(writer, "via", row.via);
	if (row.audit)
		write_audit_members(writer, row.audit, page->graph);
	write_values(writer, "values", page, row.values);
	if (before)
		write_values(writer, "before", page, before);
	write_bounds(writer, page->profile, &row);
	write_frame_number(writer, "owner",
			   call_tree_find(tree, row.function ? row.function : "", row.measured_file, row.line));
	json_write_object_end(writer);
}

static void write_rows(struct json_writer *writer, const struct render_html_page *page, const struct call_tree *tree)
{
	struct older older = {.sites = sites_before(page)};

	older.rows = audit_before(page, &older.row_count);
	json_write_array(writer, "rows");
	for (size_t i = 0; i < row_count(page); i++)
		write_row(writer, page, tree, &older, i);
	json_write_array_end(writer);
	free(older.sites);
	free(older.rows);
}

static void write_verdicts(struct json_writer *writer, const struct audit *audit)
{
	json_write_array(writer, "verdicts");
	for (int verdict = 0; verdict <= AUDIT_OUTSIDE; verdict++) {
		json_write_object(writer, NULL);
		json_write_text(writer, "name", verdict == AUDIT_OUTSIDE ? "outside" : audit_verdict_name(verdict));
		json_write_integer(writer, "rows", (int64_t)audit->sums[verdict].rows);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

static void write_frames(struct json_writer *writer, const struct call_tree *tree)
{
	json_write_array(writer, "frames");
	for (size_t i = 0; i < tree->frame_count; i++) {
		json_write_array(writer, NULL);
		json_write_text(writer, NULL, tree->frames[i].function);
		json_write_text(writer, NULL, tree->frames[i].file);
		json_write_integer(writer, NULL, tree->frames[i].line);
		json_write_array_end(writer);
	}
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

struct source_place {
	const char *file;
	uint32_t line;
};

static int by_place(const void *a, const void *b)
{
	const struct source_place *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Writes the lines around `count` places in one file. Returns the number of bytes of text. */
static size_t write_source(struct json_writer *writer, const char *directory, const struct source_place *places,
			   size_t count)
{
	uint32_t *lines = memory_zeroed(count, sizeof(*lines));
	struct source_excerpt excerpt;
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		lines[i] = places[i].line;
	excerpt = source_excerpt_read(places[0].file, directory, lines, count, SOURCE_CONTEXT);
	if (excerpt.count) {
		json_write_array(writer, places[0].file);
		for (size_t i = 0; i < excerpt.count; i++) {
			json_write_array(writer, NULL);
			json_write_integer(writer, NULL, excerpt.lines[i].number);
			json_write_text(writer, NULL, excerpt.lines[i].text);
			json_write_array_end(writer);
			bytes += strlen(excerpt.lines[i].text);
		}
		json_write_array_end(writer);
	}
	source_excerpt_free(&excerpt);
	free(lines);
	return bytes;
}

static void write_sources(struct json_writer *writer, const struct render_html_page *page)
{
	struct source_place *places = memory_zeroed(row_count(page) + 1, sizeof(*places));
	size_t count = 0, bytes = 0;

	for (size_t i = 0; i < row_count(page) && !page->no_source; i++) {
		struct page_row row = row_at(page, i);

		if (row.file && row.line)
			places[count++] = (struct source_place){row.file, row.line};
	}
	qsort(places, count, sizeof(*places), by_place);
	json_write_object(writer, "sources");
	for (size_t first = 0, next; first < count && bytes < SOURCE_BYTES_MAX; first = next) {
		for (next = first + 1; next < count && strcmp(places[next].file, places[first].file) == 0;)
			next++;
		bytes += write_source(writer, page->source_directory, places + first, next - first);
	}
	json_write_object_end(writer);
	json_write_bool(writer, "sources_left_out", page->no_source);
	free(places);
}

void render_html_data(FILE *stream, const struct render_html_page *page, const struct call_tree *tree)
{
	struct json_writer *writer = memory_zeroed(1, sizeof(*writer));

	json_writer_begin(writer, stream);
	json_write_object(writer, NULL);
	write_measures(writer, page, false);
	write_measures(writer, page, true);
	json_write_text(writer, "main", profile_values[profile_bytes(page->profile)].key);
	write_values(writer, "totals", page, page->sites->totals);
	json_write_text(writer, "result_words", escape_result_words);
	json_write_bool(writer, "has_verdicts", page->audit != NULL);
	json_write_bool(writer, "has_before", page->before != NULL);
	if (page->audit)
		write_verdicts(writer, page->audit);
	write_rows(writer, page, tree);
	write_frames(writer, tree);
	write_classes(writer, page);
	write_growth(writer, page->profile);
	write_sources(writer, page);
	json_write_object_end(writer);
	json_writer_end(writer);
	free(writer);
}
