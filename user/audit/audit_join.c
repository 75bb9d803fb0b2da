/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The third step of the join: a row with a verdict for each group of samples and its annotations; then a row for each
 * annotation that no such row has.
 */
#include "audit/audit_join.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/memory.h"
#include "profile/interval.h"
#include "profile/interval_bounds.h"
#include "audit/audit_calls.h"
#include "audit/audit_copies.h"
#include "audit/audit_filter.h"
#include "audit/audit_gaps.h"
#include "audit/audit_groups.h"
#include "audit/audit_index.h"
#include "audit/audit_match.h"
#include "audit/audit_stale.h"
#include "profile/frames.h"
#include "profile/precision.h"

struct audit_storage {
	struct arena memory;
	struct audit_index *index; /* NULL: no other audit needs it, or it is that of another one */
};

struct join {
	struct audit *audit;
	struct audit_index *index;
	struct audit_matcher *matcher;
	struct audit_storage *storage;
	struct groups groups;
	struct hash_index by_row;
	struct estimates *estimates;
	uint8_t *claimed;  /* by annotation: whether a row has it */
	unsigned verdicts; /* the rows to keep of those without an allocation: one bit per enum audit_verdict */
	struct {
		const char *file, *package;
		bool generated; /* of the main package that go test generates */
	} asked;		/* the file of the last annotation: there may be millions, and few files */
};

static bool row_equal(const void *rows, uint64_t item, const void *key)
{
	const struct audit_row *a = (const struct audit_row *)rows + item - 1, *b = key;

	return a->verdict == b->verdict && a->runtime_call == b->runtime_call && a->callee == b->callee &&
	       a->reason == b->reason && a->annotation_count == b->annotation_count &&
	       (!a->annotation_count ||
		memcmp(a->annotations, b->annotations, a->annotation_count * sizeof(*a->annotations)) == 0) &&
	       chain_equal(&a->site, 1, &b->site, 1) && a->via == b->via &&
	       chain_equal(a->owner, a->owner != NULL, b->owner, b->owner != NULL) &&
	       chain_equal(a->inlined_at, a->inlined_count, b->inlined_at, b->inlined_count);
}

/* Whether the compiler generated the function to initialise package-level variables: "init", and "map.init.0" for large
 * maps. init functions in the source are called init.0, init.1 and so on. */
static bool is_initialiser(const char *function)
{
	const char *local = function ? frames_local_name(function) : "";

	return strcmp(local, "init") == 0 || strncmp(local, "map.init.", 9) == 0;
}

/* Whether all that the compiler says is about instances of a generic function for other types. */
static bool is_of_other_instances(const struct call *call, const struct audit_match *match)
{
	static const char shape[] = "[go.shape.";

	if (!match->count || !call->type || !strstr(call->type, shape))
		return false;
	for (size_t i = 0; i < match->count; i++) {
		if (!strstr(match->list[i]->subject, shape) || !call_excludes(call, match->list[i]))
			return false;
	}
	return true;
}

const char audit_other_instance[] = "the compiler output says nothing about this instance of the generic function";
static const char several_instances[] =
	"said of one of several instances: a package that the output does not cover may have made this one for other types";

static void set_verdict(struct join *join, const struct group *group, const struct audit_match *match,
			struct audit_row *row)
{
	const struct call call = call_of(group->call, group->type);

	row->shared = match->count > 1;
	if (group->uncovered) {
		row->verdict = AUDIT_NOT_COVERED;
		row->reason = group->reason;
	} else if (group->unplaced) {
		row->verdict = AUDIT_UNPLACED;
		row->reason = group->reason;
	} else if (!match->count) {
		row->verdict = AUDIT_UNANNOTATED;
		row->reason = is_initialiser(group->chain[group->length - 1].function)
				      ? "a package-level variable is initialised, which the compiler does not mention"
				      : call_unannotated_reason(&call, group->length > 1);
	} else if (match->heap) {
		row->verdict = AUDIT_ESCAPES;
		row->reason = group->foreign ? several_instances : NULL;
	} else {
		const struct profile_frame *physical = &group->chain[group->length - 1];

		row->verdict = AUDIT_CONTRADICTED;
		row->reason = call_contradicted_reason(&call, match->list[0],
						       audit_index_line(join->index, physical).count == 1);
	}
}

/* Returns the text of a row that several annotations share: "p.A escapes to heap or p.B escapes to heap", "func literal escapes
 * to heap (2 places)". */
static const char *shared_words(struct join *join, const struct audit_match *match)
{
	enum { NAMED = 3 };
	size_t distinct = 0, named = 0, places, size;
	char *text = NULL;
	const char *words;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		memory_out();
	for (size_t i = 0; i < match->count; i++) {
		bool repeated = !match->list[i]->text;

		for (size_t j = 0; j < i && !repeated; j++)
			repeated = match->list[j]->text && strcmp(match->list[i]->text, match->list[j]->text) == 0;
		if (repeated || distinct++ >= NAMED)
			continue;
		fprintf(stream, "%s%s", named++ ? " or " : "", match->list[i]->text);
	}
	if (distinct > named)
		fprintf(stream, " or %zu more", distinct - named);
	places = audit_places_alike(match->list, match->count);
	if (places > 1)
		fprintf(stream, " (%zu places)", places);
	if (fclose(stream))
		memory_out();
	words = named > 1 || places > 1 ? arena_string(&join->storage->memory, text, size) : NULL;
	free(text);
	return words;
}

/* A frame's file name in the compiler output or, if it is not there, in the profile. */
static const char *file_name(const struct join *join, const struct profile_frame *frame)
{
	const char *file = audit_index_file(join->index, frame->file);

	return file ? file : frame->file;
}

/* Returns the file names of the frames that the site is inlined into. */
static const char *const *inlined_files(struct join *join, const struct group *group)
{
	const char **files = arena_allocate(&join->storage->memory, group->length * sizeof(*files));

	for (uint32_t i = 1; i < group->length; i++)
		files[i - 1] = file_name(join, &group->chain[i]);
	return files;
}

/* Fills in the row of a group, except its numbers. */
static void describe(struct join *join, const struct group *group, struct audit_row *row)
{
	const struct call call = call_of(group->call, group->type);
	struct audit_match match = {0};

	*row = (struct audit_row){.runtime_call = group->call,
				  .callee = group->callee,
				  .type = group->type,
				  .owner = group->owner,
				  .owner_file = group->owner ? file_name(join, group->owner) : NULL,
				  .via = group->via};
	if (group->length) {
		row->site = group->chain[0];
		row->file = file_name(join, &row->site);
		row->inlined_at = group->chain + 1;
		row->inlined_count = group->length - 1;
		if (row->inlined_count)
			row->inlined_files = inlined_files(join, group);
	}
	if (!group->uncovered && !group->unplaced)
		audit_match(join->matcher, group, &match);
	if (is_of_other_instances(&call, &match)) {
		match = (struct audit_match){0};
		row->verdict = AUDIT_NOT_COVERED;
		row->reason = audit_other_instance;
	} else {
		set_verdict(join, group, &match, row);
	}
	row->linked_count = (uint32_t)match.linked;
	row->annotation_count = (uint32_t)(match.count + match.linked);
	if (row->annotation_count) {
		const struct escape_annotation **list =
			arena_allocate(&join->storage->memory, row->annotation_count * sizeof(*list));

		memcpy(list, match.list, row->annotation_count * sizeof(*list));
		row->annotations = list;
	}
	if (row->shared)
		row->words = shared_words(join, &match);
}

/* Claims the row's annotations, so that they do not become `escapes-unseen`. */
static void claim(struct join *join, const struct audit_row *row)
{
	for (uint32_t i = 0; i < row->annotation_count; i++)
		join->claimed[row->annotations[i] - join->audit->output->annotations] = 1;
}

/* The values of a row: a copy of others, or 0. */
static int64_t *values_new(struct arena *memory, const int64_t *others)
{
	int64_t *values = arena_allocate(memory, VALUE_COUNT * sizeof(*values));

	for (int i = 0; i < VALUE_COUNT; i++)
		values[i] = others ? others[i] : 0;
	return values;
}

/* There is room: see add_rows() and add_unseen(). */
static struct audit_row *row_append(struct join *join)
{
	return &join->audit->rows[join->audit->row_count++];
}

static uint64_t row_hash(const struct audit_row *row)
{
	uint64_t hash = hash_fold(chain_hash(&row->site, 1), (uintptr_t)row->runtime_call ^ (uintptr_t)row->callee);

	hash = hash_fold(hash, chain_hash(row->inlined_at, row->inlined_count));
	hash = hash_fold(hash, chain_hash(row->owner, row->owner != NULL) ^ (uintptr_t)row->via);
	return hash_fold(hash, row->annotation_count ? (uintptr_t)row->annotations[0] : row->annotation_count);
}

static bool is_tiny_row(const struct audit_row *row)
{
	return row->site.function && strcmp(row->site.function, estimates_tiny_site) == 0;
}

/* Growth of the heap says nothing about objects, and the number of tiny objects nothing about their bytes: a row that has
 * only that does not have the others, which are not 0. */
static void forget_unseen(const struct interval *interval, struct audit_row *row)
{
	if (!interval_is_known(interval))
		row->values[VALUE_OBJECTS] = row->values[VALUE_BYTES] = row->values[VALUE_SAMPLES] = VALUE_UNMEASURED;
	else if (interval_has_no_bytes(interval))
		row->values[VALUE_BYTES] = VALUE_UNMEASURED;
}

/* Sets the bounds of a row's estimates. They are unknown in profiles of other tools, which do not contain the number of
 * samples, and of a row that no sample hit. */
static void set_bounds(const struct join *join, const struct interval *interval, struct audit_row *row)
{
	const struct profile *profile = join->audit->profile;
	const bool sampled = profile->row_measured & 1U << VALUE_SAMPLES;
	struct interval_bounds bounds;

	row->objects_low = row->objects_high = row->values[VALUE_OBJECTS];
	row->bytes_low = row->bytes_high = row->values[VALUE_BYTES];
	if (profile_is_exact(profile))
		return;
	if (sampled && interval_is_known(interval)) {
		bounds = interval_bounds(interval, join->estimates);
		row->tiny_unknown = !is_tiny_row(row) && !interval_allow_tiny(&bounds, join->estimates);
		row->objects_low = bounds.objects_low;
		row->objects_high = bounds.objects_high;
		row->bytes_low = bounds.bytes_low;
		row->bytes_high = bounds.bytes_high;
	} else {
		row->objects_low = row->objects_high = row->bytes_low = row->bytes_high = VALUE_UNMEASURED;
	}
	if (sampled)
		forget_unseen(interval, row);
}

/* Adds the rows of measured groups. Groups that differ only by type and have the same annotations become one row. */
static void add_rows(struct join *join)
{
	/* by row: its first group, whose interval has that of the others added */
	struct group **firsts = memory_resize(NULL, join->groups.count + 1, sizeof(*firsts));

	/* a row is large: growing would copy them all again and again */
	join->audit->rows = memory_resize(NULL, join->groups.count + 1, sizeof(*join->audit->rows));
	hash_index_reserve(&join->by_row, join->groups.count);
	for (size_t i = 0; i < join->groups.count; i++) {
		struct group *group = &join->groups.list[i];
		struct audit_row row;
		uint32_t at;

		describe(join, group, &row);
		at = element_at(&join->by_row, row_hash(&row), (uint32_t)join->audit->row_count, row_equal,
				join->audit->rows, &row);
		if (at == join->audit->row_count) {
			row.values = values_new(&join->storage->memory, NULL);
			*row_append(join) = row;
			claim(join, &row);
			firsts[at] = group;
		} else if (group->values[VALUE_OBJECTS] && join->audit->rows[at].type != row.type) {
			/* what has only costs has no type */
			join->audit->rows[at].type = join->audit->rows[at].values[VALUE_OBJECTS] ? NULL : row.type;
		}
		for (int j = 0; j < VALUE_COUNT; j++)
			join->audit->rows[at].values[j] =
				add_saturated(join->audit->rows[at].values[j], group->values[j]);
		if (group != firsts[at])
			interval_join(&firsts[at]->interval, &group->interval);
	}
	for (size_t i = 0; i < join->audit->row_count; i++)
		set_bounds(join, &firsts[i]->interval, &join->audit->rows[i]);
	free(firsts);
}

static enum audit_verdict unseen_verdict(const struct escape_annotation *annotation)
{
	return annotation->kind == ESCAPE_DOES_NOT_ESCAPE ? AUDIT_STACK : AUDIT_ESCAPES_UNSEEN;
}

static bool is_unseen(struct join *join, size_t index)
{
	const struct escape_annotation *annotation = &join->audit->output->annotations[index];

	if (join->claimed[index])
		return false;
	if (annotation->file != join->asked.file || annotation->package != join->asked.package) { /* interned */
		join->asked.file = annotation->file;
		join->asked.package = annotation->package;
		join->asked.generated = escape_of_generated_main(annotation);
	}
	return !join->asked.generated;
}

static void add_unseen_row(struct join *join, const struct escape_annotation *annotation, int64_t *values)
{
	const struct escape_annotation **list = arena_allocate(&join->storage->memory, sizeof(annotation));
	struct audit_row *row = row_append(join);

	*list = annotation;
	*row = (struct audit_row){
		.verdict = unseen_verdict(annotation),
		.site = {annotation->function, annotation->file, annotation->line, annotation->column, 0},
		.file = annotation->file,
		.annotations = list,
		.annotation_count = 1,
		.values = values,
	};
	row->objects_high = row->bytes_high = join->audit->profile->rows_exact ? 0 : VALUE_UNMEASURED;
}

/* Adds rows for annotations that no measured row has, or only counts them. */
static void add_unseen(struct join *join)
{
	struct audit_positions all = audit_index_all(join->index);
	struct audit *audit = join->audit;
	size_t count[AUDIT_VERDICT_COUNT] = {0}, rows = audit->row_count;
	int64_t *none = values_new(&join->storage->memory, NULL);

	for (size_t i = 0; i < all.count; i++)
		count[unseen_verdict(&audit->output->annotations[all.first[i].annotation])] +=
			is_unseen(join, all.first[i].annotation);
	for (int i = 0; i < AUDIT_VERDICT_COUNT; i++) {
		if (join->verdicts & 1U << i) {
			rows += count[i];
		} else {
			audit->verdicts[i] += count[i];
			audit->sums[i].rows += count[i];
		}
	}
	audit->rows = memory_resize(audit->rows, rows + 1, sizeof(*audit->rows));
	for (size_t i = 0; i < all.count; i++) {
		const struct escape_annotation *annotation = &audit->output->annotations[all.first[i].annotation];

		if (is_unseen(join, all.first[i].annotation) && join->verdicts & 1U << unseen_verdict(annotation))
			add_unseen_row(join, annotation, none);
	}
}

static void finish_rows(struct audit *audit)
{
	uint32_t measured = audit->profile->row_measured;
	int64_t counted[VALUE_COUNT];

	for (size_t i = 0; i < audit->row_count; i++) {
		struct audit_row *row = &audit->rows[i];

		struct audit_sum *sum = &audit->sums[audit_row_counts_as(row)];

		audit->verdicts[row->verdict]++;
		sum->rows++;
		for (int j = 0; j < VALUE_COUNT; j++) {
			sum->values[j] =
				sum->rows > 1 ? profile_add_measured(sum->values[j], row->values[j]) : row->values[j];
			audit->totals[j] = i ? profile_add_measured(audit->totals[j], row->values[j]) : row->values[j];
			if (!(measured & 1U << j))
				row->values[j] = VALUE_UNMEASURED;
			audit->unmeasured[j] += row->values[j] == VALUE_UNMEASURED;
		}
		if (!(measured & 1U << VALUE_OBJECTS))
			row->objects_low = row->objects_high = row->bytes_low = row->bytes_high = VALUE_UNMEASURED;
	}
	for (int j = 0; j < VALUE_COUNT; j++) {
		if (!(measured & 1U << j))
			audit->totals[j] = VALUE_UNMEASURED;
		for (int i = 0; i <= AUDIT_OUTSIDE && !(measured & 1U << j); i++)
			audit->sums[i].values[j] = VALUE_UNMEASURED;
	}
	memcpy(audit->whole, audit->totals, sizeof(audit->whole));
	if (!audit->profile->totals_exact)
		return;
	profile_totals(audit->profile, counted);
	for (int j = 0; j < VALUE_COUNT; j++)
		audit->whole[j] = audit->totals[j] == VALUE_UNMEASURED ? VALUE_UNMEASURED
				  : counted[j] > audit->whole[j]       ? counted[j]
								       : audit->whole[j];
}

/* Adds a warning and frees the sentence; NULL is ignored. */
static void warn(struct audit *audit, char *sentence)
{
	if (sentence)
		audit->warnings[audit->warning_count++] =
			arena_string(&audit->storage->memory, sentence, strlen(sentence));
	free(sentence);
}

static void add_warnings(struct join *join)
{
	enum { WARNINGS = 4 };
	struct audit *audit = join->audit;
	struct audit_program program;
	bool beyond;
	char *uncovered = audit_uncovered(&join->groups, join->index, audit->profile, &beyond), *stale;

	audit->warnings = arena_allocate(&audit->storage->memory, WARNINGS * sizeof(*audit->warnings));
	if (!(audit->profile->row_measured & 1U << VALUE_OBJECTS))
		warn(audit,
		     memory_text(
			     "the profile does not measure objects by line: a line without refills may have allocated "
			     "too"));
	warn(audit, audit_incomplete(audit->output));
	audit_program_compare(audit, &program);
	stale = audit_stale(audit, &program, uncovered);
	audit->stale = stale != NULL;
	warn(audit, !stale && uncovered ? audit_partial(uncovered, beyond, &program) : stale);
	audit_program_clear(&program);
	free(uncovered);
}

/* The join went by the runtime's names of types; readers get those of the source. */
static void name_types(struct audit *audit)
{
	for (size_t i = 0; i < audit->row_count; i++)
		audit->rows[i].type = profile_shown_type(audit->profile, audit->rows[i].type);
}

/* Whether the row with the most bytes is known (audit.h). */
static bool tells(const struct audit *audit)
{
	const struct audit_row *greatest = NULL;

	for (size_t i = 0; i < audit->row_count; i++) {
		const struct audit_row *row = &audit->rows[i];

		if (audit_verdict_allocates(row->verdict) &&
		    (!greatest || row->values[VALUE_BYTES] > greatest->values[VALUE_BYTES]))
			greatest = row;
	}
	return greatest &&
	       (precision_tells(greatest->values[VALUE_OBJECTS], greatest->objects_low, greatest->objects_high) ||
		precision_tells(greatest->values[VALUE_BYTES], greatest->bytes_low, greatest->bytes_high));
}

struct audit *audit_new(const struct profile *profile, const struct escape_output *output,
			const struct audit_options *options)
{
	struct audit *audit = memory_zeroed(1, sizeof(*audit));
	struct join join = {.audit = audit, .verdicts = ~options->unread};

	*audit = (struct audit){.profile = profile, .output = output};
	audit->storage = join.storage = memory_zeroed(1, sizeof(*audit->storage));
	if (!options->like)
		audit->storage->index = audit_index_new(profile, output, options);
	join.index = options->like ? options->like->storage->index : audit->storage->index;
	join.matcher = audit_matcher_new(output, join.index);
	join.claimed = memory_zeroed(output->annotation_count + 1, 1);
	join.estimates = estimates_new(profile);
	groups_collect(&join.groups, join.index, join.estimates);
	if (options->spent)
		profile_forget_samples(options->spent);
	add_rows(&join);
	if (options->like)
		audit->stale = options->like->stale;
	else
		add_warnings(&join);
	/* Before the rows without an allocation, which are most of them. */
	groups_free(&join.groups);
	hash_index_free(&join.by_row);
	audit_matcher_free(join.matcher);
	estimates_free(join.estimates);
	malloc_trim(0); /* the groups were many small pieces, the rows will be one large one */
	if (!options->uncounted) {
		audit_copies_claim(output, join.claimed);
		add_unseen(&join);
	}
	finish_rows(audit);
	name_types(audit);
	audit->tells = tells(audit);
	audit_sort(audit, VALUE_BYTES);
	if (!options->exemplary) {
		audit_index_free(audit->storage->index);
		audit->storage->index = NULL;
	}
	free(join.claimed);
	return audit;
}

struct audit *audit_of_rows(const struct profile *profile, const struct escape_output *output,
			    const struct audit_row *rows, size_t count)
{
	struct audit *audit = memory_zeroed(1, sizeof(*audit));

	*audit = (struct audit){.profile = profile, .output = output, .row_count = count};
	audit->storage = memory_zeroed(1, sizeof(*audit->storage));
	audit->rows = memory_zeroed(count + 1, sizeof(*rows));
	for (size_t i = 0; i < count; i++) {
		audit->rows[i] = rows[i];
		audit->rows[i].values = values_new(&audit->storage->memory, rows[i].values);
	}
	finish_rows(audit);
	audit->tells = tells(audit);
	audit_sort(audit, VALUE_BYTES);
	return audit;
}

void audit_free(struct audit *audit)
{
	if (!audit)
		return;
	audit_index_free(audit->storage->index);
	arena_free(&audit->storage->memory);
	free(audit->storage);
	free(audit->rows);
	free(audit);
}
