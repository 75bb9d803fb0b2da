/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ADVICE_H
#define ESCAPEMENT_ADVICE_H

/*
 * Advice about a row: the cause of the allocation, from the compiler's explanation and the runtime call, and the
 * rewrites that apply to it. One table; docs/verdicts.md has a paragraph for each cause.
 */

#include <stddef.h>

#include "audit/audit.h"

struct advice {
	const char *cause;	 /* "returned", "interface", … */
	const char *words;	 /* its meaning, in one sentence */
	const char *rewrites[3]; /* ends with NULL */
};

/* Returns NULL for rows that did not allocate, are not covered or shared, and if the cause is unknown. */
const struct advice *advice_for(const struct audit_row *row);

/*
 * Returns the command that proves a change before it is made, given as a patch, fix.diff. NULL if it is unknown what
 * the program was built from, as for C programs. The caller frees it.
 */
char *advice_proof(const struct audit *audit, const struct audit_row *row);

#endif
