/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UNWIND_H
#define UNWIND_H

/* Stacks of the program that called the library. */

#include "runtime.h"

/* The address of `depth` in the cache's struct goalloc_stack, filled with the caller's stack. `truncated`
 * also says that unwinding got stuck on the way. */
uintptr_t caller_stack(struct mcache *c, struct caller *caller);

#endif
