/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/top_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_join.h"
#include "base/clock.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "profile/size_class.h"

enum { KEPT = TOP_WINDOW + 1, VERDICT_SHARE = 200 };

/* What a sample was in the last views. */
struct past {
	UT_hash_handle hh;
	struct profile_key key;
	uint64_t first; /* view in which it came */
	int64_t values[KEPT][VALUE_COUNT];
};

/* What the audit says of a row of some grouping. */
struct verdict {
	UT_hash_handle hh;
	struct verdict_key {
		const char *function, *file, *via, *type;
		uint64_t line;
	} key;
	const struct audit_row *row;
};

struct top_model {
	uint64_t views;
	int processes;
	struct profile now, change; /* the last view; what came in the window */
	struct profile_sample *samples, *changes;
	struct profile_group (*groups)[BURST_GROUPS]; /* of the samples that have any */
	struct profile_sample **sample_pointers, **change_pointers;
	size_t capacity, group_capacity, process_capacity;
	struct past *past;
	struct top_sums sums[TOP_HISTORY];
	int64_t (*classes)[SPAN_CLASSES][VALUE_COUNT]; /* KEPT of them: sums of all processes */
	struct top_row *rows;
	struct report *report, *stacks; /* what the rows, and a row's stacks, are of */
	struct profile detail;
	const struct escape_output *output;
	const struct audit_options *options;
	struct audit *audit;
	struct verdict *verdicts;
	size_t audited; /* samples that the audit has seen */
	int64_t next_audit_ns;
	const char **modules;
	size_t module_count;
};

struct top_model *top_model_new(void)
{
	struct top_model *model = memory_zeroed(1, sizeof(*model));

	model->classes = memory_zeroed(KEPT, sizeof(*model->classes));
	return model;
}

static void forget_verdicts(struct top_model *model)
{
	struct verdict *verdict, *next;

	HASH_ITER (hh, model->verdicts, verdict, next) {
		HASH_DEL(model->verdicts, verdict);
		free(verdict);
	}
	audit_free(model->audit);
	model->audit = NULL;
}

void top_model_free(struct top_model *model)
{
	struct past *past, *next;

	if (!model)
		return;
	forget_verdicts(model);
	HASH_ITER (hh, model->past, past, next) {
		HASH_DEL(model->past, past);
		free(past);
	}
	report_free(model->report);
	report_free(model->stacks);
	free(model->detail.samples);
	free(model->samples);
	free(model->changes);
	free(model->groups);
	free(model->sample_pointers);
	free(model->change_pointers);
	free(model->now.processes);
	free(model->change.processes);
	free(model->classes);
	free(model->rows);
	free(model);
}

void top_model_set_escape(struct top_model *model, const struct escape_output *output,
			  const struct audit_options *options)
{
	model->output = output;
	model->options = options;
}

void top_model_set_modules(struct top_model *model, const char **globs, size_t count)
{
	model->modules = globs;
	model->module_count = count;
}

/* --- taking a view over --- */

static void reserve(struct top_model *model, const struct profile *from)
{
	if (from->sample_count > model->capacity) {
		model->capacity = 2 * from->sample_count;
		model->samples = memory_resize(model->samples, model->capacity, sizeof(*model->samples));
		model->changes = memory_resize(model->changes, model->capacity, sizeof(*model->changes));
		model->sample_pointers =
			memory_resize(model->sample_pointers, model->capacity, sizeof(*model->sample_pointers));
		model->change_pointers =
			memory_resize(model->change_pointers, model->capacity, sizeof(*model->change_pointers));
	}
	if (from->process_count > model->process_capacity) {
		model->process_capacity = 2 * from->process_count;
		model->now.processes =
			memory_resize(model->now.processes, model->process_capacity, sizeof(*from->processes));
		model->change.processes =
			memory_resize(model->change.processes, model->process_capacity, sizeof(*from->processes));
	}
}

/* A shallow copy whose samples and processes are its own. Rows are not estimates with intervals here. */
static void become(struct profile *copy, const struct profile *from, struct profile_sample **samples)
{
	struct profile_process *processes = copy->processes;

	*copy = *from;
	copy->processes = processes;
	copy->samples = samples;
	if (from->process_count)
		memcpy(processes, from->processes, from->process_count * sizeof(*processes));
}

/* Keys are compared as bytes, so what is between their members is zero. */
static struct past *past_of(struct top_model *model, const struct profile_key *key)
{
	struct profile_key bytes;
	struct past *past;

	profile_key_copy(&bytes, key);
	HASH_FIND(hh, model->past, &bytes, sizeof(bytes), past);
	if (!past) {
		past = memory_zeroed(1, sizeof(*past));
		memcpy(&past->key, &bytes, sizeof(bytes));
		past->first = model->views;
		HASH_ADD(hh, model->past, key, sizeof(bytes), past);
	}
	return past;
}

/* Returns the view that changes are relative to. */
static uint64_t window_start(const struct top_model *model)
{
	return model->views > TOP_WINDOW ? model->views - TOP_WINDOW : 0;
}

/* Estimates are calibrated by exact counters at each view, so they may fall: then nothing was added. */
static int64_t increase(int64_t now, int64_t then)
{
	if (now == VALUE_UNMEASURED || then == VALUE_UNMEASURED)
		return VALUE_UNMEASURED;
	return now > then ? now - then : 0;
}

static void reserve_groups(struct top_model *model, const struct profile *from)
{
	size_t count = 0;

	for (size_t i = 0; i < from->sample_count; i++)
		count += from->samples[i]->groups != NULL;
	if (count <= model->group_capacity)
		return;
	model->group_capacity = 2 * count;
	model->groups = memory_resize(model->groups, model->group_capacity, sizeof(*model->groups));
}

static void take_samples(struct top_model *model, const struct profile *from)
{
	uint64_t start = window_start(model);
	size_t groups = 0;

	reserve_groups(model, from);
	for (size_t i = 0; i < from->sample_count; i++) {
		struct past *past = past_of(model, &from->samples[i]->key);
		const int64_t *then = past->values[start % KEPT];
		bool was_there = past->first < model->views && past->first <= start;

		model->samples[i] = model->changes[i] = *from->samples[i];
		model->changes[i].groups = NULL;
		if (from->samples[i]->groups)
			model->samples[i].groups =
				memcpy(model->groups[groups++], from->samples[i]->groups, sizeof(*model->groups));
		model->sample_pointers[i] = &model->samples[i];
		model->change_pointers[i] = &model->changes[i];
		for (int value = 0; value < VALUE_COUNT; value++)
			model->changes[i].values[value] = model->views == 0 ? 0
									    : increase(model->samples[i].values[value],
										       was_there ? then[value] : 0);
		memcpy(past->values[model->views % KEPT], model->samples[i].values, sizeof(past->values[0]));
	}
}

/* The sum over all processes; unmeasured if no process measures it. */
static void sum_classes(const struct profile *from, int64_t sums[SPAN_CLASSES][VALUE_COUNT])
{
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		for (int value = 0; value < VALUE_COUNT; value++) {
			int64_t *sum = &sums[class][value];

			*sum = VALUE_UNMEASURED;
			for (size_t i = 0; i < from->process_count; i++) {
				int64_t part = from->processes[i].class_totals[class][value];

				if (part != VALUE_UNMEASURED)
					*sum = add_saturated(*sum == VALUE_UNMEASURED ? 0 : *sum, part);
			}
		}
	}
}

/* The change of all processes' totals by class is stored in the first process; the others have none. */
static void take_classes(struct top_model *model)
{
	int64_t(*now)[VALUE_COUNT] = model->classes[model->views % KEPT];
	int64_t(*then)[VALUE_COUNT] = model->classes[window_start(model) % KEPT];

	sum_classes(&model->now, now);
	for (size_t i = 0; i < model->change.process_count; i++) {
		for (int class = 0; class < SPAN_CLASSES; class ++) {
			for (int value = 0; value < VALUE_COUNT; value++) {
				int64_t *total = &model->change.processes[i].class_totals[class][value];

				if (i == 0 && now[class][value] != VALUE_UNMEASURED)
					*total = increase(now[class][value], then[class][value] == VALUE_UNMEASURED
										     ? 0
										     : then[class][value]);
				else if (*total != VALUE_UNMEASURED)
					*total = 0;
			}
		}
	}
}

/* --- verdicts --- */

static void note_verdict(struct top_model *model, const struct verdict_key *key, const struct audit_row *row)
{
	struct verdict *verdict;

	HASH_FIND(hh, model->verdicts, key, sizeof(*key), verdict);
	if (!verdict) {
		verdict = memory_zeroed(1, sizeof(*verdict));
		verdict->key = *key;
		HASH_ADD(hh, model->verdicts, key, sizeof(*key), verdict);
	}
	if (!verdict->row || row->values[VALUE_BYTES] > verdict->row->values[VALUE_BYTES])
		verdict->row = row;
}

/* The verdict of a site does not change, so an audit is due only if there are new samples. It may take a small share of
 * the time. */
static void judge(struct top_model *model)
{
	int64_t began = monotonic_ns();

	if (!model->output || model->now.sample_count == model->audited || began < model->next_audit_ns)
		return;
	forget_verdicts(model);
	model->audit = audit_new(&model->now, model->output, model->options);
	model->audited = model->now.sample_count;
	for (size_t i = 0; i < model->audit->row_count; i++) {
		const struct audit_row *row = &model->audit->rows[i];
		struct verdict_key key;

		if (!audit_verdict_allocates(row->verdict))
			continue;
		memset(&key, 0, sizeof(key));
		if (row->owner) {
			key.function = row->owner->function;
			note_verdict(model, &key, row);
			key.file = row->owner->file;
			key.line = row->owner->line;
			key.via = row->via;
			note_verdict(model, &key, row);
		}
		if (row->type) {
			memset(&key, 0, sizeof(key));
			key.type = row->type;
			note_verdict(model, &key, row);
		}
	}
	model->next_audit_ns = began + VERDICT_SHARE * (monotonic_ns() - began);
}

static void set_verdict(const struct top_model *model, enum report_by by, struct top_row *row)
{
	const struct verdict *verdict;
	struct verdict_key key;

	row->verdict = row->words = NULL;
	if (by == BY_SIZE_CLASS || !model->audit)
		return;
	memset(&key, 0, sizeof(key));
	key.function = row->row.function;
	key.file = row->row.file;
	key.line = row->row.line;
	key.via = row->row.via;
	key.type = row->row.type;
	HASH_FIND(hh, model->verdicts, &key, sizeof(key), verdict);
	if (!verdict)
		return;
	row->verdict = audit_verdict_name(verdict->row->verdict);
	row->words = audit_row_words(verdict->row);
}

void top_model_add(struct top_model *model, const struct session_view *view)
{
	struct top_sums *sums = &model->sums[model->views % TOP_HISTORY];

	report_free(model->report);
	report_free(model->stacks);
	model->report = model->stacks = NULL;
	reserve(model, view->profile);
	become(&model->now, view->profile, model->sample_pointers);
	if (model->module_count) {
		model->now.modules = model->modules;
		model->now.module_count = model->module_count;
	}
	become(&model->change, &model->now, model->change_pointers);
	model->change.rows_exact = model->change.totals_exact = true;
	take_samples(model, view->profile);
	take_classes(model);
	sums->seconds = view->seconds;
	sums->collections = view->collections;
	profile_totals(&model->now, sums->totals);
	model->processes = view->processes;
	model->views++;
	judge(model);
}

const struct profile *top_model_profile(const struct top_model *model)
{
	return model->views ? &model->now : NULL;
}

int top_model_processes(const struct top_model *model)
{
	return model->processes;
}

/* --- sums --- */

const struct top_sums *top_model_sums(const struct top_model *model, size_t age)
{
	return age < model->views && age < TOP_HISTORY ? &model->sums[(model->views - 1 - age) % TOP_HISTORY] : NULL;
}

static int64_t sum_value(const struct top_sums *sums, int value)
{
	return value == VALUE_COUNT ? sums->collections : sums->totals[value];
}

double top_model_rate(const struct top_model *model, int value, size_t age, size_t older)
{
	const struct top_sums *to = top_model_sums(model, age), *from = top_model_sums(model, older);
	int64_t change;

	if (!from || !to || to->seconds <= from->seconds)
		return -1;
	change = increase(sum_value(to, value), sum_value(from, value));
	return change == VALUE_UNMEASURED ? -1 : (double)change / (to->seconds - from->seconds);
}

/* --- rows --- */

/* Returns the seconds that the changes cover; 0 before the second view. */
static double window_seconds(const struct top_model *model)
{
	const struct top_sums *to = top_model_sums(model, 0);
	const struct top_sums *from = top_model_sums(model, model->views > TOP_WINDOW ? TOP_WINDOW : model->views - 1);

	return to && from ? to->seconds - from->seconds : 0;
}

static void set_rates(struct top_row *row, const struct report_row *change, double seconds)
{
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (row->row.values[value] == VALUE_UNMEASURED || seconds <= 0)
			row->rates[value] = VALUE_UNMEASURED;
		else if (change && change->values[value] > 0)
			row->rates[value] = count_from((double)change->values[value] / seconds + 0.5);
		else
			row->rates[value] = 0;
	}
}

static bool has_text(const char *name, const char *text)
{
	return name && strcasestr(name, text);
}

static bool is_wanted(const struct report_row *row, enum report_by by, const char *filter)
{
	char size[32], position[32];

	if (!filter || !*filter)
		return true;
	snprintf(size, sizeof(size), "%lld",
		 (long long)size_class_bytes(row->span_class < 0 ? 0 : row->span_class / 2));
	snprintf(position, sizeof(position), ":%u", row->line);
	return has_text(row->function, filter) || has_text(row->file, filter) || has_text(row->via, filter) ||
	       has_text(row->type, filter) || (by == BY_SIZE_CLASS && has_text(size, filter)) ||
	       (row->line && has_text(position, filter));
}

static int64_t sorted_by(const struct top_row *row, const struct top_question *question)
{
	return question->by_total ? row->row.values[question->sort] : row->rates[question->sort];
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct top_row *left = a, *right = b;
	const struct top_question *question = context;
	int64_t l = sorted_by(left, question), r = sorted_by(right, question);

	if (l != r)
		return l > r ? -1 : 1;
	return report_row_compare(&left->row, &right->row, question->sort);
}

/* A group of the report of changes, by its key. */
struct change {
	UT_hash_handle hh;
	const struct report_row *row;
	struct report_row_key key;
};

const struct top_row *top_model_rows(struct top_model *model, const struct top_question *question, size_t *count)
{
	double seconds = model->views ? window_seconds(model) : 0;
	struct change *changes = NULL, *change, *next;
	struct report *report;

	*count = 0;
	report_free(model->report);
	report_free(model->stacks);
	model->report = model->stacks = NULL;
	if (!model->views)
		return NULL;
	model->report = report_new_plain(&model->now, question->by, question->sort);
	report = report_new_plain(&model->change, question->by, question->sort);
	for (size_t i = 0; i < report->row_count; i++) {
		change = memory_zeroed(1, sizeof(*change));
		change->row = &report->rows[i];
		change->key = report_row_key(&report->rows[i]);
		HASH_ADD(hh, changes, key, sizeof(change->key), change);
	}
	model->rows = memory_resize(model->rows, model->report->row_count + 1, sizeof(*model->rows));
	for (size_t i = 0; i < model->report->row_count; i++) {
		struct top_row *row = &model->rows[*count];
		struct report_row_key key = report_row_key(&model->report->rows[i]);

		if (!is_wanted(&model->report->rows[i], question->by, question->filter))
			continue;
		HASH_FIND(hh, changes, &key, sizeof(key), change);
		row->row = model->report->rows[i];
		set_rates(row, change ? change->row : NULL, seconds);
		set_verdict(model, question->by, row);
		(*count)++;
	}
	HASH_ITER (hh, changes, change, next) {
		HASH_DEL(changes, change);
		free(change);
	}
	report_free(report);
	qsort_r(model->rows, *count, sizeof(*model->rows), compare_rows, (void *)question);
	return model->rows;
}

const struct report *top_model_stacks(struct top_model *model, const struct top_row *row, size_t most)
{
	report_free(model->stacks);
	model->detail.samples =
		memory_resize(model->detail.samples, model->now.sample_count + 1, sizeof(*model->detail.samples));
	{
		struct profile_sample **samples = model->detail.samples;

		model->detail = model->now;
		model->detail.samples = samples;
	}
	model->detail.sample_count = report_row_samples(model->report, &row->row, model->detail.samples);
	model->stacks = report_new(&model->detail, BY_STACK, model->report->sort, most);
	return model->stacks;
}
