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

#endif
