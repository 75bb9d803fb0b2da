/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/package_glob.h"
#include "base/text_compare.h"
#include "audit/audit_filter.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"

#define SORT_NAME(name, kinds, key, option, ...) option,
const char *const audit_sort_names[] = {PROFILE_VALUES(SORT_NAME) "site", NULL};

static int compare_sites(const struct audit_row *a, const struct audit_row *b)
{
	int order = text_compare_known_first(a->file, b->file);

	if (order)
		return order;
	if (a->site.line != b->site.line)
		return a->site.line < b->site.line ? -1 : 1;
	if (a->site.column != b->site.column)
		return a->site.column < b->site.column ? -1 : 1;
	order = text_compare_known_first(a->runtime_call, b->runtime_call);
	if (!order)
		order = text_compare_known_first(a->callee, b->callee);
	if (!order)
		order = text_compare_known_first(a->site.function, b->site.function);
	for (uint32_t i = 0; !order && i < a->inlined_count && i < b->inlined_count; i++) {
		order = text_compare_known_first(a->inlined_at[i].file, b->inlined_at[i].file);
		if (!order && a->inlined_at[i].line != b->inlined_at[i].line)
			order = a->inlined_at[i].line < b->inlined_at[i].line ? -1 : 1;
	}
	if (!order && a->annotation_count && b->annotation_count)
		order = a->annotations[0] < b->annotations[0] ? -1 : a->annotations[0] > b->annotations[0];
	return order;
}

/* Sorts greatest first; equal rows by bytes, objects and refills, then by site, so that the order is always the
 * same. */
static int compare_rows(const void *x, const void *y, void *argument)
{
	const struct audit_row *a = x, *b = y;
	int sort = *(const int *)argument;
	const int values[] = {sort, VALUE_BYTES, VALUE_OBJECTS, VALUE_REFILLS};

	if (a->verdict != b->verdict)
		return a->verdict < b->verdict ? -1 : 1;
	for (size_t i = 0; sort != AUDIT_BY_SITE && i < sizeof(values) / sizeof(values[0]); i++) {
		if (a->values[values[i]] != b->values[values[i]])
			return a->values[values[i]] > b->values[values[i]] ? -1 : 1;
	}
	return compare_sites(a, b);
}

static bool function_matches(const struct audit_row *row, const char *glob)
{
	const char *name = row->site.function;

	if (name && (strcmp(name, glob) == 0 || fnmatch(glob, name, 0) == 0))
		return true;
	for (uint32_t i = 0; i < row->inlined_count; i++) {
		name = row->inlined_at[i].function;
		if (name && (strcmp(name, glob) == 0 || fnmatch(glob, name, 0) == 0))
			return true;
	}
	return false;
}

static bool package_matches(const struct audit_row *row, const char *glob)
{
	char package[1024];

	for (uint32_t i = 0; i < row->annotation_count; i++) {
		if (package_glob(glob, row->annotations[i]->package))
			return true;
	}
	return frames_package(row->site.function, package, sizeof(package)) && package_glob(glob, package);
}

static bool keeps(const struct audit_filter *filter, const struct audit_row *row)
{
	if (filter->verdicts && !(filter->verdicts & (1U << row->verdict | 1U << audit_row_counts_as(row))))
		return false;
	if (row->values[VALUE_OBJECTS] < filter->min_objects || row->values[VALUE_BYTES] < filter->min_bytes) {
		/* An unmeasured value (negative) fails only a positive minimum. */
		if ((filter->min_objects && row->values[VALUE_OBJECTS] < filter->min_objects) ||
		    (filter->min_bytes && row->values[VALUE_BYTES] < filter->min_bytes))
			return false;
	}
	if (filter->package && !package_matches(row, filter->package))
		return false;
	return !filter->function || function_matches(row, filter->function);
}

void audit_sort(struct audit *audit, int sort)
{
	if (audit->row_count)
		qsort_r(audit->rows, audit->row_count, sizeof(*audit->rows), compare_rows, &sort);
	audit->sort = sort;
}

void audit_filter(struct audit *audit, const struct audit_filter *filter, int sort)
{
	size_t count = 0;
	int64_t shown[AUDIT_VERDICT_COUNT + 1] = {0};

	for (size_t i = 0; i < audit->row_count; i++) {
		if (keeps(filter, &audit->rows[i]))
			audit->rows[count++] = audit->rows[i];
	}
	audit->row_count = count;
	if (audit->sort != sort)
		audit_sort(audit, sort);
	if (!filter->top)
		return;
	count = 0;
	for (size_t i = 0; i < audit->row_count; i++) {
		int kind = audit_row_counts_as(&audit->rows[i]);

		if (shown[kind]++ < filter->top)
			audit->rows[count++] = audit->rows[i];
		else
			audit->over_top[kind]++;
	}
	audit->row_count = count;
}
