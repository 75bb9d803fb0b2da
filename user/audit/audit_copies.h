/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_AUDIT_COPIES_H
#define ESCAPEMENT_AUDIT_COPIES_H

/*
 * Annotations of a function's own body that inlined copies of it have answered for. A parameter that moves to the heap
 * is said to do so at the call in each caller that inlines the function, and no inline frame leads back from there to
 * the function. The same holds for the wrappers that the compiler makes around generic functions. Private to the join.
 */

#include <stdint.h>

#include "escape/escape.h"

/* Claims (by annotation, non-zero) those whose copy at an inlined call has been claimed. Functions must be named
 * (escape_functions.h), else it claims nothing. */
void audit_copies_claim(const struct escape_output *output, uint8_t *claimed);

#endif
