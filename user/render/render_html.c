/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/precision.h"
#include "profile/size_class.h"
#include "text/html_writer.h"
#include "text/shorten.h"
#include "text/terminal.h"

enum { STATIC_ROWS = 200 };

static const char *exactness(const struct render_html_page *page)
{
	char bursts[PROFILE_BURSTS_TEXT];

	return page->sites->rows_exact	    ? "exact: every allocation was counted"
	       : page->profile->unreachable ? "exact, but for the objects whose site is not known"
	       : page->profile->rows_least  ? "lower bounds: the warnings say what is in no row"
	       : render_html_measures(page, profile_objects(page->profile))
		       ? profile_bursts_text(page->profile, bursts) ? "estimates from bursts, with 95 % intervals"
								    : "estimates from samples, with 95 % intervals"
		       : "only the allocator's costs were measured, not the objects of each row";
}

static void write_recording(FILE *stream, const struct profile *profile)
{
	char text[256], start[PAGE_TIME_SIZE], bytes[TERMINAL_NUMBER_SIZE], bursts[PROFILE_BURSTS_TEXT];

	page_time_text(start, profile->start_ns);
	snprintf(text, sizeof(text), "%s%s%.3g s, %s%s", start, *start ? ", " : "", (double)profile->duration_ns / 1e9,
		 profile_bursts_text(profile, bursts) ? bursts
		 : profile->rate < 0		      ? "at a rate that the file does not say"
		 : profile->rate == 0		      ? "rate 0 (slow paths only, no sampling)"
		 : profile->rate == 1		      ? "rate 1 (every allocation)"
						      : "one sample per ",
		 profile->rate > 1 && !profile_bursts_text(profile, bursts) ? terminal_bytes(bytes, profile->rate)
									    : "");
	page_fact(stream, "recorded", text);
}

/* A snapshot is of an instant: when, at which rate, and what the runtime had published by then. */
static void write_instant(FILE *stream, const struct profile *profile)
{
	char text[256], start[PAGE_TIME_SIZE], collection[64] = "", bytes[TERMINAL_NUMBER_SIZE];

	page_time_text(start, profile->start_ns);
	if (profile->collections > 0)
		snprintf(collection, sizeof(collection), "; as of collection %" PRId64, profile->collections);
	else if (profile->collections == 0)
		snprintf(collection, sizeof(collection), "; there was no collection yet");
	snprintf(text, sizeof(text), "%s%s%s%s%s", start, *start ? ", " : "",
		 profile->rate == 1 ? "every allocation" : "one sample per ",
		 profile->rate == 1 ? "" : terminal_bytes(bytes, profile->rate), collection);
	page_fact(stream, profile->unreachable ? "searched" : "alive", text);
}

static void write_check(FILE *stream, const struct profile *profile)
{
	struct profile_check check = profile_check(profile);
	char text[256];

	if (!check.present) {
		page_fact(stream, "check", "none: there was nothing to compare the totals with");
		return;
	}
	snprintf(text, sizeof(text), ": %" PRId64 " objects, difference %" PRId64 ", bound %" PRId64, check.objects,
		 check.difference, check.bound);
	html_format(stream, "<dt>check</dt><dd>%s%s</dd>\n", check.source ? check.source : "runtime", text);
}

static void write_totals(FILE *stream, const struct render_html_page *page)
{
	const int64_t *totals = page->sites->totals;
	char text[256], objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE];

	snprintf(text, sizeof(text), "%s objects, %s%s (%s)",
		 terminal_number(objects, totals[profile_objects(page->profile)]),
		 terminal_bytes(bytes, totals[profile_bytes(page->profile)]),
		 page->profile->unreachable ? " lost directly"
		 : page->profile->snapshot  ? " in use"
					    : "",
		 page->profile->totals_exact ? "exact" : "estimated or incomplete");
	page_fact(stream, "totals", text);
}

/* Warns if the counts of two recordings are of unequal times. */
static void write_unequal(FILE *stream, const struct profile *before, const struct profile *after)
{
	double older = (double)before->duration_ns / 1e9, newer = (double)after->duration_ns / 1e9;

	if (after->snapshot || older <= 0 || newer <= 0 || (older < 1.2 * newer && newer < 1.2 * older))
		return;
	html_format(
		stream,
		"<p class=\"warning\">The older recording took %.3g s, this one %.3g s: of a process that runs on, compare "
		"what is allocated per second.</p>\n",
		older, newer);
}

static void write_warnings(FILE *stream, const struct render_html_page *page)
{
	struct profile_loss loss = profile_loss(page->profile);
	char *advice = precision_of_report(page->sites)
			       ? NULL
			       : precision_advice(page->profile, page->sites->totals[VALUE_OBJECTS]);

	if (profile_loss_any(&loss))
		html_format(stream,
			    "<p class=\"warning\">Events were lost, or the check differs: the numbers are a lower "
			    "bound.</p>\n");
	if (advice)
		html_format(stream, "<p class=\"warning\">%s</p>\n", advice);
	free(advice);
	if (page->before)
		write_unequal(stream, page->before, page->profile);
	for (size_t i = 0; i < page->profile->warning_count; i++)
		html_format(stream, "<p class=\"warning\">%s</p>\n", page->profile->warnings[i]);
	for (size_t i = 0; page->audit && i < page->audit->warning_count; i++)
		html_format(stream, "<p class=\"warning\">%s</p>\n", page->audit->warnings[i]);
}

/* The older profile: counts of recordings of unequal length are not to be compared as they are. */
static void write_before(FILE *stream, const struct profile *before)
{
	char command[SHORTEN_COMMAND_SIZE], start[PAGE_TIME_SIZE], seconds[48] = "";

	if (!before->snapshot && before->duration_ns > 0)
		snprintf(seconds, sizeof(seconds), ", %.3g s", (double)before->duration_ns / 1e9);
	html_format(stream, "<dt>compared with</dt><dd>%s%s%s%s</dd>\n",
		    before->target ? shorten_command(command, before->target) : "another profile",
		    before->start_ns > 0 ? ", " : "", page_time_text(start, before->start_ns), seconds);
}

/* What a page is about, before the name of the program. */
static const char *subject(const struct profile *profile)
{
	return profile->unreachable ? "What is lost in" : profile->snapshot ? "What is alive in" : "Allocations of";
}

static void write_head(FILE *stream, const struct render_html_page *page)
{
	const struct profile *profile = page->profile;
	char command[SHORTEN_COMMAND_SIZE];

	html_format(stream, "<header>\n<h1>%s %s</h1>\n", subject(profile),
		    profile->target ? shorten_command(command, profile->target) : "a program");
	fputs("<nav aria-label=\"parts of this page\"><ul><li><a href=\"#work\">Work list</a></li>"
	      "<li><a href=\"#flame\">Flame graph</a></li>"
	      "<li><a href=\"#classes\">Size classes</a></li>",
	      stream);
	fprintf(stream, "%s<li><a href=\"#about\">About</a></li></ul></nav>\n",
		profile->snapshot ? "" : "<li><a href=\"#growth\">Heap growth</a></li>");
	write_warnings(stream, page);
	fputs("<dl class=\"facts\">\n", stream);
	for (size_t i = 0; i < profile->process_count && i < 10; i++)
		html_format(stream, "<dt>process</dt><dd>%s %s</dd>\n", profile->processes[i].comm,
			    profile->processes[i].runtime);
	if (profile->snapshot)
		write_instant(stream, profile);
	else
		write_recording(stream, profile);
	write_totals(stream, page);
	page_fact(stream, "rows", exactness(page));
	if (!profile->snapshot)
		write_check(stream, profile);
	if (page->before)
		write_before(stream, page->before);
	fputs("</dl>\n</header>\n", stream);
}

static void static_row(FILE *stream, const struct render_html_page *page, const struct html_row *row,
		       const char *const *columns)
{
	enum profile_value objects = profile_objects(page->profile), bytes = profile_bytes(page->profile);
	char place[4096];

	page_row_begin(stream);
	if (row->audit)
		page_cell(stream, *columns++, render_html_verdict(row));
	snprintf(place, sizeof(place), "%.4000s:%u", row->file ? row->file : "", row->line);
	page_place_cell(stream, *columns++, row->file ? place : NULL, row->function, row->via);
	page_number_cell(stream, *columns++, row->values[objects], false);
	page_number_cell(stream, *columns++, row->values[bytes], true);
	if (page->before) {
		page_number_cell(stream, *columns++, row->before ? row->before[objects] : VALUE_UNMEASURED, false);
		page_number_cell(stream, *columns++, row->before ? row->before[bytes] : VALUE_UNMEASURED, true);
	}
	if (row->audit)
		page_cell(stream, *columns, audit_row_words(row->audit));
	page_row_end(stream);
}

/* Rows for readers without scripts; the scripts replace them by a table that can be sorted. */
static void write_static_rows(FILE *stream, const struct render_html_page *page, const struct html_rows *rows)
{
	enum { COLUMNS = 7 };
	const char *columns[COLUMNS + 1] = {NULL};
	char names[2][64];
	size_t count = 0;

	snprintf(names[0], sizeof(names[0]), "#%s", profile_values[profile_objects(page->profile)].plural);
	snprintf(names[1], sizeof(names[1]), "#%s", profile_values[profile_bytes(page->profile)].plural);
	if (page->audit)
		columns[count++] = "Verdict";
	columns[count++] = "Site";
	columns[count++] = names[0];
	columns[count++] = names[1];
	if (page->before) {
		columns[count++] = "#objects before";
		columns[count++] = "#bytes before";
	}
	if (page->audit)
		columns[count] = "Compiler";
	fputs("<div class=\"static\">\n", stream);
	page_table_begin(stream, "work list", columns);
	for (size_t i = 0; i < rows->count && i < STATIC_ROWS; i++)
		static_row(stream, page, &rows->list[i], columns);
	page_table_end(stream);
	if (rows->count > STATIC_ROWS)
		fprintf(stream, "<p>%zu more rows need scripts.</p>\n", rows->count - STATIC_ROWS);
	fputs("</div>\n", stream);
}

const char render_html_waste[] = "internal waste";

static void class_row(FILE *stream, const struct report *classes, const struct report_row *row,
		      const enum profile_value *values, const char *const *columns)
{
	bool unknown = row->span_class == SPAN_CLASS_UNKNOWN;
	int64_t bytes = unknown ? 0 : size_class_bytes(span_class_size_class(row->span_class));
	char size[32], name[64];

	snprintf(size, sizeof(size), "%" PRId64, bytes);
	snprintf(name, sizeof(name), "%s%s",
		 unknown ? "unknown"
		 : bytes ? size
			 : "large objects",
		 !unknown && span_class_noscan(row->span_class) ? " noscan" : "");
	page_row_begin(stream);
	page_cell(stream, *columns++, name);
	for (; *values != VALUE_COUNT; values++)
		page_number_cell(stream, *columns++, row->values[*values],
				 profile_values[*values].kinds & VALUE_IN_BYTES);
	if (*columns)
		page_number_cell(stream, *columns, report_row_span_tails(classes, row), true);
	page_row_end(stream);
}

static void write_class_table(FILE *stream, const struct report *classes)
{
	static const enum profile_value recorded[] = {VALUE_OBJECTS, VALUE_BYTES, VALUE_REFILLS, VALUE_CENTRAL_GROWS,
						      VALUE_COUNT};
	static const enum profile_value alive[] = {VALUE_LIVE_OBJECTS, VALUE_LIVE_BYTES, VALUE_COUNT};
	static const enum profile_value lost[] = {VALUE_LOST_OBJECTS, VALUE_LOST_BYTES, VALUE_INDIRECT_OBJECTS,
						  VALUE_INDIRECT_BYTES, VALUE_COUNT};
	bool snapshot = classes->profile->snapshot;
	const enum profile_value *values = classes->profile->unreachable ? lost : snapshot ? alive : recorded;
	const char *columns[VALUE_COUNT + 3] = {"Size class"};
	char names[VALUE_COUNT][64], waste[64];
	size_t count = 1;

	if (!snapshot)
		fputs("<p class=\"soft\">Internal waste: what is lost at the ends of the fresh spans (central grows) of a "
		      "class, where no whole object fits. What is lost by rounding a request up to its class is not "
		      "recorded.</p>\n",
		      stream);
	for (const enum profile_value *value = values; *value != VALUE_COUNT; value++) {
		snprintf(names[count], sizeof(names[count]), "#%s", profile_values[*value].plural);
		columns[count] = names[count];
		count++;
	}
	snprintf(waste, sizeof(waste), "#%s", render_html_waste);
	columns[count] = snapshot ? NULL : waste;
	page_table_begin(stream, "size classes", columns);
	for (size_t i = 0; i < classes->row_count; i++)
		class_row(stream, classes, &classes->rows[i], values, columns);
	page_table_end(stream);
}

static void write_growth_table(FILE *stream, const struct time_series *series)
{
	static const char *const columns[] = {"Seconds since the recording began", "#grown", "#sum", NULL};
	double seconds = (double)series->interval_ns / 1e9;
	char time[64], number[TERMINAL_NUMBER_SIZE];
	int64_t grown = 0;

	html_format(stream, "<p>The heap grew by %s, in steps that the runtime asks the system for.</p>\n",
		    terminal_bytes(number, time_series_sum(series)));
	if (!time_series_sum(series))
		return;
	page_table_begin(stream, "heap growth", columns);
	for (uint32_t i = 0; i < series->count; i++) {
		if (!series->values[i])
			continue;
		grown = add_saturated(grown, series->values[i]);
		snprintf(time, sizeof(time), "%.1f to %.1f", i * seconds, (i + 1) * seconds);
		page_row_begin(stream);
		page_cell(stream, columns[0], time);
		page_number_cell(stream, columns[1], series->values[i], true);
		page_number_cell(stream, columns[2], grown, true);
		page_row_end(stream);
	}
	page_table_end(stream);
}

static void write_body(FILE *stream, const struct render_html_page *page, const struct html_rows *rows)
{
	fputs("<main>\n<section id=\"work\"><h2>Work list</h2>\n", stream);
	write_static_rows(stream, page, rows);
	fputs("</section>\n<section id=\"flame\"><h2>Flame graph</h2>\n"
	      "<p class=\"static\">The flame graph needs scripts.</p>\n</section>\n"
	      "<section id=\"classes\"><h2>Size classes</h2>\n",
	      stream);
	write_class_table(stream, page->classes);
	if (!page->profile->snapshot)
		fputs("</section>\n<section id=\"growth\"><h2>Heap growth</h2>\n", stream);
	if (page->profile->heap_growth.interval_ns)
		write_growth_table(stream, &page->profile->heap_growth);
	else if (!page->profile->snapshot)
		fputs("<p>When the heap grew was not recorded.</p>\n", stream);
	fputs("</section>\n</main>\n", stream);
}

void render_html(FILE *stream, const struct render_html_page *page)
{
	char command[SHORTEN_COMMAND_SIZE], title[SHORTEN_COMMAND_SIZE + 64], *packed;
	struct page_measures measures = render_html_site_measures(page);
	struct html_document document = {.page = page, .rows = render_html_rows_new(page)};
	struct call_tree *tree = call_tree_new();
	struct page frame;

	call_tree_add(tree, page->profile, CALL_TREE_NOW);
	if (page->before)
		call_tree_add(tree, page->before, CALL_TREE_BEFORE);
	document.tree = tree;
	snprintf(title, sizeof(title), "%s %s", subject(page->profile),
		 page->profile->target ? shorten_command(command, page->profile->target) : "a program");
	page_begin(&frame, stream, title);
	write_head(stream, page);
	write_body(stream, page, document.rows);
	packed = page_tree(tree, &measures, page->before != NULL, false);
	page_end(&frame, render_html_data, &document, packed);
	free(packed);
	render_html_rows_free((struct html_rows *)document.rows);
	call_tree_free(tree);
}
