/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FORMAT_NAME(name, option, function) option,
const char *const compare_format_names[] = {COMPARE_FORMATS(FORMAT_NAME) NULL};

void render_compare(FILE *stream, const struct comparison *comparison, enum compare_format format,
		    const struct gate_style *style)
{
	static void (*const functions[])(FILE *, const struct comparison *, const struct gate_style *) = {
#define FORMAT_POINTER(name, option, function) function,
		COMPARE_FORMATS(FORMAT_POINTER)};

	functions[format](stream, comparison, style);
}

char *compare_words_place(const struct comparison_words *words)
{
	const struct escape_annotation *shown = comparison_words_shown(words);
	char copies[512] = "";

	if (words->copies && words->inlined)
		snprintf(copies, sizeof(copies), ", and %zu more that inline%s %.400s", words->copies,
			 words->copies == 1 ? "s" : "", words->inlined);
	else if (words->copies)
		snprintf(copies, sizeof(copies), ", and %zu inlined cop%s", words->copies,
			 words->copies == 1 ? "y" : "ies");
	return memory_format("%s:%u:%u%s%s%s", shown->file, shown->line, shown->column, shown->function ? ", " : "",
			     shown->function ? shown->function : "", copies);
}

/* Returns "no longer" or "now"; if the compiler says it on both sides, how many times. */
static char *what_changed(const struct escape_change *change)
{
	if (change->kind == ESCAPE_CHANGED)
		return memory_text("for another reason");
	if (!change->new_count)
		return memory_text("no longer");
	if (!change->old_count)
		return memory_text("now");
	return memory_format("%zu times instead of %zu", change->new_count, change->old_count);
}

/* ", without a site after that no sample hit": what sums of several sites lack. */
static const char *without_text(char text[96], const struct comparison_words *words)
{
	size_t before = words->without_before[VALUE_OBJECTS], after = words->without_after[VALUE_OBJECTS];

	*text = 0;
	if ((before && words->before[VALUE_OBJECTS] != VALUE_UNMEASURED) ||
	    (after && words->after[VALUE_OBJECTS] != VALUE_UNMEASURED))
		snprintf(text, 96, ", which lack %zu sites before and %zu after that no sample hit", before, after);
	return text;
}

char *compare_words_text(const struct comparison_words *words, const char *quote)
{
	const struct escape_change *change = words->change;
	const struct escape_annotation *shown = comparison_words_shown(words);
	bool variable = shown->kind == ESCAPE_MOVED_TO_HEAP;
	char *how = what_changed(change), *text, before[40], after[40], without[96];

	if (words->was)
		text = memory_format("%s%s%s %s to the heap, as %s%s%s did", quote, shown->subject, quote,
				     variable ? "moves" : "escapes", quote, words->was->subject, quote);
	else if (change->kind == ESCAPE_CHANGED || (change->new_count && change->old_count))
		text = memory_format("%s%s%s %s to the heap %s", quote, shown->subject, quote,
				     variable ? "moves" : "escapes", how);
	else
		text = memory_format("%s%s%s %s %s to the heap", quote, shown->subject, quote, how,
				     variable ? "moves" : "escapes");
	if (comparison_words_counted(words)) {
		char *counted = memory_format(
			"%s: %s -> %s objects%s", text, gate_grouped(before, words->before[VALUE_OBJECTS]),
			gate_grouped(after, words->after[VALUE_OBJECTS]), without_text(without, words));

		free(text);
		text = counted;
	}
	free(how);
	return text;
}

/* "36", "36..40", "2.5 MiB". */
static const char *cost_text(char text[96], const struct gate_count *count, bool bytes)
{
	char least[40], most[40];

	if (bytes)
		snprintf(text, 96, "%.1f MiB", (double)count->least / (1 << 20));
	else if (gate_count_steady(count))
		snprintf(text, 96, "%s", gate_grouped(least, (double)count->least));
	else
		snprintf(text, 96, "%s..%s", gate_grouped(least, (double)count->least),
			 gate_grouped(most, (double)count->most));
	return text;
}

char *compare_allocator_text(const struct comparison *comparison)
{
	static const struct {
		enum profile_value value;
		const char *name;
	} costs[] = {
		{VALUE_REFILLS, "refills"}, {VALUE_HEAP_GROWS, "heap grows"}, {VALUE_HEAP_GROW_BYTES, "heap grown"}};
	bool once = comparison->before->counts->runs == 1 && comparison->after->counts->runs == 1;
	char *text = NULL, *sentence, before[96], after[96];

	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		const struct gate_count *old = &comparison->before->counts->costs[costs[i].value];
		const struct gate_count *new = &comparison->after->counts->costs[costs[i].value];
		char *longer;

		if (old->least == VALUE_UNMEASURED || new->least == VALUE_UNMEASURED || old->most + new->most == 0 ||
		    (i && old->least == new->least && old->most == new->most))
			continue; /* heap growth is left out if it is the same on both sides */
		longer = memory_format("%s%s%s %s -> %s", text ? text : "", text ? ", " : "", costs[i].name,
				       cost_text(before, old, costs[i].value == VALUE_HEAP_GROW_BYTES),
				       cost_text(after, new, costs[i].value == VALUE_HEAP_GROW_BYTES));
		free(text);
		text = longer;
	}
	if (!text || !once)
		return text;
	sentence = memory_format("%s, in one run each", text);
	free(text);
	return sentence;
}

char *compare_collector_text(const struct comparison *comparison)
{
	const struct gc_trace *old = &comparison->before->gc, *new = &comparison->after->gc;

	if (!old->measured || !new->measured)
		return NULL;
	if (old->collections + new->collections == 0)
		return memory_text("no collection in either run");
	return memory_format("%lld -> %lld collections, %.3g -> %.3g a second, %.2g -> %.2g %% of the CPU",
			     (long long)old->collections, (long long)new->collections, gc_trace_rate(old),
			     gc_trace_rate(new), gc_trace_share(old), gc_trace_share(new));
}
