/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_BASELINE_FORMAT_H
#define ESCAPEMENT_BASELINE_FORMAT_H

/* What reader and writer of baselines agree on. */

#include <stdbool.h>
#include <stddef.h>

#include "gate/gate_counts.h"
#include "profile/profile_values.h"

#define BASELINE_SCHEMA	  "escapement.baseline/2"
#define BASELINE_ESTIMATE "_estimate" /* behind a value's name: what the interval is of */

/* The texts of a site. */
enum { BASELINE_TEXTS = 9 };
extern const struct baseline_text {
	const char *name;
	size_t offset; /* of the const char * in struct gate_site */
	bool required;
} baseline_texts[BASELINE_TEXTS];

/* Returns where a site has the text `i`. */
const char **baseline_text(struct gate_site *site, int i);

/* The next value in baselines, which contain all shown values; -1: the first one. */
int baseline_next(int value);

/* Whether sites have the value; otherwise only the totals have it. */
bool baseline_is_of_sites(enum profile_value value);

#endif
