/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_HTML_H
#define ESCAPEMENT_RENDER_HTML_H

/*
 * One self-contained page of a profile, of a recording or of a heap snapshot: what was recorded and how exact it is,
 * the work list, the flame graph, size classes. It loads nothing from the network, and its content security policy allows only its own scripts. Without
 * scripts it still shows its tables.
 *
 * Scripts find the numbers in one JSON document in the page:
 *
 *   measures        [{key, name, bytes: whether it counts bytes}…]: what `values` lists, in this order
 *   main            the key of the measure that comes first: bytes, or bytes in use of a heap snapshot
 *   totals          values of the recording
 *   result_words    what the compiler's names of results without a name mean
 *   rows            the work list: {id, verdict, file, line, function, via, call, type, words, reason, values, before,
 *                   bounds: {measure: [low, high]}, owner, allocating: frames, annotations, inlined_at}
 *   verdicts        [{name, rows}…]
 *   frames          [[function, file, line]…]
 *   classes         [{name, values}…], of class_measures: those of sites and costs, then internal waste
 *   growth          {interval_ns, bytes: by how much heaps grew in each interval}; absent if not recorded
 *   sources         {file: [[line, text]…]}
 *
 * The calling tree (call_tree.h), which may be most of the page, stands behind the scripts, so that the work list answers
 * before the browser has read it: in base64, compressed (zlib), as numbers of 7 bits a byte, the lowest first: nodes, leaves;
 * by node but the root: by how much the parent's number is smaller, then frame; by leaf: node as a step from the last one
 * (2n, or -2n-1 if negative), owner + 1, allocating + 1, then the values of each measure, and those of the older profile.
 */

#include <stdbool.h>
#include <stdio.h>

#include "audit/audit.h"
#include "escape/escape_graph.h"
#include "profile/call_tree.h"
#include "profile/profile.h"
#include "profile/report.h"
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

/* Private to render_html*.c: the document above. */
void render_html_data(FILE *stream, const struct render_html_page *page, const struct call_tree *tree);
/* What the page calls the waste that report_row_span_tails() counts. */
extern const char render_html_waste[];
/* Private to render_html*.c: the calling tree, packed. The caller frees the text. */
char *render_html_tree(const struct render_html_page *page, const struct call_tree *tree);
/* The next value after `value` (-1: the first) for which a page has a column: in the table of size classes, or of sites.
 * VALUE_COUNT if there is none. */
int render_html_next_measure(const struct render_html_page *page, int value, bool of_classes);
/* Whether a page has a column for that value. */
/* The verdict of a row; "outside" if no line of the program allocates it, as in the text. */
const char *render_html_verdict(const struct audit_row *row);

bool render_html_measures(const struct render_html_page *page, enum profile_value value);

#endif
