/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_AUDIT_PAGE_H
#define ESCAPEMENT_RENDER_AUDIT_PAGE_H

/* An audit as text while it is printed: what the whole (render_audit_text.c) and a row (render_audit_row.c) share; of it lists
 * (render_audit_list.c) have the head. Private to these. */

#include "audit/audit_lines.h"
#include "render/render_audit.h"
#include "text/terminal.h"

struct audit_page {
	FILE *stream;
	size_t width;
	const struct terminal_style *style;
	const struct audit *audit;
	const struct render_audit_options *options;
	enum profile_value cost; /* the value that rows are ordered by */
	struct audit_lines lines;
	bool *shown;	  /* for each of these, whether it is listed */
	int64_t cheapest; /* the cost of the cheapest of those that are listed, if not all are */
	char *proof;	  /* the command that proves any row's change; NULL: each row has its own, or none is known */
	int indent;	  /* of what stands below a line of numbers */
	bool *unnamed;	  /* set if the compiler's names of results that have none were printed */
};

/* "100 objects, 800B, every allocation counted". What all allocated is often known exactly where the lines are estimates; it is
 * the number that the recording and its report print. The caller frees it. */
char *audit_head_text(const struct audit *audit);

/* Formats a text and makes it printable. The caller frees it. */
char *audit_page_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a paragraph whose lines begin at column `indent`. On a terminal, words that are longer than a line are broken.
 * Frees the text. */
void audit_page_wrap(const struct audit_page *page, size_t indent, char *text);

/* "main.go:12:5". The caller frees it. */
char *audit_page_position(const char *file, uint32_t line, uint32_t column);

/* Prints the command that proves a change. */
void audit_page_proof(const struct audit_page *page, size_t indent, const char *proof);

/* Prints for which line of the program's own module a row that has an owner allocates. */
void audit_page_owner(const struct audit_page *page, const struct audit_row *row);

/* Prints what stands below the numbers of a row: how well they are known, who allocates, what the compiler says. */
void audit_page_row(const struct audit_page *page, const struct audit_row *row);

#endif
