/* SPDX-License-Identifier: BSD-2-Clause */
#include "heap/growth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/count.h"
#include "base/hash_table.h"
#include "base/string_table.h"

static const double chance_deviations = 3; /* one-sided: chance exceeds that in one of 700 cases */
static const double false_share = 0.01;	   /* of the rows that are said to grow */
static const double fall_share = 1.0 / 3;  /* the part of its gain that a row which may be a leak has lost in between */

enum { STEPS_COUNTED = 12 /* so many steps have few enough orders of signs to count them all */ };

/* A site at one snapshot. */
struct point {
	double objects, bytes; /* in use */
	double alloc_bytes;    /* since the process began */
	double samples;	       /* in use */
};

struct site {
	UT_hash_handle hh;
	struct growth_row row;
	struct point *points; /* one a snapshot; zeros before the first that has the site */
	size_t capacity;
	struct site_key {
		const char *function, *file, *via, *type;
		uint64_t line, span_class;
	} key;
};

struct growth_storage {
	struct string_table strings;
	struct site *sites;
	double sample_bytes; /* what a sample of a site stands for, at least: the sampling rate */
};

struct growth *growth_new(enum report_by by)
{
	struct growth *growth = memory_zeroed(1, sizeof(*growth));

	growth->by = by;
	growth->storage = memory_zeroed(1, sizeof(*growth->storage));
	return growth;
}

void growth_free(struct growth *growth)
{
	struct site *site, *next;

	if (!growth)
		return;
	HASH_ITER (hh, growth->storage->sites, site, next) {
		HASH_DEL(growth->storage->sites, site);
		free(site->points);
		free(site);
	}
	string_table_free(&growth->storage->strings);
	free(growth->storage);
	free(growth->rows);
	free(growth);
}

static const char *interned(struct growth *growth, const char *text)
{
	return text ? string_table_intern(&growth->storage->strings, text, strlen(text)) : NULL;
}

static struct site *find_site(struct growth *growth, const struct report_row *row)
{
	struct site *site;
	struct site_key key;

	memset(&key, 0, sizeof(key));
	key.function = interned(growth, row->function);
	key.file = interned(growth, row->file);
	key.via = interned(growth, row->via);
	key.type = interned(growth, row->type);
	key.line = row->line;
	key.span_class = (uint64_t)row->span_class;
	HASH_FIND(hh, growth->storage->sites, &key, sizeof(key), site);
	if (site)
		return site;
	site = memory_zeroed(1, sizeof(*site));
	site->key = key;
	site->row = (struct growth_row){.function = key.function,
					.file = key.file,
					.via = key.via,
					.line = row->line,
					.type = key.type,
					.span_class = row->span_class};
	HASH_ADD(hh, growth->storage->sites, key, sizeof(site->key), site);
	return site;
}

static struct point *point_at(struct site *site, size_t index)
{
	if (index >= site->capacity) {
		size_t capacity = 2 * index + 4;

		site->points = memory_resize(site->points, capacity, sizeof(*site->points));
		memset(site->points + site->capacity, 0, (capacity - site->capacity) * sizeof(*site->points));
		site->capacity = capacity;
	}
	return &site->points[index];
}

void growth_add(struct growth *growth, const struct profile *snapshot)
{
	struct report *report;
	struct site *site, *next;

	if (!snapshot->collections) {
		growth->uncollected++;
		return;
	}
	if (growth->snapshots && snapshot->collections > 0 && snapshot->collections == growth->last_collection) {
		growth->repeated++;
		growth->snapshots--;
		HASH_ITER (hh, growth->storage->sites, site, next)
			*point_at(site, growth->snapshots) = (struct point){0};
	}
	report = report_new(snapshot, growth->by, VALUE_BYTES, 0);
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];
		struct point *point = point_at(find_site(growth, row), growth->snapshots);

		*point = (struct point){(double)row->values[VALUE_LIVE_OBJECTS], (double)row->values[VALUE_LIVE_BYTES],
					(double)row->values[VALUE_BYTES], (double)row->values[VALUE_SAMPLES]};
	}
	report_free(report);
	if (!growth->snapshots) {
		growth->from_ns = snapshot->start_ns;
		growth->first_collection = snapshot->collections;
	}
	growth->to_ns = snapshot->start_ns;
	growth->last_collection = snapshot->collections;
	growth->storage->sample_bytes = fmax(growth->storage->sample_bytes, (double)snapshot->rate);
	growth->snapshots++;
}

/* --- judgement --- */

/* Returns the Kendall sum of a series: its pairs that rise, minus those that fall. */
static double pair_sum(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i + 1 < count; i++) {
		for (size_t j = i + 1; j < count; j++)
			sum += (values[j] > values[i]) - (values[j] < values[i]);
	}
	return sum;
}

/* The chance that a normal variable is that many standard deviations above its mean, or more. */
static double above(double standard_deviations)
{
	return erfc(standard_deviations / M_SQRT2) / 2;
}

/* Returns the share of all choices of signs for these steps whose sum is at least `least`. */
static double signs_share(const double *steps, size_t count, double least)
{
	size_t reach = 0, choices = (size_t)1 << count;

	for (size_t signs = 0; signs < choices; signs++) {
		double sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += signs >> i & 1 ? -fabs(steps[i]) : fabs(steps[i]);
		reach += sum >= least;
	}
	return (double)reach / (double)choices;
}

/* If each step were as likely to fall as to rise: the chance of a gain that large. `steps` has no zeros. */
static double chance_of_steps(const double *steps, size_t count)
{
	double gained = 0, squares = 0;

	for (size_t i = 0; i < count; i++) {
		gained += steps[i];
		squares += steps[i] * steps[i];
	}
	if (gained <= 0)
		return 1;
	return count <= STEPS_COUNTED ? signs_share(steps, count, gained) : above(gained / sqrt(squares));
}

/* If the order of the floors were random: the chance that they rise that steadily. Mann and Kendall: the sum of n has the
 * variance n (n - 1) (2 n + 5) / 18. */
static double chance_of_floors(const double *floors, size_t count)
{
	double n = (double)count, variance = n * (n - 1) * (2 * n + 5) / 18;

	return count > 1 ? above((pair_sum(floors, count) - 1) / sqrt(variance)) : 1;
}

static void judge_order(struct growth_row *row, const struct point *points, size_t count)
{
	double *values = memory_zeroed(3 * count, sizeof(*values)), *steps = values + count, *floors = steps + count;
	size_t step_count = 0, floor_count = 0;

	for (size_t i = 0; i < count; i++) {
		double step = i ? points[i].bytes - points[i - 1].bytes : 0;

		values[i] = points[i].bytes;
		row->rises += step > 0;
		if (step != 0 && points[i - 1].bytes > 0) /* from nothing, whoever allocates at all rises */
			steps[step_count++] = step;
		if (step < 0)
			floors[floor_count++] = points[i].bytes;
	}
	if (count > 1) {
		row->rises /= (double)(count - 1);
		row->tau = pair_sum(values, count) / ((double)count * (double)(count - 1) / 2);
	}
	row->chance = 1;
	if (row->deviations > chance_deviations) /* twice, because either may find something by chance */
		row->chance =
			fmin(1, 2 * fmin(chance_of_steps(steps, step_count), chance_of_floors(floors, floor_count)));
	free(values);
}

/* Returns the gain in units of the standard deviation of what came and went, in samples of so many bytes. */
static double deviations(const struct growth *growth, const struct point *first, const struct point *last)
{
	double gained = last->bytes - first->bytes, came = fmax(0, last->alloc_bytes - first->alloc_bytes);
	double went = fmax(0, came - gained), samples = fmax(last->samples, first->samples);
	double held = fmax(last->bytes, first->bytes);
	double sample = samples > 0 ? held / samples : growth->storage->sample_bytes;

	return came + went > 0 ? gained / sqrt((came + went) * sample) : 0;
}

/* Returns the largest loss from an earlier maximum. */
static double deepest_fall(const struct point *points, size_t count)
{
	double height = 0, fall = 0;

	for (size_t i = 0; i < count; i++) {
		height = fmax(height, points[i].bytes);
		fall = fmax(fall, height - points[i].bytes);
	}
	return fall;
}

static void judge(struct growth *growth, struct site *site)
{
	const struct point *last = point_at(site, growth->snapshots - 1), *first = site->points;
	struct growth_row *row = &site->row;

	row->objects = (int64_t)last->objects;
	row->bytes = (int64_t)last->bytes;
	row->grown_objects = (int64_t)(last->objects - first->objects);
	row->grown_bytes = (int64_t)(last->bytes - first->bytes);
	for (size_t i = 0; i < growth->snapshots; i++)
		row->heap_time = add_saturated(row->heap_time, (int64_t)site->points[i].bytes);
	row->deviations = deviations(growth, first, last);
	judge_order(row, site->points, growth->snapshots);
	row->verdict = row->deviations > chance_deviations && deepest_fall(site->points, growth->snapshots) <=
								      fall_share * (last->bytes - first->bytes)
			       ? GROWTH_UNKNOWN
			       : GROWTH_NONE;
}

static int compare_chances(const void *a, const void *b)
{
	const struct growth_row *const *left = a, *const *right = b;

	return ((*left)->chance > (*right)->chance) - ((*left)->chance < (*right)->chance);
}

/* Benjamini and Hochberg: of `count` rows that gained, the k least likely grow if the last of them is at most as likely as k of
 * count times the share. */
static void judge_chances(struct growth *growth)
{
	struct growth_row **gained = memory_zeroed(growth->row_count + 1, sizeof(struct growth_row *));
	size_t count = 0, grow = 0;

	for (size_t i = 0; i < growth->row_count; i++) {
		if (growth->rows[i].deviations > chance_deviations)
			gained[count++] = &growth->rows[i];
	}
	qsort(gained, count, sizeof(*gained), compare_chances);
	for (size_t i = 0; i < count; i++) {
		if (gained[i]->chance <= false_share * (double)(i + 1) / (double)count)
			grow = i + 1;
	}
	for (size_t i = 0; i < grow; i++)
		gained[i]->verdict = GROWTH_CERTAIN;
	for (size_t i = 0; i < count; i++) {
		growth->grow_count += gained[i]->verdict == GROWTH_CERTAIN;
		growth->unknown_count += gained[i]->verdict == GROWTH_UNKNOWN;
	}
	free(gained);
}

static int compare_names(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_keys(const struct growth_row *left, const struct growth_row *right)
{
	int order = compare_names(left->function, right->function);
	order = order ? order : compare_names(left->file, right->file);
	order = order ? order : (left->line > right->line) - (left->line < right->line);
	return order ? order : compare_names(left->via, right->via);
}

static int compare(const void *a, const void *b)
{
	const struct growth_row *left = a, *right = b;

	if (left->verdict != right->verdict)
		return left->verdict < right->verdict ? -1 : 1;
	if (left->grown_bytes != right->grown_bytes)
		return left->grown_bytes > right->grown_bytes ? -1 : 1;
	return compare_keys(left, right);
}

static int compare_heap_time(const void *a, const void *b)
{
	const struct growth_row *left = a, *right = b;

	if (left->heap_time != right->heap_time)
		return left->heap_time > right->heap_time ? -1 : 1;
	return compare_keys(left, right);
}

void growth_sort_by_heap_time(struct growth *growth)
{
	qsort(growth->rows, growth->row_count, sizeof(*growth->rows), compare_heap_time);
}

void growth_finish(struct growth *growth)
{
	struct site *site, *next;

	if (growth->snapshots && growth->last_collection - growth->first_collection >= (int64_t)growth->snapshots)
		growth->missed = (size_t)(growth->last_collection - growth->first_collection) + 1 - growth->snapshots;
	growth->rows = memory_zeroed(HASH_COUNT(growth->storage->sites) + 1, sizeof(*growth->rows));
	HASH_ITER (hh, growth->storage->sites, site, next) {
		judge(growth, site);
		growth->bytes += site->row.bytes;
		growth->heap_time = add_saturated(growth->heap_time, site->row.heap_time);
		growth->grown_bytes += site->row.grown_bytes;
		growth->rows[growth->row_count++] = site->row;
	}
	judge_chances(growth);
	qsort(growth->rows, growth->row_count, sizeof(*growth->rows), compare);
}
