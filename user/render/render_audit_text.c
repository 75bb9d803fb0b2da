/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "render/render_audit.h"
#include "text/terminal.h"

/* A row is a line of numbers with its site, and below it, indented, who and why. */
enum { SITE_COLUMN = 47, INDENT = 6 };

struct page {
	FILE *stream;
	size_t width;
	const struct terminal_style *style;
	const struct escape_graph *graph;
};

/* Formats, and makes what comes from outside safe to show. The caller frees. */
static char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *format, ...)
{
	va_list arguments;
	char *raw, *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&raw, format, arguments);
	va_end(arguments);
	if (length < 0 || !(text = malloc((size_t)length * PRINTABLE_GROWTH + 1)))
		abort();
	text[printable_copy(text, raw, (size_t)length)] = 0;
	free(raw);
	return text;
}

/* Columns that a text takes, counted as code points. */
static size_t width_of(const char *text, size_t length)
{
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

/* Prints words from column `indent` on, at most to the page's width; words that are longer are cut there. */
static void print_wrapped(const struct page *page, size_t indent, char *text)
{
	size_t room = page->width > indent + 8 ? page->width - indent : 8;
	const char *rest = text;

	while (*rest) {
		size_t end = 0, taken = 0;

		for (const char *c = rest;; c++) { /* the last space that still fits */
			if (!*c || *c == ' ') {
				if (taken > room)
					break;
				end = (size_t)(c - rest);
			}
			if (!*c)
				break;
			taken += ((unsigned char)*c & 0xc0) != 0x80;
		}
		if (!end) {
			while (rest[end] && width_of(rest, end + 1) <= room)
				end++;
			while (((unsigned char)rest[end] & 0xc0) == 0x80)
				end++;
		}
		fprintf(page->stream, "%*s%.*s\n", (int)indent, "", (int)end, rest);
		rest += end;
		rest += strspn(rest, " ");
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

static void print_numbers(const struct page *page, const struct audit *audit, const struct audit_row *row)
{
	char objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], share[TERMINAL_NUMBER_SIZE];
	char refills[TERMINAL_NUMBER_SIZE], growth[TERMINAL_NUMBER_SIZE];
	char *site = position_text(row->file, row->site.line, row->site.column);
	size_t length;

	fprintf(page->stream, "%11s %9s %6s %7s %9s", terminal_number(objects, row->values[VALUE_OBJECTS]),
		terminal_bytes(bytes, row->values[VALUE_BYTES]),
		share_text(row->values[VALUE_BYTES], audit->totals[VALUE_BYTES], share),
		terminal_number(refills, row->values[VALUE_REFILLS]),
		terminal_bytes(growth, row->values[VALUE_HEAP_GROW_BYTES]));
	length = width_of(site, strlen(site));
	if (SITE_COLUMN + length <= page->width) {
		fprintf(page->stream, "  %s\n", site);
		free(site);
	} else {
		putc('\n', page->stream);
		print_wrapped(page, length + SITE_COLUMN > page->width && length + INDENT > page->width ? 0 : INDENT,
			      site);
	}
}

static const char *short_call(const char *call)
{
	return strncmp(call, "runtime.", 8) == 0 ? call + 8 : call;
}

/* Who: the function, what it calls, where it was inlined. */
static void print_who(const struct page *page, const struct audit_row *row)
{
	const char *function = row->site.function ? row->site.function : "";
	const struct profile_frame *physical;

	if (row->callee)
		print_wrapped(page, INDENT, text_of("%s, by %s", function, row->callee));
	else if (row->runtime_call)
		print_wrapped(page, INDENT,
			      text_of("%s, %s%s%s", function, short_call(row->runtime_call), row->type ? " of " : "",
				      row->type ? row->type : ""));
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

/* The shortest story of the explanation: "x is returned by foo (return &x, line 9)". */
static void print_story(const struct page *page, const struct escape_annotation *annotation)
{
	char *story = annotation->flow_count ? escape_graph_story(page->graph, annotation) : NULL;

	if (story)
		print_wrapped(page, INDENT, text_of("%s", story));
	free(story);
}

/* Why: the compiler's own words, each once. */
/* An annotation of another line than the row's. */
static void print_elsewhere(const struct page *page, const struct escape_annotation *annotation, const char *note)
{
	char *position = position_text(annotation->file, annotation->line, annotation->column);

	print_wrapped(page, INDENT, text_of("%s: %s%s", position, annotation->text, note));
	free(position);
}

static void print_what(const struct page *page, const struct audit_row *row, bool flow)
{
	uint32_t own = row->annotation_count - row->linked_count;

	if (row->shared)
		print_wrapped(page, INDENT, text_of("one or more of these, which cannot be told apart:"));
	for (uint32_t i = 0; i < own; i++) {
		const struct escape_annotation *annotation = row->annotations[i];
		bool elsewhere = annotation->line != row->site.line || annotation->file != row->file;

		if (elsewhere)
			print_elsewhere(page, annotation, "");
		else
			print_wrapped(page, INDENT, text_of("%s", annotation->text));
		if (flow)
			print_flow(page, annotation);
		else if (!row->shared)
			print_story(page, annotation);
	}
	for (uint32_t i = own; i < row->annotation_count; i++)
		print_elsewhere(page, row->annotations[i], " (in the callee itself)");
	if (row->reason)
		print_wrapped(page, INDENT, text_of("%s", row->reason));
}

static void print_row(const struct page *page, const struct audit *audit, const struct audit_row *row, bool flow)
{
	char low[TERMINAL_NUMBER_SIZE], high[TERMINAL_NUMBER_SIZE];
	bool measured = row->verdict != AUDIT_ESCAPES_UNSEEN && row->verdict != AUDIT_STACK;

	if (measured) {
		print_numbers(page, audit, row);
	} else {
		print_wrapped(page, 2, position_text(row->file, row->site.line, row->site.column));
	}
	if (measured && row->objects_high != row->objects_low && row->objects_high != VALUE_UNMEASURED)
		print_wrapped(page, INDENT,
			      text_of("between %s and %s objects (95 %%)", terminal_number(low, row->objects_low),
				      terminal_number(high, row->objects_high)));
	print_who(page, row);
	print_what(page, row, flow);
}

static void print_section(const struct page *page, const struct audit *audit, enum audit_verdict verdict, bool flow)
{
	size_t shown = 0;
	char count[TERMINAL_NUMBER_SIZE];

	for (size_t i = 0; i < audit->row_count; i++) {
		if (audit->rows[i].verdict != verdict)
			continue;
		if (!shown++) {
			fprintf(page->stream, "\n%s%s%s: %s\n", page->style->bold, audit_verdict_name(verdict),
				page->style->reset, audit_verdicts[verdict].meaning);
			if (verdict != AUDIT_ESCAPES_UNSEEN && verdict != AUDIT_STACK)
				fprintf(page->stream, "%11s %9s %6s %7s %9s  %s\n", "OBJECTS", "BYTES", "SHARE",
					"REFILLS", "HEAP GROW", "SITE");
		}
		print_row(page, audit, &audit->rows[i], flow);
	}
	if (shown && shown < audit->verdicts[verdict])
		fprintf(page->stream, "%11s of %s not shown\n",
			terminal_number(count, (int64_t)(audit->verdicts[verdict] - shown)),
			audit_verdict_name(verdict));
}

/* "100 objects, 800 bytes, each counted", of what, and what became of it. */
static void print_head(const struct page *page, const struct audit *audit)
{
	const struct profile *profile = audit->profile;
	char objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], rate[TERMINAL_NUMBER_SIZE];

	if (audit->totals[VALUE_OBJECTS] == VALUE_UNMEASURED)
		print_wrapped(page, 0,
			      text_of("%s refills, objects of lines not measured%s%s",
				      terminal_number(objects, audit->totals[VALUE_REFILLS]),
				      profile->target ? ": " : "", profile->target ? profile->target : ""));
	else if (profile->rows_exact)
		print_wrapped(page, 0,
			      text_of("%s objects, %s, every allocation counted%s%s",
				      terminal_number(objects, audit->totals[VALUE_OBJECTS]),
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]), profile->target ? ": " : "",
				      profile->target ? profile->target : ""));
	else
		print_wrapped(page, 0,
			      text_of("about %s objects, %s, sampled every %s%s%s",
				      terminal_number(objects, audit->totals[VALUE_OBJECTS]),
				      terminal_bytes(bytes, audit->totals[VALUE_BYTES]),
				      terminal_bytes(rate, profile->rate), profile->target ? ": " : "",
				      profile->target ? profile->target : ""));
}

void render_audit_text(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	struct page page = {stream, (size_t)terminal_width(stream),
			    terminal_style(terminal_has_color(options->color, stream)), options->graph};
	unsigned verdicts = options->verdicts ? options->verdicts : 1U << AUDIT_ESCAPES | 1U << AUDIT_CONTRADICTED;
	char *rest = NULL;

	print_head(&page, audit);
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++) {
		if (verdicts & 1U << i)
			print_section(&page, audit, (enum audit_verdict)i, options->flow);
	}
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++) {
		char *longer, count[TERMINAL_NUMBER_SIZE];

		if (verdicts & 1U << i || !audit->verdicts[i])
			continue;
		longer = text_of("%s%s%s %s", rest ? rest : "the rest: ", rest ? ", " : "",
				 terminal_number(count, (int64_t)audit->verdicts[i]),
				 audit_verdict_name((enum audit_verdict)i));
		free(rest);
		rest = longer;
	}
	if (rest) {
		putc('\n', stream);
		print_wrapped(&page, 0, rest);
	}
}
