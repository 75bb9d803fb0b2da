/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gate/baseline.h"
#include "gate/gate_measure.h"
#include "profile/pprof.h"

/* Whether a file is JSON, and so a baseline: pprof files begin with the magic number of gzip, or with a field. */
static bool is_json(const char *path)
{
	FILE *stream = fopen(path, "re");
	int c = stream ? getc(stream) : EOF;

	while (c == ' ' || c == '\n' || c == '\t' || c == '\r')
		c = getc(stream);
	if (stream)
		fclose(stream);
	return c == '{';
}

/* The warnings of a profile, which say why its rows are lower bounds and what helps, as one text. The caller frees it. */
static char *warnings_of(const struct profile *profile)
{
	char *text = memory_text(profile->warning_count ? profile->warnings[0] : "the file does not say why");

	for (size_t i = 1; i < profile->warning_count; i++) {
		char *before = text;

		text = memory_format("%s; %s", before, profile->warnings[i]);
		free(before);
	}
	return text;
}

static int check_rows(const struct profile *profile, const char *path, struct error *error)
{
	struct profile_loss loss = profile_loss(profile);
	char *why;

	if (!(profile->row_measured & 1u << VALUE_OBJECTS))
		return error_set(error, STATUS_USAGE, "'%s' has no objects by site: %s", path,
				 profile->rate == 0 ? "it was recorded at rate 0" : "nothing sampled its objects");
	/* if events were lost, the gate compares the lower bounds, and warns that they are */
	if (!profile->rows_least || profile_loss_any(&loss))
		return 0;
	if (!profile->tool_version)
		return error_set(
			error, STATUS_USAGE,
			"the rows of '%s' are lower bounds, because Go's heap profiles end with a collection: they cannot be "
			"compared; take profiles that 'go test -memprofile' writes at the end, or recordings",
			path);
	why = warnings_of(profile);
	error_set(error, STATUS_USAGE, "the rows of '%s' are lower bounds%s, and cannot be compared: %s", path,
		  profile->totals_exact ? "" : ", its totals incomplete", why);
	free(why);
	return -1;
}

struct gate_counts *gate_count_profile(struct profile *profile, const char *path, const struct gate_reading *reading,
				       struct error *error)
{
	struct gate_measurement *measurement;
	struct audit *audit;
	struct gate_counts *counts;
	/* a profile does not store the arguments of the command line separately */
	char *program = profile->target ? memory_text_of(profile->target, strcspn(profile->target, " ")) : NULL;
	const char *const words[] = {program, NULL};

	profile_set_modules(profile, reading->modules, reading->module_count);
	if (check_rows(profile, path, error)) {
		free(program);
		return NULL;
	}
	measurement = gate_measurement_new(NULL);
	gate_measurement_keep_stacks(measurement, reading->stacks, reading->side);
	audit = gate_audit(profile, reading->escape);
	gate_measurement_add(measurement, profile, audit);
	audit_free(audit);
	counts = gate_measurement_finish(measurement, reading->normalize, error);
	/* a program whose own code allocates nothing has sites on the other side only, and allocations that are not judged */
	if (counts && gate_counts_none(counts)) {
		error_set(error, STATUS_CANNOT_MEASURE, "'%s' has no allocations", path);
		gate_counts_free(counts);
		counts = NULL;
	}
	if (counts)
		gate_counts_command(counts, words);
	free(program);
	return counts;
}

struct gate_counts *gate_read_counts(const char *path, const struct gate_reading *reading, struct error *error)
{
	struct gate_counts *counts;
	struct profile *profile;

	if (is_json(path) && reading->module_count) {
		error_set(error, STATUS_USAGE,
			  "--module is for recordings: '%s' is a baseline, whose sites have their owners", path);
		return NULL;
	}
	if (is_json(path))
		return baseline_read(path, error);
	profile = pprof_read_recording(path, error);
	if (!profile)
		return NULL;
	counts = gate_count_profile(profile, path, reading, error);
	profile_free(profile);
	return counts;
}
