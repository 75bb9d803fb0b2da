/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/text_compare.h"
#include "base/memory.h"
#include "profile/interval.h"
#include "profile/owner.h"
#include "profile/report_select.h"
#include "profile/size_class.h"

const char *const report_by_names[] = {"site", "frame", "function", "type", "size-class", "stack", NULL};

const char report_outside[] = "(outside)", report_runtime_frame[] = "(runtime)";
const char report_outermost[] = "(outermost)";

/* A row being collected. Its key is a run of bytes in which equal strings are equal pointers. */
struct group {
	UT_hash_handle hh;
	struct report_row row;
	double rarest; /* the greatest number of objects that one of the row's samples stands for */
	char key[];
};

struct builder {
	struct report *report;
	struct owner_table *owners;
	struct group *groups;
	struct profile_frame *frames; /* the frames of a stack, as a key being built */
	size_t frame_capacity;
};

static void *checked(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

static struct group *find_group(struct builder *builder, const void *key, size_t size, const struct report_row *row)
{
	struct group *group;

	HASH_FIND(hh, builder->groups, key, size, group);
	if (!group) {
		group = checked(memory_zeroed(1, sizeof(*group) + size));
		group->row = *row;
		memcpy(group->key, key, size);
		HASH_ADD_KEYPTR(hh, builder->groups, group->key, size, group);
	}
	return group;
}

/* --- keys: each fills the members of `row` that its kind has, and finds the group --- */

static struct group *by_position(struct builder *builder, const struct profile_frame *frame, struct report_row *row)
{
	const struct {
		const char *function, *file, *via, *type;
		uint64_t line;
	} key = {row->function, frame ? frame->file : NULL, row->via, row->type, frame ? frame->line : 0};

	row->file = key.file;
	row->line = (uint32_t)key.line;
	return find_group(builder, &key, sizeof(key), row);
}

static struct group *by_site(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	const struct owner owner = owner_of(builder->owners, sample);

	row->function = owner.frame ? owner.frame->function : owner.kind == OWNER_OUTSIDE ? report_outside : NULL;
	row->via = owner.via;
	if (builder->report->selection.typed)
		row->type = profile_shown_type(builder->report->profile, sample->key.type);
	return by_position(builder, owner.frame, row);
}

static struct group *by_frame(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	const struct owner owner = owner_of(builder->owners, sample);

	row->function = owner.allocating	      ? owner.allocating->function
			: owner.kind == OWNER_OUTSIDE ? report_runtime_frame
						      : NULL;
	return by_position(builder, owner.allocating, row);
}

static struct group *by_caller(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	const struct profile_frame *caller;

	report_find_frame(sample->key.stack, builder->report->selection.callers, &caller);
	row->function = caller ? caller->function : report_outermost;
	return by_position(builder, caller, row);
}

static struct group *by_function(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	const struct owner owner = owner_of(builder->owners, sample);

	row->function = owner.frame ? owner.frame->function : owner.kind == OWNER_OUTSIDE ? report_outside : NULL;
	return find_group(builder, &row->function, sizeof(row->function), row);
}

static struct group *by_type(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	row->type = profile_shown_type(builder->report->profile, sample->key.type);
	return find_group(builder, &row->type, sizeof(row->type), row);
}

/* If the runtime counts objects with and without pointers together, the two span classes of a size are one row. */
static void set_class(const struct report *report, struct report_row *row, int span_class)
{
	row->span_class = span_class;
	row->scan_unknown = report->classes_folded && span_class != SPAN_CLASS_UNKNOWN;
	if (row->scan_unknown)
		row->span_class &= ~1;
}

static struct group *by_size_class(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	set_class(builder->report, row, sample->key.span_class);
	return find_group(builder, &row->span_class, sizeof(row->span_class), row);
}

/* Stacks that differ only in addresses (two calls on one line, two processes) are the same to a reader of the
 * source. */
static struct group *by_stack(struct builder *builder, const struct profile_sample *sample, struct report_row *row)
{
	const struct profile_stack *stack = sample->key.stack;
	size_t count = 0, needed = 1;

	for (uint32_t i = 0; i < stack->depth; i++)
		needed += profile_stack_at(stack, i)->frame_count + 1;
	if (needed > builder->frame_capacity) {
		builder->frame_capacity = 2 * needed;
		builder->frames =
			checked(memory_resize(builder->frames, builder->frame_capacity, sizeof(*builder->frames)));
	}
	memset(builder->frames, 0, needed * sizeof(*builder->frames));
	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			struct profile_frame *frame = &builder->frames[count++];

			frame->function = location->frames[j].function;
			frame->file = location->frames[j].file;
			frame->line = location->frames[j].line;
			frame->column = location->frames[j].column;
		}
		if (location->frame_count == 0)
			builder->frames[count++].function = (const char *)(uintptr_t)location->address;
	}
	builder->frames[count++].line = stack->truncated;
	row->stack = stack;
	return find_group(builder, builder->frames, count * sizeof(*builder->frames), row);
}

static struct group *(*const groupers[])(struct builder *, const struct profile_sample *, struct report_row *) = {
	[BY_SITE] = by_site,	 [BY_FRAME] = by_frame,		  [BY_FUNCTION] = by_function,
	[BY_TYPE] = by_type,	 [BY_SIZE_CLASS] = by_size_class, [BY_STACK] = by_stack,
	[BY_CALLER] = by_caller,
};

/* --- values --- */

/* The number of objects of a span class that one sample stands for. */
static double objects_an_event(const struct profile *profile, int span_class)
{
	enum { TINY = 8, LARGE = 32768 };
	int64_t size = size_class_bytes(span_class_size_class(span_class));

	if (size == 0)
		size = LARGE;
	if (span_class == TINY_SPAN_CLASS)
		size = TINY;
	return -1 / expm1(-(double)size / (double)profile->rate);
}

static bool is_selected(const struct report_selection *selection, const struct profile_stack *stack)
{
	return (!selection->focus || report_find_frame(stack, selection->focus, NULL)) &&
	       (!selection->callers || report_find_frame(stack, selection->callers, NULL));
}

static void add_sample(struct builder *builder, const struct profile_sample *sample)
{
	struct report *report = builder->report;
	const struct profile *profile = report->profile;
	struct report_row row = {.span_class = SPAN_CLASS_UNKNOWN};
	struct group *group;

	if (!is_selected(&report->selection, sample->key.stack))
		return;
	group = groupers[report->by](builder, sample, &row);
	for (int value = 0; value < VALUE_COUNT; value++) {
		group->row.values[value] = add_saturated(group->row.values[value], sample->values[value]);
		report->selected[value] = add_saturated(report->selected[value], sample->values[value]);
	}
	if (report->plain)
		return;
	interval_add_sample(&group->row.interval, report->estimates, sample);
	/* A function may have lines without a sample. If another module allocates for the line, a function of that
	 * module allocates. */
	group->row.interval.varies |= builder->report->by == BY_FUNCTION || group->row.via;
	if (profile->rate > 1 && sample->key.span_class != SPAN_CLASS_UNKNOWN)
		group->rarest = fmax(group->rarest, objects_an_event(profile, sample->key.span_class));
}

/*
 * A row without a sampled object exists if a refill of it was seen. It may have allocated as many objects as remain
 * unsampled once in 40 times: 3.7 events' worth.
 */
static struct interval_bounds missed(const struct report_row *row, const struct estimates *estimates, double rarest)
{
	const double missed_events = 3.688879454113936; /* -ln 0.025 */
	int64_t objects = count_from(ceil(missed_events * rarest));
	int64_t bytes = count_from(missed_events * (double)estimates->profile->rate);
	int64_t seen = row->values[profile_objects(estimates->profile)];
	int64_t bytes_seen = row->values[profile_bytes(estimates->profile)];

	return (struct interval_bounds){seen, add_saturated(seen, objects), bytes_seen,
					add_saturated(bytes_seen, bytes)};
}

/* Whether this is the row of tiny objects. */
static bool is_tiny_row(const struct report_row *row)
{
	return row->function && strcmp(row->function, estimates_tiny_site) == 0;
}

/* Whether tiny objects may belong to the row. What its samples are says so only of a row of one type: another call on the line
 * may have allocated tiny objects, of which there are no samples. */
static bool maybe_tiny(const struct report *report, const struct report_row *row)
{
	if (report->by == BY_SIZE_CLASS)
		return row->span_class == SPAN_CLASS_UNKNOWN ||
		       span_class_size_class(row->span_class) == span_class_size_class(TINY_SPAN_CLASS);
	if (report->by == BY_TYPE || (report->by == BY_SITE && report->selection.typed))
		return row->interval.maybe_tiny;
	return !is_tiny_row(row);
}

static void set_bounds(const struct report *report, struct report_row *row, double rarest)
{
	const struct estimates *estimates = report->estimates;

	row->has_bounds = true;
	row->bounds = interval_is_known(&row->interval) ? interval_bounds(&row->interval, estimates)
							: missed(row, estimates, rarest);
	if (estimates->profile->rows_least)
		row->bounds.objects_high = row->bounds.bytes_high = VALUE_UNMEASURED;
	if (maybe_tiny(report, row))
		row->tiny_unknown = !interval_allow_tiny(&row->bounds, estimates);
	if (interval_has_no_bytes(&row->interval))
		row->values[VALUE_BYTES] = VALUE_UNMEASURED;
}

/* Growth of the heap says nothing about objects: if nothing else was seen, their number is unknown. */
static void forget_objects(struct report_row *row)
{
	row->values[VALUE_OBJECTS] = row->values[VALUE_BYTES] = row->values[VALUE_SAMPLES] = VALUE_UNMEASURED;
}

static bool measures(uint32_t mask, enum profile_value value)
{
	return mask & 1u << value;
}

static void finish_groups(struct builder *builder)
{
	struct report *report = builder->report;
	const uint32_t estimate = 1u << profile_objects(report->profile) | 1u << VALUE_SAMPLES;
	struct group *group, *next;

	report->rows = checked(memory_zeroed(HASH_COUNT(builder->groups) + 1, sizeof(*report->rows)));
	HASH_ITER (hh, builder->groups, group, next) {
		if (!report->rows_exact && (report->measured & estimate) == estimate) {
			if (report->plain) {
				if (group->row.values[VALUE_SAMPLES] == 0 && group->row.values[VALUE_OBJECTS] == 0)
					forget_objects(&group->row);
			} else if (interval_is_known(&group->row.interval) || group->rarest > 0)
				set_bounds(report, &group->row, group->rarest);
			else
				forget_objects(&group->row);
		}
		for (int value = 0; value < VALUE_COUNT; value++) {
			if (!measures(report->measured, value))
				group->row.values[value] = VALUE_UNMEASURED;
		}
		report->rows[report->row_count++] = group->row;
		HASH_DEL(builder->groups, group);
		free(group);
	}
}

/* --- size classes, which may have exact totals --- */

/* Whether every process has totals of that value by class. */
static bool has_class_totals(const struct profile *profile, enum profile_value value)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		bool found = false;

		for (int class = 0; class < SPAN_CLASSES && !found; class ++)
			found = profile->processes[i].class_totals[class][value] != VALUE_UNMEASURED;
		if (!found)
			return false;
	}
	return profile->process_count > 0;
}

static int64_t class_total(const struct profile *profile, int class, enum profile_value value)
{
	int64_t sum = 0;

	for (size_t i = 0; i < profile->process_count; i++) {
		int64_t part = profile->processes[i].class_totals[class][value];

		sum = part == VALUE_UNMEASURED ? sum : add_saturated(sum, part);
	}
	return sum;
}

/*
 * Replaces sums of samples by what the runtime counted by class: the same if rows are exact, better if they are
 * estimates. Values that the runtime does not count are left.
 */
static void set_class_totals(struct builder *builder, enum profile_value value)
{
	const struct profile *profile = builder->report->profile;
	struct group *group, *next;

	HASH_ITER (hh, builder->groups, group, next)
		group->row.values[value] = 0;
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		struct report_row row = {0};
		int64_t total = class_total(profile, class, value);

		if (!total)
			continue;
		set_class(builder->report, &row, class);
		/* tiny objects that share a block are counted separately from the blocks */
		if (row.scan_unknown && class == TINY_SPAN_CLASS && value == VALUE_OBJECTS) {
			row.span_class = TINY_SPAN_CLASS;
			row.scan_unknown = false;
			row.shared_tiny = true;
		}
		group = find_group(builder, &row.span_class, sizeof(row.span_class), &row);
		group->row.values[value] = add_saturated(group->row.values[value], total);
	}
	builder->report->measured |= 1u << value;
}

int64_t report_row_span_tails(const struct report *report, const struct report_row *row)
{
	const struct profile *profile = report->profile;
	int64_t sum = 0;

	if (row->shared_tiny)
		return 0; /* they have no span of their own: the blocks are another row's */
	if (row->span_class == SPAN_CLASS_UNKNOWN || !has_class_totals(profile, VALUE_CENTRAL_GROWS))
		return VALUE_UNMEASURED;
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];
		int64_t tail =
			size_class_span_tail(span_class_size_class(row->span_class), !profile_process_is_go(process));

		for (int class = row->span_class; class <= row->span_class + row->scan_unknown; class ++) {
			int64_t grows = process->class_totals[class][VALUE_CENTRAL_GROWS];

			if (grows > 0)
				sum = add_saturated(sum, grows > INT64_MAX / (tail + 1) ? INT64_MAX : grows * tail);
		}
	}
	return sum;
}

static void drop_empty_groups(struct builder *builder)
{
	static const int64_t zeros[VALUE_COUNT];
	struct group *group, *next;

	HASH_ITER (hh, builder->groups, group, next) {
		if (memcmp(group->row.values, zeros, sizeof(zeros)) == 0) {
			HASH_DEL(builder->groups, group);
			free(group);
		}
	}
}

static void use_class_totals(struct builder *builder)
{
	const struct profile *profile = builder->report->profile;

	for (int value = 0; value < VALUE_COUNT; value++) {
		if (!has_class_totals(profile, value))
			continue;
		set_class_totals(builder, value);
		if (value == VALUE_OBJECTS)
			builder->report->rows_exact = profile->totals_exact;
	}
	drop_empty_groups(builder);
}

/* --- order --- */

static int compare_stacks(const struct profile_stack *a, const struct profile_stack *b)
{
	for (uint32_t i = 0; i < a->depth && i < b->depth; i++) {
		const struct profile_location *left = profile_stack_at(a, i), *right = profile_stack_at(b, i);
		int order = 0;

		if (left->frame_count && right->frame_count) {
			order = text_compare_known_first(left->frames[0].function, right->frames[0].function);
			if (order == 0)
				order = (left->frames[0].line > right->frames[0].line) -
					(left->frames[0].line < right->frames[0].line);
		}
		if (order == 0)
			order = (left->address > right->address) - (left->address < right->address);
		if (order)
			return order;
	}
	return (a->depth > b->depth) - (a->depth < b->depth);
}

/* Equal ones by bytes, objects and refills, then by name, so that the order is always the same. */
int report_row_compare(const struct report_row *left, const struct report_row *right, enum profile_value sort)
{
	const enum profile_value values[] = {sort, VALUE_BYTES, VALUE_OBJECTS, VALUE_REFILLS};
	int order;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int64_t l = left->values[values[i]], r = right->values[values[i]];

		if (l != r)
			return l > r ? -1 : 1;
	}
	if ((order = text_compare_known_first(left->function, right->function)) ||
	    (order = text_compare_known_first(left->file, right->file)) ||
	    (order = text_compare_known_first(left->via, right->via)) ||
	    (order = text_compare_known_first(left->type, right->type)))
		return order;
	if (left->line != right->line)
		return left->line < right->line ? -1 : 1;
	if (left->span_class != right->span_class)
		return left->span_class < right->span_class ? -1 : 1;
	return left->stack && right->stack ? compare_stacks(left->stack, right->stack) : 0;
}

static int compare_rows(const void *a, const void *b, void *context)
{
	return report_row_compare(a, b, *(enum profile_value *)context);
}

enum profile_value report_default_sort(const struct profile *profile)
{
	enum profile_value bytes = profile_bytes(profile);

	if (measures(profile->row_measured, bytes))
		return bytes;
	return measures(profile->row_measured, VALUE_REFILLS) ? VALUE_REFILLS : profile_objects(profile);
}

/* The interval of the total is that of all samples together, if the total is their sum and was not counted. */
static void set_totals(struct report *report)
{
	const struct profile *profile = report->profile;
	struct interval sum = {0};

	profile_totals(profile, report->totals);
	if (profile->totals_exact || report->estimates->counted ||
	    report->totals[profile_objects(profile)] == VALUE_UNMEASURED ||
	    !measures(profile->row_measured, VALUE_SAMPLES))
		return;
	for (size_t i = 0; i < profile->sample_count; i++)
		interval_add_sample(&sum, report->estimates, profile->samples[i]);
	report->totals_have_bounds = true;
	report->bounds = interval_bounds(&sum, report->estimates);
	if (profile->tiny_in_blocks && !interval_allow_tiny(&report->bounds, report->estimates))
		report->bounds.objects_high = VALUE_UNMEASURED; /* of bytes, all blocks have their samples */
	interval_clear(&sum);
}

/* The totals lack what a process allocated after its counters were last read; its samples do not. */
static void set_whole(struct report *report)
{
	int64_t rows[VALUE_COUNT];

	profile_sums(report->profile, rows);
	for (int value = 0; value < VALUE_COUNT; value++) {
		report->whole[value] = report->totals[value];
		if (report->totals[value] != VALUE_UNMEASURED && rows[value] > report->totals[value])
			report->whole[value] = rows[value];
	}
}

/* The rows of all selected samples, in no order. */
static void collect_rows(struct report *report)
{
	const struct report_selection *selection = &report->selection;
	struct builder builder = {.report = report};

	builder.owners = owner_table_new(report->profile);
	for (size_t i = 0; i < report->profile->sample_count; i++)
		add_sample(&builder, report->profile->samples[i]);
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (!measures(report->measured, value))
			report->selected[value] = VALUE_UNMEASURED;
	}
	if (report->by == BY_SIZE_CLASS && !selection->focus && !selection->callers)
		use_class_totals(&builder);
	finish_groups(&builder);
	free(builder.frames);
	owner_table_free(builder.owners);
	report->row_total = report->row_count;
}

static struct report *begin(const struct profile *profile, enum report_by by, enum profile_value sort)
{
	struct report *report = checked(memory_zeroed(1, sizeof(*report)));

	report->profile = profile;
	report->by = by;
	report->sort = sort;
	report->rows_exact = profile_is_exact(profile);
	report->measured = profile->row_measured;
	report->classes_folded = profile->snapshot;
	for (size_t i = 0; i < profile->process_count; i++)
		report->classes_folded |= estimates_folded(&profile->processes[i]);
	return report;
}

struct report *report_new_plain(const struct profile *profile, enum report_by by, enum profile_value sort)
{
	struct report *report = begin(profile, by, sort);

	report->plain = true;
	collect_rows(report);
	return report;
}

struct report_row_key report_row_key(const struct report_row *row)
{
	return (struct report_row_key){row->function, row->file,       row->via,	row->type,
				       row->line,     row->span_class, row->shared_tiny};
}

size_t report_row_samples(const struct report *report, const struct report_row *row, struct profile_sample **samples)
{
	struct builder builder = {.report = (struct report *)report, .owners = owner_table_new(report->profile)};
	const struct report_row_key wanted = report_row_key(row);
	struct group *group, *next;
	size_t count = 0;

	for (size_t i = 0; i < report->profile->sample_count; i++) {
		struct report_row of_sample = {.span_class = SPAN_CLASS_UNKNOWN};
		struct report_row_key key;

		group = groupers[report->by](&builder, report->profile->samples[i], &of_sample);
		key = report_row_key(&group->row);
		if (memcmp(&key, &wanted, sizeof(key)) == 0)
			samples[count++] = report->profile->samples[i];
	}
	HASH_ITER (hh, builder.groups, group, next) {
		HASH_DEL(builder.groups, group);
		free(group);
	}
	owner_table_free(builder.owners);
	return count;
}

/* A snapshot is of what is alive: what has held something once, and holds nothing now, comes last. */
static void leave_out_empty(struct report *report)
{
	while (profile_values[report->sort].kinds & VALUE_LIVE && report->row_count &&
	       report->rows[report->row_count - 1].values[report->sort] == 0)
		interval_clear(&report->rows[--report->row_count].interval);
}

struct report *report_new(const struct profile *profile, enum report_by by, enum profile_value sort, size_t top)
{
	return report_new_selected(profile, by, sort, top, &(struct report_selection){0});
}

struct report *report_new_selected(const struct profile *profile, enum report_by by, enum profile_value sort,
				   size_t top, const struct report_selection *selection)
{
	struct report *report = begin(profile, by, sort);

	report->selection = *selection;
	report->estimates = estimates_new(profile);
	set_totals(report);
	set_whole(report);
	collect_rows(report);
	qsort_r(report->rows, report->row_count, sizeof(*report->rows), compare_rows, &report->sort);
	leave_out_empty(report);
	report->row_total = report->row_count;
	if (top && top < report->row_count)
		report->row_count = top;
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->row_total; i++)
		interval_clear(&report->rows[i].interval);
	estimates_free(report->estimates);
	free(report->rows);
	free(report);
}
