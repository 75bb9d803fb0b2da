/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_counts.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/arena.h"
#include "base/string_table.h"
#include "base/text_compare.h"
#include "gate/policy.h"

struct gate_storage {
	struct string_table strings;
	size_t capacity; /* capacity of `sites` */
};

struct gate_counts *gate_counts_new(void)
{
	struct gate_counts *counts = memory_zeroed(1, sizeof(*counts));

	counts->storage = memory_zeroed(1, sizeof(*counts->storage));
	counts->iterations = 1;
	counts->rate = 1;
	for (int i = VALUE_REFILLS; i < VALUE_COUNT; i++) {
		counts->totals[i] = VALUE_UNMEASURED;
		counts->costs[i] = (struct gate_count){.least = VALUE_UNMEASURED, .most = VALUE_UNMEASURED};
	}
	return counts;
}

void gate_counts_free(struct gate_counts *counts)
{
	if (!counts)
		return;
	string_table_free(&counts->storage->strings);
	free(counts->storage);
	free(counts->sites);
	free(counts->modules);
	free(counts->benchmarks);
	free(counts);
}

/* --- strings and keys --- */

const char *gate_counts_string(struct gate_counts *counts, const char *text)
{
	return string_table_intern_printable(&counts->storage->strings, text);
}

void gate_counts_command(struct gate_counts *counts, const char *const *command)
{
	char **shown = secret_hide(command);
	size_t count = 0;
	const char **words;

	while (shown[count])
		count++;
	words = arena_allocate(&counts->storage->strings.arena, (count + 1) * sizeof(*words));
	for (size_t i = 0; i < count; i++)
		words[i] = gate_counts_string(counts, shown[i]);
	words[count] = NULL;
	for (size_t i = 0; i < count; i++)
		free(shown[i]);
	free(shown);
	counts->command = words;
}

void gate_counts_redact(struct gate_counts *counts)
{
	if (counts->command && counts->command[0]) {
		const char *const name[] = {text_base_name(counts->command[0]), NULL};

		gate_counts_command(counts, name);
	}
	for (size_t i = 0; i < counts->site_count; i++)
		counts->sites[i].file = gate_counts_string(counts, text_base_name(counts->sites[i].file));
}

uint64_t gate_site_hash(const struct gate_site *site)
{
	const char *const texts[] = {site->function,  site->via,       site->runtime_call,
				     site->type,      site->benchmark, site->benchmark_package,
				     site->annotation};
	uint64_t hash = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		hash = hash_fold(hash, texts[i] ? hash_bytes(texts[i], strlen(texts[i])) : 0);
	return hash;
}

bool gate_site_same(const void *sites, uint64_t item, const void *key)
{
	return gate_site_compare((const struct gate_site *)sites + item - 1, key, true) == 0;
}

int gate_site_compare(const struct gate_site *a, const struct gate_site *b, bool annotation)
{
	int order = text_compare(a->function, b->function);

	if (!order)
		order = text_compare(a->via, b->via);
	if (!order)
		order = text_compare(a->runtime_call, b->runtime_call);
	if (!order)
		order = text_compare(a->type, b->type);
	if (!order)
		order = text_compare(a->benchmark, b->benchmark);
	if (!order)
		order = text_compare(a->benchmark_package, b->benchmark_package);
	return order || !annotation ? order : text_compare(a->annotation, b->annotation);
}

static int by_name(const void *a, const void *b)
{
	const struct gate_benchmark *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : text_compare(x->package, y->package);
}

const struct gate_benchmark *gate_counts_benchmark_find(const struct gate_counts *counts,
							const struct gate_benchmark *of)
{
	return counts->benchmark_count ? bsearch(of, counts->benchmarks, counts->benchmark_count, sizeof(*of), by_name)
				       : NULL;
}

static int64_t least_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void gate_counts_benchmark(struct gate_counts *counts, const struct gate_benchmark *printed)
{
	struct gate_benchmark *found = (struct gate_benchmark *)gate_counts_benchmark_find(counts, printed);

	if (found) {
		found->allocs = least_of(found->allocs, printed->allocs);
		found->bytes = least_of(found->bytes, printed->bytes);
		found->iterations = least_of(found->iterations, printed->iterations);
		return;
	}
	counts->benchmarks =
		memory_resize(counts->benchmarks, counts->benchmark_count + 1, sizeof(*counts->benchmarks));
	found = &counts->benchmarks[counts->benchmark_count++];
	*found = *printed;
	found->name = gate_counts_string(counts, printed->name);
	found->package = gate_counts_string(counts, printed->package);
	qsort(counts->benchmarks, counts->benchmark_count, sizeof(*counts->benchmarks), by_name);
}

bool gate_benchmark_is_of(const char *printed, const char *benchmark)
{
	size_t length = strlen(benchmark);

	return strncmp(printed, benchmark, length) == 0 && (!printed[length] || printed[length] == '/');
}

int64_t gate_counts_iterations(const struct gate_counts *counts, const struct gate_site *site)
{
	int64_t iterations = 0;

	for (size_t i = 0; site->benchmark && i < counts->benchmark_count; i++) {
		const struct gate_benchmark *benchmark = &counts->benchmarks[i];

		if (gate_benchmark_is_of(benchmark->name, site->benchmark) &&
		    text_same(benchmark->package, site->benchmark_package))
			iterations = iterations ? least_of(iterations, benchmark->iterations) : benchmark->iterations;
	}
	return iterations;
}

bool gate_site_matches(const struct gate_site *site, const char *glob)
{
	char place[4200];

	if (policy_glob(glob, site->function))
		return true;
	if (!site->file || !site->line)
		return false;
	snprintf(place, sizeof(place), "%s:%u", site->file, site->line);
	return fnmatch(glob, place, 0) == 0;
}

double gate_value(const struct gate_counts *side, const struct gate_site *site, enum profile_value value)
{
	if (!site) {
		const struct gate_site *any = side->site_count ? side->sites : NULL;

		/* on a side that does not measure bytes, a missing site has unmeasured bytes too, not 0 */
		return any && any->counts[value].least == VALUE_UNMEASURED && !any->counts[value].unlimited
			       ? VALUE_UNMEASURED
			       : 0;
	}
	if (site->counts[value].least == VALUE_UNMEASURED)
		return VALUE_UNMEASURED;
	return (double)gate_count_value(side, &site->counts[value]) / side->iterations;
}

double gate_value_shown(const struct gate_counts *side, const struct gate_site *site, enum profile_value value)
{
	const struct gate_count *count = site ? &site->counts[value] : NULL;

	if (!site && gate_counts_sampled(side))
		return VALUE_UNMEASURED;
	if (count && side->estimated && !count->estimate && count->least == 0 && count->most > 0)
		return VALUE_UNMEASURED;
	return gate_value(side, site, value);
}

void gate_add_shown(const struct gate_counts *side, const struct gate_site *site, enum profile_value value, double *sum,
		    size_t *without)
{
	double shown = gate_value_shown(side, site, value);

	if (shown == VALUE_UNMEASURED)
		(*without)++;
	else
		*sum = fmax(*sum, 0) + shown;
}

double gate_value_most(const struct gate_counts *side, const struct gate_site *site, enum profile_value value)
{
	return site ? (double)site->counts[value].most / side->iterations : 0;
}

double gate_value_low(const struct gate_counts *side, const struct gate_site *site, enum profile_value value)
{
	return site ? (double)(site->counts[value].least - site->counts[value].below) / side->iterations : 0;
}

bool gate_site_noisy(const struct gate_site *site)
{
	return site &&
	       (!gate_count_steady(&site->counts[VALUE_OBJECTS]) || !gate_count_steady(&site->counts[VALUE_BYTES]));
}

struct gate_site *gate_counts_append(struct gate_counts *counts)
{
	struct gate_storage *storage = counts->storage;
	struct gate_site *site;

	if (counts->site_count == storage->capacity) {
		storage->capacity = storage->capacity ? 2 * storage->capacity : 64;
		counts->sites = memory_resize(counts->sites, storage->capacity, sizeof(*counts->sites));
	}
	site = &counts->sites[counts->site_count++];
	*site = (struct gate_site){0};
	for (int i = VALUE_REFILLS; i < VALUE_COUNT; i++)
		site->counts[i] = (struct gate_count){.least = VALUE_UNMEASURED, .most = VALUE_UNMEASURED};
	return site;
}

struct gate_site *gate_counts_append_copy(struct gate_counts *counts, const struct gate_site *from)
{
	struct gate_site *site = gate_counts_append(counts);

	*site = *from;
	site->function = gate_counts_string(counts, from->function);
	site->via = gate_counts_string(counts, from->via);
	site->runtime_call = gate_counts_string(counts, from->runtime_call);
	site->type = gate_counts_string(counts, from->type);
	site->benchmark = gate_counts_string(counts, from->benchmark);
	site->benchmark_package = gate_counts_string(counts, from->benchmark_package);
	site->annotation = gate_counts_string(counts, from->annotation);
	site->file = gate_counts_string(counts, from->file);
	site->reason = gate_counts_string(counts, from->reason);
	site->accepted = gate_counts_string(counts, from->accepted);
	return site;
}

static int by_key(const void *a, const void *b)
{
	return gate_site_compare(a, b, true);
}

void gate_counts_sort(struct gate_counts *counts)
{
	if (counts->site_count)
		qsort(counts->sites, counts->site_count, sizeof(*counts->sites), by_key);
	if (counts->benchmark_count)
		qsort(counts->benchmarks, counts->benchmark_count, sizeof(*counts->benchmarks), by_name);
}

void gate_counts_add_up(struct gate_counts *counts)
{
	counts->totals[VALUE_OBJECTS] = counts->totals[VALUE_BYTES] = 0;
	for (size_t i = 0; i < counts->site_count; i++) {
		const struct gate_count *bytes = &counts->sites[i].counts[VALUE_BYTES];

		counts->totals[VALUE_OBJECTS] =
			add_saturated(counts->totals[VALUE_OBJECTS],
				      gate_count_value(counts, &counts->sites[i].counts[VALUE_OBJECTS]));
		if (bytes->least == VALUE_UNMEASURED)
			counts->totals[VALUE_BYTES] = VALUE_UNMEASURED;
		else if (counts->totals[VALUE_BYTES] != VALUE_UNMEASURED)
			counts->totals[VALUE_BYTES] =
				add_saturated(counts->totals[VALUE_BYTES], gate_count_value(counts, bytes));
	}
}
