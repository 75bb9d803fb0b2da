/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Estimates and exact counts from the same run: counts every allocation of a Go program, and also records the events of
 * its own sampler, as at the default rate.
 *
 *   estimate_oracle rows SECONDS PROGRAM ARGUMENT…     one line per row of `report --by site`; seen_low to
 *                                                      seen_bytes_high: interval without size classes that have no
 *                                                      sample; classes: number of size classes with a sample
 *   estimate_oracle objects SECONDS PROGRAM ARGUMENT…  one line per site, runtime call, type and size class
 *
 * Fields are separated by tabs; the first line has their names. SECONDS 0: until the program ends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/frames.h"
#include "profile/owner.h"
#include "profile/report.h"
#include "profile/size_class.h"
#include "record/session.h"

enum { TINY_CLASS = 5, TINY_MAX = 16 };

/* The two recordings that one profile contains; both use its storage. */
struct halves {
	struct profile exact, sampled;
};

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* Whether the process has a running sampler: then the profile has two consecutive entries for it. */
static bool is_sampled(const struct profile *both, int pid)
{
	for (size_t i = 0; i + 1 < both->process_count; i++) {
		if (both->processes[i].pid == pid && both->processes[i + 1].pid == pid)
			return true;
	}
	return false;
}

/* Splits a profile into its two recordings. Omits processes without a sampler, which have no estimates to compare. */
static struct halves divide(const struct profile *both)
{
	struct halves halves = {*both, *both};

	halves.exact.samples = checked(calloc(both->sample_count + 1, sizeof(*both->samples)));
	halves.sampled.samples = checked(calloc(both->sample_count + 1, sizeof(*both->samples)));
	halves.exact.processes = checked(calloc(both->process_count + 1, sizeof(*both->processes)));
	halves.sampled.processes = checked(calloc(both->process_count + 1, sizeof(*both->processes)));
	halves.exact.sample_count = halves.sampled.sample_count = 0;
	halves.exact.process_count = halves.sampled.process_count = 0;
	for (size_t i = 0; i < both->sample_count; i++) {
		struct profile *half = both->samples[i]->key.rate ? &halves.sampled : &halves.exact;

		if (!is_sampled(both, both->samples[i]->key.pid))
			continue;
		half->samples[half->sample_count++] = both->samples[i];
		if (half == &halves.sampled)
			half->rate = both->samples[i]->key.rate;
	}
	for (size_t i = 0; i + 1 < both->process_count; i++) {
		if (both->processes[i].pid != both->processes[i + 1].pid)
			continue;
		halves.exact.processes[halves.exact.process_count++] = both->processes[i];
		halves.sampled.processes[halves.sampled.process_count++] = both->processes[++i];
	}
	halves.sampled.rows_exact = false;
	halves.sampled.row_measured = 1u << VALUE_OBJECTS | 1u << VALUE_BYTES | 1u << VALUE_SAMPLES;
	halves.exact.row_measured = halves.sampled.row_measured;
	return halves;
}

static const struct profile_frame *site_of(const struct profile_sample *sample, const char **call)
{
	struct frames_site site;

	*call = "";
	if (!frames_site(sample->key.stack, &site))
		return NULL;
	*call = site.runtime_call ? site.runtime_call : "";
	return frames_site_frame(sample->key.stack, &site);
}

static bool is_tiny(const struct profile_sample *sample)
{
	return sample->key.span_class == TINY_CLASS &&
	       sample->values[VALUE_BYTES] < TINY_MAX * sample->values[VALUE_OBJECTS];
}

/* Exact counts for a row: objects of its site except tiny ones, and the tiny ones. */
struct truth {
	int64_t objects, bytes, tiny, tiny_bytes;
};

static bool belongs(struct owner_table *owners, const struct profile_sample *sample, const struct report_row *row)
{
	const struct owner owner = owner_of(owners, sample);
	const struct profile_frame *frame = owner.frame;

	return frame && frame->function == row->function && frame->file == row->file && frame->line == row->line &&
	       owner.via == row->via;
}

static struct truth truth_of(const struct profile *exact, struct owner_table *owners, const struct report_row *row)
{
	struct truth truth = {0};

	for (size_t i = 0; i < exact->sample_count; i++) {
		const struct profile_sample *sample = exact->samples[i];

		if (!belongs(owners, sample, row))
			continue;
		if (is_tiny(sample)) {
			truth.tiny += sample->values[VALUE_OBJECTS];
			truth.tiny_bytes += sample->values[VALUE_BYTES];
			continue;
		}
		truth.objects += sample->values[VALUE_OBJECTS];
		truth.bytes += sample->values[VALUE_BYTES];
	}
	return truth;
}

/* The row's interval without the allowance for size classes that have no sample, to measure how much it widens it. */
static struct interval_bounds bounds_without_unseen(const struct profile *sampled, const struct estimates *estimates,
						    struct owner_table *owners, const struct report_row *row,
						    int *classes)
{
	struct interval sum = {0};
	struct interval_bounds bounds;

	for (size_t i = 0; i < sampled->sample_count; i++) {
		if (belongs(owners, sampled->samples[i], row))
			interval_add_sample(&sum, estimates, sampled->samples[i]);
	}
	for (size_t i = 0; i < sum.part_count; i++)
		*classes += sum.parts[i].events > 0;
	sum.varies = false;
	bounds = interval_bounds(&sum, estimates);
	interval_allow_tiny(&bounds, estimates);
	interval_clear(&sum);
	return bounds;
}

static void print_rows(const struct halves *halves)
{
	struct report *report = report_new(&halves->sampled, BY_SITE, VALUE_BYTES, 0);
	struct owner_table *owners = owner_table_new(&halves->exact);
	struct owner_table *sampled_owners = owner_table_new(&halves->sampled);

	puts("samples\tobjects\tlow\thigh\ttrue_objects\ttrue_tiny\tbytes\ttrue_bytes\ttrue_tiny_bytes\tbytes_low\t"
	     "bytes_high\tseen_low\tseen_high\tseen_bytes_low\tseen_bytes_high\tclasses\ttiny_unknown\tfunction\tfile\tline");
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];
		struct interval_bounds seen;
		struct truth truth;
		int classes = 0;

		if (!row->file || row->values[VALUE_SAMPLES] <= 0)
			continue;
		truth = truth_of(&halves->exact, owners, row);
		seen = bounds_without_unseen(&halves->sampled, report->estimates, sampled_owners, row, &classes);
		printf("%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64
		       "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64,
		       row->values[VALUE_SAMPLES], row->values[VALUE_OBJECTS], row->bounds.objects_low,
		       row->bounds.objects_high, truth.objects, truth.tiny, row->values[VALUE_BYTES], truth.bytes,
		       truth.tiny_bytes, row->bounds.bytes_low, row->bounds.bytes_high);
		printf("\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%d\t%d\t%s\t%s\t%" PRIu32 "\n",
		       seen.objects_low, seen.objects_high, seen.bytes_low, seen.bytes_high, classes, row->tiny_unknown,
		       row->function, row->file, row->line);
	}
	report_free(report);
	owner_table_free(owners);
	owner_table_free(sampled_owners);
}

static void print_half(const struct profile *half, const char *name)
{
	for (size_t i = 0; i < half->sample_count; i++) {
		const struct profile_sample *sample = half->samples[i];
		const char *call;
		const struct profile_frame *frame = site_of(sample, &call);

		if (sample->values[VALUE_OBJECTS])
			printf("%s\t%s\t%s\t%" PRIu32 "\t%s\t%s\t%d\t%d\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", name,
			       frame ? frame->function : "", frame && frame->file ? frame->file : "",
			       frame ? frame->line : 0, call, sample->key.type ? sample->key.type : "",
			       sample->key.span_class, sample->key.pid, sample->values[VALUE_OBJECTS],
			       sample->values[VALUE_BYTES], sample->values[VALUE_SAMPLES]);
	}
	for (size_t i = 0; i < half->process_count; i++) {
		for (int class = 0; class < SPAN_CLASSES; class ++) {
			const int64_t *totals = half->processes[i].class_totals[class];

			if (totals[VALUE_OBJECTS])
				printf("%s-total\t\t\t0\t\t\t%d\t%d\t%" PRId64 "\t%" PRId64 "\t0\n", name, class,
				       half->processes[i].pid, totals[VALUE_OBJECTS], totals[VALUE_BYTES]);
		}
	}
}

int main(int argc, char **argv)
{
	struct session_options options = {.rate = 1, .follow = true, .sampler_beside = true};
	struct session_result result;
	struct error error = {0};
	struct profile *profile;
	struct halves halves;

	if (argc < 4) {
		fputs("usage: estimate_oracle rows|objects SECONDS PROGRAM ARGUMENT...\n", stderr);
		return STATUS_USAGE;
	}
	options.duration = atof(argv[2]);
	options.argv = argv + 3;
	sigemptyset(&options.ignored);
	profile = session_record(&options, &result, &error);
	if (!profile) {
		fprintf(stderr, "estimate_oracle: %s\n", error.text);
		return STATUS_CANNOT_MEASURE;
	}
	halves = divide(profile);
	if (strcmp(argv[1], "objects") == 0) {
		puts("half\tfunction\tfile\tline\tcall\ttype\tspan_class\tpid\tobjects\tbytes\tsamples");
		print_half(&halves.exact, "exact");
		print_half(&halves.sampled, "sampled");
	} else {
		print_rows(&halves);
	}
	free(halves.exact.samples);
	free(halves.sampled.samples);
	free(halves.exact.processes);
	free(halves.sampled.processes);
	profile_free(profile);
	return 0;
}
