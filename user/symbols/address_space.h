/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ADDRESS_SPACE_H
#define ESCAPEMENT_ADDRESS_SPACE_H

/*
 * Finds the location in a profile for an address in a process. Keeps every executable file that the process mapped
 * open, so that addresses can be symbolized after the process has ended. Processes may share what is known about these
 * files.
 */

#include <stdint.h>

#include "symbols/image_cache.h"
#include "profile/profile.h"
#include "target/target.h"

struct address_space;

/* `images` belongs to `profile` and may be NULL. All three arguments must outlive the address space. */
struct address_space *address_space_new(struct target *target, struct profile *profile, struct image_cache *images);
/* The same for a process that has ended: its mappings are those that `target` holds. */
struct address_space *address_space_of_past(struct target *target, struct profile *profile);
void address_space_free(struct address_space *space); /* NULL is allowed */

/* Adds what the process has mapped since the last call. Costs one read of its mappings. */
void address_space_update(struct address_space *space);

/*
 * Returns the location of an instruction. For a return address pass `call` true: then the position is that of the call,
 * while the location's address is still the return address. Never NULL; has no frames if nothing is known.
 */
const struct profile_location *address_space_locate(struct address_space *space, uint64_t address, bool call);

/* Returns the build id of a mapped executable file; `path` is as the process sees it. NULL if the file has none or is
 * not mapped. */
const char *address_space_build_id(struct address_space *space, const char *path);

#endif
