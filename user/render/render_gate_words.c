/* SPDX-License-Identifier: BSD-2-Clause */
/* The words and numbers that the formats of a gate share. */
#include "base/append.h"
#include "gate/gate_packages.h"
#include "profile/type_name.h"
#include "render/render_gate.h"

#include <inttypes.h>
#include <string.h>

const char *gate_value_name(enum profile_value value, const struct gate_style *style)
{
	return value == VALUE_OBJECTS ? style->what : profile_values[value].plural;
}

static bool is_unlimited(const struct gate_site *site, enum profile_value value)
{
	return site && site->counts[value].unlimited;
}

bool gate_row_shows(const struct gate *gate, const struct gate_row *row, enum profile_value value)
{
	double before = gate_value(gate->before, row->before, value),
	       after = gate_value(gate->after, row->after, value);

	if (is_unlimited(row->before, value))
		return after > 0;
	return before >= 0 && after >= 0 && before + after > 0;
}

const char *gate_number(char text[32], double number)
{
	if (number == VALUE_UNMEASURED)
		strcpy(text, "-");
	else if (number == (double)count_from(number))
		snprintf(text, 32, "%" PRId64, count_from(number));
	else
		snprintf(text, 32, "%.4g", number);
	return text;
}

/* Returns the upper end of a count, as text; empty if it has none. */
static const char *most_text(char text[32], const struct gate_counts *side, const struct gate_count *count)
{
	return count->most == INT64_MAX ? "" : gate_number(text, (double)count->most / side->iterations);
}

const char *gate_count_text(char text[72], const struct gate_counts *side, const struct gate_site *site,
			    enum profile_value value)
{
	char least[32], low[32], most[32];

	gate_number(least, gate_value_shown(side, site, value));
	if (is_unlimited(site, value))
		strcpy(text, "no limit");
	else if (site && site->is_limit)
		snprintf(text, 72, "at most %s", least);
	else if (site && side->estimated && !gate_count_steady(&site->counts[value]))
		snprintf(text, 72, "%s (%s..%s)", least,
			 gate_number(low, (double)site->counts[value].least / side->iterations),
			 most_text(most, side, &site->counts[value]));
	else if (!site || gate_count_steady(&site->counts[value]))
		strcpy(text, least);
	else
		snprintf(text, 72, "%s..%s", least, most_text(most, side, &site->counts[value]));
	return text;
}

const char *gate_before_text(char text[72], const struct gate *gate, const struct gate_row *row,
			     enum profile_value value)
{
	*text = 0;
	return gate_row_site(row)->below_contract ? text : gate_count_text(text, gate->before, row->before, value);
}

bool gate_row_is_contract(const struct gate_row *row)
{
	return row->before && row->before->is_limit;
}

const char *gate_row_word(const struct gate_row *row)
{
	if (gate_row_site(row)->below_contract)
		return "below it";
	if (gate_row_is_contract(row) && row->fails)
		return "broken";
	return row->how ? row->how : gate_change_names[row->change];
}

const char *gate_growth_text(char text[40], const struct gate *gate, const struct gate_row *row,
			     enum profile_value value)
{
	double before = gate_value_shown(gate->before, row->before, value),
	       after = gate_value_shown(gate->after, row->after, value);
	double growth = after - before;
	char number[32];

	if (before < 0 || after < 0 || growth == 0 || gate_row_site(row)->below_contract)
		strcpy(text, "");
	else
		snprintf(text, 40, "%s%s", growth > 0 ? "+" : "-", gate_number(number, growth > 0 ? growth : -growth));
	return text;
}

const char *gate_place(char text[GATE_TEXT_SIZE], const struct gate_site *site)
{
	int length = snprintf(text, GATE_TEXT_SIZE, "%s", site->file ? site->file : "");

	if (length >= GATE_TEXT_SIZE || !site->file || !site->line)
		return text;
	length += snprintf(text + length, (size_t)(GATE_TEXT_SIZE - length), ":%u", site->line);
	if (site->column && length < GATE_TEXT_SIZE)
		snprintf(text + length, (size_t)(GATE_TEXT_SIZE - length), ":%u", site->column);
	return text;
}

const char *gate_type(char text[GATE_TEXT_SIZE], const struct gate_site *site)
{
	return site->type && type_name_for_people(site->type, text, GATE_TEXT_SIZE) ? text : site->type;
}

const char *gate_words(char text[GATE_TEXT_SIZE], const struct gate_site *site)
{
	if (!site->annotation)
		snprintf(text, GATE_TEXT_SIZE, "%s", site->reason ? site->reason : "");
	else if (site->reason)
		snprintf(text, GATE_TEXT_SIZE, "%s (%s)", site->annotation, site->reason);
	else
		snprintf(text, GATE_TEXT_SIZE, "%s", site->annotation);
	return text;
}

const char *gate_group_text(char text[GATE_NAME_SIZE], const struct gate *gate, const struct gate_group *group)
{
	if (!group->benchmark)
		snprintf(text, GATE_NAME_SIZE, "outside of benchmarks");
	else
		gate_benchmark_text(text, GATE_NAME_SIZE, gate->packages, gate->package_count, group->package,
				    group->benchmark);
	return text;
}

const char *gate_in_benchmark(char text[GATE_NAME_SIZE], const struct gate *gate, const struct gate_site *site)
{
	const struct gate_group group = {.benchmark = site->benchmark, .package = site->benchmark_package};
	char name[GATE_NAME_SIZE];

	*text = 0;
	if (site->benchmark)
		snprintf(text, GATE_NAME_SIZE, " in %.500s", gate_group_text(name, gate, &group));
	return text;
}

const char *gate_message(char text[GATE_TEXT_SIZE], const struct gate *gate, const struct gate_row *row,
			 const struct gate_style *style)
{
	const struct gate_site *site = gate_row_site(row);
	const char *separator = " ";
	char words[GATE_TEXT_SIZE], name[GATE_NAME_SIZE], before[72], after[72];

	snprintf(text, GATE_TEXT_SIZE, "%s", site->function ? site->function : "unknown function");
	if (site->via)
		text_append(text, GATE_TEXT_SIZE, " via %s", site->via);
	text_append(text, GATE_TEXT_SIZE, "%s", gate_in_benchmark(name, gate, site));
	text_append(text, GATE_TEXT_SIZE, " (%s%s):", row->note ? "note, " : "", gate_row_word(row));
	for (enum profile_value value = VALUE_OBJECTS; value <= VALUE_BYTES; value++) {
		if (value != VALUE_OBJECTS && !gate_row_shows(gate, row, value))
			continue;
		text_append(text, GATE_TEXT_SIZE, "%s%s %s", separator,
			    gate_count_text(after, gate->after, row->after, value), gate_value_name(value, style));
		if (is_unlimited(row->before, value))
			text_append(text, GATE_TEXT_SIZE, " (no limit)");
		else if (gate_row_is_contract(row))
			text_append(text, GATE_TEXT_SIZE, ", %s allowed", gate_before_text(before, gate, row, value));
		else if (*gate_before_text(before, gate, row, value))
			text_append(text, GATE_TEXT_SIZE, ", before %s", before);
		separator = "; ";
	}
	if (gate_moved_from(row))
		text_append(text, GATE_TEXT_SIZE, "; was %s", gate_moved_from(row));
	if (*gate_words(words, site))
		text_append(text, GATE_TEXT_SIZE, "; %s", words);
	return text;
}

const char *gate_moved_from(const struct gate_row *row)
{
	const struct gate_site *before = row->before, *after = row->after;

	if (row->change != GATE_MOVED || !before || !after)
		return NULL;
	if (strcmp(before->function ? before->function : "", after->function ? after->function : "") != 0)
		return before->function ? before->function : "(unknown function)";
	if (before->annotation && after->annotation && strcmp(before->annotation, after->annotation) != 0)
		return before->annotation;
	return NULL;
}

const char *gate_changes_text(char text[GATE_TEXT_SIZE], const struct gate *gate)
{
	static const char *const words[GATE_CHANGE_COUNT] = {
		[GATE_WORSE] = "worse",	  [GATE_NEW] = "new",
		[GATE_NOISY] = "noisy",	  [GATE_TOLERATED] = "worse within tolerance",
		[GATE_BETTER] = "better", [GATE_GONE] = "gone",
		[GATE_MOVED] = "moved",	  [GATE_SAME] = "unchanged",
	};
	size_t sites = 0, broken = 0;
	bool any = false;

	for (size_t i = 0; i < gate->row_count; i++)
		broken += gate_row_is_contract(&gate->rows[i]) && gate->rows[i].change == GATE_WORSE;
	*text = 0;
	if (broken)
		text_append(text, GATE_TEXT_SIZE, "%zu broken contract%s", broken, broken == 1 ? "" : "s");
	for (int i = 0; i < GATE_CHANGE_COUNT; i++) {
		size_t count = gate->changes[i] - (i == GATE_WORSE ? broken : 0);

		sites += count;
		if (!count)
			continue;
		text_append(text, GATE_TEXT_SIZE, any || broken ? ", %zu %s" : "%zu %s", count, words[i]);
		any = true;
	}
	if (any || !broken)
		text_append(text, GATE_TEXT_SIZE, any ? " site%s" : "no site%s", sites == 1 ? "" : "s");
	return text;
}

const char *gate_summary(char text[GATE_TEXT_SIZE], const struct gate *gate, const struct gate_style *style)
{
	const struct profile_loss *loss = &gate->loss;
	char changes[GATE_TEXT_SIZE];

	snprintf(text, GATE_TEXT_SIZE, "gate %s%s: %.1900s", gate->failed ? "failed" : "passed",
		 style->advisory && gate->failed ? " (advisory)" : "", gate_changes_text(changes, gate));
	if (!gate_has_before(gate) && !gate->failed) /* contracts alone: they are printed */
		snprintf(text, GATE_TEXT_SIZE, "gate passed");
	if (profile_loss_any(loss))
		text_append(text, GATE_TEXT_SIZE,
			    "; lost: %" PRId64 " events, %" PRId64 " stacks, %" PRId64 " objects that the check misses",
			    loss->events, loss->stacks, loss->unexplained);
	return text;
}
