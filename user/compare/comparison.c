/* SPDX-License-Identifier: BSD-2-Clause */
#include "compare/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "profile/frames.h"
#include "gate/gate_compare.h"

const char *const comparison_verdict_names[] = {"worse", "better", "unchanged", NULL};

/*
 * Whether a site has this annotation of the compiler: the same text, in the function that the site is in. For an
 * inlined function this is the annotation at its own line; those at its calls are about the same objects.
 */
static bool speaks_of(const struct escape_annotation *annotation, const struct gate_site *site)
{
	const char *local;

	if (!annotation || !annotation->function || !site->annotation || !site->function ||
	    strcmp(site->annotation, annotation->text) != 0)
		return false;
	local = frames_local_name(site->function);
	return strcmp(local, annotation->function) == 0 ||
	       (strrchr(local, '.') && strcmp(strrchr(local, '.') + 1, annotation->function) == 0);
}

static void add_site(const struct gate_counts *side, const struct gate_site *site, double *sums, size_t *without)
{
	for (int value = VALUE_OBJECTS; value <= VALUE_BYTES; value++)
		gate_add_shown(side, site, value, &sums[value], &without[value]);
}

static int by_key(const void *a, const void *b)
{
	return gate_site_compare(a, b, false);
}

static bool has_site(const struct gate_counts *side, const struct gate_site *of)
{
	return side->site_count && bsearch(of, side->sites, side->site_count, sizeof(*of), by_key);
}

/* Adds up the sites of a side with an annotation, and those that only the other side has. Returns whether there are any. */
static bool add_up(const struct gate_counts *side, const struct escape_annotation *annotation,
		   const struct gate_counts *other, const struct escape_annotation *there, double *sums,
		   size_t *without)
{
	bool any = false;

	sums[VALUE_OBJECTS] = sums[VALUE_BYTES] = VALUE_UNMEASURED;
	for (size_t i = 0; i < side->site_count; i++) {
		if (!speaks_of(annotation, &side->sites[i]))
			continue;
		any = true;
		add_site(side, &side->sites[i], sums, without);
	}
	for (size_t i = 0; i < other->site_count; i++) {
		if (speaks_of(there, &other->sites[i]) && !has_site(side, &other->sites[i]))
			add_site(side, NULL, sums, without);
	}
	return any;
}

static void count_words(const struct comparison *comparison, struct comparison_words *words)
{
	const struct escape_change *change = words->change;
	const struct escape_annotation *before = change->before ? change->before : change->after;
	const struct escape_annotation *after = change->after ? change->after : change->before;
	const struct gate_counts *old = comparison->gate->before, *new = comparison->gate->after;
	bool found = add_up(old, before, new, after, words->before, words->without_before);

	found |= add_up(new, after, old, before, words->after, words->without_after);
	for (int value = VALUE_OBJECTS; value <= VALUE_BYTES && found; value++) {
		/* what only sites of other words of the same key allocate */
		if (words->before[value] == VALUE_UNMEASURED && !gate_counts_sampled(old))
			words->before[value] = 0;
		if (words->after[value] == VALUE_UNMEASURED && !gate_counts_sampled(new))
			words->after[value] = 0;
	}
}

static struct comparison_words *find_words(struct comparison *comparison, const struct gate_site *site, bool after)
{
	for (size_t i = 0; i < comparison->word_count; i++) {
		struct comparison_words *words = &comparison->words[i];
		const struct escape_change *change = words->change;

		if (!words->was && (after ? change->old_count : change->new_count) == 0 &&
		    speaks_of(after ? change->after : change->before, site))
			return words;
	}
	return NULL;
}

/* Joins two changes into one, such as "&point{}" gone and "&point{...}" new, if the gate found that they are at the
 * same site. */
static void join_reworded(struct comparison *comparison)
{
	const struct gate *gate = comparison->gate;

	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_row *row = &gate->rows[i];
		struct comparison_words *gone, *new;

		if (row->change != GATE_MOVED || !row->before || !row->after)
			continue;
		gone = find_words(comparison, row->before, false);
		new = find_words(comparison, row->after, true);
		if (!gone || !new)
			continue;
		new->was = gone->change->before;
		memcpy(new->before, gone->before, sizeof(new->before));
		memcpy(new->without_before, gone->without_before, sizeof(new->without_before));
		*gone = comparison->words[--comparison->word_count];
	}
}

static double weight(const struct comparison_words *words)
{
	double difference = fmax(words->after[VALUE_OBJECTS], 0) - fmax(words->before[VALUE_OBJECTS], 0);

	return !comparison_words_counted(words) ? -1 : difference < 0 ? -difference : difference;
}

static int by_weight(const void *a, const void *b)
{
	const struct comparison_words *x = a, *y = b;
	double more = weight(x), other = weight(y);

	if (more != other)
		return more > other ? -1 : 1;
	return x->change < y->change ? -1 : x->change > y->change;
}

static void compare_words(struct comparison *comparison)
{
	const struct escape_output *before = comparison->before->escape, *after = comparison->after->escape;
	const struct escape_filter filter = {.kinds = ESCAPE_KINDS_HEAP};
	struct escape_side sides[2];

	if (!before || !after)
		return;
	comparison->graphs[0] = escape_graph_new(before);
	comparison->graphs[1] = escape_graph_new(after);
	sides[0] = (struct escape_side){before, comparison->graphs[0]};
	sides[1] = (struct escape_side){after, comparison->graphs[1]};
	comparison->diff = escape_diff_new(&sides[0], &sides[1], &filter);
	comparison->word_count = comparison->diff->change_count;
	comparison->words = memory_zeroed(comparison->word_count + 1, sizeof(*comparison->words));
	for (size_t i = 0; i < comparison->word_count; i++) {
		comparison->words[i].change = &comparison->diff->changes[i];
		count_words(comparison, &comparison->words[i]);
	}
	join_reworded(comparison);
	qsort(comparison->words, comparison->word_count, sizeof(*comparison->words), by_weight);
	comparison->word_count = comparison_words_fold(comparison->words, comparison->word_count, before, after);
}

/* Better: fewer objects or bytes somewhere, and not worse. */
static enum comparison_verdict decide(const struct gate *gate)
{
	if (gate->failed)
		return COMPARISON_WORSE;
	for (size_t i = 0; i < gate->row_count; i++) {
		const struct gate_row *row = &gate->rows[i];

		if ((row->change == GATE_BETTER || row->change == GATE_GONE) && !row->one_sided)
			return COMPARISON_BETTER;
	}
	return COMPARISON_SAME;
}

struct comparison *comparison_new(const struct compare_side *before, const struct compare_side *after,
				  const char *const *command, const struct policy *policy)
{
	struct comparison *comparison = memory_zeroed(1, sizeof(*comparison));

	comparison->before = before;
	comparison->after = after;
	comparison->command = command;
	comparison->gate = gate_compare(before->counts, after->counts, policy);
	compare_words(comparison);
	comparison->verdict = decide(comparison->gate);
	return comparison;
}

void comparison_free(struct comparison *comparison)
{
	if (!comparison)
		return;
	gate_free(comparison->gate);
	escape_diff_free(comparison->diff);
	escape_graph_free(comparison->graphs[0]);
	escape_graph_free(comparison->graphs[1]);
	free(comparison->words);
	free(comparison);
}
