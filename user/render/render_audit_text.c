/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit/advice.h"
#include "audit/audit_filter.h"
#include "base/memory.h"
#include "base/printable.h"
#include "profile/precision.h"
#include "profile/report.h"
#include "audit/audit_place.h"
#include "render/render_audit.h"
#include "text/terminal.h"
#include "text/wrap.h"

/* A row is a line of numbers with its site; below it, indented, are the function and the reason. */
enum { SITE_COLUMN = 47, INDENT = 6 };

struct page {
	FILE *stream;
	size_t width;
	const struct terminal_style *style;
	const struct audit *audit;
	const struct render_audit_options *options;
	enum profile_value cost; /* the value that rows are ordered by */
	bool *shown;		 /* for each of the audit's rows, whether it is listed */
};

/* Formats a text and makes it printable. The caller frees it. */
static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *format, ...)
{
	va_list arguments;
	char *raw, *text;
	size_t length;

	va_start(arguments, format);
	raw = memory_format_list(format, arguments);
	va_end(arguments);
	length = strlen(raw);
	text = memory_allocate(length * PRINTABLE_GROWTH + 1);
	text[printable_copy(text, raw, length)] = 0;
	free(raw);
	return text;
}

/* Prints a paragraph whose lines begin at column `indent`. On a terminal, words that are longer than a line are broken.
 * Frees the text. */
static void print_wrapped(const struct page *page, size_t indent, char *text)
{
	if (*text) {
		fprintf(page->stream, "%*s", (int)indent, "");
		wrap_print(page->stream, text, indent, (size_t)terminal_prose_width((int)page->width),
			   page->width == TERMINAL_UNLIMITED ? WRAP_WORDS : WRAP_LONG_WORDS);
		fputc('\n', page->stream);
	}
	free(text);
}

static const char *share_text(int64_t value, int64_t total, char text[TERMINAL_NUMBER_SIZE])
{
	if (value == VALUE_UNMEASURED || total <= 0)
		return strcpy(text, "-");
	snprintf(text, TERMINAL_NUMBER_SIZE, "%.1f%%", 100.0 * (double)value / (double)total);
	return text;
}

static char *position_text(const char *file, uint32_t line, uint32_t column)
{
	if (!line)
		return text_of("%s", file ? file : "(unknown)");
	if (!column)
		return text_of("%s:%" PRIu32, file ? file : "(unknown)", line);
	return text_of("%s:%" PRIu32 ":%" PRIu32, file ? file : "(unknown)", line, column);
}

/*
 * Rows that no annotation explains are shown where the program can be changed: at the line of the program's own module
 * that they were allocated for. That is the row's own line unless another module is covered too.
 */
static bool is_at_owner(const struct audit_row *row)
{
	return row->owner && (row->verdict == AUDIT_UNANNOTATED || row->verdict == AUDIT_NOT_COVERED) &&
	       (row->owner->line != row->site.line || row->owner->function != row->site.function);
}

static char *place_text(const struct audit_row *row)
{
	uint32_t line, column;
	const char *file = audit_place(row, &line, &column);

	return is_at_owner(row) ? position_text(row->owner->file, row->owner->line, 0)
				: position_text(file, line, column);
}

/* Whether the row is of a line: tiny objects, of which nobody knows who allocated them, are not. */
static bool has_place(const struct audit_row *row)
{
	uint32_t line, column;

	return is_at_owner(row) || audit_place(row, &line, &column);
}

static void print_values(const struct page *page, const int64_t values[VALUE_COUNT])
{
	char objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], share[TERMINAL_NUMBER_SIZE];
	char refills[TERMINAL_NUMBER_SIZE], growth[TERMINAL_NUMBER_SIZE];

	fprintf(page->stream, "%11s %9s %6s %7s %9s", terminal_number(objects, values[VALUE_OBJECTS]),
		terminal_bytes(bytes, values[VALUE_BYTES]),
		share_text(values[page->cost], page->audit->totals[page->cost], share),
		terminal_number(refills, values[VALUE_REFILLS]), terminal_bytes(growth, values[VALUE_HEAP_GROW_BYTES]));
}

static void print_numbers(const struct page *page, const struct audit_row *row)
{
	char *place = place_text(row);
	size_t length = wrap_width(place, strlen(place));

	print_values(page, row->values);
	if (SITE_COLUMN + length <= page->width) {
		fprintf(page->stream, "  %s\n", place);
		free(place);
	} else {
		putc('\n', page->stream);
		print_wrapped(page, length + INDENT > page->width ? 0 : INDENT, place);
	}
}

static const char *short_call(const char *call)
{
	return strncmp(call, "runtime.", 8) == 0 ? call + 8 : call;
}

/* What the site calls, and where that is if the row is shown at a line that it was inlined into. */
static void print_call(const struct page *page, const struct audit_row *row, const char *function)
{
	uint32_t line;
	bool elsewhere = audit_place(row, &line, NULL) != row->file || line != row->site.line;
	char *site = position_text(row->file, row->site.line, row->site.column);

	print_wrapped(page, INDENT,
		      text_of("%s, %s%s%s%s%s", function, short_call(row->runtime_call), row->type ? " of " : "",
			      row->type ? row->type : "", elsewhere ? ", at " : "", elsewhere ? site : ""));
	free(site);
}

/* Prints the function, what it calls, and where it was inlined. */
static void print_who(const struct page *page, const struct audit_row *row)
{
	const char *function = row->site.function ? row->site.function : "";
	const struct profile_frame *physical;

	if (is_at_owner(row)) {
		char *site = position_text(row->file, row->site.line, row->site.column);

		print_wrapped(page, INDENT,
			      text_of("%s, via %s at %s", row->owner->function ? row->owner->function : "(unknown)",
				      row->via ? row->via : function, site));
		free(site);
	} else if (row->via && row->callee && strcmp(row->via, row->callee) != 0)
		print_wrapped(page, INDENT, text_of("%s, via %s, called by %s", function, row->via, row->callee));
	else if (row->callee)
		print_wrapped(page, INDENT, text_of("%s, via %s", function, row->callee));
	else if (row->runtime_call)
		print_call(page, row, function);
	else if (*function)
		print_wrapped(page, INDENT, text_of("%s", function));
	if (!row->inlined_count)
		return;
	physical = &row->inlined_at[row->inlined_count - 1];
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		const struct profile_frame *frame = &row->inlined_at[i];
		char *position = position_text(row->inlined_files[i], frame->line, frame->column);

		print_wrapped(page, INDENT,
			      text_of("%s into %s at %s", frame == physical && i ? "and that" : "inlined",
				      frame->function ? frame->function : "(unknown)", position));
		free(position);
	}
}

static void print_flow(const struct page *page, const struct escape_annotation *annotation)
{
	for (uint32_t i = 0; i < annotation->flow_count; i++) {
		const struct escape_flow *flow = &annotation->flows[i];

		print_wrapped(page, INDENT + 2,
			      text_of("flow: %s = %s%.*s%s", flow->to, flow->derefs < 0 ? "&" : "",
				      flow->derefs > 0 ? flow->derefs : 0, "********************************",
				      flow->from));
		for (uint32_t j = 0; j < flow->step_count; j++) {
			const struct escape_step *step = &flow->steps[j];
			char *position = position_text(step->file, step->line, step->column);

			print_wrapped(page, INDENT + 4,
				      text_of("from %s (%s) at %s", step->expression, step->reason, position));
			free(position);
		}
	}
	if (annotation->truncated)
		print_wrapped(page, INDENT + 2, text_of("(the compiler cut the explanation short)"));
}

/* Prints a one-line explanation: "x is returned by foo (return &x, line 9)". */
static void print_story(const struct page *page, const struct escape_annotation *annotation)
{
	char *story = annotation->flow_count ? escape_graph_story(page->options->graph, annotation) : NULL;

	if (story)
		print_wrapped(page, INDENT, text_of("%s", story));
	free(story);
}

/* Prints an annotation of a line other than the row's. */
static void print_elsewhere(const struct page *page, const struct escape_annotation *annotation, const char *note)
{
	char *position = position_text(annotation->file, annotation->line, annotation->column);

	print_wrapped(page, INDENT, text_of("%s: %s%s", position, annotation->text, note));
	free(position);
}

/* Prints the reason: the distinct messages of the compiler. */
static void print_what(const struct page *page, const struct audit_row *row)
{
	uint32_t own = row->annotation_count - row->linked_count;

	if (row->shared)
		print_wrapped(page, INDENT, text_of("one or more of these, it is unknown which:"));
	for (uint32_t i = 0; i < own; i++) {
		const struct escape_annotation *annotation = row->annotations[i];
		bool elsewhere = annotation->line != row->site.line || annotation->file != row->file;

		if (elsewhere)
			print_elsewhere(page, annotation, "");
		else
			print_wrapped(page, INDENT, text_of("%s", annotation->text));
		if (page->options->flow)
			print_flow(page, annotation);
		else if (!row->shared)
			print_story(page, annotation);
	}
	for (uint32_t i = own; i < row->annotation_count; i++)
		print_elsewhere(page, row->annotations[i], " (in the callee itself)");
	if (row->reason && row->verdict != AUDIT_NOT_COVERED) /* the heading of the section says why */
		print_wrapped(page, INDENT, text_of("%s", row->reason));
}

/* Prints what to do about it, and the command that proves an improvement. */
static void print_advice(const struct page *page, const struct audit_row *row)
{
	const struct advice *advice = advice_for(row);
	char *proof;

	if (!advice)
		return;
	print_wrapped(page, INDENT, text_of("cause: %s: %s", advice->cause, advice->words));
	for (size_t i = 0; i < sizeof(advice->rewrites) / sizeof(*advice->rewrites) && advice->rewrites[i]; i++)
		print_wrapped(page, INDENT, text_of("try: %s", advice->rewrites[i]));
	proof = advice_proof(page->audit, row);
	if (proof)
		print_wrapped(page, INDENT, text_of("prove it, with the change as fix.diff: %s", proof));
	free(proof);
}

static void print_row(const struct page *page, const struct audit_row *row)
{
	char low[TERMINAL_NUMBER_SIZE], high[TERMINAL_NUMBER_SIZE];
	bool allocates = audit_verdict_allocates(row->verdict);

	if (allocates)
		print_numbers(page, row);
	else
		print_wrapped(page, 2, position_text(row->file, row->site.line, row->site.column));
	if (allocates && row->objects_high != row->objects_low && row->objects_high != VALUE_UNMEASURED)
		print_wrapped(page, INDENT,
			      text_of("between %s and %s objects (95 %%)%s", terminal_number(low, row->objects_low),
				      terminal_number(high, row->objects_high),
				      row->tiny_unknown ? " + an unknown number of tiny ones" : ""));
	else if (allocates && page->audit->profile->rows_least)
		print_wrapped(page, INDENT, text_of("at least %s objects", terminal_number(low, row->objects_low)));
	print_who(page, row);
	print_what(page, row);
	if (page->options->advice)
		print_advice(page, row);
}

/* Prints how many rows a section omits, and that none of them costs more than those shown. */
static void print_hidden(const struct page *page, enum audit_verdict verdict)
{
	char share[TERMINAL_NUMBER_SIZE], most[TERMINAL_NUMBER_SIZE];
	const struct audit *audit = page->audit;
	int64_t sum = 0, greatest = 0;
	size_t hidden = 0;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (row->verdict != verdict || page->shown[i] || audit_row_is_outside(row))
			continue;
		hidden++;
		sum = add_saturated(sum, row->values[page->cost]);
		greatest = row->values[page->cost] > greatest ? row->values[page->cost] : greatest;
	}
	if (!hidden)
		return;
	share_text(sum, audit->totals[page->cost], share);
	if (profile_values[page->cost].kinds & VALUE_IN_BYTES)
		terminal_bytes(most, greatest);
	else
		terminal_number(most, greatest);
	print_wrapped(page, INDENT,
		      text_of("%zu more row%s, each at most %s, together %s: --verdict %s lists them", hidden,
			      hidden == 1 ? "" : "s", most, share, audit_verdict_name(verdict)));
}

static void print_section_head(const struct page *page, enum audit_verdict verdict, bool columns)
{
	putc('\n', page->stream);
	fprintf(page->stream, "%s%s%s: %s\n", page->style->bold, audit_verdict_name(verdict), page->style->reset,
		audit_verdicts[verdict].meaning);
	if (columns && audit_verdict_allocates(verdict))
		fprintf(page->stream, "%11s %9s %6s %7s %9s  %s\n", "OBJECTS", "BYTES", "SHARE", "REFILLS", "HEAP GROW",
			"SITE");
}

static void print_section(const struct page *page, enum audit_verdict verdict)
{
	const struct audit *audit = page->audit;
	uint64_t sites = audit->sums[verdict].rows, listed = 0;
	char count[TERMINAL_NUMBER_SIZE];
	bool any_shown = false;

	for (size_t i = 0; i < audit->row_count; i++) {
		if (audit->rows[i].verdict != verdict || audit_row_is_outside(&audit->rows[i]))
			continue;
		listed++;
		any_shown |= page->shown[i];
	}
	if (!listed)
		return;
	print_section_head(page, verdict, any_shown);
	for (size_t i = 0; i < audit->row_count; i++)
		if (page->shown[i] && audit->rows[i].verdict == verdict && !audit_row_is_outside(&audit->rows[i]))
			print_row(page, &audit->rows[i]);
	print_hidden(page, verdict);
	if (listed < sites)
		print_wrapped(page, INDENT,
			      text_of("%s of %s left out by the filters",
				      terminal_number(count, (int64_t)(sites - listed)), audit_verdict_name(verdict)));
}

/* --- which rows --- */

static int by_cost(const void *x, const void *y, void *argument)
{
	const struct page *page = argument;
	const struct audit_row *a = &page->audit->rows[*(const size_t *)x], *b = &page->audit->rows[*(const size_t *)y];
	int64_t left = a->values[page->cost], right = b->values[page->cost];

	if (left != right)
		return left > right ? -1 : 1;
	return a < b ? -1 : a > b;
}

/*
 * Selects the rows to list: the most expensive of all verdicts, so that no omitted row costs more than a listed one.
 * Allocations without an owner are not sites: print_verdicts() has them as one line.
 */
static void choose_rows(struct page *page, unsigned verdicts)
{
	const struct audit *audit = page->audit;
	size_t *order = memory_zeroed(audit->row_count + 1, sizeof(*order)), count = 0, limit = page->options->rows;

	page->shown = memory_zeroed(audit->row_count + 1, sizeof(*page->shown));
	for (size_t i = 0; i < audit->row_count; i++) {
		if (verdicts & 1U << audit->rows[i].verdict && !audit_row_is_outside(&audit->rows[i]))
			order[count++] = i;
	}
	if (count)
		qsort_r(order, count, sizeof(*order), by_cost, page);
	for (size_t i = 0; i < count && (!limit || i < limit); i++)
		page->shown[order[i]] = true;
	free(order);
}

/* --- head and foot --- */

static void print_verdicts(const struct page *page)
{
	const struct audit *audit = page->audit;
	char rows[TERMINAL_NUMBER_SIZE], objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE],
		share[TERMINAL_NUMBER_SIZE];

	fprintf(page->stream, "\n%-15s %7s %11s %9s %6s\n", "VERDICT", "LINES", "OBJECTS", "BYTES", "SHARE");
	for (int i = 0; i <= AUDIT_OUTSIDE; i++) {
		const struct audit_sum *sum = &audit->sums[i];
		bool allocates = i == AUDIT_OUTSIDE || audit_verdict_allocates((enum audit_verdict)i);

		if (!sum->rows)
			continue;
		fprintf(page->stream, "%-15s %7s %11s %9s %6s%s\n",
			i == AUDIT_OUTSIDE ? "outside" : audit_verdict_name((enum audit_verdict)i),
			i == AUDIT_OUTSIDE ? "-" : terminal_number(rows, (int64_t)sum->rows),
			allocates ? terminal_number(objects, sum->values[VALUE_OBJECTS]) : "-",
			allocates ? terminal_bytes(bytes, sum->values[VALUE_BYTES]) : "-",
			allocates ? share_text(sum->values[page->cost], audit->totals[page->cost], share) : "-",
			i == AUDIT_OUTSIDE ? "  no line of the program's own" : "");
	}
}

/* Whether the table of verdicts has a line: of one that allocates, or of any. */
static bool has_sums(const struct audit *audit, bool allocating)
{
	for (int i = 0; i <= AUDIT_OUTSIDE; i++) {
		if (audit->sums[i].rows &&
		    (!allocating || i == AUDIT_OUTSIDE || audit_verdict_allocates((enum audit_verdict)i)))
			return true;
	}
	return false;
}

/* Prints a sentence in the place of a table. */
static void print_nothing(const struct page *page, const char *sentence)
{
	putc('\n', page->stream);
	print_wrapped(page, 0, text_of("%s", sentence));
}

/* Says why no row is listed, if the verdicts' sums do not say it. */
static void print_no_rows(const struct page *page)
{
	for (size_t i = 0; i < page->audit->row_count; i++) {
		if (page->shown[i])
			return;
	}
	if (!has_sums(page->audit, true))
		print_nothing(page, precision_nothing(page->audit->profile));
	else if (page->options->verdicts)
		print_nothing(page, "no line to list has the verdict that was asked for");
	else if (page->audit->sums[AUDIT_OUTSIDE].rows)
		print_nothing(page, "no line of the program's own module allocated: --module GLOB names the packages "
				    "that are yours");
}

/* Prints one line about where to begin. */
static void print_next(const struct page *page)
{
	const struct audit *audit = page->audit;
	const struct audit_row *costliest = NULL;
	char share[TERMINAL_NUMBER_SIZE], *place;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (page->shown[i] && audit_verdict_allocates(row->verdict) && has_place(row) &&
		    (!costliest || row->values[page->cost] > costliest->values[page->cost]))
			costliest = row;
	}
	if (!costliest)
		return;
	place = place_text(costliest);
	putc('\n', page->stream);
	print_wrapped(page, 0,
		      text_of("next: begin with %s (%s, %s of the %s): %s", place,
			      audit_verdict_name(costliest->verdict),
			      share_text(costliest->values[page->cost], audit->totals[page->cost], share),
			      profile_values[page->cost].plural, audit_verdicts[costliest->verdict].advice));
	free(place);
}

/* Prints "100 objects, 800 bytes, every allocation counted", and the target. */
static void print_head(const struct page *page)
{
	const struct audit *audit = page->audit;
	const struct profile *profile = audit->profile;
	char objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], rate[TERMINAL_NUMBER_SIZE];
	char bursts[PROFILE_BURSTS_TEXT];

	if (audit->totals[VALUE_OBJECTS] == VALUE_UNMEASURED && audit->totals[VALUE_REFILLS] == VALUE_UNMEASURED)
		print_wrapped(page, 0,
			      text_of("about %s, objects not measured%s%s",
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]), profile->target ? ": " : "",
				      profile->target ? profile->target : ""));
	else if (audit->totals[VALUE_OBJECTS] == VALUE_UNMEASURED)
		print_wrapped(page, 0,
			      text_of("%s refills, objects by line not measured%s%s",
				      terminal_number(objects, audit->totals[VALUE_REFILLS]),
				      profile->target ? ": " : "", profile->target ? profile->target : ""));
	else if (profile->rows_exact)
		print_wrapped(page, 0,
			      text_of("%s objects, %s, every allocation counted%s%s",
				      terminal_number(objects, audit->totals[VALUE_OBJECTS]),
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]), profile->target ? ": " : "",
				      profile->target ? profile->target : ""));
	else if (profile->rows_least)
		print_wrapped(page, 0,
			      text_of("at least %s objects, %s: the warnings say what is in no row%s%s",
				      terminal_number(objects, audit->totals[VALUE_OBJECTS]),
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]), profile->target ? ": " : "",
				      profile->target ? profile->target : ""));
	else if (profile_bursts_text(profile, bursts))
		print_wrapped(page, 0,
			      text_of("about %s objects, %s, %s%s%s",
				      terminal_number(objects, audit->totals[VALUE_OBJECTS]),
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]), bursts,
				      profile->target ? ": " : "", profile->target ? profile->target : ""));
	else
		print_wrapped(page, 0,
			      text_of("about %s objects, %s%s%s%s%s",
				      terminal_number(objects, audit->totals[VALUE_OBJECTS]),
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]),
				      profile->rate > 1 ? ", sampled every " : "",
				      profile->rate > 1 ? terminal_bytes(rate, profile->rate) : "",
				      profile->target ? ": " : "", profile->target ? profile->target : ""));
}

/* Says what to do if the intervals are so wide that they tell nothing. */
static void print_precision(const struct page *page)
{
	char *advice =
		page->audit->tells ? NULL : precision_advice(page->audit->profile, page->audit->totals[VALUE_OBJECTS]);

	if (advice)
		print_wrapped(page, 0, text_of("%s", advice));
	free(advice);
}

void render_audit_text(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	struct page page = {.stream = stream,
			    .width = (size_t)terminal_width(stream),
			    .style = terminal_style(terminal_has_color(options->color, stream)),
			    .audit = audit,
			    .options = options};
	unsigned verdicts = options->verdicts;

	page.cost = options->sort == AUDIT_BY_SITE ? VALUE_BYTES : (enum profile_value)options->sort;
	if (!(audit->profile->row_measured & 1u << page.cost))
		page.cost = report_default_sort(audit->profile);
	for (int i = 0; i < AUDIT_VERDICT_COUNT && !options->verdicts; i++)
		verdicts |= audit_verdict_allocates((enum audit_verdict)i) ? 1u << i : 0;
	choose_rows(&page, verdicts);
	print_head(&page);
	print_precision(&page);
	if (has_sums(audit, false))
		print_verdicts(&page);
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++) {
		if (verdicts & 1U << i)
			print_section(&page, (enum audit_verdict)i);
	}
	print_no_rows(&page);
	print_next(&page);
	free(page.shown);
}
