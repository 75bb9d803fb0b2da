/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/store.h"

#include <math.h>
#include <string.h>

#include "fleet/store_query.h"

enum { BUILDS_MAX = 10000 };

bool store_is_url(const char *text)
{
	return question_is_url(text);
}

/* --- the answers --- */

/* A row of the first query is a process of the profile; its number is that of the row, from 1. */
static void take_build(void *context, char *row)
{
	struct profile *profile = context;
	struct profile_process *process = profile_process_add(profile, (int)profile->process_count + 1);
	const char *build = cell_next(&row), *difference;
	int64_t begun, finest, coarsest;

	process->build_id = profile_string(profile, build ? build : "");
	process->module = store_text(profile, cell_next(&row));
	process->runtime = store_text(profile, cell_next(&row));
	process->comm = store_text(profile, cell_next(&row));
	process->executable = store_text(profile, cell_next(&row));
	begun = store_count(cell_next(&row));
	if (!profile->start_ns || begun < profile->start_ns)
		profile->start_ns = begun;
	profile->duration_ns =
		add_saturated(profile->duration_ns, (int64_t)(fmin(store_real(cell_next(&row)), 9e15) * 1e3));
	coarsest = store_count(cell_next(&row));
	finest = store_count(cell_next(&row));
	profile->rate = coarsest > profile->rate ? coarsest : profile->rate;
	profile->rows_exact &= finest == 1 && coarsest == 1;
	process->lost_events = store_count(cell_next(&row));
	process->lost_stacks = store_count(cell_next(&row));
	process->check.objects = store_count(cell_next(&row));
	process->check.present = process->check.objects != VALUE_UNMEASURED;
	process->check.source = "counters of the runtimes";
	difference = cell_next(&row);
	process->check.difference = difference && *difference == '-' ? -(int64_t)store_real(difference + 1)
								     : (int64_t)store_real(difference);
	process->check.bound = store_count(cell_next(&row));
	store_values(&row, process->totals);
}

/* The process of a build; if modules of one build differ, which no compiler makes, the first. 0: none. */
static int process_of(const struct profile *profile, const char *build)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		if (strcmp(profile->processes[i].build_id, build) == 0)
			return profile->processes[i].pid;
	}
	return 0;
}

/*
 * The samples that are behind an interval, about: of n objects each seen with probability k / n, k being the samples, the
 * variance is n (n - k) / k. Half of a 95 % interval is 1.96 standard deviations.
 */
static int64_t samples_of(int64_t objects, const struct profile_ends *ends)
{
	double n = (double)objects;
	double half = (sqrt(ends->objects_low) + sqrt(ends->objects_high)) / 2;

	return objects <= 0 ? 0 : count_from(fmax(1, round(n * n / (pow(half / 1.96, 2) + n))));
}

static void take_site(void *context, char *row)
{
	struct profile *profile = context;
	struct profile_frame owner = {0}, via = {0};
	const struct profile_location *locations[2];
	struct profile_key key = {.span_class = SPAN_CLASS_UNKNOWN};
	int64_t values[VALUE_COUNT];
	uint32_t depth = 0;
	const char *build;
	int64_t line;
	struct profile_ends ends;

	build = cell_next(&row);
	key.pid = process_of(profile, build ? build : "");
	owner.function = store_text(profile, cell_next(&row));
	owner.file = store_text(profile, cell_next(&row));
	line = store_count(cell_next(&row));
	owner.line = line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
	via.function = store_text(profile, cell_next(&row));
	key.type = store_text(profile, cell_next(&row));
	ends = store_ends(&row);
	profile->rows_exact &= ends.objects_low <= 0 && ends.objects_high <= 0;
	store_values(&row, values);
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (values[value] != VALUE_UNMEASURED)
			profile->row_measured |= 1u << value;
		else
			values[value] = 0;
	}
	values[VALUE_SAMPLES] = samples_of(values[VALUE_OBJECTS], &ends);
	if (via.function)
		locations[depth++] = profile_location(profile, 0, NULL, &via, 1);
	locations[depth++] = profile_location(profile, 0, NULL, &owner, owner.function ? 1 : 0);
	key.stack = profile_stack(profile, locations, depth, false);
	profile_add_ends(profile, profile_add(profile, &key, values), &ends);
}

int store_builds(const struct store *store, struct profile *profile, struct error *error)
{
	/* Seconds are stored with six digits after the point: as integers their sum does not depend on the order. */
	static const struct store_column columns[] = {
		{"any", "comm", true},		 {"any", "executable", true},
		{"min", "window", false},	 {"sum", "toUInt64(round(seconds * 1000000))", false},
		{"max", "rate", false},		 {"min", "rate", false},
		{"sum", "lost_events", false},	 {"sum", "lost_stacks", false},
		{"sum", "check_objects", false}, {"sum", "check_difference", false},
		{"sum", "check_bound", false},	 {0},
	};
	static const char *const keys[] = {"build", "module", "runtime", NULL};
	static const struct store_query query = {
		.table = FLEET_TABLE_WINDOWS,
		.keys = keys,
		.columns = columns,
		.order = "build, module, runtime",
		.limit = BUILDS_MAX,
		.by_host = true,
		.take = take_build,
	};
	int builds;

	profile->tool_version = ESCAPEMENT_VERSION;
	profile->totals_exact = profile->rows_exact = true;
	builds = store_ask(store, &query, profile, error);
	if (builds < 0)
		return -1;
	if (!builds)
		return error_set(error, STATUS_USAGE, "the store has no window of what was asked for");
	if (builds == BUILDS_MAX)
		profile_warn(profile, "only %d builds were taken: ask for one service", BUILDS_MAX);
	return 0;
}

static int ask_all(const struct store *store, struct profile *profile, struct error *error)
{
	static const struct store_column columns[] = {STORE_ENDS, {0}};
	static const char *const keys[] = {"build", "function", "file", "line", "via", "type", NULL};
	static const struct store_query query = {
		.table = FLEET_TABLE_SITES,
		.keys = keys,
		.columns = columns,
		.order = "sum(of_bytes) DESC, function, line",
		.limit = STORE_ROWS_MAX,
		.take = take_site,
	};
	int sites;

	if (store_builds(store, profile, error))
		return -1;
	sites = store_ask(store, &query, profile, error);
	if (sites < 0)
		return -1;
	profile->row_measured |= profile->rows_exact ? 0 : 1u << VALUE_SAMPLES;
	if (sites == STORE_ROWS_MAX)
		profile_warn(profile, "only the greatest %d rows were taken: ask for one service or build",
			     STORE_ROWS_MAX);
	return 0;
}

struct profile *store_profile(const char *url, struct error *error)
{
	struct store store;
	struct profile *profile = NULL;

	if (store_open(&store, url, error) == 0) {
		profile = profile_new();
		profile->target = profile_string(profile, url);
		if (ask_all(&store, profile, error)) {
			profile_free(profile);
			profile = NULL;
		}
	}
	store_close(&store);
	return profile;
}
