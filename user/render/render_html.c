/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "base/utf8.h"
#include "profile/precision.h"
#include "profile/size_class.h"
#include "render/page_assets.h"
#include "text/html_writer.h"
#include "text/shorten.h"
#include "text/terminal.h"

enum { STATIC_ROWS = 200 };

/* A nonce: a text that is generated after all names are known, so that no name can contain it. */
enum { NONCE_BYTES = 16 };
struct nonce {
	char text[2 * NONCE_BYTES + 1];
};

static struct nonce nonce_new(void)
{
	unsigned char bytes[NONCE_BYTES];
	struct nonce nonce;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		memory_out();
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(nonce.text + 2 * i, 3, "%02x", bytes[i]);
	return nonce;
}

static void write_assets(FILE *stream, const struct page_asset *assets)
{
	for (; assets->start; assets++)
		fwrite(assets->start, 1, (size_t)(assets->end - assets->start), stream);
}

static void fact(FILE *stream, const char *name, const char *text)
{
	html_format(stream, "<dt>%s</dt><dd>%s</dd>\n", name, text);
}

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

/* "2026-11-29 16:44:23 UTC"; "" if it is unknown. */
static const char *start_text(char text[64], const struct profile *profile)
{
	time_t seconds = (time_t)(profile->start_ns / 1000000000);
	struct tm utc;

	*text = 0;
	if (profile->start_ns > 0 && gmtime_r(&seconds, &utc))
		strftime(text, 64, "%Y-%m-%d %H:%M:%S UTC", &utc);
	return text;
}

static void write_recording(FILE *stream, const struct profile *profile)
{
	char text[256], start[64], bytes[TERMINAL_NUMBER_SIZE], bursts[PROFILE_BURSTS_TEXT];

	start_text(start, profile);
	snprintf(text, sizeof(text), "%s%s%.3g s, %s%s", start, *start ? ", " : "", (double)profile->duration_ns / 1e9,
		 profile_bursts_text(profile, bursts) ? bursts
		 : profile->rate < 0		      ? "at a rate that the file does not say"
		 : profile->rate == 0		      ? "rate 0 (slow paths only, no sampling)"
		 : profile->rate == 1		      ? "rate 1 (every allocation)"
						      : "one sample per ",
		 profile->rate > 1 && !profile_bursts_text(profile, bursts) ? terminal_bytes(bytes, profile->rate)
									    : "");
	fact(stream, "recorded", text);
}

/* A snapshot is of an instant: when, at which rate, and what the runtime had published by then. */
static void write_instant(FILE *stream, const struct profile *profile)
{
	char text[256], start[64], collection[64] = "", bytes[TERMINAL_NUMBER_SIZE];

	start_text(start, profile);
	if (profile->collections > 0)
		snprintf(collection, sizeof(collection), "; as of collection %" PRId64, profile->collections);
	else if (profile->collections == 0)
		snprintf(collection, sizeof(collection), "; there was no collection yet");
	snprintf(text, sizeof(text), "%s%s%s%s%s", start, *start ? ", " : "",
		 profile->rate == 1 ? "every allocation" : "one sample per ",
		 profile->rate == 1 ? "" : terminal_bytes(bytes, profile->rate), collection);
	fact(stream, profile->unreachable ? "searched" : "alive", text);
}

static void write_check(FILE *stream, const struct profile *profile)
{
	struct profile_check check = profile_check(profile);
	char text[256];

	if (!check.present) {
		fact(stream, "check", "none: there was nothing to compare the totals with");
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
	fact(stream, "totals", text);
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
	char command[SHORTEN_COMMAND_SIZE], start[64], seconds[48] = "";

	if (!before->snapshot && before->duration_ns > 0)
		snprintf(seconds, sizeof(seconds), ", %.3g s", (double)before->duration_ns / 1e9);
	html_format(stream, "<dt>compared with</dt><dd>%s%s%s%s</dd>\n",
		    before->target ? shorten_command(command, before->target) : "another profile",
		    before->start_ns > 0 ? ", " : "", start_text(start, before), seconds);
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
	fact(stream, "rows", exactness(page));
	if (!profile->snapshot)
		write_check(stream, profile);
	if (page->before)
		write_before(stream, page->before);
	fputs("</dl>\n</header>\n", stream);
}

static void number_cell(FILE *stream, int64_t value, bool bytes)
{
	char number[TERMINAL_NUMBER_SIZE];

	html_format(stream, "<td class=\"number\">%s</td>",
		    bytes ? terminal_bytes(number, value) : terminal_number(number, value));
}

static void site_cell(FILE *stream, const char *file, uint32_t line, const char *function, const char *via)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", line);
	fputs("<td class=\"place code\">", stream);
	if (file)
		html_format(stream, "%s:%s ", file, number);
	html_text(stream, function);
	if (via)
		html_format(stream, " via %s", via);
	fputs("</td>", stream);
}

static void static_row(FILE *stream, const struct render_html_page *page, size_t at)
{
	const struct audit_row *audit = page->audit ? &page->audit->rows[at] : NULL;
	const struct report_row *site = audit ? NULL : &page->sites->rows[at];
	const int64_t *values = audit ? audit->values : site->values;

	fputs("<tr>", stream);
	if (audit) {
		const struct profile_frame *owner = audit->via ? audit->owner : NULL;

		html_format(stream, "<td>%s</td>", render_html_verdict(audit));
		site_cell(stream, owner ? audit->owner_file : audit->file, owner ? owner->line : audit->site.line,
			  owner ? owner->function : audit->site.function, audit->via);
	} else {
		site_cell(stream, site->file, site->line, site->function, site->via);
	}
	number_cell(stream, values[profile_objects(page->profile)], false);
	number_cell(stream, values[profile_bytes(page->profile)], true);
	if (audit)
		html_format(stream, "<td class=\"words\">%s</td>", audit_row_words(audit));
	fputs("</tr>\n", stream);
}

/* Rows for readers without scripts; the scripts replace them by a table that can be sorted. */
static void write_static_rows(FILE *stream, const struct render_html_page *page)
{
	size_t count = page->audit ? page->audit->row_count : page->sites->row_count;

	fprintf(stream,
		"<div class=\"static scroll\" tabindex=\"0\" role=\"group\" aria-label=\"work "
		"list\"><table><thead><tr>%s<th scope=\"col\">Site</th>"
		"<th scope=\"col\" class=\"number\">%s</th><th scope=\"col\" "
		"class=\"number\">%s</th>%s</tr></thead><tbody>\n",
		page->audit ? "<th scope=\"col\">Verdict</th>" : "",
		profile_values[profile_objects(page->profile)].plural,
		profile_values[profile_bytes(page->profile)].plural,
		page->audit ? "<th scope=\"col\">Compiler</th>" : "");
	for (size_t i = 0; i < count && i < STATIC_ROWS; i++)
		static_row(stream, page, i);
	fputs("</tbody></table>\n", stream);
	if (count > STATIC_ROWS)
		fprintf(stream, "<p>%zu more rows need scripts.</p>\n", count - STATIC_ROWS);
	fputs("</div>\n", stream);
}

const char render_html_waste[] = "internal waste";

static void write_class_table(FILE *stream, const struct report *classes)
{
	static const enum profile_value recorded[] = {VALUE_OBJECTS, VALUE_BYTES, VALUE_REFILLS, VALUE_CENTRAL_GROWS,
						      VALUE_COUNT};
	static const enum profile_value alive[] = {VALUE_LIVE_OBJECTS, VALUE_LIVE_BYTES, VALUE_COUNT};
	static const enum profile_value lost[] = {VALUE_LOST_OBJECTS, VALUE_LOST_BYTES, VALUE_INDIRECT_OBJECTS,
						  VALUE_INDIRECT_BYTES, VALUE_COUNT};
	bool snapshot = classes->profile->snapshot;
	const enum profile_value *columns = classes->profile->unreachable ? lost : snapshot ? alive : recorded;

	if (!snapshot)
		fputs("<p class=\"soft\">Internal waste: what is lost at the ends of the fresh spans (central grows) of a "
		      "class, where no whole object fits. What is lost by rounding a request up to its class is not "
		      "recorded.</p>\n",
		      stream);
	fputs("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"size classes\"><table><thead><tr><th "
	      "scope=\"col\">Size class</th>",
	      stream);
	for (const enum profile_value *value = columns; *value != VALUE_COUNT; value++)
		html_format(stream, "<th scope=\"col\" class=\"number\">%s</th>", profile_values[*value].plural);
	fprintf(stream, "%s</tr></thead><tbody>\n",
		snapshot ? "" : "<th scope=\"col\" class=\"number\">internal waste</th>");
	for (size_t i = 0; i < classes->row_count; i++) {
		const struct report_row *row = &classes->rows[i];
		int64_t bytes = row->span_class == SPAN_CLASS_UNKNOWN
					? 0
					: size_class_bytes(span_class_size_class(row->span_class));
		char name[32];

		snprintf(name, sizeof(name), "%" PRId64, bytes);
		html_format(stream, "<tr><td>%s%s</td>",
			    row->span_class == SPAN_CLASS_UNKNOWN ? "unknown"
			    : bytes				  ? name
								  : "large objects",
			    row->span_class != SPAN_CLASS_UNKNOWN && span_class_noscan(row->span_class) ? " noscan"
													: "");
		for (const enum profile_value *value = columns; *value != VALUE_COUNT; value++)
			number_cell(stream, row->values[*value], profile_values[*value].kinds & VALUE_IN_BYTES);
		if (!snapshot)
			number_cell(stream, report_row_span_tails(classes, row), true);
		fputs("</tr>\n", stream);
	}
	fputs("</tbody></table></div>\n", stream);
}

static void write_growth_table(FILE *stream, const struct time_series *series)
{
	double seconds = (double)series->interval_ns / 1e9;
	char time[64], number[TERMINAL_NUMBER_SIZE];
	int64_t grown = 0;

	html_format(stream, "<p>The heap grew by %s, in steps that the runtime asks the system for.</p>\n",
		    terminal_bytes(number, time_series_sum(series)));
	if (!time_series_sum(series))
		return;
	fputs("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"heap growth\"><table><thead><tr>"
	      "<th scope=\"col\">Seconds since the recording began</th><th scope=\"col\" class=\"number\">grown</th>"
	      "<th scope=\"col\" class=\"number\">sum</th></tr></thead><tbody>\n",
	      stream);
	for (uint32_t i = 0; i < series->count; i++) {
		if (!series->values[i])
			continue;
		grown = add_saturated(grown, series->values[i]);
		snprintf(time, sizeof(time), "%.1f to %.1f", i * seconds, (i + 1) * seconds);
		html_format(stream, "<tr><td>%s</td>", time);
		number_cell(stream, series->values[i], true);
		number_cell(stream, grown, true);
		fputs("</tr>\n", stream);
	}
	fputs("</tbody></table></div>\n", stream);
}

static void write_body(FILE *stream, const struct render_html_page *page)
{
	fputs("<main>\n<section id=\"work\"><h2>Work list</h2>\n", stream);
	write_static_rows(stream, page);
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

static void write_about(FILE *stream)
{
	html_format(stream,
		    "<footer id=\"about\"><h2>About</h2>\n<p>Made by escapement %s. The page is complete: it loads "
		    "nothing.</p>\n",
		    ESCAPEMENT_VERSION);
	fputs("<details><summary>Licences of the libraries in this page</summary><pre>", stream);
	for (const char *c = page_licences.start; c < page_licences.end; c++) {
		if (*c == '<' || *c == '&')
			fputs(*c == '<' ? "&lt;" : "&amp;", stream);
		else
			fputc(*c, stream);
	}
	fputs("</pre></details>\n</footer>\n", stream);
}

/* Writes a character of JSON as its escape. The text is UTF-8. Returns its length in bytes. */
static size_t escape_character(FILE *stream, const char *text, size_t left)
{
	uint32_t code;
	size_t length = utf8_decode(text, left, &code);

	if (!length)
		code = 0xfffd;
	if (code < 0x10000)
		fprintf(stream, "\\u%04x", code);
	else
		fprintf(stream, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
	return length ? length : 1;
}

/*
 * Writes the document as a script element. What is not ASCII is escaped, because it would make browsers slow (page.js).
 * A '<' could end the element. Both occur only in texts.
 */
static void write_data(FILE *stream, const struct render_html_page *page, const struct call_tree *tree)
{
	size_t length = 0;
	char *json = NULL;
	FILE *memory = open_memstream(&json, &length);

	if (!memory)
		memory_out();
	render_html_data(memory, page, tree);
	fclose(memory);
	fputs("<script id=\"data\" type=\"application/json\">", stream);
	for (const char *rest = json, *end = json + length; rest < end;) {
		const char *next = rest;

		while (next < end && *next != '<' && (unsigned char)*next < 0x80)
			next++;
		fwrite(rest, 1, (size_t)(next - rest), stream);
		rest = next < end ? next + escape_character(stream, next, (size_t)(end - next)) : end;
	}
	fputs("</script>\n", stream);
	free(json);
}

static void write_tree(FILE *stream, const struct render_html_page *page, const struct call_tree *tree)
{
	char *packed = render_html_tree(page, tree);

	fprintf(stream, "<script id=\"tree\" type=\"text/plain\">%s</script>\n", packed);
	free(packed);
}

void render_html(FILE *stream, const struct render_html_page *page)
{
	char command[SHORTEN_COMMAND_SIZE];
	struct nonce nonce = nonce_new();
	struct call_tree *tree = call_tree_new();

	call_tree_add(tree, page->profile, CALL_TREE_NOW);
	if (page->before)
		call_tree_add(tree, page->before, CALL_TREE_BEFORE);
	fprintf(stream,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; "
		"form-action 'none'; "
		"script-src 'nonce-%s'; style-src 'nonce-%s'; img-src data:\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		nonce.text, nonce.text);
	html_format(stream, "<title>%s %s</title>\n", subject(page->profile),
		    page->profile->target ? shorten_command(command, page->profile->target) : "a program");
	fprintf(stream, "<style nonce=\"%s\">\n", nonce.text);
	write_assets(stream, page_styles);
	fputs("</style>\n</head>\n<body>\n", stream);
	write_head(stream, page);
	write_body(stream, page);
	write_about(stream);
	write_data(stream, page, tree);
	fprintf(stream, "<script nonce=\"%s\">\n", nonce.text);
	write_assets(stream, page_scripts);
	fputs("</script>\n", stream);
	write_tree(stream, page, tree);
	fputs("</body>\n</html>\n", stream);
	call_tree_free(tree);
}
