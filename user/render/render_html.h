/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_HTML_H
#define ESCAPEMENT_RENDER_HTML_H

/*
 * The page of a profile, of a recording or of a heap snapshot: what was recorded and how exact it is, the work list, the
 * flame graph, size classes. page.h has what all pages have in common, and describes the document that the scripts read.
 */

#include <stdbool.h>
#include <stdio.h>

#include "audit/audit.h"
#include "escape/escape_graph.h"
#include "profile/call_tree.h"
#include "profile/profile.h"
#include "profile/report.h"
#include "render/page.h"
#include "text/json_writer.h"

struct render_html_page {
	const struct profile *profile;
	const struct profile *before;	   /* the older profile that this one is compared with; NULL: none */
	const struct audit *audit;	   /* NULL if there is no compiler output: then the rows are those of `sites` */
	const struct audit *audit_before;  /* of `before` and the same compiler output; NULL without either */
	const struct escape_graph *graph;  /* of the audit's compiler output */
	const struct report *sites;	   /* the profile by site, all rows */
	const struct report *sites_before; /* the older profile by site; NULL: none */
	const struct report *classes;	   /* the profile by size class, all rows */
	const char *source_directory;	   /* base of relative file names; NULL: the working directory */
	bool no_source;			   /* omit source lines */
};

/* Write errors stay in the stream, for the caller to check. */
void render_html(FILE *stream, const struct render_html_page *page);

/* Private to render_html*.c. */

/* One row of the work list, of an audit or of a report. */
struct html_row {
	const struct audit_row *audit; /* NULL: of a report */
	const struct report_row *site; /* NULL: of an audit */
	const char *file;	       /* the name that is shown, and by which source is looked up */
	const char *measured_file;     /* the profile's name */
	const char *function, *via;
	uint32_t line;
	const int64_t *values, *before; /* before: NULL if there is nothing to compare with */
	int64_t low, high, bytes_low, bytes_high;
	bool has_bounds;
	bool is_gone; /* only the older profile has it: `values` are 0 */
};

/* All rows: those of the profile, then those that only the older one has. */
struct html_rows {
	struct html_row *list;
	size_t count, gone;
};

struct html_rows *render_html_rows_new(const struct render_html_page *page);
void render_html_rows_free(struct html_rows *rows);
/* The verdict of a row of an audit; "outside" if no line of the program allocates it, as in the text; "gone". */
const char *render_html_verdict(const struct html_row *row);

/* The page's document, of a struct html_document. */
struct html_document {
	const struct render_html_page *page;
	const struct html_rows *rows;
	const struct call_tree *tree;
};
void render_html_data(struct json_writer *writer, const void *document);
/* What the page calls the waste that report_row_span_tails() counts. */
extern const char render_html_waste[];
/* The values that sites have. */
struct page_measures render_html_site_measures(const struct render_html_page *page);
/* Whether a page has a column for that value. */
bool render_html_measures(const struct render_html_page *page, enum profile_value value);

#endif
