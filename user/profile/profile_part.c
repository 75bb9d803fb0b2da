/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/profile_part.h"

#include <stdlib.h>

#include "base/memory.h"

struct profile *profile_part_new(const struct profile *whole, int pid)
{
	struct profile *part = memory_zeroed(1, sizeof(*part));

	*part = *whole;
	part->processes = profile_process_find(whole, pid);
	part->process_count = part->processes ? 1 : 0;
	part->samples = memory_zeroed(whole->sample_count + 1, sizeof(struct profile_sample *));
	part->sample_count = 0;
	for (size_t i = 0; i < whole->sample_count; i++) {
		if (whole->samples[i]->key.pid == pid)
			part->samples[part->sample_count++] = whole->samples[i];
	}
	return part;
}

void profile_part_free(struct profile *part)
{
	if (!part)
		return;
	free(part->samples);
	free(part);
}
