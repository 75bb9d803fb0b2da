/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_RENDER_ESCAPES_H
#define ESCAPEMENT_RENDER_ESCAPES_H

/* What `escapes` shows. Errors of the stream are left in it. */

#include <stdio.h>

#include "escape.h"
#include "escape_graph.h"
#include "escape_select.h"

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

#endif
