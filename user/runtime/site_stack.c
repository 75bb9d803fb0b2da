/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/site_stack.h"

#include "profile/frames.h"

static bool is_runtime_location(const struct profile_location *location)
{
	return location->frame_count && frames_is_runtime(location->frames[location->frame_count - 1].function);
}

const struct profile_stack *site_stack(struct address_space *space, struct profile *profile,
				       const struct profile_frame *site, const uint64_t *pcs, uint32_t depth,
				       bool truncated)
{
	const struct profile_location *locations[SITE_STACK_MAX + 1];
	uint32_t count = 0;

	for (uint32_t i = 0; i < depth && i < SITE_STACK_MAX; i++) {
		const struct profile_location *location = address_space_locate(space, pcs[i], true);

		if (site && is_runtime_location(location)) {
			/* functions that the runtime call's C code inlines are omitted, as Go does not show them
			 * either */
			location = profile_location(profile, location->address, location->mapping,
						    &location->frames[location->frame_count - 1], 1);
		} else if (site) {
			location = profile_location(profile, 0, location->mapping, site, 1);
			site = NULL;
		}
		locations[count++] = location;
	}
	if (site)
		locations[count++] = profile_location(profile, 0, NULL, site, 1);
	return profile_stack(profile, locations, count, truncated);
}
