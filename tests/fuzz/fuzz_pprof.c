/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads arbitrary bytes as a pprof file (not gzipped, because that would test zlib). An accepted profile must be
 * consistent: groups add up, and writing and reading it does not change it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "profile/pprof.h"
#include "render/render_report.h"
#include "profile/report.h"

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void check_samples(const struct profile *profile)
{
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];

		REQUIRE(sample->key.span_class >= SPAN_CLASS_UNKNOWN && sample->key.span_class < SPAN_CLASSES);
		REQUIRE(sample->key.stack && sample->key.stack->depth <= STACK_DEPTH_MAX);
		for (int value = 0; value < VALUE_COUNT; value++)
			REQUIRE(sample->values[value] >= 0);
	}
}

static void check_report(const struct profile *profile, enum report_by by, FILE *nowhere)
{
	static const struct report_style style = {.width = 80};
	struct report *report = report_new(profile, by, VALUE_BYTES, 0);
	int64_t rows = 0, samples = 0;

	for (size_t i = 0; i < profile->sample_count; i++)
		samples = add(samples, profile->samples[i]->values[VALUE_REFILLS]);
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];

		if (row->values[VALUE_REFILLS] != VALUE_UNMEASURED)
			rows = add(rows, row->values[VALUE_REFILLS]);
		if (row->has_bounds)
			REQUIRE(row->bounds.objects_low >= 0 && row->bounds.objects_low <= row->values[VALUE_OBJECTS] &&
				(row->bounds.objects_high == VALUE_UNMEASURED ||
				 row->values[VALUE_OBJECTS] <= row->bounds.objects_high));
	}
	if (by != BY_SIZE_CLASS && profile->row_measured & 1u << VALUE_REFILLS)
		REQUIRE(rows == samples);
	for (int format = 0; report_format_names[format]; format++) {
		if (!report_format_of_stacks[format] || by == BY_STACK)
			render_report(nowhere, report, (enum report_format)format, &style);
	}
	report_free(report);
}

/* Writes and reads the profile twice. The second time must not change it. */
static void check_round_trip(const struct profile *profile)
{
	static struct input_file file;
	struct error error = {0};
	struct profile *back;
	uint32_t stored = 0;

	input_file_fill(&file, NULL, 0);
	REQUIRE(pprof_write(profile, file.path, &error) == 0);
	back = pprof_read(file.path, &error);
	if (!back)
		fprintf(stderr, "%s\n", error.text);
	REQUIRE(back);
	REQUIRE(back->sample_count == profile->sample_count);
	REQUIRE(back->process_count == profile->process_count);
	for (int value = 0; value < VALUE_COUNT; value++)
		stored |= profile_stores(profile, value) ? 1u << value : 0;
	REQUIRE(back->row_measured == (profile->row_measured & stored));
	for (size_t i = 0; i < profile->sample_count; i++) {
		for (int value = 0; value < VALUE_COUNT; value++)
			REQUIRE(!(stored & 1u << value) ||
				back->samples[i]->values[value] == profile->samples[i]->values[value]);
		REQUIRE(back->samples[i]->key.stack->depth == profile->samples[i]->key.stack->depth);
	}
	profile_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static FILE *nowhere;
	struct error error = {0};
	struct profile *profile = pprof_parse(bytes, size, "fuzz", &error);

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	if (!profile) {
		REQUIRE(error.status == STATUS_USAGE && error.text[0]);
		return 0;
	}
	check_samples(profile);
	for (int by = BY_SITE; by <= BY_STACK; by++)
		check_report(profile, by, nowhere);
	check_round_trip(profile);
	profile_free(profile);
	return 0;
}
