/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "profile/estimates.h"
#include "record/observed_rows.h"
#include "record/phases.h"

/* A sample: rows of one key, of several kinds of events, add up to it; its groups, if it has any, are behind it. */
struct live_sample {
	UT_hash_handle hh;
	struct profile_sample sample;
	struct profile_group groups[];
};

/* The sample of a row of the store, and the row's sums at the last view. */
struct live_row {
	struct live_sample *sample;
	uint64_t count, events;
	int64_t values[VALUE_COUNT];
};

struct live_rows {
	struct live_row *rows; /* by index in the store, which only grows */
	uint32_t count, capacity;
	struct live_sample *samples;
	struct profile_sample rest;
	bool estimated; /* the rows of bursts are estimates */
};

struct live {
	struct profile view;
	size_t sample_capacity, process_capacity;
	int64_t collections;
};

struct live *live_new(void)
{
	return memory_zeroed(1, sizeof(struct live));
}

void live_free(struct live *live)
{
	if (!live)
		return;
	free(live->view.samples);
	free(live->view.processes);
	free(live);
}

static void forget_samples(struct live_rows *rows)
{
	struct live_sample *sample, *next;

	HASH_ITER (hh, rows->samples, sample, next) {
		HASH_DEL(rows->samples, sample);
		free(sample);
	}
}

void live_rows_free(struct live_rows *rows)
{
	if (!rows)
		return;
	forget_samples(rows);
	free(rows->rows);
	free(rows);
}

static void reserve(struct live *live, size_t samples, size_t processes)
{
	struct profile *view = &live->view;

	if (view->sample_count + samples > live->sample_capacity) {
		live->sample_capacity = 2 * (view->sample_count + samples);
		view->samples = memory_resize(view->samples, live->sample_capacity, sizeof(*view->samples));
	}
	if (view->process_count + processes > live->process_capacity) {
		live->process_capacity = 2 * (view->process_count + processes);
		view->processes = memory_resize(view->processes, live->process_capacity, sizeof(*view->processes));
	}
}

void live_begin(struct live *live, const struct profile *recording)
{
	struct profile_sample **samples = live->view.samples;
	struct profile_process *processes = live->view.processes;

	live->view = *recording;
	live->view.samples = samples;
	live->view.processes = processes;
	live->view.sample_count = live->view.process_count = 0;
	live->collections = VALUE_UNMEASURED;
	reserve(live, recording->sample_count + 1, recording->process_count + 1);
	if (recording->sample_count)
		memcpy(live->view.samples, recording->samples, recording->sample_count * sizeof(*samples));
	if (recording->process_count)
		memcpy(live->view.processes, recording->processes, recording->process_count * sizeof(*processes));
	live->view.sample_count = recording->sample_count;
	live->view.process_count = recording->process_count;
}

/* Returns the sample of that key. Everything in a key is interned, so keys are equal if their bytes (without
 * padding) are. */
static struct live_sample *sample_of(struct live_rows *rows, const struct profile_key *key)
{
	struct profile_key bytes;
	struct live_sample *sample;

	profile_key_copy(&bytes, key);
	HASH_FIND(hh, rows->samples, &bytes, sizeof(bytes), sample);
	if (!sample) {
		sample = memory_zeroed(1, sizeof(*sample) + (key->bursts ? BURST_GROUPS * sizeof(*sample->groups) : 0));
		memcpy(&sample->sample.key, &bytes, sizeof(bytes));
		sample->sample.groups = key->bursts ? sample->groups : NULL;
		HASH_ADD(hh, rows->samples, sample.key, sizeof(bytes), sample);
	}
	return sample;
}

/* Symbolizes a new row, and updates the values of a row whose sums have changed since the last view. */
static void update_row(struct live_rows *rows, uint32_t index, const struct observed *observed,
		       const struct event_store *store)
{
	const struct event_row *from = &store->rows[index];
	struct live_row *row = &rows->rows[index];
	struct profile_key key;
	struct observed_row read;

	if (row->sample && row->count == from->sums.count && row->events == from->sums.events)
		return;
	observed_row_read(observed, store, from, &read);
	observed_row_values(&read, row->values);
	row->count = from->sums.count;
	row->events = from->sums.events;
	if (row->sample)
		return;
	key = observed_row_key(observed, &read);
	row->sample = sample_of(rows, &key);
}

static void add_groups(struct profile_group *sums, const struct event_store *store, const struct event_row *row)
{
	struct profile_group groups[BURST_GROUPS];

	observed_groups(event_store_groups(store, row), groups);
	for (int group = 0; group < BURST_GROUPS; group++) {
		sums[group].objects = add_saturated(sums[group].objects, groups[group].objects);
		sums[group].bytes = add_saturated(sums[group].bytes, groups[group].bytes);
		sums[group].samples = add_saturated(sums[group].samples, groups[group].samples);
	}
}

/* With enough bursts, what was counted in them becomes estimates, whose keys are others. */
static void forget_counted(struct live_rows *rows, const struct observed *observed)
{
	bool estimated = observed_bursts_suffice(observed);

	if (estimated == rows->estimated)
		return;
	rows->estimated = estimated;
	forget_samples(rows);
	rows->count = 0;
}

static void update(struct live_rows *rows, const struct observed *observed, const struct event_store *store)
{
	struct live_sample *sample;

	forget_counted(rows, observed);
	if (store->row_count > rows->capacity) {
		rows->capacity = 2 * store->row_count;
		rows->rows = memory_resize(rows->rows, rows->capacity, sizeof(*rows->rows));
	}
	if (store->row_count > rows->count)
		memset(rows->rows + rows->count, 0, (store->row_count - rows->count) * sizeof(*rows->rows));
	rows->count = store->row_count;
	for (uint32_t i = 0; i < rows->count; i++)
		update_row(rows, i, observed, store);
	for (sample = rows->samples; sample; sample = sample->hh.next) {
		memset(sample->sample.values, 0, sizeof(sample->sample.values));
		if (sample->sample.groups)
			memset(sample->groups, 0, BURST_GROUPS * sizeof(*sample->groups));
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		struct profile_sample *sum = &rows->rows[i].sample->sample;

		for (int value = 0; value < VALUE_COUNT; value++)
			sum->values[value] = add_saturated(sum->values[value], rows->rows[i].values[value]);
		if (sum->groups)
			add_groups(sum->groups, store, &store->rows[i]);
	}
}

static void add_collections(struct live *live, const struct observed *observed)
{
	int64_t from = observed->start.counters.collections, to = observed->latest.counters.collections;

	if (!observed->start.taken || !observed->latest.taken || from == VALUE_UNMEASURED || to == VALUE_UNMEASURED)
		return;
	live->collections =
		(live->collections == VALUE_UNMEASURED ? 0 : live->collections) + (to > from ? to - from : 0);
}

void live_add(struct live *live, struct observed *observed, const struct event_store *store)
{
	struct profile *view = &live->view;
	size_t first = view->sample_count;
	struct profile_process process;
	struct live_sample *sample;
	struct live_rows *rows;

	if (!observed->live)
		observed->live = memory_zeroed(1, sizeof(*observed->live));
	rows = observed->live;
	observed_settle_bursts(observed);
	view->rows_least |= !observed_bursts_suffice(observed);
	reserve(live, 0, 1);
	profile_process_init(&process, observed->target->pid);
	observed_describe(observed, &process,
			  &observed->latest); /* first, because the store is up to date now, and update() takes time */
	update(rows, observed, store);
	reserve(live, HASH_COUNT(rows->samples) + 1, 0);
	for (sample = rows->samples; sample; sample = sample->hh.next)
		view->samples[view->sample_count++] = &sample->sample;
	if (observed_is_calibrated(observed, &observed->latest))
		estimates_calibrate(&view->samples[first], view->sample_count - first, observed_samples_rate(observed),
				    &process);
	if (observed_rest(observed, &process, &rows->rest.key, rows->rest.values))
		view->samples[view->sample_count++] = &rows->rest;
	if (observed_is_joined(observed, view))
		phases_join(&view->processes[observed->process], &process);
	else
		view->processes[view->process_count++] = process;
	add_collections(live, observed);
}

struct profile *live_view(struct live *live)
{
	return &live->view;
}

int64_t live_collections(const struct live *live)
{
	return live->collections;
}
