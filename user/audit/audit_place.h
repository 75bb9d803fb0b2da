/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_PLACE_H
#define ESCAPEMENT_AUDIT_PLACE_H

#include "audit/audit.h"

/*
 * Returns the source position to show for a row in formats that link to the source: its site or, if the compiler output
 * does not have that file (a dependency's), the innermost call that the site was inlined into whose file it has. `line`
 * and `column` may be NULL. Returns the file; NULL if none is known.
 */
const char *audit_place(const struct audit_row *row, uint32_t *line, uint32_t *column);

/*
 * Rows that no annotation explains are shown to people where the program can be changed: at the line of the program's own
 * module that they were allocated for. That is the row's own line unless another module is covered too.
 */
static inline bool audit_is_at_owner(const struct audit_row *row)
{
	return row->owner && (row->verdict == AUDIT_UNANNOTATED || row->verdict == AUDIT_NOT_COVERED) &&
	       (row->owner->line != row->site.line || row->owner->function != row->site.function);
}

/* Returns the source position to show to people: the owner's, without a column, or that of audit_place(). */
const char *audit_shown_place(const struct audit_row *row, uint32_t *line, uint32_t *column);

#endif
