/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VALID_H
#define VALID_H

/*
 * Functions that check the invariants of runtime.h, for tests. They return NULL if all invariants hold, else the one
 * that does not. No other thread may use the allocator meanwhile.
 */

#include "runtime.h"

#pragma GCC visibility push(hidden)

const char *mspan_is_valid(const struct mspan *s);
const char *mcache_is_valid(struct mcache *c);
const char *mcentral_is_valid(const struct mcentral *central);
const char *mheap_is_valid(void); /* includes all of the above */

#pragma GCC visibility pop
#endif
