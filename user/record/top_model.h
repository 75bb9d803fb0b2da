/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TOP_MODEL_H
#define ESCAPEMENT_TOP_MODEL_H

/*
 * What a live view shows: the rows of a recording that goes on, with their rates over the last views, sorted and
 * filtered, and with the compiler's verdict on each. It keeps a copy of the last view, so that it can be asked after
 * the recording has ended. Names and stacks are the recording's, which must outlive it. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit_index.h"
#include "escape/escape.h"
#include "profile/report.h"
#include "record/session_options.h"

enum {
	TOP_WINDOW = 5,	   /* views that a rate is taken over, at most */
	TOP_HISTORY = 120, /* views whose sums are kept */
};

/* What a reader asks for. */
struct top_question {
	enum report_by by;	 /* BY_SITE, BY_FUNCTION, BY_TYPE or BY_SIZE_CLASS */
	enum profile_value sort; /* greatest first by */
	bool by_total;		 /* its total, and not its rate */
	const char *filter;	 /* rows with this text in one of their names, ignoring case; NULL or empty: all */
};

struct top_row {
	struct report_row row;	     /* totals since the recording began */
	int64_t rates[VALUE_COUNT];  /* per second; VALUE_UNMEASURED as in row.values */
	const char *verdict, *words; /* of the costliest allocation of the row, and why; NULL: nothing known of it */
};

/* The sums of one view. */
struct top_sums {
	double seconds; /* since the recording began */
	int64_t totals[VALUE_COUNT];
	int64_t collections; /* VALUE_UNMEASURED: no collector */
};

struct top_model;

struct top_model *top_model_new(void);	      /* never NULL */
void top_model_free(struct top_model *model); /* NULL is allowed */

/* Sets the compiler's output beside the rows from the next view on. Both must outlive the model. */
void top_model_set_escape(struct top_model *model, const struct escape_output *output,
			  const struct audit_options *options);

/* Says whose allocations are the reader's, as profile_set_modules() does; `globs` must outlive the model. */
void top_model_set_modules(struct top_model *model, const char **globs, size_t count);

/* Takes a view over, as a copy. */
void top_model_add(struct top_model *model, const struct session_view *view);

/* The last view; NULL before the first. */
const struct profile *top_model_profile(const struct top_model *model);
int top_model_processes(const struct top_model *model);

/* Sums of the last views: `age` 0 is the latest. NULL if there is none that old. */
const struct top_sums *top_model_sums(const struct top_model *model, size_t age);
/* Returns the rate per second of a value (VALUE_COUNT: of collections) between the views of these two ages; -1 if
 * unknown. */
double top_model_rate(const struct top_model *model, int value, size_t age, size_t older);

/* The rows of the last view. They hold until the next call of this or of top_model_add(). */
const struct top_row *top_model_rows(struct top_model *model, const struct top_question *question, size_t *count);

/* The stacks of a row that the last top_model_rows() gave, costliest first. They hold until the next call of it. */
const struct report *top_model_stacks(struct top_model *model, const struct top_row *row, size_t most);

#endif
