/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/advice.h"
#include "audit/audit_calls.h"
#include "audit/audit_filter.h"
#include "base/count.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "profile/precision.h"
#include "profile/report.h"
#include "audit/audit_place.h"
#include "render/render_audit_page.h"
#include "text/shorten.h"
#include "text/wrap.h"

/* A source line is a line of numbers with its place; below it, indented, are the function and the reason; of each of its rows,
 * if it has several. */
enum { SITE_COLUMN = 47, INDENT = 6, PART_INDENT = 2 };

/* What a line that calls a library allocates in how many of the library's functions: more of them tell the reader no more. */
enum { LIBRARY_PARTS = 3 };

/* Of so many rows of a line each is compared with each. */
enum { COMPARED_MOST = 64 };

static const char *share_text(int64_t value, int64_t total, char text[TERMINAL_NUMBER_SIZE])
{
	if (value == VALUE_UNMEASURED || total <= 0)
		return strcpy(text, "-");
	snprintf(text, TERMINAL_NUMBER_SIZE, "%.1f%%", 100.0 * (double)value / (double)total);
	return text;
}

/* Whether the row is of a line: tiny objects, of which nobody knows who allocated them, are not. */
static bool has_place(const struct audit_row *row)
{
	return audit_shown_place(row, NULL, NULL) != NULL;
}

static void print_values(const struct audit_page *page, const int64_t values[VALUE_COUNT])
{
	char objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], share[TERMINAL_NUMBER_SIZE];
	char refills[TERMINAL_NUMBER_SIZE], growth[TERMINAL_NUMBER_SIZE];

	fprintf(page->stream, "%11s %9s %6s %7s %9s", terminal_number(objects, values[VALUE_OBJECTS]),
		terminal_bytes(bytes, values[VALUE_BYTES]),
		share_text(values[page->cost], page->audit->whole[page->cost], share),
		terminal_number(refills, values[VALUE_REFILLS]), terminal_bytes(growth, values[VALUE_HEAP_GROW_BYTES]));
}

/* Frees the place. */
static void print_numbers(const struct audit_page *page, const int64_t values[VALUE_COUNT], char *place)
{
	size_t length = wrap_width(place, strlen(place));

	print_values(page, values);
	if (SITE_COLUMN + length <= page->width) {
		fprintf(page->stream, "  %s\n", place);
		free(place);
	} else {
		putc('\n', page->stream);
		audit_page_wrap(page, length + INDENT > page->width ? 0 : INDENT, place);
	}
}

static const char *cost_text(const struct audit_page *page, int64_t value, char text[TERMINAL_NUMBER_SIZE])
{
	return profile_values[page->cost].kinds & VALUE_IN_BYTES ? terminal_bytes(text, value)
								 : terminal_number(text, value);
}

/* "3 objects, 48B:", of what was measured. The caller frees it. */
static char *part_cost(const int64_t values[VALUE_COUNT])
{
	char objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], refills[TERMINAL_NUMBER_SIZE];
	bool has_bytes = values[VALUE_BYTES] != VALUE_UNMEASURED;

	if (values[VALUE_OBJECTS] != VALUE_UNMEASURED)
		return audit_page_text("%s object%s%s%s:", terminal_number(objects, values[VALUE_OBJECTS]),
				       values[VALUE_OBJECTS] == 1 ? "" : "s", has_bytes ? ", " : "",
				       has_bytes ? terminal_bytes(bytes, values[VALUE_BYTES]) : "");
	if (has_bytes)
		return audit_page_text("%s:", terminal_bytes(bytes, values[VALUE_BYTES]));
	return audit_page_text("%s refill%s:", terminal_number(refills, values[VALUE_REFILLS]),
			       values[VALUE_REFILLS] == 1 ? "" : "s");
}

/* Whether two rows of a line differ by their owner, and by nothing else that is printed above the compiler's words. */
static bool only_owners_differ(const struct audit_row *a, const struct audit_row *b)
{
	return a->owner && b->owner &&
	       (a->owner->line != b->owner->line || !text_same(a->owner->function, b->owner->function)) &&
	       text_same(a->site.function, b->site.function) && text_same(a->runtime_call, b->runtime_call) &&
	       text_same(a->type, b->type) && a->inlined_count == b->inlined_count;
}

/* Prints one of the several rows of a line, with its owner if that is what tells it from another one. */
static void print_part(const struct audit_page *page, const struct audit_line *line, const struct audit_row *row)
{
	struct audit_page part = *page;
	bool alike = false;

	for (size_t i = 0; !alike && i < line->count && i < COMPARED_MOST; i++)
		alike = only_owners_differ(row, &page->audit->rows[page->lines.rows[line->first + i]]);
	audit_page_wrap(page, INDENT, part_cost(row->values));
	part.indent += PART_INDENT;
	if (alike && !audit_is_at_owner(row))
		audit_page_owner(&part, row);
	audit_page_row(&part, row);
}

/* How many of a line's rows are listed if each is worth it. */
static size_t part_limit(const struct audit_page *page, const struct audit_line *line)
{
	return page->options->rows && line->verdict == AUDIT_NOT_COVERED ? LIBRARY_PARTS : line->count;
}

/* Prints a line with several rows, and omits those of them that cost less than any line that is listed. */
static void print_parts(const struct audit_page *page, const struct audit_line *line)
{
	const size_t *rows = page->lines.rows + line->first;
	const struct audit_row *first = &page->audit->rows[rows[0]];
	char sum_text[TERMINAL_NUMBER_SIZE], most_text[TERMINAL_NUMBER_SIZE];
	int64_t sum = 0, most = 0;
	size_t shown = 0, limit = part_limit(page, line);
	uint32_t number;
	const char *file = audit_shown_place(first, &number, NULL);

	print_numbers(page, line->values, audit_page_text("%s:%" PRIu32 ", %zu sites", file, number, line->count));
	for (size_t i = 0; i < line->count; i++) {
		const struct audit_row *row = &page->audit->rows[rows[i]];
		int64_t cost = row->values[page->cost];

		if (shown == i && i < limit && (!i || cost >= page->cheapest)) {
			print_part(page, line, row);
			shown++;
			continue;
		}
		sum = profile_add_measured(sum, cost);
		most = cost > most ? cost : most;
	}
	if (shown < line->count)
		audit_page_wrap(
			page, INDENT,
			audit_page_text("%zu more of this line, each at most %s, together %s: --verdict %s lists %s",
					line->count - shown, cost_text(page, most, most_text),
					cost_text(page, sum, sum_text), audit_verdict_name(line->verdict),
					line->count - shown == 1 ? "it" : "them"));
}

/* Where a line of the list is shown; without the column if several sites are there. The caller frees it. */
static char *line_place(const struct audit_page *page, const struct audit_line *line)
{
	uint32_t number, column;
	const char *file = audit_shown_place(&page->audit->rows[page->lines.rows[line->first]], &number, &column);

	return audit_page_position(file, number, line->count > 1 ? 0 : column);
}

static void print_line(const struct audit_page *page, const struct audit_line *line)
{
	const struct audit_row *row = &page->audit->rows[page->lines.rows[line->first]];

	if (line->count > 1) {
		print_parts(page, line);
		return;
	}
	if (audit_verdict_allocates(row->verdict))
		print_numbers(page, row->values, line_place(page, line));
	else
		audit_page_wrap(page, 2, audit_page_position(row->file, row->site.line, row->site.column));
	audit_page_row(page, row);
}

/* Prints how many lines a section omits, and that none of them costs more than those shown. */
static void print_hidden(const struct audit_page *page, int verdict)
{
	char share[TERMINAL_NUMBER_SIZE], most[TERMINAL_NUMBER_SIZE];
	int64_t sum = 0, greatest = 0;
	size_t hidden = 0;

	for (size_t i = 0; i < page->lines.count; i++) {
		const struct audit_line *line = &page->lines.list[i];

		if (line->verdict != verdict || page->shown[i])
			continue;
		hidden++;
		sum = profile_add_measured(sum, line->values[page->cost]);
		greatest = line->values[page->cost] > greatest ? line->values[page->cost] : greatest;
	}
	if (!hidden)
		return;
	audit_page_wrap(page, INDENT,
			audit_page_text("%zu more line%s, each at most %s, together %s: --verdict %s lists them",
					hidden, hidden == 1 ? "" : "s", cost_text(page, greatest, most),
					share_text(sum, page->audit->whole[page->cost], share),
					audit_verdict_name(verdict)));
}

static void print_section_head(const struct audit_page *page, int verdict, bool columns)
{
	putc('\n', page->stream);
	fprintf(page->stream, "%s%s%s: %s\n", page->style->bold, audit_verdict_name(verdict), page->style->reset,
		audit_verdict_meaning(page->audit, verdict));
	if (columns && audit_verdict_allocates(verdict))
		fprintf(page->stream, "%11s %9s %6s %7s %9s  %s\n", "OBJECTS", "BYTES", "SHARE", "REFILLS", "HEAP GROW",
			"SITE");
}

static void print_section(const struct audit_page *page, int verdict)
{
	const struct audit *audit = page->audit;
	uint64_t sites = audit->sums[verdict].rows, over_top = audit->over_top[verdict], listed = 0;
	char count[TERMINAL_NUMBER_SIZE];
	bool any_shown = false;

	for (size_t i = 0; i < page->lines.count; i++) {
		if (page->lines.list[i].verdict != verdict)
			continue;
		listed += page->lines.list[i].count;
		any_shown |= page->shown[i];
	}
	if (!listed)
		return;
	print_section_head(page, verdict, any_shown);
	for (size_t i = 0; i < page->lines.count; i++)
		if (page->shown[i] && page->lines.list[i].verdict == verdict)
			print_line(page, &page->lines.list[i]);
	print_hidden(page, verdict);
	if (over_top)
		audit_page_wrap(
			page, INDENT,
			audit_page_text("%s more: --top 0 lists all", terminal_number(count, (int64_t)over_top)));
	if (listed + over_top < sites)
		audit_page_wrap(page, INDENT,
				audit_page_text("%s of %s left out by the filters",
						terminal_number(count, (int64_t)(sites - listed - over_top)),
						audit_verdict_name(verdict)));
}

/* --- which lines --- */

static int by_cost(const void *x, const void *y, void *argument)
{
	const struct audit_page *page = argument;
	size_t a = *(const size_t *)x, b = *(const size_t *)y;
	int64_t left = page->lines.list[a].values[page->cost], right = page->lines.list[b].values[page->cost];

	if (left != right)
		return left > right ? -1 : 1;
	return a < b ? -1 : a > b;
}

/*
 * Selects the lines to list: the most expensive of all verdicts, so that no omitted one costs more than a listed one.
 * Allocations without an owner are not sites: print_verdicts() has them as one line, unless they were asked for.
 */
static void choose_lines(struct audit_page *page, unsigned verdicts)
{
	size_t *order, count, limit = page->options->rows;

	audit_lines_collect(&page->lines, page->audit, verdicts, page->cost);
	count = page->lines.count;
	order = memory_zeroed(count + 1, sizeof(*order));
	page->shown = memory_zeroed(count + 1, sizeof(*page->shown));
	for (size_t i = 0; i < count; i++)
		order[i] = i;
	if (count)
		qsort_r(order, count, sizeof(*order), by_cost, page);
	for (size_t i = 0; i < count && (!limit || i < limit); i++) {
		page->shown[order[i]] = true;
		page->cheapest = limit && limit < count ? page->lines.list[order[i]].values[page->cost] : INT64_MIN;
	}
	free(order);
}

/* --- head and foot --- */

static void print_verdicts(const struct audit_page *page)
{
	const struct audit *audit = page->audit;
	char rows[TERMINAL_NUMBER_SIZE], objects[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE],
		share[TERMINAL_NUMBER_SIZE];

	fprintf(page->stream, "\n%-15s %7s %11s %9s %6s\n", "VERDICT", "SITES", "OBJECTS", "BYTES", "SHARE");
	for (int i = 0; i <= AUDIT_OUTSIDE; i++) {
		const struct audit_sum *sum = &audit->sums[i];
		bool allocates = audit_verdict_allocates(i);

		if (!sum->rows)
			continue;
		fprintf(page->stream, "%-15s %7s %11s %9s %6s%s\n", audit_verdict_name(i),
			i == AUDIT_OUTSIDE ? "-" : terminal_number(rows, (int64_t)sum->rows),
			allocates ? terminal_number(objects, sum->values[VALUE_OBJECTS]) : "-",
			allocates ? terminal_bytes(bytes, sum->values[VALUE_BYTES]) : "-",
			allocates ? share_text(sum->values[page->cost], audit->whole[page->cost], share) : "-",
			i == AUDIT_OUTSIDE ? "  no line of the program" : "");
	}
}

/* Whether the table of verdicts has a line, down to that of `last`: of one that allocates, or of any. */
static bool has_sums(const struct audit *audit, int last, bool allocating)
{
	for (int i = 0; i <= last; i++) {
		if (audit->sums[i].rows && (!allocating || audit_verdict_allocates(i)))
			return true;
	}
	return false;
}

/* Prints a sentence in the place of a table. */
static void print_nothing(const struct audit_page *page, const char *sentence)
{
	putc('\n', page->stream);
	audit_page_wrap(page, 0, audit_page_text("%s", sentence));
}

/* Says why no row is listed, if the verdicts' sums do not say it. */
static void print_no_rows(const struct audit_page *page)
{
	for (size_t i = 0; i < page->lines.count; i++) {
		if (page->shown[i])
			return;
	}
	if (!has_sums(page->audit, AUDIT_OUTSIDE, true))
		print_nothing(page, precision_nothing(page->audit->profile));
	else if (page->options->verdicts)
		print_nothing(page, "no line to list has the verdict that was asked for");
	else if (has_sums(page->audit, AUDIT_OUTSIDE - 1, true))
		print_nothing(page, "no line passes the filters");
	else
		print_nothing(page, page->audit->profile->module_count
					    ? "no package of --module allocated: --verdict outside lists what did"
					    : "no line of the program's own module allocated: --module GLOB names the "
					      "packages that are yours");
}

/* What to do about a row: the first remedy of its cause or, if that is unknown, what its verdict asks for. The caller
 * frees it. */
static char *what_to_do(const struct audit_page *page, const struct audit_row *row)
{
	const struct advice *advice = advice_for(row);

	if (row->verdict == AUDIT_NOT_COVERED && row->owner && !row->via)
		return memory_text(
			"the compiler's output lacks its package: 'go build -gcflags=-m=2 ./...' in the module's "
			"directory has the words about all of its packages");
	/* what the call does not explain may be of another build: to be checked first */
	if (!advice || (row->verdict == AUDIT_CONTRADICTED && !call_has_room_on_the_stack(row->runtime_call)))
		return memory_text(audit_verdicts[row->verdict].advice);
	return memory_format("%s; %s%s", advice->words, advice->rewrites[0],
			     page->options->advice ? "" : "; --advice prints what else there is to try");
}

/* Returns what to do if the samples are too few to tell; NULL: nothing. The caller frees it. */
static char *doubt_of(const struct audit *audit)
{
	return audit->tells ? NULL : precision_advice(audit->profile, audit->totals[VALUE_OBJECTS]);
}

/* Prints one line about where to begin. If the lines of most of the costs are unknown, the costliest is, too; and if it is
 * known no better than to a factor of two, another one may be. */
static void print_next(const struct audit_page *page)
{
	const struct audit *audit = page->audit;
	const struct audit_line *costliest = NULL;
	char share[TERMINAL_NUMBER_SIZE], *place, *todo, *doubt = doubt_of(audit);

	free(doubt);
	if (doubt || audit->totals[page->cost] < audit->whole[page->cost] / 2)
		return;
	for (size_t i = 0; i < page->lines.count; i++) {
		const struct audit_line *line = &page->lines.list[i];

		if (page->shown[i] && audit_verdict_allocates(line->verdict) && line->verdict != AUDIT_OUTSIDE &&
		    has_place(&audit->rows[page->lines.rows[line->first]]) &&
		    (!costliest || line->values[page->cost] > costliest->values[page->cost]))
			costliest = line;
	}
	if (!costliest)
		return;
	place = line_place(page, costliest);
	todo = what_to_do(page, &audit->rows[page->lines.rows[costliest->first]]);
	putc('\n', page->stream);
	audit_page_wrap(page, 0,
			audit_page_text("next: begin with %s (%s, %s of the %s): %s", place,
					audit_verdict_name(costliest->verdict),
					share_text(costliest->values[page->cost], audit->whole[page->cost], share),
					profile_values[page->cost].plural, todo));
	free(place);
	free(todo);
}

/* The command that proves a change, if it is the same for all rows that are listed with advice; else NULL. The caller
 * frees it. */
static char *common_proof(const struct audit_page *page)
{
	char *common = NULL;

	for (size_t i = 0; i < page->lines.count; i++) {
		const struct audit_line *line = &page->lines.list[i];

		for (size_t j = 0; page->shown[i] && j < line->count; j++) {
			const struct audit_row *row = &page->audit->rows[page->lines.rows[line->first + j]];
			char *proof = advice_for(row) ? advice_proof(page->audit, row) : NULL;

			if (proof && common && strcmp(proof, common) != 0) {
				free(proof);
				free(common);
				return NULL;
			}
			if (common)
				free(proof);
			else
				common = proof;
		}
	}
	return common;
}

/* Prints once what else each row would repeat. */
static void print_proof(const struct audit_page *page)
{
	if (!page->proof)
		return;
	putc('\n', page->stream);
	audit_page_proof(page, 0, page->proof);
	/* Nothing in a recording says whether the program ends by itself. */
	if (strstr(page->proof, " -- go run "))
		audit_page_wrap(page, 0,
				audit_page_text("of a service, which does not end, measure a benchmark instead: "
						"-- go test -bench . ./..."));
}

/* What the lines are if they are not exact: "lines estimated from a sample every 512KiB". */
static char *estimate_text(const struct profile *profile)
{
	char rate[TERMINAL_NUMBER_SIZE], bursts[PROFILE_BURSTS_TEXT];

	if (profile_bursts_text(profile, bursts))
		return memory_format("lines estimated from %s", bursts);
	if (profile->rate > 1)
		return memory_format("lines estimated from a sample every %s", terminal_bytes(rate, profile->rate));
	if (profile->rows_exact)
		return memory_text("of tiny objects only the blocks that they share");
	return memory_text("lines estimated");
}

char *audit_head_text(const struct audit *audit)
{
	const struct profile *profile = audit->profile;
	const int64_t *totals = audit->totals;
	int64_t whole[VALUE_COUNT];
	char hidden[64] = "";
	bool measured, exact;
	char number[TERMINAL_NUMBER_SIZE], bytes[TERMINAL_NUMBER_SIZE], known[TERMINAL_NUMBER_SIZE], *estimate = NULL,
												     *text;

	profile_totals(profile, whole);
	exact = profile->totals_exact && whole[VALUE_OBJECTS] != VALUE_UNMEASURED &&
		whole[VALUE_BYTES] != VALUE_UNMEASURED;
	measured = totals[VALUE_OBJECTS] != VALUE_UNMEASURED;
	if (!measured && totals[VALUE_REFILLS] == VALUE_UNMEASURED)
		return memory_format("about %s, objects not measured", terminal_bytes(bytes, totals[VALUE_BYTES]));
	if (!measured)
		return memory_format("%s refills, objects by line not measured",
				     terminal_number(number, totals[VALUE_REFILLS]));
	if (profile->rows_least && exact && whole[VALUE_OBJECTS] > totals[VALUE_OBJECTS])
		return memory_format("%s objects, %s; lines are known of %s of them: lower bounds, see the warnings",
				     terminal_number(number, whole[VALUE_OBJECTS]),
				     terminal_bytes(bytes, whole[VALUE_BYTES]),
				     terminal_number(known, totals[VALUE_OBJECTS]));
	if (profile_is_exact(profile) || profile->rows_least)
		return memory_format(
			"%s%s objects, %s%s", profile->rows_least ? "at least " : "",
			terminal_number(number, totals[VALUE_OBJECTS]), terminal_bytes(bytes, totals[VALUE_BYTES]),
			profile->rows_least ? ": the warnings say what is in no row" : ", every allocation counted");
	totals = exact ? whole : totals;
	estimate = estimate_text(profile);
	if (audit->whole[VALUE_OBJECTS] - audit->totals[VALUE_OBJECTS] > audit->whole[VALUE_OBJECTS] / 100)
		snprintf(hidden, sizeof(hidden), "; %" PRId64 " objects are in no row",
			 audit->whole[VALUE_OBJECTS] - audit->totals[VALUE_OBJECTS]);
	text = memory_format("%s%s objects, %s; %s%s", exact ? "" : "about ",
			     terminal_number(number, totals[VALUE_OBJECTS]), terminal_bytes(bytes, totals[VALUE_BYTES]),
			     estimate, hidden);
	free(estimate);
	return text;
}

/* Prints "100 objects, 800B, every allocation counted" and the target. */
static void print_head(const struct audit_page *page)
{
	const struct profile *profile = page->audit->profile;
	char *text = audit_head_text(page->audit), command[SHORTEN_COMMAND_SIZE];

	audit_page_wrap(page, 0,
			audit_page_text("%s%s%s", text, profile->target ? ": " : "",
					profile->target ? shorten_command(command, profile->target) : ""));
	free(text);
}

/* Says what to do if the intervals are so wide that they tell nothing. */
static void print_precision(const struct audit_page *page)
{
	char *advice = doubt_of(page->audit);

	if (advice)
		audit_page_wrap(page, 0, audit_page_text("%s", advice));
	free(advice);
}

void render_audit_text(const struct audit *audit, const struct render_audit_options *options, FILE *stream)
{
	bool unnamed = false;
	struct audit_page page = {.stream = stream,
				  .unnamed = &unnamed,
				  .width = (size_t)terminal_width(stream),
				  .style = terminal_style(terminal_has_color(options->color, stream)),
				  .audit = audit,
				  .options = options,
				  .indent = INDENT};
	unsigned verdicts = options->verdicts;

	page.cost = options->sort == AUDIT_BY_SITE ? VALUE_BYTES : (enum profile_value)options->sort;
	if (!(audit->profile->row_measured & 1u << page.cost))
		page.cost = report_default_sort(audit->profile);
	for (int i = 0; i < AUDIT_VERDICT_COUNT && !options->verdicts; i++)
		verdicts |= audit_verdict_allocates(i) ? 1u << i : 0;
	choose_lines(&page, verdicts);
	page.proof = options->advice ? common_proof(&page) : NULL;
	print_head(&page);
	print_precision(&page);
	if (has_sums(audit, AUDIT_OUTSIDE, false))
		print_verdicts(&page);
	for (int i = 0; i <= AUDIT_OUTSIDE; i++) {
		if (verdicts & 1U << i)
			print_section(&page, i);
	}
	if (unnamed) {
		putc('\n', stream);
		audit_page_wrap(&page, 0, audit_page_text("%s", escape_result_words));
	}
	print_no_rows(&page);
	print_proof(&page);
	print_next(&page);
	free(page.proof);
	free(page.shown);
	audit_lines_free(&page.lines);
}
