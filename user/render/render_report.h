/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_REPORT_H
#define ESCAPEMENT_RENDER_REPORT_H

/* Renders a report as text, JSON, CSV, folded stacks or a file for speedscope. Write errors stay in the stream, for the
 * caller to check. */

#include <stdbool.h>
#include <stdio.h>

#include "profile/report.h"

struct report_style {
	int width; /* columns of text */
	bool color;
};

/* The formats. A row: name in C, name of the option, the function that renders, whether it requires a report BY_STACK. */
#define REPORT_FORMATS(ROW)                                      \
	ROW(REPORT_TEXT, "text", render_report_text, false)      \
	ROW(REPORT_JSON, "json", render_report_json, false)      \
	ROW(REPORT_CSV, "csv", render_report_csv, false)         \
	ROW(REPORT_FOLDED, "folded", render_report_folded, true) \
	ROW(REPORT_SPEEDSCOPE, "speedscope", render_report_speedscope, true)

#define FORMAT_ENUM(name, ...) name,
enum report_format { REPORT_FORMATS(FORMAT_ENUM) };
#undef FORMAT_ENUM
extern const char *const report_format_names[]; /* NULL-terminated */
extern const bool report_format_of_stacks[];

void render_report(FILE *stream, const struct report *report, enum report_format format,
		   const struct report_style *style);

/* For people: what was recorded and how exact it is, then a table (or stacks) of at most `width` columns. The other
 * formats ignore the style. */
void render_report_text(FILE *stream, const struct report *report, const struct report_style *style);

/* Schema escapement.report/2:
 *
 *   {"schema", "target": {"command", "kernel", "start", "duration_seconds", "processes": [{"pid", "comm",
 *   "executable", "build_id", "runtime", "lost"}…]}, "exact": {"totals", "rows"}, "rate", "totals": VALUES, "rows": [ROW…],
 *   "check": {"source", "objects", "difference", "bound"} or null, "lost": {"events", "stacks"}}
 *
 * VALUES are objects, bytes, refills, central_grows, heap_grows, heap_grow_bytes, and objects_low and objects_high if
 * objects are estimated. A ROW has VALUES and its key: file, line, function, via; file, line, function; function; type;
 * size_class (bytes; 0 for large objects) and span_class; or stack: frames {function, file, line, column, address}, leaf
 * first, of which address is present only if nothing else is known. What was not measured or is unknown is null.
 */
void render_report_json(FILE *stream, const struct report *report, const struct report_style *style);

/* One line of names, then one line per row (RFC 4180 with bare newlines). Unmeasured values are empty. Stacks are one
 * field, leaf first, with frames separated by ';'. */
void render_report_csv(FILE *stream, const struct report *report, const struct report_style *style);

/* Stacks for flame graphs: one "root;…;leaf VALUE" per line, where VALUE is the one that the report is sorted by.
 * Requires a report BY_STACK. */
void render_report_folded(FILE *stream, const struct report *report, const struct report_style *style);

/* A file for speedscope.app with a profile for each measured value. Requires a report BY_STACK. */
void render_report_speedscope(FILE *stream, const struct report *report, const struct report_style *style);

/* What a row is of, in at most about `width` columns, and what a column of these is called, by enum report_by. Returns `text`. */
const char *render_report_key(enum report_by by, const struct report_row *row, char *text, size_t size, size_t width);
extern const char *const render_report_headings[];

/* Prints the rows of a report BY_STACK as an indented tree; a part of render_report_text(). */
void render_report_tree(FILE *stream, const struct report *report, const struct report_style *style);

#endif
