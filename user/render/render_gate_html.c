/* SPDX-License-Identifier: BSD-2-Clause */
/* The page of a gate, and the sections that it shares with that of a comparison, as they stand without scripts. */
#include "render/render_gate_html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/append.h"
#include "base/command_line.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "gate/gate_modules.h"
#include "gate/gate_packages.h"
#include "text/html_writer.h"
#include "text/terminal.h"

enum { STATIC_ROWS = 200 };

/* --- the head --- */

/* The program's name; "" if it is unknown. */
static const char *program_of(const struct gate *gate)
{
	const char *const *command = gate->after->command;

	return command && *command ? text_base_name(*command) : "";
}

static bool says_nothing(const struct gate *gate)
{
	return !gate->failed && profile_loss_any(&gate->loss);
}

static const char *result_word(const struct gate *gate)
{
	return gate->failed ? "failed" : says_nothing(gate) ? "cannot be said" : "passed";
}

/* "main.parse, main.go:12: 201 objects (200 before), 3,216 bytes (3,200 before)" */
static const char *row_text(char text[GATE_TEXT_SIZE], const struct gate_html *html, const struct gate_row *row)
{
	const struct gate *gate = html->gate;
	const struct gate_site *site = gate_row_site(row);
	const char *separator = ": ";
	char name[GATE_NAME_SIZE], numbers[2][40], place[GATE_TEXT_SIZE];

	snprintf(text, GATE_TEXT_SIZE, "%.800s", site->function ? site->function : "a function that is not known");
	if (!gate_row_is_contract(row))
		text_append(text, GATE_TEXT_SIZE, "%s", gate_in_benchmark(name, gate, site));
	if (*gate_place(place, site))
		text_append(text, GATE_TEXT_SIZE, ", %.500s", place);
	for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
		double before = gate_value_shown(gate->before, row->before, value),
		       after = gate_value_shown(gate->after, row->after, value);

		if (after < 0 || (value != VALUE_OBJECTS && before == after) || (before < 0 && value != VALUE_OBJECTS))
			continue;
		text_append(text, GATE_TEXT_SIZE, "%s%s %s", separator, gate_grouped(numbers[0], after),
			    gate_value_name(value, html->style));
		if (before >= 0)
			text_append(text, GATE_TEXT_SIZE, gate_row_is_contract(row) ? " (%s allowed)" : " (%s before)",
				    gate_grouped(numbers[1], before));
		separator = ", ";
	}
	return text;
}

/* Why it failed: how much fails, and the first of it. */
static void say_failed(char text[GATE_TEXT_SIZE], const struct gate_html *html)
{
	size_t broken = html->broken_contracts, sites = html->failing_sites;
	const struct gate_row *first = NULL;
	char row[GATE_TEXT_SIZE];

	for (size_t i = 0; i < html->gate->row_count && !first; i++)
		first = html->gate->rows[i].fails ? &html->gate->rows[i] : NULL;
	text_append(text, GATE_TEXT_SIZE, "Failed%s: ", html->style->advisory ? " (advisory)" : "");
	if (broken)
		text_append(text, GATE_TEXT_SIZE, "%zu contract%s broken%s", broken, broken == 1 ? " is" : "s are",
			    sites ? ", and " : "");
	if (sites)
		text_append(text, GATE_TEXT_SIZE, "%zu site%s more than %s", sites, sites == 1 ? " has" : "s have",
			    html->page->policy && html->page->policy->rule_count ? "is allowed" : "before");
	if (first)
		text_append(text, GATE_TEXT_SIZE, "%s %.1500s.", broken + sites > 1 ? "; the first is" : ":",
			    row_text(row, html, first));
}

/* Why a row with more than before does not fail. */
enum excuse { EXCUSE_TOLERATED, EXCUSE_SUM, EXCUSE_CHANCE, EXCUSE_ONE_SIDED, EXCUSES };

static enum excuse excuse_of(const struct gate *gate, const struct gate_row *row)
{
	if (row->fails || gate_row_is_contract(row) || gate_row_site(row)->below_contract ||
	    !gate_html_has_grown(gate, row))
		return EXCUSES;
	if (row->one_sided)
		return EXCUSE_ONE_SIDED;
	if (row->note)
		return EXCUSE_SUM;
	return row->change == GATE_TOLERATED ? EXCUSE_TOLERATED : row->change == GATE_NOISY ? EXCUSE_CHANCE : EXCUSES;
}

/* The benchmarks whose own sums are more than before: what is not judged is in these, too. */
static size_t grown_benchmarks(const struct gate_html *html)
{
	struct gate_style style = *html->style;
	struct gate_sums *sums;
	size_t count = 0;

	style.all = true;
	sums = gate_sums_new(html->gate, &style);
	for (size_t i = 0; i < sums->count; i++) {
		const struct gate_sum *sum = &sums->sums[i];

		count += sum->benchmark && ((sum->before[0] >= 0 && sum->after[0] > sum->before[0]) ||
					    (sum->before[1] >= 0 && sum->after[1] > sum->before[1]));
	}
	gate_sums_free(sums);
	return count;
}

static void say_passed(char text[GATE_TEXT_SIZE], const struct gate_html *html)
{
	static const char *const words[EXCUSES] = {
		[EXCUSE_TOLERATED] = "within the tolerance",
		[EXCUSE_SUM] = "in what as a whole has no more",
		[EXCUSE_CHANCE] = "by what chance may explain",
		[EXCUSE_ONE_SIDED] = "in benchmarks that only one side has",
	};
	const struct gate *gate = html->gate;
	size_t excused[EXCUSES + 1] = {0}, benchmarks;
	char changes[GATE_TEXT_SIZE];
	const char *separator = " There is more than before, which does not fail: ";

	if (!gate_has_before(gate)) {
		text_append(text, GATE_TEXT_SIZE, "Passed: each contract is kept.");
		return;
	}
	for (size_t i = 0; i < gate->row_count; i++)
		excused[excuse_of(gate, &gate->rows[i])]++;
	text_append(text, GATE_TEXT_SIZE, "Passed: no site that is judged has more than %s; %.1000s.",
		    excused[EXCUSE_TOLERATED] + excused[EXCUSE_SUM] + excused[EXCUSE_CHANCE] ? "is allowed" : "before",
		    gate_changes_text(changes, gate));
	for (int i = 0; i < EXCUSES; i++) {
		if (!excused[i])
			continue;
		text_append(text, GATE_TEXT_SIZE, "%s%zu site%s %s", separator, excused[i], excused[i] == 1 ? "" : "s",
			    words[i]);
		separator = ", ";
	}
	benchmarks = grown_benchmarks(html);
	if (benchmarks) {
		text_append(text, GATE_TEXT_SIZE, "%sthe sum%s of %zu benchmark%s, which ha%s what is not judged, too",
			    separator, benchmarks == 1 ? "" : "s", benchmarks, benchmarks == 1 ? "" : "s",
			    benchmarks == 1 ? "s" : "ve");
		separator = ", ";
	}
	if (*separator == ',')
		text_append(text, GATE_TEXT_SIZE, ".");
}

/* Whether something may have more than before, or is judged by a contract. */
static bool has_limits(const struct gate_html *html)
{
	const struct gate_contracts *contracts = html->gate->contracts;

	return (contracts && gate_contracts_count(contracts)) || (html->page->policy && html->page->policy->rule_count);
}

/* The verdict, in a sentence or two. */
static const char *verdict_text(char text[GATE_TEXT_SIZE], const struct gate_html *html)
{
	const struct profile_loss *loss = &html->gate->loss;

	*text = 0;
	if (html->gate->failed)
		say_failed(text, html);
	else if (says_nothing(html->gate))
		text_append(text, GATE_TEXT_SIZE,
			    "It cannot be said whether it passed: what was counted is not more than %s, but %" PRId64
			    " events and %" PRId64 " stacks were lost and %" PRId64
			    " objects are missing, so that the counts are lower bounds.",
			    has_limits(html) ? "is allowed" : "before", loss->events, loss->stacks, loss->unexplained);
	else
		say_passed(text, html);
	return text;
}

/* Whether the baseline is one that is kept: in the tree, not an absolute path that a CI job has made up. */
static bool may_update(const struct gate_html *html)
{
	return html->page->updates && html->page->before[0] != '/';
}

/* What a reader can do about a gate that failed. */
static void write_remedy(FILE *stream, const struct gate_html *html)
{
	if (!html->gate->failed)
		return;
	fputs("<p>To do: open a row of <a href=\"#fails\">what fails</a>. It has the line, what the compiler says of it, "
	      "and the stacks that lead there.",
	      stream);
	if (html->broken_contracts)
		fputs(" A contract is kept again when nothing below its function allocates more than its limit.",
		      stream);
	/* of the command, only its user knows all options, which a baseline that can be compared depends on */
	if (html->failing_sites && may_update(html))
		fputs(" If what is new is intended, allow it in the policy, or write the baseline anew: run the same command "
		      "with <code>--update</code>.",
		      stream);
	else if (html->failing_sites)
		fputs(" If what is new is intended, allow it: <code>--tolerance</code>, or a rule of the policy.",
		      stream);
	fputs("</p>\n", stream);
}

/* "objects 1 %, bytes 4,096" */
static void rule_text(char text[GATE_TEXT_SIZE], const struct policy_rule *rule)
{
	char number[40];

	*text = 0;
	for (int i = 0; i < POLICY_VALUES; i++) {
		const struct policy_limit *limit = &rule->limits[i];
		const char *name = profile_values[policy_values[i]].plural;

		if (!limit->given)
			continue;
		text_append(text, GATE_TEXT_SIZE, "%s", *text ? ", " : "");
		if (limit->percent > 0 || limit->absolute <= 0)
			text_append(text, GATE_TEXT_SIZE, "%s %s %%%s", name, gate_number(number, limit->percent),
				    limit->absolute > 0 ? " or " : "");
		if (limit->absolute > 0)
			text_append(text, GATE_TEXT_SIZE, "%s%s", limit->percent > 0 ? "" : name,
				    limit->percent > 0 ? "" : " ");
		if (limit->absolute > 0)
			text_append(text, GATE_TEXT_SIZE, "%s", gate_grouped(number, limit->absolute));
	}
	text_append(text, GATE_TEXT_SIZE, " %s%.1000s", strcmp(rule->glob, "*") == 0 ? "everywhere" : "in ",
		    strcmp(rule->glob, "*") == 0 ? "" : rule->glob);
}

static void write_allowed(FILE *stream, const struct gate_html *html)
{
	const struct policy *policy = html->page->policy;
	char text[GATE_TEXT_SIZE];

	if (!policy || !gate_has_before(html->gate))
		return;
	if (!policy->rule_count)
		page_fact(stream, "allowed to grow", "by nothing");
	for (size_t i = 0; i < policy->rule_count; i++) {
		rule_text(text, &policy->rules[i]);
		page_fact(stream, i ? "" : "allowed to grow", text);
	}
	page_fact(stream, "judged",
		  policy->strict ? "each site (--strict)" : "the sum of each benchmark, or of the program");
}

/* How exact the counts are. */
static const char *exactness(const struct gate_html *html)
{
	const struct gate *gate = html->gate;

	if (strcmp(html->style->what, "objects") != 0)
		return "what the compiler says; nothing was run";
	if (gate->after->rate <= 0 || (gate->before->rate <= 0 && gate_has_before(gate)))
		return "as the profiles have them, which do not both say how they were counted";
	if (gate->before->without_intervals || gate->after->without_intervals)
		return "estimates, as the profiles have them, without intervals: a change may be chance";
	if (gate->estimated)
		return "estimates from samples, with 95 % intervals; what chance explains is no change";
	if (gate->before->tiny_in_blocks || gate->after->tiny_in_blocks)
		return "exact, but for tiny objects (below 16 bytes, without pointers), of which heap profiles of Go have only "
		       "the blocks that they share";
	return gate->before->rate <= 1 && gate->after->rate <= 1 ? "exact: every allocation was counted"
								 : "estimates from samples";
}

/* Whether a site has the compiler's words. */
static bool says_words(const struct gate *gate)
{
	for (size_t i = 0; i < gate->row_count; i++) {
		if (gate_row_site(&gate->rows[i])->annotation && !gate_row_is_contract(&gate->rows[i]))
			return true;
	}
	return false;
}

void gate_html_facts(FILE *stream, const struct gate_html *html)
{
	const struct gate *gate = html->gate;

	page_fact(stream, "counts", exactness(html));
	if (gate->after->normalize)
		html_format(stream, "<dt>per iteration</dt><dd>counts are divided by %s</dd>\n",
			    gate->after->normalize);
	write_allowed(stream, html);
	if (!says_words(gate) && strcmp(html->style->what, "objects") == 0)
		page_fact(stream, "compiler", "not asked; with --escape the page says why a site allocates");
	if (html->page->stacks && gate->after->runs > 1)
		page_fact(stream, "stacks", "those of the first run");
}

static void write_gate_facts(FILE *stream, const struct gate_html *html)
{
	const struct gate *gate = html->gate;
	char times[64], start[PAGE_TIME_SIZE], *command = command_line_text(gate->after->command);
	bool measured = !html->page->after && strcmp(html->style->what, "objects") == 0;

	if (measured && *command)
		page_fact(stream, "run", command);
	snprintf(times, sizeof(times),
		 gate->after->runs > 1 ? "%d times; the smallest count of each site decides" : "once",
		 gate->after->runs);
	if (measured)
		page_fact(stream, "how often", times);
	if (html->page->stacks && *page_time_text(start, html->page->stacks->start_ns))
		page_fact(stream, "when", start);
	if (html->page->before)
		html_format(stream, "<dt>%s</dt><dd>%s</dd>\n", html->page->updates ? "baseline" : "before",
			    html->page->redact ? text_base_name(html->page->before) : html->page->before);
	if (html->page->after)
		page_fact(stream, "after", html->page->redact ? text_base_name(html->page->after) : html->page->after);
	if (gate->after->runtime)
		page_fact(stream, "runtime", gate->after->runtime);
	free(command);
}

void gate_html_warnings(FILE *stream, const struct gate_html *html)
{
	const struct gate_counts *after = html->gate->after;
	bool measured = !html->is_comparison && !html->page->after; /* of two recordings, the other may have the glob */
	char text[GATE_TEXT_SIZE];

	for (size_t i = 0; i < after->module_count && measured; i++) {
		if (after->modules[i].matched)
			continue;
		gate_module_warning(text, sizeof(text), &after->modules[i]);
		text_append(text, sizeof(text), ".");
		page_warning(stream, text);
	}
	if (profile_loss_any(&html->gate->loss))
		page_warning(stream, "Events were lost, or objects are missing: the counts are lower bounds.");
}

void gate_html_navigation(FILE *stream, const struct gate_html *html, const char *more)
{
	static const char *const names[GATE_HTML_LISTS] = {"",	    "Better",	     "More, allowed", "By chance",
							   "Moved", "One side only", "Unchanged"};
	const struct gate *gate = html->gate;

	fprintf(stream, "<nav aria-label=\"parts of this page\"><ul>%s", more);
	for (int i = 0; i < GATE_HTML_LISTS; i++) {
		if (html->lists[i].count)
			fprintf(stream, "<li><a href=\"#%s\">%s</a></li>", html->lists[i].id,
				i		      ? names[i]
				: html->is_comparison ? "Worse"
						      : "Fails");
		if (i == GATE_HTML_ALLOWED && gate_has_before(gate))
			fputs("<li><a href=\"#sums\">Sums</a></li>", stream);
	}
	fprintf(stream, "%s<li><a href=\"#about\">About</a></li></ul></nav>\n",
		gate_html_has_stacks(html) ? "<li><a href=\"#flame\">Flame graph</a></li>" : "");
}

/* --- lists --- */

/* "201", with the range of a side; "before" of a contract is what it allows. */
static void write_numbers(FILE *stream, const struct gate_html *html, const struct gate_row *row,
			  enum profile_value value, const char *const *columns)
{
	const struct gate *gate = html->gate;
	char before[72], after[72], growth[40];

	page_cell(stream, columns[0], gate_before_text(before, gate, row, value));
	page_cell(stream, columns[1], gate_count_text(after, gate->after, row->after, value));
	page_cell(stream, columns[2], gate_growth_text(growth, gate, row, value));
}

static void static_row(FILE *stream, const struct gate_html *html, const struct gate_row *row,
		       const char *const *columns, bool bytes)
{
	const struct gate_site *site = gate_row_site(row);
	char word[64], text[GATE_TEXT_SIZE];

	snprintf(word, sizeof(word), "%s%s", row->note ? "note, " : "", gate_row_word(row));
	page_row_begin(stream);
	page_cell(stream, *columns++, word);
	page_place_cell(stream, *columns++, gate_place(text, site),
			site->function ? site->function : "(unknown function)", site->via);
	write_numbers(stream, html, row, VALUE_OBJECTS, columns);
	columns += 3;
	if (bytes) {
		write_numbers(stream, html, row, VALUE_BYTES, columns);
		columns += 3;
	}
	page_cell(stream, *columns, gate_html_words(text, row));
	page_row_end(stream);
}

static void write_static_list(FILE *stream, const struct gate_html *html, const struct page_list *list)
{
	bool bytes = page_measures_have(&html->measures, VALUE_BYTES);
	char names[6][64];
	const char *columns[10] = {"Change", "Site"};
	size_t count = 2;

	for (int i = 0; i < (bytes ? 2 : 1); i++) {
		const char *name = gate_value_name(i ? VALUE_BYTES : VALUE_OBJECTS, html->style);

		snprintf(names[3 * i], sizeof(names[0]), "#%s before", name);
		snprintf(names[3 * i + 1], sizeof(names[0]), "#%s", name);
		snprintf(names[3 * i + 2], sizeof(names[0]), "#change");
		for (int j = 0; j < 3; j++)
			columns[count++] = names[3 * i + j];
	}
	columns[count] = "Compiler";
	fputs("<div class=\"static\">\n", stream);
	page_table_begin(stream, list->caption, columns);
	for (size_t i = 0; i < list->count && i < STATIC_ROWS; i++)
		static_row(stream, html, html->rows[list->first + i], columns, bytes);
	page_table_end(stream);
	if (list->count > STATIC_ROWS)
		fprintf(stream, "<p>%zu more rows need scripts.</p>\n", list->count - STATIC_ROWS);
	fputs("</div>\n", stream);
}

static void write_list(FILE *stream, const struct gate_html *html, enum gate_html_list which)
{
	const struct page_list *list = &html->lists[which];
	bool folded = which > GATE_HTML_ALLOWED;

	if (!list->count)
		return;
	fprintf(stream, "<section id=\"%s\">", list->id);
	html_format(stream, folded ? "<details><summary><h2>%s</h2></summary>\n" : "<h2>%s</h2>\n", list->caption);
	write_static_list(stream, html, list);
	fputs(folded ? "</details></section>\n" : "</section>\n", stream);
}

/* --- sums --- */

static void sum_cells(FILE *stream, double before, double after, bool lacks, const char *const *columns)
{
	char numbers[2][40], change[80], percent[32];

	page_cell(stream, columns[0], before < 0 ? "-" : gate_grouped(numbers[0], before));
	page_cell(stream, columns[1], after < 0 ? "-" : gate_grouped(numbers[1], after));
	*change = 0;
	if (before >= 0 && after >= 0 && before != after && !lacks) {
		gate_percent(percent, before, after);
		snprintf(change, sizeof(change), "%s%s%s%s%s", after > before ? "+" : "\xe2\x88\x92",
			 gate_grouped(numbers[0], after > before ? after - before : before - after),
			 *percent ? " (" : "", percent, *percent ? ")" : "");
	}
	page_cell(stream, columns[2], change);
}

static bool has_changed(const struct gate_sum *sum)
{
	return sum->before[0] != sum->after[0] || sum->before[1] != sum->after[1];
}

/* The sums of one table: those that changed, or those that did not. Returns whether there are any. */
static bool write_sum_table(FILE *stream, const struct gate_html *html, const struct gate_sums *sums, bool changed)
{
	static const char *const of_benchmarks[] = {
		"Benchmark", "#allocs/op before", "#allocs/op", "#change", "#B/op before", "#B/op", "#change", NULL};
	static const char *const of_program[] = {"What",	  "#objects before", "#objects", "#change",
						 "#bytes before", "#bytes",	     "#change",	 NULL};
	const struct gate *gate = html->gate;
	bool benchmarks = gate_has_benchmarks(gate), any = false;
	const char *const *columns = benchmarks ? of_benchmarks : of_program;
	char name[GATE_NAME_SIZE];

	for (size_t i = 0; i < sums->count; i++) {
		const struct gate_sum *sum = &sums->sums[i];

		if ((has_changed(sum) || !benchmarks) != changed)
			continue;
		if (!any)
			page_table_begin(stream, changed ? "sums" : "unchanged sums", columns);
		any = true;
		if (benchmarks)
			gate_benchmark_text(name, sizeof(name), gate->packages, gate->package_count, sum->package,
					    sum->benchmark);
		else
			snprintf(name, sizeof(name), "%s", i ? "what is judged of it" : "all");
		page_row_begin(stream);
		page_cell(stream, columns[0], name);
		sum_cells(stream, sum->before[0], sum->after[0], sum->lacks, columns + 1);
		sum_cells(stream, sum->before[1], sum->after[1], sum->lacks, columns + 4);
		page_row_end(stream);
	}
	if (any)
		page_table_end(stream);
	return any;
}

static void write_sums(FILE *stream, const struct gate_html *html)
{
	struct gate_style style = *html->style;
	struct gate_sums *sums;
	size_t unchanged = 0;

	if (!gate_has_before(html->gate))
		return;
	style.all = true;
	sums = gate_sums_new(html->gate, &style);
	fprintf(stream, "<section id=\"sums\"><h2>%s</h2>\n", gate_has_benchmarks(html->gate) ? "Benchmarks" : "Sums");
	for (size_t i = 0; i < sums->count; i++)
		unchanged += !has_changed(&sums->sums[i]);
	if (!write_sum_table(stream, html, sums, true))
		fputs("<p>No benchmark changed.</p>\n", stream);
	if (gate_has_benchmarks(html->gate) && unchanged) {
		fprintf(stream, "<details><summary>%zu benchmark%s unchanged</summary>\n", unchanged,
			unchanged == 1 ? " is" : "s are");
		write_sum_table(stream, html, sums, false);
		fputs("</details>\n", stream);
	}
	if (sums->note)
		html_format(stream, "<p class=\"soft\">%s</p>\n", sums->note);
	fputs("</section>\n", stream);
	gate_sums_free(sums);
}

/* --- contracts --- */

static void write_starts(FILE *stream, const struct gate_contract_result *result)
{
	char text[GATE_TEXT_SIZE];

	if (!result->start_count)
		return;
	fputs("<ul>", stream);
	for (size_t i = 0; i < result->start_count; i++)
		html_format(stream, "<li>%s</li>", gate_start_text(text, &result->starts[i]));
	fputs("</ul>", stream);
}

static void write_contracts(FILE *stream, const struct gate_html *html)
{
	const struct gate_contracts *contracts = html->gate->contracts;
	size_t count = contracts ? gate_contracts_count(contracts) : 0;
	char text[GATE_TEXT_SIZE];

	if (!count)
		return;
	fputs("<section id=\"contracts\"><h2>Contracts</h2>\n<ul>\n", stream);
	for (size_t i = 0; i < count; i++) {
		struct gate_contract_result result = gate_contracts_result(contracts, i);

		html_format(stream, "<li><strong class=\"%s\">%s</strong> %s", result.broken ? "worse" : "better",
			    result.broken ? "broken" : "kept", gate_contract_text(text, &result));
		write_starts(stream, &result);
		fputs("</li>\n", stream);
	}
	fputs("</ul></section>\n", stream);
}

/* --- what is not judged --- */

static void unjudged_row(FILE *stream, const struct gate *gate, const char *const *columns, const char *what,
			 const char *why, const int64_t *before, const int64_t *after)
{
	char number[40];

	if (before[VALUE_OBJECTS] + after[VALUE_OBJECTS] == 0)
		return;
	page_row_begin(stream);
	page_cell(stream, columns[0], what);
	page_cell(stream, columns[1], why);
	page_cell(stream, columns[2], gate_grouped(number, (double)gate_unjudged(gate->before, before, VALUE_OBJECTS)));
	page_cell(stream, columns[3], gate_grouped(number, (double)gate_unjudged(gate->after, after, VALUE_OBJECTS)));
	page_cell(stream, columns[4], gate_grouped(number, (double)gate_unjudged(gate->before, before, VALUE_BYTES)));
	page_cell(stream, columns[5], gate_grouped(number, (double)gate_unjudged(gate->after, after, VALUE_BYTES)));
	page_row_end(stream);
}

static void write_unjudged(FILE *stream, const struct gate_html *html)
{
	static const char *const columns[] = {"What",	"Why", "#objects before", "#objects", "#bytes before",
					      "#bytes", NULL};
	const struct gate_counts *before = html->gate->before, *after = html->gate->after;

	if (before->outside[VALUE_OBJECTS] + after->outside[VALUE_OBJECTS] + before->bookkeeping[VALUE_OBJECTS] +
		    after->bookkeeping[VALUE_OBJECTS] ==
	    0)
		return;
	fputs("<section id=\"unjudged\"><details><summary><h2>Not judged</h2></summary>\n", stream);
	page_table_begin(stream, "what is not judged", columns);
	unjudged_row(stream, html->gate, columns, "outside",
		     "no line of the program allocates it: the runtime, and libraries on goroutines of their own",
		     before->outside, after->outside);
	unjudged_row(stream, html->gate, columns, "bookkeeping",
		     "the standard library allocates it once, not each time: pools, initialisers", before->bookkeeping,
		     after->bookkeeping);
	page_table_end(stream);
	fputs("</details></section>\n", stream);
}

void gate_html_sections(FILE *stream, const struct gate_html *html)
{
	for (int i = 0; i <= GATE_HTML_ALLOWED; i++)
		write_list(stream, html, i);
	write_sums(stream, html);
	for (int i = GATE_HTML_ALLOWED + 1; i < GATE_HTML_LISTS; i++)
		write_list(stream, html, i);
	write_unjudged(stream, html);
	if (gate_html_has_stacks(html))
		fputs("<section id=\"flame\"><h2>Flame graph</h2>\n<p class=\"static\">The flame graph needs "
		      "scripts.</p>\n</section>\n",
		      stream);
}

void gate_html_end(const struct page *page, const struct gate_html *html)
{
	static const struct page_measures none;
	struct call_tree *empty = gate_html_has_stacks(html) ? NULL : call_tree_new();
	char *tree = page_tree(empty ? empty : html->page->stacks->tree, empty ? &none : &html->measures,
			       gate_html_has_older_stacks(html), true);

	page_end(page, gate_html_data, html, tree);
	free(tree);
	call_tree_free(empty);
}

void render_gate_html(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	struct gate_html *html = gate_html_new(gate, style, false);
	const char *program = program_of(gate), *class = gate->failed ? "worse" : says_nothing(gate) ? "" : "better";
	bool contracts = gate->contracts && gate_contracts_count(gate->contracts);
	char title[GATE_TEXT_SIZE], verdict[GATE_TEXT_SIZE];
	struct page page;

	snprintf(title, sizeof(title), "Allocation gate: %s%s%.1000s", result_word(gate), *program ? ", " : "",
		 program);
	page_begin(&page, stream, title);
	html_format(stream,
		    "<header>\n<h1>Allocation gate: <span class=\"%s\">%s</span></h1>\n<p class=\"verdict\">%s</p>\n",
		    class, result_word(gate), verdict_text(verdict, html));
	gate_html_warnings(stream, html);
	write_remedy(stream, html);
	gate_html_navigation(stream, html, contracts ? "<li><a href=\"#contracts\">Contracts</a></li>" : "");
	fputs("<dl class=\"facts\">\n", stream);
	write_gate_facts(stream, html);
	gate_html_facts(stream, html);
	fputs("</dl>\n</header>\n<main>\n", stream);
	write_contracts(stream, html);
	gate_html_sections(stream, html);
	fputs("</main>\n", stream);
	gate_html_end(&page, html);
	gate_html_free(html);
}
