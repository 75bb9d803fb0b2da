/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_COPIES_H
#define ESCAPEMENT_AUDIT_COPIES_H

/*
 * Claims annotations of a function's own body whose inlined copies allocated. If a parameter is moved to the heap, the
 * compiler says so at the call in each caller that inlines the function, but no inline frame leads from there to the
 * function itself. The same holds for the wrappers that the compiler generates around generic functions. Private to the
 * join.
 */

#include <stdint.h>

#include "escape/escape.h"

/* Claims (sets claimed[annotation] to nonzero) those whose copy at an inlined call has been claimed. If the functions
 * have not been named (escape_functions.h), it claims nothing. */
void audit_copies_claim(const struct escape_output *output, uint8_t *claimed);

#endif
