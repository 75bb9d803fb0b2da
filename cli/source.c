/* SPDX-License-Identifier: BSD-2-Clause */
#include "source.h"

#include "cli.h"
#include "fleet/store.h"
#include "profile/pprof.h"

static struct profile *ask(const char *url, struct error *error)
{
	struct profile *profile = store_profile(url, error);

	for (size_t i = 0; profile && i < profile->warning_count; i++)
		cli_warn("%s", profile->warnings[i]);
	return profile;
}

struct profile *source_profile(const char *operand, struct error *error)
{
	return store_is_url(operand) ? ask(operand, error) : pprof_read(operand, error);
}

struct profile *source_recording(const char *operand, struct error *error)
{
	return store_is_url(operand) ? ask(operand, error) : pprof_read_recording(operand, error);
}

struct gate_counts *source_counts(const char *operand, const struct gate_reading *reading, struct error *error)
{
	struct gate_counts *counts;
	struct profile *profile;

	if (!store_is_url(operand))
		return gate_read_counts(operand, reading, error);
	profile = ask(operand, error);
	if (!profile)
		return NULL;
	counts = gate_count_profile(profile, operand, reading, error);
	profile_free(profile);
	return counts;
}
