/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GATE_NORMALIZE_H
#define ESCAPEMENT_GATE_NORMALIZE_H

/* What counts are divided by: the objects of a site, the value of an expression of numbers, "500", "20 * (8 + 1)", or the
 * duration, "second". */

#include <stdbool.h>

#include "base/error.h"

struct gate_normalizer {
	bool seconds;	  /* by the duration of each recording */
	const char *site; /* a function, a glob of functions or packages, or FILE:LINE; NULL: `number` is used */
	double number;	  /* whole, from 1 on */
};

/* Parses `text`; NULL: divide by 1. The normalizer refers to the text. */
int gate_normalizer_parse(const char *text, struct gate_normalizer *normalizer, struct error *error);

#endif
