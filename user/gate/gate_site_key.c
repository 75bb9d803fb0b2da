/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_site_key.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text_compare.h"
#include "gate/gate_noise.h"
#include "gate/gate_packages.h"
#include "profile/frames.h"

/* Returns the audit's row of a site and type if it has an annotation: a line may have a row for each type, which it names for
 * people. A type that is unknown, or not alone in its row, has the row that it can only be in. */
static const struct audit_row *audit_row_of(const struct audit *audit, const struct profile_frame *frame,
					    const char *call, const char *type)
{
	const char *shown = audit ? profile_shown_type(audit->profile, type) : NULL;
	const struct audit_row *possible = NULL;
	size_t count = 0;

	for (size_t i = 0; audit && i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (!row->annotation_count || row->verdict == AUDIT_STACK || row->verdict == AUDIT_ESCAPES_UNSEEN ||
		    row->runtime_call != call || row->site.function != frame->function ||
		    row->site.file != frame->file || row->site.line != frame->line || row->site.column != frame->column)
			continue;
		if (text_same(row->type, shown))
			return row;
		if (!shown || !row->type) {
			possible = row;
			count++;
		}
	}
	return count == 1 ? possible : NULL;
}

/* Returns what a row may be about besides its first annotation; NULL: nothing. */
static const char *others(const struct audit_row *row)
{
	const char *first = row->annotations[0]->text, *rest;

	if (!row->shared || !row->words || !first || strncmp(row->words, first, strlen(first)) != 0)
		return NULL;
	rest = row->words + strlen(first);
	return strncmp(rest, " or ", 4) == 0 ? rest + 1 : "at one or more of several places";
}

/* Writes "moved to heap: x" or "make([]int, n) escapes to heap": the same from -m and -m=2. */
static void annotate(struct gate_site_key *key, const struct audit_row *row)
{
	struct gate_site *site = &key->site;
	static const char *const formats[ESCAPE_KIND_COUNT] = {
		[ESCAPE_MOVED_TO_HEAP] = "moved to heap: %s",
		[ESCAPE_ESCAPES] = "%s escapes to heap",
		[ESCAPE_DOES_NOT_ESCAPE] = "%s does not escape",
	};
	const struct escape_annotation *annotation;

	if (!row)
		return;
	annotation = row->annotations[0];
	/* of code that is inlined, what is said at its own line, where the site is shown */
	key->said = row->linked_count ? row->annotations[row->annotation_count - 1] : annotation;
	if (!formats[annotation->kind])
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(key->words, sizeof(key->words), formats[annotation->kind], annotation->subject);
#pragma GCC diagnostic pop
	site->annotation = key->words;
	site->reason = others(row);
	/* the last step is the one that makes it leave the function */
	if (!site->reason && annotation->flow_count && annotation->flows[annotation->flow_count - 1].step_count) {
		const struct escape_flow *flow = &annotation->flows[annotation->flow_count - 1];

		site->reason = flow->steps[flow->step_count - 1].reason;
	}
}

/*
 * Finds "BenchmarkParse" in "example.com/codec.BenchmarkParse", and in its sub-benchmarks, which run on goroutines of
 * their own below "example.com/codec.BenchmarkParse.func1". Returns false for other functions.
 */
static bool benchmark_name(const char *function, char *name, size_t size)
{
	static const char prefix[] = "Benchmark";
	const char *local = frames_local_name(function);
	size_t length = strcspn(local, ".-[");

	if (local == function || strncmp(local, prefix, sizeof(prefix) - 1) != 0 ||
	    islower(local[sizeof(prefix) - 1]) || length >= size)
		return false;
	memcpy(name, local, length);
	name[length] = 0;
	return true;
}

/* Finds the benchmark that a stack belongs to: the outermost such function, so that helpers with such a name belong to
 * their caller. */
static void benchmark_of(const struct profile_stack *stack, struct gate_site_key *key)
{
	for (uint32_t i = stack->depth; i-- > 0;) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = location->frame_count; j-- > 0;) {
			const char *function = location->frames[j].function;

			if (!function || !benchmark_name(function, key->benchmark, sizeof(key->benchmark)))
				continue;
			key->site.benchmark = key->benchmark;
			frames_package(function, key->package, sizeof(key->package));
			key->site.benchmark_package = key->package;
			return;
		}
	}
}

static void fill(struct gate_site_key *key, const struct profile_sample *sample, const struct owner *owner,
		 const struct audit *audit)
{
	struct gate_site *site = &key->site;

	key->said = NULL;
	*site = (struct gate_site){.type = sample->key.type};
	if (!owner->frame)
		return;
	if (owner->frame->function)
		site->function = frames_fold_name(owner->frame->function, key->function, sizeof(key->function));
	if (owner->via)
		site->via = frames_fold_name(owner->via, key->via, sizeof(key->via));
	site->runtime_call = owner->runtime_call;
	annotate(key, audit_row_of(audit, owner->allocating, owner->runtime_call, sample->key.type));
	benchmark_of(sample->key.stack, key);
}

bool gate_site_key(struct gate_site_key *key, const struct profile_sample *sample, const struct owner *owner,
		   const struct profile *profile, const struct audit *audit, const struct gate_counts *printed)
{
	if (owner->kind == OWNER_OUTSIDE || gate_noise_is_runtimes(sample->key.type, owner->runtime_call))
		return false;
	fill(key, sample, owner, audit);
	if (key->site.benchmark_package)
		gate_package_fold(key->package, profile_process_find(profile, sample->key.pid), printed);
	return true;
}
