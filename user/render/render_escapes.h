/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_ESCAPES_H
#define ESCAPEMENT_RENDER_ESCAPES_H

/* What `escapes` shows. Errors of the stream are left in it. */

#include <stdio.h>

#include "escape/escape.h"
#include "escape/escape_diff.h"
#include "escape/escape_graph.h"
#include "escape/escape_select.h"
#include "text/json_writer.h"

struct escapes_style {
	bool flows; /* the compiler's whole explanation under each annotation, and those of the functions it calls */
	bool tally; /* counts only */
};

/* A table of the annotations that the filter accepts, then counts, then what was not recognised. */
void render_escapes_text(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter, const struct escapes_style *style);

/* One document, schema escapement.escapes/1. Counts are those of the annotations in it. */
void render_escapes_json(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter);

/* What is new, gone and changed, then one line of totals. Schema escapement.escapes-diff/1. */
void render_escapes_diff_text(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after);
void render_escapes_diff_json(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after);

/* Pieces that both need. "file:line:column", as much as is known; the caller frees it. */
char *render_position(const char *file, uint32_t line, uint32_t column);
/* The members of an annotation's object, which the caller opens and closes. */
void render_annotation(struct json_writer *writer, const struct escape_annotation *annotation,
		       const struct escape_graph *graph);

#endif
