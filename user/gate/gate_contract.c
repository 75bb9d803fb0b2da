/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text_compare.h"
#include "gate/baseline_program.h"
#include "gate/gate_measure.h"
#include "gate/gate_noise.h"
#include "profile/frames.h"

/* The result of the runs for one contract. The numbers are those of the run with the fewest objects. */
struct result {
	const struct policy_contract *contract;
	int64_t calls, objects, bytes, cut; /* cut: objects whose stacks are incomplete */
	bool measured, found;
	char *inlined_in;
	struct gate_counts *sites; /* has the texts of `starts`, too */
	struct gate_contract_start *starts;
	size_t start_count;
};

struct gate_contracts {
	struct result *results;
	size_t count;
	const char **functions;
};

struct gate_contracts *gate_contracts_new(const struct policy *policy)
{
	struct gate_contracts *contracts = memory_zeroed(1, sizeof(*contracts));

	contracts->count = policy->contract_count;
	contracts->results = memory_zeroed(contracts->count + 1, sizeof(*contracts->results));
	contracts->functions = memory_zeroed(contracts->count + 1, sizeof(*contracts->functions));
	for (size_t i = 0; i < contracts->count; i++) {
		contracts->results[i].contract = &policy->contracts[i];
		contracts->functions[i] = policy->contracts[i].function;
	}
	return contracts;
}

void gate_contracts_free(struct gate_contracts *contracts)
{
	if (!contracts)
		return;
	for (size_t i = 0; i < contracts->count; i++) {
		gate_counts_free(contracts->results[i].sites);
		free(contracts->results[i].starts);
		free(contracts->results[i].inlined_in);
	}
	free(contracts->results);
	free(contracts->functions);
	free(contracts);
}

const char *const *gate_contracts_functions(const struct gate_contracts *contracts)
{
	return contracts->functions;
}

size_t gate_contracts_count(const struct gate_contracts *contracts)
{
	return contracts->count;
}

static bool is_below(const struct profile_stack *stack, const char *function)
{
	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			if (frames_is_named(location->frames[j].function, function))
				return true;
		}
	}
	return false;
}

/* Whether the object is the runtime's own work, which a busy machine causes, and not the function's. */
static bool is_runtimes(const struct profile_sample *sample, const char *function)
{
	struct frames_site site;

	if (frames_is_runtime(function))
		return false;
	return !frames_site(sample->key.stack, &site) || gate_noise_is_runtimes(sample->key.type, site.runtime_call);
}

/* Copies the samples of a run that are below the function into a profile of their own, to count them. */
static struct profile *samples_below(const struct profile *profile, const char *function, struct result *run)
{
	struct profile *below = profile_new();

	below->rate = profile->rate;
	below->rows_exact = profile->rows_exact;
	below->rows_least = profile->rows_least;
	below->row_measured = profile->row_measured;
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];
		const struct profile_stack *stack = sample->key.stack;

		if (!stack || !is_below(stack, function)) {
			if (!stack || stack->truncated)
				run->cut = add_saturated(run->cut, sample->values[VALUE_OBJECTS]);
			continue;
		}
		if (is_runtimes(sample, function))
			continue;
		run->objects = add_saturated(run->objects, sample->values[VALUE_OBJECTS]);
		run->bytes = add_saturated(run->bytes, sample->values[VALUE_BYTES]);
		profile_add(below, &sample->key, sample->values);
	}
	return below;
}

static bool is_fewer(const struct result *a, const struct result *b)
{
	return a->objects != b->objects ? a->objects < b->objects : a->bytes < b->bytes;
}

/* Counts everything below the function, regardless of its owner. */
static struct gate_counts *count_sites(struct profile *below)
{
	static const char *const everything[] = {"*"};
	struct gate_measurement *measurement = gate_measurement_new(NULL);
	struct gate_counts *counts;
	size_t kept = 0;

	profile_set_modules(below, everything, 1);
	gate_measurement_add(measurement, below, NULL);
	counts = gate_measurement_finish(measurement, NULL, NULL);
	/* one run is judged, as it was: no range for what might have been */
	for (size_t i = 0; i < counts->site_count; i++) {
		struct gate_site *site = &counts->sites[i];

		memcpy(site->counts, site->seen, sizeof(site->seen));
		if (site->counts[VALUE_OBJECTS].most > 0 || site->counts[VALUE_BYTES].most > 0)
			counts->sites[kept++] = *site;
	}
	counts->site_count = kept;
	return counts;
}

/* --- go statements --- */

/* The function that a goroutine began with; NULL if unknown. */
static const char *root_of(const struct profile_stack *stack)
{
	for (uint32_t i = stack ? stack->depth : 0; i-- > 0;) {
		const struct profile_location *location = profile_stack_at(stack, i);
		const char *function =
			location->frame_count ? location->frames[location->frame_count - 1].function : NULL;

		if (!function || strncmp(function, "runtime.goexit", strlen("runtime.goexit")) != 0)
			return function;
	}
	return NULL;
}

/* The frame of a go statement: the innermost that is not the runtime's. */
static const struct profile_frame *frame_of(const struct profile_stack *stack)
{
	static const struct profile_frame unknown;

	for (uint32_t i = 0; i < stack->depth; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = 0; j < location->frame_count; j++) {
			if (!frames_is_runtime(location->frames[j].function))
				return &location->frames[j];
		}
	}
	return &unknown;
}

/* Several stacks may lead to one go statement. */
static struct gate_contract_start *start_at(struct result *run, const struct profile_start *start)
{
	const struct profile_frame *frame = frame_of(start->stack);

	for (size_t i = 0; i < run->start_count; i++) {
		struct gate_contract_start *known = &run->starts[i];

		if (known->line == frame->line && text_same(known->in, frame->function) &&
		    text_same(known->function, start->function))
			return known;
	}
	run->starts = memory_resize(run->starts, run->start_count + 1, sizeof(*run->starts));
	run->starts[run->start_count] =
		(struct gate_contract_start){.in = gate_counts_string(run->sites, frame->function),
					     .file = gate_counts_string(run->sites, frame->file),
					     .line = frame->line,
					     .function = gate_counts_string(run->sites, start->function)};
	return &run->starts[run->start_count++];
}

/* Sums what all goroutines allocated that began with the function of a go statement. */
static void add_started(struct gate_contract_start *start, const struct profile *profile)
{
	for (size_t i = 0; start->function && i < profile->sample_count; i++) {
		const struct profile_sample *sample = profile->samples[i];

		if (!text_same(root_of(sample->key.stack), start->function))
			continue;
		start->objects = add_saturated(start->objects, sample->values[VALUE_OBJECTS]);
		start->bytes = add_saturated(start->bytes, sample->values[VALUE_BYTES]);
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct gate_contract_start *x = a, *y = b;

	return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : x->line < y->line ? -1 : x->line > y->line;
}

static void find_starts(struct result *run, const struct profile *profile)
{
	for (size_t i = 0; i < profile->start_count; i++) {
		const struct profile_start *start = &profile->starts[i];

		if (start->stack && is_below(start->stack, run->contract->function)) {
			struct gate_contract_start *known = start_at(run, start);

			known->count = add_saturated(known->count, start->count);
		}
	}
	for (size_t i = 0; i < run->start_count; i++) {
		struct gate_contract_start *known = &run->starts[i];
		int64_t all = 0;

		for (size_t j = 0; j < profile->start_count; j++) {
			if (text_same(profile->starts[j].function, known->function))
				all = add_saturated(all, profile->starts[j].count);
		}
		known->shared = all > known->count;
		add_started(known, profile);
	}
	if (run->start_count)
		qsort(run->starts, run->start_count, sizeof(*run->starts), by_bytes);
}

static void add_run(struct result *result, const struct profile *profile, const struct profile_call *call)
{
	struct result run = {.contract = result->contract, .measured = true};
	struct profile *below = samples_below(profile, result->contract->function, &run);

	run.calls = call ? call->calls : 0;
	run.found = call && call->found;
	run.inlined_in = call && call->inlined_in ? memory_text(call->inlined_in) : NULL;
	if (result->measured && !is_fewer(&run, result)) {
		free(run.inlined_in);
	} else {
		gate_counts_free(result->sites);
		free(result->starts);
		free(result->inlined_in);
		run.sites = count_sites(below);
		find_starts(&run, profile);
		*result = run;
	}
	profile_free(below);
}

void gate_contracts_add(struct gate_contracts *contracts, const struct profile *profile)
{
	for (size_t i = 0; i < contracts->count; i++)
		add_run(&contracts->results[i], profile, i < profile->call_count ? &profile->calls[i] : NULL);
}

static double allowed(const struct result *result, int value)
{
	double most = result->contract->limits[value].most;

	return result->contract->limits[value].per_call ? most * (double)result->calls : most;
}

struct gate_contract_result gate_contracts_result(const struct gate_contracts *contracts, size_t index)
{
	const struct result *result = &contracts->results[index];
	const int64_t measured[POLICY_VALUES] = {[POLICY_OBJECTS] = result->objects, [POLICY_BYTES] = result->bytes};
	struct gate_contract_result view = {
		.contract = result->contract,
		.calls = result->calls,
		.objects = result->objects,
		.bytes = result->bytes,
		.sites = result->sites,
		.starts = result->starts,
		.start_count = result->start_count,
	};

	for (int i = 0; i < POLICY_VALUES; i++)
		view.broken |= result->contract->limits[i].given && (double)measured[i] > allowed(result, i);
	return view;
}

/* A search for the functions of contracts in a program. */
struct search {
	const struct gate_contracts *contracts;
	bool *found;
};

static bool note_function(const char *name, void *context)
{
	const struct search *search = context;

	for (size_t i = 0; i < search->contracts->count; i++)
		search->found[i] |= frames_is_named(name, search->contracts->functions[i]);
	return true;
}

static enum exit_status refuse_unknown(const char *function, struct error *error)
{
	error_set(error, STATUS_CANNOT_MEASURE,
		  "nothing was tested: the program has no function '%s'; write it as in a stack trace: main.handle, "
		  "server.(*Server).handle",
		  function);
	return STATUS_CANNOT_MEASURE;
}

enum exit_status gate_contracts_check(const struct gate_contracts *contracts, struct error *error)
{
	for (size_t i = 0; i < contracts->count; i++) {
		const struct result *result = &contracts->results[i];
		const char *function = result->contract->function;

		if (!result->found)
			return refuse_unknown(function, error);
		if (result->calls == 0 && result->inlined_in)
			error_set(error, STATUS_CANNOT_MEASURE,
				  "nothing was tested: '%s' is inlined everywhere, so its calls cannot be counted; use "
				  "its caller %s, or mark it //go:noinline",
				  function, result->inlined_in);
		else if (result->calls == 0)
			error_set(error, STATUS_CANNOT_MEASURE, "nothing was tested: '%s' was never called", function);
		else if (result->cut && !gate_contracts_result(contracts, i).broken)
			error_set(
				error, STATUS_LOST,
				"the stacks of %lld objects were cut or lost, so '%s' may be above them: the contract "
				"cannot be judged",
				(long long)result->cut, function);
		else
			continue;
		return error->status;
	}
	return STATUS_OK;
}

enum exit_status gate_contracts_check_program(const struct gate_contracts *contracts, const char *word,
					      struct error *error)
{
	struct search search = {contracts, memory_zeroed(contracts->count + 1, sizeof(*search.found))};
	enum exit_status status = STATUS_OK;

	if (contracts->count && baseline_program_functions(word, note_function, &search)) {
		for (size_t i = 0; i < contracts->count && !status; i++)
			status = search.found[i] ? STATUS_OK : refuse_unknown(contracts->functions[i], error);
	}
	free(search.found);
	return status;
}

bool gate_contracts_idle(const struct gate_contracts *contracts)
{
	struct error error;

	return gate_contracts_check(contracts, &error) == STATUS_CANNOT_MEASURE;
}

bool gate_contracts_hold(const struct gate_contracts *contracts)
{
	struct error error;

	for (size_t i = 0; i < contracts->count; i++) {
		if (gate_contracts_result(contracts, i).broken)
			return false;
	}
	return gate_contracts_check(contracts, &error) == STATUS_OK;
}

/* The name of a contract's group: whole, for a cut one may be that of another contract. */
static const char *group_of(struct gate_counts *side, const struct result *result)
{
	char *name = memory_format("contract %s", result->contract->function);
	const char *group = gate_counts_string(side, name);

	free(name);
	return group;
}

/* Each contract is a group of its own, so that nothing can compensate for a broken one. */
static struct gate_site *add_site(struct gate_counts *side, const struct result *result)
{
	struct gate_site *site = gate_counts_append(side);
	char words[64];

	snprintf(words, sizeof(words), "contract, in %lld call%s", (long long)result->calls,
		 result->calls == 1 ? "" : "s");
	site->function = gate_counts_string(side, result->contract->function);
	site->type = gate_counts_string(side, "everything below it");
	site->annotation = gate_counts_string(side, words);
	site->benchmark = group_of(side, result);
	site->places = 1;
	return site;
}

/* Adds the sites below a function whose contract is broken, to show where it allocates. */
static void add_culprits(struct gate_counts *side, const struct result *result)
{
	const char *group = group_of(side, result);

	for (size_t i = 0; result->sites && i < result->sites->site_count; i++) {
		struct gate_site *site = gate_counts_append_copy(side, &result->sites->sites[i]);

		site->benchmark = group;
		site->benchmark_package = NULL;
		site->annotation = site->reason = NULL;
		site->below_contract = true;
	}
}

void gate_contracts_append(const struct gate_contracts *contracts, struct gate_counts *limits,
			   struct gate_counts *measured)
{
	for (size_t i = 0; i < contracts->count; i++) {
		const struct result *result = &contracts->results[i];
		const int64_t counted[POLICY_VALUES] = {
			[POLICY_OBJECTS] = result->objects, [POLICY_BYTES] = result->bytes};
		bool broken = gate_contracts_result(contracts, i).broken;
		struct gate_site *limit = add_site(limits, result), *site = add_site(measured, result);

		limit->is_limit = true;
		for (int j = 0; j < POLICY_VALUES; j++) {
			/* a contract that holds must not be reported as better than its limit */
			bool unlimited = !result->contract->limits[j].given;
			int64_t most = unlimited ? VALUE_UNMEASURED
				       : broken	 ? count_from(allowed(result, j))
						 : counted[j];

			limit->counts[policy_values[j]] =
				(struct gate_count){.least = most, .most = most, .unlimited = unlimited};
			site->counts[policy_values[j]] = (struct gate_count){.least = counted[j], .most = counted[j]};
		}
		if (broken)
			add_culprits(measured, result);
	}
	gate_counts_sort(limits);
	gate_counts_sort(measured);
}
