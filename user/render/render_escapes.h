/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_ESCAPES_H
#define ESCAPEMENT_RENDER_ESCAPES_H

/* Renders the output of `escapes`. Errors of the stream are left in it. */

#include <stdio.h>

#include "escape/escape.h"
#include "escape/escape_diff.h"
#include "escape/escape_graph.h"
#include "escape/escape_select.h"
#include "text/json_writer.h"

struct escapes_style {
	/* the compiler's complete explanation below each annotation, and those of the functions it calls */
	bool flows;
	bool tally;    /* counts only */
	bool packages; /* what each package's annotations come to, and not the annotations */
	size_t most;   /* rows; 0: all */
};

/* Prints a table of the annotations that the filter accepts, then counts, then what was not recognised. */
void render_escapes_text(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter, const struct escapes_style *style);

/* Writes one document with the schema escapement.escapes/1: annotations, or packages. Its counts are those of the
 * annotations that the filter accepts. */
void render_escapes_json(FILE *stream, const struct escape_output *output, const struct escape_graph *graph,
			 const struct escape_filter *filter, const struct escapes_style *style);

/* Prints what is new, gone and changed, then one line of totals. The schema is escapement.escapes-diff/1. */
void render_escapes_diff_text(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after);
void render_escapes_diff_json(FILE *stream, const struct escape_diff *diff, const struct escape_graph *before,
			      const struct escape_graph *after);

/* Shared functions. "file:line:column", as far as known; the caller frees it. */
char *render_position(const char *file, uint32_t line, uint32_t column);
/* Writes the members of an annotation's object, which the caller begins and ends. */
void render_annotation(struct json_writer *writer, const struct escape_annotation *annotation,
		       const struct escape_graph *graph);

#endif
