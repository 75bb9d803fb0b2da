/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/baseline.h"
#include "base/command_line.h"
#include "base/memory.h"
#include "base/text_compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_command(const char *const *a, const char *const *b)
{
	for (; a && b && *a && *b; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return false;
	}
	return (!a || !*a) && (!b || !*b);
}

/* Whether the measured count is within the range of the baseline. */
static bool covers(const struct gate_count *stored, const struct gate_count *measured)
{
	return measured->least >= stored->least - stored->below && measured->most <= stored->most;
}

/* Returns the counts of the runs, before their range was widened; for unmeasured counts, the counts themselves. */
static const struct gate_count *seen(const struct gate_site *site, enum profile_value value)
{
	return site->seen[VALUE_OBJECTS].most ? &site->seen[value] : &site->counts[value];
}

bool baseline_covers_site(const struct gate_site *stored, const struct gate_site *measured)
{
	return covers(&stored->counts[VALUE_OBJECTS], seen(measured, VALUE_OBJECTS)) &&
	       covers(&stored->counts[VALUE_BYTES], seen(measured, VALUE_BYTES));
}

static bool same_benchmarks(const struct gate_counts *a, const struct gate_counts *b)
{
	if (a->benchmark_count != b->benchmark_count)
		return false;
	for (size_t i = 0; i < a->benchmark_count; i++) {
		if (strcmp(a->benchmarks[i].name, b->benchmarks[i].name) != 0 ||
		    !text_same(a->benchmarks[i].package, b->benchmarks[i].package) ||
		    a->benchmarks[i].allocs != b->benchmarks[i].allocs)
			return false;
	}
	return true;
}

static bool may_be_absent(const struct gate_site *site)
{
	return gate_count_may_be_none(&site->counts[VALUE_OBJECTS]);
}

/* Whether the sites are the same and every measured count is within its range; `files`: in the same files, too. */
static bool covers_sites(const struct gate_counts *stored, const struct gate_counts *measured, bool files)
{
	size_t i = 0, j = 0;

	while (i < stored->site_count || j < measured->site_count) {
		const struct gate_site *old = &stored->sites[i], *new = &measured->sites[j];
		int order = i == stored->site_count	? 1
			    : j == measured->site_count ? -1
							: gate_site_compare(old, new, true);

		/* of a library's site that varies by chance, either run may have had none */
		if ((order > 0 && !(new->via &&may_be_absent(new))) || (order < 0 && !may_be_absent(old)))
			return false;
		if (order == 0 && ((files && !text_same(old->file, new->file)) || !baseline_covers_site(old, new)))
			return false;
		i += order <= 0;
		j += order >= 0;
	}
	return true;
}

bool baseline_covers(const struct gate_counts *stored, const struct gate_counts *measured)
{
	return same_command(stored->command, measured->command) && text_same(stored->runtime, measured->runtime) &&
	       text_same(stored->module, measured->module) && text_same(stored->package, measured->package) &&
	       stored->rate == measured->rate && text_same(stored->normalize, measured->normalize) &&
	       stored->iterations == measured->iterations && same_benchmarks(stored, measured) &&
	       covers_sites(stored, measured, true);
}

bool baseline_covers_counts(const struct gate_counts *stored, const struct gate_counts *measured)
{
	return same_benchmarks(stored, measured) && covers_sites(stored, measured, false);
}

static const char *program(const struct gate_counts *counts)
{
	return text_base_name(counts->command && counts->command[0] ? counts->command[0] : "");
}

int baseline_comparable(const struct gate_counts *baseline, const struct gate_counts *after, char *warning, size_t size,
			struct error *error)
{
	warning[0] = 0;
	if (baseline->package && after->package) {
		/* the program's file may have any name; its package decides */
		if (strcmp(baseline->package, after->package) != 0 || !text_same(baseline->module, after->module))
			return error_set(
				error, STATUS_USAGE,
				"the baseline is for the program '%s' of module '%s', not for '%s' of '%s'; give the "
				"right one, or write it anew with --update",
				baseline->package, baseline->module ? baseline->module : "none", after->package,
				after->module ? after->module : "none");
	} else if (!after->module && !baseline->module && strcmp(program(baseline), program(after)) != 0) {
		return error_set(error, STATUS_USAGE,
				 "the baseline is for the program '%s', not for '%s'; give the right one, or "
				 "write it anew with --update",
				 program(baseline), program(after));
	}
	if (baseline->runtime && after->runtime && strcmp(baseline->runtime, after->runtime) != 0)
		return error_set(error, STATUS_USAGE,
				 "the baseline was measured with %s and this is %s, which may allocate differently; "
				 "write it anew with --update",
				 baseline->runtime, after->runtime);
	if (baseline->rate != after->rate)
		return error_set(error, STATUS_USAGE,
				 "the baseline was measured at rate %" PRId64 "%s and this at rate %" PRId64
				 "%s: a count and an estimate differ without any change; give --rate %" PRId64
				 ", or write it anew with --update --rate %" PRId64,
				 baseline->rate, baseline->rate == 1 ? " (exact)" : "", after->rate,
				 after->rate == 1 ? " (exact)" : "", baseline->rate, after->rate);
	if (!text_same(baseline->normalize, after->normalize))
		return error_set(error, STATUS_USAGE,
				 "the baseline is normalized by '%s', and this by '%s'; give the same "
				 "--normalize, or write it anew with --update",
				 baseline->normalize ? baseline->normalize : "nothing",
				 after->normalize ? after->normalize : "nothing");
	if (!same_command(baseline->command + (baseline->command[0] != NULL),
			  after->command + (after->command[0] != NULL)))
		snprintf(warning, size, "the baseline was measured with other arguments");
	return 0;
}

char *baseline_update_command(const char *path, const char *const *command)
{
	enum { ROOM = 750 }; /* of struct error's text: messages name the path, too */
	const char *const file[] = {path, NULL};
	char *baseline = command_line_text(file), *words = command_line_text(command), *text;

	text = memory_format("escapement gate --baseline %s --update -- %s", baseline,
			     strlen(words) + 2 * strlen(baseline) > ROOM
				     ? "PROGRAM [ARG...], which is \"command\" in the file"
			     : *words ? words
				      : "PROGRAM");
	free(baseline);
	free(words);
	return text;
}
