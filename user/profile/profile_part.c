/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/profile_part.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/text_compare.h"

/* Of the processes for which `has` is set; in the order of the whole profile. */
static struct profile *part_of(const struct profile *whole, const bool *has)
{
	struct profile *part = memory_zeroed(1, sizeof(*part));

	*part = *whole;
	part->processes = memory_zeroed(whole->process_count + 1, sizeof(*part->processes));
	part->process_count = 0;
	for (size_t i = 0; i < whole->process_count; i++) {
		if (has[i])
			part->processes[part->process_count++] = whole->processes[i];
	}
	part->samples = memory_zeroed(whole->sample_count + 1, sizeof(struct profile_sample *));
	part->sample_count = 0;
	for (size_t i = 0; i < whole->sample_count && part->process_count; i++) {
		if (profile_process_find(part, whole->samples[i]->key.pid))
			part->samples[part->sample_count++] = whole->samples[i];
	}
	return part;
}

struct profile *profile_part_new(const struct profile *whole, int pid)
{
	bool *has = memory_zeroed(whole->process_count + 1, sizeof(*has));
	struct profile *part;

	for (size_t i = 0; i < whole->process_count; i++)
		has[i] = whole->processes[i].pid == pid;
	part = part_of(whole, has);
	free(has);
	return part;
}

struct profile *profile_part_of_build(const struct profile *whole, const char *build_id)
{
	bool *has = memory_zeroed(whole->process_count + 1, sizeof(*has));
	struct profile *part;

	for (size_t i = 0; i < whole->process_count; i++)
		has[i] = text_same(whole->processes[i].build_id, build_id);
	part = part_of(whole, has);
	free(has);
	return part;
}

void profile_part_free(struct profile *part)
{
	if (!part)
		return;
	free(part->samples);
	free(part->processes);
	free(part);
}
