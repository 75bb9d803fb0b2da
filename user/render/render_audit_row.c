/* SPDX-License-Identifier: BSD-2-Clause */
/* One row of an audit as text: who allocates, what the compiler says, and what to do. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit/advice.h"
#include "audit/audit_place.h"
#include "base/memory.h"
#include "base/printable.h"
#include "render/render_audit_page.h"
#include "text/wrap.h"

char *audit_page_text(const char *format, ...)
{
	va_list arguments;
	char *raw, *text;

	va_start(arguments, format);
	raw = memory_format_list(format, arguments);
	va_end(arguments);
	text = printable_string(raw);
	free(raw);
	return text;
}

void audit_page_wrap(const struct audit_page *page, size_t indent, char *text)
{
	if (*text) {
		fprintf(page->stream, "%*s", (int)indent, "");
		wrap_print(page->stream, text, indent, (size_t)terminal_prose_width((int)page->width),
			   page->width == TERMINAL_UNLIMITED ? WRAP_WORDS : WRAP_LONG_WORDS);
		fputc('\n', page->stream);
	}
	free(text);
}

char *audit_page_position(const char *file, uint32_t line, uint32_t column)
{
	if (!line)
		return audit_page_text("%s", file ? file : "(unknown)");
	if (!column)
		return audit_page_text("%s:%" PRIu32, file ? file : "(unknown)", line);
	return audit_page_text("%s:%" PRIu32 ":%" PRIu32, file ? file : "(unknown)", line, column);
}

static const char *short_call(const char *call)
{
	return strncmp(call, "runtime.", 8) == 0 ? call + 8 : call;
}

/* What the site calls, and where that is if the row is shown at a line that it was inlined into. */
static void print_call(const struct audit_page *page, const struct audit_row *row, const char *function)
{
	uint32_t line;
	bool elsewhere = audit_place(row, &line, NULL) != row->file || line != row->site.line;
	char *site = audit_page_position(row->file, row->site.line, row->site.column);

	audit_page_wrap(page, (size_t)page->indent,
			audit_page_text("%s, %s%s%s%s%s", function, short_call(row->runtime_call),
					row->type ? " of " : "", row->type ? row->type : "", elsewhere ? ", at " : "",
					elsewhere ? site : ""));
	free(site);
}

/* Of a row at its owner's line: the owner, the function that allocates, and the row's own line, which is the allocating one
 * or, if the output does not cover that, a caller that it covers. */
static void print_owner(const struct audit_page *page, const struct audit_row *row, const char *function)
{
	const char *owner = row->owner->function ? row->owner->function : "(unknown)";
	char *site = audit_page_position(row->file, row->site.line, row->site.column);

	if (row->verdict == AUDIT_NOT_COVERED && row->callee)
		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("%s%s%s, covered caller: %s at %s", owner, row->via ? ", via " : "",
						row->via ? row->via : "", function, site));
	else
		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("%s, via %s at %s", owner, row->via ? row->via : function, site));
	free(site);
}

/* Prints the function, what it calls, and where it was inlined. */
static void print_who(const struct audit_page *page, const struct audit_row *row)
{
	const char *function = row->site.function ? row->site.function : "";
	const struct profile_frame *physical;

	if (audit_is_at_owner(row)) {
		print_owner(page, row, function);
	} else if (row->via && row->callee && strcmp(row->via, row->callee) != 0)
		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("%s, via %s, called by %s", function, row->via, row->callee));
	else if (row->callee)
		audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s, via %s", function, row->callee));
	else if (row->runtime_call)
		print_call(page, row, function);
	else if (*function)
		audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s", function));
	if (!row->inlined_count)
		return;
	physical = &row->inlined_at[row->inlined_count - 1];
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		const struct profile_frame *frame = &row->inlined_at[i];
		char *position = audit_page_position(row->inlined_files[i], frame->line, frame->column);

		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("%s into %s at %s", frame == physical && i ? "and that" : "inlined",
						frame->function ? frame->function : "(unknown)", position));
		free(position);
	}
}

static void print_flow(const struct audit_page *page, const struct escape_annotation *annotation)
{
	for (uint32_t i = 0; i < annotation->flow_count; i++) {
		const struct escape_flow *flow = &annotation->flows[i];

		audit_page_wrap(page, (size_t)page->indent + 2,
				audit_page_text("flow: %s = %s%.*s%s", flow->to, flow->derefs < 0 ? "&" : "",
						flow->derefs > 0 ? flow->derefs : 0, "********************************",
						flow->from));
		for (uint32_t j = 0; j < flow->step_count; j++) {
			const struct escape_step *step = &flow->steps[j];
			char *position = audit_page_position(step->file, step->line, step->column);

			audit_page_wrap(
				page, (size_t)page->indent + 4,
				audit_page_text("from %s (%s) at %s", step->expression, step->reason, position));
			free(position);
		}
	}
	if (annotation->truncated)
		audit_page_wrap(page, (size_t)page->indent + 2,
				audit_page_text("(the compiler cut the explanation short)"));
}

/* Prints a one-line explanation: "x is returned by foo (return &x, line 9)". */
static void print_story(const struct audit_page *page, const struct escape_annotation *annotation)
{
	char *story = annotation->flow_count ? escape_graph_story(page->options->graph, annotation) : NULL;

	if (story)
		audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s", story));
	free(story);
}

/* Prints an annotation of a line other than the row's. */
static void print_elsewhere(const struct audit_page *page, const struct escape_annotation *annotation, const char *note)
{
	char *position = audit_page_position(annotation->file, annotation->line, annotation->column);

	audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s: %s%s", position, annotation->text, note));
	free(position);
}

/* Whether one of the row's annotations shortly before it has the same words, at another column of the same line. */
static bool said_before(const struct audit_row *row, uint32_t index)
{
	const struct escape_annotation *annotation = row->annotations[index];

	/* a line may have thousands; those of one expression are close together */
	for (uint32_t i = index > 16 ? index - 16 : 0; i < index; i++) {
		const struct escape_annotation *other = row->annotations[i];

		if (other->file == annotation->file && other->line == annotation->line &&
		    strcmp(other->text, annotation->text) == 0)
			return true;
	}
	return false;
}

/* Prints the reason: the distinct messages of the compiler. */
static void print_what(const struct audit_page *page, const struct audit_row *row)
{
	uint32_t own = row->annotation_count - row->linked_count;

	if (row->shared)
		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("one or more of these, it is unknown which:"));
	for (uint32_t i = 0; i < own; i++) {
		const struct escape_annotation *annotation = row->annotations[i];
		bool elsewhere = annotation->line != row->site.line || annotation->file != row->file;

		if (row->shared && !page->options->flow && said_before(row, i))
			continue;
		if (elsewhere)
			print_elsewhere(page, annotation, "");
		else
			audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s", annotation->text));
		if (page->options->flow)
			print_flow(page, annotation);
		else if (!row->shared)
			print_story(page, annotation);
	}
	for (uint32_t i = own; i < row->annotation_count; i++)
		print_elsewhere(page, row->annotations[i], " (in the callee itself)");
	if (row->words && !own && row->verdict != AUDIT_NOT_COVERED) /* of a store */
		audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s", row->words));
	if (row->reason && row->verdict != AUDIT_NOT_COVERED) /* the heading of the section says why */
		audit_page_wrap(page, (size_t)page->indent, audit_page_text("%s", row->reason));
}

void audit_page_proof(const struct audit_page *page, size_t indent, const char *proof)
{
	audit_page_wrap(page, indent, audit_page_text("prove it, with the change as fix.diff: %s", proof));
}

/* Prints what to do about it, and the command that proves an improvement. */
static void print_advice(const struct audit_page *page, const struct audit_row *row)
{
	const struct advice *advice = advice_for(row);
	char *proof;

	if (!advice)
		return;
	audit_page_wrap(page, (size_t)page->indent, audit_page_text("cause: %s: %s", advice->cause, advice->words));
	for (size_t i = 0; i < sizeof(advice->rewrites) / sizeof(*advice->rewrites) && advice->rewrites[i]; i++)
		audit_page_wrap(page, (size_t)page->indent, audit_page_text("try: %s", advice->rewrites[i]));
	proof = page->proof ? NULL : advice_proof(page->audit, row);
	if (proof)
		audit_page_proof(page, (size_t)page->indent, proof);
	free(proof);
}

/* Prints how well the objects of a row are known, if they are not exact. */
static void print_bounds(const struct audit_page *page, const struct audit_row *row)
{
	char low[TERMINAL_NUMBER_SIZE], high[TERMINAL_NUMBER_SIZE];

	if (row->objects_high != row->objects_low && row->objects_high != VALUE_UNMEASURED)
		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("between %s and %s objects (95 %%)%s",
						terminal_number(low, row->objects_low),
						terminal_number(high, row->objects_high),
						row->tiny_unknown ? " + an unknown number of tiny ones" : ""));
	else if (page->audit->profile->rows_least)
		audit_page_wrap(page, (size_t)page->indent,
				audit_page_text("at least %s objects", terminal_number(low, row->objects_low)));
}

void audit_page_row(const struct audit_page *page, const struct audit_row *row)
{
	if (audit_verdict_allocates(row->verdict))
		print_bounds(page, row);
	print_who(page, row);
	print_what(page, row);
	if (page->options->advice)
		print_advice(page, row);
}
