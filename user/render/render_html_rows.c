/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of a profile's page: those of an audit or of a report, each with what it allocated in the older profile, then those
 * that only the older profile has. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text_compare.h"
#include "render/render_html.h"

static const int64_t nothing[VALUE_COUNT];
static const int64_t unknown[VALUE_COUNT] = {
#define UNKNOWN(value, ...) [value] = VALUE_UNMEASURED,
	PROFILE_VALUES(UNKNOWN)};

/* What a profile has of a row that is only in the other one: without a sample, nobody knows. */
static const int64_t *absent(const struct profile *from)
{
	return profile_is_exact(from) ? nothing : unknown;
}

/* An allocation that another module made is shown at its owner's line. */
static struct html_row audit_row(const struct audit *audit, size_t at)
{
	const struct audit_row *row = &audit->rows[at];
	const struct profile_frame *frame = row->via && row->owner ? row->owner : &row->site;

	return (struct html_row){
		.audit = row,
		.file = frame == &row->site ? row->file : row->owner_file,
		.measured_file = frame->file,
		.function = frame->function,
		.via = row->via,
		.line = frame->line,
		.values = row->values,
		.low = row->objects_low,
		.high = row->objects_high,
		.bytes_low = row->bytes_low,
		.bytes_high = row->bytes_high,
		.has_bounds = row->objects_low != VALUE_UNMEASURED && row->objects_low != row->objects_high,
	};
}

static struct html_row site_row(const struct report *report, size_t at)
{
	const struct report_row *row = &report->rows[at];

	return (struct html_row){
		.site = row,
		.file = row->file,
		.measured_file = row->file,
		.function = row->function,
		.via = row->via,
		.line = row->line,
		.values = row->values,
		.low = row->bounds.objects_low,
		.high = row->bounds.objects_high,
		.bytes_low = row->bounds.bytes_low,
		.bytes_high = row->bounds.bytes_high,
		.has_bounds = row->has_bounds,
	};
}

static int by_site(const void *a, const void *b)
{
	const struct report_row *const *x = a, *const *y = b;
	int order = text_compare((*x)->function, (*y)->function);

	order = order ? order : text_compare((*x)->file, (*y)->file);
	order = order ? order : text_compare((*x)->via, (*y)->via);
	return order ? order : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

/* Returns the sites of the older profile, sorted; NULL if there is none. The caller frees the list. */
static const struct report_row **sites_before(const struct render_html_page *page, size_t *count)
{
	const struct report *report = page->sites_before;
	const struct report_row **sites;

	*count = report ? report->row_count : 0;
	if (!report)
		return NULL;
	sites = memory_zeroed(report->row_count + 1, sizeof(*sites));
	for (size_t i = 0; i < report->row_count; i++)
		sites[i] = &report->rows[i];
	qsort(sites, report->row_count, sizeof(*sites), by_site);
	return sites;
}

/* Both audits are of one compiler output, so that an annotation is one pointer; names are of two profiles. */
static int by_allocation(const void *a, const void *b)
{
	const struct audit_row *x = *(const struct audit_row *const *)a, *y = *(const struct audit_row *const *)b;
	const struct escape_annotation *said_x = x->annotation_count ? x->annotations[0] : NULL;
	const struct escape_annotation *said_y = y->annotation_count ? y->annotations[0] : NULL;
	int order = text_compare(x->site.function, y->site.function);

	order = order ? order : text_compare(x->site.file, y->site.file);
	order = order ? order : (x->site.line > y->site.line) - (x->site.line < y->site.line);
	order = order ? order
		      : text_compare(x->owner ? x->owner->function : NULL, y->owner ? y->owner->function : NULL);
	order = order ? order : (x->owner && y->owner ? (int)x->owner->line - (int)y->owner->line : 0);
	order = order ? order : text_compare(x->via, y->via);
	order = order ? order : text_compare(x->runtime_call, y->runtime_call);
	order = order ? order : text_compare(x->type, y->type);
	return order ? order : (said_x > said_y) - (said_x < said_y);
}

/* The rows of the older profile's audit that allocate, sorted; NULL if there is none. The caller frees the list. */
static const struct audit_row **audit_before(const struct render_html_page *page, size_t *count)
{
	const struct audit *audit = page->audit_before;
	const struct audit_row **rows;

	*count = 0;
	if (!audit)
		return NULL;
	rows = memory_zeroed(audit->row_count + 1, sizeof(*rows));
	for (size_t i = 0; i < audit->row_count; i++) {
		if (audit_verdict_allocates(audit->rows[i].verdict))
			rows[(*count)++] = &audit->rows[i];
	}
	qsort(rows, *count, sizeof(*rows), by_allocation);
	return rows;
}

/* The older rows, sorted, of an audit or of a report. */
struct older {
	const struct report_row **sites;
	const struct audit_row **rows;
	size_t site_count, row_count;
	bool *found; /* of either: whether a row of the page is it */
};

static struct older older_new(const struct render_html_page *page)
{
	struct older older = {0};

	if (page->audit)
		older.rows = audit_before(page, &older.row_count);
	else
		older.sites = sites_before(page, &older.site_count);
	older.found = memory_zeroed(older.row_count + older.site_count + 1, sizeof(*older.found));
	return older;
}

/* What a row allocated in the older profile; NULL if there is none to compare with. */
static const int64_t *values_before(const struct render_html_page *page, struct older *older,
				    const struct html_row *row)
{
	const struct report_row **site;
	const struct audit_row **found;

	if (older->rows && audit_verdict_allocates(row->audit->verdict)) {
		found = bsearch(&row->audit, older->rows, older->row_count, sizeof(*older->rows), by_allocation);
		if (found)
			older->found[found - older->rows] = true;
		return found ? (*found)->values : absent(page->before);
	}
	if (!older->sites)
		return NULL;
	site = bsearch(&row->site, older->sites, older->site_count, sizeof(*older->sites), by_site);
	if (site)
		older->found[site - older->sites] = true;
	return site ? (*site)->values : absent(page->before);
}

/* A row of the older profile that is in this one no more. */
static struct html_row gone_row(const struct render_html_page *page, const struct older *older, size_t at)
{
	struct html_row row =
		older->rows ? audit_row(page->audit_before, (size_t)(older->rows[at] - page->audit_before->rows))
			    : site_row(page->sites_before, (size_t)(older->sites[at] - page->sites_before->rows));

	row.before = row.values;
	row.values = absent(page->profile);
	row.has_bounds = false;
	row.is_gone = true;
	return row;
}

struct html_rows *render_html_rows_new(const struct render_html_page *page)
{
	struct html_rows *rows = memory_zeroed(1, sizeof(*rows));
	struct older older = older_new(page);
	size_t now = page->audit ? page->audit->row_count : page->sites->row_count;

	rows->list = memory_zeroed(now + older.row_count + older.site_count + 1, sizeof(*rows->list));
	for (size_t i = 0; i < now; i++) {
		struct html_row *row = &rows->list[rows->count++];

		*row = page->audit ? audit_row(page->audit, i) : site_row(page->sites, i);
		row->before = values_before(page, &older, row);
	}
	for (size_t i = 0; i < older.row_count + older.site_count; i++) {
		if (!older.found[i]) {
			rows->list[rows->count++] = gone_row(page, &older, i);
			rows->gone++;
		}
	}
	free(older.sites);
	free(older.rows);
	free(older.found);
	return rows;
}

void render_html_rows_free(struct html_rows *rows)
{
	free(rows->list);
	free(rows);
}

const char *render_html_verdict(const struct html_row *row)
{
	if (row->is_gone)
		return "gone";
	return audit_row_is_outside(row->audit) ? "outside" : audit_verdict_name(row->audit->verdict);
}
