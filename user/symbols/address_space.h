/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_ADDRESS_SPACE_H
#define ESCAPEMENT_ADDRESS_SPACE_H

/*
 * From an address in a process to a location of a profile. Keeps every executable file that the process mapped open,
 * so that addresses can be symbolized after the process has ended; processes may share what is known of these files.
 */

#include <stdint.h>

#include "symbols/image_cache.h"
#include "profile/profile.h"
#include "target/target.h"

struct address_space;

/* `target`, `profile` and `images`, which are of that profile and may be NULL, must outlive it. */
struct address_space *address_space_new(struct target *target, struct profile *profile, struct image_cache *images);
/* The same for a process that is gone: `target` holds its mappings, and they are what counts. */
struct address_space *address_space_of_past(struct target *target, struct profile *profile);
void address_space_free(struct address_space *space); /* NULL is allowed */

/* Takes note of what the process has mapped since the last call. Costs one read of its mappings. */
void address_space_update(struct address_space *space);

/*
 * The location of an instruction. For a return address pass `call` true: the position is then that of the call, and
 * the location's address still the return address. Never NULL; without frames where nothing is known.
 */
const struct profile_location *address_space_locate(struct address_space *space, uint64_t address, bool call);

/* Build id of a mapped executable file, as the process names it; NULL where it has none or is not mapped. */
const char *address_space_build_id(struct address_space *space, const char *path);

#endif
