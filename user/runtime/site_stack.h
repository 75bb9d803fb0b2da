/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SITE_STACK_H
#define ESCAPEMENT_SITE_STACK_H

/* Builds the stack of a libgoalloc event, in which the program's site takes the place that its runtime call returns
 * to. */

#include <stdbool.h>
#include <stdint.h>

#include "symbols/address_space.h"
#include "profile/profile.h"

enum { SITE_STACK_MAX = 127 }; /* maximal number of addresses in a stack */

/* `site` may be NULL; `pcs` are return addresses, leaf first, at most SITE_STACK_MAX of them. */
const struct profile_stack *site_stack(struct address_space *space, struct profile *profile,
				       const struct profile_frame *site, const uint64_t *pcs, uint32_t depth,
				       bool truncated);

#endif
