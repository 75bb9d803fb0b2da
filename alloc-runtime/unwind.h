/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UNWIND_H
#define UNWIND_H

/* Call stacks of the program that called the library. */

#include "runtime.h"

/* Fills the cache's struct goalloc_stack with the caller's stack and returns the address of its `depth`. Sets
 * `truncated` also if unwinding failed part of the way. */
uintptr_t caller_stack(struct mcache *c, struct caller *caller);
/* Whether one of the innermost frames of a stopped thread is in [start, limit). `top`: the end of its stack. */
bool unwind_isIn(const struct machine_registers *registers, uintptr_t top, uintptr_t start, uintptr_t limit);

#endif
