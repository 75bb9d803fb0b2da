/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_join.h"

#include <obstack.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_calls.h"
#include "audit/audit_filter.h"
#include "audit/audit_index.h"
#include "audit/audit_stale.h"
#include "profile/frames.h"
#include "profile/owner.h"

const char *const audit_verdict_names[AUDIT_VERDICT_COUNT + 1] = {
	[AUDIT_ESCAPES] = "escapes",
	[AUDIT_CONTRADICTED] = "contradicted",
	[AUDIT_UNANNOTATED] = "unannotated",
	[AUDIT_NOT_COVERED] = "not-covered",
	[AUDIT_ESCAPES_UNSEEN] = "escapes-unseen",
	[AUDIT_STACK] = "stack",
};

const char *audit_verdict_name(enum audit_verdict verdict)
{
	return audit_verdict_names[verdict];
}

const char *audit_row_words(const struct audit_row *row)
{
	if (row->annotation_count && row->annotations[0]->text)
		return row->annotations[0]->text;
	return row->reason ? row->reason : audit_verdict_name(row->verdict);
}

int audit_verdict_parse(const char *name)
{
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++) {
		if (strcmp(name, audit_verdict_names[i]) == 0)
			return i;
	}
	return -1;
}

#define obstack_chunk_alloc must_malloc
#define obstack_chunk_free  free

struct audit_storage {
	struct obstack memory;
};

/* Samples of one chain, call and type. What is not covered stands at its nearest covered caller. */
struct group {
	const struct profile_frame *chain; /* the site, then what it is inlined into */
	uint32_t length;		   /* 0: nothing is known of the stack */
	const char *call, *type, *callee, *reason;
	const struct profile_frame *owner; /* NULL: outside, or not known */
	const char *via;
	bool uncovered;
	int64_t values[VALUE_COUNT];
	struct interval interval;
};

/* A hash table of indexes into an array that grows elsewhere. */
struct table {
	struct {
		uint64_t hash;
		uint32_t index; /* + 1; 0: free */
	} * slots;
	size_t capacity, count;
};

struct join {
	struct audit *audit;
	struct audit_index *index;
	struct audit_storage *storage;
	struct owner_table *owners;
	struct group *groups;
	size_t group_count, group_capacity;
	size_t row_capacity;
	struct table by_group, by_row;
	uint8_t *claimed; /* by annotation: some row has it */
};

static void *must_malloc(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		abort();
	return memory;
}

static void *must_grow(void *array, size_t *capacity, size_t count, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? 2 * *capacity : 256;
	array = reallocarray(array, *capacity, size);
	if (!array)
		abort();
	return array;
}

/* Hashing and comparing what rows are keyed by */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static uint64_t chain_hash(const struct profile_frame *chain, uint32_t length)
{
	uint64_t hash = length;

	for (uint32_t i = 0; i < length; i++) {
		hash = mix(hash, (uintptr_t)chain[i].function);
		hash = mix(hash, (uintptr_t)chain[i].file);
		hash = mix(hash, (uint64_t)chain[i].line << 32 | chain[i].column);
	}
	return hash;
}

static bool chain_equal(const struct profile_frame *a, uint32_t a_length, const struct profile_frame *b,
			uint32_t b_length)
{
	if (a_length != b_length)
		return false;
	for (uint32_t i = 0; i < a_length && a != b; i++) {
		if (a[i].function != b[i].function || a[i].file != b[i].file || a[i].line != b[i].line ||
		    a[i].column != b[i].column)
			return false;
	}
	return true;
}

static void table_grow(struct table *table)
{
	struct table old = *table;

	table->capacity = old.capacity ? 2 * old.capacity : 256;
	table->slots = calloc(table->capacity, sizeof(*table->slots));
	if (!table->slots)
		abort();
	for (size_t i = 0; i < old.capacity; i++) {
		size_t slot = old.slots[i].hash & (table->capacity - 1);

		if (!old.slots[i].index)
			continue;
		while (table->slots[slot].index)
			slot = (slot + 1) & (table->capacity - 1);
		table->slots[slot] = old.slots[i];
	}
	free(old.slots);
}

/* The index of what `equal` says is the same as `key`; where there is none, `count` is entered and returned. */
static uint32_t table_at(struct table *table, uint64_t hash, uint32_t count, const struct join *join, const void *key,
			 bool (*equal)(const struct join *join, uint32_t index, const void *key))
{
	size_t slot;

	if (2 * (table->count + 1) > table->capacity)
		table_grow(table);
	for (slot = hash & (table->capacity - 1); table->slots[slot].index; slot = (slot + 1) & (table->capacity - 1)) {
		if (table->slots[slot].hash == hash && equal(join, table->slots[slot].index - 1, key))
			return table->slots[slot].index - 1;
	}
	table->slots[slot].hash = hash;
	table->slots[slot].index = count + 1;
	table->count++;
	return count;
}

/* Samples into groups */

static bool group_equal(const struct join *join, uint32_t index, const void *key)
{
	const struct group *a = &join->groups[index], *b = key;

	return a->call == b->call && a->type == b->type && a->callee == b->callee && a->reason == b->reason &&
	       a->via == b->via && chain_equal(a->owner, a->owner != NULL, b->owner, b->owner != NULL) &&
	       chain_equal(a->chain, a->length, b->chain, b->length);
}

static struct group *group_at(struct join *join, const struct group *key)
{
	uint64_t hash = mix(mix(chain_hash(key->chain, key->length), (uintptr_t)key->call),
			    (uintptr_t)key->type ^ (uintptr_t)key->callee);

	uint32_t index;

	hash = mix(hash, chain_hash(key->owner, key->owner != NULL) ^ (uintptr_t)key->via);
	index = table_at(&join->by_group, hash, (uint32_t)join->group_count, join, key, group_equal);

	if (index == join->group_count) {
		join->groups = must_grow(join->groups, &join->group_capacity, join->group_count, sizeof(*join->groups));
		join->groups[join->group_count++] = *key;
	}
	return &join->groups[index];
}

static bool chain_covered(struct join *join, const struct profile_frame *chain, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (audit_index_covers(join->index, &chain[i], i + 1 == length))
			return true;
	}
	return false;
}

/* Moves a group whose own package is not covered to the nearest caller whose package is. */
static void find_covered_caller(struct join *join, const struct profile_stack *stack, const struct frames_site *site,
				struct group *group)
{
	const char *callee = frames_site_frame(stack, site)->function;

	group->uncovered = true;
	group->reason = "the compiler output says nothing about this package";
	for (uint32_t i = site->location; i < stack->depth; i++) {
		const struct profile_location *location = stack->locations[i];

		for (uint32_t j = i == site->location ? site->frame : 0; j < location->frame_count; j++) {
			if (!audit_index_covers(join->index, &location->frames[j], j + 1 == location->frame_count)) {
				callee = location->frames[j].function;
				continue;
			}
			group->chain = &location->frames[j];
			group->length = location->frame_count - j;
			group->callee = callee;
			group->call = group->type = NULL;
			return;
		}
	}
}

/* A stack of the runtime alone: its outermost function but goexit says what it is. */
static void describe_runtime_stack(const struct profile_stack *stack, struct group *group)
{
	group->uncovered = true;
	group->reason = "no symbols for this stack";
	for (uint32_t i = stack->depth; i-- > 0;) {
		const struct profile_location *location = stack->locations[i];

		if (!location->frame_count || !location->frames[location->frame_count - 1].function ||
		    strcmp(location->frames[location->frame_count - 1].function, "runtime.goexit") == 0)
			continue;
		group->chain = &location->frames[location->frame_count - 1];
		group->length = 1;
		group->reason = "the runtime's own";
		return;
	}
}

static void add_sample(struct join *join, const struct profile *profile, const struct profile_sample *sample)
{
	const struct profile_stack *stack = sample->key.stack;
	struct group key = {.type = sample->key.type}, *group;
	struct frames_site site;
	struct owner owner;
	int64_t any = 0;

	for (int i = 0; i < VALUE_COUNT; i++)
		any |= sample->values[i];
	if (!any) /* of other tools' profiles: a stack that only holds what was allocated earlier */
		return;
	if (!stack || !stack->depth) {
		key.uncovered = true;
		key.reason = "its stack was lost";
	} else if (!frames_site(stack, &site)) {
		describe_runtime_stack(stack, &key);
	} else {
		key.chain = frames_site_frame(stack, &site);
		key.length = stack->locations[site.location]->frame_count - site.frame;
		key.call = site.runtime_call;
		owner = owner_of(join->owners, sample);
		key.owner = owner.frame;
		key.via = owner.via;
		if (!chain_covered(join, key.chain, key.length))
			find_covered_caller(join, stack, &site, &key);
	}
	group = group_at(join, &key);
	for (int i = 0; i < VALUE_COUNT; i++)
		group->values[i] = add_saturated(group->values[i], sample->values[i]);
	interval_add_sample(&group->interval, profile, sample);
}

/* A group of costs alone, such as refills, at a place that only one type was measured at, is of that type. */

static bool same_place(const struct join *join, uint32_t index, const void *key)
{
	const struct group *a = &join->groups[index], *b = key;

	return a->call == b->call && chain_equal(a->chain, a->length, b->chain, b->length);
}

static uint64_t place_hash(const struct group *group)
{
	return mix(chain_hash(group->chain, group->length), (uintptr_t)group->call);
}

static void give_costs_their_type(struct join *join)
{
	struct table places = {0}; /* first typed group of a chain and call */
	bool *several = calloc(join->group_count + 1, sizeof(*several));

	if (!several)
		abort();
	for (uint32_t i = 0; i < join->group_count; i++) {
		const struct group *group = &join->groups[i];
		uint32_t first;

		if (!group->type)
			continue;
		first = table_at(&places, place_hash(group), i, join, group, same_place);
		several[first] |= join->groups[first].type != group->type;
	}
	for (uint32_t i = 0; i < join->group_count; i++) {
		struct group *group = &join->groups[i];
		uint32_t first;

		if (group->type || group->values[VALUE_OBJECTS])
			continue;
		first = table_at(&places, place_hash(group), i, join, group, same_place);
		if (!several[first])
			group->type = join->groups[first].type;
	}
	free(several);
	free(places.slots);
}

/* Groups into rows */

/* Annotations of one line, while they are narrowed down. */
struct candidates {
	const struct escape_annotation **list;
	size_t count;
};

/* Takes the annotations on a frame's line that `family` can be, the heap ones if there are any, of these the best. */
static struct candidates candidates_on_line(struct join *join, const struct profile_frame *frame, unsigned family)
{
	struct audit_positions line = audit_index_line(join->index, frame);
	struct candidates result = {NULL, 0};
	int best = 0;
	bool heap = false;

	result.list = obstack_alloc(&join->storage->memory, (line.count + 1) * sizeof(*result.list));
	for (size_t i = 0; i < line.count; i++) {
		const struct escape_annotation *annotation =
			&join->audit->output->annotations[line.first[i].annotation];
		bool on_heap = annotation->kind != ESCAPE_DOES_NOT_ESCAPE;
		int fit = call_fits(family, annotation);

		if (!fit || (frame->column && annotation->column && frame->column != annotation->column))
			continue;
		if ((heap && !on_heap) || (heap == on_heap && fit < best))
			continue;
		if (heap != on_heap || fit > best) {
			heap = on_heap;
			best = fit;
			result.count = 0;
		}
		result.list[result.count++] = annotation;
	}
	return result;
}

/* Keeps those for which `keep` is true, but all where it is true of none. */
static void narrow(struct candidates *candidates, int (*keep)(const struct escape_annotation *, const void *),
		   const void *argument)
{
	int best = 0;
	size_t count = 0;

	for (size_t i = 0; i < candidates->count; i++) {
		int fit = keep(candidates->list[i], argument);

		best = fit > best ? fit : best;
	}
	for (size_t i = 0; best && i < candidates->count; i++) {
		if (keep(candidates->list[i], argument) == best)
			candidates->list[count++] = candidates->list[i];
	}
	if (best)
		candidates->count = count;
}

static int is_possible_type(const struct escape_annotation *annotation, const void *type)
{
	return !call_excludes_type(annotation->subject, type);
}

static int is_subject_of(const struct escape_annotation *annotation, const void *argument)
{
	const struct candidates *own = argument;
	int best = 0;

	for (size_t i = 0; i < own->count; i++) {
		int same = call_same_subject(annotation->subject, own->list[i]->subject);

		best = same > best ? same : best;
	}
	return best;
}

static bool on_heap(const struct candidates *candidates)
{
	return candidates->count && candidates->list[0]->kind != ESCAPE_DOES_NOT_ESCAPE;
}

/* Those of one line that are the same expression; or the only one of the kind, where constants have been put in. */
static size_t link_line(struct join *join, struct audit_positions positions, const struct candidates *matched)
{
	const struct escape_annotation *alike = NULL;
	size_t linked = 0, alike_count = 0;

	for (size_t i = 0; i < positions.count; i++) {
		const struct escape_annotation *annotation =
			&join->audit->output->annotations[positions.first[i].annotation];
		int same = annotation->kind == ESCAPE_DOES_NOT_ESCAPE ? 0 : is_subject_of(annotation, matched);

		if (same == 2) {
			obstack_ptr_grow(&join->storage->memory, annotation);
			linked++;
		} else if (same == 1) {
			alike = annotation;
			alike_count++;
		}
	}
	if (!linked && alike_count == 1) {
		obstack_ptr_grow(&join->storage->memory, alike);
		linked++;
	}
	return linked;
}

/*
 * Appends, to the row's annotations, those at the callees' own lines that are the same expression: an inlined copy of
 * them allocates. Returns how many.
 */
static size_t link_own_annotations(struct join *join, const struct group *group, const struct candidates *matched)
{
	size_t linked = 0;

	for (uint32_t i = 0; i + 1 < group->length; i++) {
		struct profile_frame line = group->chain[i];
		struct audit_positions positions;

		line.column = 0;
		positions = audit_index_line(join->index, &line);
		linked += link_line(join, positions, matched);
	}
	return linked;
}

static bool row_equal(const struct join *join, uint32_t index, const void *key)
{
	const struct audit_row *a = &join->audit->rows[index], *b = key;

	return a->verdict == b->verdict && a->runtime_call == b->runtime_call && a->callee == b->callee &&
	       a->reason == b->reason && a->annotation_count == b->annotation_count &&
	       memcmp(a->annotations, b->annotations, a->annotation_count * sizeof(*a->annotations)) == 0 &&
	       chain_equal(&a->site, 1, &b->site, 1) && a->via == b->via &&
	       chain_equal(a->owner, a->owner != NULL, b->owner, b->owner != NULL) &&
	       chain_equal(a->inlined_at, a->inlined_count, b->inlined_at, b->inlined_count);
}

/* The function that the compiler makes of package-level variables; those that people write are init.0, init.1 … */
static bool is_initialiser(const char *function)
{
	size_t length = function ? strlen(function) : 0;

	return length > 5 && strcmp(function + length - 5, ".init") == 0;
}

static void set_verdict(struct join *join, const struct group *group, struct candidates *matched, struct audit_row *row)
{
	unsigned family = call_family(group->call);

	if (group->uncovered) {
		row->verdict = AUDIT_NOT_COVERED;
		row->reason = group->reason;
	} else if (!matched->count) {
		row->verdict = AUDIT_UNANNOTATED;
		row->reason = is_initialiser(group->chain[group->length - 1].function)
				      ? "a package-level variable is initialised, of which the compiler says nothing"
				      : call_unannotated_reason(family, group->type, group->length > 1);
	} else if (on_heap(matched)) {
		row->verdict = AUDIT_ESCAPES;
	} else {
		const struct profile_frame *physical = &group->chain[group->length - 1];

		row->verdict = AUDIT_CONTRADICTED;
		row->reason = call_contradicted_reason(family, matched->list[0],
						       audit_index_line(join->index, physical).count == 1);
	}
	row->shared = matched->count > 1;
}

/* A frame's file as the output names it, or as the profile does. */
static const char *file_name(const struct join *join, const struct profile_frame *frame)
{
	const char *file = audit_index_file(join->index, frame->file);

	return file ? file : frame->file;
}

/* Makes the row of a group, but for its numbers. */
static void describe(struct join *join, const struct group *group, struct audit_row *row)
{
	struct obstack *memory = &join->storage->memory;
	unsigned family = call_family(group->call);
	struct candidates matched = {NULL, 0}, own = {NULL, 0};

	*row = (struct audit_row){.runtime_call = group->call,
				  .callee = group->callee,
				  .type = group->type,
				  .owner = group->owner,
				  .via = group->via};
	if (group->length) {
		row->site = group->chain[0];
		row->file = file_name(join, &row->site);
		row->inlined_at = group->chain + 1;
		row->inlined_count = group->length - 1;
		for (uint32_t i = 1; i < group->length; i++)
			obstack_ptr_grow(memory, file_name(join, &group->chain[i]));
		obstack_ptr_grow(memory, NULL);
		row->inlined_files = obstack_finish(memory);
	}
	if (!group->uncovered) {
		matched = candidates_on_line(join, &group->chain[group->length - 1], family);
		if (group->length > 1) {
			own = candidates_on_line(join, &group->chain[0], family);
			narrow(&matched, is_subject_of, &own);
			/* Output of a build without inlining, or the caller is not covered: the callee's own word. */
			if (!matched.count && on_heap(&own))
				matched = own;
		}
		narrow(&matched, is_possible_type, group->type);
	}
	set_verdict(join, group, &matched, row);
	for (size_t i = 0; i < matched.count; i++)
		obstack_ptr_grow(memory, matched.list[i]);
	if (on_heap(&matched) && (!own.count || matched.list != own.list))
		row->linked_count = (uint32_t)link_own_annotations(join, group, &matched);
	row->annotation_count = (uint32_t)matched.count + row->linked_count;
	obstack_ptr_grow(memory, NULL);
	row->annotations = obstack_finish(memory);
}

static void claim(struct join *join, const struct audit_row *row)
{
	for (uint32_t i = 0; i < row->annotation_count; i++)
		join->claimed[row->annotations[i] - join->audit->output->annotations] = 1;
}

static struct audit_row *row_append(struct join *join)
{
	struct audit *audit = join->audit;

	audit->rows = must_grow(audit->rows, &join->row_capacity, audit->row_count, sizeof(*audit->rows));
	return &audit->rows[audit->row_count++];
}

static uint64_t row_hash(const struct audit_row *row)
{
	uint64_t hash = mix(chain_hash(&row->site, 1), (uintptr_t)row->runtime_call ^ (uintptr_t)row->callee);

	hash = mix(hash, chain_hash(row->inlined_at, row->inlined_count));
	hash = mix(hash, chain_hash(row->owner, row->owner != NULL) ^ (uintptr_t)row->via);
	return mix(hash, row->annotation_count ? (uintptr_t)row->annotations[0] : row->annotation_count);
}

/* Other tools' profiles do not say how many samples are behind an estimate; of a row whose costs alone were seen there
 * was none. Then there is no upper bound, and in the first case no lower one. */
static void set_bounds(const struct profile *profile, const struct interval *interval, struct audit_row *row)
{
	row->objects_low = row->objects_high = row->values[VALUE_OBJECTS];
	if (profile->rows_exact)
		return;
	if (!(profile->row_measured & 1U << VALUE_SAMPLES))
		row->objects_low = row->objects_high = VALUE_UNMEASURED;
	else if (interval->events > 0)
		interval_bounds(interval, &row->objects_low, &row->objects_high);
	else
		row->objects_high = VALUE_UNMEASURED;
}

/* Rows of samples that differ by their type only, and have the same annotations, are one. */
static void add_rows(struct join *join)
{
	struct interval *intervals = NULL;
	size_t capacity = 0;

	for (size_t i = 0; i < join->group_count; i++) {
		const struct group *group = &join->groups[i];
		struct audit_row row;
		uint32_t at;

		describe(join, group, &row);
		at = table_at(&join->by_row, row_hash(&row), (uint32_t)join->audit->row_count, join, &row, row_equal);
		intervals = must_grow(intervals, &capacity, at, sizeof(*intervals));
		if (at == join->audit->row_count) {
			*row_append(join) = row;
			intervals[at] = (struct interval){0};
			claim(join, &row);
		} else if (join->audit->rows[at].type != row.type) {
			join->audit->rows[at].type = NULL;
		}
		for (int j = 0; j < VALUE_COUNT; j++)
			join->audit->rows[at].values[j] =
				add_saturated(join->audit->rows[at].values[j], group->values[j]);
		intervals[at].events += group->interval.events;
		intervals[at].objects += group->interval.objects;
		intervals[at].variance += group->interval.variance;
		intervals[at].exact += group->interval.exact;
	}
	for (size_t i = 0; i < join->audit->row_count; i++)
		set_bounds(join->audit->profile, &intervals[i], &join->audit->rows[i]);
	free(intervals);
}

/* What the compiler said and nobody has measured. */
static void add_unseen(struct join *join)
{
	struct audit_positions all = audit_index_all(join->index);

	for (size_t i = 0; i < all.count; i++) {
		const struct escape_annotation *annotation = &join->audit->output->annotations[all.first[i].annotation];
		struct audit_row *row;

		if (join->claimed[all.first[i].annotation])
			continue;
		row = row_append(join);
		*row = (struct audit_row){
			.verdict = annotation->kind == ESCAPE_DOES_NOT_ESCAPE ? AUDIT_STACK : AUDIT_ESCAPES_UNSEEN,
			.site = {annotation->function, annotation->file, annotation->line, annotation->column, 0},
			.file = annotation->file,
			.annotation_count = 1,
		};
		row->annotations = obstack_copy(&join->storage->memory, &annotation, sizeof(annotation));
		row->objects_high = join->audit->profile->rows_exact ? 0 : VALUE_UNMEASURED;
	}
}

static void finish_rows(struct join *join)
{
	struct audit *audit = join->audit;
	uint32_t measured = audit->profile->row_measured;

	for (size_t i = 0; i < audit->row_count; i++) {
		struct audit_row *row = &audit->rows[i];

		audit->verdicts[row->verdict]++;
		for (int j = 0; j < VALUE_COUNT; j++) {
			audit->totals[j] = add_saturated(audit->totals[j], row->values[j]);
			if (!(measured & 1U << j))
				row->values[j] = VALUE_UNMEASURED;
		}
		if (!(measured & 1U << VALUE_OBJECTS))
			row->objects_low = row->objects_high = VALUE_UNMEASURED;
	}
	for (int j = 0; j < VALUE_COUNT; j++) {
		if (!(measured & 1U << j))
			audit->totals[j] = VALUE_UNMEASURED;
	}
}

static void warn(struct audit *audit, const char *text)
{
	audit->warnings[audit->warning_count++] = obstack_copy0(&audit->storage->memory, text, strlen(text));
}

static void add_warnings(struct audit *audit)
{
	enum { WARNINGS = 2 };
	char *stale = audit_stale(audit);

	audit->warnings = obstack_alloc(&audit->storage->memory, WARNINGS * sizeof(*audit->warnings));
	if (!(audit->profile->row_measured & 1U << VALUE_OBJECTS))
		warn(audit, "the profile does not measure the objects of lines: a line without refills may have "
			    "allocated all the same");
	if (stale)
		warn(audit, stale);
	free(stale);
}

struct audit *audit_new(const struct profile *profile, const struct escape_output *output,
			const struct audit_options *options)
{
	static const struct audit_filter everything;
	struct audit *audit = must_malloc(sizeof(*audit));
	struct join join = {.audit = audit};

	*audit = (struct audit){.profile = profile, .output = output};
	audit->storage = join.storage = must_malloc(sizeof(*join.storage));
	obstack_init(&join.storage->memory);
	join.index = audit_index_new(profile, output, options);
	join.claimed = calloc(output->annotation_count + 1, 1);
	if (!join.claimed)
		abort();
	join.owners = owner_table_new(profile);
	for (size_t i = 0; i < profile->sample_count; i++)
		add_sample(&join, profile, profile->samples[i]);
	give_costs_their_type(&join);
	add_rows(&join);
	add_unseen(&join);
	finish_rows(&join);
	add_warnings(audit);
	audit_filter(audit, &everything, VALUE_BYTES);
	audit_index_free(join.index);
	owner_table_free(join.owners);
	free(join.groups);
	free(join.claimed);
	free(join.by_group.slots);
	free(join.by_row.slots);
	return audit;
}

void audit_free(struct audit *audit)
{
	if (!audit)
		return;
	obstack_free(&audit->storage->memory, NULL);
	free(audit->storage);
	free(audit->rows);
	free(audit);
}
