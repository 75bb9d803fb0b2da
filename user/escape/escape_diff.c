/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash_table.h"
#include "escape/escape_facts.h"
#include "escape/escape_functions.h"
#include "escape/escape_position.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/string_table.h"

/* What both outputs say about one subject of one function. */
struct entry {
	const char *key;
	size_t counts[2];
	const struct escape_annotation *last[2];
	uint64_t reasons[2]; /* sums of hashes, which do not depend on the order */
	UT_hash_handle hh;
};

struct comparison {
	const struct escape_side *sides[2];
	const struct escape_filter *filter;
	struct string_table keys;
	struct entry *entries; /* in order of first appearance, those of the new output first */
	bool by_function;
};

/* Appends to a key. The numbers of temporaries are omitted, because any edit of a function may change them. */
static size_t append(char *key, size_t length, const char *text, size_t text_length)
{
	static const struct span temporary = SPAN(".autotmp_");

	for (size_t i = 0; i < text_length;) {
		if (span_starts((struct span){text + i, text_length - i}, temporary)) {
			memcpy(key + length, temporary.text, temporary.length);
			length += temporary.length;
			for (i += temporary.length; i < text_length && text[i] >= '0' && text[i] <= '9';)
				i++;
		} else {
			key[length++] = text[i++];
		}
	}
	key[length++] = '\n'; /* does not occur in the parts of a key */
	return length;
}

static const char *key_of(struct comparison *comparison, const struct escape_annotation *a)
{
	/* "moved to heap" (of a named variable) and "escapes to heap" (of an expression) are the same fact. */
	enum escape_kind kind = a->kind == ESCAPE_MOVED_TO_HEAP ? ESCAPE_ESCAPES : a->kind;
	const char *place = comparison->by_function && a->function ? a->function : a->file, *known;
	size_t place_length = comparison->by_function && a->function ? escape_declared_function(place) : strlen(place);
	const char *package = a->package ? a->package : "", *detail = a->detail ? a->detail : "";
	char *key = memory_resize(NULL, strlen(package) + place_length + strlen(a->subject) + strlen(detail) + 64, 1);
	size_t length = append(key, 0, package, strlen(package));

	length = append(key, length, place, place_length);
	length = append(key, length, a->subject, strlen(a->subject));
	length = append(key, length, escape_kind_name(kind), strlen(escape_kind_name(kind)));
	/* For inlining only the decision is compared, because costs change with every edit. */
	if (kind != ESCAPE_CAN_INLINE && kind != ESCAPE_CANNOT_INLINE)
		length = append(key, length, detail, strlen(detail));
	known = string_table_intern(&comparison->keys, key, length);
	free(key);
	return known;
}

/* A hash of the reason, without names of variables and line numbers. */
static uint64_t reason_of(const struct escape_graph *graph, const struct escape_annotation *a)
{
	const struct escape_flow *flow = a->flow_count ? &a->flows[a->flow_count - 1] : NULL;
	const struct escape_step *step = flow && flow->step_count ? &flow->steps[flow->step_count - 1] : NULL;
	uint64_t hash = escape_graph_cause(graph, a);

	if (step) {
		size_t head = strcmp(step->reason, "call parameter") ? 0 : strcspn(step->expression, "(");

		hash = hash_fold(hash, hash_bytes(step->reason, strlen(step->reason)));
		hash = hash_fold(hash, hash_bytes(step->expression, head));
	}
	return hash;
}

static void add_side(struct comparison *comparison, int side)
{
	const struct escape_output *output = comparison->sides[side]->output;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];
		struct entry *entry;
		const char *key;

		if (!escape_filter_accepts(comparison->filter, a) || escape_of_generated_main(a))
			continue;
		key = key_of(comparison, a);
		HASH_FIND_PTR(comparison->entries, &key, entry);
		if (!entry) {
			entry = memory_zeroed(1, sizeof(*entry));
			entry->key = key;
			HASH_ADD_PTR(comparison->entries, key, entry);
		}
		entry->counts[side]++;
		entry->last[side] = a;
		entry->reasons[side] += reason_of(comparison->sides[side]->graph, a);
	}
}

/* Whether every annotation that the filter accepts is in a named function. */
static bool is_named(const struct escape_side *side, const struct escape_filter *filter)
{
	for (size_t i = 0; i < side->output->annotation_count; i++) {
		const struct escape_annotation *a = &side->output->annotations[i];

		if (!a->function && a->line && *a->file != '<' && escape_filter_accepts(filter, a))
			return false;
	}
	return true;
}

static bool is_explained(const struct escape_side *side)
{
	return escape_graph_edge_count(side->graph) > 0;
}

static void add_change(struct escape_diff *diff, const struct entry *entry, size_t *capacity)
{
	size_t before = entry->counts[0], after = entry->counts[1];
	struct escape_change change = {
		.old_count = before, .new_count = after, .before = entry->last[0], .after = entry->last[1]};

	if (after > before)
		change.kind = ESCAPE_NEW;
	else if (after < before)
		change.kind = ESCAPE_GONE;
	else if (diff->reasons && entry->reasons[0] != entry->reasons[1])
		change.kind = ESCAPE_CHANGED;
	else
		return;
	diff->changes = array_reserve(diff->changes, diff->change_count, capacity, sizeof(*diff->changes));
	diff->changes[diff->change_count++] = change;
	diff->totals[change.kind] += after > before ? after - before : after < before ? before - after : 1;
}

struct escape_diff *escape_diff_new(const struct escape_side *before, const struct escape_side *after,
				    const struct escape_filter *filter)
{
	struct comparison comparison = {.sides = {before, after}, .filter = filter};
	struct escape_diff *diff = memory_zeroed(1, sizeof(*diff));
	struct entry *entry, *next;
	size_t capacity = 0;

	comparison.by_function = is_named(before, filter) && is_named(after, filter);
	diff->by_function = comparison.by_function;
	diff->reasons = is_explained(before) && is_explained(after);
	add_side(&comparison, 1);
	add_side(&comparison, 0);
	HASH_ITER (hh, comparison.entries, entry, next) {
		add_change(diff, entry, &capacity);
		HASH_DEL(comparison.entries, entry);
		free(entry);
	}
	string_table_free(&comparison.keys);
	return diff;
}

/* ---- packages that only the old output has ---- */

static bool has_package(const struct escape_output *output, const char *package)
{
	for (size_t i = 0; i < output->package_count; i++) {
		if (strcmp(output->packages[i], package) == 0)
			return true;
	}
	return false;
}

static bool is_there(const char *directory, const char *file)
{
	char *path;
	bool there;

	path = memory_format("%s%s%s", *file == '/' ? "" : directory, *file == '/' ? "" : "/", file);
	there = access(path, R_OK) == 0;
	free(path);
	return there;
}

/* Whether a file of the output exists in the directory, of one package or of any (NULL). */
static bool has_files(const struct escape_output *output, const char *package, const char *directory)
{
	const char *last = NULL;

	for (size_t i = 0; i < output->annotation_count; i++) {
		const struct escape_annotation *a = &output->annotations[i];

		if (!a->file || a->file == last || (package && a->package != package))
			continue;
		last = a->file;
		if (*a->file != '<' && is_there(directory, a->file))
			return true;
	}
	return false;
}

/* Whether the filter accepts any annotation of the package. */
static bool is_compared(const struct escape_output *output, const char *package, const struct escape_filter *filter)
{
	for (size_t i = 0; i < output->annotation_count; i++) {
		if (output->annotations[i].package == package && escape_filter_accepts(filter, &output->annotations[i]))
			return true;
	}
	return false;
}

int escape_check_packages(const struct escape_output *before, const struct escape_output *after,
			  const struct escape_filter *filter, const char *directory, const char *name,
			  struct error *error)
{
	bool at_hand = has_files(after, NULL, directory);

	for (size_t i = 0; i < before->package_count; i++) {
		const char *package = before->packages[i];

		if (has_package(after, package) || !is_compared(before, package, filter))
			continue;
		if (!at_hand)
			return error_set(error, STATUS_USAGE,
					 "'%s' has no output for %s: was it removed, or not built? name the directory "
					 "where the compiler ran with -C",
					 name, package);
		if (has_files(before, package, directory))
			return error_set(error, STATUS_USAGE,
					 "'%s' has no output for %s, which the old output has and whose files still "
					 "exist; build all packages: go build -gcflags=-m=2 ./... 2> FILE",
					 name, package);
	}
	return 0;
}

void escape_diff_free(struct escape_diff *diff)
{
	if (!diff)
		return;
	free(diff->changes);
	free(diff);
}
