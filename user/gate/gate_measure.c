/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts by site, from the profiles of one or more runs.
 *
 * Each run is first added up by key and stored. At the end the runs are combined to least and most; a site that a run
 * did not reach has 0 in it. Counts of objects and bytes decide. The allocator's costs (refills, growth) depend on
 * which thread came first, so they are kept only if several runs agree on all of them, and are unmeasured otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_join.h"
#include "profile/interval.h"
#include "profile/interval_bounds.h"
#include "profile/frames.h"
#include "profile/owner.h"
#include "profile/size_class.h"
#include "gate/gate_noise.h"
#include "gate/gate_measure.h"
#include "gate/gate_modules.h"
#include "gate/gate_normalize.h"
#include "gate/gate_site_key.h"
#include "gate/go_test.h"
#include "base/memory.h"
#include "base/hash_index.h"
#include "base/text_compare.h"

/* Objects and bytes of a site in one run: the bounds of the estimate, or twice the same number. */
struct run_count {
	struct gate_count objects, bytes;
};

/* A whole run. */
struct run_total {
	int64_t duration_ns;
	int64_t exact[VALUE_COUNT]; /* as of gate_counts */
};

/* A source position of a site. */
struct position {
	const char *file;
	uint32_t line, column;
	int64_t objects;    /* in all runs */
	const char *reason; /* why the compiler moved what is allocated there to the heap; NULL if unknown */
};

/* The runs of a site. */
struct tally {
	int64_t run[VALUE_COUNT]; /* of the current run */
	struct interval interval; /* of the current run's objects */
	struct position *positions;
	uint32_t position_count;
	struct run_count *runs;
	int64_t blocks;	  /* of tiny objects, in all runs: samples of Go's runtime are of the object that opened one */
	bool varies;	  /* varies by chance, see gate_noise.h */
	int run_capacity; /* further runs have 0 */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct gate_measurement {
	struct gate_counts *counts;
	struct tally *tallies; /* parallel to counts->sites */
	size_t tally_capacity;
	struct hash_index by_key; /* hash table of sites: index + 1 */
	char directory[4096];	  /* the working directory, with a slash at its end; "" if unknown */
	struct gate_count costs[VALUE_COUNT];
	struct run_total *totals; /* of the runs */
	bool unsteady_costs;
	const char *warnings[4]; /* warnings of the first run's audit */
	size_t warning_count;
	struct gate_stacks *stacks; /* where those of the first run are kept; NULL: nowhere */
	int side;
};

static int next_cost(int value)
{
	return profile_value_next(value, VALUE_COST);
}

struct gate_measurement *gate_measurement_new(const char *directory)
{
	struct gate_measurement *measurement = memory_zeroed(1, sizeof(*measurement));

	measurement->counts = gate_counts_new();
	if (directory)
		snprintf(measurement->directory, sizeof(measurement->directory) - 1, "%s", directory);
	else if (!getcwd(measurement->directory, sizeof(measurement->directory) - 1))
		measurement->directory[0] = 0;
	if (*measurement->directory && measurement->directory[strlen(measurement->directory) - 1] != '/')
		strcat(measurement->directory, "/");
	return measurement;
}

void gate_measurement_keep_stacks(struct gate_measurement *measurement, struct gate_stacks *stacks, int side)
{
	measurement->stacks = stacks;
	measurement->side = side;
}

struct gate_counts *gate_measurement_counts(struct gate_measurement *measurement)
{
	return measurement->counts;
}

static void release(struct gate_measurement *measurement)
{
	for (size_t i = 0; i < measurement->counts->site_count; i++) {
		free(measurement->tallies[i].runs);
		free(measurement->tallies[i].positions);
	}
	free(measurement->tallies);
	free(measurement->totals);
	hash_index_free(&measurement->by_key);
	free(measurement);
}

void gate_measurement_free(struct gate_measurement *measurement)
{
	struct gate_counts *counts;

	if (!measurement)
		return;
	counts = measurement->counts;
	release(measurement);
	gate_counts_free(counts);
}

/* --- sites by key --- */

static size_t site_new(struct gate_measurement *measurement, const struct gate_site *key)
{
	struct gate_counts *counts = measurement->counts;
	struct gate_site *site = gate_counts_append(counts);

	site->function = gate_counts_string(counts, key->function);
	site->via = gate_counts_string(counts, key->via);
	site->runtime_call = gate_counts_string(counts, key->runtime_call);
	site->type = gate_counts_string(counts, key->type);
	site->benchmark = gate_counts_string(counts, key->benchmark);
	site->benchmark_package = gate_counts_string(counts, key->benchmark_package);
	site->annotation = gate_counts_string(counts, key->annotation);
	if (counts->site_count > measurement->tally_capacity) {
		measurement->tally_capacity = measurement->tally_capacity ? 2 * measurement->tally_capacity : 64;
		measurement->tallies =
			memory_resize(measurement->tallies, measurement->tally_capacity, sizeof(*measurement->tallies));
	}
	measurement->tallies[counts->site_count - 1] = (struct tally){0};
	return counts->site_count - 1;
}

/* Returns the index of the site with that key, which is added if there is none. */
static size_t site_at(struct gate_measurement *measurement, const struct gate_site *key)
{
	uint64_t *site = hash_index_at(&measurement->by_key, gate_site_hash(key), gate_site_same,
				       measurement->counts->sites, key);

	if (!*site)
		*site = site_new(measurement, key) + 1;
	return *site - 1;
}

/* --- adding runs --- */

/* Returns a file's name in a form that is the same on every machine: relative to the working directory if it is below
 * that; in Go's library and in modules, from the import path on. */
static const char *portable_file(const struct gate_measurement *measurement, const char *file)
{
	static const char *const roots[] = {"/pkg/mod/", "/src/"};
	size_t length = strlen(measurement->directory);

	if (!file || file[0] != '/')
		return file;
	if (length && strncmp(file, measurement->directory, length) == 0)
		return file + length;
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		const char *root = strstr(file, roots[i]);

		if (root)
			return root + strlen(roots[i]);
	}
	return file;
}

static struct position *position_at(struct gate_measurement *measurement, struct tally *tally,
				    const struct profile_frame *frame)
{
	const char *file = gate_counts_string(measurement->counts, portable_file(measurement, frame->file));

	for (uint32_t i = 0; i < tally->position_count; i++) {
		struct position *position = &tally->positions[i];

		if (position->file == file && position->line == frame->line && position->column == frame->column)
			return position;
	}
	tally->positions = memory_resize(tally->positions, tally->position_count + 1, sizeof(*tally->positions));
	tally->positions[tally->position_count] =
		(struct position){.file = file, .line = frame->line, .column = frame->column};
	return &tally->positions[tally->position_count++];
}

/* Code that is inlined at a position may have several reasons: the first by name, in whichever order samples come. */
static void add_position(struct gate_measurement *measurement, struct tally *tally, const struct profile_frame *frame,
			 const char *reason, int64_t objects)
{
	struct position *position = position_at(measurement, tally, frame);

	position->objects = add_saturated(position->objects, objects);
	if (reason && (!position->reason || strcmp(reason, position->reason) < 0))
		position->reason = gate_counts_string(measurement->counts, reason);
}

/* The run being added. */
struct run {
	const struct profile *profile;
	const struct audit *audit;
	struct owner_table *owners;
	struct estimates *estimates;
	int64_t outside[VALUE_COUNT];
};

static void add_to(int64_t *sums, const int64_t *values)
{
	for (int i = 0; i < VALUE_COUNT; i++)
		sums[i] = add_saturated(sums[i], values[i]);
}

static void add_sample(struct gate_measurement *measurement, struct run *run, const struct profile_sample *sample)
{
	struct owner owner = owner_of(run->owners, sample);
	struct gate_site_key key;
	struct tally *tally;
	size_t index;

	measurement->counts->tests_ran = measurement->counts->tests_ran || go_test_has_run(sample->key.stack);
	if (!gate_site_key(&key, sample, &owner, run->profile, run->audit, measurement->counts)) {
		add_to(run->outside, sample->values);
		return;
	}
	index = site_at(measurement, &key.site);
	tally = &measurement->tallies[index];
	add_to(tally->run, sample->values);
	interval_add_sample(&tally->interval, run->estimates, sample);
	if (run->profile->tiny_in_blocks && estimates_size_class(sample) == span_class_size_class(TINY_SPAN_CLASS))
		tally->blocks = add_saturated(tally->blocks, sample->values[VALUE_OBJECTS]);
	if (owner.frame)
		tally->varies |= gate_noise_varies(sample->key.stack, &owner);
	if (owner.frame && sample->values[VALUE_OBJECTS] > 0)
		add_position(measurement, tally, owner.frame, key.site.reason, sample->values[VALUE_OBJECTS]);
}

static void widen(struct gate_count *count, int64_t least, int64_t most, bool first)
{
	if (first || least < count->least)
		count->least = least;
	if (first || most > count->most)
		count->most = most;
}

static struct run_count *run_of(struct tally *tally, int run)
{
	if (run >= tally->run_capacity) {
		tally->runs = memory_resize(tally->runs, (size_t)run + 1, sizeof(*tally->runs));
		memset(tally->runs + tally->run_capacity, 0,
		       (size_t)(run + 1 - tally->run_capacity) * sizeof(*tally->runs));
		tally->run_capacity = run + 1;
	}
	return &tally->runs[run];
}

static void put_away_costs(struct gate_measurement *measurement, struct gate_site *site, const struct tally *tally)
{
	for (int i = next_cost(-1); i < VALUE_COUNT; i = next_cost(i)) {
		struct gate_count *count = &site->counts[i];
		bool first = count->least == VALUE_UNMEASURED;

		/* earlier runs that did not reach this site count as 0 */
		measurement->unsteady_costs |= first && measurement->counts->runs && tally->run[i];
		widen(count, tally->run[i], tally->run[i], first);
		measurement->unsteady_costs |= !gate_count_steady(count);
	}
}

static int64_t most_of(int64_t high)
{
	return high == VALUE_UNMEASURED ? INT64_MAX : high;
}

/* Stores the current run's sums. */
static void put_away(struct gate_measurement *measurement, const struct profile *profile,
		     const struct estimates *estimates)
{
	struct gate_counts *counts = measurement->counts;

	for (size_t i = 0; i < counts->site_count; i++) {
		struct tally *tally = &measurement->tallies[i];
		struct run_count *run = run_of(tally, counts->runs);
		int64_t objects = tally->run[VALUE_OBJECTS], bytes = tally->run[VALUE_BYTES];

		run->objects = (struct gate_count){.least = objects, .most = objects};
		run->bytes = (struct gate_count){.least = bytes, .most = bytes};
		if (!profile->rows_exact && objects > 0) {
			struct interval_bounds bounds = interval_bounds(&tally->interval, estimates);

			run->objects = (struct gate_count){
				.least = bounds.objects_low, .most = most_of(bounds.objects_high), .estimate = objects};
			run->bytes = (struct gate_count){
				.least = bounds.bytes_low, .most = most_of(bounds.bytes_high), .estimate = bytes};
			counts->sites[i].events += interval_events(&tally->interval);
		}
		put_away_costs(measurement, &counts->sites[i], tally);
		memset(tally->run, 0, sizeof(tally->run));
		interval_clear(&tally->interval);
	}
}

/* Collects the distinct runtimes of a profile's processes. */
static void take_runtime(struct gate_counts *counts, const struct profile *profile)
{
	char text[512] = "";

	for (size_t i = 0; i < profile->process_count; i++) {
		const char *runtime = profile->processes[i].runtime;
		size_t length = strlen(text);

		if (runtime && !strstr(text, runtime))
			snprintf(text + length, sizeof(text) - length, "%s%s", length ? ", " : "", runtime);
	}
	counts->runtime = *text ? gate_counts_string(counts, text) : NULL;
}

static void take_warnings(struct gate_measurement *measurement, const struct audit *audit)
{
	for (size_t i = 0; audit && i < audit->warning_count && i < COUNT(measurement->warnings); i++)
		measurement->warnings[measurement->warning_count++] =
			gate_counts_string(measurement->counts, audit->warnings[i]);
}

const char *gate_measurement_warning(const struct gate_measurement *measurement, size_t number)
{
	return number < measurement->warning_count ? measurement->warnings[number] : NULL;
}

/* Takes the main module and package of a profile's processes, if all have the same. */
static void take_module(struct gate_counts *counts, const struct profile *profile)
{
	const struct profile_process *first = profile->processes;

	if (!profile->process_count)
		return;
	counts->module = gate_counts_string(counts, first->module);
	counts->package = gate_counts_string(counts, first->package);
	for (size_t i = 1; i < profile->process_count; i++) {
		if (profile->processes[i].module != first->module)
			counts->module = NULL;
		if (profile->processes[i].package != first->package)
			counts->package = NULL;
	}
}

/* Estimates of which nobody knows how many samples are behind them have no intervals, and can only be compared as they stand. */
static void take_precision(struct gate_counts *counts, const struct profile *profile)
{
	bool has_samples = profile->row_measured & 1u << VALUE_SAMPLES;

	counts->estimated |= !profile->rows_exact && has_samples;
	counts->without_intervals |= !profile->rows_exact && !has_samples;
}

struct audit *gate_audit(const struct profile *profile, const struct escape_output *escape)
{
	const struct audit_options options = {0};

	return escape ? audit_new(profile, escape, &options) : NULL;
}

void gate_measurement_add(struct gate_measurement *measurement, const struct profile *profile,
			  const struct audit *audit)
{
	struct gate_counts *counts = measurement->counts;
	struct run run = {.profile = profile, .audit = audit, .owners = owner_table_new(profile)};
	struct profile_loss loss = profile_loss(profile);
	int64_t totals[VALUE_COUNT];

	run.estimates = estimates_new(profile);
	for (size_t i = 0; i < profile->sample_count; i++)
		add_sample(measurement, &run, profile->samples[i]);
	put_away(measurement, profile, run.estimates);
	estimates_free(run.estimates);
	profile_totals(profile, totals);
	for (int i = 0; i < VALUE_COUNT; i++) {
		widen(&measurement->costs[i], totals[i], totals[i], counts->runs == 0);
		if (counts->runs == 0 || run.outside[i] < counts->outside[i])
			counts->outside[i] = run.outside[i];
	}
	if (!(profile->row_measured & 1u << VALUE_REFILLS))
		measurement->unsteady_costs = true;
	profile_loss_add(&counts->loss, &loss);
	counts->rate = profile->rate == RATE_UNKNOWN ? 0 : profile->rate;
	counts->duration_ns = profile->duration_ns;
	measurement->totals =
		memory_resize(measurement->totals, (size_t)counts->runs + 1, sizeof(*measurement->totals));
	measurement->totals[counts->runs] = (struct run_total){.duration_ns = profile->duration_ns};
	counts->tiny_in_blocks |= profile->tiny_in_blocks;
	take_precision(counts, profile);
	gate_modules_add(counts, profile);
	if (counts->runs == 0 && measurement->stacks)
		gate_stacks_add(measurement->stacks, profile, audit, counts, measurement->side);
	for (int i = VALUE_OBJECTS; i <= VALUE_BYTES && !profile->rows_exact && profile->totals_exact; i++)
		measurement->totals[counts->runs].exact[i] = totals[i] > 0 ? totals[i] : 0;
	if (counts->runs++ == 0) {
		take_runtime(counts, profile);
		take_warnings(measurement, audit);
		take_module(counts, profile);
	}
	owner_table_free(run.owners);
}

/* --- combining runs --- */

/* Computes the iterations of each run, and the fewest. */
static int count_iterations(struct gate_measurement *measurement, const struct gate_normalizer *normalizer,
			    double *iterations, struct error *error)
{
	struct gate_counts *counts = measurement->counts;

	for (int run = 0; run < counts->runs; run++) {
		iterations[run] = normalizer->site ? 0 : normalizer->number;
		if (normalizer->seconds)
			iterations[run] = (double)measurement->totals[run].duration_ns / 1e9;
		for (size_t i = 0; normalizer->site && i < counts->site_count; i++) {
			struct gate_site site = counts->sites[i];
			struct tally *tally = &measurement->tallies[i];
			bool matches = false;

			for (uint32_t j = 0; j < tally->position_count && !matches; j++) {
				site.file = tally->positions[j].file;
				site.line = tally->positions[j].line;
				matches = gate_site_matches(&site, normalizer->site);
			}
			if (matches || gate_site_matches(&counts->sites[i], normalizer->site))
				iterations[run] += (double)run_of(tally, run)->objects.least;
		}
		if (normalizer->seconds && iterations[run] <= 0)
			return error_set(error, STATUS_USAGE,
					 "cannot normalize by second: the recording does not say "
					 "how long it took");
		if (iterations[run] <= 0)
			return error_set(error, STATUS_CANNOT_MEASURE,
					 "cannot normalize by '%s': no such site allocated; give "
					 "a function, a glob of one, FILE:LINE, or an expression of numbers",
					 normalizer->site);
		if (run == 0 || iterations[run] < counts->iterations)
			counts->iterations = iterations[run];
	}
	return 0;
}

static int64_t scaled(int64_t count, double by)
{
	return by == 1 ? count : count_from((double)count * by + 0.5);
}

/*
 * Computes the least and the most of a site's runs. Runs of different lengths are scaled to the shortest one, except
 * for counts that are the same in every run: these happen once, not in each iteration.
 */
static void join_runs(struct gate_site *site, struct tally *tally, int runs, const double *iterations, double least)
{
	bool constant = true;
	double objects = 0, bytes = 0; /* estimates, the mean of the runs */

	for (int i = 1; i < runs; i++)
		constant &= run_of(tally, i)->objects.least == tally->runs[0].objects.least &&
			    tally->runs[i].bytes.least == tally->runs[0].bytes.least;
	for (int i = 0; i < runs; i++) {
		const struct run_count *run = run_of(tally, i);
		double by = constant ? 1 : least / iterations[i];

		objects += (double)run->objects.estimate * by / runs;
		bytes += (double)run->bytes.estimate * by / runs;
		widen(&site->counts[VALUE_OBJECTS], scaled(run->objects.least, by), scaled(run->objects.most, by),
		      i == 0);
		widen(&site->counts[VALUE_BYTES], scaled(run->bytes.least, by), scaled(run->bytes.most, by), i == 0);
	}
	site->counts[VALUE_OBJECTS].estimate = count_from(objects + 0.5);
	site->counts[VALUE_BYTES].estimate = count_from(bytes + 0.5);
}

/* The exact totals are the least of the runs, as the sites' counts are; without that of one run, there are none. */
static void join_totals(struct gate_measurement *measurement, const double *iterations)
{
	struct gate_counts *counts = measurement->counts;

	for (int i = VALUE_OBJECTS; i <= VALUE_BYTES; i++) {
		for (int run = 0; run < counts->runs; run++) {
			int64_t exact = scaled(measurement->totals[run].exact[i], counts->iterations / iterations[run]);

			if (run == 0 || exact < counts->exact[i])
				counts->exact[i] = exact;
		}
	}
}

static bool comes_first(const struct position *a, const struct position *b)
{
	int order = text_compare_known_first(a->file, b->file);

	if (a->objects != b->objects)
		return a->objects > b->objects;
	if (order)
		return order < 0;
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* The site is shown at the position with the most objects, with the reason there; of equals, the first in the source. */
static void take_position(struct gate_site *site, const struct tally *tally)
{
	const struct position *best = tally->positions;

	for (uint32_t i = 1; i < tally->position_count; i++) {
		if (comes_first(&tally->positions[i], best))
			best = &tally->positions[i];
	}
	if (!best)
		return;
	site->file = best->file;
	site->line = best->line;
	site->column = best->column;
	site->reason = best->reason;
	site->places = tally->position_count;
}

static void finish_costs(struct gate_measurement *measurement)
{
	struct gate_counts *counts = measurement->counts;
	bool agreed = counts->runs > 1 && !measurement->unsteady_costs;

	memcpy(counts->costs, measurement->costs, sizeof(counts->costs));
	for (int i = next_cost(-1); i < VALUE_COUNT; i = next_cost(i)) {
		const struct gate_count *total = &measurement->costs[i];
		bool steady = agreed && gate_count_steady(total);

		for (size_t j = 0; !agreed && j < counts->site_count; j++)
			counts->sites[j].counts[i] =
				(struct gate_count){.least = VALUE_UNMEASURED, .most = VALUE_UNMEASURED};
		counts->totals[i] = steady ? total->least : VALUE_UNMEASURED;
	}
}

/* Whether a site is the standard library's bookkeeping: allocated once, not once per iteration. */
static bool is_bookkeeping(const struct gate_counts *counts, const struct gate_site *site)
{
	int64_t iterations = gate_counts_iterations(counts, site), most = site->counts[VALUE_OBJECTS].most;

	return gate_noise_is_bookkeeping(site->via, site->runtime_call) && most <= GATE_BOOKKEEPING_MAX &&
	       (iterations < GATE_ITERATIONS_MIN || most < iterations) &&
	       (!counts->normalize || (double)site->counts[VALUE_OBJECTS].least < counts->iterations);
}

/* Drops sites with refills or growth but no objects, and removes the library's bookkeeping. */
static void drop_unjudged(struct gate_counts *counts)
{
	size_t kept = 0;

	for (size_t i = 0; i < counts->site_count; i++) {
		const struct gate_site *site = &counts->sites[i];

		if (is_bookkeeping(counts, site)) {
			for (int j = VALUE_OBJECTS; j <= VALUE_BYTES; j++)
				counts->bookkeeping[j] = add_saturated(counts->bookkeeping[j], site->counts[j].least);
		} else if (site->counts[VALUE_OBJECTS].most > 0 || site->counts[VALUE_BYTES].most > 0) {
			counts->sites[kept++] = *site;
		}
	}
	counts->site_count = kept;
}

struct gate_counts *gate_measurement_finish(struct gate_measurement *measurement, const char *normalize,
					    struct error *error)
{
	struct gate_counts *counts = measurement->counts;
	double *iterations = memory_zeroed((size_t)counts->runs + 1, sizeof(*iterations));
	struct gate_normalizer normalizer;

	if (gate_normalizer_parse(normalize, &normalizer, error) ||
	    count_iterations(measurement, &normalizer, iterations, error)) {
		free(iterations);
		gate_measurement_free(measurement);
		return NULL;
	}
	for (size_t i = 0; i < counts->site_count; i++) {
		join_runs(&counts->sites[i], &measurement->tallies[i], counts->runs, iterations, counts->iterations);
		take_position(&counts->sites[i], &measurement->tallies[i]);
		memcpy(counts->sites[i].seen, counts->sites[i].counts, sizeof(counts->sites[i].seen));
		if (measurement->tallies[i].varies)
			gate_noise_widen(&counts->sites[i], counts->runs);
		else if (!counts->estimated && measurement->tallies[i].blocks > 0)
			gate_noise_widen_blocks(&counts->sites[i], measurement->tallies[i].blocks / counts->runs);
	}
	finish_costs(measurement);
	join_totals(measurement, iterations);
	free(iterations);
	release(measurement);
	counts->normalize = gate_counts_string(counts, normalize);
	drop_unjudged(counts);
	gate_counts_sort(counts);
	gate_counts_add_up(counts);
	return counts;
}
