/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PAGE_H
#define ESCAPEMENT_PAGE_H

/*
 * What all self-contained pages have in common, whatever they are about: head, content security policy, styles, scripts, the
 * document that these read, the calling tree, licences. A page loads nothing from the network, and its policy allows only its own
 * scripts. Without scripts it still shows its tables. Write errors stay in the stream, for the caller to check.
 *
 * Scripts find the numbers in one JSON document in the page (page_data.h writes the members that all pages have):
 *
 *   about           "profile", "gate" or "compare"
 *   measures        [{key, name, bytes: whether it counts bytes}…]: what `values` lists, in this order
 *   main            the key of the measure that comes first: bytes, or bytes in use of a heap snapshot
 *   result_words    what the compiler's names of results without a name mean
 *   has_before      whether rows have the numbers of two sides; stacks_before: whether stacks have them
 *   lists           [{id: of the section, caption, first, count: of rows, ordered: whether they are in an order that says more
 *                   than their numbers do}…]
 *   rows            {id, verdict, file, line, function, via, call, type, words, reason, values, before,
 *                   bounds, before_bounds: {measure: [low, high]}, owner: frame, annotations, inlined_at, gone: whether only
 *                   the older profile has it}
 *   verdicts        [{name, rows}…]; verdict_name: what stands above their column
 *   frames          [[function, file, line]…]
 *   sources         {file: [[line, text]…]}; sources_before: of rows that are gone
 *
 * A page of a profile has `totals`, `classes` ([{name, values}…], of class_measures: those of sites and costs, then internal
 * waste) and `growth` ({interval_ns, bytes: by how much heaps grew in each interval}; absent if not recorded).
 *
 * A page of a gate or of a comparison has in each row the benchmark, `facts` (sentences), `said_before` (the compiler's words
 * before, where they are others), `stacks` (numbers of the sites that the row is, in the column of owners of the tree) and
 * `below` (frames of which each stack of a contract has one), `allocating` (frames that allocate, of a site below a contract); and `exact_bytes`: bytes are shown as they are.
 *
 * The calling tree (call_tree.h), which may be most of the page, stands behind the scripts, so that the work list answers
 * before the browser has read it: in base64, compressed (zlib), as numbers of 7 bits a byte, the lowest first: nodes, leaves;
 * by node but the root: by how much the parent's number is smaller, then frame; by leaf: node as a step from the last one
 * (2n, or -2n-1 if negative), owner + 1 (of a gate: the site's number + 1), allocating + 1, then the values of each measure, and
 * those of the older side.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "profile/call_tree.h"
#include "text/json_writer.h"

enum { PAGE_NONCE_BYTES = 16 };

struct page {
	FILE *stream;
	char nonce[2 * PAGE_NONCE_BYTES + 1]; /* generated after all names are known, so that no name can contain it */
};

/* The values that rows and stacks have, in this order. */
struct page_measures {
	enum profile_value list[VALUE_COUNT];
	int count;
};

static inline bool page_measures_have(const struct page_measures *measures, enum profile_value value)
{
	for (int i = 0; i < measures->count; i++) {
		if (measures->list[i] == value)
			return true;
	}
	return false;
}

/* Writes everything up to the page's body. */
void page_begin(struct page *page, FILE *stream, const char *title);

/* Writes what stands behind the body's sections: licences, the document, which `document` writes, the scripts, the tree. */
typedef void page_document(struct json_writer *writer, const void *context);
void page_end(const struct page *page, page_document *document, const void *context, const char *tree);

/* Packs the calling tree; with `grouped`, leaves say their group instead of their owner. The caller frees the text. */
char *page_tree(const struct call_tree *tree, const struct page_measures *measures, bool has_before, bool grouped);

/* Rows of a list of facts, <dl class="facts">. */
void page_fact(FILE *stream, const char *name, const char *text);
enum { PAGE_TIME_SIZE = 64 };
/* "2026-11-29 16:44:23 UTC", of nanoseconds since the epoch; "" if they are 0: unknown. */
const char *page_time_text(char text[PAGE_TIME_SIZE], int64_t start_ns);
void page_warning(FILE *stream, const char *text);
/*
 * A table that fits narrow screens: there a row is a block, in which each cell has its column's name. `columns` ends with NULL;
 * a name that begins with '#' is that of a column of numbers. Each cell is given its column.
 */
void page_table_begin(FILE *stream, const char *label, const char *const *columns);
void page_table_end(FILE *stream);
void page_row_begin(FILE *stream);
void page_row_end(FILE *stream);
void page_cell(FILE *stream, const char *column, const char *text);
void page_number_cell(FILE *stream, const char *column, int64_t value, bool bytes);
/* "main.go:12 main.grow via fmt.Sprintf"; NULL where something is unknown. */
void page_place_cell(FILE *stream, const char *column, const char *place, const char *function, const char *via);

#endif
